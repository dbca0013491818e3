"""CycleGAN: what each network is shown and how often, eq. 1 to 7 on constants, and what it asks of the data."""

import pytest
import torch
from torch import nn

from tests import tiny
from tests.trunks import trusted
from zoo.cli import main
from zoo.cycle import Cycle
from zoo.image_pool import ImagePool


def batch(pairs: int = 2, size: int = 32) -> dict:
    generator = torch.Generator().manual_seed(0)
    low, high = (torch.rand(pairs, 1, size, size, generator=generator) * 2 - 1 for _ in range(2))
    return {"source": low, "target": high, "id": [str(n) for n in range(pairs)]}


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("cyclegan", 1, 1, **({"perceptual_on": "none"} | kwargs))


def calls(model, run) -> dict[str, list[int]]:
    """How many images each network was shown in each of its passes."""
    seen: dict[str, list[int]] = {}
    hooks = [
        network.register_forward_hook(lambda m, given, made, name=name: seen.setdefault(name, []).append(len(given[0])))
        for name, network in model.named_children()
        if name.startswith(("generator", "discriminator"))
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


class Constant(nn.Module):
    """A network whose output is one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, image):
        return torch.full_like(image[:, :1, :3, :3], self.value)


def constants(high: float, low: float, high_again: float, low_again: float, same: float = 0.0) -> Cycle:
    values = (high, low, high_again, low_again, same, same)
    return Cycle(*(torch.full((2, 1, 32, 32), value) for value in values))


def test_a_step_runs_each_network_the_fewest_times(tmp_path):
    """Six passes of B images in four calls, and one call of each discriminator a turn."""
    model, data = method(), tiny.data("enhancement")
    seen = calls(model, lambda: tiny.trainer(tmp_path, limit_train_batches=1).fit(model, data))
    assert seen == {name: [4, 2] for name in ("generator_target", "generator_source")} | {
        name: [2, 4] for name in ("discriminator_target", "discriminator_source")
    }
    model = method(lambda_identity=0.0)
    assert calls(model, lambda: model.generate(batch()))["generator_target"] == [2, 2]
    model = method(adv_on="both")
    seen = calls(model, lambda: tiny.trainer(tmp_path, limit_train_batches=1).fit(model, data))
    assert seen["discriminator_target"] == [4, 6]


def test_passes_made_together_are_those_made_alone():
    model, given = method(), batch()
    made = model.generate(given)
    low, high = given["source"], given["target"]
    assert torch.allclose(made.target, model.generator_target(low), atol=1e-6)
    assert torch.allclose(made.source, model.generator_source(high), atol=1e-6)
    assert torch.allclose(made.target_again, model.generator_target(model.generator_source(high)), atol=1e-5)
    assert torch.allclose(made.source_again, model.generator_source(model.generator_target(low)), atol=1e-5)
    assert torch.allclose(made.target_same, model.generator_target(high), atol=1e-6)
    assert torch.allclose(made.source_same, model.generator_source(low), atol=1e-6)
    assert torch.equal(model(low), model.generator_target(low))


def test_the_generators_terms_on_constants():
    model = method()
    model.discriminator_target, model.discriminator_source = Constant(0.5), Constant(-1.0)
    given = {"source": torch.zeros(2, 1, 32, 32), "target": torch.ones(2, 1, 32, 32)}
    losses = {k: float(v) for k, v in model.generator_losses(given, constants(0.0, 0.0, 0.75, 0.5, 0.25)).items()}
    assert losses["adversarial"] == pytest.approx(0.5**2 + 2**2)  # eq. 3
    assert losses["cycle"] == pytest.approx(0.25 + 0.5)  # eq. 4
    assert losses["identity"] == pytest.approx(0.75 + 0.25)  # eq. 5
    assert losses["total"] == pytest.approx(4.25 + 12 * 0.75 + 1.0)  # eq. 6


@pytest.mark.parametrize(
    ("real", "fake", "label"), [(0.5, 0.1, 1.0), (0.95, 0.1, 0.9), (0.5, 0.95, 0.9), (0.95, 0.95, 0.9)]
)
def test_equation_7_smooths_once_a_mean_score_reaches_nine_tenths(real, fake, label):
    model = method()
    scores = torch.full((2, 1, 3, 3), real), torch.full((2, 1, 3, 3), fake)
    assert float(model._real_label(*scores)) == pytest.approx(label)
    assert method(label_smoothing="constant")._real_label(*scores) == 0.9
    assert method(label_smoothing="none")._real_label(*scores) == 1.0


def test_equation_7_is_decided_by_each_discriminator_or_by_that_of_high_quality():
    for smooth_from, low_label in (("per_domain", 0.9), ("high", 1.0)):
        model = method(smooth_from=smooth_from)
        model.discriminator_target, model.discriminator_source = Constant(0.5), Constant(0.95)
        losses = model.discriminator_losses(batch(), constants(0, 0, 0, 0))
        assert float(losses["target"]) == pytest.approx((1 - 0.5) ** 2 + 0.5**2)
        assert float(losses["source"]) == pytest.approx((low_label - 0.95) ** 2 + 0.95**2, rel=1e-5)
        assert float(losses["total"]) == pytest.approx(float(losses["target"] + losses["source"]))


@pytest.mark.parametrize(
    ("adv_on", "high", "low"), [("translated", [1], [2]), ("cycled", [3], [4]), ("both", [1, 3], [2, 4])]
)
def test_both_turns_judge_the_same_images(adv_on, high, low):
    model, shown = method(adv_on=adv_on), {}
    for name, network in (("high", model.discriminator_target), ("low", model.discriminator_source)):
        network.register_forward_hook(
            lambda m, given, made, n=name: shown.setdefault(n, []).append(given[0][:, 0, 0, 0].tolist())
        )
    given = {"source": torch.full((1, 1, 32, 32), -1.0), "target": torch.full((1, 1, 32, 32), -2.0)}
    fakes = Cycle(*(torch.full((1, 1, 32, 32), float(n)) for n in (1, 2, 3, 4, 0, 0)))
    model.generator_losses(given, fakes)
    model.discriminator_losses(given, fakes)
    assert shown == {"high": [high, [-2, *high]], "low": [low, [-1, *low]]}


def test_the_discriminators_turn_leaves_the_generators_alone():
    model, given = method(), batch()
    model.discriminator_losses(given, model.generate(given))["total"].backward()
    assert all(weight.grad is None for weight in model.generator_target.parameters())
    assert all(weight.grad is not None for weight in model.discriminator_target.parameters())


@pytest.mark.parametrize(
    ("settings", "pairs"),
    [
        ({}, [("target", "target"), ("source", "source")]),
        ({"perceptual_on": "cycled"}, [("target_again", "target"), ("source_again", "source")]),
        ({"perceptual_domains": "high"}, [("target", "target")]),
    ],
)
def test_the_perceptual_term_compares_what_it_says(settings, pairs):
    model = method(**({"perceptual_on": "translated"} | settings))
    model.setup("fit")
    given = batch()
    made = model.generate(given)
    with torch.no_grad():
        expected = sum(float(model.perceptual(getattr(made, one), given[other])) for one, other in pairs)
        found = float(model.generator_losses(given, made)["perceptual"])
    assert found == pytest.approx(expected, rel=1e-4)
    assert found > 0


def test_without_a_perceptual_term_no_vgg_is_built():
    for settings in ({"perceptual_on": "none"}, {"perceptual_on": "translated", "lambda_perceptual": 0.0}):
        model = method(perceptual_weights="imagenet", **settings)
        model.setup("fit")
        assert model.perceptual is None
        assert "perceptual" not in model.losses(batch())
        assert not model.remark


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        ({}, "Phi on H and L, untrained VGG"),
        ({"perceptual_on": "cycled"}, "Phi on H and L, untrained VGG"),
        ({"perceptual_weights": "imagenet"}, "Phi on H and L"),
        ({"perceptual_weights": "imagenet", "perceptual_domains": "high"}, "Phi on H alone"),
    ],
)
def test_a_row_says_which_domains_phi_is_on_and_that_its_vgg_is_untrained(settings, remark):
    assert method(**({"perceptual_on": "translated"} | settings)).remark == remark


def test_discriminators_score_in_fp32_under_mixed_precision():
    model, given = method(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.generator_target(given["source"]).dtype == torch.bfloat16
        assert model._score(model.discriminator_target, given["source"].bfloat16()).dtype == torch.float32


def test_optimizers_and_schedule_are_the_papers():
    (generators, discriminators), (first, _) = method().configure_optimizers()
    assert [o.param_groups[0]["lr"] for o in (generators, discriminators)] == [3e-4, 3e-3]
    assert {o.param_groups[0]["betas"] for o in (generators, discriminators)} == {(0.9, 0.9)}
    assert (first.step_size, first.gamma) == (100, 0.5)
    (generators, _), _ = method(preset="stable").configure_optimizers()
    assert generators.param_groups[0]["betas"] == (0.5, 0.999)
    assert len(generators.param_groups[0]["params"]) == 2 * len(list(method().generator_target.parameters()))


def test_a_linear_schedule_ends_at_nothing():
    model = method(schedule="linear", constant_epochs=1, decay_epochs=1)
    optimizers, schedules = model.configure_optimizers()
    rates = []
    for _ in range(3):
        rates.append(optimizers[0].param_groups[0]["lr"])
        optimizers[0].step()
        schedules[0].step()
    assert rates == pytest.approx([3e-4, 1.5e-4, 0.0])


def test_a_pool_hands_back_earlier_images_half_of_the_time():
    torch.manual_seed(0)
    pool = ImagePool(10)
    first = torch.arange(10.0).view(10, 1, 1, 1).requires_grad_()
    assert torch.equal(pool.query(first), first)
    answers = [float(pool.query(torch.full((1, 1, 1, 1), float(n)))) for n in range(100, 500)]
    earlier = sum(answer != n for n, answer in enumerate(answers, 100))
    assert 160 < earlier < 240
    assert all(answer <= n for n, answer in enumerate(answers, 100))
    assert not pool.query(first).requires_grad
    assert ImagePool(0).query(first).data_ptr() == first.data_ptr()
    again = ImagePool(10)
    again.load_state_dict(pool.state_dict())
    assert [float(image) for image in again.images] == [float(image) for image in pool.images]


def test_a_run_with_a_pool_resumes_exactly(tmp_path):
    more = ["--model.pool=3", "--model.perceptual_on=none"]
    main(tiny.command("cyclegan", tmp_path / "whole", "--trainer.max_epochs=4", *more))
    main(tiny.command("cyclegan", tmp_path / "parts", "--trainer.max_epochs=2", *more))
    last = "lightning_logs/version_{}/checkpoints/last.ckpt"
    first = tmp_path / "parts" / last.format(0)
    more += ["--trainer.max_epochs=4", f"--ckpt_path={first}"]
    assert main(tiny.command("cyclegan", tmp_path / "parts", *more)) == 0
    whole, parts = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (tmp_path / "whole" / last.format(0), tmp_path / "parts" / last.format(1))
    )
    assert len(whole["pool_target._extra_state"]) == 3
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_trains_on_unpaired_images_unless_it_compares_them(tmp_path, capsys):
    unpaired = ["--data.task=harmonization", "--trainer.max_epochs=1", "--checkpoint.monitor=null"]
    assert main(tiny.command("cyclegan", tmp_path, *unpaired, "--model.perceptual_on=cycled")) == 0
    for refused in (unpaired, ["--data.unpaired=true"]):
        more = [*refused, "--model.perceptual_on=translated"]
        assert main(tiny.command("cyclegan", tmp_path / "out", *more)) == 2
        assert "set perceptual_on to cycled or none" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_sides_of_other_channels_have_no_identity_term(tmp_path, capsys):
    colour = ["--data.task=elastography", "--data.unpaired=false", "--model.perceptual_on=translated"]
    assert main(tiny.command("cyclegan", tmp_path / "out", *colour)) == 2
    assert "lambda_identity 5: the identity term needs as many channels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    more = [*colour, "--model.lambda_identity=0", "--trainer.max_epochs=1"]
    assert main(tiny.command("cyclegan", tmp_path, *more)) == 0


def test_weights_that_are_missing_stop_training_before_anything_is_written_but_not_translation(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    paired = ["--data.unpaired=false", "--model.perceptual_on=translated"]
    for weights, message in (("imagenet", "cannot be downloaded"), ("/nowhere/vgg.pth", "no such file")):
        more = [*paired, f"--model.perceptual_weights={weights}"]
        assert main(tiny.command("cyclegan", tmp_path / "out", *more)) == 2
        said = capsys.readouterr().err
        assert f"perceptual_weights '{weights}'" in said
        assert message in said
        assert "vgg16-397923af.pth" in said
        assert "set perceptual_weights to null to train on an untrained network" in said
        assert not (tmp_path / "out").exists()
    model = tiny.method("cyclegan", 1, 1, perceptual_weights="/nowhere/vgg.pth")
    data = tiny.data("enhancement")
    assert len(tiny.trainer(tmp_path).predict(model, data)) == 6


def test_data_may_be_drawn_unpaired():
    paired, unpaired = (tiny.data("enhancement", unpaired=flag) for flag in (False, True))
    assert (paired.pairs, unpaired.pairs) == (True, False)
    targets = []
    for data in (paired, unpaired):
        dataset = data.dataset("train")
        targets.append([dataset[index, seed]["target"] for seed in (1, 2) for index in range(len(dataset))])
    together = [torch.equal(one, other) for one, other in zip(*targets, strict=True)]
    assert sum(together) < len(together) / 2
    known = targets[0][: len(targets[0]) // 2]
    assert all(any(torch.equal(one, other) for other in known) for one in targets[1]), "of the same split"
    tests = [data.dataset("test")[0]["target"] for data in (paired, unpaired)]
    assert torch.equal(*tests), "evaluation keeps the pairs"


def test_phi_on_another_backbone_is_another_loss(tmp_path, monkeypatch):
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    of_alex = {"perceptual_backbone": "alex", "perceptual_on": "translated"}
    trained = method(perceptual_weights=str(tmp_path / "alex.pth"), **of_alex)
    untrained = method(**of_alex)
    assert (trained.remark, untrained.remark) == ("Phi on H and L", "Phi on H and L, untrained AlexNet")
    given = batch()
    values = []
    for model in (trained, untrained):
        model.setup("fit")
        made = model.generate(given)
        (network,) = model.perceptual._unregistered
        values.append(float(model.losses(given)["perceptual"]))
        with torch.no_grad():
            expected = sum(
                float(network(one.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1)).mean())
                for one, other in ((made.target, given["target"]), (made.source, given["source"]))
            )
        assert values[-1] == pytest.approx(expected, rel=1e-4)
    assert values[0] != pytest.approx(values[1], rel=0.01)


def test_weights_of_another_backbone_stop_training_before_anything_is_written(tmp_path, capsys, monkeypatch):
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    more = ["--data.unpaired=false", "--model.perceptual_on=translated"]
    more += [f"--model.perceptual_weights={tmp_path / 'alex.pth'}"]
    assert main(tiny.command("cyclegan", tmp_path / "out", *more)) == 2
    assert "alex.pth: holds AlexNet, not VGG-16: choose that backbone or another file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
