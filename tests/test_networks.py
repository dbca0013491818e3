"""Layer counts and shapes against the papers' figures."""

import ast
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT
from zoo.networks import initialisation, spectral
from zoo.networks.elasticity_unet import ElasticityUNet
from zoo.networks.harmonizer_unet import HarmonizerUNet, SqueezeExcitation
from zoo.networks.padding import pad_to_multiple
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import ResNetGenerator
from zoo.networks.unet import UNet

PLAIN = {"upsampling": "transposed", "skip": "none", "block_padding": "reflect"}  # CycleGAN's own


def spectrally_normalised(network: torch.nn.Module) -> torch.nn.Module:
    spectral.normalise(network)
    return network


def parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: UNet(1, 1), 54_407_809),
        (lambda: UNet(1, 3), 54_411_907),
        (lambda: UNet(3, 3), 54_413_955),
        (lambda: PatchGAN(2), 2_764_609),
        (lambda: PatchGAN(4), 2_766_657),
        (lambda: PatchGAN(6), 2_768_705),
        (lambda: PatchGAN(1, norm="instance"), 2_762_689),
        (lambda: PatchGAN(3, norm="none"), 2_764_737),
        (lambda: spectrally_normalised(PatchGAN(1, norm="none")), 2_762_689),
        (lambda: ResNetGenerator(1, 1, 15), 18_630_913),
        (lambda: ResNetGenerator(1, 1, 15, skip="add"), 18_446_593),
        (lambda: ResNetGenerator(1, 1, 9), 11_549_953),
        (lambda: ResNetGenerator(1, 1, 6), 8_009_473),
        (lambda: ResNetGenerator(1, 1, 9, **PLAIN), 11_365_633),
        (lambda: ResNetGenerator(1, 3, 9, **PLAIN), 11_371_907),
        (lambda: ResNetGenerator(3, 3, 9, **PLAIN), 11_378_179),
        (lambda: ResNetGenerator(1, 1, 6, **PLAIN), 7_825_153),
        (lambda: HarmonizerUNet(1, 1, se=False), 54_403_457),
        (lambda: HarmonizerUNet(1, 1, se_decoder=False), 54_580_665),
        (lambda: HarmonizerUNet(1, 1), 54_725_141),
        (lambda: spectrally_normalised(HarmonizerUNet(1, 1, 6)), 29_424_021),
        (lambda: HarmonizerUNet(1, 1, 6, se=False), 29_235_585),
        (lambda: ElasticityUNet(variant="text"), 102_273),
        (lambda: ElasticityUNet(variant="count158k"), 158_177),
    ],
)
def test_parameter_counts(network, count):
    assert parameters(network()) == count


def test_patchgan_scores_30_x_30_patches_of_70_pixels():
    network = PatchGAN(1, width=4).eval()
    assert network(torch.zeros(1, 1, 256, 256)).shape == (1, 1, 30, 30)
    assert network(torch.zeros(1, 1, 24, 24)).shape[-2:] == (1, 1)
    image = torch.zeros(1, 1, 256, 256, requires_grad=True)
    network(image)[0, 0, 15, 15].backward()
    touched = image.grad[0, 0].nonzero()
    assert (touched.max(0).values - touched.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_discriminators_without_batch_norm_judge_every_image_by_itself(norm):
    torch.manual_seed(0)
    network = PatchGAN(1, width=4, norm=norm)
    one, other = torch.rand(2, 1, 64, 64), torch.rand(3, 1, 64, 64)
    together = network(torch.cat([one, other]))
    assert torch.allclose(together, torch.cat([network(one), network(other)]), atol=1e-6)


def test_spectral_normalisation_bounds_every_convolution_by_one():
    torch.manual_seed(0)
    network = PatchGAN(1, width=8, norm="none")
    initialisation.normal(network, std=3.0)
    before = network.layers[2].weight.detach().clone()
    spectral.normalise(network)
    with torch.no_grad():
        for _ in range(30):
            network(torch.rand(1, 1, 32, 32))
    network.eval()
    for layer in network.layers[::2]:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.02)
    after = network.layers[2].weight.detach()
    assert torch.allclose(after, before / torch.linalg.matrix_norm(before.flatten(1), 2), atol=1e-3), "the same weights"


def test_resnet_generator_halves_twice_and_its_skips_reach_the_output():
    image = torch.rand(1, 1, 64, 64)
    outputs = {}
    for skip in ("add", "none"):
        torch.manual_seed(0)
        network = ResNetGenerator(1, 1, 2, 4, skip=skip).eval()
        shapes = []
        network.blocks[-1].register_forward_hook(lambda module, given, made, seen=shapes: seen.append(made.shape))
        outputs[skip] = network(image)
        assert tuple(shapes[0]) == (1, 16, 16, 16)
        network.blocks[-1].register_forward_hook(lambda module, given, made: torch.zeros_like(made))
        depends = not torch.equal(network(image), network(image.flip(-1)))
        assert depends == (skip == "add"), "with nothing from below, only a skip carries the image"
    assert not torch.equal(*outputs.values())


