"""Rows that no method is: what is trivial, and what a perfect method would reach."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.cells import OF_VERSIONS, VERSIONS
from benchmarks.own_data import parse
from benchmarks.run.baselines import Ceiling, Identity, Linear, MeanTarget
from benchmarks.suite import read_suite
from datamodules import PairedFolderDataModule
from datamodules.batch import CeilingData
from datamodules.errors import InputError
from datamodules.transforms import Augmentation
from tests import tiny
from zoo.metrics.lncc import LNCC

HOME = "benchmarks.run.baselines"
PAIRS = {"sets": {"A": {}}, "columns": ["A>A"]}
DEVICES = {"class_path": "DeviceFolders", "root": ".", "target_device": "x"}


def read(tmp_path, *words, rows=None, **keys):
    """The suite of one table of enhancement."""
    rows = rows or {"U-Net": {"config": "pix2pix.yaml"}}
    table = {"metrics": ["SSIM"], "data": {"task": "enhancement", "patients": 12, "size": [32, 32]}, "rows": rows}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table | keys}}))
    return read_suite(str(tmp_path / "s.yaml"), parse(words))


def row(name: str) -> dict:
    return {"config": "pix2pix.yaml", "class_path": f"{HOME}.{name}"}


def write_pairs(folder):
    rng = np.random.default_rng(0)
    for side in ("source", "target"):
        (folder / side).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / side / f"{number}.png")


def samples(data) -> dict[str, np.ndarray]:
    train = data.dataset("train")
    read = [train[index] for index in range(len(train))]
    return {name: np.stack([sample[name].numpy() for sample in read]) for name in ("source", "target", "valid")}


def test_the_linear_row_is_least_squares_with_a_coefficient_a_channel():
    """As numpy solves it, with a free offset at every pixel."""
    data = tiny.data("elastography", patients=20, size=(8, 8))
    linear = Linear(in_channels=1, out_channels=3)
    linear.learn(data)
    pairs = samples(data)
    images, pixels = len(pairs["source"]), 64
    x = pairs["source"].reshape(images * pixels).astype(float)
    offsets = np.tile(np.eye(pixels), (images, 1))
    for channel in range(3):
        y = pairs["target"][:, channel].reshape(images * pixels).astype(float)
        solution = np.linalg.lstsq(np.column_stack([offsets, x]), y, rcond=None)[0]
        assert float(linear.slope[0, channel]) == pytest.approx(solution[-1], abs=1e-5)
        made = linear(torch.from_numpy(pairs["source"]))[:, channel].numpy().reshape(-1)
        assert np.allclose(made, np.column_stack([offsets, x]) @ solution, atol=1e-5)


def test_the_linear_row_counts_valid_pixels_alone():
    data = tiny.data("swe", patients=20, size=(16, 16))
    linear, mean = Linear(in_channels=1, out_channels=1), MeanTarget(in_channels=1, out_channels=1)
    linear.learn(data)
    mean.learn(data)
    pairs = samples(data)
    valid = pairs["valid"]
    count = np.maximum(valid.sum(0), 1)
    x, y = (np.where(valid, pairs[name] - (pairs[name] * valid).sum(0) / count, 0) for name in ("source", "target"))
    assert float(linear.slope) == pytest.approx(float((x * y).sum() / (x * x).sum()), abs=1e-5)
    assert torch.allclose(linear(linear.mean_source), mean(linear.mean_source))


def test_a_source_that_never_varies_has_no_slope():
    data = tiny.data("enhancement", patients=12, size=(8, 8))
    data.setup("")
    data.images.arrays["source"] = np.full_like(data.images.arrays["source"], 1000)
    linear = Linear()
    linear.learn(data)
    assert float(linear.slope) == 0


@pytest.mark.parametrize("row", [MeanTarget, Linear])
def test_they_are_fitted_on_the_images_as_they_are(row):
    """Augmentation is the training's affair: it would move all images alike, or blur their mean."""
    moves = Augmentation(horizontal_flip=1.0, rotate=20.0, contrast=0.5)
    plain, augmented = row(), row()
    plain.learn(tiny.data("enhancement", size=(16, 16)))
    augmented.learn(tiny.data("enhancement", size=(16, 16), augmentation=moves))
    source = torch.rand(2, 1, 16, 16)
    assert torch.equal(plain(source), augmented(source))


