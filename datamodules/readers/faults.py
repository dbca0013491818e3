"""What is said of a file that cannot be decoded."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import UnidentifiedImageError

from datamodules.errors import InputError

Read = TypeVar("Read")


def decoded(read: Callable[..., Read], path: Path, *rest) -> Read:
    try:
        return read(path, *rest)
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, KeyError) as error:
        raise InputError(f"{path}: cannot be decoded ({one_line(error)}); copy it again or drop it") from None


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
