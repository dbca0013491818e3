"""US3M in its released layout: pairs by number, patients by folder, labels by table; its elastograms by their bar."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.own_data import parse
from benchmarks.suite import SUITES, read_suite
from benchmarks.tables.published import printed, read_published
from datamodules import US3M, InputError, Signal
from datamodules.batch import RGB
from datamodules.grid import resize
from datamodules.summary import open_data
from datamodules.us3m import BAR, REMARK, is_us3m, main
from tests.elastograms import shot, swe_patients

PATIENTS = 10  # the odd ones malignant
BUS, EUS = (1, 2, 3), (1, 2)  # numbers of each patient


def picture(path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((40, 50, 3), level, np.uint8)
    if path.stem.startswith("EUS"):
        image[..., 2] = 200
    Image.fromarray(image).save(path, quality=100)


def write(root, name="{:03d}", ending="jpg"):
    """B-mode of the grey level 10 n + k, elastograms of its red and green plus 100, and Doppler."""
    for patient in range(1, PATIENTS + 1):
        folder = root / name.format(patient)
        for kind, numbers, plus in (("BUS", BUS, 0), ("DUS", (1,), 50), ("EUS", EUS, 100)):
            for number in numbers:
                picture(folder / f"{kind}_{number}.{ending}", 10 * patient + number + plus)
    return root


def by_class(root):
    """The patients' folders in ``benign`` and ``malignant``."""
    for folder in sorted(root.iterdir()):
        label = "malignant" if int(folder.name) % 2 else "benign"
        (root / label).mkdir(exist_ok=True)
        folder.rename(root / label / folder.name)
    return root


def table(path):
    odd = [patient % 2 for patient in range(1, PATIENTS + 1)]
    pd.DataFrame({"id": range(1, PATIENTS + 1), "label": odd}).to_csv(path, index=False)
    return path


def module(root, **kwargs) -> US3M:
    return US3M(root, **({"size": (40, 50), "batch_size": 4, "num_workers": 0} | kwargs))


@pytest.fixture
def released(tmp_path):
    """A folder a patient beside the table, as the set is downloaded."""
    write(tmp_path / "US3M" / "BD3M", "{}")
    table(tmp_path / "US3M" / "BD3M.csv")
    return tmp_path / "US3M"


def levels(image: torch.Tensor) -> list[float]:
    return ((image + 1) * 127.5).mean((-2, -1)).tolist()


def test_pairs_are_b_mode_and_elastogram_of_one_patient_and_number(released):
    data = module(released)
    with pytest.warns(UserWarning, match=r"^US3M: 10 of the .* no partner of their number \('1/BUS_3\.jpg', \.\.\.\)"):
        data.prepare_data()
    assert data.rows["id"].tolist() == [f"{patient}_{number}" for patient in range(1, 11) for number in EUS]
    assert data.rows["patient"].tolist() == [str(patient) for patient in range(1, 11) for _ in EUS]
    assert set(data.rows["organ"]) == {"breast"}
    assert data.remark == REMARK
    assert (data.task.target.channels, data.task.target.unit) == (3, "RGB")
    for batch in data.train_dataloader():
        for name, source, target, label in zip(*(batch[k] for k in ("id", "source", "target", "label")), strict=True):
            patient, number = map(int, name.split("_"))
            level = 10 * patient + number
            assert levels(source) == pytest.approx([level], abs=1)
            assert levels(target) == pytest.approx([level + 100, level + 100, 200], abs=2)
            assert label == patient % 2
    splits = data.splits()
    assert (splits.groupby("patient")["split"].nunique() == 1).all()
    assert splits.groupby("split")["label"].nunique().eq(2).all()


@pytest.mark.parametrize("arrange", ["beside", "inside", "by class", "named"])
def test_labels_are_those_of_the_table_or_of_the_folders(tmp_path, arrange):
    root, labels = write(tmp_path / "set"), None
    if arrange == "by class":
        by_class(root)
    else:
        labels = table({"beside": tmp_path, "inside": root, "named": tmp_path / "set" / "001"}[arrange] / "BD3M.csv")
    data = module(root, labels=labels if arrange == "named" else None)
    with pytest.warns(UserWarning, match="have no partner"):
        rows = data.manifest().rows
    assert len(rows) == 20
    assert rows["patient"].nunique() == 10
    number = rows["patient"].str[-3:].astype(int)
    assert (rows["label"] == np.where(number % 2, "malignant", "benign")).all()
    assert rows["patient"][0] == ("benign/002" if arrange == "by class" else "001")


