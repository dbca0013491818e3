"""Summaries of per-image scores."""

import numpy as np
import pandas as pd


def over_runs(scores: pd.DataFrame, metric: str) -> tuple[float, float, float, int]:
    """Mean over runs of the mean over images, its standard deviation over runs (n - 1; NaN for one run), the mean
    over runs of the standard deviation over images, and the number of runs. A run is a fold and a seed."""
    runs = scores.dropna(subset=[metric]).groupby(["fold", "seed"])[metric]
    means = runs.mean()
    spread = float(means.std(ddof=1)) if len(means) > 1 else float("nan")
    return float(means.mean()), spread, float(runs.std(ddof=1).mean()), len(means)


def best(values: dict[str, float], higher_is_better: bool | None) -> set[str]:
    """The names with the best value; None for "the closest to 0"."""
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if not known:
        return set()
    goodness = {
        name: value if higher_is_better else -(abs(value) if higher_is_better is None else value)
        for name, value in known.items()
    }
    return {name for name, value in goodness.items() if value == max(goodness.values())}
