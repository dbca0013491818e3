"""Patient-wise, stratified, seeded splits and folds."""

import numpy as np
import pandas as pd

from datamodules.errors import InputError
from datamodules.manifest import SPLITS


def number_of_folds(fractions: tuple[float, float, float]) -> int:
    """How many disjoint test sets the fractions allow: three for 5:2:3, since 3 x 30 % fit into the whole."""
    return max(1, int(1 / fractions[2] + 1e-9)) if fractions[2] > 0 else 1


def split_patients(
    rows: pd.DataFrame, fractions: tuple[float, float, float] = (0.5, 0.2, 0.3), fold: int = 0, seed: int = 0
) -> pd.Series:
    """Name the split ("train", "val", "test") of every row.

    Patients of each label (or, without labels, of each organ and device) are shuffled and spread evenly over a ring of
    length one. Fold ``f`` starts reading the ring at ``f * test``: the first arc is the test set, the next the
    validation set, the rest is for training. With 5:2:3 these are the deciles {3f, 3f+1, 3f+2}, the next two, and the
    other five, so that the test sets of the three folds never meet. A patient with several labels counts under its
    most frequent one.

    Args:
        rows: a manifest's rows with ``patient``, ``label`` and, where there are, ``organ`` and ``device``.
        fractions: train, validation, test; they add up to 1. A fraction of 0 leaves that split out on purpose.

    Raises:
        InputError: fractions that do not add up, a fold that does not exist, or a split left without a patient.
    """
    check_fractions(fractions)
    check_fold(fold, number_of_folds(fractions))
    position = _ring_positions(rows, seed)
    _, val, test = fractions
    shifted = (position - fold * test) % 1.0
    edge = 1e-9  # a patient exactly on an edge must fall on the same side in every fold
    names = np.select([shifted + edge < test, shifted + edge < test + val], ["test", "val"], "train")
    names = np.where(shifted > 1 - edge, "test" if test > 0 else "train", names)
    by_patient = pd.Series(names, index=position.index)
    split = rows["patient"].map(by_patient).rename("split")
    check_not_empty(split, [name for name, fraction in zip(SPLITS, fractions, strict=True) if fraction > 0])
    return split


def check_fractions(fractions: tuple[float, float, float]) -> None:
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) <= 1e-6):  # none is, of what is no number
        raise InputError(f"fractions {tuple(fractions)}: train, val and test must be >= 0 and add up to 1")


def check_fold(fold: int, folds: int) -> None:
    if not 0 <= fold < folds:
        raise InputError(f"fold {fold} does not exist: there are {folds} folds, 0 to {folds - 1}")


def check_not_empty(split: pd.Series, needed: list[str]) -> None:
    InputError.raise_for(
        f"split '{name}' is empty: {split.index.size} images are too few patients for it; add data or change the split"
        for name in needed
        if not (split == name).any()
    )


def _ring_positions(rows: pd.DataFrame, seed: int) -> pd.Series:
    """Position of every patient in [0, 1): label by label, evenly spaced after a seeded shuffle."""
    strata = rows["label"]
    if (strata == "").all():
        strata = strata.str.cat([rows[name] for name in ("organ", "device") if name in rows], sep=" ")
    label = strata.groupby(rows["patient"], sort=True).agg(lambda labels: labels.mode().iloc[0])
    rng = np.random.default_rng(seed)
    position = pd.Series(0.0, index=label.index)
    for _, patients in label.groupby(label, sort=True):
        order = rng.permutation(len(patients))
        position[patients.index] = order / len(patients)
    return position
