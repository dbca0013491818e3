"""DDPM: its network, its loss, what it samples, and by how much its samples differ."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from datamodules import InputError
from datamodules.batch import Signal
from datamodules.elasticity import converted
from tests import tiny
from zoo.cli import main
from zoo.methods.ddpm import DDPM
from zoo.output import Output
from zoo.predictions import PredictionWriter


class Knows(nn.Module):
    """A perfect noise predictor of images that it knows: eq. 4 solved for the noise."""

    def __init__(self, model: DDPM, images: torch.Tensor) -> None:
        super().__init__()
        self.diffusion, self.images, self.asked = model.diffusion, images, []

    def forward(self, given: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.asked.append(t)
        signal, noise = (table[t].view(-1, 1, 1, 1) for table in (self.diffusion.signal, self.diffusion.noise))
        return (given[:, : self.images.shape[1]] - signal * self.images) / noise


def trained(folder, **arguments) -> DDPM:
    """By a few steps, so that a network and its average have something to say."""
    torch.manual_seed(0)
    model = tiny.method("ddpm", 1, 1, lr=5e-3, **arguments)
    tiny.trainer(folder, limit_train_batches=3).fit(model, tiny.data("enhancement"))
    return model.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, torch.Tensor]:
    return trained(tmp_path_factory.mktemp("ddpm")).state_dict()


@pytest.fixture
def model_of(weights):
    """A model of other arguments and the same weights, which any sampling can be asked of."""

    def make(**arguments) -> DDPM:
        model = tiny.method("ddpm", 1, 1, **arguments)
        model.load_state_dict(weights)
        return model.eval()

    return make


def images(number: int, channels: int = 1, side: int = 16) -> torch.Tensor:
    return torch.rand(number, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_loss_of_who_knows_the_noise_is_0_and_of_who_sees_none_its_variance():
    torch.manual_seed(0)
    model, batch = tiny.method("ddpm", 1, 3, steps=1000), {"source": images(8), "target": images(8, 3)}
    assert float(model.losses(batch)["total"]) == pytest.approx(1, abs=0.05)
    model.network = Knows(model, batch["target"])
    assert float(model.losses(batch)["total"]) < 1e-6


def test_times_and_noise_are_drawn_from_torchs_generator_and_every_time_is():
    model, batch = tiny.method("ddpm", 1, 1, steps=4), {"source": images(64), "target": images(64)}
    model.network = Knows(model, batch["target"])
    model.network.forward = lambda given, t: (model.network.asked.append((given, t)), torch.zeros(64, 1, 16, 16))[1]
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(float(model.losses(batch)["total"]))
    assert losses[0] == losses[1] != losses[2]
    (first, t), (again, t_again), (other, t_other) = model.network.asked
    assert torch.equal(first, again)
    assert torch.equal(t, t_again)
    assert not torch.equal(t, t_other)
    assert not torch.equal(first, other)
    assert torch.equal(first[:, 1:], batch["source"]), "which stands beside what is noisy"
    assert t.unique().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(("sampler", "asked"), [("ddpm", 1000), ("ddim", 50)])
def test_who_knows_the_noise_samples_the_image(sampler, asked):
    model = tiny.method("ddpm", 1, 3, steps=1000, sampler=sampler, sampling_steps=None).eval()
    assert model.evaluations == asked
    wanted = images(2, 3)
    model.average.network = Knows(model, wanted)
    assert torch.allclose(model(images(2)), wanted, atol=1e-4)
    assert len(model.average.network.asked) == asked
    assert [int(model.average.network.asked[n][0]) for n in (0, -1)] == [1000, 1000 // asked]


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_batch_gives_what_its_images_give_alone(model_of, sampler):
    model, source = model_of(sampler=sampler), images(3)
    made = model(source)
    assert torch.allclose(made, torch.cat([model(one[None]) for one in source]), atol=1e-5)
    assert not torch.allclose(made[0], made[1], atol=0.1)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_samples_follow_from_their_seed_and_from_nothing_else(model_of, sampler):
    source, made = images(2), []
    for seed in (0, 0, 1):
        torch.manual_seed(len(made))
        made.append(model_of(sampler=sampler, seed=seed)(source))
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[0], made[2], atol=0.1)


def test_ddim_draws_noise_once_and_ddpm_in_every_step(model_of, monkeypatch):
    class Counted:
        def __init__(self, source, channels, seed):
            self.drawn, self.like = 0, source
            noises.append(self)

        def __call__(self):
            self.drawn += 1
            return torch.zeros_like(self.like)

    noises: list[Counted] = []
    monkeypatch.setattr("zoo.methods.ddpm.ImageNoise", Counted)
    for sampler in ("ddim", "ddpm"):
        model_of(sampler=sampler, sampling_steps=5)(images(1))
    assert [noise.drawn for noise in noises] == [1, 5]


def test_of_several_samples_the_mean_is_the_translation_and_their_deviation_the_spread(model_of):
    model, source = model_of(samples=4), images(2)
    drawn = model.draw(source)
    assert drawn.shape == (4, 2, 1, 16, 16)
    assert torch.allclose(drawn[:1], model_of().draw(source), atol=1e-6), "the first of any number"
    output = model.infer({"source": source})
    assert torch.equal(output["translation"], model(source))
    assert torch.allclose(output["translation"], sum(drawn) / 4, atol=1e-6)
    deviation = (sum((sample - output["translation"]) ** 2 for sample in drawn) / 3).sqrt()
    assert torch.allclose(output["spread"], deviation, atol=1e-5)
    assert output["spread"].mean() > 0.1
    assert set(model_of().infer({"source": source})) == {"translation"}
    assert model.evaluations == 4 * model_of().evaluations == 4 * 2
    colours = tiny.method("ddpm", 1, 3, samples=3).eval()
    assert colours.infer({"source": source})["spread"].shape == (2, 1, 16, 16)


def test_the_average_is_in_the_checkpoint_and_is_what_samples(tmp_path):
    model = tiny.method("ddpm", lr=1e-2)
    keep = ModelCheckpoint(tmp_path, save_last=True)
    runner = tiny.trainer(tmp_path, max_epochs=2, enable_checkpointing=True, callbacks=[keep])
    runner.fit(model, tiny.data("elastography"))
    assert model.average.updates == runner.global_step > 0
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    own, slow = saved["network.first.weight"], saved["average.network.first.weight"]
    assert not torch.allclose(own, slow, atol=1e-3)
    model.eval()
    source = images(1)
    before = model(source)
    nn.init.normal_(model.network.last[-1].weight)
    assert torch.equal(model(source), before)
    nn.init.normal_(model.average.network.last[-1].weight)
    assert not torch.allclose(model(source), before, atol=0.1)


def test_the_average_takes_a_step_where_the_optimizer_does(tmp_path):
    model = tiny.method("ddpm")
    runner = tiny.trainer(tmp_path, accumulate_grad_batches=2, limit_train_batches=2)
    runner.fit(model, tiny.data("elastography"))
    assert model.average.updates == runner.global_step == 1


def test_presets(tmp_path):
    native, matched = tiny.method("ddpm"), tiny.method("ddpm", preset="matched", decay_epochs=4)
    adam = native.configure_optimizers()
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.defaults["lr"], adam.defaults["betas"], adam.defaults["weight_decay"]) == (1e-4, (0.9, 0.999), 0)
    ((adam,), (schedule,)) = matched.configure_optimizers()
    (theirs, *_), (its_schedule, *_) = tiny.method("hsct", preset="tuned").configure_optimizers()
    assert adam.defaults | {"fused": None} == theirs.defaults | {"fused": None}
    assert type(schedule) is type(its_schedule)
    assert (schedule.T_max, schedule.eta_min) == (4, its_schedule.eta_min)
    assert native.gradient_clip_val == matched.gradient_clip_val == 1
    assert tiny.method("ddpm", gradient_clip_val=3.0).gradient_clip_val == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"steps": 10, "sampling_steps": 11}, "sampling_steps 11: there are 10 steps to sample in"),
        ({"sampling_steps": 0}, "sampling_steps 0: there are 10 steps"),
        ({"steps": 1, "sampling_steps": None}, "steps 1: DDPM takes noise away in 2 or more"),
        ({"samples": 0}, "samples 0: "),
        ({"ema": 1.0}, "ema 1.0: "),
        ({"width": 6}, "width 6: .* choose a multiple of 4"),
        ({"width": 0}, "width 0: "),
        ({"attention": (0, 2)}, "attention 2: there are levels 0 to 1"),
        ({"multipliers": (), "attention": ()}, r"multipliers \(\), blocks 1: "),
        ({"sampler": "dpm"}, "sampler 'dpm': DDPM has ddpm, ddim; choose one"),
        ({"preset": "paper"}, "preset 'paper': DDPM has native, matched; choose one"),
    ],
)
def test_numbers_that_there_cannot_be_are_refused_in_one_line(arguments, said):
    with pytest.raises(InputError, match=f"^{said}") as refused:
        tiny.method("ddpm", **arguments)
    assert len(str(refused.value).splitlines()) == 1


def test_the_command_line_refuses_them_too(tmp_path, capsys):
    assert main(tiny.command("ddpm", tmp_path / "out", "--model.sampling_steps=20")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: sampling_steps 20: there are 10 steps to sample in; choose 1 to 10, or leave it out"
    assert tiny.method("ddpm", sampler="ddim", sampling_steps=None).sampling_steps == 10, "not 50 of 10"


def test_it_learns_what_the_source_says():
    """Bright of dark, and the reverse: noise tells nothing of it."""
    torch.manual_seed(0)
    model = DDPM(width=8, multipliers=(1,), attention=(), blocks=1, steps=4, sampler="ddim", ema=0.5, lr=4e-3)
    optimizer = model.configure_optimizers()
    for _ in range(120):
        source = (torch.randint(0, 2, (16, 1, 1, 1)) * 2.0 - 1).expand(-1, -1, 8, 8)
        optimizer.zero_grad()
        model.losses({"source": source, "target": -0.5 * source})["total"].backward()
        optimizer.step()
        model.average.update(model.network)
    source = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(-1, -1, 8, 8)
    dark, bright = model.eval()(source).mean((1, 2, 3)).tolist()
    assert dark == pytest.approx(0.5, abs=0.15)
    assert bright == pytest.approx(-0.5, abs=0.15)


@pytest.mark.parametrize("format", ["png", "npy"])
def test_the_spread_is_written_beside_the_prediction_in_its_unit(tmp_path, model_of, format):
    module, model = tiny.data("enhancement"), model_of(samples=2)
    writer = PredictionWriter(module.task, format=format, out_dir=tmp_path / "out")
    outputs = tiny.trainer(tmp_path, callbacks=[writer]).predict(model, module)
    spreads = torch.cat([output["spread"] for output in outputs])
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(written) == len(spreads) == 12
    for file, translation, spread in zip(written["spread"], written["file"], spreads, strict=True):
        assert file == translation.replace(f".{format}", f"_spread.{format}")
        path = tmp_path / "out" / file
        levels = np.load(path) if format == "npy" else np.asarray(Image.open(path)).astype(float)
        tolerance = 1e-3 if format == "npy" else 0.51
        assert levels == pytest.approx(spread[0].numpy() * 127.5, abs=tolerance)
        assert levels.mean() > 10


def test_the_spread_follows_the_translation_to_another_scale():
    model = tiny.method("ddpm", 1, 1, samples=2)
    kilopascals, metres = Signal(1, 0, 80, "kPa"), Signal(1, 0, 5, "m/s")
    output = Output(translation=torch.full((1, 1, 2, 2), -0.4), spread=torch.full((1, 1, 2, 2), 0.01))
    model.trained_on = kilopascals
    for wanted in (Signal(1, 0, 160, "kPa"), metres):
        model._present_target = lambda wanted=wanted: wanted
        there = model._on_present_scale(output)
        centre = torch.tensor(-0.4, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(converted(centre, kilopascals, wanted), centre)
        assert torch.allclose(there["translation"], converted(output["translation"], kilopascals, wanted))
        assert there["spread"].unique().tolist() == pytest.approx([float(slope) * 0.01], rel=1e-3)
    assert float(output["spread"][0, 0, 0, 0]) == pytest.approx(0.01), "what was given is as it was"


def test_a_long_training_is_told_before_it_begins_and_no_random_number_is_drawn_for_it(tmp_path, model_of):
    weights = []
    for patience in (0.0, 3600.0):
        torch.manual_seed(0)
        model = model_of(dropout=0.5)
        model.patience_s = patience
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            tiny.trainer(tmp_path).fit(model.train(), tiny.data("enhancement"))
        said = [str(warning.message) for warning in told if "will take" in str(warning.message)]
        assert [line.split(" will")[0] for line in said] == (["training"] if patience == 0 else [])
        weights.append(model.network.first.weight)
    assert torch.equal(*weights)


def test_sampling_may_be_chosen_anew_and_what_was_trained_may_not(tmp_path, monkeypatch):
    """At a test, by the command line, where all else is the checkpoint's; and in code."""
    command = tiny.command("ddpm", tmp_path, "--trainer.max_epochs=1")
    assert main(command) == 0
    checkpoint = tmp_path / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"
    tested = []
    monkeypatch.setattr(DDPM, "on_test_start", lambda model: tested.append(model.hparams))
    flags = ["--model.steps=12", "--model.sampling_steps=5", "--model.samples=2", f"--ckpt_path={checkpoint}"]
    assert main(["test", *command[1:], *flags]) == 0
    assert [tested[0][name] for name in ("steps", "sampling_steps", "samples", "sampler")] == [10, 5, 2, "ddim"]
    data = tiny.data("elastography")
    with pytest.raises(InputError, match="was trained with steps 10, not 12"):
        tiny.trainer(tmp_path).test(tiny.method("ddpm", steps=12), data, ckpt_path=checkpoint, weights_only=True)


