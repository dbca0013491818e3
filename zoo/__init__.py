"""The zoo: methods, networks, losses and metrics. Knows no dataset."""

from zoo.method import Method
from zoo.methods.cyclegan import CycleGAN
from zoo.methods.diagnosis import Diagnosis
from zoo.methods.fda import FDA
from zoo.methods.harmonizer import Harmonizer
from zoo.methods.hsct import HSCT
from zoo.methods.pix2pix import Pix2Pix
from zoo.methods.sswe import SSWE
from zoo.translator import Translator

METHODS: dict[str, type[Translator]] = {
    "cyclegan": CycleGAN,
    "harmonizer": Harmonizer,
    "hsct": HSCT,
    "pix2pix": Pix2Pix,
    "sswe": SSWE,
}

__all__ = ["FDA", "METHODS", "Diagnosis", "Method", "Translator"]
