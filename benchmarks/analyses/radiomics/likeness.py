"""How alike two sets of radiomics features are: correlation of pairs, Frechet distances of sets, and ComBat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from datamodules.errors import InputError

RESAMPLES = 2000
LEAST_REGIONS = 3
CONSTANT = 1e-9  # variance, as a part of that over all regions, under which a resampling has no correlation


@dataclass(frozen=True)
class Correlation:
    """Pearson r of every feature over the regions (NaN where it is constant), their mean and its 95 % interval, which
    is NaN for the regions of one object; ``draws`` are the means of resampled ``objects``."""

    by_feature: pd.Series
    mean: float
    low: float
    high: float
    objects: tuple[str, ...]
    draws: np.ndarray

    def as_good_as(self, other: "Correlation") -> bool:
        """Whether the means' difference has a 95 % interval with 0 in it, by the same draws of the same objects; of
        other objects never."""
        if self.objects != other.objects:
            return False
        low, high = interval(self.draws - other.draws, len(self.objects))
        return low <= 0 <= high


def correlation(one: pd.DataFrame, other: pd.DataFrame, objects: np.ndarray, seed: int = 0) -> Correlation:
    """Features of the same regions (rows) in two images; the interval is that of resampling objects.

    What would differ were the study repeated are the objects (patients) that are scanned, not the features, and the
    regions of one object are alike: each of :data:`RESAMPLES` draws takes objects with all their regions, computes
    every feature's r and their mean (bootstrap of clusters: Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, 3.8); of them the interval is :func:`interval`'s, cut to [-1, 1].

    Args:
        one: ``(regions, features)``.
        other: likewise.
        objects: ``(regions,)``, which object (or patient) a region is of.
        seed: of the draws.

    Raises:
        InputError: the tables are not of the same regions and features, or of fewer than three regions.
    """
    if not (one.index.equals(other.index) and one.columns.equals(other.columns) and len(objects) == len(one)):
        raise InputError("features to be correlated are not of the same regions; compute both on the same masks")
    if len(one) < LEAST_REGIONS:
        raise InputError(f"a correlation over {len(one)} regions says nothing; use at least {LEAST_REGIONS}")
    x, y = one.to_numpy(float), other.to_numpy(float)
    r = _pearson(x, y, np.ones((1, len(x))))
    names, number = np.unique(objects.astype(str), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    draws = _mean(_pearson(x, y, drawn[:, number].astype(float)))
    low, high = np.clip(interval(draws, len(names), seed), -1, 1)
    by_feature, mean = pd.Series(r[0], index=one.columns), float(_mean(r)[0])
    return Correlation(by_feature, mean, float(low), float(high), tuple(names), draws)


def interval(draws: np.ndarray, objects: int, seed: int = 0) -> tuple[float, float]:
    """The 2.5 to 97.5 % of ``draws`` ``(R,)`` of so many objects, without those that are NaN; NaN for one object.

    Of few objects the draws vary too little: their deviations are divided by sqrt(chi^2_nu / nu), nu = objects - 1, so
    that the tails are those of a t distribution, as in :func:`benchmarks.tables.statistics.compare`.
    """
    known = draws[np.isfinite(draws)]
    if objects < 2 or not len(known):
        return float("nan"), float("nan")
    freedom, rng = objects - 1, np.random.default_rng([seed, 1])  # not the numbers that objects are drawn by
    deviation = (known - known.mean()) / np.sqrt(rng.chisquare(freedom, len(known)) / freedom)
    low, high = np.percentile(known.mean() + deviation, (2.5, 97.5))
    return float(low), float(high)


def _mean(r: np.ndarray) -> np.ndarray:
    """Over the features ``(R, features)`` that have an r; NaN where none has."""
    known = np.isfinite(r)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, r, 0.0).sum(1) / np.maximum(1, count), np.nan)


def _pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """r of every feature ``(R, features)`` with each region counted as often as ``weights`` ``(R, regions)`` say; NaN
    where a feature is constant or not finite."""
    x, y = _scaled(x), _scaled(y)
    share = weights / weights.sum(1, keepdims=True)
    mean_x, mean_y = share @ x, share @ y
    var_x, var_y = share @ x**2 - mean_x**2, share @ y**2 - mean_y**2
    known = (var_x > CONSTANT) & (var_y > CONSTANT)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, (share @ (x * y) - mean_x * mean_y) / np.sqrt(var_x * var_y), np.nan)


def _scaled(x: np.ndarray) -> np.ndarray:
    """Every feature with mean 0 and deviation 1, so that squares lose no digits; NaN where it is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, std = x.mean(0), x.std(0)
        return np.where(std > 1e-9 * np.maximum(1e-3, np.abs(x).max(0)), (x - mean) / std, np.nan)


