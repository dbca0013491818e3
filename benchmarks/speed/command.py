"""``python -m benchmarks speed``."""

from pathlib import Path

import pandas as pd
import torch

from benchmarks.run.cell import environment
from benchmarks.speed.frames import frame_speed
from benchmarks.speed.methods import Workload, method_speed
from benchmarks.speed.phantom import phantom_speed
from benchmarks.speed.superpixels import superpixel_speed
from datamodules.tables import csv_text
from datamodules.writers import write_text_atomically


def measure_speed(only: str | None = None, out: Path | None = None) -> dict[str, pd.DataFrame]:
    """Measure, print, and write CSV files to ``out``; ``only`` one of phantom, frames and methods."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_flush_denormal(True)
    tables = {}
    if only in (None, "phantom"):
        tables["phantom"] = phantom_speed(device)
    if only in (None, "frames"):
        tables["frames"] = frame_speed(device)
    if only in (None, "methods"):
        tables["speed"] = method_speed(device)
        hsct = tables["speed"].set_index(["method", "variant"]).loc["hsct", "fp32"]
        tables["superpixels"] = superpixel_speed(float(hsct["step_ms"]), Workload.of("hsct").batch_size)
    for name, table in tables.items():
        print(table.to_string(index=False), end="\n\n")
        if out is not None:
            write_text_atomically(out / f"{name}.csv", csv_text(table))
    print(", ".join(f"{key}: {value}" for key, value in environment().items()))
    return tables
