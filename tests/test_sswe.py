"""What sSWE can do beyond the papers: say where it may be trusted, and follow a scanner's features."""

import math

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from datamodules import InputError, PhantomDataModule
from datamodules.batch import Signal
from datamodules.elasticity import converted
from tests import tiny
from zoo.losses.regression import cross_entropy
from zoo.methods.sswe import SSWE
from zoo.networks.feature_shift import ChannelStatistics, FeatureShift
from zoo.pictures import paint, panel
from zoo.predictions import PredictionWriter

SIZE = (32, 32)


def data(task: str = "swe", **kwargs) -> PhantomDataModule:
    return PhantomDataModule(task, **({"patients": 20, "size": SIZE, "batch_size": 4} | kwargs))


def test_cross_entropy_is_the_textbooks():
    probability, wanted = torch.tensor([[0.8, 0.4]]), torch.tensor([[True, False]])
    assert float(cross_entropy(probability, wanted)) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert float(cross_entropy(wanted.float(), wanted)) == pytest.approx(0, abs=1e-5)


def test_off_by_default_and_the_printed_counts_stay():
    assert sum(p.numel() for p in SSWE().parameters()) == 102_273
    assert sum(p.numel() for p in SSWE(confidence=0.1).parameters()) == 102_273 + 32 * 9 + 1
    assert not any("adapt" in name for name in SSWE().state_dict())


def test_the_confidence_head_learns_where_elasticity_may_be_trusted(tmp_path):
    module = data(patients=60)
    model = SSWE(width=8, dropout=0.0, confidence=1.0, lr=1e-2, gradient_clip_val=0.1)
    evaluation = tiny.evaluation(module.task, tmp_path)
    runner = tiny.trainer(tmp_path, max_epochs=20, callbacks=[evaluation])
    runner.fit(model, module)
    (means,) = runner.test(model, module, verbose=False)
    assert means["test/AUC_confidence"] > 0.75
    scores = pd.read_csv(tmp_path / "scores_test.csv")
    assert scores["AUC_confidence"].dropna().between(0, 1).all()
    assert (scores["pixels"] <= 32 * 32).all()
    batch = next(iter(module.test_dataloader()))
    output = model.eval().infer(batch)
    assert output["confidence"].shape == (len(batch["id"]), 1, *SIZE)
    assert torch.equal(output["translation"], model(batch["source"]))
    assert 0 <= float(output["confidence"].min()) <= float(output["confidence"].max()) <= 1
    assert set(SSWE(width=4).infer(batch)) == {"translation"}


def test_the_confidence_is_written_beside_the_prediction(tmp_path):
    module, model = data(patients=12), SSWE(width=4, confidence=0.1)
    writer = PredictionWriter(module.task, out_dir=tmp_path / "out")
    tiny.trainer(tmp_path, callbacks=[writer]).predict(model, module, return_predictions=False)
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    for row in written.itertuples():
        assert (tmp_path / "out" / row.file).is_file()
        assert (tmp_path / "out" / row.confidence).is_file()


def test_the_confidence_loss_stands_beside_eq_1():
    module, model = data(), SSWE(width=4, confidence=0.5).eval()
    losses = model.losses(next(iter(module.train_dataloader())))
    assert float(losses["total"]) == pytest.approx(float(losses["rmse"] + 0.5 * losses["confidence"]), rel=1e-5)


def test_statistics_are_those_of_all_pixels():
    features = torch.randn(10, 3, 4, 4) * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1) + 5
    found = ChannelStatistics()
    for part in features.split(3):
        found.add(part)
    mean, std = found.compute()
    assert torch.allclose(mean, features.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(std, features.std((0, 2, 3), correction=0), atol=1e-4)


def test_a_shift_gives_features_the_statistics_of_training():
    shift = FeatureShift(3)
    features = torch.randn(8, 3, 6, 6)
    assert torch.equal(shift(features), features), "nothing is shifted before both are known"
    shift.remember(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.0, 2.0]))
    assert torch.allclose(shift(features), features, atol=1e-5), "the training scanner stays as it is"
    found = ChannelStatistics()
    found.add(features)
    shift.shift_from(*found.compute())
    moved = shift(features)
    assert torch.allclose(moved.mean((0, 2, 3)), torch.tensor([1.0, 2.0, 3.0]), atol=1e-4)
    assert torch.allclose(moved.std((0, 2, 3), correction=0), torch.tensor([0.5, 1.0, 2.0]), atol=1e-3)


def test_alignment_leaves_the_training_scanner_alone_and_brings_another_to_it(tmp_path):
    own, other = data(), data(scanner="scanner B")
    pl.seed_everything(3, verbose=False)
    model = SSWE(width=8, align=True, lr=1e-5)
    for weight in model.network.parameters():
        weight.data *= 8  # as if it had learnt to tell images apart
    runner = tiny.trainer(tmp_path, max_epochs=1)
    runner.fit(model, own)
    adapt = model.network.adapt
    runner.test(model, own, verbose=False)
    assert torch.allclose(adapt.mean, adapt.mean0, atol=1e-5)
    runner.test(model, other, verbose=False)
    assert ((adapt.mean - adapt.mean0).abs() > 0.05 * adapt.std0).any(), "scanners differ"
    found = ChannelStatistics()
    model.eval()
    with torch.no_grad():
        for source in other.sources("train", 512):
            found.add(model.latent(source[None]))
    mean, std = found.compute()
    assert ((mean - adapt.mean0.flatten()).abs() < 0.02 * adapt.std0.flatten()).all()
    assert torch.allclose(std, adapt.std0.flatten(), rtol=0.05)


