"""HSC-T: its networks and its step. Sampler and losses have files of their own."""

import math

import pytest
import torch

from datamodules import InputError
from tests import tiny
from zoo.losses.regression import pixel_loss
from zoo.methods.hsct import HSCT
from zoo.networks.cnn_transformer import CNNTransformerEncoder, TransposedDecoder
from zoo.networks.image_discriminator import ImageDiscriminator


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def a_batch(model: HSCT, size: int = 32, images: int = 4) -> dict:
    torch.manual_seed(1)
    labels = (torch.arange(size) // (size // 2))[:, None] * 2 + torch.arange(size) // (size // 2)
    return {
        "source": torch.rand(images, model.in_channels, size, size) * 2 - 1,
        "target": torch.rand(images, model.out_channels, size, size) * 2 - 1,
        "superpixels": labels.expand(images, -1, -1),
        "id": [str(number) for number in range(images)],
    }


# Networks


@pytest.mark.parametrize(("channels", "encoder", "decoder"), [(3, 14_756_992, 2_238_979), (1, 14_750_720, 2_232_705)])
def test_parameters_of_the_translator(channels, encoder, decoder):
    assert count(CNNTransformerEncoder(channels)) == encoder
    assert count(TransposedDecoder(384, channels, (256, 128, 64))) == decoder


def test_parameters_of_the_whole_method():
    model = HSCT(in_channels=1, out_channels=3)
    assert count(model.encoder) + count(model.decoder) == 16_995_971
    assert count(model.momentum_encoder) == 14_756_992
    assert count(model.generated_mlp) == count(model.real_mlp) == 1_639_040
    assert count(model.discriminator) == count(ImageDiscriminator(3)) == 2_758_849
    assert sum(w.numel() for w in model.parameters() if w.requires_grad) == 16_995_971 + 2 * 1_639_040 + 2_758_849


def test_the_encoder_gives_an_eighth_of_each_side_and_its_mean_is_not_zero():
    encoder = CNNTransformerEncoder(3, (8, 16, 32, 48), 1, 2, (4, 4))
    z, skips = encoder(torch.randn(2, 3, 40, 24))
    assert z.shape == (2, 48, 5, 3)
    assert [tuple(skip.shape[1:]) for skip in skips] == [(8, 40, 24), (16, 20, 12), (32, 10, 6)]
    pooled = z.mean((2, 3))
    assert pooled.std() > 0.05, "a query pooled from an instance norm would be zero"
    assert (pooled[0] - pooled[1]).abs().max() > 1e-3


def test_positions_are_used_as_they_are_or_resized():
    encoder = CNNTransformerEncoder(3, (8, 16, 32, 48), 1, 2, (4, 4))
    assert encoder._positions(torch.Size((4, 4))) is encoder.positions
    with torch.no_grad():
        encoder.positions.fill_(0.7)
    assert torch.allclose(encoder._positions(torch.Size((6, 3))), torch.full((1, 48, 6, 3), 0.7), atol=1e-5)


def test_skips_reach_the_decoder():
    torch.manual_seed(0)
    plain, skipping = (tiny.method("hsct", skips=skips) for skips in ("none", "concat"))
    assert count(skipping.decoder) > count(plain.decoder)
    image, _ = skipping._prepare(torch.rand(1, 1, 32, 32))
    z, skips = skipping.encoder(image)
    one = skipping.decoder(z, skips)
    other = skipping.decoder(z, [skip + 1 for skip in skips])
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize(("name", "stride"), [("test_resnet", 32), ("test_vit", 16)])
def test_a_timm_network_may_be_the_encoder(name, stride):
    model = tiny.method("hsct", encoder=name)
    assert model.encoder.stride == stride
    assert model(torch.rand(2, 1, 37, 45)).shape == (2, 3, 37, 45)
    losses = model.losses(a_batch(model))
    losses["total"].backward()
    assert sum(weight.grad.abs().sum() for weight in model.encoder.parameters() if weight.grad is not None) > 0


def test_the_encoders_that_the_paper_could_mean():
    assert tiny.method("hsct", encoder="resnet34").encoder.channels == 512
    assert tiny.method("hsct", encoder="vit_small_patch16_224").encoder.channels == 384


def test_weights_of_an_encoder_come_from_a_local_file(tmp_path):
    import timm

    torch.manual_seed(3)
    saved = timm.create_model("test_resnet")
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    model = tiny.method("hsct", encoder="test_resnet", encoder_weights=str(tmp_path / "weights.pth"))
    weights = model.encoder.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in saved.state_dict().items() if name in weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet3400"}, "backbone 'resnet3400': timm has no such network"),
        ({"encoder": "test_resnet", "skips": "concat"}, "skips concat: only the encoder 'cnn_transformer' has them"),
        ({"encoder": "test_resnet", "encoder_weights": "/nowhere.pth"}, "weights '/nowhere.pth': no such file"),
        ({"encoder": "test_resnet", "encoder_weights": "imagenet"}, "name a local file of them, or null"),
    ],
)
def test_encoders_that_cannot_be_had(arguments, message):
    with pytest.raises(InputError, match=message):
        tiny.method("hsct", **arguments)