def test_a_row_that_is_not_trained_has_no_augmentation_whatever_its_name(tmp_path):
    rows = {"U-Net": {"config": "pix2pix.yaml"}, "fitted": row("Linear"), "perfect": row("Ceiling")}
    cells = {cell.row: cell for cell in read(tmp_path, rows=rows, **PAIRS).cells}
    assert [name for name, cell in cells.items() if "augmentation" in cell.config["data"]["init_args"]] == ["U-Net"]


@pytest.mark.parametrize("row", [MeanTarget, Linear])
def test_another_size_than_that_of_the_fit_is_refused(row):
    fitted = row()
    fitted.learn(tiny.data("enhancement", size=(16, 16)))
    message = f"{row.__name__}: is fitted pixel by pixel on images of 16 x 16, and these are 16 x 24; leave the column"
    with pytest.raises(InputError, match=message):
        fitted(torch.rand(1, 1, 16, 24))


def test_a_fit_in_kilopascal_is_tested_in_metres_a_second():
    """c = sqrt(E / (3 rho)): on prostates of up to 100 kPa, tested on thyroids of up to 10 m/s."""
    mean = MeanTarget()
    mean.learn(tiny.data("prostate", patients=4, size=(16, 16), fractions=(0.5, 0, 0.5)))
    thyroids = tiny.data("thyroid", patients=4, size=(16, 16), fractions=(0, 0, 1))
    mean.__dict__["_trainer"] = type("Trainer", (), {"datamodule": thyroids})()
    batch = {"source": torch.zeros(1, 1, 16, 16)}
    kilopascal = (mean(batch["source"]) + 1) / 2 * 100
    speed = (mean.test_step(batch, 0)["translation"] + 1) / 2 * 10
    assert torch.allclose(speed, (kilopascal / 3).sqrt(), atol=1e-3)


def test_colour_is_averaged_where_the_target_is_grey():
    source = torch.rand(2, 3, 4, 4)
    assert torch.allclose(Identity(in_channels=3, out_channels=1)(source), source.mean(1, keepdim=True))


def test_a_ceiling_is_the_simulators_translation_of_the_very_source():
    data = tiny.data("enhancement", patients=6, size=(64, 64), batch_size=3, fractions=(0, 0, 1))
    ceiling = Ceiling()
    ceiling.learn(data)
    assert ceiling.remark == "the cart's scan in the handheld's geometry"
    data.setup("")
    ceiling.__dict__["_trainer"] = type("Trainer", (), {"datamodule": data})()
    batch = next(iter(data.test_dataloader()))
    made = ceiling.infer(batch)["translation"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ceiling.infer(batch)["translation"], made), "in whichever precision networks are tested"
    scores = [float(LNCC().per_image((x + 1) / 2, (batch["target"] + 1) / 2, batch["valid"]).mean())
              for x in (made, batch["source"], made.flip(0))]  # fmt: skip
    assert scores[0] > 0.95 > scores[1] > scores[2]


def test_trivial_rows_and_the_ceiling_are_there_by_themselves(tmp_path):
    suite = read(tmp_path)
    assert list(suite.tables["t"].rows) == ["identity", "mean", "linear", "ceiling", "U-Net"]
    assert suite.tables["t"].ceilings == ["ceiling"]
    assert [cell.row for cell in suite.cells if cell.trivial] == ["identity", "mean", "linear", "ceiling"]
    for name in ("linear", "ceiling"):
        with pytest.raises(InputError, match=f"row '{name}' is there by itself where the data allow it; leave it out"):
            read(tmp_path, rows={name: {"config": "pix2pix.yaml"}})


def test_real_pairs_have_no_ceiling_and_unpaired_data_no_linear_row(tmp_path):
    write_pairs(tmp_path / "mine")
    suite = read(tmp_path, f"t={tmp_path / 'mine'}")
    assert list(suite.tables["t"].rows) == ["identity", "mean", "linear", "U-Net"]
    assert suite.tables["t"].ceilings == []
    assert list(read(tmp_path, data={"task": "enhancement", "unpaired": True}).tables["t"].rows)[:3] == [
        "identity", "mean", "ceiling"
    ]  # fmt: skip
    assert "linear" not in read(tmp_path, data={"task": "harmonization"}).tables["t"].rows
    assert {"linear", "ceiling"}.isdisjoint(read(tmp_path, data=DEVICES).tables["t"].rows)


