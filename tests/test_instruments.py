"""What costs are measured by: the clock, operations, memory, energy, inference, training steps."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.speed import energy, in_cell, inference, memory
from benchmarks.speed.clock import Patience, Times, timed
from benchmarks.speed.energy import Counter, EnergyMeter
from benchmarks.speed.in_cell import KEPT, WARM_UP, Steps
from benchmarks.speed.inference import first_of, flops, inference_cost

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
