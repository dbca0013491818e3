"""The analysis of costs: what a cell measures of itself, and what the tables say of it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import yaml

from benchmarks.analyses.cost import Cost
from benchmarks.analyses.cost.columns import COLUMNS
from benchmarks.analyses.cost.record import FILE, CellCost
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.run.cell import _run
from benchmarks.speed.in_cell import CostMeasurement
from benchmarks.speed.inference import flops
from benchmarks.suite import read_suite
from datamodules import InputError
from tests import tiny
from tests.facts import METRIC

CPU = torch.device("cpu")
NAN = float("nan")


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
