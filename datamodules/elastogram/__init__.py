"""Elastograms from a scanner's pictures: find the panels and the colour bar, undo overlay and colour map, write pairs.

A picture goes through :mod:`frame` (from its file), :mod:`layout` (where things lie), :mod:`colour_bar` (from a colour
to the value that it stands for), :mod:`overlay` (from what is shown to values, validity and B-mode) and
:mod:`plausible` (whether that can be meant); :mod:`check` draws what was found, :mod:`intake` makes a data set of many.
"""

from datamodules.elastogram.box import Box
from datamodules.elastogram.cli import main
from datamodules.elastogram.colour_bar import ColourBar, find_bar
from datamodules.elastogram.intake import Intake, write_pairs
from datamodules.elastogram.layout import Layout, find_layout
from datamodules.elastogram.overlay import Elastogram, read_elastogram

__all__ = [
    "Box",
    "ColourBar",
    "Elastogram",
    "Intake",
    "Layout",
    "find_bar",
    "find_layout",
    "main",
    "read_elastogram",
    "write_pairs",
]
