"""What a row's lesions come to: a table of scores a measure, from what its cells have seen. Pure functions."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from benchmarks.analyses.faithfulness.measurement import FILE, MADE, TARGET, WHOLE
from benchmarks.results import TEXT, Metric, Results, read_images
from benchmarks.tables.statistics import RUN, over_runs

PLACE = [*RUN, "id", "region"]
VALUE, OF_TARGET = "value", "of target"
FACTS = [*PLACE, "patient", "label"]
SPLITS = {"train": "training", "val": "validation", "test": "the tested"}  # that the detector may be calibrated on
RANK = "rank"  # a measure that is one rank correlation a run
STIFFER = ("colour", "physical")  # the scales of elastograms


@dataclass(frozen=True)
class Measure:
    """A column of the table.

    Args:
        name: its head.
        scores: of one row's translations and of the targets: :data:`FACTS` and :data:`VALUE` of each lesion or image.
        about: what it is, in a line.
        digits: in print.
        higher_is_better: None where that is best which is nearest what the targets have.
        pooling: "mean"; "AUC" of the values as probabilities; :data:`RANK` of the values and :data:`OF_TARGET`.
        by_definition: what the targets have, where nothing has to be measured for it.
        of_lesions: whether it needs to know where lesions are.
        scales: on which kinds of scale it is measured; see :class:`benchmarks.analyses.faithfulness.scale.Scale`.
    """

    name: str
    scores: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
    about: str
    digits: int = 2
    higher_is_better: bool | None = True
    pooling: str = "mean"
    by_definition: float | None = None
    of_lesions: bool = True
    scales: tuple[str, ...] = ("grey", *STIFFER)

    @property
    def metric(self) -> Metric:
        """What the statistics of scores must know of it."""
        return Metric(VALUE, higher_is_better=self.higher_is_better, digits=self.digits, pooling=self.pooling)

    def over_runs(self, scores: pd.DataFrame) -> tuple[float, float, int]:
        """Mean over runs, its standard deviation over runs (NaN of one), and how many there are."""
        if self.pooling == RANK:
            return _over_runs(scores.groupby(RUN).apply(_rank_correlation, include_groups=False))
        mean, spread, _, runs = over_runs(scores, self.metric)
        return mean, spread, runs


def _over_runs(values: pd.Series) -> tuple[float, float, int]:
    known = values.astype(float).dropna()
    return float(known.mean()), float(known.std()), len(known)


def _rank_correlation(scores: pd.DataFrame) -> float:
    """Spearman's, over the lesions of a run; NaN of fewer than three, or where one side never varies."""
    from scipy.stats import spearmanr

    pairs = scores[[VALUE, OF_TARGET]].dropna()
    if len(pairs) < 3 or (pairs.nunique() < 2).any():
        return float("nan")
    return float(spearmanr(pairs[VALUE], pairs[OF_TARGET]).statistic)


def read_seen(results: Results, key: str) -> pd.DataFrame:
    """What the finished cells of a table have seen, with ``row``, ``fold`` and ``seed``; empty where none has."""
    parts = []
    for cell, folder in results.finished(key):
        if (folder / FILE).is_file():
            own = read_images(folder / FILE, (*TEXT, "label", "of", "region", "scale", "unit", "calibrated"))
            parts.append(own.assign(row=cell.row, fold=cell.fold, seed=cell.seed))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def translations(seen: pd.DataFrame, row: str) -> pd.DataFrame:
    return seen[(seen["of"] == MADE) & (seen["row"] == row)]


def targets(seen: pd.DataFrame) -> pd.DataFrame:
    """Of every run each target once: all rows have the same."""
    return seen[seen["of"] == TARGET].drop_duplicates(["column", *PLACE])


def has_lesions(seen: pd.DataFrame) -> bool:
    """Whether there are some, and a detector that has been calibrated."""
    return bool(((seen["region"] != WHOLE) & seen["calibrated"].isin(SPLITS)).any())


def first_run(seen: pd.DataFrame) -> pd.DataFrame:
    """What was seen in the first fold and seed that there are."""
    runs = pd.MultiIndex.from_frame(seen[RUN])
    return seen[runs == runs.min()] if len(runs) else seen


def _lesions(seen: pd.DataFrame) -> pd.DataFrame:
    return seen[seen["region"] != WHOLE]


