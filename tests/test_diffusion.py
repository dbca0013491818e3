"""Schedules, sampling and averages that diffusion models share."""

import copy

import pytest
import torch

from zoo.average import Average
from zoo.diffusion import Diffusion, ImageNoise, linear_betas
from zoo.networks.time_embedding import sinusoidal

SYNDIFF_BETAS = torch.tensor([0.47826, 0.84921, 0.95642, 0.98740], dtype=torch.float64)


@pytest.fixture(scope="module")
def ho() -> Diffusion:
    return Diffusion(linear_betas())


def test_constants_of_the_linear_schedule(ho):
    assert ho.steps == 1000
    kept = ho.signal.double() ** 2
    assert [float(kept[t]) for t in (0, 1, 500)] == pytest.approx([1, 0.9999, 0.078587], rel=1e-5)
    assert ho.abar[1000] == pytest.approx(4.0358e-5, rel=1e-5)


def test_fewer_steps_end_in_noise_too_and_its_image_is_found_again():
    assert torch.equal(linear_betas(1000)[[0, -1]], torch.tensor([1e-4, 0.02], dtype=torch.float64))
    torch.manual_seed(0)
    for steps in (2, 10, 50, 1000):
        few = Diffusion(linear_betas(steps))
        assert few.steps == steps
        assert 0 < few.abar[steps] < 1e-3
        t, image, noise = torch.arange(1, steps + 1), torch.rand(steps, 1, 2, 2) * 2 - 1, torch.randn(steps, 1, 2, 2)
        assert torch.allclose(few.clean(few.noised(image, t, noise), t, noise), image, atol=1e-3)


def test_posterior_of_few_large_steps():
    few = Diffusion(SYNDIFF_BETAS)
    assert few.clean_part[1:].tolist() == pytest.approx([1, 0.66578, 0.26919, 0.05782], abs=2e-5)
    assert few.noisy_part[1:].tolist() == pytest.approx([0, 0.20158, 0.19300, 0.11185], abs=2e-5)
    assert few.spread[1:].square().tolist() == pytest.approx([0, 0.44082, 0.88420, 0.98406], abs=2e-5)


def test_posterior_is_eq_7(ho):
    betas, kept = linear_betas(), torch.tensor(ho.abar, dtype=torch.float64)
    t = torch.arange(1, 1001)
    clean = kept[t - 1].sqrt() * betas / (1 - kept[t])
    noisy = (1 - betas).sqrt() * (1 - kept[t - 1]) / (1 - kept[t])
    variance = betas * (1 - kept[t - 1]) / (1 - kept[t])
    assert torch.allclose(ho.clean_part[1:].double(), clean, rtol=1e-5)
    assert torch.allclose(ho.noisy_part[1:].double(), noisy, rtol=1e-5, atol=1e-7)
    assert torch.allclose(ho.spread[1:].double(), variance.sqrt(), rtol=1e-5, atol=1e-7)


def test_noised_images_have_the_moments_of_eq_4(ho):
    torch.manual_seed(0)
    image, t = torch.full((2, 1, 256, 256), 0.5), torch.tensor([100, 700])
    noised = ho.noised(image, t, torch.randn_like(image))
    for one, time in zip(noised, t, strict=True):
        assert float(one.mean()) == pytest.approx(0.5 * ho.abar[time] ** 0.5, abs=0.015)
        assert float(one.var()) == pytest.approx(1 - ho.abar[time], abs=0.015)


def test_a_step_there_and_back_keeps_the_distribution(ho):
    """x_(t-1) drawn from x_0 and x_t is distributed as eq. 4 has it for t - 1."""
    torch.manual_seed(0)
    few, image, t = Diffusion(SYNDIFF_BETAS), torch.full((1, 1, 400, 400), 0.5), torch.tensor([3])
    noisy = few.noised(image, t, torch.randn_like(image))
    before = few.before(image, noisy, t, torch.randn_like(image))
    assert float(before.mean()) == pytest.approx(0.5 * few.abar[2] ** 0.5, abs=0.01)
    assert float(before.var()) == pytest.approx(1 - few.abar[2], abs=0.01)
    assert torch.equal(few.before(image, noisy, torch.tensor([1]), torch.randn_like(image)), image)


