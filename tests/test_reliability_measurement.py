"""What is measured of a translator's own uncertainty, and of which rows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from benchmarks.analyses.registry import ANALYSES
from benchmarks.analyses.reliability.measurement import POINTS, ReliabilityMeasurement
from benchmarks.layers import merge
from benchmarks.results import CellFolder, read_images
from benchmarks.suite import read_suite
from datamodules import InputError
from datamodules.batch import Signal, Task

KPA = Task("swe", target=Signal(1, 0.0, 180.0, "kPa"))
SIZE = (2, 1, 8, 10)


def batch_of(target: torch.Tensor, *ids: str) -> dict:
    return {"target": target, "valid": torch.ones(len(target), 1, 8, 10, dtype=torch.bool), "id": [*ids]}


def some(seed: int) -> torch.Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed))


def measured(output: dict, batch: dict, task: Task = KPA):
    measurement = ReliabilityMeasurement()
    measurement.take("A>A", None, batch, output)
    return measurement, measurement.finish("A>A", SimpleNamespace(task=task))


def test_a_confidence_that_falls_as_the_error_grows_is_the_oracle():
    error = some(0)
    _, scores = measured({"translation": error, "confidence": 1 - error}, batch_of(torch.zeros(SIZE), "a", "b"))
    assert scores["AUSE"] == {"a": pytest.approx(0, abs=1e-6), "b": pytest.approx(0, abs=1e-6)}
    assert scores["rank correlation"] == {"a": pytest.approx(1), "b": pytest.approx(1)}
    assert "ENCE" not in scores
    _, wrong = measured({"translation": error, "confidence": error}, batch_of(torch.zeros(SIZE), "a", "b"))
    assert wrong["rank correlation"]["a"] == pytest.approx(-1)
    assert wrong["AUSE"]["a"] > wrong["AUSE by chance"]["a"] == scores["AUSE by chance"]["a"] > 0


def test_only_valid_pixels_count():
    batch = batch_of(torch.zeros(SIZE), "a", "b")
    batch["valid"][..., 5:] = False
    error, spoilt = some(1), some(1)
    spoilt[..., 5:] = 0.01
    found = [measured({"translation": error, "confidence": 1 - made}, batch)[1] for made in (error, spoilt)]
    assert found[0] == found[1]
    batch["valid"][1] = False
    _, scores = measured({"translation": error, "confidence": error}, batch)
    assert np.isfinite(scores["AUSE"]["a"])
    assert np.isnan(scores["AUSE"]["b"])


def test_a_spread_is_measured_in_the_targets_unit_and_its_colours_as_one(tmp_path):
    translation = torch.zeros(1, 3, 8, 10)
    target = torch.stack([torch.full((8, 10), value) for value in (0.3, -0.3, 0.6)])[None]
    batch = batch_of(target, "007")
    rgb = Task("strain", target=Signal(3, 0.0, 255.0, "RGB"))
    measurement, scores = measured({"translation": translation, "spread": torch.full((1, 1, 8, 10), 0.2)}, batch, rgb)
    of_error = np.sqrt((0.09 + 0.09 + 0.36) / 3)
    assert scores["ENCE"]["007"] == pytest.approx((of_error - 0.2) / 0.2, rel=1e-5)
    assert np.isnan(scores["rank correlation"]["007"])
    assert scores["AUSE"]["007"] == pytest.approx(0, abs=1e-9), "all pixels err alike"
    measurement.write(CellFolder(tmp_path))
    (kept,) = read_images(tmp_path / "reliability.csv.gz").to_dict("records")
    assert (kept["id"], kept["says"], kept["column"]) == ("007", "spread", "A>A")
    assert kept["spread 9"] == pytest.approx(0.2 * 127.5, rel=1e-5)
    assert kept["error 0"] == pytest.approx(of_error * 127.5, rel=1e-5)
    assert [kept[f"left {n}"] for n in range(POINTS)] == pytest.approx([1.0] * POINTS)


def test_curves_are_kept_at_equal_parts_of_the_pixels(tmp_path):
    error = torch.arange(80.0).view(1, 1, 8, 10) / 80
    measurement, _ = measured({"translation": error, "confidence": 1 - error}, batch_of(torch.zeros(1, 1, 8, 10), "a"))
    measurement.write(CellFolder(tmp_path))
    (kept,) = read_images(tmp_path / "reliability.csv.gz").to_dict("records")
    assert kept["left 10"] == kept["oracle 10"] == pytest.approx((39 / 2) / (79 / 2))
    assert "spread 0" not in kept


def test_each_column_has_its_own_images_and_the_file_all_of_them(tmp_path):
    measurement, data = ReliabilityMeasurement(), SimpleNamespace(task=KPA)
    for column, ids in (("A>A", "ab"), ("A>B", "bc")):
        measurement.take(column, None, batch_of(torch.zeros(SIZE), *ids), {"translation": some(4), "spread": some(5)})
        assert list(measurement.finish(column, data)["AUSE"]) == [*ids]
    measurement.write(CellFolder(tmp_path))
    kept = read_images(tmp_path / "reliability.csv.gz")
    assert kept[["column", "id"]].to_numpy().tolist() == [["A>A", "a"], ["A>A", "b"], ["A>B", "b"], ["A>B", "c"]]


def test_what_has_no_target_no_uncertainty_or_no_number_is_not_measured(tmp_path):
    error, batch = some(2), batch_of(torch.zeros(SIZE), "a", "b")
    for output, given, task in (
        ({"translation": error}, batch, KPA),
        ({"translation": error, "confidence": error}, {k: v for k, v in batch.items() if k != "target"}, KPA),
        ({"translation": error, "confidence": error}, batch, Task("harmonization", references=("source",))),
    ):
        measurement, scores = measured(output, given, task)
        assert scores == {}
        measurement.write(CellFolder(tmp_path))
        assert not (tmp_path / "reliability.csv.gz").exists()
    tested = Task("harmonization", references=("source",), test_references=("target",))
    _, scores = measured({"translation": error, "confidence": error}, batch, tested)
    assert set(scores) == {"AUSE", "AUSE by chance", "rank correlation"}
    error[0] = float("nan")
    _, scores = measured({"translation": error, "confidence": some(3)}, batch)
    assert np.isnan(scores["AUSE"]["a"])
    assert np.isfinite(scores["AUSE"]["b"])
    _, scores = measured({"translation": batch["target"], "confidence": some(3)}, batch)
    assert scores == {}, "without an error there is nothing to be unsure of"


# Which rows are measured

SMALL = {"patients": 12, "size": [32, 32], "batch_size": 4, "augmentation": None}
SUITE = {
    "title": "Tiny",
    "tables": {
        "elasticity": {
            "metrics": ["MAE"],
            "data": SMALL,
            "budget": "free",
            "rows": {
                "plain": {"config": "sswe.yaml"},
                "head": {"config": "sswe.yaml", "model": {"confidence": 0.1}},
                "one": {"config": "ddpm.yaml"},
                "four": {"config": "ddpm.yaml", "model": {"samples": 4}},
            },
        },
        "diagnosis": {
            "metrics": ["AUC"],
            "data": {key: value for key, value in SMALL.items() if key != "patients"},
            "sets": {"A": {"patients": 12}},
            "columns": ["A>A"],
            "rows": {"w/o": {"config": "diagnosis.yaml", "model": {"second": "source"}}},
        },
    },
}


def suite_of(folder, **table):
    suite = merge(SUITE, {"tables": {key: table for key in SUITE["tables"]}})
    (folder / "tiny.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    return read_suite(str(folder / "tiny.yaml"))


@pytest.mark.parametrize("asked", [True, {}])
def test_rows_that_say_nothing_and_classifiers_are_the_cells_that_they_were(asked, tmp_path):
    before = {cell.name: cell.hash for cell in suite_of(tmp_path).cells}
    suite = suite_of(tmp_path, reliability=asked)
    changed = {cell.row for cell in suite.cells if before[cell.name] != cell.hash}
    assert changed == {"head", "four"}
    assert {cell.row for cell in suite.cells if "reliability" in cell.config} == changed
    assert all("reliability" in table.analyses for table in suite.tables.values())


@pytest.mark.parametrize("asked", [False, None, "yes", ["head"], {"samples": 4}])
def test_nothing_else_can_be_asked_for(asked, tmp_path):
    with pytest.raises(InputError, match=r"reliability is '.*'; write true, or leave it out"):
        suite_of(tmp_path, reliability=asked)


def test_the_measurement_is_made_by_the_analysis():
    assert isinstance(ANALYSES["reliability"].measurement(True), ReliabilityMeasurement)
