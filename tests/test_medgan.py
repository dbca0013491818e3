"""MedGAN, that is pGAN: its networks, the loss on VGG-16's features by hand, dropout, and weights that are refused."""

import pytest
import torch
import torchvision
from torch import nn

from datamodules import InputError
from tests import tiny
from tests.trunks import REAL, real_weights, trusted
from zoo.cli import main
from zoo.losses.feature_l1 import FeatureL1
from zoo.methods.medgan import MedGAN
from zoo.networks.vgg import relu2_2
from zoo.trunks import load_trunk


def images(channels: int = 3, count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def batch() -> dict[str, torch.Tensor]:
    return {"source": images(1), "target": images(3, seed=1)}


def torchvisions(state: dict[str, torch.Tensor]) -> nn.Sequential:
    """VGG-16 up to relu2_2 as torchvision builds it, the weights put in by hand."""
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features[:9]
    wanted = {name: state[f"features.{name}"] for name in features.state_dict()}
    features.load_state_dict(wanted, assign=True)
    return features


@pytest.mark.parametrize(("channels", "count"), [((1, 3), 11_371_907), ((1, 1), 11_365_633)])
def test_parameter_counts(channels, count):
    with torch.device("meta"):
        model = MedGAN(in_channels=channels[0], out_channels=channels[1])
    assert sum(weight.numel() for weight in model.generator.parameters()) == count
    discriminator = sum(weight.numel() for weight in model.discriminator.parameters())
    assert discriminator == 2_762_689 + 1024 * (sum(channels) - 1)
    assert len(model.generator.blocks) == 9
    dropouts = [layer.p for layer in model.generator.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == 9 * [0.5]


@pytest.fixture(scope="module")
def trunk() -> dict[str, torch.Tensor]:
    return load_trunk("vgg", str(REAL["vgg"]), "perceptual_weights")


@real_weights
@pytest.mark.parametrize("given", ["raw", "imagenet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_features_are_torchvisions_relu2_2_on_the_real_weights(given, channels, trunk):
    loss = FeatureL1(relu2_2(trunk), given)
    prediction, target = images(channels), images(channels, seed=1)
    x, y = (image.expand(-1, 3, -1, -1) for image in (prediction, target))
    if given == "imagenet":
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x, y = ((0.5 * image + 0.5 - mean[:, None, None]) / std[:, None, None] for image in (x, y))
    reference = torchvisions(trunk)
    with torch.no_grad():
        one, other = reference(x), reference(y)
    assert one.shape == (2, 128, 16, 16)
    assert float(loss(prediction, target)) == pytest.approx(float((one - other).abs().mean()), rel=1e-5)
    halves = [float(loss(prediction[i : i + 1], target[i : i + 1])) for i in range(2)]
    assert halves[0] != pytest.approx(halves[1], rel=1e-3)
    assert float(loss(prediction, target)) == pytest.approx(sum(halves) / 2, rel=1e-5), "every image of a batch counts"


def test_the_gradient_goes_to_the_prediction_alone():
    loss = FeatureL1(relu2_2(None))
    prediction, target = images().requires_grad_(), images(seed=1).requires_grad_()
    loss(prediction, target).backward()
    assert prediction.grad.abs().sum() > 0
    assert target.grad is None
    assert all(not weight.requires_grad and weight.grad is None for weight in loss.network.parameters())
    assert float(loss(target, target)) == 0
    assert loss.state_dict() == {}
    assert next(loss.to("meta").network.parameters()).device.type == "meta", "it moves with the loss"


def test_the_features_are_computed_in_full_precision_under_autocast():
    loss, prediction, target = FeatureL1(relu2_2(None)), images(), images(seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(prediction.bfloat16(), target)
    assert found.dtype == torch.float32
    assert float(found) == float(loss(prediction.bfloat16().float(), target))


def test_an_untrained_network_is_always_the_same_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    first = relu2_2(None)
    drawn = torch.rand(())
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(()))
    assert all(torch.equal(*pair) for pair in zip(first.parameters(), relu2_2(None).parameters(), strict=True))


def test_its_terms_add_up_and_the_discriminators_loss_is_halved():
    torch.manual_seed(0)
    model, given = tiny.method("medgan", lambda_l1=10.0, lambda_perceptual=7.0), batch()
    model.setup("fit")
    made = model.generate(given)
    losses = model.generator_losses(given, made)
    score = model.discriminator(torch.cat([given["source"], made], 1))
    assert float(losses["adversarial"]) == pytest.approx(float((score - 1).square().mean()), rel=1e-5)
    assert float(losses["perceptual"]) == pytest.approx(float(model.perceptual(made, given["target"])))
    expected = losses["adversarial"] + 10 * losses["l1"] + 7 * losses["perceptual"]
    assert float(losses["total"]) == pytest.approx(float(expected), rel=1e-5)
    real = model.discriminator(torch.cat([given["source"], given["target"]], 1))
    expected = 0.5 * ((real - 1).square().mean() + score.square().mean())
    assert float(model.discriminator_losses(given, made)["total"]) == pytest.approx(float(expected), rel=1e-5)
    assert not any(name.startswith("perceptual") for name in model.state_dict())


def test_without_the_features_term_no_vgg_is_needed():
    model = tiny.method("medgan", lambda_perceptual=0.0, perceptual_weights="/nowhere/vgg.pth")
    model.setup("fit")
    assert model.perceptual is None
    assert set(model.generator_losses(batch(), model.generate(batch()))) == {"adversarial", "l1", "total"}


def test_evaluation_drops_nothing_out():
    torch.manual_seed(0)
    model, source = tiny.method("medgan"), images(1)
    assert not torch.equal(model(source), model(source))
    model.eval()
    assert torch.equal(model(source), model(source))


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        ({}, "pGAN, untrained VGG"),
        ({"perceptual_weights": "imagenet"}, "pGAN"),
        ({"lambda_perceptual": 0.0}, "pGAN, without VGG"),
    ],
)
def test_tables_say_what_it_is_and_whether_its_vgg_is_untrained(settings, remark):
    assert tiny.method("medgan", **settings).remark == remark


def test_a_file_that_is_not_the_vgg_stops_training_before_anything_is_written(tmp_path, capsys, monkeypatch):
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    more = f"--model.perceptual_weights={tmp_path / 'alex.pth'}"
    assert main(tiny.command("medgan", tmp_path / "out", more)) == 2
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "perceptual_weights" in line)
    assert "alex.pth: holds AlexNet, not VGG-16" in said
    assert "set perceptual_weights to null to train on an untrained network" in said
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_missing_stops_training_but_not_translation(tmp_path):
    model, data = tiny.method("medgan", perceptual_weights="/no/vgg.pth"), tiny.data("elastography")
    with pytest.raises(InputError, match=r"^perceptual_weights '/no/vgg\.pth': no such file; .*[^\n]$"):
        tiny.trainer(tmp_path).fit(model, data)
    assert len(tiny.trainer(tmp_path).predict(model, data)) == 6


def test_an_unknown_input_of_the_vgg_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^vgg_input 'grey': MedGAN has raw, imagenet; choose one$"):
        tiny.method("medgan", vgg_input="grey")
