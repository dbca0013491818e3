"""How a lesion stands out of the tissue around it, and what the speckle beside it is like."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, minimum_filter, uniform_filter

GAP, REACH = 0.2, 0.8  # of a lesion's radius: where the tissue around it begins, beyond what blurs, and ends
WINDOW = 0.08  # of the image's rows: over which speckle is stationary
DARK = 10.0  # grey levels, below which there is no speckle to speak of
ROUNDING = 1 / np.sqrt(12)  # grey levels: standard deviation of what 8 bits leave out


def surroundings(lesion: np.ndarray) -> np.ndarray:
    """The tissue around a lesion, both bool ``(H, W)``: a band from a fifth to four fifths of its radius away, which is
    that of a disc of its area; at least two pixels wide, and a pixel away."""
    radius = np.sqrt(lesion.sum() / np.pi)
    gap = max(1.0, GAP * radius)
    away = distance_transform_edt(~lesion)
    return (away > gap) & (away <= max(gap + 2, REACH * radius))


def contrast(inside: np.ndarray, around: np.ndarray) -> float:
    """A lesion's mean value less that around it, in the unit of the scale; NaN where either has no value."""
    return float(inside.mean() - around.mean()) if len(inside) and len(around) else float("nan")


def gcnr(inside: np.ndarray, around: np.ndarray) -> float:
    """Generalized contrast-to-noise ratio (Rodriguez-Molares et al., IEEE TUFFC 67:745, 2020): 1 less the overlap of
    the distributions of values ``(N,)`` and ``(M,)``; 0 where they are the same, 1 where no value is in both; NaN where
    either has none.

    Bins hold equally many of all values, and are as many as the root of the smaller region's number: so any strictly
    monotonic grey map gives the same. Few pixels overestimate it: two like regions of 200 have about 0.1. With the same
    bins ultrasound-metrics 0.1.0 gives the same.
    """
    if not len(inside) or not len(around):
        return float("nan")
    count = max(2, round(np.sqrt(min(len(inside), len(around)))))
    quantiles = np.linspace(0, 1, count + 1)
    edges = np.unique(np.quantile(np.concatenate([inside, around]), quantiles, method="lower"))
    bins = [np.searchsorted(edges, values, side="right") for values in (inside, around)]
    shares = [np.bincount(own, minlength=len(edges) + 1) / len(own) for own in bins]
    return float(1 - np.minimum(*shares).sum())


@dataclass(frozen=True)
class Speckle:
    """Of the pixels of an image's background ``(N,)``: local mean and standard deviation, and the ``deviation`` of each
    from the local mean, in grey levels."""

    mean: np.ndarray
    spread: np.ndarray
    deviation: np.ndarray

    @property
    def snr(self) -> float:
        """Mean over standard deviation, the median over the background; NaN where there is none.

        Of an envelope it would be 1.91 in fully developed speckle. Of grey levels, which are log-compressed, it depends
        on gain and dynamic range, so it tells something beside the target's alone.
        """
        return float(np.median(self.mean / self.spread.clip(ROUNDING))) if len(self.mean) else float("nan")


def speckle(levels: np.ndarray, background: np.ndarray) -> Speckle:
    """Of grey levels ``(H, W)``, where ``background``, bool ``(H, W)``, holds over a whole window and is not dark."""
    side = 2 * max(2, round(WINDOW * len(levels) / 2)) + 1
    mean = uniform_filter(levels, side)
    variance = uniform_filter(levels**2, side) - mean**2
    within = (minimum_filter(background.astype(np.uint8), side) > 0) & (mean >= DARK)
    return Speckle(mean[within], np.sqrt(variance[within].clip(0)), (levels - mean)[within])


def speckle_distance(one: Speckle, other: Speckle) -> float:
    """Kolmogorov and Smirnov's distance of the two distributions of deviations from the local mean, 0 to 1: whatever
    the brightness. NaN where either image has no background."""
    from scipy.stats import ks_2samp

    if not len(one.deviation) or not len(other.deviation):
        return float("nan")
    return float(ks_2samp(one.deviation, other.deviation, method="asymp").statistic)
