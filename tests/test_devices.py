"""Images by device, unpaired: who is a source, who a target, and every fault that is named."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from datamodules import DeviceFolders, InputError
from datamodules.transforms import Augmentation
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main

LEVELS = {"alpha": 20, "beta": 60, "gamma": 100, "reference": 200}  # grey level of a device's images
COUNTS = {"alpha": 12, "beta": 11, "gamma": 10, "reference": 20}


@pytest.fixture
def folder(tmp_path):
    for device, count in COUNTS.items():
        for n in range(count):
            path = tmp_path / "scans" / device / f"p{n // 2}_{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), LEVELS[device] + n, np.uint8)).save(path)
    return tmp_path / "scans"


def module(root, **kwargs) -> DeviceFolders:
    settings = {"target_device": "reference", "size": (32, 32), "batch_size": 4, "num_workers": 0}
    return DeviceFolders(root, **(settings | kwargs))


def grey(image: torch.Tensor) -> int:
    return round(float((image.mean() + 1) * 127.5))


def test_sources_are_all_other_devices_and_targets_the_one(folder):
    data = module(folder)
    data.prepare_data()
    seen = []
    for batch in data.train_dataloader():
        for device, source, target in zip(batch["device"], batch["source"], batch["target"], strict=True):
            seen.append(device)
            assert LEVELS[device] <= grey(source) < LEVELS[device] + 20
            assert LEVELS["reference"] <= grey(target) < LEVELS["reference"] + 20
    assert set(seen) == {"alpha", "beta", "gamma"}
    assert not data.task.paired
    assert not data.pairs
    assert len(next(iter(data.predict_dataloader()))["id"]) == 4


def test_one_device_may_be_the_only_source(folder):
    data = module(folder, source_devices=["beta"])
    data.prepare_data()
    assert {device for batch in data.train_dataloader() for device in batch["device"]} == {"beta"}
    assert sum(len(batch["id"]) for batch in data.predict_dataloader()) == COUNTS["beta"]


def test_targets_are_drawn_anew_in_training_in_turn_elsewhere_and_never_from_another_split(folder):
    data = module(folder)
    splits = data.splits().set_index("id")
    level = {name: LEVELS["reference"] + int(name.rpartition("_")[2]) for name in splits.index if "reference" in name}
    for split in ("train", "val", "test"):
        allowed = {level[name] for name in level if splits["split"][name] == split}
        dataset = data.dataset(split)
        drawn = [[grey(dataset[index, seed]["target"]) for index in range(len(dataset))] for seed in (1, 2)]
        assert set(drawn[0]) | set(drawn[1]) <= allowed
        assert (drawn[0] == drawn[1]) == (split != "train")
        assert [grey(target) for target in data.targets(split, 100)] == sorted(allowed)
    assert len(list(data.targets("train", 3))) == 3


def test_every_split_has_every_device_and_a_patient_is_on_one_side(folder):
    splits = module(folder, patient_separator="_").splits()
    assert (splits.groupby("patient")["split"].nunique() == 1).all()
    by_image = module(folder).splits()
    assert by_image.groupby("split")["device"].nunique().to_dict() == {"train": 4, "val": 4, "test": 4}


def test_a_manifest_names_devices_and_masks(folder):
    paths = sorted(folder.glob("*/*.png"))
    rows = pd.DataFrame({"source": [f"{path.parent.name}/{path.name}" for path in paths]})
    rows["id"] = rows["patient"] = rows["source"]
    rows["device"] = [path.parent.name for path in paths]
    rows.to_csv(folder / "scans.csv", index=False)
    data = module(folder / "scans.csv", source_devices=["gamma"])
    data.prepare_data()
    assert set(data.rows["device"]) == {"gamma", "reference"}


def test_masks_stand_in_a_devices_own_folder(folder):
    (folder / "alpha" / "lesion").mkdir()
    mask = np.zeros((40, 40), np.uint8)
    mask[:20] = 255
    Image.fromarray(mask).save(folder / "alpha" / "lesion" / "p0_0.png")
    data = module(folder)
    data.prepare_data()
    samples = [data.dataset("all")[index] for index in range(33)]
    lesions = {sample["id"]: float(sample["lesion"].float().mean()) for sample in samples}
    assert lesions["alpha/p0_0"] == 0.5
    assert sum(lesions.values()) == 0.5


@pytest.fixture
def lesions(folder):
    """Every image has a bright lesion: of sources at the bottom right, of targets at the top left, each as long as
    its number says."""
    for path in sorted(folder.glob("*/*.png")):
        n, of_target = int(path.stem.rpartition("_")[2]), path.parent.name == "reference"
        mask = np.zeros((32, 32), np.uint8)
        mask[slice(1, 5) if of_target else slice(25, 29), : n + 1] = 255
        mask = mask if of_target else mask[:, ::-1]
        (path.parent / "lesion").mkdir(exist_ok=True)
        Image.fromarray(mask).save(path.parent / "lesion" / path.name)
        Image.fromarray(np.maximum(mask, 10)).save(path)
    return folder


def bright(image: torch.Tensor) -> torch.Tensor:
    return image > 0


def test_a_targets_lesion_is_of_the_targets_own_row(lesions):
    data = module(lesions)
    splits = data.splits()
    allowed = {4 * (int(name.rpartition("_")[2]) + 1) for name in splits["id"][
        (splits["split"] == "test") & (splits["device"] == "reference")]}  # fmt: skip
    seen = set()
    for batch in data.test_dataloader():
        assert batch["target_lesion"].dtype == torch.bool
        assert batch["target_lesion"].shape == batch["target"].shape
        assert torch.equal(batch["target_lesion"], bright(batch["target"]))
        assert torch.equal(batch["lesion"], bright(batch["source"]))
        assert not batch["target_lesion"][..., 16:, :].any(), "a source's lesion is there"
        seen |= set(batch["target_lesion"].sum((1, 2, 3)).tolist())
    assert seen == allowed


@pytest.mark.parametrize("flip", ["horizontal_flip", "vertical_flip"])
def test_training_moves_a_targets_lesion_as_the_target(lesions, flip):
    plain, flipped = module(lesions), module(lesions, augmentation=Augmentation(**{flip: 1.0}))
    axis = {"horizontal_flip": -1, "vertical_flip": -2}[flip]
    for batch, moved in zip(plain.train_dataloader(), flipped.train_dataloader(), strict=True):
        assert batch["id"] == moved["id"]
        assert torch.equal(moved["target_lesion"], bright(moved["target"]))
        assert torch.equal(moved["target_lesion"], batch["target_lesion"].flip(axis))
        assert torch.equal(moved["lesion"], batch["lesion"].flip(axis))
        assert not torch.equal(moved["target_lesion"], batch["target_lesion"])


def test_faults_name_the_device(folder):
    for path in list((folder / "beta").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match="device 'beta' has 1 image; a device needs at least 2"):
        module(folder).prepare_data()
    assert module(folder, source_devices=["alpha"]).splits()["device"].nunique() == 2
    with pytest.raises(InputError, match="device 'delta' has no images; it has alpha, beta, gamma, reference"):
        module(folder, target_device="delta").prepare_data()
    with pytest.raises(InputError, match="the target device 'reference' needs other devices as sources"):
        module(folder, source_devices=["reference"]).prepare_data()
    with pytest.raises(InputError, match="no such folder; name one with a folder a device"):
        module(folder / "nowhere").prepare_data()
    with pytest.raises(InputError, match="holds no folders with images"):
        module(folder / "alpha").prepare_data()


def test_a_split_without_one_side_is_refused(folder):
    for path in sorted((folder / "reference").iterdir())[2:]:
        path.unlink()
    data = module(folder, fractions=(0.4, 0.3, 0.3))
    assert data.splits()["device"].nunique() == 4
    with pytest.raises(
        InputError, match="split 'train' has no image of a target device; add some, or change the split"
    ):
        data.dataset("train")


def test_the_harmonizer_trains_and_predicts_on_devices(folder, tmp_path):
    arguments = tiny.command("harmonizer", tmp_path / "out", "--trainer.max_epochs=1")
    arguments = [argument for argument in arguments if "patients" not in argument]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'data' / 'devices.yaml'}")
    arguments += [f"--data.root={folder}", "--data.target_device=reference"]
    assert main(arguments) == 0
    run = tmp_path / "out" / "lightning_logs" / "version_0"
    assert set(pd.read_csv(run / "scores_val.csv")["device"]) == {"alpha", "beta", "gamma"}
    assert main(["predict", *arguments[1:], f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"]) == 0
    written = pd.read_csv(tmp_path / "out" / "lightning_logs" / "version_1" / "predictions" / "predictions.csv")
    assert len(written) == 33


@pytest.fixture
def pairs(tmp_path):
    for n in range(3):
        for side, level in (("source", 30), ("target", 210)):
            path = tmp_path / "phantom" / side / f"view{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), level + n, np.uint8)).save(path)
    return tmp_path / "phantom"


def test_pairs_take_the_place_of_the_test_part(folder, pairs):
    data = module(folder, pairs=pairs)
    data.prepare_data()
    (batch,) = data.test_dataloader()
    assert batch["id"] == ["view0", "view1", "view2"]
    assert [grey(image) for image in batch["source"]] == [30, 31, 32]
    assert [grey(image) for image in batch["target"]] == [210, 211, 212]
    splits = data.splits()
    assert list(splits["id"][splits["split"] == "test"]) == batch["id"]
    assert (splits["split"] == "held out").any()
    assert len(splits) == sum(COUNTS.values()) + 3
    assert data.task.references == ("source",)
    assert data.task.test_references == ("target", "source")


def test_pairs_without_targets_are_refused(folder, pairs):
    for path in (pairs / "target").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"phantom: holds no targets; a pair needs a target/ beside its source/"):
        module(folder, pairs=pairs).prepare_data()


def test_a_method_without_training_is_tested_on_the_pairs(folder, pairs, tmp_path):
    arguments = [f"--config={ROOT / 'configs' / name}" for name in ("fda.yaml", "data/devices.yaml")]
    arguments += [f"--data.root={folder}", "--data.target_device=reference", f"--data.pairs={pairs}"]
    arguments += ["--data.size=[32, 32]", "--data.num_workers=0", "--trainer.accelerator=cpu"]
    arguments += [f"--trainer.logger.init_args.save_dir={tmp_path / 'out'}"]
    assert main(["test", *arguments]) == 0
    scores = pd.read_csv(tmp_path / "out" / "lightning_logs" / "version_0" / "scores_test.csv")
    assert list(scores["id"]) == ["view0", "view1", "view2"]
    assert scores[["SSIM", "PSNR", "MI_source"]].notna().all().all()
    assert (scores["MAE"] < 30).all(), "flat images: exchanging the mean brings 30 to 210"
