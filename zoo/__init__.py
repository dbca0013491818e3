"""The zoo: methods, networks, losses and metrics. Knows no dataset."""

from typing import Any

from datamodules.errors import InputError
from zoo.method import Method
from zoo.registry import METHODS
from zoo.translator import Translator

__all__ = ["METHODS", "Method", "Translator"]


def __getattr__(name: str) -> Any:
    """``zoo.Pix2Pix`` and so on, imported when asked for: so are methods called in checkpoints and saved configs."""
    try:
        return METHODS.by_class_name(name)
    except InputError:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'") from None
