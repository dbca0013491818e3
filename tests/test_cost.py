"""The analysis of costs: what a cell measures of itself, and what the tables say of it."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import nn

from benchmarks.analyses.cost import Cost
from benchmarks.analyses.cost.columns import COLUMNS
from benchmarks.analyses.cost.record import FILE, CellCost
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.run.cell import _run
from benchmarks.speed import energy, in_cell, inference, memory
from benchmarks.speed.clock import Patience, Times, timed
from benchmarks.speed.energy import Counter, EnergyMeter
from benchmarks.speed.in_cell import KEPT, WARM_UP, CostMeasurement, Steps
from benchmarks.speed.inference import first_of, flops, inference_cost
from benchmarks.suite import read_suite
from datamodules import InputError
from tests import tiny
from tests.facts import METRIC

CPU = torch.device("cpu")
NAN = float("nan")


# The clock


def test_the_95th_percentile_is_that_of_twenty_calls_or_more():
    assert Times([3.0, 1.0, 2.0], 4).median == 2.0
    assert np.isnan(Times([1.0] * 19, 19).p95)
    assert Times([float(n) for n in range(1, 21)], 20).p95 == pytest.approx(19.05)


@pytest.mark.parametrize(
    ("patience", "a_call", "repeats"),
    [
        (Patience(usual=5), 1.0, 5),
        (Patience(usual=5, most_ms=100.0), 60.0, 3),
        (Patience(usual=5, most_ms=100.0), 30.0, 4),  # 120 ms are more than enough
        (Patience(usual=5, least_ms=100.0), 10.0, 10),
    ],
)
def test_quick_calls_are_repeated_longer_and_slow_ones_less_often(patience, a_call, repeats):
    times: list[float] = []
    while patience.wants_more(times):
        times.append(a_call)
    assert len(times) == repeats


def test_all_calls_are_counted_those_to_warm_up_too():
    calls: list[int] = []
    times = timed(lambda: calls.append(1), patience=Patience(usual=4))
    assert (len(times.ms), times.calls, len(calls)) == (4, 6, 6)


# Operations, memory, energy


def test_operations_are_those_of_convolutions_and_matrix_products():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 10))
    image = torch.rand(1, 1, 8, 8)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            assert flops(lambda: network(image)) == 2 * (4 * 9 * 64) + 2 * (256 * 10)


def test_operations_of_a_fused_or_compiled_network_are_counted_too():
    layer, words = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), torch.rand(1, 16, 8)
    projections, attention, feedforward = 4 * 2 * 16 * 8 * 8, 2 * 2 * 2 * 16 * 16 * 4, 2 * 2 * 16 * 8 * 16
    with torch.inference_mode():
        assert flops(lambda: layer(words)) == projections + attention + feedforward
    assert torch.backends.mha.get_fastpath_enabled(), "as before"
    network = nn.Conv2d(1, 4, 1)
    network.compile(backend="eager")
    with torch.inference_mode():
        assert flops(lambda: network(torch.rand(1, 1, 8, 8))) == 2 * 4 * 64


@pytest.mark.skipif(not memory.CLEAR_REFS.exists(), reason="no system that lets a process forget its peak")
def test_peak_memory_is_the_most_since_it_was_forgotten():
    memory.forget_peak(CPU)
    before = memory.peak_mib(CPU)
    held = bytearray(256 * 2**20)
    assert memory.peak_mib(CPU) > before + 250
    del held
    assert memory.peak_mib(CPU) > before + 250, "it was there"
    memory.forget_peak(CPU)
    assert memory.peak_mib(CPU) < before + 50


def test_energy_is_what_counters_have_risen_by_also_where_one_begins_anew():
    shown = iter([10.0, 900.0, 15.0, 950.0, 20.0, 30.0])
    meter = EnergyMeter([Counter(lambda: next(shown)), Counter(lambda: next(shown), span=1000.0)])
    assert meter.joules() == 5.0 + 50.0
    assert meter.joules() == 10.0 + 50.0 + 80.0


def test_energy_of_processors_is_that_of_their_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    assert EnergyMeter.of(CPU) is None
    for name, micro in (("intel-rapl:0", 5_000_000), ("intel-rapl:0:1", 900_000_000), ("intel-rapl:1", 7_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{micro}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("262143328850\n")
    (tmp_path / "intel-rapl:2").mkdir()  # of which this user may read nothing
    meter = EnergyMeter.of(CPU)
    assert [counter.span for counter in meter.counters] == [pytest.approx(262143.32885)] * 2
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("8000000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("7500000")
    assert meter.joules() == pytest.approx(3.5)


def test_energy_of_a_gpu_is_what_its_own_counter_says(monkeypatch):
    class NVMLError(Exception):
        pass

    millijoules = iter([0, 2000, 5500])
    told = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID={"GPU-abc": 7}.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption=lambda gpu: next(millijoules),
    )
    monkeypatch.setitem(sys.modules, "pynvml", told)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="abc"))
    assert EnergyMeter.of(torch.device("cuda")).joules() == 3.5

    def unknown(gpu):
        raise NVMLError

    told.nvmlDeviceGetTotalEnergyConsumption = unknown
    assert EnergyMeter.of(torch.device("cuda")) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert EnergyMeter.of(torch.device("cuda")) is None


# Inference


def test_inference_is_timed_by_single_images_and_by_batches(monkeypatch):
    batch = {"source": torch.rand(4, 1, 8, 8), "id": ["a", "b", "c", "d"]}
    seen: list[tuple[int, list[str], bool]] = []
    joules = iter([0.0, 480.0])
    monkeypatch.setattr(inference.EnergyMeter, "of", lambda device: EnergyMeter([Counter(lambda: next(joules))]))

    def infer(images):
        seen.append((len(images["source"]), images["id"], torch.is_grad_enabled()))
        torch.rand(1)

    def ten_ms(call, cuda, patience):
        call()
        return Times([10.0] * 20, 24)

    monkeypatch.setattr(inference, "timed", ten_ms)
    before = torch.get_rng_state()
    cost = inference_cost(infer, batch, CPU)
    assert torch.equal(torch.get_rng_state(), before), "scores are what they would be without it"
    assert seen == [(1, ["a"], False), (4, ["a", "b", "c", "d"], False), (1, ["a"], False)]
    assert (cost.latency_ms, cost.latency_p95_ms, cost.images_s) == (10.0, 10.0, 400.0)
    assert cost.image_j == 480.0 / (24 * 4)
    assert np.isnan(cost.inference_mib), "what a process holds says nothing of an inference"
    assert cost.gflops == 0.0


def test_the_first_image_of_a_batch_keeps_all_that_belongs_to_it():
    batch = {"source": torch.arange(4.0).view(2, 1, 1, 2), "label": torch.tensor([1, 0]), "id": ["a", "b"]}
    one = first_of(batch)
    assert one["source"].tolist() == [[[[0.0, 1.0]]]]
    assert (one["label"].tolist(), one["id"]) == ([1], ["a"])


# Training steps


class Milliseconds:
    """In the place of moments: the clock stands where ``now`` is."""

    now = 0.0

    def __init__(self, device) -> None:
        self.at = Milliseconds.now

    def since(self, earlier: "Milliseconds") -> float:
        return self.at - earlier.at


def stepped(durations: list[float], monkeypatch) -> Steps:
    """Steps that took so long, on batches of 4, with a pause before each."""
    monkeypatch.setattr(in_cell, "Moment", Milliseconds)
    steps, model = Steps(), SimpleNamespace(device=CPU)
    steps.on_train_start(None, model)
    for number, duration in enumerate(durations):
        Milliseconds.now += 1000.0
        steps.on_train_batch_start(None, model, {}, number)
        Milliseconds.now += duration
        steps.on_train_batch_end(None, model, None, {"id": ["a", "b", "c", "d"]}, number)
    steps.on_train_end(None, model)
    return steps


def test_a_step_is_the_median_of_those_after_the_first_without_what_lies_between(monkeypatch):
    costs = stepped([500.0] * WARM_UP + [10.0, 40.0, 20.0], monkeypatch).costs()
    assert costs["step_ms"] == 20.0
    assert costs["training_images_s"] == 4 / 0.020
    assert costs["training_mib"] > 50
    many = stepped([500.0] * WARM_UP + [1.0] * KEPT + [3.0] * KEPT, monkeypatch)
    assert many.costs()["step_ms"] == 3.0, "the last of many"


def test_what_was_not_trained_long_enough_has_no_step(monkeypatch):
    assert np.isnan(stepped([500.0] * WARM_UP, monkeypatch).costs()["step_ms"])
    assert all(np.isnan(value) for value in Steps().costs().values())


def test_energy_of_a_step_is_that_of_the_training_over_its_steps(monkeypatch):
    shown = iter([100.0, 130.0])
    monkeypatch.setattr(in_cell.EnergyMeter, "of", lambda device: EnergyMeter([Counter(lambda: next(shown))]))
    steps = stepped([1.0] * 6, monkeypatch)
    steps.on_train_epoch_end(None, None)
    assert steps.costs()["step_j"] == 5.0


# A cell


SUITE = {
    "metrics": ["MAE"],
    "cost": True,
    "data": {"patients": 12, "size": [32, 32], "batch_size": 2, "augmentation": None, "fractions": [0.5, 0.2, 0.3]},
    "trainer": {"max_epochs": 3, "accelerator": "cpu", "limit_val_batches": 0},
    "rows": {"U-Net": {"config": "sswe.yaml", "model": {"width": 4}}},
}
CEILING = "benchmarks.run.baselines.Ceiling"
SETS = SUITE | {
    "sets": {"a": {}},
    "columns": ["a>a"],
    "rows": {"FDA": {"config": "sswe.yaml", "class_path": "FDA"},
             "perfect": {"config": "sswe.yaml", "class_path": CEILING}},
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache) -> Results:
    """A trained row, one that is not trained, and a ceiling."""
    folder = tmp_path_factory.mktemp("cost")
    (folder / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": SUITE, "u": SETS}}, sort_keys=False))
    suite, results = read_suite(str(folder / "s.yaml")), Results(folder / "out")
    results.write_plan(suite.plan())
    for cell in suite.cells:
        if cell.row in ("U-Net", "FDA", "perfect"):
            _run(results.cell(cell.hash), cell.config, progress=lambda told: None)
    return results


def cost_of(results: Results, row: str) -> CellCost | None:
    (cell,) = [cell for cell in results.plan.cells if cell.row == row]
    return CellCost.read(results.cell(cell.hash))


def test_a_cell_measures_what_it_costs_to_train_and_to_use_its_network(results):
    cost = cost_of(results, "U-Net")
    assert (cost.precision, cost.threads, cost.batch) == ("32-true", torch.get_num_threads(), 2)
    assert cost.device.endswith("CPU cores")
    assert set(cost.costs) == {column.key for column in COLUMNS}
    known = cost.costs
    assert known["training_images_s"] == pytest.approx(1000 * 2 / known["step_ms"])
    assert known["latency_p95_ms"] >= known["latency_ms"] > 0
    model = tiny.method("sswe", width=4).eval()
    with torch.inference_mode():
        assert known["gflops"] == flops(lambda: model(torch.rand(1, 1, 32, 32))) / 1e9 > 0
    assert known["training_mib"] > 50
    assert np.isnan(known["inference_mib"])


def test_a_row_that_is_not_trained_has_what_it_has_and_a_ceiling_nothing(results):
    known = cost_of(results, "FDA").costs
    assert known["latency_ms"] > 0
    assert known["gflops"] == 0
    assert all(np.isnan(known[name]) for name in ("step_ms", "training_images_s", "training_mib", "step_j"))
    assert cost_of(results, "perfect") is None


def test_the_table_has_the_rows_that_cost_something(results):
    of_methods, of_sets = (Cost().findings(results, results.plan.tables[key]).tables[0] for key in ("t", "u"))
    assert list(of_methods.wide().index) == ["U-Net"], "no trivial row and no ceiling"
    assert {"step (ms)", "latency (ms)", "latency (ms), 95 %", "GFLOPs", "parameters"} <= set(of_methods.wide())
    assert list(of_sets.wide().index) == ["FDA"]
    assert "step (ms)" not in of_sets.wide()
    assert of_sets.wide().loc["FDA", "parameters"] == "-"


def test_only_tables_that_ask_for_it_have_other_cells(tmp_path):
    hashes = {}
    for name, asked in (("with", SUITE), ("without", {key: SUITE[key] for key in SUITE if key != "cost"})):
        (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": asked}}, sort_keys=False))
        cells = read_suite(str(tmp_path / "s.yaml")).cells
        hashes[name] = {cell.row: cell.hash for cell in cells}
        assert [cell.config.get("cost") for cell in cells if cell.row == "U-Net"] == [True if name == "with" else None]
    assert hashes["with"]["U-Net"] != hashes["without"]["U-Net"]
    assert hashes["with"]["mean"] == hashes["without"]["mean"]
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": SUITE | {"cost": "gpu"}}}))
    with pytest.raises(InputError, match="table 't': cost is 'gpu'; write true, or leave it out"):
        read_suite(str(tmp_path / "s.yaml"))


# The table


def made_by_hand(folder, **costs: list[CellCost | None]) -> tuple[Results, PlannedTable]:
    """Finished cells of rows, a fold each, with what they have measured."""
    table = PlannedTable("t", "Table", ["MAE"], {row: row for row in costs}, candidates=list(costs))
    cells = [PlannedCell("t", row, fold, 0, f"{row}{fold}") for row in costs for fold in range(len(costs[row]))]
    results = Results(folder)
    results.write_plan(Plan("s", "S", {"t": table}, cells))
    data = {"data": "phantoms", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {"test": 2}}
    for cell in cells:
        own, measured = results.cell(cell.hash), costs[cell.row][cell.fold]
        own.write_scores(pd.DataFrame({"id": ["a"], "patient": ["a"], "MAE": [1.0]}), [METRIC["MAE"]])
        own.write_timings({"fit_s": 60.0 + cell.fold, "updates": 10, "parameters_in_use": 1_500_000})
        own.mark_finished(data, "")
        if measured is not None:
            measured.write(own)
    return results, table


def measured(**costs: float) -> CellCost:
    return CellCost("a GPU", "bf16-mixed", 1, 4, dict.fromkeys((column.key for column in COLUMNS), NAN) | costs)


def test_costs_are_means_over_runs_with_three_digits_that_say_something(tmp_path):
    ours = [measured(step_ms=1234.0, latency_ms=12.0), measured(step_ms=1238.0, latency_ms=13.0)]
    results, table = made_by_hand(tmp_path, ours=ours, fast=[measured(latency_ms=0.04321, step_j=2.5)] * 2)
    (printed,) = Cost().findings(results, table).tables
    wide = printed.wide()
    assert wide.loc["ours", "step (ms)"] == "1236 ± 3"
    assert wide.loc["ours", "latency (ms)"] == "12.5 ± 0.7"
    assert wide.loc["fast", "latency (ms)"] == "0.0432 ± 0.0000"
    assert (wide.loc["fast", "step (ms)"], wide.loc["ours", "energy (J), training"]) == ("-", "-")
    assert wide.loc["ours", "parameters"] == "1.5 M"
    assert "memory (MiB), training" not in wide
    told = "\n".join(printed.notes)
    assert "on a GPU, beside what else ran there: threads 1, batches of 4, precision bf16-mixed" in told
    assert "Energy is what the device says" in told
    assert "Memory" not in told
    assert not printed.cells["best"].any()


def test_what_no_device_told_is_said_once(tmp_path):
    results, table = made_by_hand(tmp_path, ours=[measured(training_mib=100.0)])
    (printed,) = Cost().findings(results, table).tables
    assert "No energy: no device told it." in printed.notes
    assert any(note.startswith("Memory of a GPU is what torch allocated; of CPUs") for note in printed.notes)


def test_a_method_without_a_cost_has_a_line_in_its_place(tmp_path):
    results, table = made_by_hand(tmp_path, ours=[measured(step_ms=3.0)], theirs=[None])
    (printed,) = Cost().findings(results, table).tables
    assert printed.wide().loc["theirs", "step (ms)"] == "-"
    (line,) = [note for note in printed.notes if note.startswith("No cost measured")]
    assert line.startswith("No cost measured: t / theirs, fold 0, seed 0: there is no theirs0/cost.json; remove that")
    half, table = made_by_hand(tmp_path / "half", ours=[measured(step_ms=3.0), None])
    (printed,) = Cost().findings(half, table).tables
    assert printed.wide().loc["ours", "step (ms)"] == "3.00 (1 of 2 runs)"


def test_nothing_is_printed_before_a_cell_has_finished(tmp_path):
    results, table = made_by_hand(tmp_path, ours=[])
    assert Cost().findings(results, table).tables == []
    assert Cost().findings(results, table).headlines == []


def test_headlines_are_a_number_a_row_and_less_is_better(tmp_path):
    results, table = made_by_hand(
        tmp_path, ours=[measured(latency_ms=12.0), measured(latency_ms=14.0)], theirs=[None, None]
    )
    found = {headline.name: headline for headline in Cost().findings(results, table).headlines}
    assert found["latency"].values == {"ours": 13.0}
    assert found["training"].values == {"ours": 60.5, "theirs": 60.5}
    assert found["parameters"].values == {"ours": 1.5, "theirs": 1.5}
    assert [headline.unit for headline in found.values()] == ["ms", "s", "M"]
    assert all(headline.aspect == "cost" and not headline.higher_is_better for headline in found.values())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is damaged"),
        ("[]", "it holds a list, not a dict"),
        ('{"device": "x", "precision": "y", "threads": 1, "batch": 2}', "its 'costs' is missing"),
        ('{"device": "x", "precision": "y", "threads": 1, "batch": 2, "costs": {"step_ms": "3"}}', "'step_ms' is no n"),
    ],
)
def test_a_damaged_record_is_named(text, why, tmp_path):
    results, table = made_by_hand(tmp_path, ours=[measured(step_ms=3.0)])
    (results.cell("ours0") / FILE).write_text(text)
    with pytest.raises(InputError, match=why) as error:
        Cost().findings(results, table)
    assert str(error.value).startswith(f"{results.cell('ours0').path}/cost.json: is damaged (")


def test_a_cell_whose_record_was_cut_is_run_again(tmp_path):
    results, _ = made_by_hand(tmp_path, ours=[measured(step_ms=3.0)])
    folder = results.cell("ours0")
    assert folder.damage == ""
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-9])
    assert folder.damage.startswith(f"{folder.path}/cost.json: is damaged")


def test_a_record_comes_back_as_it_was_written(tmp_path):
    folder, cost = CellFolder(tmp_path), measured(step_ms=3.0)
    cost.write(folder)
    assert json.loads((tmp_path / FILE).read_text())["costs"]["latency_ms"] is None, "NaN is no JSON"
    again = CellCost.read(folder)
    assert again.costs["step_ms"] == 3.0
    assert np.isnan(again.costs["latency_ms"])
    assert replace(again, costs={}) == replace(cost, costs={})
    assert CellCost.read(CellFolder(tmp_path / "other")) is None


def test_a_measurement_watches_the_training_by_callbacks():
    (callback,) = CostMeasurement().callbacks()
    assert isinstance(callback, pl.Callback)
