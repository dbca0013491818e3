"""The harmonizer paper's analyses, from the features that a table's cells have measured. Pure functions of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.analyses.radiomics.likeness import (
    LEAST_REGIONS,
    ComBat,
    Correlation,
    correlation,
    frechet_distance,
    frechet_radiomics_distance,
)
from benchmarks.analyses.radiomics.measurement import FACTS, FILE, LESION, TARGET_LESION, WHOLE
from benchmarks.analyses.radiomics.outcome import Cohort, RadiomicsModel, evaluate, fit, usable
from benchmarks.results import TEXT, Results, read_images
from datamodules.errors import InputError
from datamodules.splits import split_patients

PARTS = (0.7, 0.3, 0.0)  # of the patients: to train and to validate the prediction of their outcome
TARGET = "the target scanner"  # as a device of ComBat
SHAPE = "original_shape"  # such features are of the mask alone
FORMER_BIN_WIDTH = 25.0  # by default, of cells that do not tell theirs


@dataclass(frozen=True)
class Prediction:
    """A model of the outcome, how it does on each cohort, and every patient's probability with its facts."""

    model: RadiomicsModel
    results: dict[str, dict[str, float]]
    scores: pd.DataFrame


def read_features(results: Results, key: str) -> pd.DataFrame:
    """The features of a table's finished cells, with ``row``, ``fold``, ``seed`` and ``bin_width`` of each."""
    tables, asked = [], results.plan.tables[key].analyses.get("radiomics", {})
    for cell, folder in results.finished(key):
        if (folder / FILE).is_file():
            table = read_images(folder / FILE, (*TEXT, "label"))
            facts = pd.DataFrame({"row": cell.row, "fold": cell.fold, "seed": cell.seed}, index=table.index)
            if "bin_width" not in table:
                facts["bin_width"] = float(asked.get("bin_width", FORMER_BIN_WIDTH))
            tables.append(pd.concat([facts, table], axis=1))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def of_column(features: pd.DataFrame, column: str) -> pd.DataFrame:
    return features[features["column"] == column]


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The features alone."""
    return table.filter(regex="^(original|wavelet)")


def of_grey_levels(table: pd.DataFrame) -> pd.DataFrame:
    """The features that an image can change: all but those of shape, which are the mask's, the same in two images."""
    own = numbers(table)
    return own.loc[:, ~own.columns.str.startswith(SHAPE)]