# The step


def test_terms_are_weighted_as_in_equation_7():
    model = tiny.method("hsct")
    losses = {name: float(value) for name, value in model.losses(a_batch(model)).items()}
    weighted = 0.4 * losses["sample"] + 0.8 * losses["patch"] + 0.4 * losses["pixel"]
    assert losses["total"] == pytest.approx(losses["adversarial"] + weighted, rel=1e-5)


def test_the_pixel_term_leads_in_grey_levels_and_drowns_in_any_other_scale():
    """Norms of the weighted terms' gradients on an untrained translation: why ``levels`` is the default."""
    torch.manual_seed(0)
    model = tiny.method("hsct", patch_length=256)
    batch = a_batch(model, 64)
    translation = model(batch["source"]).detach().requires_grad_()

    def norm(loss: torch.Tensor) -> float:
        return float(torch.autograd.grad(loss, translation)[0].norm())

    patch = norm(0.8 * model._contrast(batch, translation))
    pixel = {
        kind: norm(0.4 * pixel_loss(translation, batch["target"], kind))
        for kind in ("levels", "mse", "rmse", "as_printed")
    }
    assert patch > 100 * max(pixel["mse"], pixel["rmse"], pixel["as_printed"])
    assert pixel["levels"] > 10 * patch


@pytest.mark.parametrize(
    ("switches", "terms"),
    [
        ({"use_adv": False, "use_cmm": False, "use_apc": False}, {"pixel"}),
        ({"use_cmm": False, "use_apc": False}, {"pixel", "adversarial"}),
        ({"use_apc": False}, {"pixel", "adversarial", "sample"}),
        ({"use_cmm": False}, {"pixel", "adversarial", "patch"}),
        ({"use_adv": False}, {"pixel", "sample", "patch"}),
        ({}, {"pixel", "adversarial", "sample", "patch"}),
    ],
)
def test_the_rows_of_the_ablation(switches, terms):
    model = tiny.method("hsct", **switches)
    assert set(model.losses(a_batch(model))) == terms | {"total"}


def test_which_term_reaches_which_network():
    model = tiny.method("hsct")
    batch = a_batch(model)
    parts = ("encoder", "decoder", "generated_mlp", "real_mlp", "discriminator", "momentum_encoder")
    reached = {}
    for term in ("sample", "patch", "pixel", "adversarial"):
        model.zero_grad()
        model.losses(batch)[term].backward()
        reached[term] = {
            part
            for part in parts
            if any(w.grad is not None and w.grad.abs().sum() > 0 for w in getattr(model, part).parameters())
        }
    assert reached["sample"] == {"encoder"}
    assert reached["patch"] == {"encoder", "decoder", "generated_mlp", "real_mlp"}
    assert reached["pixel"] == {"encoder", "decoder"}
    assert reached["adversarial"] == {"encoder", "decoder", "discriminator"}


@pytest.mark.parametrize("patch_mlp", ["shared", "ema"])
def test_an_mlp_that_is_not_separate_lets_no_gradient_through_the_target(patch_mlp):
    model = tiny.method("hsct", patch_mlp=patch_mlp)
    batch = a_batch(model)
    batch["target"].requires_grad_()
    model.losses(batch)["patch"].backward()
    assert batch["target"].grad is None
    assert all(weight.grad.abs().sum() > 0 for weight in model.generated_mlp.parameters())
    assert all(weight.grad is None for name, weight in model.named_parameters() if name.startswith("real_mlp"))
    assert hasattr(model, "real_mlp") is (patch_mlp == "ema")


