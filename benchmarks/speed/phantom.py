"""How fast the phantom is."""

import time

import numpy as np
import pandas as pd

from benchmarks.speed.clock import median_ms
from datamodules.cache import available_cpus
from datamodules.phantom.scanner import CART, TissueBatch, b_mode
from datamodules.phantom.simulate import simulate_patients
from datamodules.phantom.tissue import FULL_FIELD, draw_tissue


def phantom_speed(device: str, images: int = 48) -> pd.DataFrame:
    """Images of 256 x 256 a second: B-mode scans alone, and whole patients (tissue, scan, strain image) in parallel."""
    tissues = [draw_tissue(np.random.default_rng(seed)) for seed in range(8)]
    batch = TissueBatch.of(tissues, FULL_FIELD, device)
    scans_ms = median_ms(
        lambda: b_mode(batch, CART, [np.random.default_rng(seed) for seed in range(8)]), device == "cuda"
    )
    return pd.DataFrame(
        [
            {"what": f"B-mode scans, batches of 8 on {device}", "a second": round(8000 / scans_ms, 1)},
            {"what": f"whole patients, {available_cpus()} worker processes", "a second": round(_patients(images), 1)},
        ]
    )


def _patients(images: int) -> float:
    """Patients a second once the workers are up."""
    from joblib import Parallel, delayed

    jobs = available_cpus()
    with Parallel(n_jobs=jobs, inner_max_num_threads=1, backend="loky") as parallel:
        parallel(delayed(simulate_patients)("elastography", [number]) for number in range(2 * jobs))
        started = time.perf_counter()
        parallel(delayed(simulate_patients)("elastography", [number]) for number in range(images))
        return images / (time.perf_counter() - started)
