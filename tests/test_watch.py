"""Watch: each fault of a GAN's training is warned of once until it is gone, and a healthy training is silent."""

import math
import re
import warnings

import pytest
import torch
from torch import Tensor, nn

from tests import tiny
from zoo.losses.adversarial import AdversarialLoss
from zoo.watch import IDLE, NEGATIVE, WON, Watch

X, Y = (torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (0, 1))


def said(run) -> list[str]:
    """The warnings of a GAN's training, without Lightning's own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(warning.message) for warning in caught if str(warning.message).startswith("epoch ")]


def epoch(watch: Watch, number: int = 0, **made: Tensor) -> list[str]:
    for name, images in made.items():
        watch.translation(name, X, images, Y)
    return said(lambda: watch.finish(number))


def test_a_negative_is_named_with_its_correlation():
    (line,) = epoch(Watch(), 3, G=-X, F=0.5 * X)
    assert line.startswith("epoch 3: G makes negatives: its images correlate with what it was given by -1.00")
    assert "identity" in line
    assert epoch(Watch(), G=0.5 * X, F=0.5 * X) == []
    for part, warned in ((0.9 * NEGATIVE, 0), (1.2 * NEGATIVE, 1)):  # noise that is correlated by that much
        images = part * X + (1 - part**2) ** 0.5 * Y
        watch = Watch()
        watch.translation("G", X, images, torch.zeros_like(X))
        assert len(said(lambda watch=watch: watch.finish(0))) == warned


def test_targets_that_are_themselves_negatives_may_be_made():
    watch = Watch()
    watch.translation("G", X, -X, -X)
    assert said(lambda: watch.finish(0)) == []


def test_nothing_is_translated_where_no_generator_changes_anything():
    apart = (X - Y).abs().mean()
    almost, moved = X + 0.9 * IDLE * apart, X + 1.1 * IDLE * apart
    (line,) = epoch(Watch(), G=almost, F=X)
    assert line.startswith("epoch 0: nothing is translated: G and F change images by 4.5% of the distance")
    assert epoch(Watch(), G=almost, F=moved) == []


@pytest.mark.parametrize("objective", ["vanilla", "lsgan", "hinge", "softplus"])
def test_the_loss_of_a_coin(objective):
    """Of all constant scores, the best gives it."""
    loss = AdversarialLoss(objective)
    scores = torch.linspace(-1, 1, 201)
    least = min(float(loss.discriminator(score[None], score[None])) for score in scores)
    assert least == pytest.approx(loss.chance, abs=1e-6)
    assert loss.chance == pytest.approx({"lsgan": 0.5, "hinge": 2.0}.get(objective, 2 * math.log(2)))


def test_a_discriminator_has_won_by_the_mean_of_an_epoch():
    for parts, warned in (((0.0, 1.9 * WON), 1), ((0.0, 2.1 * WON), 0)):
        watch = Watch()
        for part in parts:
            watch.discriminator("target", torch.tensor(0.5 * part), 0.5)
        watch.discriminator("source", torch.tensor(0.4), 0.5)
        lines = said(lambda watch=watch: watch.finish(1))
        assert len(lines) == warned
        assert all("discriminator 'target' has won: its loss is 4.7% of a coin's" in line for line in lines)


def test_a_fault_is_said_again_only_if_it_was_gone():
    watch = Watch()
    lines = [epoch(watch, number, G=images) for number, images in enumerate((-X, -X, 0.5 * X, -X, -X))]
    assert [len(of_epoch) for of_epoch in lines] == [1, 0, 0, 1, 0]


def test_what_an_interrupted_epoch_left_does_not_count():
    watch = Watch()
    watch.translation("G", X, -X, Y)
    watch.start()
    assert epoch(watch, G=0.5 * X) == []


class Times(nn.Module):
    """A generator that multiplies, with a weight that leaves it as it is."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.weight = factor, nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return self.factor * image + self.weight


def trained(name: str, folder, task: str | None = None, epochs: int = 1, **networks: nn.Module) -> list[str]:
    """A fit whose networks hardly move."""
    torch.manual_seed(0)
    data = tiny.data(task or tiny.task_of(name))
    model = tiny.method(name, 1, data.task.target.channels, **EXTRA.get(name, {}))
    for attribute, network in networks.items():
        setattr(model, attribute, network)
    return said(lambda: tiny.trainer(folder, max_epochs=epochs).fit(model, data))


EXTRA = {
    "cyclegan": {"perceptual_on": "none", "lr_generator": 1e-9, "lr_discriminator": 1e-9, "disc_spectral": False},
    "harmonizer": {"lr_generator": 1e-9, "lr_discriminator": 1e-9, "sn": "none"},
    "pix2pix": {"lr": 1e-9},
}


@pytest.mark.parametrize("name", ["cyclegan", "harmonizer"])
def test_a_cyclegan_that_starts_with_negatives_says_so_once_until_it_is_gone_and_once_a_side(name, tmp_path):
    both = {"generator_target": Times(-0.9), "generator_source": Times(-0.9)}
    lines = trained(name, tmp_path, epochs=2, **both)
    assert [re.match(r"epoch 0: (\w) makes negatives", line)[1] for line in sorted(lines)] == ["F", "G"]
    (line,) = trained(name, tmp_path, generator_target=Times(0.5), generator_source=Times(-0.9))
    assert line.startswith("epoch 0: F makes negatives")