def test_what_embeds_the_target_is_its_own_the_same_or_a_copy():
    embedded = {}
    for patch_mlp in ("separate", "shared", "ema"):
        torch.manual_seed(0)
        model = tiny.method("hsct", patch_mlp=patch_mlp)
        batch = a_batch(model)
        embedded[patch_mlp] = float(model._contrast(batch, batch["target"]))
    assert embedded["shared"] == embedded["ema"], "the copy starts as the original"
    assert embedded["shared"] < embedded["separate"], "an image is like itself only where both are embedded alike"


def test_the_copied_mlp_follows_by_a_hundredth_and_has_no_optimizer(tmp_path):
    model = tiny.method("hsct", patch_mlp="ema")
    slow = [weight.clone() for weight in model.real_mlp.parameters()]
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
    own = list(model.generated_mlp.parameters())
    for before, after, fast in zip(slow, model.real_mlp.parameters(), own, strict=True):
        assert torch.allclose(after, 0.99 * before + 0.01 * fast, atol=1e-7)
        assert not torch.equal(after, before)
    (optimizer,), _ = model.configure_optimizers()
    owned = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert owned.isdisjoint(id(weight) for weight in model.real_mlp.parameters())


@pytest.mark.parametrize("patch_mlp", ["shared", "ema"])
def test_embedded_alike_a_target_is_like_itself_before_anything_is_learned_and_unlike_its_negative(patch_mlp):
    torch.manual_seed(0)
    model = tiny.method("hsct", patch_mlp=patch_mlp)
    batch = a_batch(model, 64)
    right, wrong = (float(model._contrast(batch, sign * batch["target"])) for sign in (1, -1))
    assert right < 0.1 < 3 < wrong


def test_every_group_of_networks_is_clipped_by_itself(tmp_path):
    """Clipped together, what the patches' MLPs and the discriminator learn by would shrink with the pixel gradient."""
    model = tiny.method("hsct", preset="stable", lambda_pixel=100.0)
    (optimizer,), _ = model.configure_optimizers()
    assert len(optimizer.param_groups) == 3
    model.losses(a_batch(model))["total"].backward()
    raw = [_norm(group) for group in optimizer.param_groups]
    model.on_before_optimizer_step(optimizer)
    assert raw[0] > 1000, "the pixel term's"
    assert [_norm(group) for group in optimizer.param_groups] == pytest.approx([min(norm, 1) for norm in raw], rel=1e-3)


def _norm(group: dict) -> float:
    return math.sqrt(sum(float(w.grad.square().sum()) for w in group["params"] if w.grad is not None))


def test_the_adversarial_weight_scales_what_reaches_the_translator_alone():
    gradients = {}
    for weight in (1.0, 0.1):
        torch.manual_seed(0)
        model = tiny.method("hsct", lambda_adversarial=weight)
        model.losses(a_batch(model))["adversarial"].backward()
        gradients[weight] = [next(network.parameters()).grad for network in (model.encoder, model.discriminator)]
    (encoder, judge), (weaker, same) = gradients[1.0], gradients[0.1]
    assert torch.allclose(weaker, 0.1 * encoder, rtol=1e-3, atol=1e-9)
    assert torch.equal(same, judge)
    model = tiny.method("hsct", lambda_adversarial=0.1, adv_mode="alternating", use_cmm=False, use_apc=False)
    batch = a_batch(model)
    losses = model.generator_losses(batch, model.generate(batch))
    assert float(losses["total"]) == pytest.approx(float(0.4 * losses["pixel"] + 0.1 * losses["adversarial"]))


@pytest.mark.parametrize("mode", ["grl", "alternating"])
def test_the_momentum_encoder_follows_every_step_by_a_hundredth(mode, tmp_path):
    model = tiny.method("hsct", adv_mode=mode, proj_dim=8)
    pairs = [(model.momentum_encoder, model.encoder), (model.momentum_projection, model.projection)]
    slow = [weight.clone() for copy, _ in pairs for weight in copy.parameters()]
    fast = [weight.detach().clone() for _, own in pairs for weight in own.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(slow, fast, strict=True)), "they start alike"
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
    moved = [weight for copy, _ in pairs for weight in copy.parameters()]
    new = [weight for _, own in pairs for weight in own.parameters()]
    for before, after, own in zip(slow, moved, new, strict=True):
        assert torch.allclose(after, 0.99 * before + 0.01 * own, atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(slow, moved, strict=True))


