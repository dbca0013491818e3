"""Which files of a dataset's folders belong together, by their names."""

from pathlib import Path

from datamodules.errors import InputError
from datamodules.readers import ARRAYS, DICOMS, PICTURES

SUFFIXES = PICTURES | ARRAYS | (DICOMS - {""})


def files_by_name(folder: Path) -> dict[str, str]:
    """The images of a folder by their stem; none if it does not exist.

    Raises:
        InputError: two files have the same stem.
    """
    found: dict[str, str] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            if path.stem in found:
                raise InputError(f"{path}: '{found[path.stem]}' has the same name; keep one of them")
            found[path.stem] = path.name
    return found
