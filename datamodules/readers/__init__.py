"""Image files to float32 arrays with a declared value range; :mod:`datamodules.writers` is the inverse.

Integer files are read as fractions of their full scale, so that 0 and 255 (or 65535) stand for the two ends of the
physical range that the task declares. Floating-point arrays (NPY, NPZ) hold physical values already.
"""

from datamodules.readers.arrays import ARRAYS
from datamodules.readers.dicom import DICOMS, count_regions
from datamodules.readers.entry import Entry
from datamodules.readers.image import is_dicom, read_image
from datamodules.readers.limits import Limits
from datamodules.readers.masks import read_mask
from datamodules.readers.picture import Picture, fit_channels, to_signed
from datamodules.readers.pictures import PICTURES

__all__ = [
    "ARRAYS",
    "DICOMS",
    "PICTURES",
    "Entry",
    "Limits",
    "Picture",
    "count_regions",
    "fit_channels",
    "is_dicom",
    "read_image",
    "read_mask",
    "to_signed",
]
