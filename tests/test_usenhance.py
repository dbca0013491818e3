"""USenhance 2023 in its released layout: pairs, organs, patients, Table 1, and a submission."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from datamodules import InputError, PairedFolderDataModule
from datamodules.counts import count_images
from datamodules.usenhance import USenhance, main, summary
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main as sonozoo

COUNTS = {"thyroid": 12, "carotid": 11, "kidney": 10, "liver": 20, "breast": 10}


def picture(path, shape, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def write(root, part: str = "train_datasets", counts=COUNTS, high: bool = True):
    """Pictures of 40 x (50 + n) whose grey level is n below and 100 + n above."""
    for organ, count in counts.items():
        for n in range(count):
            picture(root / part / organ / "low_quality" / f"{n:04d}.png", (40, 50 + n), n)
            if high:
                picture(root / part / organ / "high_quality" / f"{n:04d}.png", (40, 50 + n), 100 + n)
    return root


def module(root, **kwargs) -> USenhance:
    return USenhance(root, **({"size": (32, 32), "batch_size": 4, "num_workers": 0} | kwargs))


def levels(image: torch.Tensor) -> float:
    return float((image + 1) * 127.5)


def test_pairs_share_their_name_and_organ(tmp_path):
    data = module(write(tmp_path))
    data.prepare_data()
    assert len(data.rows) == sum(COUNTS.values())
    assert set(data.rows["organ"]) == set(COUNTS)
    assert data.rows.set_index("id")["device"]["carotid_0003"] == "SSUN"
    for batch in data.train_dataloader():
        for image_id, low, high in zip(batch["id"], batch["source"], batch["target"], strict=True):
            number = int(image_id.rpartition("_")[2])
            assert levels(low.mean()) == pytest.approx(number, abs=0.1)
            assert levels(high.mean()) == pytest.approx(100 + number, abs=0.1)


def test_a_tenth_of_every_organ_is_for_validation_and_nothing_for_a_test(tmp_path):
    splits = module(write(tmp_path)).splits()
    counted = splits[splits["split"] == "val"].groupby("organ").size()
    assert counted.to_dict() == {"thyroid": 2, "carotid": 2, "kidney": 1, "liver": 2, "breast": 1}
    assert set(splits["split"]) == {"train", "val"}
    splits = module(tmp_path, fractions=(0.6, 0.1, 0.3)).splits()
    assert splits.groupby("split")["organ"].nunique().to_dict() == {"train": 5, "val": 5, "test": 5}


def test_a_patient_table_keeps_patients_together(tmp_path):
    write(tmp_path)
    ids = [f"{organ}_{n:04d}" for organ, count in COUNTS.items() for n in range(count)]
    table = pd.DataFrame({"id": ids, "patient": [f"{i.split('_')[0]} {int(i[-4:]) // 5}" for i in ids]})
    table.to_csv(tmp_path / "patients.csv", index=False)
    splits = module(tmp_path, patients=tmp_path / "patients.csv").splits()
    assert splits["patient"].nunique() == 3 + 3 + 2 + 4 + 2
    assert (splits.groupby("patient")["split"].nunique() == 1).all()
    assert module(tmp_path, patients=str(tmp_path / "patients.csv")).splits().equals(splits)
    assert module(tmp_path, patients=tmp_path / "patients.csv").remark == ""
    assert module(tmp_path).remark == "Images count as patients in USenhance 2023: no table of patients was given."
    assert splits[splits["split"] == "val"].groupby("organ")["patient"].nunique().eq(1).all()
    table[3:].to_csv(tmp_path / "patients.csv", index=False)
    with pytest.raises(InputError, match="has no row for 'thyroid_0000'"):
        module(tmp_path, patients=tmp_path / "patients.csv").splits()


def test_the_organs_may_lie_in_the_root_itself_and_be_chosen(tmp_path):
    data = module(write(tmp_path) / "train_datasets", organs=("kidney", "breast"))
    data.prepare_data()
    assert data.rows["organ"].value_counts().to_dict() == {"kidney": 10, "breast": 10}
    with pytest.raises(InputError, match="organs: 'heart' is none of thyroid, carotid, kidney, liver, breast"):
        module(tmp_path, organs=("heart",))


def test_pictures_without_a_partner_are_named_organ_by_organ(tmp_path):
    write(tmp_path)
    for name in ("breast/high_quality/0003.png", "kidney/low_quality/0001.png", "kidney/low_quality/0002.png"):
        (tmp_path / "train_datasets" / name).unlink()
    with pytest.raises(InputError) as caught:
        module(tmp_path).prepare_data()
    kidney, breast = str(caught.value).splitlines()
    assert "kidney: 8 low-quality and 10 high-quality images" in kidney
    assert "high_quality/0001.png, high_quality/0002.png" in kidney
    assert "breast: 10 low-quality and 9 high-quality images; without a partner are low_quality/0003.png" in breast
    with pytest.raises(InputError, match=r"holds no images such as 'thyroid/low_quality/0001\.png'"):
        module(tmp_path / "elsewhere").prepare_data()


def test_pairs_of_two_sizes_are_resampled_only_when_asked(tmp_path):
    write(tmp_path, counts={"breast": 12})
    picture(tmp_path / "train_datasets" / "breast" / "high_quality" / "0005.png", (80, 99), 105)
    message = r"source is 40 x 55 but target is 80 x 99; a pair must have one size, or set data\.resample_pairs to true"
    with pytest.raises(InputError, match=message):
        module(tmp_path).prepare_data()
    data = module(tmp_path, resample_pairs=True)
    data.prepare_data()
    assert levels(data.dataset("all")[5]["target"].mean()) == pytest.approx(105, abs=0.1)


def test_coloured_pictures_become_grey_with_one_warning(tmp_path):
    write(tmp_path, counts={"breast": 12})
    for n in (2, 7):
        coloured = np.zeros((40, 50 + n, 3), np.uint8)
        coloured[..., 1] = 200
        Image.fromarray(coloured).save(tmp_path / "train_datasets" / "breast" / "low_quality" / f"{n:04d}.png")
    for _ in range(2):  # from the files, then from the cache
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = module(tmp_path)
            data.prepare_data()
        (warning,) = (str(w.message) for w in caught if "colour" in str(w.message))
        assert "2 of 12 pairs have coloured pictures ('breast_0002', ...), which were made grey" in warning
    assert levels(data.dataset("all")[2]["source"].mean()) == pytest.approx(0.587 * 200, abs=0.2)


def test_a_grey_picture_stored_as_colour_is_no_reason_to_warn(tmp_path):
    for side in ("source", "target"):
        picture(tmp_path / side / "a.png", (20, 20, 3), 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        PairedFolderDataModule(tmp_path, size=(20, 20)).load()


def test_table_1_counts_what_is_on_disk(tmp_path, capsys):
    write(tmp_path)
    write(tmp_path, "test_datasets", {"liver": 3, "breast": 2}, high=False)
    table = summary(tmp_path).set_index("organ")
    assert table["pairs, train"].to_dict() == {"Thyroid": 12, "Carotid": 11, "Abdomen": 30, "Breast": 10, "Overall": 63}
    assert table["pairs, validation"].to_dict() == {"Thyroid": 2, "Carotid": 2, "Abdomen": 3, "Breast": 1, "Overall": 8}
    assert table["pairs, test"].to_dict() == {"Thyroid": 0, "Carotid": 0, "Abdomen": 3, "Breast": 2, "Overall": 5}
    assert table["pairs, total"]["Overall"] == 68
    assert table["high quality"]["Breast"] == "SuperSonic Aixplorer"
    assert (table["patients, total"] == "").all()
    assert main([str(tmp_path)]) == 0
    assert "GE LOGIQ E9" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_public_split_is_written_for_what_is_on_disk_and_read_again(tmp_path, capsys):
    write(tmp_path)
    assert main([str(tmp_path), "--public-split", str(tmp_path / "public.csv")]) == 0
    assert "GE LOGIQ E9" in capsys.readouterr().out, "the counts as ever"
    counts = {"train": 50, "test": 13}  # a fifth of 63, rounded up
    assert pd.read_csv(tmp_path / "public.csv")["split"].value_counts().to_dict() == counts
    data = module(tmp_path, split_file=tmp_path / "public.csv")
    assert data.splits()["split"].value_counts().to_dict() == {"train": 44, "val": 6, "test": 13}
    assert data.remark.endswith("no table of patients was given. Split by public.csv.")
    with pytest.raises(InputError, match=r"usenhance_public\.csv: has no row for 'thyroid_0000', 'thyroid_0005'"):
        module(tmp_path, split_file="usenhance_public").splits()


def test_patients_are_counted_though_there_is_no_test_part(tmp_path):
    write(tmp_path)
    ids = [f"{organ}_{n:04d}" for organ, count in COUNTS.items() for n in range(count)]
    table = pd.DataFrame({"id": ids, "patient": [f"{i.split('_')[0]} {int(i[-4:]) // 5}" for i in ids]})
    table.to_csv(tmp_path / "patients.csv", index=False)
    counts = summary(tmp_path, tmp_path / "patients.csv").set_index("organ")
    assert counts["patients, train"].to_list() == [3, 3, 2 + 4, 2, 14]
    assert counts["patients, validation"].to_list() == [1, 1, 2, 1, 5]
    assert counts["patients, test"].to_list() == [0] * 5
    assert counts["patients, total"].to_list() == counts["patients, train"].to_list()


def test_images_are_counted_by_group_and_split():
    rows = pd.DataFrame(
        [
            ("a", "1", "kidney", "train"),
            ("b", "1", "kidney", "train"),
            ("c", "1", "liver", "train"),
            ("d", "2", "prostate", "val"),
            ("e", "3", "prostate", "held out"),
            ("f", "4", "prostate", "test"),
        ],
        columns=["id", "patient", "organ", "split"],
    )
    counts = count_images(rows)
    assert list(counts.columns) == ["group", "split", "patients", "pairs"]
    assert list(counts.itertuples(index=False, name=None)) == [
        ("Abdomen", "train", 1, 3), ("Prostate", "train", 0, 0), ("Overall", "train", 1, 3),
        ("Abdomen", "val", 0, 0), ("Prostate", "val", 1, 1), ("Overall", "val", 1, 1),
        ("Abdomen", "test", 0, 0), ("Prostate", "test", 1, 1), ("Overall", "test", 1, 1),
        ("Abdomen", "total", 1, 3), ("Prostate", "total", 3, 3), ("Overall", "total", 4, 6),
    ]  # fmt: skip
    assert set(count_images(rows.assign(organ=""))["group"]) == {"Overall"}


def test_counting_needs_no_torch():
    code = "import sys, datamodules.counts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_predict_writes_a_submission_and_never_over_another(tmp_path, capsys):
    write(tmp_path / "us", "test_datasets", {"liver": 3, "breast": 2}, high=False)
    picture(tmp_path / "us" / "test_datasets" / "liver" / "low_quality" / "0000.png", (40, 50), 200)  # not all is dark
    arguments = [a for a in tiny.command("cyclegan", tmp_path / "out") if "patients" not in a]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'data' / 'usenhance.yaml'}")
    arguments += [f"--data.root={tmp_path / 'us'}", "--data.part=test_datasets"]
    arguments += [f"--predictions.out_dir={tmp_path / 'submission'}"]
    assert sonozoo(["predict", *arguments[1:]]) == 0
    submitted = pd.read_csv(tmp_path / "submission" / "submission.csv")
    assert list(submitted.columns) == ["image_id", "enhanced_image_path"]
    assert list(submitted["image_id"]) == ["liver_0000", "liver_0001", "liver_0002", "breast_0000", "breast_0001"]
    for image_id, path in submitted.itertuples(index=False):
        enhanced = np.asarray(Image.open(tmp_path / "submission" / path))
        assert enhanced.shape == (40, 50 + int(image_id[-4:]))
        assert enhanced.dtype == np.uint8
    before = (tmp_path / "submission" / "submission.csv").read_bytes()
    assert sonozoo(["predict", *arguments[1:]]) == 2
    assert "submission: exists and is not empty; remove it, or name another" in capsys.readouterr().err
    assert (tmp_path / "submission" / "submission.csv").read_bytes() == before


def test_predictions_at_the_inputs_size_need_a_grid_of_pixels(tmp_path, capsys):
    write(tmp_path / "us", "test_datasets", {"breast": 2}, high=False)
    data = module(tmp_path / "us", part="test_datasets", spacing=0.2)
    with pytest.raises(InputError, match=r"predictions\.size 'input' needs pictures stretched to data\.size"):
        data.input_shapes()
    phantoms = tiny.data("enhancement")
    assert set(phantoms.input_shapes().values()) == {(32, 32)}