def test_every_checkpoint_holds_the_statistics_of_its_own_weights(tmp_path):
    module = data(fractions=(0.5, 0.2, 0.3))
    model = SSWE(width=4, align=True, lr=1e-2, gradient_clip_val=0.1)
    best = ModelCheckpoint(tmp_path, monitor="val/MAE", save_top_k=-1, filename="{epoch}")
    callbacks = [tiny.evaluation(module.task, tmp_path), best]
    tiny.trainer(tmp_path, max_epochs=2, callbacks=callbacks, enable_checkpointing=True, limit_val_batches=1.0).fit(
        model, module
    )
    for path in sorted(tmp_path.glob("epoch*.ckpt")):
        saved = torch.load(path, weights_only=False)["state_dict"]
        again = SSWE(width=4, align=True).eval()
        again.load_state_dict(saved)
        found = ChannelStatistics()
        with torch.no_grad():
            for source in module.sources("train", 512):
                found.add(again.encode(source[None]))
        assert torch.allclose(found.compute()[0], again.network.adapt.mean0.flatten(), atol=1e-5)
    assert len(list(tmp_path.glob("epoch*.ckpt"))) == 2


def test_the_training_statistics_are_in_the_checkpoint_and_the_present_ones_are_not(tmp_path):
    model = SSWE(width=4, align=True)
    model.network.adapt.remember(torch.arange(4.0), torch.arange(1.0, 5.0))
    names = {name for name in model.state_dict() if "adapt" in name}
    assert names == {"network.adapt.mean0", "network.adapt.std0"}


def test_sources_are_those_of_the_split_evenly():
    module = data()
    rows = module.splits()
    every = list(module.sources("train", 100))
    assert len(every) == (rows["split"] == "train").sum()
    some = list(module.sources("train", 3))
    assert len(some) == 3
    assert np.array_equal(some[0], every[0])
    assert np.array_equal(some[-1], every[-1])


def test_a_network_trained_on_modulus_is_scored_in_speed_on_data_of_speed(tmp_path):
    """c = sqrt(E / (3 rho)): 100 kPa, the end of the prostate's scale, is 5.77 m/s of the thyroid's 10."""
    few = {"patients": 2, "fractions": (0.5, 0.0, 0.5)}  # a patient of prostate has a dozen planes
    prostate, thyroid = data("prostate", **few), data("thyroid", **few)

    class Stiffest(SSWE):
        def infer(self, batch):
            return {"translation": torch.ones_like(batch["target"])}

    model = Stiffest(width=4)
    tiny.trainer(tmp_path, max_epochs=1).fit(model, prostate)
    evaluation = tiny.evaluation(thyroid.task, tmp_path)
    runner = tiny.trainer(tmp_path, callbacks=[evaluation])
    runner.test(model, thyroid, verbose=False)
    scores = pd.read_csv(tmp_path / "scores_test.csv")
    batch = next(iter(thyroid.test_dataloader()))
    speed = thyroid.task.target.to_physical(batch["target"][0])[batch["valid"][0]]
    assert scores["ME"][0] == pytest.approx(float(speed.mean()) - 5.7735, abs=1e-3)
    runner.save_checkpoint(tmp_path / "model.ckpt")
    again = Stiffest(width=4)
    runner = tiny.trainer(tmp_path, callbacks=[tiny.evaluation(thyroid.task, tmp_path / "again")])
    runner.test(again, thyroid, ckpt_path=tmp_path / "model.ckpt", verbose=False, weights_only=True)
    assert pd.read_csv(tmp_path / "again" / "scores_test.csv")["ME"][0] == pytest.approx(scores["ME"][0], abs=1e-5)


def test_scales_are_converted_and_other_quantities_refused():
    kpa, wide, speed = Signal(1, 0, 100, "kPa"), Signal(1, 0, 200, "kPa"), Signal(1, 0, 10, "m/s")
    image = torch.tensor([[-1.0, 0.0, 1.0]])
    assert converted(image, kpa, wide).tolist() == [[-1.0, -0.5, 0.0]]
    assert torch.allclose(converted(converted(image, kpa, speed), speed, kpa), image, atol=1e-5)
    with pytest.raises(InputError, match="was trained to give kPa and the data has dB"):
        converted(image, kpa, Signal(1, 0, 1, "dB"))


def test_the_error_of_a_physical_target_is_a_part_of_its_value():
    task = PhantomDataModule("prostate").task
    image = torch.full((1, 4, 4), 0.0)  # 50 kPa
    picture = panel(task, image, image, image + 0.5)  # 75 kPa: half as much again
    none, half = (paint(torch.full((1, 4, 4), value), task.target) for value in (-1.0, 0.0))
    assert np.array_equal(picture[:, 12:], half)
    assert np.array_equal(panel(task, image, image, image)[:, 12:], none)
