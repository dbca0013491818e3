"""What is a method's own: schedules, optimizers and loss terms as the papers print them."""

import pytest
import pytorch_lightning as pl
import torch

from datamodules import InputError
from tests import tiny
from zoo import METHODS
from zoo.networks.patchgan import PatchGAN


class Rates(pl.Callback):
    """The learning rate that each epoch trains with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.seen.append(trainer.optimizers[-1].param_groups[0]["lr"])


def rates(model, epochs: int, folder) -> list[float]:
    callback = Rates()
    task = "swe" if type(model).__name__ == "SSWE" else "elastography"
    tiny.trainer(folder, max_epochs=epochs, callbacks=[callback]).fit(model, tiny.data(task))
    return callback.seen


@pytest.mark.parametrize(
    ("name", "switches", "sides"),
    [
        ("pix2pix", {}, ["discriminator", "generator"]),
        ("cyclegan", {}, ["generator", "discriminator"]),
        ("harmonizer", {}, ["generator", "discriminator"]),
        ("hsct", {"adv_mode": "alternating"}, ["generator", "discriminator"]),
        ("hsct", {}, ["both"]),
    ],
)
def test_sides_take_their_turn_in_the_order_of_their_optimizers(name, switches, sides):
    """The order in which checkpoints hold the optimizers' states, too."""
    model = tiny.method(name, **switches)
    assert list(model.sides()) == sides
    optimizers, _ = model.configure_optimizers()
    for parameters, optimizer in zip(model.sides().values(), optimizers, strict=True):
        owned = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
        assert sorted(owned) == sorted(id(weight) for weight in parameters)
    if not model.automatic_optimization:
        names = {side: {n.split(".")[0] for n, p in model.named_parameters() if any(p is q for q in own)}
                 for side, own in model.sides().items()}  # fmt: skip
        assert all(name.startswith("discriminator") for name in names["discriminator"])
        assert not any(name.startswith("discriminator") for name in names["generator"])


def test_pix2pix_keeps_its_rate_and_then_lets_it_fall_evenly(tmp_path):
    model = tiny.method("pix2pix", constant_epochs=2, decay_epochs=2)
    assert rates(model, 5, tmp_path) == pytest.approx([2e-4, 2e-4, 2e-4 * 2 / 3, 2e-4 / 3, 0.0])


def test_pix2pix_matched_trains_as_hsct_is_really_trained(tmp_path):
    """By its own config, to the last setting: if that one changes, the preset and its config have to follow."""
    ours, theirs = tiny.config("pix2pix_matched"), tiny.config("hsct")
    assert {key: ours[key] for key in ("data", "seed_everything", "checkpoint")} == {
        key: theirs[key] for key in ("data", "seed_everything", "checkpoint")
    }
    assert ours["trainer"] | {"logger": None} == theirs["trainer"] | {"logger": None}
    own = ours["model"]["init_args"]
    told = {key: value for key, value in own.items() if key not in ("lr", "gradient_clip_val")}
    leader = tiny.method("hsct", **theirs["model"]["init_args"])
    for arguments in (own, told):  # what its config writes out is what the preset has
        model = tiny.method("pix2pix", **arguments)
        assert model.gradient_clip_val == leader.gradient_clip_val
        (hsct, *_), (its_schedule, *_) = leader.configure_optimizers()
        for optimizer, schedule in zip(*model.configure_optimizers(), strict=True):
            assert type(optimizer) is type(hsct)
            assert settings(optimizer) == settings(hsct)
            assert type(schedule) is type(its_schedule)
            assert vars_of(schedule) == vars_of(its_schedule)
    seen = rates(tiny.method("pix2pix", preset="matched", constant_epochs=0, decay_epochs=4), 5, tmp_path)
    assert seen == sorted(seen, reverse=True)
    assert (seen[2], seen[4]) == pytest.approx(((seen[0] + 1e-6) / 2, 1e-6))


def settings(optimizer: torch.optim.Optimizer) -> dict:
    """What all groups of its parameters share."""
    first, *others = [{key: v for key, v in group.items() if key != "params"} for group in optimizer.param_groups]
    assert all(other == first for other in others)
    return first


