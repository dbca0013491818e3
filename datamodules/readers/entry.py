"""What a manifest's cell names: a file, and a frame and a region of it."""

import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from datamodules.errors import InputError
from datamodules.readers.faults import printable

PART = re.compile(r"(\d{1,9})?(?:@(\d{1,9}))?", re.ASCII)
NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # categories: NUL and line breaks, bytes that are not UTF-8, line separators
LONGEST = 255  # bytes of a name, on every usual file system


@dataclass(frozen=True)
class Entry:
    """``file.dcm#3@1`` is region 1 of frame 3, both from 0; either may be left out."""

    path: Path
    frame: int | None = None
    region: int | None = None

    @classmethod
    def of(cls, cell: Path | str) -> "Entry":
        """The entry of ``cell``, whose file is there.

        Raises:
            InputError: a name that cannot be one, a frame that is no number, or no file of that name.
        """
        name, _, part = str(cell).partition("#")
        _check_name(name)
        path, match = Path(name), PART.fullmatch(part)
        if match is None:
            raise InputError(
                f"{path}: frame '{printable(part)}' is not a number; write {path.name}#0 for the first frame, "
                f"{path.name}#0@1 for its region 1"
            )
        _check_there(path)
        frame, region = (None if number is None else int(number) for number in match.groups())
        return cls(path, frame, region)


def _check_name(name: str) -> None:
    shown = printable(name)
    if any(unicodedata.category(character) in NO_TEXT for character in name):
        raise InputError(f"{shown}: the name holds characters that are no text; rename the file")
    if any(len(part.encode()) > LONGEST for part in Path(name).parts):
        raise InputError(f"{shown}: the name is longer than {LONGEST} bytes; shorten it")


def _check_there(path: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(f"{path}: a link to a file that is not there; correct the link") from None
        raise InputError(f"{path}: no such file; correct the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be reached ({reason}); correct the path or its permissions") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: a folder; name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: not a regular file; name one")
    if found.st_size == 0:
        raise InputError(f"{path}: the file is empty; copy it again or drop it")
