"""Milliseconds of a call: medians of several, on the device's own time."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

REPEATS = 5
ENOUGH_MS = 20_000  # after which three are enough


def median_ms(call: Callable[[], Any], cuda: bool = False) -> float:
    """After two calls to warm up; with ``cuda``, each is waited for."""
    for _ in range(2):
        call()
    times: list[float] = []
    while len(times) < 3 or (len(times) < REPEATS and sum(times) < ENOUGH_MS):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return median(times)
