"""Which files of a dataset's folders belong together, by their names."""

import os
import re
from pathlib import Path

from datamodules.errors import InputError
from datamodules.readers import ARRAYS, DICOMS, PICTURES

SUFFIXES = PICTURES | ARRAYS | (DICOMS - {""})
MASK = re.compile(r"(.+)_mask(_\d+)?")  # BUSI's names of the masks beside a picture
UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters; bytes that are not UTF-8
OF_MASKS = {"mask", "masks", "lesions", "lesion_mask", "lesion_masks", "valid_mask", "valid_masks"}
Masks = dict[str, list[str]]  # files by the stem of the picture that they belong to


def check_folders(root: Path, ours: tuple[str, ...]) -> None:
    """A folder whose name is nearly one of ``ours`` is not passed over.

    Raises:
        InputError: there are some.
    """
    others = [path.name for path in sorted(root.iterdir()) if path.is_dir() and path.name not in ours]
    InputError.raise_for(
        f"{root / name}: is not read under this name; call it as what it is, {' or '.join(ours)}, or move it elsewhere"
        for name in others
        if name.lower() in OF_MASKS | set(ours)
    )


def files_by_name(folder: Path) -> dict[str, str]:
    """The images of a folder by their stem; none if it does not exist. Hidden files are left out.

    Raises:
        InputError: two files have the same stem, a link leads to nothing, or a name is not UTF-8.
    """
    found: dict[str, str] = {}
    faults = []
    for path in _images(folder):
        if UNNAMEABLE.search(path.name):
            faults.append(f"{folder}: {path.name!a} is no name that a table can hold; rename the file")
        elif not os.path.exists(path):
            faults.append(f"{path}: is a link to '{path.readlink()}', which is not there; copy the file itself")
        elif path.stem in found:
            faults.append(f"{path}: '{found[path.stem]}' has the same name; keep one of them")
        elif os.path.isfile(path):
            found[path.stem] = path.name
    InputError.raise_for(faults)
    return found


def _images(folder: Path) -> list[Path]:
    if not os.path.isdir(folder):
        return []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be opened ({error.strerror}); check its permissions") from None
    return [path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def pictures_and_masks(folder: Path) -> tuple[dict[str, str], Masks]:
    """The pictures of a folder by their stem, and the masks that stand beside them as ``NAME_mask.png``,
    ``NAME_mask_1.png``.

    Raises:
        InputError: as :func:`files_by_name`, or a mask belongs to no picture.
    """
    files = files_by_name(folder)
    pictures = {stem: file for stem, file in files.items() if not MASK.fullmatch(stem)}
    return pictures, _by_picture(folder, {stem: files[stem] for stem in files.keys() - pictures.keys()}, pictures)


def masks_in(folder: Path, pictures: dict[str, str]) -> Masks:
    """The masks of a folder of masks, each called like its picture or as one beside it would be."""
    return _by_picture(folder, files_by_name(folder), pictures)


def _by_picture(folder: Path, masks: dict[str, str], pictures: dict[str, str]) -> Masks:
    found: Masks = {}
    lonely = []
    for stem, file in sorted(masks.items()):
        match = MASK.fullmatch(stem)
        name = stem if match is None or stem in pictures else match[1]
        if name in pictures:
            found.setdefault(name, []).append(file)
        else:
            lonely.append(f"{folder / file}: belongs to no picture: there is no '{name}'; rename it, or drop it")
    InputError.raise_for(lonely)
    return found