def vars_of(schedule: torch.optim.lr_scheduler.LRScheduler) -> dict:
    """Of every group the same rate, so one is enough."""
    state = {key: value for key, value in schedule.state_dict().items() if key != "_step_count"}
    return state | {key: set(state[key]) for key in ("base_lrs", "_last_lr")}


def test_pix2pix_native_optimizers_are_the_papers():
    (discriminator, generator), _ = tiny.method("pix2pix").configure_optimizers()
    for optimizer in (discriminator, generator):
        assert isinstance(optimizer, torch.optim.Adam)
        assert (optimizer.param_groups[0]["initial_lr"], optimizer.param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))


def test_pix2pix_terms_add_up_and_the_discriminators_fakes_carry_no_gradient():
    torch.manual_seed(0)
    model = tiny.method("pix2pix", 1, 1)
    batch = {"source": torch.rand(2, 1, 32, 32), "target": torch.rand(2, 1, 32, 32)}
    fakes = model.generate(batch)
    losses = model.generator_losses(batch, fakes)
    assert float(losses["total"]) == pytest.approx(float(losses["adversarial"] + 100 * losses["l1"]))
    assert float(losses["l1"]) == pytest.approx(float((batch["target"] - fakes).abs().mean()))
    losses = model.discriminator_losses(batch, fakes)
    assert float(losses["total"]) == pytest.approx(0.5 * float(losses["adversarial"]))
    losses["total"].backward()
    assert all(weight.grad is None for weight in model.generator.parameters())
    assert any(weight.grad.abs().sum() > 0 for weight in model.discriminator.parameters())


def test_pix2pix_noise_at_test_time_is_a_switch(tmp_path):
    source = torch.rand(2, 1, 32, 32)
    for noise, equal in ((False, True), (True, False)):
        model = tiny.method("pix2pix", depth=4, test_time_noise=noise).eval()
        model.on_test_epoch_start()
        assert torch.equal(model(source), model(source)) is equal


def test_sswe_halves_its_rate_when_the_training_loss_stands_still(tmp_path):
    model = tiny.method("sswe", lr=1e-5, dropout=0.0, patience=1)
    assert rates(model, 6, tmp_path) == pytest.approx([1e-5, 1e-5, 1e-5, 5e-6, 5e-6, 2.5e-6])


def test_sswe_trains_on_valid_pixels_alone_unless_told():
    target = torch.rand(2, 1, 32, 32) * 2 - 1
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[..., 16:] = False
    batch = {"source": torch.rand(2, 1, 32, 32), "target": target, "valid": valid}
    spoilt = batch | {"target": torch.where(valid, target, -target)}
    masked, whole = tiny.method("sswe").eval(), tiny.method("sswe", use_valid=False).eval()
    assert float(masked.losses(batch)["total"]) == float(masked.losses(spoilt)["total"])
    assert float(whole.losses(batch)["total"]) != float(whole.losses(spoilt)["total"])
    expected = ((target - masked(batch["source"])) / 2)[valid].square().mean().sqrt()
    assert float(masked.losses(batch)["rmse"]) == pytest.approx(float(expected), abs=1e-5)


def test_images_too_small_for_discriminators_of_patches_are_refused_before_training(tmp_path):
    judged = [
        name
        for name in METHODS.trained_translators()
        if any(isinstance(network, PatchGAN) for network in tiny.method(name).modules())
    ]
    assert {"attgan", "cut", "cyclegan", "harmonizer", "pix2pix", "reggan", "sagan", "syndiff", "veus"} <= set(judged)
    for name in judged:
        model, data = tiny.method(name), tiny.data(tiny.task_of(name), size=(16, 32))
        with pytest.raises(InputError) as error:
            tiny.trainer(tmp_path).fit(model, data)
        assert str(error.value) == (
            f"{type(model).__name__}: images of 16 x 32 pixels are too small for its discriminators, which need 24 a "
            "side; set data.size to [24, 32] or more"
        )
