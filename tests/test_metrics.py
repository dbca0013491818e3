"""Metrics against independent implementations."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from datamodules.batch import Signal
from tests import tiny
from zoo.metrics import METRICS
from zoo.metrics.lncc import LNCC
from zoo.metrics.mutual_information import MutualInformation
from zoo.metrics.regression import MAE, ME, RMSE
from zoo.metrics.similarity import PSNR, SSIM
from zoo.output import malignancy


def random_pairs(channels: int, size=(40, 56)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(channels)
    target = torch.rand(3, channels, *size, generator=generator)
    return (target + 0.2 * torch.randn(3, channels, *size, generator=generator)).clamp(0, 1), target


def phantom_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    data = tiny.data("enhancement", size=(64, 64))
    samples = [data.dataset("all")[index] for index in range(3)]
    source, target = (torch.stack([sample[name] for sample in samples]) for name in ("source", "target"))
    return (source + 1) / 2, (target + 1) / 2


def everywhere(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image[:, :1], dtype=torch.bool)


def as_numpy(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy().astype(np.float64)


@pytest.mark.parametrize("pairs", [lambda: random_pairs(1), lambda: random_pairs(3), phantom_pairs])
def test_ssim_and_psnr_are_those_of_scikit_image(pairs):
    prediction, target = pairs()
    ssim = SSIM().per_image(prediction, target, everywhere(target))
    psnr = PSNR().per_image(prediction, target, everywhere(target))
    for index, (x, y) in enumerate(zip(prediction, target, strict=True)):
        expected = structural_similarity(
            as_numpy(x), as_numpy(y), channel_axis=2, data_range=1,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip
        assert float(ssim[index]) == pytest.approx(expected, abs=1e-4)
        assert float(psnr[index]) == pytest.approx(
            peak_signal_noise_ratio(as_numpy(y), as_numpy(x), data_range=1), abs=1e-4
        )


def test_lncc_is_that_of_a_plain_loop():
    prediction, target = random_pairs(1, (24, 27))
    target[:, :, :, :13] = 0.5  # no variance here: left out
    found = LNCC().per_image(prediction, target, everywhere(target))
    for index in range(len(target)):
        assert float(found[index]) == pytest.approx(lncc_loop(prediction[index, 0], target[index, 0]), abs=1e-9)


def lncc_loop(x: torch.Tensor, y: torch.Tensor, window: int = 11) -> float:
    x, y = x.double().numpy(), y.double().numpy()
    correlations = []
    for row in range(x.shape[0] - window + 1):
        for column in range(x.shape[1] - window + 1):
            a, b = (image[row : row + window, column : column + window] for image in (x, y))
            if a.var() >= 1e-10 and b.var() >= 1e-10:
                correlations.append(((a - a.mean()) * (b - b.mean())).mean() / np.sqrt(a.var() * b.var()))
    return float(np.mean(correlations))


def test_lncc_of_an_image_with_its_negative_is_minus_one():
    target = torch.rand(1, 1, 32, 32)
    assert float(LNCC().per_image(target, target, everywhere(target))) == pytest.approx(1)
    assert float(LNCC().per_image(1 - target, target, everywhere(target))) == pytest.approx(-1)


def test_errors_are_in_the_targets_unit_and_me_is_negative_where_the_prediction_is_high():
    target = torch.full((1, 1, 16, 16), 0.5)
    prediction = target + 0.1
    valid = everywhere(target)
    assert float(MAE(180).per_image(prediction, target, valid)) == pytest.approx(18, rel=1e-5)
    assert float(ME(180).per_image(prediction, target, valid)) == pytest.approx(-18, rel=1e-5)
    prediction = target + 0.1 * torch.tensor([1.0, -3.0]).repeat(8).view(1, 1, 1, 16)
    expected = 180 * np.sqrt(mean_squared_error(as_numpy(prediction[0]), as_numpy(target[0])))
    assert float(RMSE(180).per_image(prediction, target, valid)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["SSIM", "PSNR", "MAE", "RMSE", "ME", "MI"])
def test_pixels_that_are_not_valid_do_not_count(name):
    metric = METRICS[name].of(Signal(1, 0.0, 1.0))
    prediction, target = random_pairs(1, (48, 48))
    valid = everywhere(target)
    valid[..., 24:] = False
    spoilt = prediction.clone()
    spoilt[..., 36:] = 0  # further from the border than SSIM's window reaches
    assert torch.equal(metric.per_image(prediction, target, valid), metric.per_image(spoilt, target, valid))
    assert metric.per_image(prediction, target, torch.zeros_like(valid)).isnan().all()


def test_mutual_information():
    levels = torch.randint(0, 256, (1, 1, 64, 64), generator=torch.Generator().manual_seed(0)) / 255.0
    valid = everywhere(levels)
    counts = np.bincount((levels * 255).round().long().flatten().numpy(), minlength=256) / levels.numel()
    entropy = -(counts[counts > 0] * np.log2(counts[counts > 0])).sum()
    mi = MutualInformation()
    assert float(mi.per_image(levels, levels, valid)) == pytest.approx(entropy)
    assert float(mi.per_image(1 - levels, levels, valid)) == pytest.approx(entropy), "a relabelling loses nothing"
    assert float(mi.per_image(torch.zeros_like(levels), levels, valid)) == pytest.approx(0, abs=1e-12)


def test_a_metric_is_the_mean_over_images_not_pixels():
    prediction, target = random_pairs(1)
    prediction[0] = target[0] + 0.01
    metric = PSNR()
    metric.update(prediction[:1], target[:1])
    metric.update(prediction[1:], target[1:])
    expected = metric.per_image(prediction, target, everywhere(target)).mean()
    assert float(metric.compute()) == pytest.approx(float(expected), rel=1e-6)
    pooled = -10 * torch.log10((prediction - target).square().mean())
    assert abs(float(expected - pooled)) > 1


KNOWN = {  # what the papers' tables assume: reference, direction, digits, pooling, unit
    "SSIM": ("target", True, 4, "mean", ""),
    "PSNR": ("target", True, 2, "mean", "dB"),
    "MAE": ("target", False, 2, "pixel mean", "target"),
    "RMSE": ("target", False, 2, "pixel rms", "target"),
    "ME": ("target", None, 2, "pixel mean", "target"),
    "LNCC": ("target", True, 4, "mean", ""),
    "LNCC challenge": ("target", True, 4, "mean", ""),
    "MI": ("target", True, 3, "mean", "bit"),
    "MI_source": ("source", True, 3, "mean", "bit"),
    "LPIPS": ("target", False, 4, "mean", ""),
    "FID": ("target", False, 2, "set", ""),
    "Frechet VGG": ("target", False, 2, "set", ""),
    "AUC_confidence": ("valid", True, 2, "mean", ""),
    "accuracy": ("label", True, 3, "accuracy", ""),
    "F1": ("label", True, 3, "F1", ""),
    "AUC": ("label", True, 3, "AUC", ""),
}


def test_every_metric_says_what_tables_assume_of_it():
    found = {name: tuple(metric.facts().values())[1:] for name, metric in METRICS.items()}
    assert found == KNOWN


def test_the_probability_of_malignancy_is_that_of_the_second_class():
    logits = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    sure, unsure = malignancy(logits)
    assert sure == pytest.approx(1 / (1 + math.exp(-2)))
    assert unsure < 0.05
