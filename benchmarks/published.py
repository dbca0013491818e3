"""The papers' numbers, to stand beside ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.plan import BETWEEN
from benchmarks.printing import OVERALL

PUBLISHED = Path(__file__).parent / "published.csv"
PAPER_NAMES = {"hsct": "HSC-T", "sswe": "sSWE", "cyclegan_perceptual": "CycleGAN with perceptual loss"}
REFERENCE_NAMES = {"usenhance_leaderboard": "the USenhance 2023 challenge's own ranking"}


def read_published(paper: dict[str, Any] | None) -> pd.DataFrame:
    """The paper's lines for this table, percentages as fractions."""
    published = pd.read_csv(PUBLISHED)
    if not paper:
        return published.iloc[:0]
    chosen = published[(published["paper"] == paper["paper"]) & (published["table"].astype(str) == str(paper["table"]))]
    if "dataset" in paper:
        chosen = chosen[chosen["dataset"] == paper["dataset"]]
    scale = np.where(chosen["unit"] == "%", 0.01, 1.0)
    spread = pd.to_numeric(chosen["spread"], errors="coerce")
    return chosen.assign(value=chosen["value"] * scale, spread=spread * scale)


def printed(published: pd.DataFrame, method: str, metric: str, group: str) -> pd.DataFrame:
    chosen = published[(published["method"] == method) & (published["metric"] == metric)]
    if BETWEEN in group:
        return chosen[chosen["dataset"] == group]
    return chosen[chosen["group"].isin([group, "per patient"] if group == OVERALL else [group])]
