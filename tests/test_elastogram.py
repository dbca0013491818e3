"""Elastograms from a scanner's pictures: what was drawn comes back, and what cannot be read is said."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom import examples

from datamodules import InputError, PairedFolderDataModule
from datamodules.batch import Signal
from datamodules.elastogram import Box, ColourBar, Layout, find_bar, find_layout, main, read_elastogram
from datamodules.grid import resize
from datamodules.phantom.__main__ import main as write_phantoms
from datamodules.phantom.screenshot import ABOVE, BAR, BESIDE, GREY, OVERLAY, Screen, draw_screen, screenshot
from datamodules.phantom.simulate import simulate_patients
from tests.conftest import BUSI_ROOT

HIGH = 180.0
SCREENS = BUSI_ROOT.parent / "screens"
EVERYWHERE = np.ones((256, 256), bool)
NOWHERE = ~EVERYWHERE
MARKS = ("circle", "box", "ruler", "icon")


@pytest.fixture(scope="module")
def patients():
    region = np.zeros((256, 256), bool)
    region[40:210, 50:200] = True
    return [
        SimpleNamespace(b_mode=p.source[..., 0], values=p.target[..., 0], shown=p.valid[..., 0] & region)
        for p in simulate_patients("swe", [0, 1])
    ]


def shot(patient, name="jet", opacity=0.5, **kwargs) -> np.ndarray:
    return screenshot(patient.b_mode, patient.values, patient.shown, ColourBar.named(name), opacity, **kwargs)


def as_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255


def unit(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255


def truth(patient) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask as drawn on the panel."""
    side = (OVERLAY.height, OVERLAY.width)
    shown = resize(patient.shown[..., None].astype(np.float32), side, nearest=True)
    return resize(patient.values[..., None].astype(np.float32), side)[..., 0], shown[..., 0] > 0.5


def check(found, patient) -> None:
    values, shown = truth(patient)
    assert found.values.shape == values.shape
    both = found.valid & shown
    assert np.median(np.abs(found.values - values)[both]) < 0.03
    assert both.sum() > 0.9 * shown.sum()
    assert (found.valid & ~shown).sum() < 0.05 * shown.sum()


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


def run(folder, out, *more: str) -> int:
    return main([str(folder), "--out", str(out), *more])


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


def sides(box: Box) -> np.ndarray:
    return np.array([box.top, box.bottom, box.left, box.right])


def drawn(patient, screen: Screen, name="jet", opacity=0.5, shown=EVERYWHERE) -> tuple[np.ndarray, np.ndarray]:
    return draw_screen(screen, patient.b_mode, patient.values, shown, ColourBar.named(name), opacity)


@pytest.mark.parametrize(
    ("screen", "name", "opacity"),
    [
        (ABOVE, "jet", 0.5),
        (replace(ABOVE, marks=MARKS), "jet", 1.0),
        (replace(ABOVE, frames=False, ends=("Hard", "Soft")), "turbo", 0.4),
        (replace(ABOVE, panel_frames=True, marks=("circle",), ends=(">=10 m/s", "0")), "jet", 0.6),
        (replace(BESIDE, marks=MARKS), "jet", 0.5),
        (replace(ABOVE, region=None), "turbo", 0.5),
        (replace(BESIDE, region=None, panel_frames=True), "jet", 0.5),
        (ABOVE, "coolwarm", 0.5),
        (replace(ABOVE, marks=("box",)), "RdBu_r", 1.0),
    ],
)
def test_screens_are_read_without_hints(patients, screen, name, opacity):
    patient = patients[1]
    shot, marked = drawn(patient, screen, name, opacity)
    frame, region = unit(shot), screen.pair[0]
    layout = find_layout(frame, "screen")
    for found, wanted in zip((layout.overlay, layout.grey), screen.pair, strict=True):
        assert np.abs(sides(found) - sides(wanted)).max() <= 2
    colours = ColourBar.of_frame(frame, layout.bar)
    found = read_elastogram(frame, layout, colours, "screen")
    told = read_elastogram(frame, Layout(*screen.pair, layout.bar), colours, "screen")
    assert found.opacity == pytest.approx(opacity, abs=0.05)
    error, told_error = (
        error_of(elastogram, box, patient, region) for elastogram, box in ((found, layout.overlay), (told, region))
    )
    assert error < 0.01
    assert error < told_error + 0.001
    assert found.valid.mean() > 0.8
    lines = layout.overlay.of(marked) & found.valid
    assert lines.sum() <= 0.02 * layout.overlay.of(marked).sum(), "what is drawn over the map is no tissue"


def error_of(found, box: Box, patient, region: Box) -> float:
    """Median error as part of full scale, at the places of the picture."""
    wanted = np.full((700, 1000), np.nan)
    region.of(wanted)[:] = resize(patient.values[..., None].astype(np.float32), (region.height, region.width))[..., 0]
    return float(np.nanmedian(np.abs(found.values - box.of(wanted))[found.valid]))


