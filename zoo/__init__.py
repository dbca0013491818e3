"""The zoo: methods, networks, losses and metrics. Knows no dataset."""

from zoo.methods.pix2pix import Pix2Pix
from zoo.methods.sswe import SSWE
from zoo.translator import Translator

METHODS: dict[str, type[Translator]] = {
    "pix2pix": Pix2Pix,
    "sswe": SSWE,
}

__all__ = ["METHODS", "Translator"]
