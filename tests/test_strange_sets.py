"""What only a set of files shows: ranges, empty masks, regions, spacings; each is said or counted."""

from pathlib import Path

import numpy as np
import pytest

from datamodules import DeviceFolders, InputError, PairedFolderDataModule, Signal
from datamodules.readers import count_regions, read_image
from tests.conftest import ROOT
from tests.file_makers import (
    CLASSES,
    GREY,
    HALF,
    RAMP,
    SIGNED_BYTES,
    STEPS,
    dicom,
    level,
    npy,
    picture,
    refusal,
    region,
)
from zoo.cli import main


def folder_of(root: Path, **columns) -> Path:
    """``source/0.png``, ... and what else is given: makers by column, each with an ending."""
    for column, (ending, makers) in {"source": (".png", [picture(GREY)] * 2), **columns}.items():
        (root / column).mkdir(parents=True)
        for number, make in enumerate(makers):
            make(root / column / f"{number}{ending}")
    return root


def module(root: Path, **arguments) -> PairedFolderDataModule:
    return PairedFolderDataModule(root, **({"size": (20, 20)} | arguments))


KPA = Signal(1, 0, 180, "kPa")


def test_an_empty_valid_mask_is_refused_and_an_empty_lesion_counted(tmp_path):
    masks = (".png", [picture(level(1)), picture(level(0))])
    refusal(r"image '1': valid 'valid/1.png' is empty", module(folder_of(tmp_path / "a", valid=masks)).load)
    images = module(folder_of(tmp_path / "b", lesion=masks)).load()[1]
    assert images.arrays["empty_lesion"].ravel().tolist() == [False, True]
    assert np.array_equal(images.mask("lesion", 0)[..., 0], HALF)


def test_a_lesion_of_several_classes_is_asked_about_and_said(tmp_path):
    root = folder_of(tmp_path, lesion=(".png", [picture(CLASSES)] * 2))
    with pytest.raises(
        InputError, match=r"has 3 values \(0, 1, 2\), .* say which value is the lesion by data.lesion_value"
    ):
        module(root).load()
    images = module(root, lesion_value=2).load()[1]
    assert np.array_equal(images.mask("lesion", 1)[..., 0], CLASSES == 2)
    assert not images.arrays["empty_lesion"].any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RAMP * 400, r"target/0.npy: values from 0 to 400, beyond the declared 0 to 180 kPa; .* data.target.low"),
        (RAMP * 180 - 1, r"target/0.npy: values from -1 to 179, beyond the declared 0 to 180 kPa"),
        (STEPS.astype(np.int64), r"target/0.npy: values from 0 to 399, beyond"),
        (SIGNED_BYTES, r"target/0.npy: values from -100 to 99, beyond"),
        (RAMP * 3, "target: all values lie from 0 to 3, under 2 % of the declared 0 to 180 kPa; .* data.target.low"),
        (RAMP * 0 + 90, "target: all values lie from 90 to 90, under 2 %"),
        (level(1), "target: all values lie from 0 to 0.705882, under 2 % .*; store them over the files' full scale"),
    ],
)
def test_values_beyond_the_declared_range_or_in_a_sliver_of_it(tmp_path, values, words):
    root = folder_of(tmp_path, target=(".npy", [npy(values)] * 2))
    with pytest.raises(InputError, match=words):
        module(root, target=KPA).load()


def test_a_range_that_is_used_is_taken_and_kept(tmp_path):
    root = folder_of(tmp_path, target=(".npy", [npy(RAMP * 3), npy(RAMP * 0 + 120)]))
    images = module(root, target=KPA).load()[1]
    assert images.arrays["target_range"][:, 0, 0].tolist() == [[0, 3], [120, 120]], "one picture may be flat"
    assert images.arrays["source_range"][0, 0, 0].tolist() == [0, 255]
    assert module(root, target=Signal(1, 0, 130, "kPa"), clip=True).load()[1].image("target", 1).max() < 1
    wide = folder_of(tmp_path / "wide", target=(".npy", [npy(RAMP * 400)] * 2))
    assert module(wide, target=KPA, clip=True).load()[1].image("target", 1).max() == 1


def test_only_trusted_values_must_lie_in_the_range(tmp_path):
    values = np.where(HALF, RAMP * 100, -999)
    root = folder_of(tmp_path, target=(".npy", [npy(values)] * 2), valid=(".npy", [npy(HALF)] * 2))
    assert module(root, target=KPA).load()[1].arrays["target_range"].min() >= 50


def test_unit_fractions_where_grey_levels_are_declared(tmp_path):
    root = folder_of(tmp_path, target=(".npy", [npy(RAMP)] * 2))
    with pytest.raises(InputError, match="all values lie from 0 to 1, under 2 % of the declared 0 to 255 grey level"):
        module(root).load()


def test_scanners_state_the_range_of_both_sides_at_once(tmp_path):
    for device in ("a", "b"):
        folder_of(tmp_path / device)
        for number in range(2):
            npy(RAMP * 400)(tmp_path / device / f"{number}.npy")
    with pytest.raises(
        InputError, match=r"a/0\.npy: values from 0 to 400, .* by data\.signal\.low and data\.signal\.high"
    ):
        DeviceFolders(tmp_path, "b", size=(20, 20)).load()


