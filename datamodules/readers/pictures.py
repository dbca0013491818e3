"""PNG, JPEG, BMP and TIFF."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from datamodules.errors import InputError
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture, drop_equal_channels, physical_picture

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
PAGED = {".tif", ".tiff"}
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF")  # Pillow knows more: an EPS would be run by Ghostscript
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # TIFF's tags
WHITE_IS_ZERO, SIGNED = 0, 2


class Decoded(NamedTuple):
    """A picture, upright as its EXIF orientation says, its tags if it is a TIFF, and its format."""

    image: Image.Image
    tags: dict
    format: str


def read_picture(path: Path, limits: Limits, page: int | None = None) -> Picture:
    """Levels as fractions of full scale; signed, 32-bit and floating-point TIFF as physical values."""
    image, tags, _ = open_picture(path, limits, page)
    if not holds_numbers(image, tags):
        picture = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
        return Picture(drop_equal_channels(np.asarray(picture)) / np.float32(255))
    numbers = stored_numbers(image, tags)
    if numbers.dtype != np.uint16:
        return physical_picture(path, numbers)
    full_scale = 2.0 ** tags.get(BITS, (16,))[0] - 1
    levels = full_scale - numbers if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else numbers
    return Picture((levels / full_scale).astype(np.float32))


def open_picture(path: Path, limits: Limits, page: int | None = None) -> Decoded:
    """Decode a picture.

    Raises:
        InputError: it is larger than the limits, or has no such page.
    """
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.max_side**2)
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise InputError(
            f"{path}: more than {limits.max_side} pixels a side; raise limits.max_side to allow it"
        ) from None
    with image:
        if page:
            _seek(path, image, page)
        check_size(path, (image.height, image.width), limits)
        tags = dict(getattr(image, "tag_v2", {}))
        image.load()
        return Decoded(ImageOps.exif_transpose(image), tags, str(image.format))


def holds_numbers(image: Image.Image, tags: dict) -> bool:
    """Whether pixels are more than the 8 bits a channel of a picture."""
    return image.mode.startswith(("I", "F")) or (image.mode == "L" and _signed(tags))


def stored_numbers(image: Image.Image, tags: dict) -> np.ndarray:
    """The pixels ``(H, W)`` in the type that the file stores, where Pillow widens them or forgets their sign."""
    numbers = np.asarray(image)
    if numbers.dtype.kind == "f":
        return numbers
    if numbers.dtype == np.uint8:
        return numbers.view(np.int8)
    bits = tags.get(BITS, (16,))[0]
    if bits > 16:
        return numbers.astype(np.int32).view(np.int32 if _signed(tags) else np.uint32)
    return numbers.astype(np.int16 if _signed(tags) else np.uint16)


def _signed(tags: dict) -> bool:
    return (tags.get(SAMPLE_FORMAT) or (1,))[0] == SIGNED


def _seek(path: Path, image: Image.Image, page: int) -> None:
    try:
        image.seek(page)
    except EOFError:
        raise InputError(f"{path}: frame {page} does not exist; write {path.name}#0 for the first one") from None
