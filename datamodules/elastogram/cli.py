"""``python -m datamodules.elastogram FRAMES --out DIR --high 180 --unit kPa``: a scanner's pictures to pairs."""

import argparse
import sys
from pathlib import Path
from typing import Any

from datamodules.elastogram.box import Box
from datamodules.elastogram.intake import BOXES, UNITS, Intake, write_pairs
from datamodules.errors import InputError

ABOUT = """Reads screenshots and DICOM frames that show B-mode beside an elastogram (or under it, with --opacity, or in
files of their own, with --b-mode-files), undoes overlay and colour map, and writes source/, target/ (NPY, in --unit or
converted --to another), valid/ and manifest.csv, which data.root of configs/data/elastograms.yaml takes. What the
colour bar's numbers say has to be told; where panels and bar lie is found, or told for all pictures. check/ shows what
was found in each picture, also where it is refused."""


def main(args: list[str] | None = None) -> int:
    options = vars(_parser().parse_args(args))
    try:
        print(write_pairs(options.pop("frames"), options.pop("out"), intake_of(options)))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m datamodules.elastogram", description=ABOUT)
    parser.add_argument("frames", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("--patient-separator", help="the patient is the part of a name before it")
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is told of pictures of one layout, and how their pairs are written; :func:`intake_of` takes it."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; must not hold a manifest yet")
    parser.add_argument("--low", type=float, default=0.0, help="value at the low end of the colour bar")
    parser.add_argument("--high", type=float, help="value at its high end")
    parser.add_argument("--unit", choices=UNITS, help="of the colour bar")
    parser.add_argument("--to", choices=UNITS, help="write the other quantity, by c = sqrt(E / 3 rho)")
    parser.add_argument("--low-at-top", action="store_true", help="the bar's low end is at the top")
    parser.add_argument("--opacity", type=float, help="of the overlay; by default estimated from the grey panel")
    _add_box(parser, "--bar")
    parser.add_argument("--colour-map", metavar="NAME", help="one of matplotlib's, for pictures without a bar")
    _add_box(parser, "--b-mode")
    parser.add_argument("--b-mode-files", type=Path, metavar="DIR", help="B-mode pictures, each of its overlay's name")
    _add_box(parser, "--overlay")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 96), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--spacing", type=float, help="mm a pixel to write; by default panels are stretched to --size")
    parser.add_argument("--frame-spacing", type=float, help="mm a pixel of the pictures, where DICOM does not say it")
    parser.add_argument("--device", default="", help="the scanner's name, for the manifest")


def _add_box(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(name, type=int, nargs=4, metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"))


def intake_of(options: dict[str, Any]) -> Intake:
    """What the options say, without ``out``.

    Raises:
        InputError: they do not say what the colour bar stands for, or that cannot be.
    """
    if options["high"] is None or options["unit"] is None:
        raise InputError(
            f"the colour bar's numbers are not read from the picture; pass --high and --unit {' or '.join(UNITS)}"
        )
    boxes = {name: Box(*options[name]) for name in BOXES if options[name] is not None}
    return Intake(**{**options, **boxes, "size": tuple(options["size"])})
