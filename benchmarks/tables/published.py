"""The papers' numbers, to stand beside ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.printing import NAN, OVERALL
from benchmarks.vocabulary import BETWEEN, Paper

PUBLISHED = Path(__file__).parent.parent / "published.csv"
PAPER_NAMES = {
    "hsct": "HSC-T",
    "sswe": "sSWE",
    "cyclegan_perceptual": "CycleGAN with perceptual loss",
    "harmonizer": "harmonizer",
}
OUR_NAMES = {("harmonizer", "MI"): "MI_source"}  # it prints the original's as that of an image with itself


def read_published(paper: Paper | None) -> pd.DataFrame:
    """The paper's lines for a table, percentages as fractions; ``interval`` is a confidence interval as text. Where
    columns of ours have tables of their own in the paper, the column stands in the place of the data set."""
    published = pd.read_csv(PUBLISHED)
    if paper is None:
        return published.iloc[:0].assign(interval="")
    if paper.columns:
        of_columns = [read_published(paper.of_column(column)).assign(dataset=column) for column in paper.columns]
        return pd.concat(of_columns, ignore_index=True)
    chosen = published[(published["paper"] == paper.paper) & (published["table"].astype(str) == str(paper.table))]
    for name, wanted in (("dataset", paper.dataset), ("method", paper.method)):
        if wanted:
            chosen = chosen[chosen[name] == wanted]
    scale = np.where(chosen["unit"] == "%", 0.01, 1.0)
    spread = pd.to_numeric(chosen["spread"], errors="coerce")
    interval = np.where(chosen["spread_kind"] == "95% CI", chosen["spread"].astype(str).str.replace("-", " to "), "")
    metric = [OUR_NAMES.get((paper.paper, name), name) for name in chosen["metric"]]
    return chosen.assign(value=chosen["value"] * scale, spread=spread * scale, interval=interval, metric=metric)


def paper_name(paper: Paper) -> str:
    """As it is called in print."""
    return PAPER_NAMES.get(paper.paper, paper.paper)


def beside(lines: pd.DataFrame) -> dict[str, Any]:
    """Fields of an entry: what of the paper stands beside our number, the first of its lines, or nothing."""
    if lines.empty:
        return {"paper": NAN, "paper_spread": NAN, "paper_interval": ""}
    line = lines.iloc[0]
    return {"paper": line["value"], "paper_spread": line["spread"], "paper_interval": line["interval"]}


def printed(published: pd.DataFrame, method: str, metric: str, group: str) -> pd.DataFrame:
    """The lines of one number."""
    chosen = published[(published["method"] == method) & (published["metric"] == metric)]
    if BETWEEN in group:
        return chosen[chosen["dataset"] == group]
    return chosen[chosen["group"].isin([group, "per patient"] if group == OVERALL else [group])]
