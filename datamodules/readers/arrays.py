"""NPY and NPZ."""

from pathlib import Path

import numpy as np

from datamodules.errors import InputError
from datamodules.readers.picture import Picture, physical_picture

ARRAYS = {".npy", ".npz"}


def read_array(path: Path) -> Picture:
    array = np.load(path, allow_pickle=False)
    if isinstance(array, np.lib.npyio.NpzFile):
        with array as archive:
            array = archive[archive.files[0]]
    array = np.squeeze(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise InputError(f"{path}: array of shape {array.shape}; store (H, W) or (H, W, 3)")
    if array.dtype == bool:
        return Picture(array.astype(np.float32))
    if array.dtype in (np.uint8, np.uint16):
        return Picture((array / np.iinfo(array.dtype).max).astype(np.float32))
    return physical_picture(path, array)
