"""NPY and NPZ. What a header promises is checked before anything is read for it."""

from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from datamodules.errors import InputError
from datamodules.readers.archives import check_directory
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture, physical_picture

ARRAYS = {".npy", ".npz"}
COMPRESSIONS = {ZIP_STORED, ZIP_DEFLATED}  # numpy's; others make gigabytes of their first bytes
ENCRYPTED = 1  # bit of a zip entry's flags
LONGEST = 2**14  # bytes of a header; numpy takes 10,000
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
NO_PIXELS = {"c": "complex numbers", "m": "time spans", "M": "dates", "O": "Python objects", "S": "text", "U": "text",
             "V": "records"}  # fmt: skip


def read_array(path: Path, limits: Limits) -> Picture:
    """Unsigned 8- and 16-bit integers and booleans as fractions of full scale, all other numbers as physical values."""
    array = load_array(path, limits)
    if array.dtype.kind == "b":
        return Picture(array.astype(np.float32))
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return Picture((array / np.iinfo(array.dtype).max).astype(np.float32))
    return physical_picture(path, array)


def load_array(path: Path, limits: Limits) -> np.ndarray:
    """The array of an NPY, or the first one of an NPZ: ``(H, W)`` or ``(H, W, 3)``, as it is stored.

    Raises:
        InputError: not numbers, not a picture's shape, beyond the limits, or not as much as its header promises.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
        file.seek(0)
        if not zipped:
            return _read(path, file, path.stat().st_size, limits)
        check_directory(path, file)
        with ZipFile(file) as archive:
            info = _first_array(path, archive)
            with archive.open(info) as member:
                return _read(path, member, info.file_size, limits)


def _first_array(path: Path, archive: ZipFile) -> ZipInfo:
    found = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not found:
        raise InputError(f"{path}: holds no array; store one by numpy.savez")
    if found[0].flag_bits & ENCRYPTED:
        raise InputError(f"{path}: is encrypted; store it without a password")
    if found[0].compress_type not in COMPRESSIONS:
        raise InputError(
            f"{path}: compression method {found[0].compress_type} is not numpy's; store it by numpy.savez_compressed"
        )
    return found[0]


def _read(path: Path, file, size: int, limits: Limits) -> np.ndarray:
    promised = _promised(path, BytesIO(file.read(LONGEST)), limits)
    if promised != size:
        raise InputError(f"{path}: its header promises {promised} bytes and it has {size}; copy it again or drop it")
    file.seek(0)
    return np.squeeze(np.lib.format.read_array(file, allow_pickle=False))


def _promised(path: Path, start: BytesIO, limits: Limits) -> int:
    """Bytes of header and values, of an array that may be read, by its first bytes."""
    version = np.lib.format.read_magic(start)
    if version not in HEADERS:  # 3.0 is for records with names beyond Latin
        raise InputError(f"{path}: NPY of version {version[0]}.{version[1]}; store plain numbers by numpy.save")
    shape, _, dtype = HEADERS[version](start)
    if dtype.kind in NO_PIXELS:
        raise InputError(f"{path}: holds {NO_PIXELS[dtype.kind]}, which cannot be decoded as pixels; store numbers")
    sides = [side for side in shape if side != 1]
    if len(sides) not in (2, 3) or (len(sides) == 3 and sides[2] != 3):
        raise InputError(f"{path}: array of shape {_short(shape)}; store (H, W) or (H, W, 3)")
    check_size(path, (sides[0], sides[1]), limits)
    values = dtype.itemsize
    for side in sides:
        values *= side
    return start.tell() + values


def _short(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) <= 8 else f"of {len(shape)} dimensions"
