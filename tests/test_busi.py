"""BUSI as released, masks beside the images: its lesions, the radiomics of these, and diagnosis."""

import shutil
import warnings

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.analyses.radiomics.comparison import read_features
from benchmarks.analyses.radiomics.extraction import Region, Settings, extract
from benchmarks.analyses.radiomics.regions import parts
from benchmarks.results import Results
from benchmarks.tables.make import make_tables
from datamodules import BUSI, InputError
from datamodules.duplicates import first_alike, near_duplicates
from tests.conftest import BUSI_ROOT

MASKS_ROOT = BUSI_ROOT.parent / "busi_masks"
SIZE = 64
TINY = {"size": [32, 32], "batch_size": 4, "augmentation": None}
TRAINER = {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0}
SUITE = {
    "tables": {
        "diagnosis": {
            "title": "Benign or malignant",
            "metrics": ["accuracy", "AUC"],
            "data": TINY,
            "model": {"backbone": "test_resnet", "size": 32, "decay_epochs": 1},
            "trainer": TRAINER,
            "sets": {
                "BUSI": {"class_path": "BUSI", "root": None, "classes": ["benign", "malignant"]},
                "phantoms": {"patients": 24},
            },
            "columns": ["BUSI>BUSI", "phantoms>phantoms", "phantoms>BUSI"],
            "rows": {"w/o EUS": {"config": "diagnosis.yaml", "model": {"second": "source"}}},
        },
        "harmonization": {
            "title": "One half of BUSI to the other",
            "metrics": ["MI_source", "Dice"],
            "data": TINY,
            "trainer": TRAINER,
            "sets": {"halves": {"class_path": "DeviceFolders", "root": None, "target_device": "malignant"}},
            "columns": ["halves>halves"],
            "radiomics": {"sets": "halves>halves", "pairs": "halves>halves", "wavelet": ""},
            "rows": {"original": {"config": "fda.yaml", "class_path": "benchmarks.run.baselines.Identity"}},
        },
    }
}


def disc(centre: tuple[int, int], radius: int) -> np.ndarray:
    rows, columns = np.ogrid[:SIZE, :SIZE]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2


LESIONS = (disc((20, 20), 9), disc((44, 46), 7))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve images a class in BUSI's layout; every third lesion has two parts, normal ones have an empty mask."""
    root, rng = tmp_path_factory.mktemp("busi"), np.random.default_rng(0)
    for label in ("benign", "malignant", "normal"):
        (root / label).mkdir()
        for number in range(1, 13):
            name = root / label / f"{label} ({number})"
            image = rng.integers(60, 200, (SIZE, SIZE), dtype=np.uint8)
            lesions = LESIONS[: 0 if label == "normal" else 2 if number % 3 == 0 else 1]
            for part, lesion in enumerate(lesions):
                image[lesion] //= 3
                Image.fromarray(lesion).save(f"{name}_mask{f'_{part}' if part else ''}.png")
            if label == "normal":
                Image.new("L", (SIZE, SIZE)).save(f"{name}_mask.png")
            Image.fromarray(image).save(f"{name}.png")
    return root


def test_lesions_of_an_image_are_joined(made):
    data = BUSI(made, size=(SIZE, SIZE), batch_size=36)
    (batch,) = data.predict_dataloader()
    lesions = dict(zip(batch["id"], batch["lesion"][:, 0].numpy(), strict=True))
    assert (lesions["benign (1)"] == LESIONS[0]).all()
    assert (lesions["malignant (3)"] == LESIONS[0] | LESIONS[1]).all()
    assert not lesions["normal (3)"].any()


