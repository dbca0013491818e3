"""Patients and pairs of each organ in each split, as papers' first tables count them. Imports no torch."""

from dataclasses import dataclass

import pandas as pd

ALL = "Overall"
SPLITS = ("train", "val", "test", "total")


@dataclass(frozen=True)
class Organ:
    """How USenhance's Table 1 calls an organ, and the scanners of its low- and high-quality images."""

    group: str
    low: str
    high: str


ORGANS = {
    "thyroid": Organ("Thyroid", "mSonics MU1", "Toshiba Aplio 500"),
    "carotid": Organ("Carotid", "SSUN", "Toshiba Aplio 500"),
    "kidney": Organ("Abdomen", "SSUN", "GE LOGIQ E9"),
    "liver": Organ("Abdomen", "SSUN", "GE LOGIQ E9"),
    "breast": Organ("Breast", "mSonics MU1", "SuperSonic Aixplorer"),
}


def group_of(organ: str) -> str:
    """The line of Table 1 that an organ stands in: USenhance's groups, or its own name; ``ALL`` where it has none."""
    return ORGANS[organ].group if organ in ORGANS else organ.capitalize() or ALL


def count_images(rows: pd.DataFrame) -> pd.DataFrame:
    """``group, split, patients, pairs``, split by split in the order of ``SPLITS``; groups as they first occur, then
    all together.

    Args:
        rows: ``id, patient, organ, split`` of every image. What is in another split than those named counts in "total"
            alone.
    """
    groups = rows["organ"].map(group_of)
    lines = []
    for split in SPLITS:
        for group in dict.fromkeys([*groups, ALL]):
            own = rows[((groups == group) | (group == ALL)) & ((rows["split"] == split) | (split == "total"))]
            lines.append((group, split, own["patient"].nunique(), own["id"].nunique()))
    return pd.DataFrame(lines, columns=["group", "split", "patients", "pairs"])
