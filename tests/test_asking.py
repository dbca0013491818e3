"""What data and methods may ask of each other, and what happens where there is nobody to ask."""

import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules import InputError, PairedFolderDataModule
from datamodules.batch import ImageConsumer, TranslationData
from tests import tiny
from zoo.methods.diagnosis import Diagnosis
from zoo.methods.fda import FDA
from zoo.methods.sswe import SSWE
from zoo.predictions import PredictionWriter


def loaders() -> list[DataLoader]:
    """The loaders of a data module that the trainer does not get to see."""
    data = tiny.data("swe")
    data.prepare_data()
    return [data.train_dataloader(), data.test_dataloader()]


def test_data_modules_and_methods_answer_each_other(tmp_path):
    assert isinstance(tiny.data("swe"), TranslationData)
    assert isinstance(PairedFolderDataModule(tmp_path), TranslationData)
    methods = (SSWE(width=4), FDA(), Diagnosis(second="source", backbone="test_resnet"))
    assert all(isinstance(method, ImageConsumer) for method in methods)
    assert not isinstance(torch.nn.Identity(), ImageConsumer)


def test_loaders_given_by_hand_need_no_data_module(tmp_path):
    train, test = loaders()
    model = SSWE(width=4)
    evaluation = tiny.evaluation(tiny.data("swe").task, tmp_path)
    trainer = tiny.trainer(tmp_path, callbacks=[evaluation])
    trainer.fit(model, train)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    assert not {"patients", "target"} & set(torch.load(tmp_path / "model.ckpt", weights_only=True))
    trainer.test(model, test, verbose=False)
    scores = pd.read_csv(tmp_path / "scores_test.csv")
    assert scores["MAE"].notna().all()
    assert scores[["fold", "seed"]].isna().all().all()
    assert not (tmp_path / "splits.csv").exists()


def test_what_has_to_ask_says_so(tmp_path):
    _, test = loaders()
    for model in (FDA(), SSWE(width=4, align=True)):
        with pytest.raises(InputError, match=f"{type(model).__name__}: asks its data module, and there is none"):
            tiny.trainer(tmp_path).test(model, test, verbose=False)
    writer = PredictionWriter(tiny.data("swe").task, size="input", out_dir=tmp_path / "out")
    with pytest.raises(InputError, match=r"predictions\.size 'input': needs a data module"):
        tiny.trainer(tmp_path, callbacks=[writer]).predict(SSWE(width=4), test)


def test_a_method_has_a_latent_space_or_says_that_it_has_none():
    source = torch.rand(2, 1, 32, 32)
    assert SSWE(width=4).latent(source).shape == (2, 4, 8, 8)
    with pytest.raises(InputError, match="FDA has no latent space to look at; leave out 'latent'"):
        FDA().latent(source)
