"""BUSI as released, masks beside the images: its lesions, the radiomics of these, and diagnosis."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.analyses.radiomics.comparison import read_features
from benchmarks.analyses.radiomics.extraction import Region, Settings, extract
from benchmarks.analyses.radiomics.regions import parts
from benchmarks.results import Results
from datamodules import BUSI
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
            "sets": {"BUSI": {"class_path": "BUSI", "root": None, "classes": ["benign", "malignant"]}},
            "columns": ["BUSI>BUSI"],
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


def test_radiomics_and_diagnosis_run_on_them(made, tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    halves = tmp_path / "halves"
    for label in ("benign", "malignant"):
        shutil.copytree(made / label, halves / label)
    command = ["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main([*command, "--data", f"BUSI={made}", "--data", f"halves={halves}"]) == 0
    results = Results(tmp_path / "out")
    diagnosed = results.scores("diagnosis")
    assert set(diagnosed["label"]) == {0, 1}
    assert diagnosed["probability"].between(0, 1).all()
    assert (results.scores("harmonization")["Dice"] == 1).all(), "an image that stays as it is"
    features = read_features(results, "harmonization")
    own = features[features["of"] == "source"].groupby("id")["region"].agg(set)
    for name, regions in own.items():
        number = int(name.split("(")[1][:-1])
        assert regions == {"part 0", "image"} | ({"part 1"} if number % 3 == 0 else set()), name


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
