"""The harmonizer's rows and terms, and Fourier domain adaptation."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from datamodules import InputError
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main
from zoo.cycle import Cycle
from zoo.losses.structural import MixLoss
from zoo.methods.fda import FDA, exchange_low_frequencies
from zoo.networks.harmonizer_unet import SqueezeExcitation


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("harmonizer", 1, 1, **kwargs)


def convolutions(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(
    ("row", "sn", "se", "mix"),
    [
        ({"se": False, "sn": "none", "mix_on": "none"}, (False, False), False, False),
        ({"se": False, "mix_on": "none"}, (True, True), False, False),
        ({"mix_on": "none"}, (True, True), True, False),
        ({}, (True, True), True, True),
        ({"sn": "generator"}, (True, False), True, True),
    ],
)
def test_each_row_of_the_paper_is_an_override(row, sn, se, mix):
    model = method(**row)
    for network, normalised in zip((model.generator_target, model.discriminator_target), sn, strict=True):
        assert {is_parametrized(layer, "weight") for layer in convolutions(network)} == {normalised}
    assert any(isinstance(module, SqueezeExcitation) for module in model.generator_source.modules()) == se
    one, other = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.5)
    expected = MixLoss()(one, other) if mix else torch.tensor(0.5)
    assert torch.allclose(model.cycle_distance(one, other), expected)
    assert float(model.identity_distance(one, other)) == pytest.approx(0.5)


def test_mix_may_reach_the_identity_terms():
    model = method(mix_on="cycle+identity")
    one, other = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.5)
    assert torch.allclose(model.identity_distance(one, other), MixLoss()(one, other))


def test_the_terms_add_up_with_the_weights_of_a_cyclegan():
    model = method(mix_on="none")
    batch = {"source": torch.zeros(2, 1, 32, 32), "target": torch.ones(2, 1, 32, 32)}
    made = Cycle(*(torch.full((2, 1, 32, 32), value) for value in (0.0, 0.0, 0.75, 0.5, 0.5, 0.25)))
    losses = {name: float(value) for name, value in model.generator_losses(batch, made).items()}
    assert losses["cycle"] == pytest.approx(0.25 + 0.5)
    assert losses["identity"] == pytest.approx(0.5 + 0.25)
    assert losses["total"] == pytest.approx(losses["adversarial"] + 10 * 0.75 + 5 * 0.75)


def test_real_images_are_labelled_nine_tenths_for_the_discriminators_alone():
    for smooth, label in ((True, 0.9), (False, 1.0)):
        assert method(smooth=smooth).real_labels((None, None), (None, None)) == (label, label)
    assert float(method().adversarial.generator(torch.ones(2, 1, 2, 2))) == 0


def test_rates_are_the_papers_on_two_time_scales():
    for preset, rates in (("paper", [1e-3, 4e-3]), ("stable", [1e-4, 4e-4])):
        optimizers, _ = method(preset=preset).configure_optimizers()
        assert [o.param_groups[0]["initial_lr"] for o in optimizers] == rates
        assert {o.param_groups[0]["betas"] for o in optimizers} == {(0.5, 0.999)}
    optimizers, _ = method(lr_generator=0.5).configure_optimizers()
    assert optimizers[0].param_groups[0]["initial_lr"] == 0.5


def images(seed: int) -> torch.Tensor:
    return torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(seed))


def amplitude(image: torch.Tensor) -> torch.Tensor:
    return torch.fft.fft2(image).abs()


def test_fda_exchanges_a_centred_window_of_amplitudes_and_no_phase():
    x, y = 0.3 + 0.4 * images(0), 0.3 + 0.4 * images(1)
    reach = 4  # 0.1 of 48, rounded down
    made = exchange_low_frequencies(x, amplitude(y), 0.1)
    assert made.min() > 0, "nothing was clipped, so the spectra can be compared"
    assert made.max() < 1
    found, given, wanted = (torch.fft.fftshift(amplitude(image), dim=(-2, -1)) for image in (made, x, y))
    inside = torch.zeros(48, 64, dtype=torch.bool)
    inside[24 - reach : 24 + reach + 1, 32 - reach : 32 + reach + 1] = True
    assert torch.allclose(found[..., inside], wanted[..., inside], atol=1e-3)
    assert torch.allclose(found[..., ~inside], given[..., ~inside], atol=1e-3)
    turned = torch.fft.fft2(made) * torch.fft.fft2(x).conj()
    assert (turned.imag.abs() <= 1e-2 * turned.real.abs() + 1e-2).all()


def test_fda_of_beta_0_moves_the_mean_and_of_an_image_with_itself_nothing():
    x, y = 0.4 + 0.2 * images(0), 0.5 + 0.2 * images(1)
    assert torch.allclose(exchange_low_frequencies(x, amplitude(x), 0.2), x, atol=1e-5)
    moved = exchange_low_frequencies(x, amplitude(y), 0.0)
    assert torch.allclose(moved.mean((1, 2, 3)), y.mean((1, 2, 3)), atol=1e-5)
    assert torch.allclose(moved - moved.mean((1, 2, 3), keepdim=True), x - x.mean((1, 2, 3), keepdim=True), atol=1e-5)


@pytest.mark.parametrize("reference", ["random", "mean"])
def test_fda_tests_without_training_and_a_result_depends_on_the_image_alone(reference, tmp_path):
    scores = []
    for size in (2, 3):
        data = tiny.data("harmonization", batch_size=size)
        evaluation = tiny.evaluation(data.task, tmp_path / str(size))
        model = FDA(beta=0.05, reference=reference)
        tiny.trainer(tmp_path, callbacks=[evaluation]).test(model, data, verbose=False)
        scores.append((tmp_path / str(size) / "scores_test.csv").read_text())
    assert scores[0] == scores[1]
    targets = torch.stack(list(data.targets("train", 100)))
    expected = amplitude((targets + 1) / 2)
    expected = expected.mean(0, keepdim=True) if reference == "mean" else expected
    assert torch.allclose(model.amplitudes, expected, atol=1e-3)


def test_fda_on_the_command_line(tmp_path, capsys):
    more = ["--data.patients=12", "--data.size=[32,32]", f"--trainer.logger.save_dir={tmp_path}"]
    more += ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    config = f"--config={ROOT / 'configs' / 'fda.yaml'}"
    assert main(["test", config, *more]) == 0
    assert (tmp_path / "lightning_logs" / "version_0" / "scores_test.csv").is_file()
    assert main(["predict", config, *more]) == 0
    assert main(["fit", config, *more]) == 2
    assert "FDA has nothing to train; use 'test' or 'predict'" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"beta 0\.5"):
        FDA(beta=0.5)
