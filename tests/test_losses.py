"""Losses on constants, their directions, and what gets no gradient."""

import math

import pytest
import torch

from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.perceptual import PerceptualLoss
from zoo.losses.regression import masked_rmse
from zoo.losses.structural import WEIGHTS, MixLoss, _scales, ms_ssim
from zoo.lpips_network import load_lpips
from zoo.metrics.similarity import SSIM

objectives = pytest.mark.parametrize("objective", ["vanilla", "lsgan", "hinge", "softplus"])


def scores(value: float) -> torch.Tensor:
    return torch.full((2, 1, 3, 3), float(value))


@objectives
def test_a_better_fake_lowers_the_generators_loss(objective):
    loss = AdversarialLoss(objective)
    assert loss.generator(scores(0.9)) < loss.generator(scores(0.1)) < loss.generator(scores(-2.0))


@objectives
def test_a_sharper_discriminator_has_a_lower_loss(objective):
    loss = AdversarialLoss(objective)
    assert loss.discriminator(scores(0.9), scores(-0.1)) < loss.discriminator(scores(0.1), scores(0.5))


def test_values_on_constants():
    vanilla, lsgan, hinge = AdversarialLoss("vanilla"), AdversarialLoss("lsgan", 0.9), AdversarialLoss("hinge")
    assert float(vanilla.discriminator(scores(0), scores(0))) == pytest.approx(2 * math.log(2))
    assert float(vanilla.generator(scores(0))) == pytest.approx(math.log(2))
    assert float(lsgan.discriminator(scores(0.9), scores(0.5))) == pytest.approx(0.25)
    assert float(lsgan.generator(scores(0.5))) == pytest.approx(0.25)
    assert float(hinge.discriminator(scores(2), scores(-0.5))) == pytest.approx(0.5)
    assert float(hinge.generator(scores(3))) == pytest.approx(-3)


def test_a_label_given_with_the_scores_overrides_the_first():
    loss = AdversarialLoss("lsgan", 0.9)
    assert float(loss.discriminator(scores(0.9), scores(0.5), 1.0)) == pytest.approx(0.26)
    assert float(loss.discriminator(scores(0.9), scores(0.5), torch.tensor(0.4))) == pytest.approx(0.5)


def test_smoothed_labels_move_the_optimum():
    loss = AdversarialLoss("vanilla", real_label=0.9)
    best = math.log(0.9 / 0.1)
    at = [float(loss.discriminator(scores(s), scores(-50.0))) for s in (best - 0.5, best, best + 0.5)]
    assert at[1] < min(at[0], at[2])


def test_masked_rmse_counts_valid_pixels_over_the_whole_batch():
    target = torch.zeros(2, 1, 2, 2)
    prediction = torch.tensor([1.0, 2, 3, 100, 0, 0, 0, 100]).view(2, 1, 2, 2).requires_grad_()
    valid = torch.tensor([1, 1, 1, 0, 0, 0, 1, 0]).bool().view(2, 1, 2, 2)
    loss = masked_rmse(prediction, target, valid)
    assert float(loss) == pytest.approx(math.sqrt(14 / 4 + 1e-8))
    loss.backward()
    assert (prediction.grad[~valid] == 0).all()
    assert (prediction.grad[valid & (prediction > 0)] > 0).all()


def test_masked_rmse_of_nothing_valid_is_finite():
    prediction = torch.rand(1, 1, 2, 2, requires_grad=True)
    loss = masked_rmse(prediction, torch.full((1, 1, 2, 2), torch.nan), torch.zeros(1, 1, 2, 2, dtype=torch.bool))
    loss.backward()
    assert float(loss) == pytest.approx(1e-4)
    assert (prediction.grad == 0).all()


@pytest.fixture(scope="module")
def vgg():
    return load_lpips(None, "weights")


