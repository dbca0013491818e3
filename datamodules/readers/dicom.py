"""DICOM: one frame, cut to its B-mode region."""

from pathlib import Path

import numpy as np

from datamodules.errors import InputError
from datamodules.readers.faults import one_line
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture, drop_equal_channels

DICOMS = {".dcm", ".dicom", ".ima", ""}


def read_dicom(path: Path, frame: int, limits: Limits, crop: bool) -> Picture:
    try:
        import pydicom
        from pydicom.pixels import apply_color_lut, convert_color_space, pixel_array
    except ImportError:
        raise InputError(f"{path}: reading DICOM needs pydicom; pip install pydicom") from None
    try:
        dataset = pydicom.dcmread(path)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except Exception as error:
        raise InputError(f"{path}: not a readable DICOM image ({one_line(error)}); export it again") from None
    check_size(path, (rows, columns), limits)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frame >= frames:
        raise InputError(f"{path}: frame {frame} does not exist; it has {frames}, 0 to {frames - 1}")
    try:
        raw = pixel_array(dataset, index=frame, raw=True)
        photometric = str(dataset.PhotometricInterpretation)
        if photometric == "PALETTE COLOR":
            raw = apply_color_lut(raw, dataset)
        elif photometric.startswith("YBR") and photometric not in ("YBR_ICT", "YBR_RCT"):
            raw = convert_color_space(raw, photometric, "RGB")
    except Exception as error:
        raise InputError(
            f"{path}: cannot be decompressed ({one_line(error)}); "
            "pip install 'pylibjpeg[all]' or export it uncompressed"
        ) from None
    full_scale = _full_scale(dataset, raw)
    pixels = np.clip(raw / np.float32(full_scale), 0, 1).astype(np.float32)
    if photometric == "MONOCHROME1":
        pixels = 1 - pixels
    cropped, spacing = _crop_to_b_mode(dataset, pixels)
    return Picture(drop_equal_channels(cropped if crop else pixels), spacing=spacing)


def _full_scale(dataset, raw: np.ndarray) -> float:
    """The largest value that the file's stored bits can hold."""
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        return float(np.iinfo(raw.dtype).max)
    return float(2 ** int(dataset.get("BitsStored", 8)) - 1)


def _crop_to_b_mode(dataset, pixels: np.ndarray) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Cut out the first 2-D tissue region (spatial format 1, data type 1) and take its spacing.

    Source: DICOM PS3.3 C.8.5.5, US Region Calibration; region boxes may exceed the picture, unit code 3 is cm.
    """
    for region in dataset.get("SequenceOfUltrasoundRegions") or []:
        if (region.get("RegionSpatialFormat"), region.get("RegionDataType")) != (1, 1):
            continue
        top, left = max(0, int(region.RegionLocationMinY0)), max(0, int(region.RegionLocationMinX0))
        bottom = min(pixels.shape[0], int(region.RegionLocationMaxY1) + 1)
        right = min(pixels.shape[1], int(region.RegionLocationMaxX1) + 1)
        if bottom <= top or right <= left:
            continue
        spacing = None
        if (region.get("PhysicalUnitsYDirection"), region.get("PhysicalUnitsXDirection")) == (3, 3):
            spacing = (10 * abs(float(region.PhysicalDeltaY)), 10 * abs(float(region.PhysicalDeltaX)))
        return pixels[top:bottom, left:right], spacing if spacing and min(spacing) > 0 else None
    spacing = dataset.get("PixelSpacing")
    return pixels, (float(spacing[0]), float(spacing[1])) if spacing else None
