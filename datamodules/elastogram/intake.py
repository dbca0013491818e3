"""Many pictures to a data set: ``source/``, ``target/``, ``valid/``, the manifest of their pairs, and ``check/``, what
was found in each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch

from datamodules.batch import GREY
from datamodules.cache import with_progress
from datamodules.elasticity import shear_wave_speed, youngs_modulus
from datamodules.elastogram.box import Box
from datamodules.elastogram.check import write_check
from datamodules.elastogram.colour_bar import ColourBar, find_bar
from datamodules.elastogram.frame import Frame, b_mode_of, beside, read_frame
from datamodules.elastogram.layout import Layout, find_layout
from datamodules.elastogram.overlay import Elastogram, check_opacity, read_elastogram
from datamodules.elastogram.plausible import check_plausible
from datamodules.errors import InputError
from datamodules.grid import Grid
from datamodules.matching import SUFFIXES
from datamodules.writers import safe_name, write_atomically, write_image, write_mask, write_text_atomically

UNITS = ("kPa", "m/s")
BOXES = ("overlay", "b_mode", "bar")
NONE: Mapping[Path, Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Intake:
    """What is told about the pictures, all of one layout, and how their pairs are written.

    Args:
        high: value at the high end of the colour bar, in ``unit``, and ``low`` that at its low end.
        unit: "kPa" or "m/s", and values are converted ``to`` the other if that is given; or what else the bar shows.
        low_at_top: the bar's low end is at the top.
        opacity: of the overlay, in (0, 1]; by default estimated from the grey panel.
        bar: where the colour bar lies, as ``b_mode`` and ``overlay`` do; found where it is not told.
        b_mode_files: folder of the B-mode pictures, each of the name of its overlay's, where these are files of their
            own, of the size of the whole picture or of its overlay.
        colour_map: one of matplotlib's, for pictures without a bar.
        size: rows and columns to write, at ``spacing`` mm a pixel; without it panels are stretched.
        frame_spacing: mm a pixel of the pictures, where their files do not say it.
        patient_separator: the patient is the part of a name before it; by default every picture is one of its own.
        device: the scanner's name, for the manifest.

    Raises:
        InputError: a scale, a size or a spacing that cannot be.
    """

    high: float
    unit: str
    low: float = 0.0
    to: str | None = None
    low_at_top: bool = False
    opacity: float | None = None
    bar: Box | None = None
    b_mode: Box | None = None
    overlay: Box | None = None
    b_mode_files: Path | None = None
    colour_map: str | None = None
    size: tuple[int, int] = (64, 96)
    spacing: float | None = None
    frame_spacing: float | None = None
    patient_separator: str | None = None
    device: str = ""

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise InputError(f"--low {self.low:g} --high {self.high:g}: the high end must be above the low end")
        if self.to is not None and self.unit not in UNITS:
            raise InputError(f"--to {self.to}: only {' and '.join(UNITS)} follow from each other; leave it out")
        if min(self.size) < 1 or (self.spacing is not None and self.spacing <= 0):
            raise InputError(f"--size {self.size} --spacing {self.spacing}: give positive numbers")
        if self.opacity is not None:
            check_opacity(self.opacity)
        if self.b_mode_files is not None and not self.b_mode_files.is_dir():
            raise InputError(f"--b-mode-files {self.b_mode_files}: no such folder; correct the path")
        if self.b_mode_files is not None and self.b_mode is not None:
            raise InputError("--b-mode and --b-mode-files: the B-mode is in the picture or a file of its own; give one")
        self.named_bar()

    def named_bar(self) -> ColourBar | None:
        return None if self.colour_map is None else ColourBar.named(self.colour_map)


def write_pairs(frames: list[Path], out: Path, intake: Intake, facts: Mapping[Path, Mapping[str, str]] = NONE) -> Path:
    """Write a pair a frame and, last, the manifest; return its path.

    Args:
        frames: pictures, or folders of them.
        facts: what else is known of a picture, by its path: cells of the manifest, its ``id`` among them, which by
            default is the file's name.

    Raises:
        InputError: every frame that cannot be read, and why; no pairs are written then, but what was found in each
            frame is, as a picture in ``out/check/``.
    """
    manifest = out / "manifest.csv"
    if manifest.exists():
        raise InputError(f"{manifest}: exists already; choose another --out")
    paths = list(_pictures(frames))
    names = [safe_name(facts.get(path, {}).get("id", path.stem)) for path in paths]
    InputError.raise_for(
        f"{path}: another picture has the same name; rename one"
        for path, name in zip(paths, names, strict=True)
        if names.count(name) > 1
    )
    read, faults = [], []
    for path, name in zip(with_progress(paths, len(paths), "reading elastograms"), names, strict=True):
        try:
            read.append(_read(path, intake, out / "check" / f"{name}.png"))
        except InputError as error:
            faults += str(error).splitlines()
    InputError.raise_for(faults)
    rows = [
        {**_write(out, path, name, found, intake), **facts.get(path, {})}
        for path, name, found in zip(paths, names, read, strict=True)
    ]
    write_text_atomically(manifest, pd.DataFrame(rows).to_csv(index=False))
    return manifest


def _pictures(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES)
            if not found:
                raise InputError(f"{path}: holds no pictures; name a folder of PNG, JPEG, TIFF or DICOM files")
            yield from found
        else:
            yield path


def _read(path: Path, intake: Intake, check: Path) -> Elastogram:
    """One picture, undone and on the grid; what was found in it is drawn to ``check``, also if it is refused."""
    frame = read_frame(path)
    spacing = (intake.frame_spacing,) * 2 if intake.frame_spacing else frame.spacing
    if intake.spacing is not None and spacing is None:
        raise InputError(f"{path}: does not say its pixel spacing; pass --frame-spacing in mm, or leave out --spacing")
    seen = _Seen(frame.pixels, {name: box for name in BOXES if (box := getattr(intake, name)) is not None})
    try:
        found = _undone(path, frame, intake, seen)
    except InputError as error:
        verdict = f"refused: {str(error).removeprefix(f'{path}: ')}"
        write_check(check, seen.frame, seen.boxes, seen.found, seen.colours, verdict)
        raise InputError(*(f"{line}; see {check}" for line in str(error).splitlines())) from None
    verdict = f"opacity {found.opacity:.2f}, {found.valid.sum() / found.shown.sum():.0%} of what is coloured is valid"
    write_check(check, seen.frame, seen.boxes, found, seen.colours, verdict)
    return found.on_grid(Grid(intake.size, intake.spacing), spacing)


@dataclass
class _Seen:
    """What was found so far in a frame."""

    frame: np.ndarray
    boxes: dict[str, Box]
    colours: ColourBar | None = None
    found: Elastogram | None = None


def _undone(path: Path, frame: Frame, intake: Intake, seen: _Seen) -> Elastogram:
    """The elastogram of a frame, and in ``seen`` the steps to it."""
    bar = intake.bar or find_bar(frame.pixels)
    seen.boxes |= {} if bar is None else {"bar": bar}
    layout = _layout(path, frame, intake, seen)
    boxes = {"overlay": layout.overlay, "b_mode": layout.grey, "bar": layout.bar}
    seen.boxes = {name: box for name, box in boxes.items() if box is not None}
    seen.colours = intake.named_bar() or _shown_bar(seen.frame, layout, intake)
    opacity = intake.opacity if frame.opacity is None else 1.0
    found = read_elastogram(seen.frame, layout, seen.colours, str(path), opacity)
    seen.found = found = found if frame.opacity is None else replace(found, opacity=frame.opacity)
    check_plausible(found, seen.colours, str(path))
    return found


def _layout(path: Path, frame: Frame, intake: Intake, seen: _Seen) -> Layout:
    """Where things lie, with the B-mode's file put beside the picture if there is one."""
    needs_bar, overlay = intake.colour_map is None, intake.overlay
    if intake.b_mode_files is None:
        return find_layout(frame.pixels, str(path), intake.b_mode, overlay, intake.bar, needs_bar)
    b_mode = read_frame(b_mode_of(path, intake.b_mode_files)).pixels
    if overlay is None and "bar" not in seen.boxes:
        overlay = Box(0, frame.pixels.shape[0], 0, frame.pixels.shape[1])
    alone = find_layout(frame.pixels, str(path), None, overlay, intake.bar, needs_bar)
    seen.frame, grey = beside(frame.pixels, b_mode, alone.overlay, str(path))
    return find_layout(seen.frame, str(path), grey, alone.overlay, alone.bar, needs_bar)


