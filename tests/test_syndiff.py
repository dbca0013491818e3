"""SynDiff: its schedule, eq. 2 to 5, what each turn touches, and what it refuses."""

import warnings

import pytest
import torch
from torch import nn

from datamodules import InputError
from tests import tiny
from zoo.diffusion import vp_betas
from zoo.losses.gradient_penalty import r1
from zoo.networks import ncsnpp

CHANCE = 0.693147  # softplus(0)


def batch(images: int = 2) -> dict:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(images, 1, 32, 32, generator=generator) * 2 - 1 for _ in range(2))
    return {"source": x, "target": y, "id": [str(number) for number in range(images)]}


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("syndiff", 1, 1, **kwargs)


def touched(model) -> set[str]:
    """Names of the networks that have gradients."""
    return {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}


class Judge(nn.Module):
    """A discriminator that is linear in the image it judges: D(x) = <weight, x> + bias."""

    def __init__(self, weight: float, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 32, 32), weight))
        self.bias = bias

    def forward(self, image, *_):
        return (self.weight * image).sum((1, 2, 3))[:, None] + self.bias


def with_judges(model, **judges: Judge):
    for name, judge in judges.items():
        setattr(model, name, judge)
    return model


def test_the_networks_of_a_method_are_the_published_ones(monkeypatch):
    monkeypatch.setattr("zoo.methods.syndiff.Diffusion", lambda betas: nn.Identity())  # its tables are numbers
    sizes = {}
    for channels in ((1, 1), (1, 3)):
        with torch.device("meta"):
            model = tiny.METHODS["syndiff"](in_channels=channels[0], out_channels=channels[1])
        sizes[channels] = {
            name: sum(weight.numel() for weight in network.parameters()) for name, network in model.named_children()
        }
    alone, colour = sizes[1, 1], sizes[1, 3]
    for side in ("target", "source"):
        assert alone[f"diffusive_generator_{side}"] == 39_725_250
        assert alone[f"diffusive_discriminator_{side}"] == 27_736_705
        assert alone[f"generator_{side}"] == 7_825_153
        assert alone[f"discriminator_{side}"] == 2_762_689
        assert colour[f"diffusive_generator_{side}"] == 39_728_708, "target and guide"
    assert (colour["diffusive_discriminator_target"], colour["diffusive_discriminator_source"]) == (27737217, 27736705)
    assert (colour["discriminator_target"], colour["discriminator_source"]) == (2_764_737, 2_762_689)


def test_the_schedule_is_that_of_the_variance_preserving_sde():
    assert vp_betas().tolist() == pytest.approx([0.47826, 0.84921, 0.95642, 0.98740], abs=5e-6)
    assert len(vp_betas(8)) == 8
    assert float((1 - vp_betas(8)).prod()) == pytest.approx(float((1 - vp_betas(4)).prod())), "the same noise at last"


def test_r1_is_half_the_squared_gradient():
    images = torch.rand(3, 1, 32, 32, requires_grad=True)
    judge = Judge(0.5)
    penalty = r1(judge(images), images)
    assert float(penalty) == pytest.approx(0.5 * 0.25 * 32 * 32)
    penalty.backward()
    assert torch.allclose(judge.weight.grad, torch.tensor(0.5)), "and may be minimised"


