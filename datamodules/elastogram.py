"""``python -m datamodules.elastogram FRAMES --out DIR --high 180 --unit kPa``: a scanner's pictures to pairs."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from datamodules.batch import GREY, Signal
from datamodules.cache import with_progress
from datamodules.colour_bar import Box, ColourBar
from datamodules.elasticity import shear_wave_speed, youngs_modulus
from datamodules.errors import InputError
from datamodules.folder import SUFFIXES
from datamodules.grid import Grid
from datamodules.readers import fit_channels, read_image
from datamodules.side_by_side import Elastogram, find_layout, read_elastogram
from datamodules.writers import safe_name, write_atomically, write_image, write_text_atomically

UNITS = ("kPa", "m/s")
MASK = Signal(1, 0.0, 1.0, "mask")
BOX = {"type": int, "nargs": 4, "metavar": ("TOP", "BOTTOM", "LEFT", "RIGHT")}
ABOUT = """Reads screenshots and DICOM frames that show B-mode beside an elastogram (or under it, with --opacity),
undoes overlay and colour map, and writes source/, target/ (NPY, in --unit or converted --to another), valid/ and
manifest.csv, which data.root of configs/data/folder.yaml takes. What the colour bar's numbers say has to be told; where
panels and bar lie is found, or told for all pictures."""


def main(args: list[str] | None = None) -> int:
    options = _parser().parse_args(args)
    try:
        print(write_pairs(options))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m datamodules.elastogram", description=ABOUT)
    parser.add_argument("frames", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; must not hold a manifest yet")
    parser.add_argument("--low", type=float, default=0.0, help="value at the low end of the colour bar")
    parser.add_argument("--high", type=float, help="value at its high end")
    parser.add_argument("--unit", choices=UNITS, help="of the colour bar")
    parser.add_argument("--to", choices=UNITS, help="write the other quantity, by c = sqrt(E / 3 rho)")
    parser.add_argument("--low-at-top", action="store_true", help="the bar's low end is at the top")
    parser.add_argument("--opacity", type=float, help="of the overlay; by default estimated from the grey panel")
    parser.add_argument("--bar", **BOX)
    parser.add_argument("--colour-map", metavar="NAME", help="one of matplotlib's, for pictures without a bar")
    parser.add_argument("--b-mode", **BOX)
    parser.add_argument("--overlay", **BOX)
    parser.add_argument("--size", type=int, nargs=2, default=(64, 96), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--spacing", type=float, help="mm a pixel to write; by default panels are stretched to --size")
    parser.add_argument("--frame-spacing", type=float, help="mm a pixel of the pictures, where DICOM does not say it")
    parser.add_argument("--patient-separator", help="the patient is the part of a name before it")
    parser.add_argument("--device", default="", help="the scanner's name, for the manifest")
    return parser


def write_pairs(options: argparse.Namespace) -> Path:
    """Write a pair a frame and, last, the manifest; return its path.

    Raises:
        InputError: every frame that cannot be read, and why; nothing is written then.
    """
    manifest = options.out / "manifest.csv"
    if manifest.exists():
        raise InputError(f"{manifest}: exists already; choose another --out")
    _check(options)
    paths = list(_frames(options.frames))
    names = [safe_name(path.stem) for path in paths]
    InputError.raise_for(
        f"{path}: another picture has the same name; rename one"
        for path, name in zip(paths, names, strict=True)
        if names.count(name) > 1
    )
    read, faults = [], []
    for path in with_progress(paths, len(paths), "reading elastograms"):
        try:
            read.append(_read(path, options))
        except InputError as error:
            faults += str(error).splitlines()
    InputError.raise_for(faults)
    rows = [_write(options, path, name, found) for path, name, found in zip(paths, names, read, strict=True)]
    write_text_atomically(manifest, pd.DataFrame(rows).to_csv(index=False))
    return manifest


def _check(options: argparse.Namespace) -> None:
    if options.high is None or options.unit is None:
        raise InputError(
            f"the colour bar's numbers are not read from the picture; pass --high and --unit {' or '.join(UNITS)}"
        )
    if options.high <= options.low:
        raise InputError(f"--low {options.low:g} --high {options.high:g}: the high end must be above the low end")
    if min(options.size) < 1 or (options.spacing is not None and options.spacing <= 0):
        raise InputError(f"--size {tuple(options.size)} --spacing {options.spacing}: give positive numbers")


def _frames(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES)
            if not found:
                raise InputError(f"{path}: holds no pictures; name a folder of PNG, JPEG, TIFF or DICOM files")
            yield from found
        else:
            yield path


def _read(path: Path, options: argparse.Namespace) -> Elastogram:
    """One frame, undone and on the grid."""
    picture = read_image(path, crop=False)
    frame = fit_channels(picture.pixels, 3).astype(np.float32)
    grey, overlay, bar = (None if box is None else Box(*box) for box in (options.b_mode, options.overlay, options.bar))
    named = None if options.colour_map is None else ColourBar.named(options.colour_map)
    layout = find_layout(frame, str(path), grey, overlay, bar, needs_bar=named is None)
    colours = named or ColourBar.of_frame(frame, layout.bar, not options.low_at_top)
    found = read_elastogram(frame, layout, colours, str(path), options.opacity)
    spacing = (options.frame_spacing,) * 2 if options.frame_spacing else picture.spacing
    if options.spacing is not None and spacing is None:
        raise InputError(f"{path}: does not say its pixel spacing; pass --frame-spacing in mm, or leave out --spacing")
    return found.on_grid(Grid(tuple(options.size), options.spacing), spacing)


def _write(options: argparse.Namespace, path: Path, name: str, found: Elastogram) -> dict[str, str | float]:
    values = in_unit(found.values, options.low, options.high, options.unit, options.to or options.unit)
    values = np.where(found.valid, values, 0).astype(np.float32)
    write_image(options.out / "source" / f"{name}.png", 2 * found.b_mode[..., None] - 1, GREY)
    write_image(options.out / "valid" / f"{name}.png", 2.0 * found.valid[..., None] - 1, MASK)
    write_atomically(options.out / "target" / f"{name}.npy", lambda file: np.save(file, values))
    patient = path.stem.partition(options.patient_separator)[0] if options.patient_separator else name
    row = {"id": name, "patient": patient, "source": f"source/{name}.png", "target": f"target/{name}.npy",
           "valid": f"valid/{name}.png", "device": options.device, "opacity": round(found.opacity, 3)}  # fmt: skip
    return row | ({"spacing": options.spacing} if options.spacing else {})


def in_unit(values: np.ndarray, low: float, high: float, unit: str, to: str) -> np.ndarray:
    """Parts of a colour bar from ``low`` to ``high`` in ``unit`` as modulus (kPa) or speed (m/s)."""
    physical = torch.from_numpy(np.asarray(low + values * (high - low), np.float32))
    if unit != to:
        physical = shear_wave_speed(physical) if to == "m/s" else youngs_modulus(physical)
    return physical.numpy()


if __name__ == "__main__":
    sys.exit(main())