def test_a_number_is_a_patient_where_the_pictures_stand_in_the_folders_of_the_classes(tmp_path):
    for label in ("benign", "malignant"):
        for number in range(1, 7):
            picture(tmp_path / label / f"BUS_{number}.png", number)
            picture(tmp_path / label / f"EUS_{number}.png", 100 + number)
    data = module(tmp_path)
    rows = data.manifest().rows
    assert rows["patient"].tolist() == [f"{label}_{n}" for label in ("benign", "malignant") for n in range(1, 7)]
    assert rows["target"][8] == "malignant/EUS_3.png"
    assert data.remark == f"{REMARK} Images count as patients in US3M: no table of patients was given."


def test_without_elastograms_there_is_only_something_to_predict_on(tmp_path):
    for file in [*write(tmp_path / "set").rglob("EUS_*"), *(tmp_path / "set").rglob("DUS_*")]:
        file.unlink()
    data = module(by_class(tmp_path / "set"))
    assert not data.has_targets
    assert len(data.rows) == PATIENTS * len(BUS)
    assert data.remark == ""


FAULTS = {
    "no folder": (None, "nowhere: no such folder; name the one that holds the patients' folders of US3M"),
    "no pictures": ("*/*", "set: holds no US3M images such as '1/BUS_1.jpg' and '1/EUS_1.jpg'; check the folder"),
    "no pair": ("*/BUS_[12]*", "set: no BUS_k has an EUS_k of its number, as 'BUS_3.jpg'; complete the set"),
}


@pytest.mark.parametrize(("gone", "message"), FAULTS.values(), ids=FAULTS)
def test_what_is_missing_is_said_in_one_line(tmp_path, gone, message):
    root = write(tmp_path / "set")
    table(tmp_path / "BD3M.csv")
    for file in root.glob(gone) if gone else ():
        file.unlink()
    with pytest.raises(InputError, match=message) as caught:
        module(root if gone else tmp_path / "nowhere").manifest()
    assert len(str(caught.value).splitlines()) == 1


def test_a_patient_without_any_pair_is_left_out(tmp_path):
    root = write(tmp_path / "set")
    table(tmp_path / "BD3M.csv")
    for file in root.glob("003/BUS_[12]*"):
        file.unlink()
    with pytest.warns(UserWarning, match="no partner of their number"):
        rows = module(root).manifest().rows
    assert "3" not in {patient.lstrip("0") for patient in rows["patient"]}
    assert rows["patient"].nunique() == PATIENTS - 1


def test_two_pictures_of_one_kind_and_number_are_refused(tmp_path):
    root = by_class(write(tmp_path / "set"))
    picture(root / "benign" / "002" / "BUS_02.jpg", 1)
    with pytest.raises(InputError, match=r"BUS_2\.jpg: 'BUS_02\.jpg' is of the same kind and number; keep one"):
        module(root).manifest()
    picture(root / "benign" / "002" / "BUS_1.png", 1)
    with pytest.raises(InputError, match=r"BUS_1\.png: 'BUS_1\.jpg' has the same name; keep one of them"):
        module(root).manifest()


def test_every_fault_of_the_labels_is_a_line(tmp_path):
    root = write(tmp_path / "set")
    with pytest.raises(InputError, match=r"set: does not say which lesions are malignant; put BD3M\.csv or BD3M\.xlsx"):
        module(root).manifest()
    (tmp_path / "own.csv").write_text("id,label\n" + "".join(f"{n},{n % 3}\n" for n in range(1, 10)))
    with pytest.raises(InputError) as caught:
        module(root, labels=tmp_path / "own.csv").manifest()
    assert str(caught.value).splitlines() == [
        *(f"own.csv: folder '00{n}': label '2' is none of 0, 1, benign, malignant; correct it" for n in (2, 5, 8)),
        "own.csv: has no row for the folder '010'; add it, or drop the folder",
    ]
    (tmp_path / "own.csv").write_text("number,label\n1,0\n")
    with pytest.raises(InputError, match=r"own\.csv: not a CSV with the columns id, label; correct it"):
        module(root, labels=str(tmp_path / "own.csv")).manifest()


