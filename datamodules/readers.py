"""Image files to float32 arrays with a declared value range; :mod:`datamodules.writers` is the inverse.

Integer files are read as fractions of their full scale, so that 0 and 255 (or 65535) stand for the two ends of the
physical range that the task declares. Floating-point arrays (NPY, NPZ) hold physical values already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from datamodules.batch import Signal
from datamodules.errors import InputError

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
ARRAYS = {".npy", ".npz"}
DICOMS = {".dcm", ".dicom", ".ima", ""}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, the grey of the JPEG world


@dataclass(frozen=True)
class Limits:
    """Sides that a picture may have, in pixels. Raise ``max_side`` for larger scans."""

    min_side: int = 16
    max_side: int = 8192


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    ``pixels`` is float32 ``(H, W)`` or ``(H, W, 3)``: fractions of full scale in [0, 1] where ``physical`` is false,
    values in physical units where it is true. ``spacing`` is (row, column) distance in mm, where the file knows it.
    """

    pixels: np.ndarray
    physical: bool = False
    spacing: tuple[float, float] | None = None


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
        picture = _decoded(_read_picture, path, limits)
    elif suffix in ARRAYS:
        picture = _decoded(_read_array, path)
    elif suffix in DICOMS or suffix[1:].isdigit():
        picture = _read_dicom(path, _frame_number(path, frame), limits, crop)
    else:
        raise InputError(f"{path}: unknown file type '{suffix}'; use PNG, JPEG, TIFF, NPY, NPZ or DICOM")
    _check_size(path, picture.pixels.shape[:2], limits)
    return picture


def fit_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """``(H, W)`` or ``(H, W, 3)`` to ``(H, W, channels)``: grey is replicated, colour becomes its luma."""
    if channels == 1:
        grey = pixels if pixels.ndim == 2 else pixels @ LUMA
        return grey[..., None]
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], channels, axis=2)


def to_signed(picture: Picture, signal: Signal) -> np.ndarray:
    """The picture as float32 ``(H, W, C)`` in [-1, 1] on the signal's range; physical values beyond it are clipped."""
    pixels = fit_channels(picture.pixels, signal.channels)
    if picture.physical:
        pixels = (pixels - signal.low) / (signal.high - signal.low)
    return np.clip(2 * pixels - 1, -1, 1).astype(np.float32)


def _decoded(read: Callable[..., Picture], path: Path, *rest) -> Picture:
    try:
        return read(path, *rest)
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, KeyError) as error:
        raise InputError(f"{path}: cannot be decoded ({_one_line(error)}); copy it again or drop it") from None


def _read_picture(path: Path, limits: Limits) -> Picture:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.max_side**2)
    try:
        image = Image.open(path)
    except Image.DecompressionBombError:
        raise InputError(
            f"{path}: more than {limits.max_side} pixels a side; raise limits.max_side to allow it"
        ) from None
    with image:
        _check_size(path, (image.height, image.width), limits)
        if image.mode.startswith(("I", "F")):  # 16-bit grey
            pixels = np.asarray(image)
            if pixels.dtype.kind == "f":
                return _physical(path, pixels)
            return Picture((pixels / 65535.0).astype(np.float32))
        picture = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
        return Picture(_drop_equal_channels(np.asarray(picture)) / np.float32(255))


def _drop_equal_channels(pixels: np.ndarray) -> np.ndarray:
    """Grey pictures are often stored as colour; keep one channel of those."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    return pixels


def _read_array(path: Path) -> Picture:
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
    return _physical(path, array)


def _physical(path: Path, array: np.ndarray) -> Picture:
    array = array.astype(np.float32)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise InputError(f"{path}: {bad} values are NaN or infinite; replace them and mark them in a 'valid' mask")
    return Picture(array, physical=True)


def _check_size(path: Path, shape: tuple[int, int], limits: Limits) -> None:
    if min(shape) < limits.min_side:
        raise InputError(
            f"{path}: {shape[0]} x {shape[1]} pixels, under the limit of {limits.min_side}; "
            "drop it or lower limits.min_side"
        )
    if max(shape) > limits.max_side:
        raise InputError(
            f"{path}: {shape[0]} x {shape[1]} pixels, over the limit of {limits.max_side}; "
            "shrink it or raise limits.max_side"
        )


def _frame_number(path: Path, text: str) -> int:
    if text and not text.isdigit():
        raise InputError(f"{path}: frame '{text}' is not a number; write {path.name}#0 for the first frame")
    return int(text or 0)


def _read_dicom(path: Path, frame: int, limits: Limits, crop: bool) -> Picture:
    try:
        import pydicom
        from pydicom.pixels import apply_color_lut, convert_color_space, pixel_array
    except ImportError:
        raise InputError(f"{path}: reading DICOM needs pydicom; pip install pydicom") from None
    try:
        dataset = pydicom.dcmread(path)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except Exception as error:
        raise InputError(f"{path}: not a readable DICOM image ({_one_line(error)}); export it again") from None
    _check_size(path, (rows, columns), limits)
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
            f"{path}: cannot be decompressed ({_one_line(error)}); "
            "pip install 'pylibjpeg[all]' or export it uncompressed"
        ) from None
    full_scale = _full_scale(dataset, raw)
    pixels = np.clip(raw / np.float32(full_scale), 0, 1).astype(np.float32)
    if photometric == "MONOCHROME1":
        pixels = 1 - pixels
    cropped, spacing = _crop_to_b_mode(dataset, pixels)
    return Picture(_drop_equal_channels(cropped if crop else pixels), spacing=spacing)


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
