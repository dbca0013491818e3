"""What is measured of a batch, what a suite may ask for, and what results folders of before say."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmarks.analyses.radiomics import Radiomics
from benchmarks.analyses.radiomics.comparison import read_features
from benchmarks.analyses.radiomics.extraction import Region, Settings, features
from benchmarks.analyses.radiomics.measurement import RadiomicsMeasurement
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.vocabulary import Table
from datamodules import DeviceFolders, InputError, PairedFolderDataModule
from datamodules.batch import Task
from zoo.output import Output

SIDE = 24
PLAIN = Settings(wavelet="")


def box(top: int, left: int, side: int = 8) -> torch.Tensor:
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, top : top + side, left : left + side] = True
    return mask


def batch(**masks: torch.Tensor) -> dict:
    images = torch.rand(2, 2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return {"source": images[0], "target": images[1], "id": ["p0", "p1"]} | masks


def measured(given: dict, task: Task) -> pd.DataFrame:
    """The features of a batch whose translation is its source, in reverse grey."""
    rows = pd.DataFrame({"id": ["p1", "p0"], "patient": ["q1", "q0"], "device": ["b", "a"], "outcome": [0, 1]})
    data = SimpleNamespace(task=task, dataset=lambda split: SimpleNamespace(rows={"test": rows}[split]))
    measurement = RadiomicsMeasurement(PLAIN)
    measurement.take("A>B", None, given, Output(translation=-given["source"]))
    measurement.finish("A>B", data)
    (table,) = measurement.features
    return table


def levels(image: torch.Tensor) -> np.ndarray:
    return ((image[0] + 1) * 127.5).round().numpy()


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    return table[(table[list(where)] == pd.Series(where)).all(axis=1)].iloc[0]


LESIONS = torch.stack([box(2, 3) | box(14, 12), box(6, 6)])
OTHERS = torch.stack([box(10, 1), box(1, 13, 9)])


def test_a_target_of_another_patient_is_measured_on_its_own_lesion():
    given = batch(lesion=LESIONS, target_lesion=OTHERS)
    table = measured(given, Task("apart", paired=False))
    found = table.groupby(["id", "of"])["region"].agg(list).to_dict()
    assert found["p0", "source"] == found["p0", "made"] == ["part 0", "part 1", "image"]
    assert found["p0", "target"] == found["p1", "target"] == ["target's part 0", "image"]
    assert found["p1", "source"] == ["part 0", "image"]
    own = row(table, id="p1", of="target", region="target's part 0")
    expected = features(Region("", levels(given["target"][1]), OTHERS[1, 0].numpy()), PLAIN)
    assert {name: own[name] for name in expected} == pytest.approx(expected)
    assert (own["patient"], own["device"], own["outcome"]) == ("q1", "b", 0), "those of the source beside it"
    assert set(table["column"]) == {"A>B"}
    assert set(table["bin_width"]) == {4.0}


def test_a_target_of_the_same_object_is_measured_on_the_sources_regions():
    given = batch(lesion=LESIONS, target_lesion=OTHERS)
    table = measured(given, Task("pairs"))
    found = table.groupby(["id", "of"])["region"].agg(list).to_dict()
    assert found["p0", "target"] == found["p0", "source"] == ["part 0", "part 1", "image"]
    own = row(table, id="p1", of="target", region="part 0")
    expected = features(Region("", levels(given["target"][1]), LESIONS[1, 0].numpy()), PLAIN)
    assert {name: own[name] for name in expected} == pytest.approx(expected)


def test_without_masks_whole_images_are_measured():
    table = measured(batch(), Task("apart", paired=False))
    assert set(table["region"]) == {"image"}
    assert len(table) == 6
    source, made = (row(table, id="p0", of=of)["original_firstorder_Mean"] for of in ("source", "made"))
    assert source + made == pytest.approx(255)


def test_pairs_beside_folders_of_devices_are_pairs_with_facts_of_their_own(tmp_path):
    """The module itself is unpaired; what it is tested on is not."""
    rng = np.random.default_rng(0)
    for place in ("devices/a", "devices/b", "pairs/source", "pairs/target"):
        (tmp_path / place).mkdir(parents=True)
        for number in range(10):
            picture = rng.integers(0, 255, (SIDE, SIDE), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / place / f"o{number}.png")
    (tmp_path / "pairs" / "lesion").mkdir()
    for number in range(10):
        Image.fromarray(box(4, 5)[0].numpy()).save(tmp_path / "pairs" / "lesion" / f"o{number}.png")
    data = DeviceFolders(tmp_path / "devices", "b", pairs=tmp_path / "pairs", size=(SIDE, SIDE), batch_size=10)
    data.setup("test")
    (given,) = data.test_dataloader()
    measurement = RadiomicsMeasurement(PLAIN)
    measurement.take("A>B", None, given, Output(translation=given["source"]))
    measurement.finish("A>B", data)
    (table,) = measurement.features
    assert set(table.loc[table["of"] == "target", "region"]) == {"part 0", "image"}
    assert set(table["patient"]) == {f"o{number}" for number in range(10)}
    assert isinstance(data.tested, PairedFolderDataModule)


TABLE = Table(["PSNR"], {}, sets={"A": {}, "B": {}}, columns=["A>A", "A>B", "B>B"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sets": "A>A"}, "t: radiomics has no 'pairs'; name a column"),
        ({"pairs": "A>A", "sets": "A>C"}, "t: 'A>C' is none of its columns; name one of A>A, A>B, B>B"),
        ({"pairs": "A>B", "sets": "A>A", "one_source": "A>C"}, "t: 'A>C' is none of its columns"),
        (
            {"pairs": "A>B", "sets": "A>A", "bin_width": 0},
            "t: radiomics: bin_width 0: give grey levels, above 0 and at",
        ),
        ({"pairs": "A>B", "sets": "A>A", "bin_width": 256}, "bin_width 256: give grey levels, above 0 and at most 255"),
        ({"pairs": "A>B", "sets": "A>A", "bin_width": "4"}, "t: radiomics: bin_width is '4', not a number"),
        ({"pairs": "A>B", "sets": "A>A", "one_sauce": "B>B"}, "t: radiomics: unknown key 'one_sauce'"),
    ],
)
def test_what_a_suite_cannot_ask_for(settings, message):
    with pytest.raises(InputError) as caught:
        Radiomics().check("t", settings, TABLE)
    assert str(caught.value).startswith(message) or message in str(caught.value)


def test_a_cells_config_holds_how_it_is_measured_and_nothing_else():
    asked = {"pairs": "A>B", "sets": "A>A", "one_source": "B>B"}
    Radiomics().check("t", asked, TABLE)
    assert Radiomics().of_cell(asked) == {"bin_width": 4.0}, "a cell of a former default is another"
    assert Radiomics().of_cell(asked | {"bin_width": 25, "wavelet": ""}) == {"bin_width": 25, "wavelet": ""}
    assert Radiomics().measurement({"bin_width": 25}).settings == Settings(25, "coif1")


def results_of_before(folder, **settings: float) -> Results:
    """A cell whose features do not tell their bin width."""
    asked = {"radiomics": {"pairs": "A>B", "sets": "A>B"} | settings}
    table = PlannedTable("t", "T", ["PSNR"], {"original": "original"}, columns=["A>B"], analyses=asked)
    results = Results(folder)
    results.write_plan(Plan("s", "S", {"t": table}, [PlannedCell("t", "original", 0, 0, "abc")]))
    cell = CellFolder(results.cells / "abc")
    cell.path.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).normal(size=(18, 2))
    facts = [
        {"id": f"i{n}", "patient": f"i{n}", "device": "a", "region": region, "of": of, "column": "A>B"}
        for n in range(3)
        for of in ("source", "made", "target")
        for region in ("part 0", "image")
    ]
    pd.DataFrame(facts).assign(original_a=values[:, 0], original_b=values[:, 1]).to_csv(
        cell / "features.csv.gz", index=False
    )
    cell.mark_finished({"data": "d"}, "")
    return results


def test_results_of_before_are_read_with_the_width_that_was_the_default(tmp_path):
    results = results_of_before(tmp_path / "old")
    assert set(read_features(results, "t")["bin_width"]) == {25.0}
    (printed,) = Radiomics().findings(results, results.plan.tables["t"]).tables
    assert "2 features of grey levels: bin width 25 of 256 levels" in printed.notes[0]
    assert "3 regions of 3 objects" in printed.notes[1]
    told = results_of_before(tmp_path / "told", bin_width=10)
    assert set(read_features(told, "t")["bin_width"]) == {10.0}
    shutil.rmtree(told.cell("abc").path)
    assert Radiomics().findings(told, told.plan.tables["t"]).tables == [], "nothing has run"
