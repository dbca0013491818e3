"""SAGAN: its attention and networks, spectral normalisation, the hinge loss, and the generator's moving average."""

import pytest
import torch
from torch import nn

from datamodules import InputError
from tests import tiny
from zoo.methods.sagan import SAGAN
from zoo.networks.patchgan import PatchGAN
from zoo.networks.self_attention import SelfAttention


def batch(seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(2, channels, 32, 32, generator=generator) * 2 - 1
            for name, channels in (("source", 1), ("target", 3))}  # fmt: skip


def attention(channels: int = 16, gamma: float = 0.7) -> SelfAttention:
    torch.manual_seed(0)
    layer = SelfAttention(channels)
    nn.init.constant_(layer.gamma, gamma)
    return layer


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameter_counts():
    with torch.device("meta"):
        model = SAGAN(in_channels=1, out_channels=3, sn="none", ema=0.0)  # normalisation has no parameters
        attentions = [parameters(SelfAttention(channels)) for channels in (128, 256)]
    assert attentions == [20_481, 81_921]
    assert parameters(model.generator) == 54_514_309
    assert parameters(model.discriminator) == 2_847_682
    assert not any(isinstance(layer, nn.Dropout) for layer in model.generator.modules())


def test_the_generator_attends_at_64_and_32_pixels_and_the_discriminator_at_32():
    model = SAGAN(in_channels=1, out_channels=3, width=4, ema=0.0).eval()
    sizes = []
    for layer in model.modules():
        if isinstance(layer, SelfAttention):
            layer.register_forward_hook(lambda module, given, made: sizes.append(tuple(made.shape)))
    source = torch.zeros(1, 1, 256, 256)
    assert model.score(source, model(source)).shape == (1, 1, 30, 30)
    assert sizes == [(1, 16, 32, 32), (1, 8, 64, 64), (1, 16, 32, 32)]


def test_attention_begins_as_the_identity():
    x = torch.randn(2, 16, 7, 9)
    layer = SelfAttention(16)
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert float(layer.gamma.grad) != 0, "gamma can leave 0"


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1)])
def test_attention_is_that_of_the_formula(size):
    layer, x = attention(), torch.randn(2, 16, *size)
    with torch.no_grad():
        found = layer(x)
        f, g, h, v = (conv.weight[:, :, 0, 0] for conv in (layer.key, layer.query, layer.value, layer.output))
        assert [tuple(weight.shape) for weight in (f, g, h, v)] == [(2, 16), (2, 16), (8, 16), (16, 8)]
        for image, made in zip(x, found, strict=True):
            keys, values = ((weight @ image.flatten(1)).view(-1, *size) for weight in (f, h))
            blocks = [(slice(i, i + 2), slice(j, j + 2)) for i in range(0, size[0], 2) for j in range(0, size[1], 2)]
            keys, values = (torch.stack([m[:, i, j].amax((1, 2)) for i, j in blocks], 1) for m in (keys, values))
            scores = torch.einsum("ci,cj->ij", keys, g @ image.flatten(1))
            beta = scores.exp() / scores.exp().sum(0)
            o = v @ torch.einsum("ci,ij->cj", values, beta)
            assert torch.allclose(made, image + 0.7 * o.view_as(image), atol=1e-5)


def test_attention_reaches_over_the_whole_map():
    layer, x = attention(gamma=1.0), torch.randn(1, 16, 16, 16, requires_grad=True)
    layer(x)[0, :, 0, 0].sum().backward()
    touched = x.grad[0].abs().sum(0) > 0
    assert touched[8:, 8:].any()
    assert touched.float().mean() > 0.2, "of every 2 x 2 positions some channel's maximum"


