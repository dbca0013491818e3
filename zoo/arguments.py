"""A method made again of the arguments that its checkpoint holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from datamodules.errors import InputError
from datamodules.readers.faults import one_line, printable
from zoo.checkpoints import ANOTHER, arguments_of, check_weights
from zoo.method import Method


def remade(path: Path | str, kind: type[Method], checkpoint: Mapping[str, Any]) -> Method:
    """A method of class ``kind`` that a checkpoint's arguments make and its weights fit; it does not have them yet.

    Raises:
        InputError: an argument is none of this class, or not of its type; no method can be made of them, or it has
            other weights.
    """
    parser, given = ArgumentParser(exit_on_error=False), arguments_of(checkpoint)
    parser.add_class_arguments(kind, fail_untyped=False)
    for name, value in given.items():
        try:
            given[name] = parser.parse_object({name: value}, defaults=False)[name]
        except ArgumentError:
            raise InputError(
                f"{path}: hyper-parameter {name} '{printable(str(value))}': {kind.__name__} takes none like it; "
                f"{ANOTHER}"
            ) from None
    try:
        method = kind(**given)
    except Exception as error:
        said = printable(", ".join(f"{name} {value}" for name, value in given.items()))
        raise InputError(
            f"{path}: no {kind.__name__} can be made of its hyper-parameters ({one_line(error)}): {said}; {ANOTHER}"
        ) from error
    check_weights(path, checkpoint, method)
    return method