@pytest.mark.parametrize("keys", [{}, PAIRS])
def test_a_ceiling_of_real_images_and_a_fit_on_no_pairs_are_refused(tmp_path, keys):
    rows = {"perfect": row("Ceiling")}
    message = "t': row 'perfect': what a perfect method would make of real images is not known; leave it out"
    with pytest.raises(InputError, match=message):
        read(tmp_path, rows=rows, data={"class_path": "PairedFolderDataModule", "root": "."}, **keys)
    message = "t': row 'fitted': it is fitted on pairs, and there are none to train on; leave it out"
    for data in ({"task": "harmonization"}, {"task": "enhancement", "unpaired": True}, DEVICES):
        with pytest.raises(InputError, match=message):
            read(tmp_path, rows={"fitted": row("Linear")}, data=data, **keys)


def test_with_ones_own_data_they_are_left_out_and_that_is_said(tmp_path):
    write_pairs(tmp_path / "mine")
    rows = {"U-Net": {"config": "pix2pix.yaml"}, "perfect": row("Ceiling")}
    suite = read(tmp_path, f"A={tmp_path / 'mine'}", rows=rows, **PAIRS)
    assert list(suite.tables["t"].rows) == ["U-Net"]
    assert suite.left_out == [
        "row 'perfect' of table 't' is left out; what a perfect method would make of real images is not known"
    ]
    both = {"sets": {"A": {}, "B": {}}, "columns": ["A>A", "A>B"]}
    (cell,) = (c for c in read(tmp_path, f"B={tmp_path / 'mine'}", rows=rows, **both).cells if c.row == "perfect")
    assert list(cell.config["tests"]) == ["A>A"], "the column that is still simulated"


def test_a_column_that_a_row_cannot_have_is_refused_or_said(tmp_path):
    write_pairs(tmp_path / "mine")
    real = {"class_path": "PairedFolderDataModule", "root": str(tmp_path / "mine")}
    rows = {"U-Net": {"config": "pix2pix.yaml"}, "perfect": row("Ceiling")}
    mixed = {"sets": {"A": {}, "B": {}}, "columns": ["A>A", "A>B"]}
    with pytest.raises(InputError, match="t': column 'A>B' of row 'perfect': what a perfect method would make of real"):
        read(tmp_path, rows=rows, **mixed | {"sets": {"A": {}, "B": real}})
    (line,) = read(tmp_path, f"B={tmp_path / 'mine'}", rows=rows, **mixed).left_out
    assert line.startswith("column 'A>B' of row 'perfect' of table 't' is left out; what a perfect method")


def test_asked_all_the_same_they_say_why_not(tmp_path):
    write_pairs(tmp_path)
    data = PairedFolderDataModule(tmp_path, size=(32, 32))
    assert not isinstance(data, CeilingData)
    with pytest.raises(InputError, match=r"ceiling: what a perfect method would make of .* is known of simulated data"):
        Ceiling().learn(data)
    with pytest.raises(InputError, match="linear: is fitted on pairs, and the task 'harmonization' has none to train"):
        Linear().learn(tiny.data("harmonization"))


def test_what_is_measured_otherwise_is_another_cell(tmp_path):
    """LPIPS was on VGG-16 before, the preset was RMSProp's printed rate, HSC-T's networks were clipped together."""
    scored = {"evaluation": {"lpips_weights": "a file"}}
    rows = {"U-Net": {"config": "pix2pix.yaml"}, "HSC-T": {"config": "hsct.yaml"}}
    rows |= {"matched": {"config": "pix2pix.yaml", "model": {"preset": "matched"}}}
    versions = {cell.row: cell.config[OF_VERSIONS] for cell in read(tmp_path, rows=rows, budget="free").cells}
    assert versions["U-Net"] == {"PhantomDataModule": 2}
    assert versions["HSC-T"] == {"PhantomDataModule": 2, "HSCT": 2}
    assert versions["matched"] == {"PhantomDataModule": 2, "matched": 3}
    assert {cell.config[OF_VERSIONS]["LPIPS"] for cell in read(tmp_path, **scored).cells} == {2}


def test_data_of_another_version_are_other_cells(tmp_path, monkeypatch):
    before = read(tmp_path).cells
    assert all(cell.config[OF_VERSIONS] == {"PhantomDataModule": 2} for cell in before)
    monkeypatch.setitem(VERSIONS, "PhantomDataModule", 3)
    assert {cell.hash for cell in before}.isdisjoint(cell.hash for cell in read(tmp_path).cells)
    real = read(tmp_path, data={"class_path": "PairedFolderDataModule", "root": "."}).cells
    assert all(OF_VERSIONS not in cell.config for cell in real)