def test_resnet_generator_enlarges_by_nearest_or_by_transposed_convolutions():
    for upsampling, count in (("nearest", 0), ("transposed", 2)):
        network = ResNetGenerator(1, 1, 1, 4, upsampling)
        assert sum(isinstance(layer, torch.nn.ConvTranspose2d) for layer in network.modules()) == count
    for padding, network in (("reflect", ResNetGenerator(1, 1, 1, 4, **PLAIN)), ("zeros", ResNetGenerator(1, 1, 1, 4))):
        assert {layer.padding_mode for layer in network.blocks[0].layers[::3]} == {padding}


def test_squeeze_and_excitation_stands_after_activations_and_its_gates_see_the_image():
    torch.manual_seed(0)
    network = HarmonizerUNet(1, 1, depth=4, width=32)
    gates: dict[str, list[torch.Tensor]] = {}
    for name, module in network.named_modules():
        if isinstance(module, SqueezeExcitation):
            module.gate.register_forward_hook(lambda m, given, made, n=name: gates.setdefault(n, []).append(made))
    for sequence in (*network.encoder[1:], *network.decoder):
        assert isinstance(sequence[-1], SqueezeExcitation)
        assert isinstance(sequence[-2], torch.nn.LeakyReLU | torch.nn.ReLU)
    assert not isinstance(network.encoder[0][-1], SqueezeExcitation)
    image = torch.rand(1, 1, 32, 32)
    network(image)
    network(image * torch.linspace(0, 1, 32))
    assert len(gates) == 3 + 3
    assert all(((one > 0) & (one < 1)).all() for one, _ in gates.values())
    assert all((one - other).abs().max() > 1e-5 for one, other in gates.values()), "after a norm they would be constant"
    assert {type(layer) for layer in network.modules() if isinstance(layer, torch.nn.Linear)} == {torch.nn.Linear}
    spectral.normalise(network)
    assert {type(layer) for layer in network.modules() if isinstance(layer, torch.nn.Linear)} == {torch.nn.Linear}


def test_harmonizer_unet_norms_neither_its_first_nor_its_innermost_level():
    network = HarmonizerUNet(1, 1, depth=8, width=2)
    normed = [any(isinstance(layer, torch.nn.InstanceNorm2d) for layer in down) for down in network.encoder]
    assert normed == [False, True, True, True, True, True, True, False]
    shapes = []
    network.encoder[-1].register_forward_hook(lambda *call: shapes.append(call[2].shape))
    network.eval()(torch.zeros(1, 1, 256, 256))
    assert shapes[0][-2:] == (1, 1)


def test_unet_reaches_one_pixel_and_drops_out_in_three_steps():
    network = UNet(1, 1, depth=8, width=2)
    shapes = []
    network.encoder[-1].register_forward_hook(lambda *call: shapes.append(call[2].shape))
    network.eval()(torch.zeros(1, 1, 256, 256))
    assert shapes[0][-2:] == (1, 1)
    with_dropout = [any(isinstance(layer, torch.nn.Dropout) for layer in up) for up in network.decoder]
    assert with_dropout == [False, True, True, True, False, False, False, False]


def test_elasticity_latent_is_that_of_the_paper():
    latent, skips = ElasticityUNet().encode(torch.zeros(2, 1, 64, 96))
    assert latent.shape == (2, 32, 16, 24)
    assert [tuple(skip.shape[-2:]) for skip in skips] == [(64, 96), (32, 48)]


def test_padding_repeats_the_edge_and_is_undone():
    image = torch.arange(6.0).view(1, 1, 2, 3)
    padded, cut = pad_to_multiple(image, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert (padded[..., 3, :] == padded[..., 1, :]).all()
    assert torch.equal(cut(padded), image)


def test_initialisation_is_the_printed_one():
    torch.manual_seed(0)
    network = ElasticityUNet(variant="count158k")
    initialisation.uniform(network, 0.05)
    weights = torch.cat([layer.weight.flatten() for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)])
    assert weights.abs().max() <= 0.05
    assert abs(float(weights.std()) - 0.05 / 3**0.5) < 1e-3
    assert all((layer.bias == 0).all() for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))
    network = PatchGAN(2)
    initialisation.normal(network)
    scale = torch.cat([layer.weight for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)])
    kernels = torch.cat([layer.weight.flatten() for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)])
    assert abs(float(kernels.std()) - 0.02) < 1e-3
    assert abs(float(kernels.mean())) < 1e-3
    assert abs(float(scale.mean()) - 1) < 5e-3


@pytest.mark.parametrize("folder", ["networks", "losses"])
def test_networks_and_losses_import_torch_and_timm_only(folder):
    for path in (ROOT / "zoo" / folder).glob("*.py"):
        for module in imported(path):
            own = module.startswith(("zoo.networks", "zoo.losses"))
            assert own or module.split(".")[0] in {
                "torch",
                "timm",
                "typing",
                "collections",
                "math",
                "abc",
                "dataclasses",
            }, f"{path.name} imports {module}"


@pytest.mark.parametrize(("package", "forbidden"), [("datamodules", ("zoo", "benchmarks")), ("zoo", ("benchmarks",))])
def test_data_flows_one_way(package, forbidden):
    for path in (ROOT / package).rglob("*.py"):
        assert not [module for module in imported(path) if module.split(".")[0] in forbidden], path


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return names
