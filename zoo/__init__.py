"""The zoo: methods, networks, losses and metrics. Knows no dataset."""

from zoo.method import Method
from zoo.registry import METHODS
from zoo.translator import Translator

__all__ = ["METHODS", "Method", "Translator"]
