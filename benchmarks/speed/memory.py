"""The most memory that something needs: what torch allocates on a GPU; on CPUs what the process holds."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

MIB = 2**20
CLEAR_REFS = Path("/proc/self/clear_refs")
FORGET_PEAK = "5"  # see proc(5)


def forget_peak(device: torch.device) -> None:
    """Begin anew; on CPUs where the system lets a process do so, as Linux does."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        CLEAR_REFS.write_text(FORGET_PEAK)


def peak_mib(device: torch.device) -> float:
    """Since then. On CPUs the resident memory of the whole process, its libraries included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