@pytest.mark.parametrize(
    ("sn", "sides"), [("both", {"generator", "discriminator"}), ("d", {"discriminator"}), ("none", set())]
)
def test_which_networks_are_spectrally_normalised(sn, sides):
    model = tiny.method("sagan", sn=sn)
    for side in ("generator", "discriminator"):
        layers = [m for m in getattr(model, side).modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert len(layers) > 8
        assert {hasattr(layer, "parametrizations") for layer in layers} == {side in sides}


def test_spectral_normalisation_brings_the_largest_singular_value_of_every_weight_to_one():
    torch.manual_seed(0)
    model, given = tiny.method("sagan", width=8), batch()
    with torch.no_grad():
        for _ in range(30):
            model.score(given["source"], model.generate(given))
    model.eval()
    for network in (model.generator, model.discriminator):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                rows = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
                largest = torch.linalg.matrix_norm(rows.detach().flatten(1), 2)
                assert float(largest) == pytest.approx(1, abs=0.05)


def test_normalised_networks_run_in_full_precision_under_autocast_and_others_do_not():
    given = batch()
    for sn, kinds in (("both", [torch.float32] * 2), ("d", [torch.bfloat16, torch.float32]),
                      ("none", [torch.bfloat16] * 2)):  # fmt: skip
        torch.manual_seed(0)
        model = tiny.method("sagan", sn=sn).eval()
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            made = model(given["source"])
            assert [made.dtype, model.score(given["source"], made).dtype] == kinds
        if sn == "both":
            assert torch.equal(made, model(given["source"]))


def test_the_losses_are_the_hinge_and_l1():
    torch.manual_seed(0)
    model, given = tiny.method("sagan", lambda_l1=3.0).eval(), batch()
    made = model.generate(given)
    with torch.no_grad():
        real, fake = model.score(given["source"], given["target"]), model.score(given["source"], made)
        expected = (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
        assert float(model.discriminator_losses(given, made)["total"]) == pytest.approx(float(expected), rel=1e-5)
        expected = -fake.mean() + 3 * (given["target"] - made).abs().mean()
        assert float(model.generator_losses(given, made)["total"]) == pytest.approx(float(expected), rel=1e-5)


def test_the_discriminator_comes_first_and_learns_four_times_as_fast_until_it_is_matched():
    model = tiny.method("sagan")
    assert list(model.sides()) == ["discriminator", "generator"]
    optimizers, schedules = model.configure_optimizers()
    groups = [optimizer.param_groups[0] for optimizer in optimizers]
    assert [(group["lr"], group["betas"]) for group in groups] == [(4e-4, (0.0, 0.9)), (1e-4, (0.0, 0.9))]
    for _ in range(199):
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
    assert [group["lr"] for group in groups] == [4e-4, 1e-4], "constant"
    matched = tiny.method("sagan", preset="matched")
    groups = [optimizer.param_groups[0] for optimizer in matched.configure_optimizers()[0]]
    assert [(group["lr"], group["betas"]) for group in groups] == [(3e-4, (0.5, 0.999))] * 2
    assert matched.gradient_clip_val == 1


def test_the_average_follows_the_weights_and_takes_over_the_statistics(tmp_path):
    torch.manual_seed(0)
    model = tiny.method("sagan", ema=0.999)
    before = [weight.detach().clone() for weight in model.generator.parameters()]
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
    pairs = zip(before, model.generator.parameters(), model.average.parameters(), strict=True)
    for old, new, averaged in pairs:
        assert torch.allclose(averaged, 0.999 * old + 0.001 * new, atol=1e-7)
    moved = [not torch.equal(old, new) for old, new in zip(before, model.generator.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    buffers = list(zip(model.generator.buffers(), model.average.buffers(), strict=True))
    assert len(buffers) > 10
    assert all(torch.equal(*pair) for pair in buffers)


def test_evaluation_translates_by_the_average_and_training_by_the_generator():
    model, source = tiny.method("sagan"), batch()["source"]
    with torch.no_grad():
        for weight in model.generator.parameters():
            weight.add_(0.1)
        model.eval()
        assert torch.equal(model(source), model.average(source))
        assert not torch.equal(model(source), model.generator(source))
        assert torch.equal(model.generate({"source": source}), model.generator(source))
        plain = tiny.method("sagan", ema=0.0).eval()
        assert plain.average is None
        assert torch.equal(plain(source), plain.generator(source))


def test_a_discriminator_without_attention_is_pix2pixs():
    with_attention, without = (PatchGAN(1, 8, "none", attention=flag) for flag in (True, False))
    assert [type(layer).__name__ for layer in without.layers] == 4 * ["Conv2d", "LeakyReLU"] + ["Conv2d"]
    assert [type(layer).__name__ for layer in with_attention.layers][6] == "SelfAttention"
    assert with_attention(torch.zeros(1, 1, 24, 24)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"attention_levels": (3,)}, r"^attention_levels 3: a U-Net of depth 3 has .* 1 to 2 halvings .*; choose .*$"),
        ({"attention_levels": (0, 1)}, r"^attention_levels 0: .*$"),
        ({"ema": 1.0}, r"^ema 1: a moving average has a decay from 0 \(none\) to below 1, as 0\.999; correct it$"),
        ({"ema": -0.1}, r"^ema -0\.1: .*$"),
        ({"sn": "g"}, r"^sn 'g': SAGAN has both, d, none; choose one$"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(settings, said):
    with pytest.raises(InputError, match=said):
        tiny.method("sagan", **settings)