def test_the_released_table_is_one_of_excel(tmp_path, monkeypatch):
    """Its first two columns, whatever their names: the patients' numbers and 0 or 1."""
    root = write(tmp_path / "set", "{}")
    (tmp_path / "BD3M.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"BD3M\.xlsx: .*; (pip install openpyxl, or save|download it again)"):
        module(root).manifest()
    cells = [["number", "pathology", "note"], *([str(n), str(n % 2), ""] for n in range(1, 11))]
    monkeypatch.setattr(pd, "read_excel", lambda path, **kwargs: pd.DataFrame(cells))
    with pytest.warns(UserWarning, match="have no partner"):
        rows = module(root).manifest().rows
    assert (rows["label"] == np.where(rows["patient"].astype(int) % 2, "malignant", "benign")).all()
    monkeypatch.setattr(pd, "read_excel", lambda path, **kwargs: pd.DataFrame({0: ["1"]}))
    with pytest.raises(InputError, match=r"BD3M\.xlsx: has no two columns"):
        module(root).manifest()


@pytest.fixture(scope="module")
def screens(tmp_path_factory):
    """Two patients whose elastograms are a scanner's screens: B-mode beside an overlay and its bar."""
    root = tmp_path_factory.mktemp("screens")
    for label, patient in zip(("benign", "malignant"), swe_patients(), strict=True):
        folder = root / label / "1"
        folder.mkdir(parents=True)
        for file in ("BUS_1.png", "EUS_1.png"):
            Image.fromarray(shot(patient)).save(folder / file)
    return root


def test_elastograms_become_values_by_their_colour_bar(screens, tmp_path, capsys):
    assert main([str(screens), "--out", str(tmp_path / "pairs"), "--size", "64", "64"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "pairs" / "manifest.csv")
    data = module(tmp_path / "pairs", size=(64, 64), target=Signal(1, 0.0, 1.0, BAR))
    assert data.rows["id"].tolist() == ["benign/1_1", "malignant/1_1"]
    assert data.rows["patient"].tolist() == ["benign/1", "malignant/1"]
    assert data.rows["label"].tolist() == ["benign", "malignant"]
    assert data.rows["organ"].tolist() == ["breast", "breast"]
    for index, patient in enumerate(swe_patients()):
        target, valid = data.images.image("target", index)[..., 0], data.images.mask("valid", index)[..., 0]
        wanted, shown = (resize(image[..., None].astype(np.float32), (64, 64))[..., 0]
                         for image in (patient.values, patient.shown))  # fmt: skip
        both = valid & (shown > 0.9)
        assert both.mean() > 0.3
        assert np.median(np.abs((target + 1) / 2 - wanted)[both]) < 0.03


def test_what_the_bar_shows_may_be_told_and_is_not_converted_from_parts(screens, tmp_path, capsys):
    out = tmp_path / "kpa"
    assert main([str(screens), "--out", str(out), "--high", "180", "--unit", "kPa", "--to", "m/s"]) == 0
    fastest = max(np.load(file).max() for file in (out / "target").glob("*.npy"))
    assert 4 < fastest < 8, "m/s, of up to 180 kPa"
    assert main([str(screens), "--out", str(tmp_path / "parts"), "--to", "m/s"]) == 2
    assert "--to m/s: only kPa and m/s follow from each other; leave it out" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_suite_has_the_papers_tables_with_the_rows_of_the_suite_of_its_sizes():
    own, paper = (yaml.safe_load((SUITES / f"{name}.yaml").read_text())["tables"] for name in ("us3m", "paper"))
    assert list(own) == ["translation", "diagnosis", "ablation"]
    assert own["ablation"]["rows"] == paper["ablation"]["rows"]
    masked = {"V-EUS", "V-EUS (matched)", "V-EUS, colours rebalanced"}
    theirs = {row: given for row, given in paper["translation"]["rows"].items() if row not in masked}
    alone = own["translation"]["rows"].pop("V-EUS (no D_T, matched)")
    assert own["translation"]["rows"] == theirs
    assert alone["model"] == paper["translation"]["rows"]["V-EUS (matched)"]["model"] | {"tumor_d": False}
    assert set(own["diagnosis"]["rows"]) == set(paper["diagnosis"]["rows"])


def test_every_cell_of_the_suite_is_trained_and_tested_on_us3m_by_one_flag(tmp_path):
    suite = read_suite("us3m", parse([f"US3M={tmp_path}"]))
    assert not suite.left_out
    sections = [data for cell in suite.cells for data in (cell.config["data"], *cell.config.get("tests", {}).values())]
    assert {data["class_path"] for data in sections} == {"US3M"}
    assert {data["init_args"]["root"] for data in sections} == {str(tmp_path)}
    assert {tuple(data["init_args"]["size"]) for data in sections} == {(256, 256)}
    assert {cell.fold for cell in suite.cells} == {0, 1, 2}
    diagnosis = suite.tables["diagnosis"]
    published = read_published(diagnosis.paper)
    assert printed(published, "HSC-T", "accuracy", "US3M>US3M")["value"].tolist() == pytest.approx([0.877])
    with pytest.raises(InputError, match=r"nothing to run: table 'translation' .* --data US3M=DIR"):
        read_suite("us3m")


def test_a_folder_of_the_set_is_known_by_its_files(released, tmp_path):
    found = open_data(released, RGB, (40, 50))
    assert isinstance(found, US3M)
    assert len(found.rows) == 20
    (tmp_path / "other" / "benign").mkdir(parents=True)
    assert not is_us3m(tmp_path / "other")
