"""PNG, JPEG, BMP and TIFF."""

from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.errors import InputError
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import Picture, drop_equal_channels, physical_picture

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def read_picture(path: Path, limits: Limits) -> Picture:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limits.max_side**2)
    try:
        image = Image.open(path)
    except Image.DecompressionBombError:
        raise InputError(
            f"{path}: more than {limits.max_side} pixels a side; raise limits.max_side to allow it"
        ) from None
    with image:
        check_size(path, (image.height, image.width), limits)
        if image.mode.startswith(("I", "F")):  # 16-bit grey
            pixels = np.asarray(image)
            if pixels.dtype.kind == "f":
                return physical_picture(path, pixels)
            return Picture((pixels / 65535.0).astype(np.float32))
        picture = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
        return Picture(drop_equal_channels(np.asarray(picture)) / np.float32(255))