def images(seed: int) -> torch.Tensor:
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_perceptual_loss_is_the_librarys_and_its_l2_form_the_printed_one(vgg):
    x, y = images(0), images(1)
    colour = [image.expand(-1, 3, -1, -1) for image in (x, y)]
    assert float(PerceptualLoss(vgg)(x, y)) == pytest.approx(float(vgg(*colour).mean()), rel=1e-5)
    features = [[torch.nn.functional.normalize(f, dim=1) for f in vgg.net(vgg.scaling_layer(c))] for c in colour]
    printed = 0.0
    for one, other, linear in zip(*features, vgg.lins, strict=True):
        weights = linear.model[1].weight.view(1, -1, 1, 1)
        printed += float((weights * (one - other) ** 2).sum(1).sqrt().mean())
    assert float(PerceptualLoss(vgg, "l2")(x, y)) == pytest.approx(printed, rel=1e-3)
    assert float(PerceptualLoss(vgg)(x, x)) == 0


def test_perceptual_loss_falls_as_an_image_comes_closer(vgg):
    x, y = images(0), images(1)
    far, near = (PerceptualLoss(vgg)(y + part * (x - y), y) for part in (1.0, 0.3))
    assert 0 < near < far


def test_perceptual_loss_gives_finite_gradients_to_the_prediction_alone(vgg):
    black, y = torch.full((1, 1, 32, 32), -1.0, requires_grad=True), images(1)[:1].requires_grad_()
    PerceptualLoss(vgg)(black, y).backward()
    assert black.grad.isfinite().all()
    assert black.grad.abs().sum() > 0
    assert y.grad is None
    assert all(weight.grad is None for weight in vgg.parameters())


def test_perceptual_loss_keeps_fp32_moves_along_and_stays_out_of_checkpoints(vgg):
    loss = PerceptualLoss(load_lpips(None, "weights"))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(images(0).bfloat16(), images(1))
    assert mixed.dtype == torch.float32
    assert float(mixed) == pytest.approx(float(loss(images(0).bfloat16().float(), images(1))), rel=1e-6)
    assert not loss.state_dict()
    assert not list(loss.parameters())
    moved = loss.to("meta")._unregistered[0]
    assert {weight.device.type for weight in moved.parameters()} == {"meta"}


@pytest.mark.parametrize("size", [(200, 256), (163, 181)])
def test_ms_ssim_is_that_of_pytorch_msssim(size):
    from pytorch_msssim import ms_ssim as reference

    generator = torch.Generator().manual_seed(0)
    one = torch.rand(2, 3, *size, generator=generator)
    other = (one + 0.2 * torch.randn(2, 3, *size, generator=generator)).clamp(0, 1)
    expected = reference(one, other, data_range=1.0, size_average=False)
    assert torch.allclose(ms_ssim(one, other), expected, atol=1e-5)


def test_ms_ssim_of_an_image_with_room_for_one_scale_is_ssim():
    one, other = torch.rand(2, 2, 1, 20, 21, generator=torch.Generator().manual_seed(0))
    close = 0.9 * one + 0.1 * other
    expected = SSIM().per_image(close, one, torch.ones(2, 1, 20, 21, dtype=torch.bool))
    assert torch.allclose(ms_ssim(close, one).double(), expected.double() ** sum(WEIGHTS), atol=1e-5)
    assert torch.allclose(ms_ssim(one, one), torch.ones(2), atol=1e-5)
    assert [_scales(side) for side in (10, 11, 20, 21, 44, 160, 161)] == [0, 1, 1, 2, 3, 4, 5]


def test_mix_is_the_weighted_sum_falls_as_images_come_closer_and_has_finite_gradients():
    x, y = images(0), images(1)
    mix, near = MixLoss(), y + 0.2 * (x - y)
    expected = 0.84 * (1 - ms_ssim((x + 1) / 2, (y + 1) / 2).mean()) + 0.16 * (x - y).abs().mean() / 2
    assert float(mix(x, y)) == pytest.approx(float(expected))
    assert float(mix(y, y)) == pytest.approx(0, abs=1e-4)
    assert mix(near, y) < mix(x, y)
    for other in (y, -x, torch.zeros_like(x)):
        made = x.clone().requires_grad_()
        mix(made, other).backward()
        assert made.grad.isfinite().all()
