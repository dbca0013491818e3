"""HSC-T's presets, what is named beside them, and what a checkpoint of one kind of training is good for."""

import pytest
import torch

from datamodules import InputError
from tests import tiny


def test_presets_are_the_papers_optimizer_and_a_stable_one():
    for preset, rate, momentum, clipping in (("paper", 1e-3, 0.95, None), ("stable", 1e-4, 0.9, 1.0)):
        model = tiny.method("hsct", preset=preset)
        (optimizer,), (schedule,) = model.configure_optimizers()
        group = optimizer.param_groups[0]
        assert isinstance(optimizer, torch.optim.RMSprop)
        assert (group["lr"], group["momentum"], group["weight_decay"], group["alpha"]) == (rate, momentum, 1e-5, 0.99)
        assert (schedule.T_max, schedule.eta_min, model.gradient_clip_val) == (4, 1e-6, clipping)
    assert tiny.method("hsct", preset="stable", gradient_clip_val=5.0).gradient_clip_val == 5.0


def test_the_tuned_preset_departs_from_the_text_where_the_search_says_so():
    model = tiny.method("hsct", preset="tuned")
    for optimizer in model.configure_optimizers()[0]:
        assert isinstance(optimizer, torch.optim.Adam)
        for group in optimizer.param_groups:
            assert (group["lr"], group["betas"], group["weight_decay"]) == (3e-4, (0.5, 0.999), 0)
    assert model.gradient_clip_val == 1.0
    assert (model.patch_mlp, model.lambda_pixel, model.lambda_adversarial) == ("shared", 0.04, 0.1)
    assert list(model.sides()) == ["generator", "discriminator"]
    assert model.decoder.concatenates
    printed = tiny.method("hsct", preset="paper")
    assert (printed.patch_mlp, printed.lambda_pixel, printed.lambda_adversarial) == ("separate", 0.4, 1.0)
    assert list(printed.sides()) == ["both"]
    assert not printed.decoder.concatenates


def test_what_is_named_comes_before_the_preset():
    told = tiny.method(
        "hsct", preset="tuned", lambda_pixel=0.4, patch_mlp="ema", skips="none", adv_mode="grl", optimizer="rmsprop",
        lr=1e-4,
    )  # fmt: skip
    assert (told.patch_mlp, told.lambda_pixel, told.decoder.concatenates) == ("ema", 0.4, False)
    ((optimizer,), _) = told.configure_optimizers()
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert optimizer.param_groups[0]["lr"] == 1e-4


@pytest.mark.parametrize("asked", ["shared", "ema", "separate"])
def test_a_checkpoint_that_was_trained_with_another_mlp_is_refused(asked, tmp_path):
    trained = "separate" if asked != "separate" else "ema"
    trainer = tiny.trainer(tmp_path, limit_train_batches=1)
    trainer.fit(tiny.method("hsct", patch_mlp=trained), tiny.data("elastography"))
    trainer.save_checkpoint(path := tmp_path / "last.ckpt")
    again = tiny.trainer(tmp_path, max_epochs=2, limit_train_batches=1)
    with pytest.raises(
        InputError, match=rf"patch_mlp {asked}: the checkpoint was trained with patch_mlp {trained}; go"
    ):
        again.fit(tiny.method("hsct", patch_mlp=asked), tiny.data("elastography"), ckpt_path=path, weights_only=True)
    again.fit(tiny.method("hsct", patch_mlp=trained), tiny.data("elastography"), ckpt_path=path, weights_only=True)


def test_a_checkpoint_of_jointly_clipped_networks_is_not_continued_and_can_be_tested(tmp_path):
    """As versions before wrote it: one group of parameters, and no word on the MLPs."""
    trainer = tiny.trainer(tmp_path, limit_train_batches=1)
    trainer.fit(tiny.method("hsct"), tiny.data("elastography"))
    trainer.save_checkpoint(path := tmp_path / "last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    (state,) = checkpoint["optimizer_states"]
    state["param_groups"] = state["param_groups"][:1]
    del checkpoint["patch_mlp"]
    torch.save(checkpoint, path)
    again = tiny.trainer(tmp_path, max_epochs=2)
    with pytest.raises(InputError, match=r"earlier version, which clipped all networks together; start anew"):
        again.fit(tiny.method("hsct"), tiny.data("elastography"), ckpt_path=path, weights_only=True)
    other_patients = tiny.data("elastography", phantom_seed=5)
    tiny.trainer(tmp_path).test(tiny.method("hsct"), other_patients, ckpt_path=path, verbose=False, weights_only=True)
