"""AttGAN: its network against the published counts, what its gates do, and training without a discriminator."""

import pytest
import torch
from torch import nn

from datamodules import InputError
from tests import tiny
from zoo.networks.attention_unet import AdditiveGate, AttentionUNet, GridGate

gates = pytest.mark.parametrize("kind", ["additive", "grid"])


def batch(channels: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.rand(2, count, 32, 32, generator=generator) * 2 - 1
            for name, count in (("source", 1), ("target", channels))}  # fmt: skip


def gate_and_inputs(kind: str, constant: bool = False) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A gate of 8 channels, a skip of 16 x 16 and the gating signal that it takes."""
    torch.manual_seed(0)
    gate = AdditiveGate(8) if kind == "additive" else GridGate(8, 12)
    skip, gating = (
        torch.randn(2, 8, 16, 16),
        torch.randn(2, 8, 16, 16) if kind == "additive" else torch.randn(2, 12, 4, 4),
    )
    if constant:
        skip, gating = (features.mean((2, 3), keepdim=True).expand_as(features) for features in (skip, gating))
    return gate.eval(), skip, gating


@pytest.mark.parametrize(
    ("channels", "gate", "count"),
    [
        ((1, 3), "additive", 34_877_551),
        ((3, 1), "additive", 34_878_573),
        ((1, 1), "additive", 34_877_421),
        ((1, 3), "grid", 42_107_718),
    ],
)
def test_parameter_counts(channels, gate, count):
    with torch.device("meta"):
        network = AttentionUNet(*channels, gate=gate)
    assert sum(weight.numel() for weight in network.parameters()) == count


def test_what_is_gated():
    """All skips, each by half its channels; all but the finest by as many as it has; none."""
    inner = {}
    for gate in ("additive", "grid", "none"):
        network = AttentionUNet(1, 1, depth=4, width=4, gate=gate)
        inner[gate] = [up.gate.of_gating for up in network.decoder if up.gate is not None]
        assert (network.signal is not None) == (gate == "grid")
    assert [layers[0].out_channels for layers in inner["additive"]] == [8, 4, 2]
    assert [(layer.in_channels, layer.out_channels) for layer in inner["grid"]] == [(16, 16), (16, 8)]
    assert inner["none"] == []


@gates
def test_the_attention_lies_between_0_and_1_and_depends_on_both_maps(kind):
    gate, skip, gating = gate_and_inputs(kind)
    psi = gate.coefficients(skip, gating)
    assert psi.shape == (2, 1, 16, 16)
    assert 0 < float(psi.min()) < float(psi.max()) < 1
    for others in ((skip.flip(0), gating), (skip, gating.flip(0))):
        assert not torch.allclose(gate.coefficients(*others), psi)


@gates
def test_the_attention_on_constant_maps_is_constant(kind):
    gate, skip, gating = gate_and_inputs(kind, constant=True)
    psi = gate.coefficients(skip, gating)
    assert torch.allclose(psi, psi[..., :1, :1].expand_as(psi), atol=1e-6)
    assert torch.allclose(gate(skip, gating).std((2, 3)), torch.zeros(2, 8), atol=1e-5)


@gates
@pytest.mark.parametrize(("bias", "share"), [(-200.0, 0.0), (200.0, 1.0)])
def test_a_gate_closes_and_opens_by_the_bias_of_its_score(kind, bias, share):
    gate, skip, gating = gate_and_inputs(kind)
    scores = [layer for layer in gate.score.modules() if isinstance(layer, nn.Conv2d)]
    nn.init.constant_(scores[0].bias, bias)
    expected = share * skip if kind == "additive" else gate.output(share * skip)
    assert torch.equal(gate(skip, gating), expected)


@pytest.mark.parametrize("kind", ["additive", "grid"])
def test_who_asks_the_gates(kind):
    """The decoder's features of the skip's own size, or the one coarse signal; never the skip itself."""
    network, asked, asking = AttentionUNet(1, 1, 3, 4, kind).eval(), [], []
    for up in network.decoder:
        up.enlarge.register_forward_hook(lambda module, given, made: asking.append(made))
        if up.gate is not None:
            up.gate.register_forward_pre_hook(lambda module, given: asked.append(given[1]))
    if kind == "grid":
        network.signal.register_forward_hook(lambda module, given, made: asking.insert(0, made))
    network(torch.rand(1, 1, 16, 16))
    wanted = asking if kind == "additive" else [asking[0]]  # the finest is not gated
    assert len(asked) == len(wanted)
    assert all(one is other for one, other in zip(asked, wanted, strict=True))


def test_a_closed_gate_lets_nothing_of_the_skip_through_the_network():
    """With the decoder's own way cut as well, the output no longer depends on the image."""
    torch.manual_seed(0)
    network = AttentionUNet(1, 1, depth=2, width=4).eval()
    network.decoder[0].enlarge.register_forward_hook(lambda module, given, made: torch.zeros_like(made))
    one, other = torch.rand(2, 1, 1, 16, 16)
    assert not torch.equal(network(one), network(other))
    nn.init.constant_(network.decoder[0].gate.score[0].bias, -200.0)
    assert torch.equal(network(one), network(other))


def test_without_a_discriminator_it_is_one_side_that_minimises_l1(tmp_path):
    model, given = tiny.method("attgan", adversarial=False), batch()
    assert list(model.sides()) == ["generator"]
    assert not any(name.startswith("discriminator") for name, _ in model.named_parameters())
    losses = model.losses(given)
    assert set(losses) == {"l1", "total"}
    l1 = (given["target"] - model.generator(given["source"])).abs().mean()
    assert float(losses["total"]) == pytest.approx(100 * float(l1), rel=1e-5)
    before = [weight.detach().clone() for weight in model.parameters()]
    trainer = tiny.trainer(tmp_path, limit_train_batches=2)
    trainer.fit(model, tiny.data("elastography"))
    assert trainer.global_step == 2, "one optimizer's steps are counted"
    assert sum(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)) > 20


def test_with_one_its_terms_are_those_of_pix2pix():
    torch.manual_seed(0)
    model, given = tiny.method("attgan"), batch()
    assert list(model.sides()) == ["discriminator", "generator"]
    losses = model.generator_losses(given, model.generate(given))
    assert float(losses["total"]) == pytest.approx(float(losses["adversarial"] + 100 * losses["l1"]), rel=1e-5)
    for optimizer in model.configure_optimizers()[0]:
        group = optimizer.param_groups[0]
        assert (type(optimizer), group["initial_lr"], group["betas"]) == (torch.optim.Adam, 2e-4, (0.5, 0.999))


def test_an_unknown_gate_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^gate 'soft': AttGAN has none, additive, grid; choose one$"):
        tiny.method("attgan", gate="soft")
