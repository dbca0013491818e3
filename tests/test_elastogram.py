"""Elastograms from a scanner's pictures: what was drawn comes back, and what cannot be read is said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom import examples

from datamodules import InputError, PairedFolderDataModule
from datamodules.batch import Signal
from datamodules.elastogram import Box, ColourBar, find_bar, find_layout, read_elastogram
from datamodules.grid import resize
from datamodules.phantom.__main__ import main as write_phantoms
from datamodules.phantom.screenshot import BAR, GREY, OVERLAY
from tests.elastograms import as_jpeg, check, run, shot, swe_patients, unit

HIGH = 180.0


@pytest.fixture(scope="module")
def patients():
    return swe_patients()


@pytest.mark.parametrize(("number", "quality"), [(0, 95), (1, 75)])
@pytest.mark.parametrize("opacity", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("name", ["jet", "turbo", "plasma"])
def test_what_was_drawn_comes_back(patients, name, opacity, number, quality):
    patient = patients[number]
    frame = as_jpeg(shot(patient, name, opacity), quality)
    layout = find_layout(frame, "shot")
    assert (layout.grey, layout.overlay) == (GREY, OVERLAY)
    found = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot")
    assert found.opacity == pytest.approx(opacity, abs=0.03)
    check(found, patient)


def test_panels_may_stand_in_the_other_order(patients):
    frame = unit(shot(patients[0])[:, ::-1])
    layout = find_layout(frame, "shot")
    assert layout.overlay.right < layout.grey.left
    found = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot")
    check(SimpleNamespace(values=found.values[:, ::-1], valid=found.valid[:, ::-1]), patients[0])


def test_panels_may_touch(patients):
    frame = unit(shot(patients[0]))
    gap = OVERLAY.left - GREY.right
    frame[:, : GREY.right + gap] = np.roll(frame[:, : GREY.right + gap], gap, axis=1)
    layout = find_layout(frame, "shot")
    assert (layout.grey, layout.overlay) == (GREY.moved(0, gap), OVERLAY)
    check(read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot"), patients[0])


def test_one_panel_is_read_with_its_opacity_and_gives_the_b_mode_under_it(patients):
    frame = as_jpeg(shot(patients[0], opacity=0.5, single=True), 95)
    layout = find_layout(frame, "shot")
    assert layout.grey is None
    colours = ColourBar.of_frame(frame, layout.bar)
    with pytest.raises(InputError, match=r"shows no grey panel .* pass --opacity, or --b-mode TOP BOTTOM LEFT RIGHT"):
        read_elastogram(frame, layout, colours, "shot")
    with pytest.raises(InputError, match=r"opacity 1 hides the B-mode, and no grey panel .* or --b-mode-files DIR"):
        read_elastogram(frame, layout, colours, "shot", opacity=1.0)
    found = read_elastogram(frame, layout, colours, "shot", opacity=0.5)
    check(found, patients[0])
    b_mode = resize(patients[0].b_mode[..., None], (OVERLAY.height, OVERLAY.width))[..., 0]
    assert np.median(np.abs(found.b_mode - b_mode)) < 0.03
    assert np.corrcoef(found.b_mode[found.valid], b_mode[found.valid])[0, 1] > 0.7


def test_the_bar_is_read_either_way_up(patients):
    frame = unit(shot(patients[0]))
    bar = find_bar(frame)
    upright, other = (ColourBar.of_frame(frame, bar, up) for up in (True, False))
    assert np.allclose(upright.colours, other.colours[::-1])
    assert abs(bar.top - BAR.top) <= 1
    assert abs(bar.bottom - BAR.bottom) <= 1
    jet = ColourBar.named("jet").colours
    assert np.abs(upright.colours - jet).mean() < 0.02


def test_a_colour_that_stands_for_two_values_is_not_valid():
    half = ColourBar.named("jet").colours[::2]
    value, distance = ColourBar(np.concatenate([half, half[::-1]])).values(half[[60]])
    assert np.isinf(distance).all()
    value, distance = ColourBar.named("jet").values(ColourBar.named("jet").colours[[60, 200]])
    assert value == pytest.approx([60.5 / 256, 200.5 / 256], abs=0.01)
    assert (distance < 2).all()


def test_words_and_marks_over_the_region_are_not_valid(patients):
    frame = unit(shot(patients[0]))
    layout = find_layout(frame, "shot")
    found = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot")
    frame[OVERLAY.top + 200 : OVERLAY.top + 230, OVERLAY.left + 150 : OVERLAY.left + 250] = 1.0
    covered = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot")
    assert found.valid[205:225, 155:245].all()
    assert not covered.valid[205:225, 155:245].any()
    frame[OVERLAY.top + 200 : OVERLAY.top + 230, OVERLAY.left + 150 : OVERLAY.left + 250] = (1.0, 0.4, 0.8)
    covered = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "shot")
    assert not covered.valid[205:225, 155:245].any(), "pink is not on the bar"


def test_faults_say_what_to_pass(patients):
    frame = unit(shot(patients[0]))
    layout = find_layout(frame, "shot")
    colours = ColourBar.of_frame(frame, layout.bar)
    bare = frame.copy()
    BAR.of(bare)[:] = 0
    with pytest.raises(InputError, match="no colour bar was found; pass --bar TOP BOTTOM LEFT RIGHT, or --colour-map"):
        find_layout(bare, "shot")
    known = find_layout(bare, "shot", needs_bar=False)
    check(read_elastogram(bare, known, ColourBar.named("jet"), "shot"), patients[0])
    with pytest.raises(InputError, match=r"the panels are swapped.*exchange --b-mode and --overlay"):
        find_layout(frame, "shot", grey=OVERLAY, overlay=GREY)
    with pytest.raises(InputError, match="colour map 'rainbo': unknown; use one of matplotlib's"):
        ColourBar.named("rainbo")
    with pytest.raises(InputError, match="colour map 'gray': is grey and cannot be told from B-mode"):
        ColourBar.named("gray")
    for opacity in (0.0, 1.5):
        with pytest.raises(InputError, match=f"opacity {opacity:g}: .*pass a number between"):
            read_elastogram(frame, layout, colours, "shot", opacity)
    with pytest.raises(InputError, match=r"box 0 10 0 5000 is not in the picture of 560 x 1000"):
        find_layout(frame, "shot", overlay=Box(0, 10, 0, 5000))
    with pytest.raises(InputError, match="the panels are 420 x 420 and 420 x 300; B-mode and overlay have one size"):
        find_layout(frame, "shot", grey=GREY, overlay=Box(80, 500, 500, 800))
    grey = frame.copy()
    OVERLAY.of(grey)[:] = GREY.of(grey)
    with pytest.raises(InputError, match="no panel with a coloured elastogram was found; pass --overlay"):
        find_layout(grey, "shot")


@pytest.fixture
def folder(tmp_path, patients):
    (tmp_path / "frames").mkdir()
    for number, patient in enumerate(patients):
        Image.fromarray(shot(patient)).save(tmp_path / "frames" / f"p{number}_plane1.png")
    return tmp_path / "frames"


def test_the_command_writes_pairs_that_the_data_modules_read(folder, patients, tmp_path, capsys):
    assert run(folder, tmp_path / "out", "--high", "180", "--unit", "kPa", "--patient-separator", "_") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "manifest.csv")
    signal = Signal(1, 0.0, HIGH, "kPa")
    data = PairedFolderDataModule(tmp_path / "out", size=(64, 96), target=signal, batch_size=2)
    (batch,) = data.predict_dataloader()
    assert batch["patient"] == ["p0", "p1"]
    for patient, target, valid, source in zip(patients, batch["target"], batch["valid"], batch["source"], strict=True):
        wanted = HIGH * resize(patient.values[..., None].astype(np.float32), (64, 96))[..., 0]
        known = valid[0].numpy()
        assert 0.2 < known.mean() < 0.8
        assert np.median(np.abs(signal.to_physical(target)[0].numpy() - wanted)[known]) < 0.03 * HIGH
        b_mode = resize(patient.b_mode[..., None], (64, 96))[..., 0]
        assert np.corrcoef(((source[0].numpy() + 1) / 2).ravel(), b_mode.ravel())[0, 1] > 0.98


def test_dicom_frames_are_read_whole(folder, patients, tmp_path):
    dataset = pydicom.dcmread(examples.get_path("rgb_color"))
    frame = shot(patients[0])
    dataset.Rows, dataset.Columns = frame.shape[:2]
    dataset.PixelData = frame.tobytes()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.PlanarConfiguration = 0
    (tmp_path / "dicom").mkdir()
    dataset.save_as(tmp_path / "dicom" / "p0_plane1.dcm")
    outs = [tmp_path / name for name in ("from_png", "from_dicom")]
    for source, out in zip((folder, tmp_path / "dicom"), outs, strict=True):
        assert run(source, out, "--high", "180", "--unit", "kPa") == 0
    one, other = (np.load(out / "target" / "p0_plane1.npy") for out in outs)
    assert np.array_equal(one, other)


def test_the_phantoms_screens_read_back(tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "phantoms"), "--patients", "2", "--task", "swe", "--size", "128", "128"]
    assert write_phantoms([*arguments, "--screens", "turbo"]) == 0
    assert run(tmp_path / "phantoms" / "screens", tmp_path / "out", "--high", "180", "--unit", "kPa") == 0
    signal = Signal(1, 0.0, HIGH, "kPa")
    drawn, read = (
        next(iter(PairedFolderDataModule(path, size=(64, 96), target=signal, batch_size=2).predict_dataloader()))
        for path in (tmp_path / "phantoms", tmp_path / "out")
    )
    assert read["id"] == drawn["id"]
    known = drawn["valid"] & read["valid"]
    assert known.sum() > 0.9 * drawn["valid"].sum()
    assert float((read["target"] - drawn["target"]).abs()[known].median()) / 2 < 0.03
    assert write_phantoms(["--out", str(tmp_path / "no"), "--task", "enhancement", "--screens", "turbo"]) == 2
    assert "the task 'enhancement' has no values; use --task swe" in capsys.readouterr().err


def test_speed_is_the_modulus_and_back(folder, tmp_path):
    assert run(folder, tmp_path / "kPa", "--high", "180", "--unit", "kPa") == 0
    assert run(folder, tmp_path / "speed", "--high", "180", "--unit", "kPa", "--to", "m/s") == 0
    for path in (tmp_path / "kPa" / "target").iterdir():
        modulus, speed = np.load(path), np.load(tmp_path / "speed" / "target" / path.name)
        assert np.allclose(3 * speed**2, modulus, atol=1e-3), "E = 3 rho c^2, rho = 1000 kg/m^3"
        assert speed.max() > 2


def test_a_grid_in_millimetres_needs_the_pictures_own(folder, tmp_path, capsys):
    arguments = ("--high", "180", "--unit", "kPa", "--size", "80", "80", "--spacing", "0.5")
    assert run(folder, tmp_path / "a", *arguments) == 2
    assert "does not say its pixel spacing; pass --frame-spacing" in capsys.readouterr().err
    assert run(folder, tmp_path / "b", *arguments, "--frame-spacing", str(40 / 420)) == 0
    rows = pd.read_csv(tmp_path / "b" / "manifest.csv")
    assert set(rows["spacing"]) == {0.5}
    assert np.asarray(Image.open(tmp_path / "b" / rows["source"][0])).shape == (80, 80)


def test_bad_frames_are_named_together_and_no_pairs_are_written(folder, tmp_path, capsys):
    Image.fromarray(np.zeros((200, 300, 3), np.uint8)).save(folder / "black.png")
    (folder / "text.png").write_text("no picture")
    assert run(folder, tmp_path / "out", "--high", "180", "--unit", "kPa") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "black.png: no colour bar was found" in errors[0]
    assert errors[0].endswith(f"; see {tmp_path / 'out' / 'check' / 'black.png'}")
    assert "text.png" in errors[1]
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["check/black.png", "check/p0_plane1.png", "check/p1_plane1.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the colour bar's numbers are not read from the picture; pass --high and --unit kPa or m/s"),
        (("--high", "180"), "pass --high and --unit kPa or m/s"),
        (("--high", "0", "--unit", "kPa"), "the high end must be above the low end"),
        (("--high", "180", "--unit", "kPa", "--opacity", "1.5"), "opacity 1.5: "),
        (("--high", "180", "--unit", "kPa", "--colour-map", "rainbo"), "colour map 'rainbo': unknown"),
        (("--high", "180", "--unit", "kPa", "--size", "0", "4"), "give positive numbers"),
    ],
)
def test_bad_arguments_end_with_one_line(folder, tmp_path, capsys, arguments, message):
    assert run(folder, tmp_path / "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_manifest_is_never_overwritten(folder, tmp_path, capsys):
    assert run(folder, tmp_path / "out", "--high", "180", "--unit", "kPa") == 0
    assert run(folder, tmp_path / "out", "--high", "180", "--unit", "kPa") == 2
    assert "manifest.csv: exists already" in capsys.readouterr().err
