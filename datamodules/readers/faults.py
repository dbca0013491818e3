"""What is said of a file that cannot be used: one line, whatever its name or its decoder's complaint."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from datamodules.errors import InputError

SHOWN = 160  # characters of a name or a complaint
Read = TypeVar("Read")


def decoded(read: Callable[..., Read], path: Path, *rest) -> Read:
    """``read(path, *rest)``. Decoders raise anything on damaged bytes, so that anything is caught.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return read(path, *rest)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{path}: may not be read; correct its permissions") from None
    except Exception as error:
        raise InputError(f"{path}: cannot be decoded ({one_line(error)}); copy it again or drop it") from None


def one_line(error: BaseException) -> str:
    return printable(" ".join(str(error).split())) or type(error).__name__


def printable(text: str) -> str:
    """At most ``SHOWN`` characters of ``text``, those that cannot be printed as escapes."""
    short = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in short)
