"""What fit and ``python -m datamodules.summary`` say of the data, and near-duplicates."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datamodules import BUSI, PairedFolderDataModule
from datamodules.batch import GREY, Signal, Task
from datamodules.cache import ImageCache
from datamodules.duplicates import near_duplicates, thumbnail
from datamodules.summary import details, main
from tests import tiny
from tests.conftest import BUSI_ROOT, ROOT
from zoo.cli import main as sonozoo

DOZEN = 12


def smooth(rng: np.random.Generator, side: int = 64) -> np.ndarray:
    """A picture of blobs, which keeps its looks when it is made small."""
    return np.kron(rng.integers(40, 200, (8, 8)), np.ones((side // 8, side // 8))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Twenty pairs of ten patients with lesions in six, two of them empty; images 3 and 16 are nearly one."""
    rng, root, rows = np.random.default_rng(0), tmp_path / "pairs", []
    for side in ("source", "target", "lesion"):
        (root / side).mkdir(parents=True)
    for number in range(20):
        size = 64 if number < 15 else 80
        image = smooth(rng, size)
        if number == 16:
            first = Image.open(root / "source" / "3.png").resize((size, size))
            image = np.asarray(first) + rng.integers(0, 3, (size, size), dtype=np.uint8)
        Image.fromarray(image).save(root / "source" / f"{number}.png")
        np.save(root / "target" / f"{number}.npy", np.full((size, size), 10.0 + number, np.float32))
        mask = np.zeros((size, size), np.uint8)
        mask[: size // 4] = 255 if number < 4 else 0
        if number < 6:
            Image.fromarray(mask).save(root / "lesion" / f"{number}.png")
        split = "train" if number < 10 else "val" if number < 14 else "test"
        rows.append(
            {"id": f"i{number}", "patient": f"p{number // 2}", "source": f"source/{number}.png",
             "target": f"target/{number}.npy", "lesion": f"lesion/{number}.png" if number < 6 else "",
             "label": "malignant" if number % 4 < 2 else "benign", "organ": "breast", "device": f"d{number % 2}",
             "split": split, "spacing": "" if number == 19 else f"{0.1 + number / 100:.2f}"}
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


EXPECTED = """\
data            manifest, 20 images of 10 patients: 10 train, 4 val, 6 test; 64 x 64 pixels
labels          malignant 10, benign 10
organs, devices breast 20; d0 10, d1 10
sizes of files  64 x 64 (15), 80 x 80 (5)
spacing         0.1 to 0.28 mm a pixel, unknown for 1 image
source values   40 to 201 (declared 0 to 255 grey level, 1 channel)
target values   10 to 29 (declared 0 to 100 kPa, 1 channel)
lesion masks    25.0 % of an image on average, 6 of 20 images; 2 are empty
near-duplicates 1 pair (correlation above 0.98 at 32 x 32 pixels): 1 of two patients, 1 of two splits, 1 of two labels
of two patients 'i3' and 'i16'
of two splits   'i3' and 'i16'
"""


def module(root) -> PairedFolderDataModule:
    return PairedFolderDataModule(root / "manifest.csv", target=Signal(1, 0, 100, "kPa"), size=(64, 64))


def test_a_set_is_described_in_a_dozen_lines(folder):
    lines = module(folder).summary()
    assert len(lines) <= DOZEN
    for line, expected in zip(lines, EXPECTED.splitlines(), strict=True):
        if line.startswith(("source", "target")):  # the cache's 16 bits, and what resampling leaves of the ends
            assert line.split("(")[1] == expected.split("(")[1]
            seen, wanted = ([float(word) for word in text.split()[2:5:2]] for text in (line, expected))
            assert seen == pytest.approx(wanted, abs=5)
        else:
            assert line == expected


def test_facts_of_the_files_are_taken_where_they_were_kept(tmp_path):
    arrays = {
        "source": np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8, 1),
        "source_range": np.array([[-2.0, 7.0]] * 3).reshape(3, 1, 1, 2),
        "file_spacing": np.array([[0.2, 0.4], [np.nan, np.nan], [0.1, 0.1]]).reshape(3, 1, 1, 2),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    rows = pd.DataFrame({"index": range(3), "id": ["a", "b", "c"], "patient": "p", "split": ""})
    rows = rows.assign(label="", organ="", device="", valid="", lesion="", spacing=["", "", "0.5"])
    lines = details(rows, ImageCache(tmp_path), Task("t", GREY, GREY))
    assert lines[0] == "spacing         0.3 to 0.5 mm a pixel, unknown for 1 image"
    assert lines[1] == "source values   -2 to 7 (declared 0 to 255 grey level, 1 channel)"
    assert lines[2].startswith("near-duplicates 3 pairs"), "ramps, all of one patient"
    assert len(lines) == 3


def test_phantoms_are_said_in_a_line():
    (line,) = tiny.data("swe").summary()
    assert line == "data            swe, 12 images of 12 patients: 6 train, 1 val, 5 test; 32 x 32 pixels"


def test_fit_says_it_once_before_training(folder, tmp_path, capsys):
    arguments = tiny.command("sswe", tmp_path / "out", f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}")
    arguments = [word for word in arguments if "patients" not in word and "num_workers" not in word]
    signal = ["--data.target.channels=1", "--data.target.high=100", "--data.target.unit=kPa"]
    more = [f"--data.root={folder / 'manifest.csv'}", "--data.num_workers=2", "--trainer.max_epochs=1", *signal]
    assert sonozoo([*arguments, *more]) == 0
    printed = capsys.readouterr().out
    assert printed.count("data            manifest, 20 images of 10 patients") == 1
    assert printed.count("near-duplicates") == 1
    (checkpoint,) = (tmp_path / "out").rglob("last.ckpt")
    assert sonozoo(["validate", *arguments[1:], *more, f"--ckpt_path={checkpoint}"]) == 0
    assert "near-duplicates" not in capsys.readouterr().out, "nothing is trained"


def test_the_command_reads_manifests_and_folders(folder, tmp_path, capsys):
    words = ["--size", "64", "--low", "0", "--high", "100", "--unit", "kPa"]
    assert main([str(folder / "manifest.csv"), *words]) == 0
    assert capsys.readouterr().out.splitlines() == module(folder).summary()
    assert main([str(folder), *words]) == 0
    assert "20 images of 10 patients" in capsys.readouterr().out
    (folder / "manifest.csv").unlink()
    (folder / "lesion").rename(folder / "masks")
    assert main([str(folder)]) == 2
    assert "masks: is not read under this name" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_every_near_duplicate_of_two_patients_is_named(tmp_path, capsys):
    image = smooth(np.random.default_rng(0))
    for device in ("one", "two"):
        (tmp_path / device).mkdir()
        for number in range(2):
            Image.fromarray(image + number).save(tmp_path / device / f"{number}.png")
    assert main([str(tmp_path), "--size", "64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("of two patients"))
    assert lines[at].endswith("and 2 more")
    assert lines[at + 1 :] == ["'one/1' and 'two/1'", "'two/0' and 'two/1'"]


def test_near_duplicates_are_those_of_a_plain_correlation():
    rng = np.random.default_rng(1)
    images = np.stack([smooth(rng) for _ in range(12)])[..., None].astype(np.uint16)
    images[7] = images[2] + rng.integers(0, 4, images[2].shape)
    images[9] = 77
    small = images.reshape(12, 32, 2, 32, 2).mean((2, 4))
    assert thumbnail(images[0]) == pytest.approx(small[0], rel=1e-5)
    with np.errstate(invalid="ignore"):
        alike = np.argwhere(np.triu(np.corrcoef(small.reshape(12, -1)) > 0.98, 1))
    assert near_duplicates(images).tolist() == alike.tolist() == [[2, 7]]


def test_areas_of_sides_that_are_no_multiple():
    image = np.arange(50 * 70, dtype=np.uint16).reshape(50, 70, 1)
    assert thumbnail(image).mean() == pytest.approx(image.mean())
    assert thumbnail(np.full((20, 31, 3), 9)) == pytest.approx(np.full((32, 32), 9))


@pytest.mark.skipif(not BUSI_ROOT.is_dir(), reason="the real BUSI images are not here")
def test_busi_has_near_duplicates_of_two_labels(tmp_path):
    data = BUSI(BUSI_ROOT, size=(64, 64))
    lines = data.summary()
    assert len(lines) <= DOZEN
    assert "sizes of files  256 x 256 (506)" in lines
    (found,) = (line for line in lines if line.startswith("near-duplicates"))
    assert found.endswith("79 pairs (correlation above 0.98 at 32 x 32 pixels): 8 of two labels"), "none is parted"