def test_the_command_line_takes_the_options(tmp_path, capsys):
    root = folder_of(tmp_path / "own", source=(".dcm", [dicom()] * 2), lesion=(".png", [picture(CLASSES)] * 2))
    command = ["fit", "--print_config", f"--config={ROOT / 'configs' / 'pix2pix.yaml'}",
               f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}", f"--data.root={root}"]  # fmt: skip
    for option in ("region=all", "region=2", "lesion_value=3", "clip=true"):
        with pytest.raises(SystemExit):
            main([*command, f"--data.{option}"])
        assert f"    {option.replace('=', ': ')}\n" in capsys.readouterr().out


def test_several_regions_are_one_of_them_all_or_none(tmp_path):
    both = dicom(regions=[region((0, 17, 0, 15)), region((2, 19, 3, 18))])
    root = folder_of(
        tmp_path, source=(".dcm", [both, dicom(regions=[region()])]), target=(".dcm", [both, dicom(regions=[region()])])
    )
    assert count_regions(root / "source" / "0.dcm") == 2
    shapes = {
        choice: dict(zip(rows["id"], images.arrays["shape"][:, 0, 0].tolist(), strict=True))
        for choice in (0, "all", "whole")
        for rows, images in [module(root, region=choice).load()]
    }
    assert shapes[0] == {"0": [18, 16], "1": [16, 16]}
    assert shapes["all"] == {"0@0": [18, 16], "0@1": [18, 16], "1": [16, 16]}
    assert shapes["whole"] == {"0": [20, 20], "1": [20, 20]}
    rows, images = module(root, region="all", size=(18, 16)).load()
    assert rows["patient"].tolist() == ["0", "0", "1"]
    assert np.allclose(images.image("target", 1)[..., 0], GREY[2:20, 3:19] / 127.5 - 1, atol=1e-4)
    with pytest.raises(InputError, match=r"1\.dcm: region 1 does not exist; it has 1 of tissue"):
        module(root, region=1).load()
    for name in ("0", "1"):
        (root / "source" / f"{name}.dcm").write_bytes(b"no")
    with pytest.raises(InputError, match="not a readable DICOM") as error:
        module(root, region="all").load()
    assert len(str(error.value).splitlines()) == 2, "all faults together"
    with pytest.raises(InputError, match="region -1: give a number from 0, 'all' or 'whole'"):
        module(root, region=-1)


def test_faults_of_one_region_name_the_row_of_the_manifest(tmp_path):
    two = [region((0, 17, 0, 15)), region((2, 19, 3, 18))]
    root = folder_of(tmp_path, source=(".dcm", [dicom(regions=two)] * 2), valid=(".png", [picture(level(1))] * 2))
    with pytest.raises(InputError, match=r"image '1@1': valid 'valid/1.png' is 20 x 20 but source is 18 x 16"):
        module(root, region="all").load()


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ((0.02, 0.03), (0.2, 0.3)),
        ((0.02, -0.02), (0.2, 0.2)),
        ((0, 0.02), "says a pixel spacing of 0 x 0.2 mm, which cannot be"),
        ((float("nan"), 0.02), "says a pixel spacing of nan x 0.2 mm"),
        ((float("inf"), 0.02), "says a pixel spacing of inf x 0.2 mm"),
        ((500.0, 500.0), "says a pixel spacing of 5000 x 5000 mm"),
        ((1e-9, 1e-9), "says a pixel spacing of 1e-08 x 1e-08 mm"),
    ],
)
def test_the_spacing_of_a_region(tmp_path, delta, expected):
    dicom(regions=[region(delta=delta)])(tmp_path / "a.dcm")
    check_spacing(tmp_path, expected)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        (["0.2", "0.3"], (0.2, 0.3)),
        (["0", "0"], "says a pixel spacing of 0 x 0 mm"),
        (["-0.2", "0.2"], "says a pixel spacing of -0.2 x 0.2 mm"),
        (["nan", "0.2"], "says a pixel spacing of nan x 0.2 mm"),
        (["0.2"], "says a pixel spacing that is no two numbers"),
        (None, "does not say its pixel spacing"),
    ],
)
def test_the_spacing_of_a_picture(tmp_path, spacing, expected):
    dicom(**({} if spacing is None else {"PixelSpacing": spacing}))(tmp_path / "a.dcm")
    check_spacing(tmp_path, expected)


def check_spacing(folder: Path, expected) -> None:
    """It matters only to who asks for a grid in mm; pictures are read without."""
    read = read_image(folder / "a.dcm")
    (folder / "own.csv").write_text("id,patient,source\na,a,a.dcm\n")
    data = PairedFolderDataModule(folder / "own.csv", size=(16, 16), spacing=0.2)
    if isinstance(expected, str):
        assert read.spacing is None
        assert "a.dcm" in refusal(f"{expected}.*add a column 'spacing'", data.load)
        return
    assert read.spacing == pytest.approx(expected)
    assert data.load()[1].arrays["file_spacing"][0, 0, 0].tolist() == pytest.approx(expected)
