"""Manifests, folders, BUSI: what is read, and every fault that is reported before training."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from datamodules import BUSI, InputError, PairedFolderDataModule, Signal
from datamodules.manifest import make_manifest, read_manifest
from tests.conftest import BUSI_ROOT

RGB = Signal(3, 0, 255, "RGB")


def picture(path, shape=(40, 40), value=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 2**32)
    array = rng.integers(0, 255, shape, dtype=np.uint8) if value is None else np.full(shape, value, np.uint8)
    Image.fromarray(array).save(path)


@pytest.fixture
def folder(tmp_path):
    """Twenty pairs of ten patients, grey to colour."""
    for index in range(20):
        picture(tmp_path / "pairs" / "source" / f"p{index // 2}_{index}.png", value=10 * index)
        picture(tmp_path / "pairs" / "target" / f"p{index // 2}_{index}.png", (40, 40, 3), value=10 * index)
    return tmp_path / "pairs"


def module(root, **kwargs) -> PairedFolderDataModule:
    return PairedFolderDataModule(root=root, **({"target": RGB, "size": (24, 24), "batch_size": 4} | kwargs))


def manifest(folder, **changes) -> pd.DataFrame:
    names = sorted(path.name for path in (folder / "source").iterdir())
    rows = pd.DataFrame({"id": names, "patient": [name.split("_")[0] for name in names]})
    rows["source"], rows["target"] = "source/" + rows["id"], "target/" + rows["id"]
    return rows.assign(**changes)


def test_pairs_of_a_folder_stay_together(folder):
    data = module(folder, patient_separator="_")
    data.prepare_data()
    assert data.rows["patient"].nunique() == 10
    assert data.rows["split"].value_counts().to_dict() == {"train": 10, "val": 4, "test": 6}
    for batch in data.train_dataloader():
        assert batch["source"].shape == (len(batch["id"]), 1, 24, 24)
        assert torch.allclose(batch["source"].expand(-1, 3, -1, -1), batch["target"], atol=1e-4)
        for image_id, image in zip(batch["id"], batch["source"], strict=True):
            assert float(image.mean()) == pytest.approx(2 * 10 * int(image_id.split("_")[1]) / 255 - 1, abs=1e-3)


def test_masks_and_frames_of_a_folder(folder):
    for name in ("valid", "lesion"):
        for path in (folder / "source").iterdir():
            mask = np.zeros((40, 40), np.uint8)
            mask[:20] = 255
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(mask).save(folder / name / path.name)
    batch = next(iter(module(folder).predict_dataloader()))
    assert batch["valid"][:, 0, :12].all()
    assert not batch["valid"][:, 0, 12:].any()
    assert torch.equal(batch["valid"], batch["lesion"])


def test_a_manifest_with_splits_labels_and_spacing(folder):
    rows = manifest(folder, label=["benign", "malignant"] * 10, spacing="0.5")
    rows["split"] = ["train"] * 10 + ["val"] * 4 + ["test"] * 6
    rows.to_csv(folder / "mine.csv", index=False)
    data = module(folder / "mine.csv", spacing=1.0)
    data.prepare_data()
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    assert batch["id"] == rows["id"][14:18].tolist()
    assert batch["label"].tolist() == [0, 1, 0, 1]
    assert (batch["source"][:, :, :, :2] == -1).all(), "20 mm in 24 pixels of 1 mm: two columns are padding"
    assert data.splits()["split"].tolist() == rows["split"].tolist()


def test_sources_without_targets_can_only_be_predicted(folder, tmp_path):
    (folder / "target").rename(tmp_path / "elsewhere")
    data = module(folder)
    data.prepare_data()
    assert "target" not in next(iter(data.predict_dataloader()))
    with pytest.raises(InputError, match="no targets"):
        data.setup("fit")


def test_a_changed_file_is_read_again(folder):
    first = next(iter(module(folder).predict_dataloader()))["source"]
    picture(folder / "source" / "p0_0.png", value=99)
    again = next(iter(module(folder).predict_dataloader()))["source"]
    assert not torch.equal(first, again)


FAULTS = {
    "no id column": (lambda f, r: r.drop(columns="id"), "column 'id' is missing"),
    "duplicate id": (
        lambda f, r: r.assign(id=["a", *r["id"][1:-1].tolist(), "a"]),
        "row 21: id 'a' stands in an ear",
    ),
    "escapes": (
        lambda f, r: r.assign(source=["../x.png", *r["source"][1:].tolist()]),
        "row 2: source '../x.png' leaves",
    ),
    "absent": (
        lambda f, r: r.assign(target=["target/no.png", *r["target"][1:].tolist()]),
        "'target/no.png' does not ex",
    ),
    "two splits": (
        lambda f, r: r.assign(split=["train", "test"] + ["train"] * 9 + ["val"] * 9),
        "patient 'p0' is in the",
    ),
    "unknown split": (lambda f, r: r.assign(split=["dev"] + ["train"] * 19), "row 2: split 'dev' is none of"),
    "empty split": (lambda f, r: r.assign(split="train"), "split 'test' is empty"),
    "class on one side": (
        lambda f, r: r.assign(label=["benign"] * 10 + ["malignant"] * 10, split=["train"] * 10 + ["test"] * 10),
        "split 'test' has no image with the label 'benign'",
    ),
    "half a label": (lambda f, r: r.assign(label=["benign"] + [""] * 19), "row 3: 'label' is empty while"),
    "unknown label": (lambda f, r: r.assign(label="odd"), "label 'odd' is none of"),
    "bad spacing": (lambda f, r: r.assign(spacing="wide"), "row 2: spacing 'wide' is not a number"),
    "no rows": (lambda f, r: r.iloc[:0], "has no rows"),
    "empty patient": (lambda f, r: r.assign(patient=""), "row 2: 'patient' is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_manifest(folder, tmp_path, name):
    change, message = FAULTS[name]
    change(folder, manifest(folder)).to_csv(folder / "mine.csv", index=False)
    spacing = 0.5 if name == "bad spacing" else None
    data = module(folder / "mine.csv", spacing=spacing, cache_dir=tmp_path / "cache")
    with pytest.raises(InputError, match=message):
        data.prepare_data()
    assert not [path for path in (tmp_path / "cache").glob("*") if path.is_dir()] or "split" in name or "label" in name


def test_all_faults_are_reported_together(folder, tmp_path):
    picture(folder / "source" / "p0_0.png", (30, 40))
    (folder / "target" / "p1_2.png").write_bytes(b"")
    Image.new("L", (3, 3)).save(folder / "source" / "p2_4.png")
    with pytest.raises(InputError) as error:
        module(folder, cache_dir=tmp_path / "cache").prepare_data()
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "source is 30 x 40 but target is 40 x 40" in lines[0]
    assert "p1_2.png: the file is empty" in lines[1]
    assert "p2_4.png: 3 x 3 pixels" in lines[2]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()], "nothing is half-written"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "target" / "p0_0.png").unlink(), "'p0_0' stands in only one of"),
        (lambda folder: (folder / "source").rename(folder / "sources"), "holds no images"),
        (lambda folder: picture(folder / "source" / "p0_0.jpg"), "has the same name"),
    ],
)
def test_faults_of_a_folder(folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message):
        module(folder).prepare_data()


def test_spacing_must_be_known(folder):
    with pytest.raises(InputError, match="does not say its pixel spacing"):
        module(folder, spacing=0.5).prepare_data()


def test_a_missing_manifest_and_a_manifest_that_is_no_table(tmp_path):
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "no.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.csv: not a readable CSV"):
        read_manifest(tmp_path / "bytes.csv")
    with pytest.raises(InputError, match="no such folder"):
        module(tmp_path / "nowhere").prepare_data()


def test_many_faults_are_counted(tmp_path):
    rows = pd.DataFrame({"id": [f"{i}" for i in range(50)], "patient": "p", "source": "no.png"})
    with pytest.raises(InputError, match="and 30 more faults") as error:
        make_manifest(rows, tmp_path, "m.csv")
    assert len(str(error.value).splitlines()) == 21


@pytest.fixture
def busi(tmp_path):
    for label in ("benign", "malignant", "normal"):
        for number in range(1, 13):
            picture(tmp_path / "busi" / label / f"{label} ({number}).png")
            mask = np.zeros((40, 40), np.uint8)
            mask[:10] = 255
            Image.fromarray(mask).save(tmp_path / "busi" / label / f"{label} ({number})_mask.png")
    second = np.zeros((40, 40), np.uint8)
    second[30:] = 255
    Image.fromarray(second).save(tmp_path / "busi" / "benign" / "benign (1)_mask_1.png")
    return tmp_path / "busi"


def test_busi_in_its_released_layout(busi):
    data = BUSI(root=busi, size=(40, 40), batch_size=2)
    batch = next(iter(data.predict_dataloader()))
    assert batch["id"] == ["benign (1)", "benign (2)"], "by number, not by letter"
    assert [float(mask.float().mean()) for mask in batch["lesion"]] == [0.5, 0.25], "masks are united"
    assert data.rows["label"].value_counts().to_dict() == {"benign": 12, "malignant": 12, "normal": 12}
    two = BUSI(root=busi, classes=("benign", "malignant"), size=(40, 40))
    two.prepare_data()
    assert set(two.rows["label"]) == {"benign", "malignant"}
    with pytest.raises(InputError, match="classes: 'cyst' is none of"):
        BUSI(root=busi, classes=("cyst",))
    with pytest.raises(InputError, match="holds no BUSI images"):
        BUSI(root=busi / "benign").prepare_data()


@pytest.mark.skipif(not BUSI_ROOT.is_dir(), reason="the real BUSI images are not here")
def test_busi_on_the_real_images_without_masks(tmp_path):
    data = BUSI(root=BUSI_ROOT, size=(64, 64), batch_size=8, cache_dir=tmp_path)
    data.prepare_data()
    assert data.rows["label"].value_counts().to_dict() == {"benign": 284, "malignant": 136, "normal": 86}
    assert data.rows.groupby("split")["label"].nunique().tolist() == [3, 3, 3]
    batch = next(iter(data.predict_dataloader()))
    assert "lesion" not in batch
    assert 0.1 < float((batch["source"].mean() + 1) / 2) < 0.5
