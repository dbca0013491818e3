"""Milliseconds of a call, several times over, with all that a GPU does for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

FEWEST = 3
FEWEST_FOR_P95 = 20  # of fewer, the 95th percentile is the largest


@dataclass(frozen=True)
class Patience:
    """How often a call is repeated.

    Args:
        usual: times.
        least_ms: what is quick is repeated until that is over.
        most_ms: after which three times are enough.
    """

    usual: int = 5
    least_ms: float = 0.0
    most_ms: float = 20_000.0

    def wants_more(self, times: list[float]) -> bool:
        spent = sum(times)
        return len(times) < FEWEST or spent < (self.most_ms if len(times) < self.usual else self.least_ms)


USUAL = Patience()


@dataclass(frozen=True)
class Times:
    """Of single calls, in milliseconds; ``calls`` were made in all, with those to warm up."""

    ms: list[float]
    calls: int

    @property
    def median(self) -> float:
        return median(self.ms)

    @property
    def p95(self) -> float:
        """The 95th percentile; NaN of fewer than twenty."""
        return float(np.percentile(self.ms, 95)) if len(self.ms) >= FEWEST_FOR_P95 else float("nan")


class Moment:
    """A point in a device's time. A GPU passes it when it has done all that was asked of it before; nobody waits."""

    def __init__(self, device: torch.device) -> None:
        self.event = torch.cuda.Event(enable_timing=True) if device.type == "cuda" else None
        if self.event is not None:
            self.event.record()
        self.seconds = time.perf_counter()

    def since(self, earlier: "Moment") -> float:
        """Milliseconds; a GPU is waited for."""
        if self.event is None or earlier.event is None:
            return 1000 * (self.seconds - earlier.seconds)
        self.event.synchronize()
        return earlier.event.elapsed_time(self.event)


def timed(call: Callable[[], Any], cuda: bool = False, patience: Patience = USUAL) -> Times:
    """After two calls to warm up, of what is slow one; with ``cuda``, each is waited for."""
    warm_up = [_one(call, cuda)]
    if warm_up[0] < patience.most_ms:
        warm_up.append(_one(call, cuda))
    times: list[float] = []
    while patience.wants_more(times):
        times.append(_one(call, cuda))
    return Times(times, len(warm_up) + len(times))


def median_ms(call: Callable[[], Any], cuda: bool = False) -> float:
    return timed(call, cuda).median


def _one(call: Callable[[], Any], cuda: bool) -> float:
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started)
