"""Pictures as they lie in the page: WebP in text, small enough for many of them."""

import base64
import io

import numpy as np
from PIL import Image

WIDEST = 256  # pixels; what is wider is scaled
QUALITY = 85  # of WebP: speckle of 64 x 64 pixels takes 1 kB


def data_uri(picture: np.ndarray) -> str:
    """Of uint8 ``(H, W, 3)``, scaled to at most ``WIDEST`` pixels a side."""
    image = Image.fromarray(picture)
    image.thumbnail((WIDEST, WIDEST))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def is_scaled(picture: np.ndarray) -> bool:
    """Whether the page has it smaller than it is."""
    return max(picture.shape[:2]) > WIDEST
