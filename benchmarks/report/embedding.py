"""Figures as they lie in the page: SVG whose names are its own."""

import re
from dataclasses import dataclass

from markupsafe import Markup

from benchmarks.analyses.base import Figure

LARGEST = 1_000_000  # bytes of one figure in the page
NAMES = re.compile(r'(\bid="|href="#|url\(#)')
NO_NAME = re.compile(r"[^\w.-]")
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Drawing:
    """``svg`` is empty where the figure is too large for the page; ``caption`` then says so."""

    name: str
    svg: Markup
    caption: str


def embedded(figure: Figure, text: str) -> Drawing:
    """``text`` is a whole SVG file. Names in it get the figure's before them: two figures may have the same."""
    name = NO_NAME.sub("_", figure.name)
    svg = METADATA.sub("", text[text.index("<svg") :])
    if len(svg) > LARGEST:
        said = f"figures/{figure.name}.svg is too large for this page ({len(svg) / 1e6:.1f} MB). {figure.caption}"
        return Drawing(figure.name, Markup(), said)
    return Drawing(figure.name, Markup(NAMES.sub(rf"\g<1>{name}-", svg)), figure.caption)