def frechet_distance(one: pd.DataFrame, target: pd.DataFrame, scale: pd.DataFrame | None = None) -> float:
    """Squared Frechet distance of two Gaussians fitted to feature sets, z-scored by the deviation over ``scale``.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), as FID has it on Inception features. By default ``scale`` is both sets
    together; for distances to be comparable, give the same to all. (Scaled by the target alone, a feature that hardly
    varies there outweighs all others.) Features that are constant or not finite do not count. The distance grows with
    few images; compare sets of one size.

    Raises:
        InputError: the sets have other features, or fewer than two images.
    """
    scale = pd.concat([one, target]) if scale is None else scale
    if not one.columns.equals(target.columns) or not one.columns.equals(scale.columns):
        raise InputError("two sets of other features have no distance; compute both with the same settings")
    if min(len(one), len(target)) < 2:
        raise InputError(f"sets of {len(one)} and {len(target)} images have no covariance; use at least 2 each")
    x, y, all_of_it = (table.to_numpy(float) for table in (one, target, scale))
    used = np.isfinite(x).all(0) & np.isfinite(y).all(0) & np.isfinite(all_of_it).all(0)
    all_of_it = all_of_it[:, used]
    std = all_of_it.std(0)
    varies = std > 1e-9 * np.maximum(1.0, np.abs(all_of_it).max(0))
    x, y = (table[:, used][:, varies] / std[varies] for table in (x, y))
    # With centred X, Y scaled to covariances X'X, Y'Y: tr (C1 C2)^(1/2) is the nuclear norm of X Y'.
    difference = x.mean(0) - y.mean(0)
    x, y = ((s - s.mean(0)) / np.sqrt(len(s) - 1) for s in (x, y))
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(difference @ difference + (x**2).sum() + (y**2).sum() - 2 * shared)


def frechet_radiomics_distance(one: pd.DataFrame, target: pd.DataFrame) -> float:
    """FRD, version 1 (Konz, Osuala et al., Medical Image Analysis, 2026): the logarithm of the squared Frechet distance
    of features z-scored by the target's own mean and deviation.

    As its authors' package frd-score 1.0.1 has it: log d^2, twice the log d of the paper's eq. 3. Images with a missing
    feature do not count, nor do features that no image has or that are constant in the target. -inf for sets that are
    the same. The package computes it of its own features (with Laplacian of Gaussian, without gldm); numbers compare
    within a table alone.

    Raises:
        InputError: the sets have other features, or fewer than two images.
    """
    known = one.notna().any() & target.notna().any()
    one, target = (features.loc[:, known].dropna() for features in (one, target))
    squared = frechet_distance(one, target, target)
    return float(np.log(squared)) if squared > 1e-9 else float("-inf")


@dataclass(frozen=True)
class ComBat:
    """Location and scale of every device and feature (Johnson et al., Biostatistics 8:118, 2007), relative to a
    reference device that stays as it is, as neuroCombat has it with ``ref_batch``."""

    reference: str
    mean: pd.Series
    std: pd.Series
    shift: pd.DataFrame
    scale: pd.DataFrame

    @classmethod
    def fit(cls, features: pd.DataFrame, devices: np.ndarray, reference: str, iterations: int = 100) -> "ComBat":
        """Empirical Bayes estimates: those of a device are drawn towards what its features have in common.

        Raises:
            InputError: the reference or a device has fewer than two images, or a feature is not finite.
        """
        if not np.isfinite(features.to_numpy(float)).all():
            raise InputError("features that are not finite cannot be harmonized by ComBat; leave them out")
        counts = pd.Series(devices).value_counts()
        small = [device for device in {reference, *counts.index} if counts.get(device, 0) < 2]
        InputError.raise_for(f"device '{device}' has fewer than 2 images; ComBat needs a variance" for device in small)
        own = features[devices == reference]
        mean, std = own.mean(), own.std(ddof=0).replace(0.0, 1.0)
        scaled = (features - mean) / std
        shift, scale = {}, {}
        for device in counts.index:
            shift[device], scale[device] = _posterior(scaled[devices == device].to_numpy(), iterations)
        columns = features.columns
        return cls(reference, mean, std, *(pd.DataFrame(v, index=columns).T for v in (shift, scale)))

    def apply(self, features: pd.DataFrame, devices: np.ndarray) -> pd.DataFrame:
        """The features as the reference device would have had them.

        Raises:
            InputError: a device is none of those that were fitted.
        """
        unknown = sorted(set(devices) - {self.reference} - set(self.shift.index))
        InputError.raise_for(
            f"device '{device}' has no images in the cohort that ComBat is fitted on; it cannot be harmonized"
            for device in unknown
        )
        scaled = (features - self.mean) / self.std
        for device in set(devices) - {self.reference}:
            rows = devices == device
            scaled[rows] = (scaled[rows] - self.shift.loc[device]) / self.scale.loc[device]
        return scaled * self.std + self.mean


def _posterior(z: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Shift gamma* and scale delta* of one device: eq. 3.1 of Johnson et al., iterated."""
    n = len(z)
    gamma, delta = z.mean(0), np.maximum(z.var(0, ddof=1), 1e-12)
    gamma_mean, tau = gamma.mean(), gamma.var(ddof=1)
    m, s = delta.mean(), delta.var(ddof=1)
    if tau <= 0 or s <= 0:  # all features agree
        return gamma, np.sqrt(delta)
    a, b = (2 * s + m**2) / s, (m * s + m**3) / s  # of the inverse gamma prior
    shift, scale = gamma, delta
    for _ in range(iterations):
        shift = (n * tau * gamma + scale * gamma_mean) / (n * tau + scale)
        scale = (b + 0.5 * ((z - shift) ** 2).sum(0)) / (n / 2 + a - 1)
    return shift, np.sqrt(scale)