def test_r1_comes_every_tenth_iteration_and_in_full_precision():
    judges = {f"diffusive_discriminator_{side}": Judge(0.01) for side in ("target", "source")}
    model, given = with_judges(method(r1_gamma=3.0), **judges), batch()
    made = model.generate(given)
    penalties = []
    for iteration in (0, 1, 9, 10, 11, 20):
        model.average.updates = iteration
        losses = model.diffusive_discriminator_losses(given, made)
        total = losses["target"] + losses["source"] + 3.0 * losses["r1"]
        assert float(losses["total"]) == pytest.approx(float(total))
        penalties.append(float(losses["r1"]))
    expected = 2 * 0.5 * 1e-4 * 32 * 32  # both sides
    assert penalties == pytest.approx([expected, 0, 0, expected, 0, expected])
    model, seen = method(), []
    model.diffusive_discriminator_target.head.register_forward_hook(lambda m, given, made: seen.append(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.diffusive_discriminator_losses(given, model.generate(given))
    assert seen == [torch.float32, torch.bfloat16], "real images with the penalty, then made ones"
    losses["total"].backward()
    assert all(weight.grad.isfinite().all() for weight in model.diffusive_discriminator_target.parameters())


def test_the_count_of_iterations_is_in_a_checkpoint():
    model = method()
    model.average.updates = 7
    other = method()
    other.load_state_dict(model.state_dict())
    assert (model.iterations, other.iterations) == (7, 7)


def test_steps_back_end_at_what_the_generator_sees():
    model, given = method(), batch(8)
    image = given["target"]
    for _ in range(5):
        back = model.reversal("target", image, given["source"])
        assert int(back.t.min()) >= 1
        assert int(back.t.max()) <= 4
        last = back.t == 1
        assert torch.equal(back.before[last], back.guess[last])
        assert (back.before[~last] - back.guess[~last]).abs().mean() > 0.1
    assert back.guess.abs().max() < 1e-2, "of an untrained network"
    assert float((back.noisy * image).mean() / image.square().mean()) < 0.8


def test_the_better_looks_to_the_discriminators_the_smaller_the_loss():
    """D_theta and D_phi that say ``bias`` of everything: eq. 3 to 5 on constants, and which way they pull."""
    given = batch()
    losses = {}
    for bias in (-2.0, 0.0, 2.0):
        names = [f"{role}_{side}" for role in ("diffusive_discriminator", "discriminator") for side in
                 ("target", "source")]  # fmt: skip
        model = with_judges(method(lambda_l1=2.0), **{name: Judge(0.0, bias) for name in names})
        model.average.updates = 1
        losses[bias] = model.generator_losses(given, model.generate(given))
        for turn in (model.diffusive_discriminator_losses, model.discriminator_losses):
            of_side = float(nn.functional.softplus(torch.tensor([-bias, bias])).sum())
            assert float(turn(given, model.generate(given))["total"]) == pytest.approx(2 * of_side, rel=1e-5)
    for term in ("diffusive_adversarial", "adversarial"):
        assert float(losses[0.0][term]) == pytest.approx(2 * CHANCE, rel=1e-5)
        assert losses[2.0][term] < losses[0.0][term] < losses[-2.0][term]
    terms = losses[0.0]
    adversarial = terms["diffusive_adversarial"] + terms["adversarial"]
    total = adversarial + 2.0 * (terms["reconstruction"] + terms["cycle"])
    assert float(terms["total"]) == pytest.approx(float(total))


def test_the_generators_terms_compare_what_belongs_together():
    model, given = method(), batch()
    made = model.generate(given)
    x, y = given["source"], given["target"]
    assert torch.equal(made.source_again, model.generator_source(model.generator_target(x)))
    losses = model.generator_losses(given, made)
    assert float(losses["cycle"]) == pytest.approx(
        float((made.source_again - x).abs().mean() + (made.target_again - y).abs().mean())
    )
    nothing = float(x.abs().mean() + y.abs().mean())  # an untrained G_theta sees 0
    assert float(losses["reconstruction"]) == pytest.approx(nothing, rel=1e-3)


def test_each_turn_touches_its_own_networks_alone():
    model, given = method(), batch()
    both = {"diffusive_discriminator": [], "discriminator": [], "generator": []}
    for turn in both:
        model.zero_grad()
        model.losses_of(turn, given, model.generate(given))["total"].backward()
        both[turn] = touched(model)
    sides = ("target", "source")
    assert both["diffusive_discriminator"] == {f"diffusive_discriminator_{side}" for side in sides}
    assert both["discriminator"] == {f"discriminator_{side}" for side in sides}
    roles = ("generator", "diffusive_generator", "discriminator", "diffusive_discriminator")
    assert both["generator"] == {f"{role}_{side}" for role in roles for side in sides}
    assert list(model.sides()) == list(both), "in this order"


class Recorder(nn.Module):
    """A network that remembers what it was given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.given = network, []

    def forward(self, *given):
        self.given.append(given)
        return self.network(*given)


def test_every_network_is_given_what_its_equation_names(monkeypatch):
    model, given = method(), batch()
    for name, network in [*model.named_children()]:
        if name.endswith(("_target", "_source")):
            setattr(model, name, Recorder(network))
    model.average.updates = 1  # no penalty is due
    x, y, before = given["source"], given["target"], model.diffusion.before
    drawn: list[tuple] = []  # clean image, noisy image, what was drawn of them

    def spy(clean, noisy, t, noise):
        drawn.append((clean, noisy, before(clean, noisy, t, noise)))
        return drawn[-1][-1]

    monkeypatch.setattr(model.diffusion, "before", spy)
    generator, judge = model.diffusive_generator_target, model.diffusive_discriminator_target
    made = model.generate(given)
    model.diffusive_discriminator_losses(given, made)
    noisy, guide = generator.given[0][0].chunk(2, dim=1)
    assert torch.equal(guide, made.source), "the estimate that G_phi makes of y, and not the pair"
    (guess, _, of_guess), (clean, _, of_image) = drawn[:2]
    assert torch.equal(clean, y)
    assert not torch.equal(guess, y)
    for seen, wanted in zip(judge.given, (of_image, of_guess), strict=True):
        assert torch.equal(seen[0], wanted), "x_(t-1), of the image and of the guess"
        assert torch.equal(seen[1], noisy), "beside the same x_t"
    model.discriminator_losses(given, made)
    assert torch.equal(model.discriminator_target.given[0][0], torch.cat([y, made.target]))
    assert torch.equal(model.discriminator_source.given[0][0], torch.cat([x, made.source]))
    generator.given, judge.given = [], []
    drawn.clear()
    model.generator_losses(given, made)
    noisy, guide = generator.given[0][0].chunk(2, dim=1)
    assert torch.equal(guide, made.source)
    assert generator.given[0][0].requires_grad, "G_theta teaches G_phi"
    assert torch.equal(judge.given[0][0], drawn[0][2])
    assert torch.equal(judge.given[0][1], noisy)
    assert model.discriminator_target.given[1][0] is made.target


def test_sums_of_two_parts_keep_the_variance():
    assert pytest.approx(2**-0.5) == ncsnpp.RESCALE


def test_a_step_runs_each_network_the_fewest_times(tmp_path):
    model, seen = method(), {}
    for name, network in model.named_children():
        if name.startswith(("diffusive", "generator", "discriminator")):
            network.forward = counted(network.forward, seen, name)
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("enhancement"))
    calls = {"diffusive_generator": [2, 2], "diffusive_discriminator": [2, 2, 2], "generator": [2, 2]}
    calls["discriminator"] = [4, 2]  # real and made together, then made ones
    assert seen == {f"{role}_{side}": images for role, images in calls.items() for side in ("target", "source")}
    assert model.iterations == 1


def test_under_bf16_a_step_still_trains_all_eight_networks(tmp_path):
    """Autocast keeps the weights that it has cast, also those cast where no gradients were wanted."""
    model = method()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    trainer = tiny.trainer(tmp_path, limit_train_batches=1, precision="bf16-mixed")
    trainer.fit(model, tiny.data("enhancement"))
    moved = {name.split(".")[0] for name, weight in model.named_parameters() if not torch.equal(before[name], weight)}
    roles = ("generator", "diffusive_generator", "discriminator", "diffusive_discriminator")
    assert moved == {f"{role}_{side}" for role in roles for side in ("target", "source")} | {"average"}
    for role in roles:
        weights = [*model.network(role, "target").named_parameters()]
        still = [name for name, weight in weights if torch.equal(before[f"{role}_target.{name}"], weight)]
        assert len(still) < len(weights) / 4, role


def counted(forward, seen: dict, name: str):
    def count(image, *others):
        seen.setdefault(name, []).append(len(image))
        return forward(image, *others)

    return count


def test_translation_is_by_the_average_and_an_images_own_noise():
    model, given = method().eval(), batch(3)
    with torch.no_grad():
        for weight in (model.average.network.head.weight, model.diffusive_generator_target.head.weight):
            weight.normal_(std=0.1)
    before = model(given["source"])
    assert torch.allclose(model(given["source"][1:2]), before[1:2], atol=1e-5)
    with torch.no_grad():
        model.diffusive_generator_target.head.weight.mul_(-1)
    assert torch.equal(model(given["source"]), before)
    model.average.update(model.diffusive_generator_target)
    assert not torch.equal(model(given["source"]), before)
    assert model.average.decay == 0.999


def test_four_passes_of_a_perfect_generator_give_the_image():
    model, given = method(), batch()
    seen = []

    class Perfect(nn.Module):
        def forward(self, image, t, z):
            seen.append((t.tolist(), tuple(z.shape), torch.equal(image[:, 1:], given["source"])))
            return torch.cat([given["target"], torch.zeros_like(given["target"])], dim=1)

    model.average.network = Perfect()
    assert torch.equal(model(given["source"]), given["target"])
    assert seen == [([t, t], (2, 100), True) for t in (3, 2, 1, 0)]
    assert model.evaluations == len(seen)
    assert method(steps=2).evaluations == 2


def test_optimizers_and_schedules_are_those_of_the_preset():
    model = tiny.method("syndiff", epochs=500)
    optimizers, schedules = model.configure_optimizers()
    groups = [optimizer.param_groups[0] for optimizer in optimizers]
    assert [group["initial_lr"] for group in groups] == [1e-4, 1e-4, 1.6e-4]
    assert all(group["betas"] == (0.5, 0.9) for group in groups)
    assert all((schedule.T_max, schedule.eta_min) == (500, 1e-5) for schedule in schedules)
    assert [o.param_groups[0]["lr"] for o in tiny.method("syndiff", lr=3.2e-4).configure_optimizers()[0]] == (
        pytest.approx([2e-4, 2e-4, 3.2e-4])
    )
    matched = tiny.method("syndiff", preset="matched")
    optimizers, schedules = matched.configure_optimizers()
    assert all(o.param_groups[0]["lr"] == 3e-4 and o.param_groups[0]["betas"] == (0.5, 0.999) for o in optimizers)
    assert all(schedule.eta_min == 1e-6 for schedule in schedules)
    assert matched.gradient_clip_val == 1.0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"steps": 0}, "steps 0: SynDiff needs 1 or more; raise it"),
        ({"width": 5}, "width 5: SynDiff needs an even one of 4 or more"),
        ({"decay": 1.0}, "decay 1: an average has one from 0 to below 1, as 0.999; correct it"),
        ({"r1_every": 0}, "r1_every 0: SynDiff needs 1 or more; raise it"),
        ({"multipliers": ()}, "multipliers []: SynDiff needs at least one, and each 1 or more"),
        ({"preset": "paper"}, "preset 'paper': SynDiff has native, matched; choose one"),
    ],
)
def test_arguments_that_cannot_be_are_refused_in_one_line(arguments, line):
    with pytest.raises(InputError) as error:
        method(**arguments)
    assert str(error.value) == line


@pytest.mark.parametrize("name", ["syndiff", "cut"])
def test_pairs_that_are_not_used_are_told(name, tmp_path):
    line = f"{type(tiny.method(name, 1, 1)).__name__} makes no use of pairs; data.unpaired true draws both sides"
    for unpaired, told in ((False, 1), (True, 0)):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            trainer = tiny.trainer(tmp_path, limit_train_batches=1)
            trainer.fit(tiny.method(name, 1, 1), tiny.data("enhancement", unpaired=unpaired))
        assert sum(str(warning.message).startswith(line) for warning in seen) == told


def test_a_batch_of_five_trains(tmp_path):
    """Which minibatch statistics, as published, cannot split."""
    model = method()
    before = model.diffusive_discriminator_target.head.weight.detach().clone()
    trainer = tiny.trainer(tmp_path, limit_train_batches=1)
    trainer.fit(model, tiny.data("enhancement", batch_size=5))
    assert float(trainer.callback_metrics["loss/diffusive_discriminator/target"]) > 0
    assert not torch.equal(model.diffusive_discriminator_target.head.weight, before)
