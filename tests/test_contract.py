"""What every method must do. A new one is covered once it stands in METHODS and its config says what makes it tiny, as
the one that CONTRIBUTING.md adds."""

import copy
import inspect
import math

import pandas as pd
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from datamodules import InputError
from tests import tiny
from zoo import METHODS
from zoo.cli import main

pytestmark = pytest.mark.usefixtures("example_method")
methods = pytest.mark.parametrize("name", [*METHODS.trained_translators(), "regression"])


class Loader:
    """Serves the batches that ``batches()`` names, asked anew each epoch."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches())

    def __len__(self):
        return len(self.batches())


def run_folder(folder, version: int = 0):
    return folder / "lightning_logs" / f"version_{version}"


def optimizers_of(configured) -> list[torch.optim.Optimizer]:
    """Of what ``configure_optimizers`` gives, in any of the forms that Lightning takes."""
    if isinstance(configured, torch.optim.Optimizer):
        return [configured]
    return configured[0] if isinstance(configured, tuple) else [configured["optimizer"]]


def test_every_method_has_a_config_and_a_tiny_form():
    for name, (_, arguments) in tiny.TINY.items():
        assert METHODS.by_class_name(tiny.config(name)["model"]["class_path"]) is METHODS[name]
        assert set(arguments) <= set(inspect.signature(METHODS[name]).parameters)


@methods
def test_its_config_trains_validates_tests_and_predicts(name, tmp_path):
    assert main(tiny.command(name, tmp_path)) == 0
    run = run_folder(tmp_path)
    scores = pd.read_csv(run / "scores_val.csv")
    assert len(scores) == scores["id"].nunique() > 0
    metrics = tiny.metrics(name)
    assert scores[metrics].notna().all().all()
    splits = pd.read_csv(run / "splits.csv")
    assert set(splits["id"][splits["split"] == "val"]) == set(scores["id"])
    losses = pd.read_csv(run / "metrics.csv").filter(like="loss/").dropna()
    assert len(losses) == 2
    assert len(list((run / "checkpoints").glob("epoch=*.ckpt"))) == 1, "the best checkpoint"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    checkpoint = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    for number, subcommand in enumerate(("validate", "test", "predict"), start=1):
        assert main([subcommand, *tiny.command(name, tmp_path)[1:], checkpoint]) == 0
        if subcommand == "test":
            assert {"id", "patient", "organ", "device", "label", "fold", "seed", *metrics} <= set(
                pd.read_csv(run_folder(tmp_path, number) / "scores_test.csv")
            )
    written = pd.read_csv(run_folder(tmp_path, 3) / "predictions" / "predictions.csv")
    assert len(written) == 12
    assert all((run_folder(tmp_path, 3) / "predictions" / file).is_file() for file in written["file"])


@methods
def test_two_and_two_epochs_equal_four(name, tmp_path):
    """Weights, optimizers, schedules and dropout continue as if never interrupted."""
    main(tiny.command(name, tmp_path / "whole", "--trainer.max_epochs=4"))
    main(tiny.command(name, tmp_path / "parts", "--trainer.max_epochs=2"))
    first = run_folder(tmp_path / "parts") / "checkpoints" / "last.ckpt"
    assert main(tiny.command(name, tmp_path / "parts", "--trainer.max_epochs=4", f"--ckpt_path={first}")) == 0
    whole = torch.load(run_folder(tmp_path / "whole") / "checkpoints" / "last.ckpt", weights_only=True)
    parts = torch.load(run_folder(tmp_path / "parts", 1) / "checkpoints" / "last.ckpt", weights_only=True)
    assert whole["epoch"] == parts["epoch"] == 3
    for key, weight in whole["state_dict"].items():
        assert torch.equal(weight, parts["state_dict"][key]), key
    rates = [[o["param_groups"][0]["lr"] for o in state["optimizer_states"]] for state in (whole, parts)]
    assert rates[0] == rates[1]
    assert torch.equal(whole["random_state"]["cpu"], parts["random_state"]["cpu"])


def test_the_last_checkpoint_is_of_the_last_epoch_also_when_it_was_not_the_best(tmp_path):
    """A rate of zero gives every epoch the same score, so only the first is the best."""
    main(tiny.command("sswe", tmp_path, "--trainer.max_epochs=3", "--model.lr=0.0", "--data.augmentation=null"))
    folder = run_folder(tmp_path) / "checkpoints"
    assert [path.name for path in folder.glob("epoch=*.ckpt")] == ["epoch=0-step=3.ckpt"]
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 2


@methods
def test_each_optimizer_changes_its_own_parameters_alone(name, tmp_path):
    model = tiny.method(name)
    optimizers = optimizers_of(model.configure_optimizers())
    groups = [{id(p) for group in o.param_groups for p in group["params"]} for o in optimizers]
    assert sum(len(group) for group in groups) == len(set().union(*groups)), "no parameter has two optimizers"
    assert set().union(*groups) == {id(p) for p in model.parameters() if p.requires_grad}
    changed: list[tuple[set[int], set[int]]] = []

    def watch(optimizer):
        own, step = {id(p) for group in optimizer.param_groups for p in group["params"]}, optimizer.step

        def watched(closure=None):
            before = {id(p): p.detach().clone() for p in model.parameters()}
            result = step(closure)
            changed.append((own, {id(p) for p in model.parameters() if not torch.equal(before[id(p)], p)}))
            return result

        optimizer.step = watched
        return optimizer

    original = model.configure_optimizers

    def watched_optimizers():
        configured = original()
        for optimizer in optimizers_of(configured):
            watch(optimizer)
        return configured

    model.configure_optimizers = watched_optimizers
    tiny.trainer(tmp_path, limit_train_batches=2).fit(model, tiny.data(tiny.task_of(name)))
    assert len(changed) == 2 * len(optimizers)
    for own, moved in changed:
        assert moved
        assert moved <= own


@methods
def test_a_checkpoint_gives_the_same_outputs(name, tmp_path):
    data, model = tiny.data(tiny.task_of(name)), tiny.method(name)
    fit = tiny.trainer(tmp_path, enable_checkpointing=True, callbacks=[ModelCheckpoint(tmp_path, save_last=True)])
    fit.fit(model, data)
    loaded = METHODS[name].load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True).eval()
    source = torch.rand(2, 1, 32, 32) * 2 - 1
    assert torch.equal(model.eval()(source), loaded(source))


@methods
@pytest.mark.parametrize("channels", [(1, 1), (1, 3), (3, 1), (3, 3)])
@pytest.mark.parametrize("size", [(32, 32), (37, 45)])
def test_any_channels_and_sizes(name, channels, size):
    model = tiny.method(name, *channels).eval()
    output = model(torch.rand(2, channels[0], *size) * 2 - 1)
    assert output.shape == (2, channels[1], *size)
    assert output.abs().max() <= 1


@methods
def test_evaluation_is_deterministic(name, tmp_path):
    data, model = tiny.data(tiny.task_of(name)), tiny.method(name)
    tables = []
    for run in ("a", "b"):
        callback = tiny.evaluation(data.task, tmp_path / run)
        tiny.trainer(tmp_path, callbacks=[callback]).test(model, data, verbose=False)
        tables.append((tmp_path / run / "scores_test.csv").read_text())
    assert tables[0] == tables[1]


@methods
def test_one_batch_overfits(name, tmp_path):
    """Thirty steps on two images halve the error on those images; or, where the config says so, the loss on them."""
    data = tiny.data(tiny.task_of(name), fractions=(0.5, 0.2, 0.3))
    torch.manual_seed(0)
    model = tiny.method(name, **tiny.eager(name), gradient_clip_val=0.1)
    data.derive(model.derived(tiny.loaded(data)))
    batch = next(iter(data.train_dataloader()))
    data.train_dataloader = lambda: Loader(lambda: 30 * [batch])

    def error() -> float:
        with torch.no_grad():
            if tiny.follows(name) == "loss":
                return math.fsum(float(model.eval().losses(batch)["total"]) for _ in range(20)) / 20
            difference = (model.eval()(batch["source"]) - batch["target"]).abs() * batch["valid"]
        return float(difference.sum() / batch["valid"].sum())

    before = error()
    tiny.trainer(tmp_path).fit(model.train(), data)  # Lightning keeps the mode that it finds
    assert error() < 0.5 * before


@methods
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(name, tmp_path):
    data, model = tiny.data(tiny.task_of(name)), tiny.method(name)
    data.derive(model.derived(tiny.loaded(data)))
    good = list(data.train_dataloader())
    bad = copy.deepcopy(good)
    bad[1]["source"][:] = math.nan
    data.train_dataloader = lambda: Loader(lambda: bad if model.current_epoch else good)
    keep = ModelCheckpoint(tmp_path, save_last=True, save_on_train_epoch_end=True)
    with pytest.raises(InputError, match=rf"step \d+: .* {bad[1]['id'][0]}"):
        tiny.trainer(tmp_path, max_epochs=3, enable_checkpointing=True, callbacks=[keep]).fit(model, data)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["epoch"] == 0
    assert all(weight.isfinite().all() for weight in state["state_dict"].values())


@methods
def test_gradients_are_clipped_in_its_kind_of_optimisation(name, tmp_path):
    model = tiny.method(name, gradient_clip_val=1e-3)
    norms = []
    clip = model.on_before_optimizer_step

    def watched(optimizer):
        clip(optimizer)
        for group in optimizer.param_groups:
            gradients = [weight.grad.flatten() for weight in group["params"] if weight.grad is not None]
            norms.append(float(torch.cat(gradients).norm()))

    model.on_before_optimizer_step = watched
    tiny.trainer(tmp_path, limit_train_batches=2).fit(model, tiny.data(tiny.task_of(name)))
    assert len(norms) >= 2
    assert max(norms) <= 1.001e-3


@methods
def test_mixed_precision_channels_last_and_compile_by_flags(name, tmp_path):
    arguments = ["--trainer.precision=bf16-mixed", "--model.channels_last=true", "--trainer.max_epochs=1"]
    assert main(tiny.command(name, tmp_path, *arguments)) == 0
    assert pd.read_csv(run_folder(tmp_path) / "scores_val.csv")[tiny.metrics(name)].notna().all().all()
    model = tiny.method(name, channels_last=True, compile=True)
    model.setup("fit")
    assert all(network._compiled_call_impl is not None for network in model.children())
    kernels = [weight for weight in model.parameters() if weight.ndim == 4]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