def of(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """What was measured of the sources, of what was ``made`` of them, or of the targets, by image and region."""
    return table[table["of"] == kind].set_index(["fold", "seed", "id", "region"]).sort_index()


def pairs_of(features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The regions of one row that were measured in what was made and in the target, in the same order."""
    regions = features[features["region"] != WHOLE]
    made, target = of(regions, "made"), of(regions, "target")
    shared = made.index.intersection(target.index)
    return made.loc[shared], target.loc[shared]


def correlations(features: pd.DataFrame) -> dict[str, Correlation]:
    """Of each row: made with target, feature by feature, over the regions of paired images (Fig. 4b), where there are
    enough."""
    found = {}
    for row, own in features.groupby("row", sort=False):
        made, target = pairs_of(own)
        if len(made) >= LEAST_REGIONS:
            found[row] = correlation(of_grey_levels(made), of_grey_levels(target), made["patient"].to_numpy())
    return found


def distances(features: pd.DataFrame) -> dict[str, list[float]]:
    """Of each row and run: Frechet distance of the made images' features to the target scanner's, on the scale of the
    measured images of both sides, which is the same for all rows."""
    return _of_runs(features, lambda source, made, target: frechet_distance(made, target, pd.concat([source, target])))


def radiomics_distances(features: pd.DataFrame) -> dict[str, list[float]]:
    """Of each row and run: FRD of the made images' features to the target scanner's."""
    return _of_runs(features, lambda source, made, target: frechet_radiomics_distance(made, target))


def _of_runs(features: pd.DataFrame, distance: Callable[..., float]) -> dict[str, list[float]]:
    whole = features[features["region"] == WHOLE]
    return {
        row: [
            distance(*(of_grey_levels(of(run, kind)) for kind in ("source", "made", "target")))
            for _, run in own.groupby(["fold", "seed"])
        ]
        for row, own in whole.groupby("row", sort=False)
    }


def predictions(features: pd.DataFrame, seed: int = 0) -> dict[str, Prediction]:
    """Of each row: the model of the outcome from its images' lesions, and how it does on both cohorts.

    The cohort is all patients with an outcome of the first run; their split is the same for every row.
    """
    lesions = features[(features["region"] == LESION) & (features["of"] == "made")]
    runs = {row: _first_run(own) for row, own in lesions.groupby("row", sort=False)}
    return {row: predict(own, numbers(own), seed) for row, own in runs.items()}


def combat_prediction(features: pd.DataFrame, seed: int = 0) -> Prediction:
    """The same from the measured images' own features, as ComBat brings them to the target scanner.

    It is fitted on the training patients' lesions and, as its reference, on :func:`reference_of` those of the target
    scanner's patients: nothing of a validation patient's own is used, and a target that stands beside one only where
    training patients share it and fewer than two others are left.

    Raises:
        InputError: the lesions of the target scanner's patients are not known, or a device has too few.
    """
    own = features[features["row"] == features["row"].iloc[0]]
    sources = _first_run(own[(own["region"] == LESION) & (own["of"] == "source")])
    targets = _first_run(own[(own["region"] == TARGET_LESION) & (own["of"] == "target")])
    if targets.empty:
        raise InputError("where the target scanner's patients have their lesions is not known")
    train = in_training(sources, seed)
    reference = reference_of(targets, targets["id"].isin(sources.loc[train, "id"]))
    return predict(sources, by_combat(sources, reference, train), seed)


def reference_of(targets: pd.DataFrame, in_train: pd.Series) -> pd.DataFrame:
    """The targets beside training patients, each once, without those that stand beside a validation patient too unless
    fewer than two are left.

    Where there are fewer targets than sources, several sources have the same one beside them. It is known by its
    features, which are then all the same.
    """
    image = pd.util.hash_pandas_object(numbers(targets), index=False)
    training = targets[in_train][~image[in_train].duplicated()]
    alone = training[~image[training.index].isin(image[~in_train])]
    return alone if len(alone) > 1 else training


def by_combat(sources: pd.DataFrame, targets: pd.DataFrame, train: np.ndarray) -> pd.DataFrame:
    """All sources' features, brought to the target scanner by what their ``train`` ones and ``targets`` tell of it.

    Raises:
        InputError: a device or the target scanner has fewer than two images to fit on.
    """
    fitted = pd.concat([sources[train], targets.assign(device=TARGET)])
    names, _ = usable(numbers(fitted))
    combat = ComBat.fit(fitted[names].reset_index(drop=True), fitted["device"].to_numpy(), TARGET)
    return combat.apply(sources[names], sources["device"].to_numpy())


def _first_run(own: pd.DataFrame) -> pd.DataFrame:
    chosen = own[(own["fold"] == own["fold"].min()) & (own["seed"] == own["seed"].min())]
    return chosen.reset_index(drop=True)


def in_training(facts: pd.DataFrame, seed: int) -> np.ndarray:
    """Whether each image is one of the training cohort: seven tenths of the patients, stratified by outcome."""
    rows = facts[["patient"]].assign(label=np.where(_outcome(facts), "positive", "negative"))
    return (split_patients(rows, PARTS, seed=seed) == "train").to_numpy()


def _outcome(facts: pd.DataFrame) -> np.ndarray:
    return facts["outcome"].to_numpy().astype(bool)


def predict(facts: pd.DataFrame, values: pd.DataFrame, seed: int) -> Prediction:
    """Fit on the training cohort; ``scores`` holds every patient's probability."""
    outcome, train = _outcome(facts), in_training(facts, seed)
    cohorts = {"training": train, "validation": ~train}
    model: RadiomicsModel = fit(Cohort(values[train], outcome[train]), seed)
    scores = facts[[name for name in FACTS if name in facts]].assign(
        cohort=np.where(train, "training", "validation"), probability=model.probability(values)
    )
    results = {name: evaluate(model, Cohort(values[part], outcome[part])) for name, part in cohorts.items()}
    return Prediction(model, results, scores)
