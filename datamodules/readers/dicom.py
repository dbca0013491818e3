"""DICOM: one frame, cut to its B-mode region."""

from pathlib import Path

import numpy as np

from datamodules.errors import InputError
from datamodules.readers.faults import one_line, printable
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture, drop_equal_channels, physical_picture
from datamodules.readers.regions import cut_out, tissue_regions

DICOMS = {".dcm", ".dicom", ".ima", ""}
JPEG_XL = {f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112)}  # newer than pydicom's dictionary
DECODERS = {  # of what pydicom has no plugin for
    "JPEG XL": "decode its frames by libjxl's djxl or Python's imagecodecs",
    "MPEG": "take its frames out by ffmpeg",
    "HEVC": "take its frames out by ffmpeg",
}


def read_dicom(path: Path, frame: int, limits: Limits, region: int | None) -> Picture:
    """Frame ``frame``, cut to tissue region ``region``; whole if that is None.

    Stored levels are fractions of what the stored bits can hold. Signed and floating-point pixels, and those with a
    rescale slope or intercept (DICOM PS3.3 C.7.6.1 and C.11.1), are physical values.
    """
    dataset = _open(path)
    check_size(path, (dataset.Rows, dataset.Columns), limits)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frame >= frames:
        raise InputError(f"{path}: frame {frame} does not exist; it has {frames}, 0 to {frames - 1}")
    raw, photometric = _decompress(path, dataset, frame)
    if raw.ndim not in (2, 3) or (raw.ndim == 3 and raw.shape[2] != 3):
        raise InputError(f"{path}: frames of shape {raw.shape}; export it as grey or RGB")
    picture = _values(path, dataset, raw, photometric)
    pixels, spacing, fault = cut_out(path, dataset, picture.pixels, region)
    return Picture(drop_equal_channels(pixels), picture.physical, spacing, fault)


def count_regions(path: Path) -> int:
    """How many tissue regions a file has; 0 if it does not say."""
    return len(tissue_regions(path, _open(path)))


def _open(path: Path):
    try:
        import pydicom
    except ImportError:
        raise InputError(f"{path}: reading DICOM needs pydicom; pip install pydicom") from None
    try:
        dataset = pydicom.dcmread(path)
        dataset.Rows, dataset.Columns = int(dataset.Rows), int(dataset.Columns)
    except PermissionError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not a readable DICOM image ({one_line(error)}); export it again") from None
    return dataset


def _decompress(path: Path, dataset, frame: int) -> tuple[np.ndarray, str]:
    """The stored pixels of a frame, in grey or RGB, and their photometric interpretation."""
    from pydicom.pixels import apply_color_lut, convert_color_space, pixel_array

    _check_decoder(path, dataset)
    try:
        raw = pixel_array(dataset, index=frame, raw=True)
        photometric = str(dataset.PhotometricInterpretation)
        if photometric == "PALETTE COLOR":
            raw = apply_color_lut(raw, dataset)
        elif photometric.startswith("YBR") and photometric not in ("YBR_ICT", "YBR_RCT"):
            raw = convert_color_space(raw, photometric, "RGB")
    except Exception as error:
        raise InputError(
            f"{path}: cannot be decompressed ({one_line(error)}); copy it again or export it uncompressed"
        ) from None
    return raw, photometric


def _check_decoder(path: Path, dataset) -> None:
    """What can decode this file, where nothing that is installed does."""
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    name = "JPEG XL" if syntax in JPEG_XL else syntax.name
    try:
        if get_decoder(syntax).is_available:
            return
        remedy = "pip install 'pylibjpeg[all]'"
    except NotImplementedError:
        known = (remedy for kind, remedy in DECODERS.items() if kind in name)
        remedy = next(known, "convert it by another program")
    raise InputError(f"{path}: cannot be decompressed ({printable(name)}); {remedy}, or export it uncompressed")


def _values(path: Path, dataset, raw: np.ndarray, photometric: str) -> Picture:
    slope, intercept = _number(dataset, "RescaleSlope", 1), _number(dataset, "RescaleIntercept", 0)
    if raw.dtype.kind in "fi" or (slope, intercept) != (1, 0):
        return physical_picture(path, raw * slope + intercept)
    full_scale = _full_scale(dataset, raw)
    if raw.max() > full_scale:
        raise InputError(f"{path}: pixels up to {raw.max()} where BitsStored allows {full_scale:.0f}; export it again")
    pixels = (raw / np.float32(full_scale)).astype(np.float32)
    return Picture(1 - pixels if photometric == "MONOCHROME1" else pixels)


def _number(dataset, tag: str, default: float) -> float:
    value = dataset.get(tag)
    return default if value in (None, "") else float(value)


def _full_scale(dataset, raw: np.ndarray) -> float:
    """The largest value that the file's stored bits can hold."""
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        return float(np.iinfo(raw.dtype).max)
    return float(2 ** int(dataset.get("BitsStored", 8)) - 1)
