"""The energy that a device says it has used: all of it, whoever it worked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

RAPL = Path("/sys/class/powercap")
PACKAGES = "intel-rapl:[0-9]*"  # of processors; their parts have a second number
MICRO, MILLI = 1e-6, 1e-3


@dataclass
class Counter:
    """Joules since some time, as ``read`` gives them; begins anew after ``span``."""

    read: Callable[[], float]
    span: float = float("inf")


class EnergyMeter:
    """Adds up what counters show. Asked rarely, it would miss that one has begun anew."""

    def __init__(self, counters: list[Counter]) -> None:
        self.counters = counters
        self.last = [counter.read() for counter in counters]
        self.used = 0.0

    @classmethod
    def of(cls, device: torch.device) -> "EnergyMeter | None":
        """None where the device does not tell."""
        counters = [*(_of_gpu(device) if device.type == "cuda" else _of_processors())]
        return cls(counters) if counters else None

    def joules(self) -> float:
        """Since this meter was made."""
        for index, counter in enumerate(self.counters):
            now = counter.read()
            risen = now - self.last[index]
            self.used += risen if risen >= 0 else risen + counter.span
            self.last[index] = now
        return self.used


def _of_gpu(device: torch.device) -> Iterator[Counter]:
    """NVIDIA's, where nvidia-ml-py is installed and the GPU has one."""
    try:
        import pynvml
    except ImportError:
        return
    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except pynvml.NVMLError:
        return
    yield Counter(lambda: MILLI * pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu))


def _of_processors() -> Iterator[Counter]:
    """RAPL's, a counter a package, where this user may read it."""
    for package in sorted(RAPL.glob(PACKAGES)):
        if package.name.count(":") > 1:
            continue
        try:
            span = MICRO * int((package / "max_energy_range_uj").read_text())
            _joules(package / "energy_uj")
        except (OSError, ValueError):
            continue
        yield Counter(partial(_joules, package / "energy_uj"), span)


def _joules(file: Path) -> float:
    return MICRO * int(file.read_text())