def test_where_nothing_says_how_the_panels_are_not_moved(patients):
    screen = replace(BESIDE, region=None)
    frame = unit(drawn(patients[0], screen)[0])
    layout = find_layout(frame, "screen", grey=GREY, overlay=OVERLAY)
    assert (layout.overlay, layout.grey) == (OVERLAY, GREY)
    off = find_layout(unit(drawn(patients[0], ABOVE)[0]), "screen", ABOVE.pair[1].moved(5, -3), ABOVE.pair[0])
    assert (off.overlay, off.grey) == ABOVE.pair, "the surroundings say how"


@pytest.mark.skipif(not SCREENS.exists(), reason="needs the real screens")
@pytest.mark.parametrize(
    ("name", "high", "opacity", "overlay", "grey", "median"),
    [
        ("aixplorer", 150, 0.5, (149, 257, 312, 614), (453, 561, 312, 614), (52, 62)),
        ("mach30", 300, 1.0, (262, 376, 630, 744), (711, 825, 630, 744), (20, 40)),
    ],
)
def test_real_screens_are_read_as_they_are(tmp_path, name, high, opacity, overlay, grey, median):
    path = SCREENS / f"{name}.png"
    layout = find_layout(unit(np.asarray(Image.open(path).convert("RGB"))), name)
    assert np.abs(sides(layout.overlay) - overlay).max() <= 2
    assert np.abs(sides(layout.grey) - grey).max() <= 2
    assert run(path, tmp_path / "out", "--high", str(high), "--unit", "kPa") == 0
    assert pd.read_csv(tmp_path / "out" / "manifest.csv")["opacity"][0] == pytest.approx(opacity, abs=0.05)
    valid = np.asarray(Image.open(tmp_path / "out" / "valid" / path.name)) > 0
    assert valid.mean() > (0.95 if name == "aixplorer" else 0.7), "the analysis box's line is no tissue"
    assert median[0] < np.median(np.load(tmp_path / "out" / "target" / f"{name}.npy")[valid]) < median[1]
    assert Image.open(tmp_path / "out" / "check" / path.name).width > 600


def bar_of(*colours: str) -> ColourBar:
    from matplotlib.colors import LinearSegmentedColormap

    return ColourBar(LinearSegmentedColormap.from_list("", colours)(np.linspace(0, 1, 256))[:, :3])


def vessels() -> np.ndarray:
    rows, columns = np.mgrid[:256, :256]
    return np.abs(rows - columns / 2 - 60 + 20 * np.sin(columns / 20)) < 12


def sepia(patient) -> np.ndarray:
    tint = bar_of("black", "#8c6640", "#fff2cc")
    shot = draw_screen(ABOVE, patient.b_mode, patient.values, NOWHERE, tint, 0.5)[0].copy()
    for panel in (ABOVE.overlay, ABOVE.grey):
        panel.of(shot)[:] = 255 * tint.colour_of(panel.of(shot)[..., 0] / 255)
    return shot


def with_another_bar(shot: np.ndarray, name: str) -> np.ndarray:
    shot = shot.copy()
    steps = 1 - (np.arange(ABOVE.bar.height) + 0.5) / ABOVE.bar.height
    ABOVE.bar.of(shot)[:] = 255 * ColourBar.named(name).colour_of(steps)[:, None]
    return shot


def folded(patient) -> np.ndarray:
    half = ColourBar.named("jet").colours[::2]
    return screen_of(patient, ColourBar(np.concatenate([half, half[::-1]])))


def screen_of(patient, colours: ColourBar, shown=EVERYWHERE, opacity=0.5, level: float | None = None) -> np.ndarray:
    values = patient.values if level is None else np.full_like(patient.values, level)
    return draw_screen(ABOVE, patient.b_mode, values, shown, colours, opacity)[0]


