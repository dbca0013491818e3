"""How alike two sets of radiomics features are: correlation of pairs, Frechet distance of sets, and ComBat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from datamodules.errors import InputError

RESAMPLES = 2000


@dataclass(frozen=True)
class Correlation:
    """Pearson r of every feature over the regions (NaN where it is constant), their mean and its 95 % interval."""

    by_feature: pd.Series
    mean: float
    low: float
    high: float


def correlation(one: pd.DataFrame, other: pd.DataFrame, seed: int = 0) -> Correlation:
    """Features of the same regions (rows) in two images; the interval is that of resampling features, as printed.

    Raises:
        InputError: the tables are not of the same regions and features, or of fewer than three regions.
    """
    if not (one.index.equals(other.index) and one.columns.equals(other.columns)):
        raise InputError("features to be correlated are not of the same regions; compute both on the same masks")
    if len(one) < 3:
        raise InputError(f"a correlation over {len(one)} regions says nothing; use at least 3")
    r = pd.Series(_pearson(one.to_numpy(float), other.to_numpy(float)), index=one.columns)
    known = r.dropna().to_numpy()
    drawn = known[np.random.default_rng(seed).integers(len(known), size=(RESAMPLES, len(known)))].mean(1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Correlation(r, float(known.mean()), float(low), float(high))


def _pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one - one.mean(0), other - other.mean(0)
    norms = np.sqrt((one**2).sum(0) * (other**2).sum(0))
    least = 1e-12 * np.maximum(1.0, np.abs(one).max(0) * np.abs(other).max(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > least, (one * other).sum(0) / norms, np.nan)


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


@dataclass(frozen=True)
class ComBat:
    """Location and scale of every device and feature (Johnson et al., Biostatistics 8:118, 2007), relative to a
    reference device that stays as it is."""

    reference: str
    mean: pd.Series
    std: pd.Series
    shift: pd.DataFrame
    scale: pd.DataFrame

    @classmethod
    def fit(cls, features: pd.DataFrame, devices: np.ndarray, reference: str, iterations: int = 100) -> "ComBat":
        """Empirical Bayes estimates: those of a device are drawn towards what its features have in common.

        Raises:
            InputError: the reference or a device has fewer than two images.
        """
        counts = pd.Series(devices).value_counts()
        small = [device for device in {reference, *counts.index} if counts.get(device, 0) < 2]
        InputError.raise_for(f"device '{device}' has fewer than 2 images; ComBat needs a variance" for device in small)
        own = features[devices == reference]
        mean, std = own.mean(), own.std(ddof=1).replace(0.0, 1.0)
        scaled = (features - mean) / std
        shift, scale = {}, {}
        for device in counts.index:
            shift[device], scale[device] = _posterior(scaled[devices == device].to_numpy(), iterations)
        columns = features.columns
        return cls(reference, mean, std, *(pd.DataFrame(v, index=columns).T for v in (shift, scale)))

    def apply(self, features: pd.DataFrame, devices: np.ndarray) -> pd.DataFrame:
        """The features as the reference device would have had them."""
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
