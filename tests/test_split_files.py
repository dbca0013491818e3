"""Published splits: a table names the side of every image; what is wrong with such a table."""

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from benchmarks.__main__ import main
from datamodules import BUSI, InputError, PairedFolderDataModule
from datamodules.manifest import parted
from datamodules.split_files import SHIPPED, find_split_file, split_by_file
from datamodules.usenhance import public_split

SIDES = ["train"] * 12 + ["val"] * 4 + ["test"] * 4


@pytest.fixture
def pairs(tmp_path):
    """Twenty pairs of ten patients, ``p0_0`` and ``p0_1`` to ``p9_1``."""
    rng = np.random.default_rng(0)
    for side in ("source", "target"):
        (tmp_path / side).mkdir()
        for patient in range(10):
            for number in range(2):
                image = Image.fromarray(rng.integers(0, 255, (20, 20), dtype=np.uint8))
                image.save(tmp_path / side / f"p{patient}_{number}.png")
    return tmp_path


def ids() -> list[str]:
    return [f"p{patient}_{number}" for patient in range(10) for number in range(2)]


def write(folder, sides=SIDES, names=None):
    table = pd.DataFrame({"id": ids() if names is None else names, "split": sides})
    table.sample(frac=1, random_state=0).to_csv(folder / "published.csv", index=False)
    return folder / "published.csv"


def module(root, **kwargs) -> PairedFolderDataModule:
    return PairedFolderDataModule(root, size=(20, 20), num_workers=0, **kwargs)


def sides(data) -> dict[str, str]:
    return data.splits().set_index("id")["split"].to_dict()


def test_a_table_decides_the_side_of_every_image_and_is_named_under_the_tables(pairs):
    data = module(pairs, split_file=write(pairs))
    assert sides(data) == dict(zip(ids(), SIDES, strict=True))
    assert data.remark == f"Images count as patients in {pairs.stem}: no table of patients was given. " + (
        "Split by published.csv."
    )
    assert len(data.dataset("test")) == 4
    foreseen = module(pairs, split_file=pairs / "published.csv").expected()
    assert foreseen == pd.Series(SIDES).value_counts().to_dict(), "known before an image is read"
    data.splits()
    assert data.remark.count("Split by") == 1
    assert sides(module(pairs, split_file=str(pairs / "published.csv"))) == sides(data)
    with pytest.raises(InputError, match="fold 1 does not exist: there are 1 folds"):
        module(pairs, split_file=pairs / "published.csv", fold=1).splits()


