"""A file by its ending."""

from pathlib import Path

from datamodules.errors import InputError
from datamodules.readers.arrays import ARRAYS, read_array
from datamodules.readers.dicom import DICOMS, read_dicom
from datamodules.readers.faults import decoded
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture
from datamodules.readers.pictures import PICTURES, read_picture


def read_image(path: Path | str, limits: Limits | None = None, crop: bool = True) -> Picture:
    """Read PNG, JPEG, BMP, 8- and 16-bit TIFF, NPY, NPZ (first array) or DICOM. ``file.dcm#3`` is frame 3 (from 0).

    With ``crop``, a DICOM picture is cut to its B-mode region.

    Raises:
        InputError: one line that names the file, what is wrong with it and what to do.
    """
    name, _, frame = str(path).partition("#")
    path, limits = Path(name), limits or Limits()
    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; copy it again or drop it")
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        picture = decoded(read_picture, path, limits)
    elif suffix in ARRAYS:
        picture = decoded(read_array, path)
    elif suffix in DICOMS or suffix[1:].isdigit():
        picture = read_dicom(path, _frame_number(path, frame), limits, crop)
    else:
        raise InputError(f"{path}: unknown file type '{suffix}'; use PNG, JPEG, TIFF, NPY, NPZ or DICOM")
    check_size(path, picture.pixels.shape[:2], limits)
    return picture


def _frame_number(path: Path, text: str) -> int:
    if text and not text.isdigit():
        raise InputError(f"{path}: frame '{text}' is not a number; write {path.name}#0 for the first frame")
    return int(text or 0)
