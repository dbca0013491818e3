"""The papers' numbers, to stand beside ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.suite import BETWEEN
from benchmarks.tables.printing import OVERALL

PUBLISHED = Path(__file__).parent.parent / "published.csv"
PAPER_NAMES = {
    "hsct": "HSC-T",
    "sswe": "sSWE",
    "cyclegan_perceptual": "CycleGAN with perceptual loss",
    "harmonizer": "harmonizer",
}
OUR_NAMES = {("harmonizer", "MI"): "MI_source"}  # it prints the original's as that of an image with itself
REFERENCE_NAMES = {"usenhance_leaderboard": "the USenhance 2023 challenge's own ranking"}


def read_published(paper: dict[str, Any] | None) -> pd.DataFrame:
    """The paper's lines for this table, percentages as fractions; ``interval`` is a confidence interval as text.

    ``paper`` names the ``table``, or by ``columns`` which of its tables stands for which column of ours, and of that
    table which ``method``, where only one does: ``{A>B: {table: text, method: ...}}``.
    """
    published = pd.read_csv(PUBLISHED)
    if not paper:
        return published.iloc[:0].assign(interval="")
    if "columns" in paper:
        of_columns = [
            read_published({"paper": paper["paper"], **chosen_table(chosen)}).assign(dataset=column)
            for column, chosen in paper["columns"].items()
        ]
        return pd.concat(of_columns, ignore_index=True)
    chosen = published[(published["paper"] == paper["paper"]) & (published["table"].astype(str) == str(paper["table"]))]
    for name in ("dataset", "method"):
        if name in paper:
            chosen = chosen[chosen[name] == paper[name]]
    scale = np.where(chosen["unit"] == "%", 0.01, 1.0)
    spread = pd.to_numeric(chosen["spread"], errors="coerce")
    interval = np.where(chosen["spread_kind"] == "95% CI", chosen["spread"].astype(str).str.replace("-", " to "), "")
    metric = [OUR_NAMES.get((paper["paper"], name), name) for name in chosen["metric"]]
    return chosen.assign(value=chosen["value"] * scale, spread=spread * scale, interval=interval, metric=metric)


def chosen_table(chosen: Any) -> dict[str, Any]:
    """A table alone, or with the method of it that is meant."""
    return chosen if isinstance(chosen, dict) else {"table": chosen}


def beside(lines: pd.DataFrame) -> dict[str, Any]:
    """What of the paper stands beside our number: the first of its lines, or nothing."""
    if lines.empty:
        return {"paper": np.nan, "paper_spread": np.nan, "paper_interval": ""}
    line = lines.iloc[0]
    return {"paper": line["value"], "paper_spread": line["spread"], "paper_interval": line["interval"]}


def printed(published: pd.DataFrame, method: str, metric: str, group: str) -> pd.DataFrame:
    chosen = published[(published["method"] == method) & (published["metric"] == metric)]
    if BETWEEN in group:
        return chosen[chosen["dataset"] == group]
    return chosen[chosen["group"].isin([group, "per patient"] if group == OVERALL else [group])]