def test_what_was_seen_before_a_run_does_not_count(tmp_path):
    torch.manual_seed(0)
    model = tiny.method("pix2pix", 1, 1, lr=1e-9)
    model.generator = Times(0.5)
    for _ in range(100):
        model.watch.translation("the generator", X, -X, Y)
    assert said(lambda: tiny.trainer(tmp_path).fit(model, tiny.data("enhancement"))) == []


def test_a_cyclegan_of_identities_translates_nothing(tmp_path):
    networks = {"generator_target": Times(1.0), "generator_source": Times(1.0)}
    (line,) = trained("harmonizer", tmp_path, **networks)
    assert line.startswith("epoch 0: nothing is translated: G and F")
    assert trained("harmonizer", tmp_path, **(networks | {"generator_source": Times(0.5)})) == []


def test_pairs_of_grey_pictures_are_watched_and_elastograms_are_not(tmp_path):
    (line,) = trained("pix2pix", tmp_path, "enhancement", generator=Times(-0.9))
    assert line.startswith("epoch 0: the generator makes negatives")
    assert trained("pix2pix", tmp_path, "swe", generator=Times(-0.9)) == []


class Knows(nn.Module):
    """A discriminator that gives every image of one kind ``high`` and every other ``low``: translations are the ones
    whose mean the generator has moved beyond 2."""

    def __init__(self, real: float, fake: float) -> None:
        super().__init__()
        self.real, self.fake, self.weight = real, fake, nn.Parameter(torch.zeros(1))

    def forward(self, image):
        made = image[:, -1:].mean((1, 2, 3), keepdim=True) > 2
        return torch.where(made, self.fake, self.real) + self.weight


class Shifted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return 0.5 * image + 5 + self.weight


def test_a_winner_of_a_cyclegan_is_named(tmp_path):
    generators = {"generator_target": Shifted(), "generator_source": Shifted()}
    lines = trained("cyclegan", tmp_path, **generators, discriminator_source=Knows(1.0, 0.0))
    assert len(lines) == 1
    part = 0.1**2 / 0.5  # real images score 1, and should have 0.9 by eq. 7
    assert lines[0].startswith(f"epoch 0: discriminator 'source' has won: its loss is {part:.1%} of a coin's")


def test_a_winner_of_pix2pix_is_named_and_a_coin_is_not(tmp_path):
    networks = {"generator": Shifted()}
    (line,) = trained("pix2pix", tmp_path, "enhancement", **networks, discriminator=Knows(9.0, -9.0))
    assert line.startswith("epoch 0: discriminator 'adversarial' has won")
    assert trained("pix2pix", tmp_path, "enhancement", **networks, discriminator=Knows(0.0, 0.0)) == []


@pytest.mark.parametrize("mode", ["grl", "alternating"])
@pytest.mark.parametrize(("loss", "warned"), [(0.01, 1), (1.0, 0)])
def test_a_winner_of_hsct_is_named_in_both_modes(mode, loss, warned, tmp_path, monkeypatch):
    """Its loss is the term 'adversarial', be it of the one side or of the discriminator's."""
    torch.manual_seed(0)
    data, model = tiny.data(tiny.task_of("hsct")), tiny.method("hsct", adv_mode=mode)
    judged = model.discriminator
    monkeypatch.setattr(model, "_judge", lambda batch, image: loss + 0 * judged(image).sum())
    lines = said(lambda: tiny.trainer(tmp_path, limit_train_batches=1).fit(model, data))
    assert len(lines) == warned
    assert all("discriminator 'adversarial' has won" in line for line in lines)


@pytest.mark.parametrize("mode", ["grl", "alternating"])
@pytest.mark.parametrize(("task", "warned"), [("enhancement", 1), ("swe", 0)])
def test_negatives_of_hsct_are_named_in_both_modes(mode, task, warned, tmp_path, monkeypatch):
    """Between grey pictures; its own task makes elastograms."""
    torch.manual_seed(0)
    data = tiny.data(task)
    model = tiny.method("hsct", 1, data.task.target.channels, adv_mode=mode)
    made = model.generate

    def negative(batch):
        z, translation = made(batch)
        return z, 1e-6 * translation - 0.9 * batch["source"]

    monkeypatch.setattr(model, "generate", negative)
    lines = said(lambda: tiny.trainer(tmp_path, limit_train_batches=1).fit(model, data))
    lines = [line for line in lines if "negatives" in line]
    assert len(lines) == warned
    assert all(line.startswith("epoch 0: the generator makes negatives") for line in lines)


def test_nothing_of_it_is_in_a_checkpoint():
    assert not [key for key in tiny.method("harmonizer", 1, 1).state_dict() if "watch" in key]


@pytest.mark.parametrize("name", ["cyclegan", "harmonizer", "pix2pix"])
def test_healthy_training_is_silent(name, tmp_path):
    sides = ("generator",) if name == "pix2pix" else ("generator_target", "generator_source")
    assert trained(name, tmp_path, "enhancement", epochs=2, **{side: Times(0.5) for side in sides}) == []