def test_what_a_table_does_not_name_for_validation_is_taken_from_the_training_patients(pairs):
    file = write(pairs, ["train"] * 16 + ["test"] * 4)
    data = module(pairs, split_file=file, patient_separator="_", fractions=(0.75, 0.25, 0.0))
    assert data.splits()["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}
    assert (data.splits().groupby("patient")["split"].nunique() == 1).all()
    assert {name for name, side in sides(data).items() if side == "test"} == {"p8_0", "p8_1", "p9_0", "p9_1"}
    other = module(pairs, split_file=file, patient_separator="_", fractions=(0.75, 0.25, 0.0), split_seed=1)
    assert sides(other) != sides(data)
    none = module(pairs, split_file=file, fractions=(1.0, 0.0, 0.0))
    assert none.splits()["split"].value_counts().to_dict() == {"train": 16, "test": 4}


FAULTS = {
    "missing": (
        {"names": ids()[:-5], "sides": SIDES[:-5]},
        "has no row for 'p7_1', 'p8_0', 'p8_1' and 2 more; add one",
    ),
    "unknown": ({"names": [*ids(), "x"], "sides": [*SIDES, "test"]}, "the data has no image 'x'; complete the data"),
    "side": ({"sides": [*SIDES[:-1], "held out"]}, "id 'p9_1': split 'held out' is none of train, val, test; correct"),
    "patient": ({"sides": ["test", *SIDES[1:]]}, "patient 'p0' is in the splits test and train; keep it in one"),
    "twice": ({"names": [*ids()[:-1], "p0_0"]}, "id 'p0_0' stands in an earlier row too; keep one"),
    "empty": ({"sides": [*SIDES[:-1], ""]}, "'split' is empty; every row needs one"),
    "no test": ({"sides": ["train"] * 16 + ["val"] * 4}, "split 'test' is empty"),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_of_a_table_is_one_line(pairs, change, message):
    data = module(pairs, split_file=write(pairs, **change), patient_separator="_", fractions=(1.0, 0.0, 0.0))
    with pytest.raises(InputError, match=message) as caught:
        data.splits()
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_table_is_named_and_predicting_does_not_ask_for_it(pairs):
    data = module(pairs, split_file=pairs / "nowhere.csv")
    data.setup("predict")
    with pytest.raises(InputError, match=r"nowhere\.csv: not a CSV with the columns id, split; correct it"):
        data.splits()


def test_a_suite_takes_a_table_by_the_flag_of_its_data_and_has_then_one_fold(tmp_path, capsys):
    data = {"class_path": "USenhance", "root": None, "fractions": [0.6, 0.1, 0.3], "size": [32, 32]}
    rows = {"FDA": {"config": "fda.yaml"}}
    table = {"metrics": ["SSIM"], "data": data, "rows": rows}
    suite = {"tables": {"one": table | {"folds": [0]}, "three": table | {"folds": [0, 1, 2]}}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    command = ["plan", str(tmp_path / "s.yaml"), "--data", f"USenhance={tmp_path}"]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--data", "USenhance.split_file=usenhance_public"]) == 2
    faults = capsys.readouterr().err
    assert "table 'three': row 'FDA': fold 1 does not exist: there are 1 folds, 0 to 0; correct it" in faults
    assert "table 'one'" not in faults


def test_near_duplicates_of_busi_are_not_parted_by_a_table(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"{label} ({number})" for label in ("benign", "malignant") for number in range(1, 7)]
    for name in names:
        path = tmp_path / name.split()[0] / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(path)
    (tmp_path / "benign" / "benign (2).png").write_bytes((tmp_path / "benign" / "benign (1).png").read_bytes())
    split = ["test", "train", "train", "train", "val", "train"] * 2
    pd.DataFrame({"id": names, "split": split}).to_csv(tmp_path / "split.csv", index=False)
    with (
        pytest.warns(UserWarning, match="1 pair of near-duplicates"),
        pytest.raises(InputError, match=r"^split.csv: patient 'benign \(1\)' is in the splits test and train; keep it"),
    ):
        BUSI(tmp_path, size=(40, 40), num_workers=0, split_file=tmp_path / "split.csv").splits()


def test_every_class_stands_on_every_side():
    rows = pd.DataFrame({"label": ["benign", "malignant"] * 2, "patient": list("abcd")})
    assert list(parted(rows.assign(split=["train", "train", "test", "train"]), "split.csv")) == [
        "split.csv: split 'test' has no image with the label 'malignant'; move a patient of it there"
    ]
    assert not list(parted(rows.assign(split=["train", "train", "test", "test"]), "split.csv"))


def test_the_shipped_split_of_usenhance_is_made_by_its_rule():
    """840 and 210 of the 1,050 pairs that were released, numbered from 1 to 1500 over all organs."""
    file = find_split_file("usenhance_public")
    assert file == SHIPPED / "usenhance_public.csv"
    table = pd.read_csv(file)
    assert table["split"].value_counts().to_dict() == {"train": 840, "test": 210}
    organs, numbers = table["id"].str[:-5], table["id"].str[-4:]
    assert organs.value_counts().to_dict() == {
        "thyroid": 291, "carotid": 286, "breast": 202, "liver": 149, "kidney": 122,
    }  # fmt: skip
    assert numbers.is_unique
    assert numbers.astype(int).groupby(organs).agg(["min", "max"]).to_numpy().tolist() == [
        [1213, 1500], [417, 824], [1038, 1212], [825, 1037], [1, 416],
    ]  # fmt: skip
    assert public_split(table["id"].sample(frac=1, random_state=0)).equals(table)


def test_a_tenth_of_its_training_pairs_is_for_validation():
    ids = pd.read_csv(find_split_file("usenhance_public"))["id"]
    rows = pd.DataFrame({"id": ids, "patient": ids, "label": "", "organ": ids.str[:-5]})
    split = split_by_file(rows, "usenhance_public", (0.63, 0.07, 0.3))
    assert split.value_counts().to_dict() == {"train": 754, "val": 86, "test": 210}
    assert rows["organ"][split == "val"].value_counts().to_dict() == {
        "thyroid": 24, "carotid": 23, "breast": 16, "liver": 13, "kidney": 10,
    }  # fmt: skip


def test_of_all_announced_pairs_the_rule_gives_1200_and_300():
    table = public_split(f"thyroid_{number:04d}" for number in range(1, 1501))
    assert table["split"].value_counts().to_dict() == {"train": 1200, "test": 300}
    first = np.random.RandomState(42).permutation(1500)[:300]
    assert set(np.flatnonzero(table["split"] == "test")) == set(first), "scikit-learn takes the first of a permutation"