def blobs(rng: np.random.Generator) -> np.ndarray:
    """A picture that keeps its looks when it is made small."""
    return np.kron(rng.integers(40, 200, (8, 8)), np.ones((SIZE // 8, SIZE // 8))).astype(np.uint8)


@pytest.fixture
def alike(tmp_path):
    """Thirty images, of which benign 3, 7 and malignant 2 are nearly one, as are benign 5 and 6."""
    rng = np.random.default_rng(0)
    images = {(label, n): blobs(rng) for label in ("benign", "malignant") for n in range(1, 16)}
    for label, n, first in (("benign", 7, 3), ("malignant", 2, 3), ("benign", 6, 5)):
        images[label, n] = images["benign", first] + rng.integers(0, 3, (SIZE, SIZE), dtype=np.uint8)
    for (label, n), image in images.items():
        (tmp_path / "alike" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "alike" / label / f"{label} ({n}).png")
    return tmp_path / "alike"


def warned(data: BUSI) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.prepare_data()
    return [str(w.message) for w in caught if "near-duplicates" in str(w.message)]


def test_near_duplicates_count_as_one_patient_and_are_said_once(alike):
    for size in (16, SIZE):
        data = BUSI(alike, size=(size, size))
        assert warned(data) == [
            "BUSI: 4 pairs of near-duplicates among 5 of 30 images ('benign (3)' and 'benign (7)', ...; correlation "
            "above 0.97); they count as one patient, so that no split parts them, and every other image as one of its "
            "own; name the patients by data.patients"
        ]
        named = data.rows.set_index("id")["patient"]
        groups = named.index.to_series().groupby(named).agg(list).to_dict()
        assert groups.pop("benign (3)") == ["benign (3)", "benign (7)", "malignant (2)"]
        assert groups.pop("benign (5)") == ["benign (5)", "benign (6)"]
        assert len(groups) == 25
        assert all(images == [patient] for patient, images in groups.items())
    assert data.remark == "Images count as patients in BUSI, near-duplicates as one: no table of patients was given."


@pytest.mark.parametrize("seed", range(4))
def test_no_split_parts_near_duplicates(alike, seed):
    splits = BUSI(alike, size=(16, 16), split_seed=seed, fold=seed % 3).splits().set_index("id")["split"]
    assert splits[["benign (3)", "benign (7)", "malignant (2)"]].nunique() == 1
    assert splits[["benign (5)", "benign (6)"]].nunique() == 1
    assert set(splits) == {"train", "val", "test"}


def test_images_that_differ_are_no_reason_to_warn(made):
    data = BUSI(made, size=(SIZE, SIZE))
    assert warned(data) == []
    assert (data.rows["patient"] == data.rows["id"]).all()


def test_a_table_of_patients_takes_the_place_of_looks(alike, tmp_path):
    names = [f"{label} ({n})" for label in ("benign", "malignant") for n in range(1, 16)]
    rows = [f"{name},p{place // 2}" for place, name in enumerate(names)]
    (tmp_path / "patients.csv").write_text("id,patient\n" + "\n".join(rows))
    data = BUSI(alike, patients=tmp_path / "patients.csv", size=(16, 16))
    assert warned(data) == []
    assert data.remark == ""
    assert data.rows.set_index("id")["patient"]["benign (7)"] == "p3"
    assert data.rows["patient"].nunique() == 15
    as_text = BUSI(alike, patients=str(tmp_path / "patients.csv"), size=(16, 16))
    assert as_text.splits().equals(data.splits())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("benign (1),1\n", r"patients\.csv: has no row for 'benign \(2\)'; add it"),
        ("benign (1),1\nbenign (1),2\n", r"patients\.csv row 3: id 'benign \(1\)' stands in an earlier row too"),
        ("benign (1),\n", r"patients\.csv row 2: 'patient' is empty; every row needs one"),
        (None, r"patients\.csv: not a CSV with the columns id, patient; correct it"),
    ],
)
def test_a_table_that_does_not_name_every_patient_once_is_refused(alike, tmp_path, rows, message):
    if rows is not None:
        (tmp_path / "patients.csv").write_text("id,patient\n" + rows)
    with pytest.raises(InputError, match=message):
        BUSI(alike, patients=tmp_path / "patients.csv", size=(16, 16)).prepare_data()


def test_images_are_grouped_in_however_many_steps():
    assert first_alike(np.array([[1, 4], [4, 5], [2, 3]]), 7).tolist() == [0, 1, 2, 2, 1, 1, 6]
    assert first_alike(np.empty((0, 2), int), 3).tolist() == [0, 1, 2]


def test_radiomics_and_diagnosis_run_on_them(made, tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    halves = tmp_path / "halves"
    for label in ("benign", "malignant"):
        shutil.copytree(made / label, halves / label)
    command = ["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main([*command, "--data", f"BUSI={made}", "--data", f"halves={halves}"]) == 0
    results = Results(tmp_path / "out")
    notes = {table.key: table.notes for table in make_tables(results)}
    remark = "Images count as patients in BUSI, near-duplicates as one: no table of patients was given."
    assert notes["diagnosis"].count(remark) == 1
    (abroad,) = (folder for cell, folder in results.finished("diagnosis") if cell.train == "phantoms")
    assert abroad.data["remarks"] == [remark], "of the images that it is tested on"
    assert "Images count as patients in halves: no table of patients was given." in notes["harmonization"]
    diagnosed = results.scores("diagnosis")
    assert set(diagnosed["label"]) == {0, 1}
    assert diagnosed["probability"].between(0, 1).all()
    assert (results.scores("harmonization")["Dice"] == 1).all(), "an image that stays as it is"
    features = read_features(results, "harmonization")
    own = features[features["of"] == "source"].groupby("id")["region"].agg(set)
    for name, regions in own.items():
        number = int(name.split("(")[1][:-1])
        assert regions == {"part 0", "image"} | ({"part 1"} if number % 3 == 0 else set()), name


@pytest.mark.skipif(not BUSI_ROOT.is_dir(), reason="the real BUSI images are not here")
def test_near_duplicates_of_the_real_images_stay_on_one_side():
    data = BUSI(BUSI_ROOT, size=(64, 64))
    (warning,) = warned(data)
    assert warning.startswith("BUSI: 84 pairs of near-duplicates among 138 of 506 images")
    splits = data.splits()
    assert splits["patient"].nunique() == 432
    assert (splits.groupby("patient")["split"].nunique() == 1).all()
    shared = splits[splits["patient"].duplicated(keep=False)]
    assert len(shared) == 138
    one, other = splits["patient"].to_numpy()[near_duplicates(data.images.arrays["source"])].T
    assert len(one) == 79, "at this size"
    assert (one == other).all()
    assert shared.groupby("patient")["label"].nunique().max() == 2, "some have been given two labels"


@pytest.mark.skipif(not MASKS_ROOT.is_dir(), reason="the real BUSI masks are not here")
def test_the_real_images_with_their_masks(tmp_path):
    """Those of several lesions, and one of ten others."""
    masks = sorted(MASKS_ROOT.glob("*/*_mask.png"))
    assert len(masks) == 506, "one of every image"
    for number, mask in enumerate(masks):
        name, (root, label) = mask.name.removesuffix("_mask.png"), (tmp_path / "busi", mask.parent.name)
        own = list(mask.parent.glob(f"{name}_mask*.png"))
        (root / label).mkdir(parents=True, exist_ok=True)
        if len(own) > 1 or number % 10 == 0:
            for file in (*own, BUSI_ROOT / label / f"{name}.png"):
                shutil.copy(file, root / label)
    data = BUSI(tmp_path / "busi", size=(256, 256), batch_size=16)
    data.prepare_data()
    assert (data.rows["lesion"] != "").all()
    empty = ~data.images.arrays["lesion"].any((1, 2, 3))
    assert (empty == (data.rows["label"] == "normal")).all(), "normal tissue has no lesion"
    several = data.rows[data.rows["lesion"].str.contains(";")]
    assert len(several) == len(list(MASKS_ROOT.glob("*/*_mask_1.png")))
    for row in several.itertuples():
        files = [np.asarray(Image.open(tmp_path / "busi" / name)) > 0 for name in row.lesion.split(";")]
        assert (data.images.mask("lesion", row.index)[..., 0] == np.any(files, axis=0)).all(), row.id
    regions = []
    for row in several.head(4).itertuples():
        grey = (data.images.image("source", row.index)[..., 0] + 1) * 127.5
        lesion = data.images.mask("lesion", row.index)[..., 0]
        regions += [Region(f"{row.id} {n}", grey, part) for n, part in enumerate(parts(lesion))]
    features = extract(regions, Settings(wavelet=""), tmp_path / "features", jobs=1)
    assert len(features) > 4, "of four images, not all of whose lesions touch"
    assert np.isfinite(features.to_numpy()).all()
    inside = [region.image[region.mask].mean() for region in regions]
    assert features["original_firstorder_Mean"].tolist() == pytest.approx(inside, rel=1e-6)