@pytest.mark.parametrize("doing", ["testing", "predicting"])
def test_a_long_test_or_prediction_is_told_before_it_begins(tmp_path, model_of, doing):
    module, model = tiny.data("enhancement"), model_of(samples=3)
    model.patience_s, seen = 0.0, []
    runner = tiny.trainer(tmp_path)
    model.register_forward_pre_hook(lambda *_: seen.append("image"))
    with pytest.warns(UserWarning, match=f"^{doing} will take") as told:
        runner.test(model, module, verbose=False) if doing == "testing" else runner.predict(model, module)
    (line,) = (str(warning.message) for warning in told if "will take" in str(warning.message))
    batches = sum(runner.num_test_batches if doing == "testing" else runner.num_predict_batches)
    assert batches > 1
    assert f"({batches * 2 * 3} passes of the network)" in line
    model.patience_s = 3600.0
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*will take")
        runner.test(model, module, verbose=False)


def test_the_loss_is_taken_in_full_precision_under_bf16():
    torch.manual_seed(0)
    model, batch = tiny.method("ddpm", 1, 1), {"source": images(2), "target": images(2)}
    nn.init.normal_(model.network.last[-1].weight, std=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.losses(batch)["total"]
    assert loss.dtype == torch.float32
    torch.manual_seed(0)
    exact = tiny.method("ddpm", 1, 1)
    nn.init.normal_(exact.network.last[-1].weight, std=0.1)
    assert float(loss) == pytest.approx(float(exact.losses(batch)["total"]), rel=0.02)
