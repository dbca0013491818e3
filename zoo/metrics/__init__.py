"""Metrics, by the names that tasks and tables call them."""

from zoo.metrics.base import PerImageMetric
from zoo.metrics.lncc import LNCC
from zoo.metrics.mutual_information import MutualInformation
from zoo.metrics.regression import MAE, ME, RMSE
from zoo.metrics.similarity import PSNR, SSIM


def make_metrics(names: tuple[str, ...], span: float) -> dict[str, PerImageMetric]:
    """The named metrics, with errors scaled by ``span``. ``MI_source`` compares the translation with its source."""
    makers = {
        "SSIM": SSIM,
        "PSNR": PSNR,
        "MAE": lambda: MAE(span),
        "RMSE": lambda: RMSE(span),
        "ME": lambda: ME(span),
        "LNCC": LNCC,
        "MI": MutualInformation,
        "MI_source": MutualInformation,
    }
    return {name: makers[name]() for name in names}


__all__ = ["LNCC", "MAE", "ME", "PSNR", "RMSE", "SSIM", "MutualInformation", "PerImageMetric", "make_metrics"]