@pytest.mark.parametrize(("steps", "eta"), [(1000, 1.0), (1000, 0.0), (50, 1.0), (50, 0.0), (1, 0.0)])
def test_who_knows_the_noise_finds_the_image(ho, steps, eta):
    """A perfect noise predictor: eq. 4 solved for x_0."""
    torch.manual_seed(0)
    image = torch.rand(2, 1, 8, 8) * 2 - 1

    def predict(noisy, t):
        noise = (noisy - ho.abar[t] ** 0.5 * image) / (1 - ho.abar[t]) ** 0.5
        return (noisy - (1 - ho.abar[t]) ** 0.5 * noise) / ho.abar[t] ** 0.5

    asked = []
    sampled = ho.sample(lambda x, t: (asked.append(t), predict(x, t))[1], lambda: torch.randn(2, 1, 8, 8), steps, eta)
    assert torch.allclose(sampled, image, atol=1e-4)
    assert (len(asked), asked[0]) == (steps, 1000)


def test_ddim_is_deterministic_and_few_steps_are_near_many_where_the_model_is_linear(ho):
    """Images that are normal with standard deviation 0.5: the best guess of x_0 is linear in x_t."""

    def predict(noisy, t):
        kept = ho.abar[t]
        return kept**0.5 * 0.25 / (kept * 0.25 + 1 - kept) * noisy

    torch.manual_seed(0)
    start = torch.randn(1, 1, 64, 64)
    many, again, few = (ho.sample(predict, lambda: start, steps, 0.0) for steps in (1000, 1000, 100))
    assert torch.equal(many, again)
    assert (many - few).norm() < 0.05 * many.norm()
    assert float(many.std()) == pytest.approx(0.5, abs=0.03), "of the distribution that the model is of"
    ancestral = ho.sample(predict, lambda: torch.randn(1, 1, 64, 64), 1000, 1.0)
    assert float(ancestral.std()) == pytest.approx(0.5, abs=0.03)


def test_noise_belongs_to_the_image_and_not_to_its_batch():
    torch.manual_seed(0)
    images = torch.rand(3, 1, 8, 8)
    whole, alone = ImageNoise(images, 2), ImageNoise(images[1:2], 2)
    first, second = whole(), whole()
    assert first.shape == (3, 2, 8, 8)
    assert torch.equal(first[1:2], alone())
    assert torch.equal(second[1:2], alone())
    assert not torch.equal(first, second)
    assert not torch.equal(ImageNoise(images, 2, seed=1)(), first)


def test_times_are_told_apart():
    embedded = sinusoidal(torch.tensor([0, 1, 999]), 8)
    assert embedded.shape == (3, 8)
    assert embedded[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert embedded[1, [0, 3]].tolist() == pytest.approx([0.841471, 1e-4], rel=1e-5)
    assert torch.pdist(embedded).min() > 0.5


def test_an_average_follows_and_remembers_how_far_it_is():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1))
    average = Average(network, 0.9, warm_up=True)
    before = network[0].weight.item()
    with torch.no_grad():
        network[0].weight += 1
        network[1].running_mean += 1
    average.update(network)
    assert average.network[0].weight.item() == pytest.approx(before + 1 - 2 / 11), "(1 + n) / (10 + n) of the old"
    assert average.network[1].running_mean.item() == 1
    assert not any(weight.requires_grad for weight in average.parameters())
    other = Average(copy.deepcopy(network), 0.9, warm_up=True)
    other.load_state_dict(average.state_dict())
    assert other.updates == 1
    plain = Average(network, 0.9)
    with torch.no_grad():
        network[0].weight += 1
    plain.update(network)
    assert plain.network[0].weight.item() == pytest.approx(before + 1 + 0.1)
