"""Metrics, by the names that tasks and tables call them."""

from collections.abc import Iterable

from datamodules.batch import Reference, Signal
from zoo.metrics.base import Described, PerImageMetric
from zoo.metrics.classification import AUC, F1, Accuracy, ClassScore
from zoo.metrics.confidence import ConfidenceAUC
from zoo.metrics.lncc import LNCC, ChallengeLNCC
from zoo.metrics.mutual_information import MutualInformation, SourceMutualInformation
from zoo.metrics.perceptual import FID, LPIPS, FrechetVGG
from zoo.metrics.regression import MAE, ME, RMSE
from zoo.metrics.similarity import PSNR, SSIM

CLASSES: tuple[type[Described], ...] = (
    SSIM,
    PSNR,
    MAE,
    RMSE,
    ME,
    LNCC,
    ChallengeLNCC,
    MutualInformation,
    SourceMutualInformation,
    LPIPS,
    FID,
    FrechetVGG,
    ConfidenceAUC,
    Accuracy,
    F1,
    AUC,
)
METRICS: dict[str, type[Described]] = {metric.name: metric for metric in CLASSES}
CLASSIFICATION: dict[str, type[ClassScore]] = {score.name: score for score in (Accuracy, F1, AUC)}


def make_metrics(references: Iterable[Reference], target: Signal) -> dict[str, PerImageMetric]:
    """Every metric of single images, but those on pretrained weights, that compares with one of ``references``; for
    targets of that range."""
    wanted = set(references)
    return {
        name: metric.of(target)
        for name, metric in METRICS.items()
        if issubclass(metric, PerImageMetric) and metric.compares in wanted and not metric.weights
    }


__all__ = ["CLASSIFICATION", "METRICS", "Described", "PerImageMetric", "make_metrics"]
