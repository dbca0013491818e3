"""The zoo: methods, networks, losses and metrics. Knows no dataset.

What is named here is imported when it is first asked for, so that whoever needs a part (where weights lie) does not
wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datamodules.errors import InputError

if TYPE_CHECKING:
    from zoo.method import Method
    from zoo.registry import METHODS
    from zoo.translator import Translator

HOMES = {"METHODS": "registry", "Method": "method", "Translator": "translator"}

__all__ = ["METHODS", "Method", "Translator"]


def __getattr__(name: str) -> Any:
    """``zoo.Pix2Pix`` and so on, too: so are methods called in checkpoints and saved configs."""
    if name in HOMES:
        return getattr(import_module(f"zoo.{HOMES[name]}"), name)
    from zoo.registry import METHODS

    try:
        return METHODS.by_class_name(name)
    except InputError:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'") from None
