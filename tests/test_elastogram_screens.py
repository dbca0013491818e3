"""Elastograms from screens as real scanners save them, and what cannot be meant."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datamodules.elastogram import Box, ColourBar, Layout, find_layout, read_elastogram
from datamodules.grid import resize
from datamodules.phantom.screenshot import ABOVE, BESIDE, GREY, OVERLAY, Screen, draw_screen
from tests.conftest import BUSI_ROOT
from tests.elastograms import run, swe_patients, unit

HIGH = 180.0
SCREENS = BUSI_ROOT.parent / "screens"
EVERYWHERE = np.ones((256, 256), bool)
NOWHERE = ~EVERYWHERE
MARKS = ("circle", "box", "ruler", "icon")


@pytest.fixture(scope="module")
def patients():
    return swe_patients()


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