VELOCITY = bar_of("cyan", "blue", "black", "red", "yellow")
POWER = bar_of("black", "red", "orange", "yellow")
JET = ColourBar.named("jet")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda p: screen_of(p, VELOCITY, vessels(), 1.0), "a Doppler picture, its bar is black in the middle"),
        (lambda p: screen_of(p, POWER, vessels(), 1.0), "a Doppler picture, its colours fill"),
        (lambda p: screen_of(p, JET, NOWHERE), "if it is plain B-mode with a colour bar"),
        (sepia, "plain B-mode with a colour bar, from black to white in one tint"),
        (lambda p: screen_of(p, JET, level=0.0), "100% of the values are piled at the low end of the bar"),
        (lambda p: screen_of(p, JET, level=1.0), "100% of the values are piled at the high end of the bar"),
        (lambda p: with_another_bar(screen_of(p, JET), "plasma"), "the colours are not the bar's"),
        (folded, "% of the coloured region is valid"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line_with_a_picture(patients, tmp_path, capsys, draw, message):
    Image.fromarray(draw(patients[0])).save(tmp_path / "shot.png")
    assert run(tmp_path / "shot.png", tmp_path / "out", "--high", "180", "--unit", "kPa") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert line.endswith(f"; see {tmp_path / 'out' / 'check' / 'shot.png'}")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["check"]
    check = np.asarray(Image.open(tmp_path / "out" / "check" / "shot.png"))
    assert (check[:480] > 60).mean() > 0.1, "the frame is seen"


def separate(patient, folder, beneath: float, alpha: bool) -> None:
    """An overlay and its B-mode as files of their own: ``beneath`` of the B-mode under the colours, or transparent."""
    b_mode = (255 * resize(patient.b_mode[..., None], (300, 400))).round().astype(np.uint8)[..., 0]
    values, shown = (
        resize(image[..., None].astype(np.float32), (300, 400), nearest=True)[..., 0]
        for image in (patient.values, patient.shown)
    )
    colours = 255 * ColourBar.named("jet").colour_of(values)
    grey = b_mode[..., None] * np.ones(3)
    overlay = np.where(shown[..., None] > 0.5, beneath * grey + (1 - beneath) * colours, (beneath > 0) * grey)
    if alpha:
        overlay = np.concatenate([colours, 255 * 0.6 * shown[..., None]], axis=-1)
    for name, image in (("overlays", overlay), ("b_modes", b_mode)):
        (folder / name).mkdir()
        Image.fromarray(image.round().astype(np.uint8)).save(folder / name / "p0.png")


@pytest.mark.parametrize(("beneath", "alpha", "opacity"), [(0.5, False, 0.5), (0.0, False, 1.0), (0.0, True, 0.6)])
def test_b_mode_and_overlay_may_be_files_of_their_own(patients, tmp_path, capsys, beneath, alpha, opacity):
    patient = patients[0]
    separate(patient, tmp_path, beneath, alpha)
    told = ("--high", "180", "--unit", "kPa", "--colour-map", "jet")
    files = ("--b-mode-files", str(tmp_path / "b_modes"))
    assert run(tmp_path / "overlays", tmp_path / "out", *told, *files) == 0
    assert pd.read_csv(tmp_path / "out" / "manifest.csv")["opacity"][0] == pytest.approx(opacity, abs=0.05)
    valid = np.asarray(Image.open(tmp_path / "out" / "valid" / "p0.png")) > 0
    shown = resize(patient.shown[..., None].astype(np.float32), (64, 96))[..., 0] > 0.5
    assert (valid & shown).sum() > 0.85 * shown.sum()
    assert (valid & ~shown).sum() < 0.03 * shown.sum()
    wanted = HIGH * resize(patient.values[..., None].astype(np.float32), (64, 96))[..., 0]
    assert np.median(np.abs(np.load(tmp_path / "out" / "target" / "p0.npy") - wanted)[valid]) < 0.01 * HIGH
    b_mode = resize(patient.b_mode[..., None], (64, 96))[..., 0]
    source = np.asarray(Image.open(tmp_path / "out" / "source" / "p0.png"), np.float32) / 255
    assert np.abs(source - b_mode).mean() < 0.02
    (tmp_path / "b_modes" / "p0.png").rename(tmp_path / "b_modes" / "p7.png")
    assert run(tmp_path / "overlays", tmp_path / "other", *told, *files) == 2
    assert "p0.png: no picture of that name in" in capsys.readouterr().err


def test_a_b_mode_file_may_be_of_the_box_alone(patients, tmp_path, capsys):
    shot = drawn(patients[0], ABOVE)[0].copy()
    region, twin = ABOVE.pair
    (tmp_path / "b_modes").mkdir()
    Image.fromarray(twin.of(shot)).save(tmp_path / "b_modes" / "shot.png")
    ABOVE.grey.of(shot)[:] = 0
    Image.fromarray(shot).save(tmp_path / "shot.png")
    told = ("--high", "180", "--unit", "kPa", "--b-mode-files", str(tmp_path / "b_modes"))
    assert run(tmp_path / "shot.png", tmp_path / "out", *told) == 0
    wanted = HIGH * resize(patients[0].values[..., None].astype(np.float32), (64, 96))[..., 0]
    valid = np.asarray(Image.open(tmp_path / "out" / "valid" / "shot.png")) > 0
    assert valid.mean() > 0.95
    assert np.median(np.abs(np.load(tmp_path / "out" / "target" / "shot.npy") - wanted)[valid]) < 0.01 * HIGH
    Image.fromarray(shot[:100, :100]).save(tmp_path / "b_modes" / "shot.png")
    assert run(tmp_path / "shot.png", tmp_path / "other", *told) == 2
    size = f"its B-mode is 100 x 100, the picture 700 x 1000 and its overlay {region.height} x {region.width}"
    assert size in capsys.readouterr().err


def test_a_box_that_is_partly_coloured_is_read_in_its_panel(patients):
    shown = EVERYWHERE.copy()
    shown[100:, :150] = False
    frame = unit(drawn(patients[0], replace(ABOVE, marks=MARKS), shown=shown)[0])
    layout = find_layout(frame, "screen")
    found = read_elastogram(frame, layout, ColourBar.of_frame(frame, layout.bar), "screen")
    assert found.opacity == pytest.approx(0.5, abs=0.05)
    assert error_of(found, layout.overlay, patients[0], ABOVE.region) < 0.01
