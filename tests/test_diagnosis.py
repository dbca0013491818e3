"""Two-stream diagnosis: its network, its second stream, its splits, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import f1_score, roc_auc_score

from datamodules import BUSI, InputError
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main
from zoo.method import pseudonym
from zoo.methods.diagnosis import Diagnosis
from zoo.metrics import CLASSIFICATION
from zoo.translations import TranslationSource, load_translator

SMALL = tiny.shrunk("diagnosis") | {"preset": "stable", "decay_epochs": 2}


def classifier(**kwargs) -> Diagnosis:
    return Diagnosis(**(SMALL | {"in_channels": 1, "out_channels": 3, "second": "source"} | kwargs))


def data(**kwargs):
    return tiny.data("elastography", **({"patients": 24, "batch_size": 4} | kwargs))


@pytest.fixture(scope="module")
def translators(tmp_path_factory) -> dict:
    """``last.ckpt`` of HSC-T by fold, and of methods that do not fit."""
    folder = tmp_path_factory.mktemp("translators")
    paths = {}
    for name, model, fold_data in (
        (0, tiny.method("hsct"), data(fold=0)),
        (1, tiny.method("hsct"), data(fold=1)),
        ("grey", tiny.method("pix2pix", 1, 1), tiny.data("enhancement", patients=24)),
        ("classifier", classifier(), data()),
    ):
        trainer = tiny.trainer(folder, limit_train_batches=1)
        trainer.fit(model, fold_data)
        paths[name] = str(folder / f"{name}.ckpt")
        trainer.save_checkpoint(paths[name])
    return paths


def test_it_is_trained_as_the_translator_is_printed_and_by_a_rate_that_is_named():
    for arguments, rate, momentum, clipping in (
        ({"preset": "paper"}, 1e-3, 0.95, None),
        ({"preset": "stable"}, 1e-4, 0.9, 1.0),
        ({"preset": "stable", "lr": 5e-4, "gradient_clip_val": 2.0}, 5e-4, 0.9, 2.0),
    ):
        model = classifier(**arguments)
        ((optimizer,), _) = model.configure_optimizers()
        (group,) = optimizer.param_groups
        assert (group["lr"], group["momentum"], model.gradient_clip_val) == (rate, momentum, clipping)


def test_two_resnets_of_their_own_have_the_stated_size():
    model = Diagnosis(second="source")
    assert sum(weight.numel() for weight in model.parameters()) == 42_832_258
    one, other = model.streams
    assert sum(weight.numel() for weight in one.parameters()) == 21_284_672
    assert not {id(weight) for weight in one.parameters()} & {id(weight) for weight in other.parameters()}


def test_each_stream_sees_its_own_image_at_its_own_size():
    model = classifier(size=48).eval()
    seen = []
    for stream in model.streams:
        stream.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    grey, colour = torch.full((2, 1, 64, 64), -1.0), torch.full((2, 3, 64, 64), 1.0)
    assert model(grey, colour).shape == (2, 2)
    assert [tuple(image.shape) for image in seen] == [(2, 3, 48, 48)] * 2
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0][0, :, 5, 5], -mean / std, atol=1e-5)
    assert torch.allclose(seen[1][0, :, 5, 5], (1 - mean) / std, atol=1e-5)


@pytest.mark.parametrize("second", ["source", "target"])
def test_the_controls_show_b_mode_twice_or_the_real_elastogram(second):
    model = classifier(second=second).eval()
    batch = {"source": torch.rand(2, 1, 32, 32), "target": torch.rand(2, 3, 32, 32)}
    assert torch.equal(model.infer(batch)["logits"], model(batch["source"], batch[second]))


def test_the_translator_is_frozen_and_its_images_are_computed_once(translators, tmp_path, monkeypatch):
    model, own = classifier(second="translation", translator=translators[0]), data(cache_dir=tmp_path / "cache")
    calls = []
    read = TranslationSource.read
    monkeypatch.setattr(TranslationSource, "read", lambda self, index: calls.append(index) or read(self, index))
    tiny.trainer(tmp_path, max_epochs=2).fit(model, own)
    assert sorted(calls) == list(range(24)), "every image once, whatever the number of epochs"
    tiny.trainer(tmp_path).test(model, own, verbose=False)
    assert len(calls) == 24
    translator = load_translator(translators[0], 1, 3).eval()
    sample = own.dataset("test")[0]
    assert sample["translation"].shape == (3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(sample["translation"], translator(sample["source"][None])[0], atol=1e-4)
    before = torch.load(translators[0], weights_only=True)["state_dict"]
    assert all(torch.equal(weight, before[name]) for name, weight in translator.state_dict().items())
    assert not [name for name, _ in model.named_parameters() if "encoder" in name], "it is no part of the classifier"


def test_no_test_patient_reached_the_training_of_either(translators, tmp_path):
    """Of translator and classifier: same folds, disjoint from the test patients."""
    for fold in (0, 1):
        model, own = classifier(second="translation", translator=translators[fold]), data(fold=fold)
        trainer = tiny.trainer(tmp_path)
        trainer.fit(model, own)
        trainer.save_checkpoint(tmp_path / "classifier.ckpt")
        splits = own.splits()
        tested, trained = (
            {pseudonym(name) for name in splits["patient"][splits["split"] == split]} for split in ("test", "train")
        )
        trained_on = [
            set(torch.load(path, weights_only=True)["patients"]["train"])
            for path in (translators[fold], tmp_path / "classifier.ckpt")
        ]
        assert tested
        assert trained_on[0] == trained_on[1] == trained
        assert not tested & trained_on[0]
        seen = {pseudonym(name) for batch in own.train_dataloader() for name in batch["patient"]}
        assert seen <= trained_on[0]


def test_a_translator_of_another_fold_is_refused_before_training(translators, tmp_path):
    model = classifier(second="translation", translator=translators[1])
    with pytest.raises(InputError, match=r"1\.ckpt: was trained on \d+ of the patients to be tested on .* same fold"):
        tiny.trainer(tmp_path).fit(model, data(fold=0))


def test_patients_of_another_scanner_may_be_tested_on_by_any_fold(translators, tmp_path):
    other = data(phantom_seed=5, scanner="scanner B", fold=1)
    model = classifier(second="translation", translator=translators[0])
    tiny.trainer(tmp_path, callbacks=[tiny.evaluation(other.task, tmp_path)]).test(model, other, verbose=False)
    scores = pd.read_csv(tmp_path / "scores_test.csv")
    assert set(scores["device"]) == {"scanner B"}
    assert scores["probability"].between(0, 1).all()


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        (
            "classifier",
            (1, 3),
            "a checkpoint of Diagnosis, which does not translate; use one of AttGAN, CUT, CycleGAN, ",
        ),
        ("grey", (1, 3), "translates 1 to 1 channels, and this data has 1 and 3"),
        (0, (3, 3), "translates 1 to 3 channels, and this data has 3 and 3"),
    ],
)
def test_a_translator_that_does_not_fit(translators, name, channels, message):
    with pytest.raises(InputError, match=message):
        load_translator(translators[name], *channels)


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "noise.ckpt").write_bytes(b"no checkpoint")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    for name, message in (
        ("none", "no such checkpoint"),
        ("noise", "not a checkpoint; it is damaged"),
        ("other", "not a checkpoint of this project"),
    ):
        with pytest.raises(InputError, match=message):
            load_translator(tmp_path / f"{name}.ckpt", 1, 3)


def test_a_checkpoint_of_another_method_or_fold_is_not_tested(translators, tmp_path, capsys):
    command = ["test", *tiny.command("pix2pix", tmp_path, "--data.patients=24")[1:]]
    assert main([*command, f"--ckpt_path={translators[0]}"]) == 2
    assert "the checkpoint is one of HSCT, not of Pix2Pix" in capsys.readouterr().err
    command = ["test", *tiny.command("hsct", tmp_path, "--data.patients=24")[1:]]
    assert main([*command, f"--ckpt_path={translators[0]}", "--data.fold=1"]) == 2
    assert "the checkpoint: was trained on" in capsys.readouterr().err
    assert main([*command, f"--ckpt_path={translators[0]}"]) == 0


def test_translation_needs_a_translator():
    with pytest.raises(InputError, match="translator: name the checkpoint of a trained translator"):
        classifier(second="translation")


def busi(folder, labels=("benign", "malignant", "normal"), each: int = 6, **kwargs) -> BUSI:
    rng = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(1, each + 1):
            pixels = rng.integers(0, 255, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label} ({number}).png")
    return BUSI(folder, size=(32, 32), batch_size=2, drop_last=True, num_workers=0, **kwargs)


def test_images_without_targets_can_be_diagnosed(translators, tmp_path):
    from datamodules.batch import RGB

    own = busi(tmp_path / "busi", classes=("benign", "malignant"), target=RGB)
    callback = tiny.evaluation(own.task, tmp_path)
    for second, translator in (("source", None), ("translation", translators[0])):
        trainer = tiny.trainer(tmp_path, callbacks=[callback])
        model = classifier(second=second, translator=translator)
        trainer.fit(model, own)
        trainer.test(model, own, verbose=False)
        assert set(pd.read_csv(tmp_path / "scores_test.csv")["label"]) == {0, 1}
    with pytest.raises(InputError, match="this data has no targets"):
        tiny.trainer(tmp_path).fit(classifier(second="target"), own)


def test_missing_and_foreign_classes_are_refused(tmp_path):
    own = busi(tmp_path / "busi")
    with pytest.raises(InputError, match=r"image 'normal \(1\)': label 'normal' is none of benign, malignant"):
        tiny.trainer(tmp_path).fit(classifier(), own)
    with pytest.raises(InputError, match="label '' is none of benign, malignant; diagnosis needs one for every"):
        tiny.trainer(tmp_path).fit(classifier(out_channels=1), tiny.data("test_object"))


def test_a_fold_without_one_class_is_refused(tmp_path):
    own = busi(tmp_path / "busi", labels=("benign", "malignant"), each=12, classes=("benign", "malignant"))
    for path in list((tmp_path / "busi" / "malignant").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"split '(train|test)' has no malignant image; choose another fold"):
        tiny.trainer(tmp_path).fit(classifier(), own)


def test_its_config_trains_tests_and_predicts(translators, tmp_path):
    config = ROOT / "configs" / "diagnosis.yaml"
    command = [
        f"--config={config}",
        f"--model.translator={translators[0]}",
        *(f"--model.{key}={value}" for key, value in SMALL.items()),
        "--data.patients=24",
        "--data.size=[32,32]",
        "--data.batch_size=4",
        "--data.num_workers=0",
        "--trainer.max_epochs=2",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        f"--trainer.logger.save_dir={tmp_path}",
    ]
    assert main(["fit", *command]) == 0
    run = tmp_path / "lightning_logs" / "version_0"
    scores = pd.read_csv(run / "scores_val.csv")
    assert {"id", "patient", "label", "fold", "seed", "probability"} <= set(scores)
    logged = pd.read_csv(run / "metrics.csv").dropna(subset=["val/accuracy"]).iloc[-1]
    label, probability = scores["label"], scores["probability"]
    assert logged["val/accuracy"] == pytest.approx(((probability >= 0.5) == label).mean())
    assert logged["val/AUC"] == pytest.approx(roc_auc_score(label, probability))
    assert logged["val/F1"] == pytest.approx(f1_score(label, probability >= 0.5))
    last = run / "checkpoints" / "last.ckpt"
    assert main(["test", *command, f"--ckpt_path={last}"]) == 0
    assert main(["predict", *command, f"--ckpt_path={last}"]) == 0
    predicted = pd.read_csv(tmp_path / "lightning_logs" / "version_2" / "predictions" / "predictions.csv")
    assert predicted.columns.tolist() == ["id", "probability"]
    assert len(predicted) == 24
    content = yaml.safe_load(config.read_text())
    assert content["trainer"]["max_epochs"] == content["model"]["init_args"]["decay_epochs"]


def test_a_classifier_learns_what_can_be_seen(tmp_path):
    """Bright is malignant."""
    torch.manual_seed(0)
    model = classifier(lr=1e-3)
    (optimizer,), _ = model.configure_optimizers()
    label = torch.arange(16) % 2
    source = torch.rand(16, 1, 32, 32) - 1 + label.view(-1, 1, 1, 1)
    for _ in range(30):
        loss = model.losses({"source": source, "label": label})["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model.infer({"source": source})["logits"].argmax(1) == label).all()


def test_scores_of_one_class_and_of_ties():
    label, sure = np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.8, 0.2])
    assert {name: metric.score(label, sure) for name, metric in CLASSIFICATION.items()} == {
        "accuracy": 1,
        "F1": 1,
        "AUC": 1,
    }
    assert CLASSIFICATION["AUC"].score(label, np.full(4, 0.5)) == 0.5
    assert CLASSIFICATION["accuracy"].score(label, np.full(4, 0.5)) == 0.5, "one half counts as malignant"
    assert np.isnan(CLASSIFICATION["AUC"].score(np.zeros(3, int), np.array([0.1, 0.2, 0.3])))
    assert CLASSIFICATION["F1"].score(np.array([1, 1]), np.array([0.1, 0.2])) == 0.0
