"""A file by its ending."""

from pathlib import Path

from datamodules.errors import InputError
from datamodules.readers.arrays import ARRAYS, read_array
from datamodules.readers.dicom import DICOMS, read_dicom
from datamodules.readers.entry import Entry
from datamodules.readers.faults import decoded
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture
from datamodules.readers.pictures import PAGED, PICTURES, read_picture


def read_image(path: Path | str, limits: Limits | None = None, crop: bool = True, region: int = 0) -> Picture:
    """Read PNG, JPEG, BMP, TIFF, NPY, NPZ (first array) or DICOM, upright as EXIF says.

    ``file.dcm#3`` is frame 3 (from 0), as ``file.tif#3`` is page 3; ``file.dcm#3@1`` is its region 1 (from 0). With
    ``crop``, a DICOM picture is cut to its B-mode region: of several to number ``region``.

    Raises:
        InputError: one line that names the file, what is wrong with it and what to do.
    """
    entry, limits = Entry.of(path), limits or Limits()
    check_parts(entry)
    if is_picture(entry.path):
        picture = decoded(read_picture, entry.path, limits, entry.frame)
    elif is_array(entry.path):
        picture = decoded(read_array, entry.path, limits)
    else:
        number = region if entry.region is None else entry.region
        picture = decoded(read_dicom, entry.path, entry.frame or 0, limits, number if crop else None)
    check_size(entry.path, picture.pixels.shape[:2], limits)
    return picture


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


def is_array(path: Path) -> bool:
    return path.suffix.lower() in ARRAYS


def is_dicom(path: Path) -> bool:
    """By its ending; scanners also leave it out, or end a file's name on a number."""
    return path.suffix.lower() in DICOMS or path.suffix[1:].isdigit()


def check_parts(entry: Entry) -> None:
    """Refuse an ending that is unknown, and frames and regions of formats that have none."""
    path = entry.path
    if not (is_picture(path) or is_array(path) or is_dicom(path)):
        raise InputError(f"{path}: unknown file type '{path.suffix}'; use PNG, JPEG, TIFF, NPY, NPZ or DICOM")
    if entry.frame is not None and not is_dicom(path) and path.suffix.lower() not in PAGED:
        raise InputError(f"{path}: has no frames; leave out '#{entry.frame}'")
    if entry.region is not None and not is_dicom(path):
        raise InputError(f"{path}: has no regions; leave out '@{entry.region}'")
