"""What it costs to use a method: one image at a time, and a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.clock import FEWEST_FOR_P95, Patience, timed
from benchmarks.speed.energy import EnergyMeter
from benchmarks.speed.memory import forget_peak, peak_mib
from datamodules.batch import Batch

ONE_BY_ONE = Patience(usual=FEWEST_FOR_P95, least_ms=500.0, most_ms=10_000.0)
IN_BATCHES = Patience(usual=3, least_ms=500.0, most_ms=10_000.0)
GIGA = 1e9


@dataclass(frozen=True)
class InferenceCost:
    """NaN where it could not be measured.

    Attributes:
        latency_ms: of one image, median.
        latency_p95_ms: 95th percentile.
        images_s: images a second, in batches.
        gflops: floating-point operations of one image, in thousand millions: convolutions and matrix products, of
            which a multiplication with its addition is two.
        inference_mib: the most memory, one by one, all of the method's networks included; of GPUs.
        image_j: joules an image, in batches.
    """

    latency_ms: float
    latency_p95_ms: float
    images_s: float
    gflops: float
    inference_mib: float
    image_j: float


def inference_cost(infer: Callable[[Batch], Any], batch: Batch, device: torch.device) -> InferenceCost:
    """Of what ``infer`` makes of a batch, without gradients. No random number is used up."""
    cuda = device.type == "cuda"
    one = first_of(batch)
    with torch.inference_mode(), torch.random.fork_rng([device] if cuda else []):
        forget_peak(device)
        single = timed(lambda: infer(one), cuda, ONE_BY_ONE)
        memory = peak_mib(device) if cuda else float("nan")  # the process holds more than the inference needs
        images, meter = len(batch["source"]), EnergyMeter.of(device)
        several = timed(lambda: infer(batch), cuda, IN_BATCHES)
        joules = meter.joules() if meter is not None else float("nan")
        return InferenceCost(
            latency_ms=single.median,
            latency_p95_ms=single.p95,
            images_s=1000 * images / several.median,
            gflops=flops(lambda: infer(one)) / GIGA,
            inference_mib=memory,
            image_j=joules / (several.calls * images),
        )


def first_of(batch: Batch) -> Batch:
    """Its first image alone."""
    return cast(Batch, {name: values[:1] for name, values in batch.items()})  # type: ignore[index]


def flops(call: Callable[[], Any]) -> int:
    """Of the convolutions and matrix products in a call; run as it is written, for a compiled or fused one hides
    them."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
            call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return counter.get_total_flops()
