"""Losses on constants, their directions, and what gets no gradient."""

import math

import pytest
import torch

from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.regression import masked_rmse

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
