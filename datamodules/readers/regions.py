"""The tissue regions of an ultrasound DICOM: their boxes and pixel spacings.

Source: DICOM PS3.3 C.8.5.5, US Region Calibration; region boxes may exceed the picture, unit code 3 is cm.
"""

from pathlib import Path

import numpy as np

from datamodules.errors import InputError

TISSUE_2D = (1, 1)  # spatial format, data type
CENTIMETRES = (3, 3)
CORNERS = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
FINEST, COARSEST = 1e-3, 10.0  # mm a pixel; below and above no scan lies
Spacing = tuple[float, float] | None


def tissue_regions(path: Path, dataset) -> list:
    """The 2-D tissue regions, in the file's order."""
    try:
        regions = list(dataset.get("SequenceOfUltrasoundRegions") or [])
        return [r for r in regions if (r.get("RegionSpatialFormat"), r.get("RegionDataType")) == TISSUE_2D]
    except Exception:  # a sequence that is none
        raise InputError(f"{path}: its ultrasound regions cannot be read; export it again") from None


def cut_out(path: Path, dataset, pixels: np.ndarray, number: int | None) -> tuple[np.ndarray, Spacing, str]:
    """Region ``number`` of ``pixels`` ``(H, W, ...)``, whole if that is None or there is none; its spacing in mm.

    The third value says what is wrong with the spacing that the file gives.

    Raises:
        InputError: no such region, or one without a corner or without pixels.
    """
    regions = tissue_regions(path, dataset)
    if number is not None and number >= max(1, len(regions)):
        raise InputError(f"{path}: region {number} does not exist; it has {len(regions)} of tissue, from 0")
    if not regions:
        return pixels, *_pixel_spacing(dataset)
    if number is None:
        return pixels, *_region_spacing(regions[0])
    top, bottom, left, right = _box(path, regions[number], number, pixels.shape)
    return pixels[top:bottom, left:right], *_region_spacing(regions[number])


def _box(path: Path, region, number: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    where = f"{path}: region {number}"
    try:
        top, bottom, left, right = (int(region[corner].value) for corner in CORNERS)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where} has no whole box; export it again, or set data.region to whole") from None
    top, left, bottom, right = max(0, top), max(0, left), min(shape[0], bottom + 1), min(shape[1], right + 1)
    if bottom <= top or right <= left:
        raise InputError(f"{where} holds no pixels of the picture; export it again, or set data.region to whole")
    return top, bottom, left, right


def _region_spacing(region) -> tuple[Spacing, str]:
    if (region.get("PhysicalUnitsYDirection"), region.get("PhysicalUnitsXDirection")) != CENTIMETRES:
        return None, ""
    deltas = region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX")
    # A negative step only says that values grow to the left or upwards, as an Acuson's do.
    return _checked(deltas, lambda delta: 10 * abs(float(delta)))


def _pixel_spacing(dataset) -> tuple[Spacing, str]:
    spacing = dataset.get("PixelSpacing")
    return _checked(spacing, float) if spacing else (None, "")


def _checked(values, convert) -> tuple[Spacing, str]:
    try:
        row, column = (convert(value) for value in values)
    except (TypeError, ValueError):
        return None, "says a pixel spacing that is no two numbers"
    if not all(FINEST <= side <= COARSEST for side in (row, column)):
        return None, f"says a pixel spacing of {row:g} x {column:g} mm, which cannot be"
    return (row, column), ""