def test_the_momentum_encoder_has_no_optimizer_and_is_in_the_checkpoint():
    model = tiny.method("hsct")
    (optimizer,), _ = model.configure_optimizers()
    owned = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert owned.isdisjoint(id(weight) for weight in model.momentum_encoder.parameters())
    assert any(name.startswith("momentum_encoder.") for name in model.state_dict())


@pytest.mark.parametrize(
    "switches",
    [
        {"disc": "patch70"},
        {"disc_conditional": True},
        {"disc": "patch70", "disc_conditional": True, "adv_mode": "alternating"},
        {"proj_dim": 8},
        {"grl_schedule": "dann"},
        {"patch_sampling": "area"},
        {"patch_sampling": "bbox2d", "patch_length": 16},
        {"normalize": False},
        {"skips": "concat"},
        {"patch_mlp": "shared", "optimizer": "adam"},
        {"patch_mlp": "ema", "adv_mode": "alternating"},
        {"preset": "tuned"},
        {"encoder": "test_resnet"},
        {"use_cmm": False, "use_apc": False, "use_adv": False},
    ],
)
def test_every_switch_trains(switches, tmp_path):
    model = tiny.method("hsct", **switches)
    before = {name: weight.clone() for name, weight in model.named_parameters() if weight.requires_grad}
    tiny.trainer(tmp_path, limit_train_batches=2).fit(model, tiny.data("elastography"))
    after = dict(model.named_parameters())
    still = [name for name, weight in before.items() if torch.equal(weight, after[name])]
    assert not still, "every trained weight has moved"


def test_the_reversal_may_grow_from_nothing_to_one(tmp_path):
    strengths = []

    class Watched(HSCT):
        def _reversal_strength(self):
            strengths.append(super()._reversal_strength())
            return strengths[-1]

    model = Watched(out_channels=3, grl_schedule="dann", **tiny.shrunk("hsct"))
    tiny.trainer(tmp_path, max_epochs=4).fit(model, tiny.data("elastography"))
    assert strengths[0] == 0.0
    assert strengths == sorted(strengths)
    progress = (len(strengths) - 1) / len(strengths)
    assert strengths[-1] == pytest.approx(2 / (1 + math.exp(-10 * progress)) - 1)
    weaker = HSCT(grl_schedule="dann", lambda_adversarial=0.1)
    weaker._trainer = model.trainer  # at its end
    assert weaker._reversal_strength() == pytest.approx(0.1 * (2 / (1 + math.exp(-10)) - 1))


def test_a_batch_of_one_says_that_matching_needs_two(tmp_path):
    model = tiny.method("hsct")
    with pytest.raises(InputError, match=r"a batch of one pair: cross-modal matching needs at least two"):
        tiny.trainer(tmp_path).fit(model, tiny.data("elastography", batch_size=1))
    tiny.trainer(tmp_path).fit(tiny.method("hsct", use_cmm=False), tiny.data("elastography", batch_size=1))


def test_a_batch_without_superpixels_is_refused():
    model = tiny.method("hsct")
    batch = a_batch(model)
    del batch["superpixels"]
    with pytest.raises(InputError, match="the batch has no superpixels"):
        model.losses(batch)


def test_colour_sources_and_grey_targets_share_an_encoder():
    model = tiny.method("hsct", 3, 1)
    losses = model.losses(a_batch(model))
    assert losses["total"].isfinite()
    assert model.channels == 3


def test_channels_that_one_encoder_cannot_take_are_refused():
    with pytest.raises(InputError, match="2 source and 3 target channels"):
        tiny.method("hsct", 2, 3)


def test_without_an_adversary_there_is_nothing_to_alternate(tmp_path):
    model = tiny.method("hsct", adv_mode="alternating", use_adv=False)
    assert len(model.configure_optimizers()[0]) == 1
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