def _shown_bar(frame: np.ndarray, layout: Layout, intake: Intake) -> ColourBar:
    assert layout.bar is not None, "find_layout was told that it is needed"
    return ColourBar.of_frame(frame, layout.bar, not intake.low_at_top)


def _write(out: Path, path: Path, name: str, found: Elastogram, intake: Intake) -> dict[str, str | float]:
    """The pair of one picture; its row of the manifest."""
    values = in_unit(found.values, intake.low, intake.high, intake.unit, intake.to or intake.unit)
    values = np.where(found.valid, values, 0).astype(np.float32)
    write_image(out / "source" / f"{name}.png", 2 * found.b_mode[..., None] - 1, GREY)
    write_mask(out / "valid" / f"{name}.png", found.valid[..., None])
    write_atomically(out / "target" / f"{name}.npy", lambda file: np.save(file, values))
    patient = path.stem.partition(intake.patient_separator)[0] if intake.patient_separator else name
    row: dict[str, str | float] = {
        "id": name,
        "patient": patient,
        "source": f"source/{name}.png",
        "target": f"target/{name}.npy",
        "valid": f"valid/{name}.png",
        "device": intake.device,
        "opacity": round(found.opacity, 3),
    }
    return row | ({"spacing": intake.spacing} if intake.spacing else {})


def in_unit(values: np.ndarray, low: float, high: float, unit: str, to: str) -> np.ndarray:
    """Parts of a colour bar from ``low`` to ``high`` in ``unit`` as modulus (kPa) or speed (m/s)."""
    physical = torch.from_numpy(np.asarray(low + values * (high - low), np.float32))
    if unit != to:
        physical = shear_wave_speed(physical) if to == "m/s" else youngs_modulus(physical)
    return physical.numpy()
