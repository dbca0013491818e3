"""The harmonizer paper's analyses, from the features that a table's cells have measured. Pure functions of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.analyses.radiomics.likeness import ComBat, Correlation, correlation, frechet_distance
from benchmarks.analyses.radiomics.measurement import FACTS, FILE, WHOLE
from benchmarks.analyses.radiomics.outcome import Cohort, RadiomicsModel, evaluate, fit
from benchmarks.results import TEXT, Results, read_images
from datamodules.splits import split_patients

COMBAT = "ComBat on features"
PARTS = (0.7, 0.3, 0.0)  # of the patients: to train and to validate the prediction of their outcome


@dataclass(frozen=True)
class Prediction:
    """A model of the outcome, how it does on each cohort, and every patient's probability with its facts."""

    model: RadiomicsModel
    results: dict[str, dict[str, float]]
    scores: pd.DataFrame


def read_features(results: Results, key: str) -> pd.DataFrame:
    """The features of a table's finished cells, with ``row``, ``fold`` and ``seed`` of each."""
    tables = []
    for cell, folder in results.finished(key):
        if (folder / FILE).is_file():
            table = read_images(folder / FILE, (*TEXT, "label"))
            facts = pd.DataFrame({"row": cell.row, "fold": cell.fold, "seed": cell.seed}, index=table.index)
            tables.append(pd.concat([facts, table], axis=1))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def of_column(features: pd.DataFrame, column: str) -> pd.DataFrame:
    return features[features["column"] == column]


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The features alone."""
    return table.filter(regex="^(original|wavelet)")


def of(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Features of the sources, of what was ``made`` of them, or of the targets, by image and region."""
    own = table[table["of"] == kind].set_index(["fold", "seed", "id", "region"]).sort_index()
    return numbers(own)


def correlations(features: pd.DataFrame) -> dict[str, Correlation]:
    """Of each row: made with target, feature by feature, over the regions of paired images (Fig. 4b)."""
    regions = features[features["region"] != WHOLE]
    found = {}
    for row, own in regions.groupby("row", sort=False):
        made, target = of(own, "made"), of(own, "target")
        shared = made.index.intersection(target.index)
        if len(shared):
            found[row] = correlation(made.loc[shared], target.loc[shared])
    return found


def distances(features: pd.DataFrame) -> dict[str, list[float]]:
    """Of each row and run: Frechet distance of the made images' features to the target scanner's, on the scale of the
    measured images of both sides, which is the same for all rows."""
    whole = features[features["region"] == WHOLE]

    def distance(run: pd.DataFrame) -> float:
        source, made, target = (of(run, kind) for kind in ("source", "made", "target"))
        return frechet_distance(made, target, pd.concat([source, target]))

    return {
        row: [distance(run) for _, run in own.groupby(["fold", "seed"])]
        for row, own in whole.groupby("row", sort=False)
    }


def predictions(features: pd.DataFrame, original: str, seed: int = 0) -> dict[str, Prediction]:
    """Of each row, and of ComBat on the ``original`` one's features: the model, and how it does on both cohorts.

    The cohort is all patients with an outcome of the first run; their split is the same for every row.
    """
    lesions = features[(features["region"] == "part 0") & (features["of"] == "made")]
    found = {}
    for row, own in lesions.groupby("row", sort=False):
        own = own[(own["fold"] == own["fold"].min()) & (own["seed"] == own["seed"].min())].reset_index(drop=True)
        found[row] = predict(own, numbers(own), seed)
        if row == original:
            devices = own["device"].to_numpy()
            mended = ComBat.fit(numbers(own), devices, own["device"].mode().iloc[0]).apply(numbers(own), devices)
            found[COMBAT] = predict(own, mended, seed)
    return found


def predict(facts: pd.DataFrame, values: pd.DataFrame, seed: int) -> Prediction:
    """Fit on seven tenths of the patients, stratified by outcome; ``scores`` holds every patient's probability."""
    outcome = facts["outcome"].to_numpy().astype(bool)
    rows = facts[["patient"]].assign(label=np.where(outcome, "positive", "negative"))
    train = (split_patients(rows, PARTS, seed=seed) == "train").to_numpy()
    cohorts = {"training": train, "validation": ~train}
    model: RadiomicsModel = fit(Cohort(values[train], outcome[train]), seed)
    scores = facts[[name for name in FACTS if name in facts]].assign(
        cohort=np.where(train, "training", "validation"), probability=model.probability(values)
    )
    results = {name: evaluate(model, Cohort(values[part], outcome[part])) for name, part in cohorts.items()}
    return Prediction(model, results, scores)
