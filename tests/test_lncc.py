"""LNCC with its borders, against OpenCV's filter, whose borders the public grader of USenhance has."""

import cv2
import numpy as np
import pytest
import torch

from zoo.metrics import METRICS
from zoo.metrics.lncc import LNCC, ChallengeLNCC


def pair(seed: int, size: tuple[int, int] = (24, 31)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(2, 1, *size, generator=generator)
    return (target + 0.3 * torch.randn(2, 1, *size, generator=generator)).clamp(0, 1), target


def everywhere(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image[:, :1], dtype=torch.bool)


def by_opencv(one: torch.Tensor, other: torch.Tensor) -> float:
    """Images ``(H, W)``, each scaled to [0, 1]; windows by a filter of ones."""
    x, y = (image.double().numpy() for image in (one, other))
    x, y = ((image - image.min()) / np.ptp(image) for image in (x, y))
    kernel = np.full((11, 11), 1 / 121)

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return cv2.filter2D(a * b, -1, kernel) - cv2.filter2D(a, -1, kernel) * cv2.filter2D(b, -1, kernel)

    usable = (covariance(x, x) > 1e-10) & (covariance(y, y) > 1e-10)
    correlation = covariance(x, y)[usable] / np.sqrt(covariance(x, x)[usable] * covariance(y, y)[usable])
    return float(correlation.mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_that_of_opencvs_borders(seed):
    prediction, target = pair(seed)
    target[:, :, :, :16] = 0.5  # nothing varies in the windows of the first eleven columns
    found = ChallengeLNCC().per_image(prediction, target, everywhere(target))
    expected = [by_opencv(*images) for images in zip(prediction[:, 0], target[:, 0], strict=True)]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    assert found.tolist() != pytest.approx(LNCC().per_image(prediction, target, everywhere(target)).tolist(), abs=1e-4)


def test_what_is_wrong_at_the_border_alone_is_seen_by_it_alone():
    _, target = pair(2)
    spoilt = target.clone()
    spoilt[..., 0] = 1 - spoilt[..., 0]
    inside = torch.zeros_like(everywhere(target))
    inside[..., 5:-5, 6:-6] = True  # LNCC has these at most; their windows do not reach the first column
    assert LNCC().per_image(spoilt, target, inside).tolist() == pytest.approx([1.0, 1.0])
    assert ChallengeLNCC().per_image(spoilt, target, inside).tolist() == pytest.approx([1.0, 1.0])
    whole = everywhere(target)
    lost = [float(1 - metric.per_image(spoilt, target, whole).mean()) for metric in (LNCC(), ChallengeLNCC())]
    assert lost[1] > 3 * lost[0] > 0


def test_an_image_with_itself_is_one_with_its_negative_minus_one_and_without_variance_nothing():
    _, target = pair(3)
    metric, valid = ChallengeLNCC(), everywhere(target)
    assert metric.per_image(target, target, valid).tolist() == pytest.approx([1.0, 1.0])
    assert metric.per_image(1 - target, target, valid).tolist() == pytest.approx([-1.0, -1.0])
    assert metric.per_image(torch.ones_like(target), target, valid).isnan().all()
    assert metric.per_image(target, target, ~valid).isnan().all()


def test_it_is_scored_beside_the_other():
    names = list(METRICS)
    assert names[names.index("LNCC") + 1] == "LNCC challenge"
    assert METRICS["LNCC challenge"] is ChallengeLNCC