def _beside(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    """The lesions of a row, with ``found`` and ``contrast`` of the same lesion in the target as ``found target`` and
    ``contrast target``; NaN where targets show other tissue."""
    known = _lesions(of_targets).set_index(PLACE)[["found", "contrast"]]
    return _lesions(own).join(known, on=PLACE, rsuffix=" target")


def _scored(rows: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """An id a lesion, and not only an image, since each counts."""
    scores = rows[FACTS].assign(**{VALUE: values, "id": rows["id"] + " " + rows["region"]})
    return scores.dropna(subset=[VALUE])


def kept(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    """Of pairs the lesions that are found in the target."""
    lesions = _beside(own, of_targets)
    paired = lesions["found target"].notna().any()
    return _scored(lesions, 100.0 * lesions["found"].where(lesions["found target"].eq(1) | (not paired)))


def lost(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    scores = kept(own, of_targets)
    return scores.assign(**{VALUE: 100 - scores[VALUE]})


def _of_image(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]:
    def scores(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
        images = own[own["region"] == WHOLE]
        return _scored(images, images[name])

    return scores


def _of_lesion(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]:
    def scores(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
        lesions = _lesions(own)
        return _scored(lesions, lesions[name])

    return scores


def contrast_kept(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    """A lesion's contrast over the mean of the run's targets, so that the mean is the ratio of the means; of pairs both
    are over the same lesions."""
    lesions = _beside(own, of_targets)
    pairs = lesions["contrast target"].notna() & lesions["contrast"].notna()
    reference = lesions[pairs].assign(contrast=lesions["contrast target"]) if pairs.any() else _lesions(of_targets)
    of_runs = _towards_lesions(reference).groupby([reference[name] for name in RUN]).mean().rename(OF_TARGET)
    expected = lesions.join(of_runs, on=RUN)[OF_TARGET]
    return _scored(lesions, (100 * _towards_lesions(lesions) / expected).where(pairs | ~pairs.any()))


def stiffness(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    """Beside the target's own."""
    lesions = _beside(own, of_targets)
    of_target = _towards_lesions(lesions.assign(contrast=lesions["contrast target"])).rename(OF_TARGET)
    return _scored(lesions, _towards_lesions(lesions)).join(of_target)


def classes(own: pd.DataFrame, of_targets: pd.DataFrame) -> pd.DataFrame:
    """Label 1 is malignant; the contrast stands for the probability."""
    lesions = _lesions(own)
    scores = _scored(lesions, _towards_lesions(lesions))
    scores = scores[scores["label"].isin(["benign", "malignant"])]
    return scores.assign(probability=scores[VALUE], label=(scores["label"] == "malignant").astype(int))


def _towards_lesions(lesions: pd.DataFrame) -> pd.Series:
    """Contrast, positive in the direction that the detector looks in."""
    return lesions["contrast"] * lesions["direction"].fillna(1)


MEASURES = (
    Measure(
        "kept, %",
        kept,
        "lesions that the detector finds in the target, and finds in the translation too (where targets show other "
        "tissue: of all lesions)",
        digits=0,
    ),
    Measure("lost, %", lost, "the others of them", digits=0, higher_is_better=False),
    Measure(
        "invented",
        _of_image("invented"),
        "regions an image that the detector finds in the translation where there is no lesion, nor anything found in "
        "the target",
        higher_is_better=False,
    ),
    Measure("Dice", _of_lesion("dice"), "of what is found of a lesion with its mask; 0 of one that is not", digits=3),
    Measure(
        "contrast kept, %",
        contrast_kept,
        "mean contrast of lesions to the tissue around them, over that of the targets; best nearest 100",
        digits=0,
        higher_is_better=None,
        by_definition=100.0,
    ),
    Measure(
        "gCNR",
        _of_lesion("gcnr"),
        "of lesions against the tissue around them; best nearest the targets' own",
        digits=3,
        higher_is_better=None,
        scales=("grey",),
    ),
    Measure(
        "speckle SNR",
        _of_image("speckle_snr"),
        "mean over standard deviation of grey levels in small windows beside lesions; best nearest the targets' own",
        higher_is_better=None,
        of_lesions=False,
        scales=("grey",),
    ),
    Measure(
        "speckle KS",
        _of_image("speckle_distance"),
        "Kolmogorov-Smirnov distance to the target of the deviations from these windows' means: 0 is the same speckle",
        digits=3,
        higher_is_better=False,
        by_definition=0.0,
        of_lesions=False,
        scales=("grey",),
    ),
    Measure(
        "stiffness rank",
        stiffness,
        "Spearman's correlation over lesions of their contrast in stiffness with that in the target",
        pooling=RANK,
        by_definition=1.0,
        scales=STIFFER,
    ),
    Measure(
        "class AUC",
        classes,
        "benign or malignant told by that contrast alone",
        digits=3,
        pooling="AUC",
        scales=STIFFER,
    ),
)
