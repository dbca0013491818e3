"""Files that are whole or not there at all: text, pictures, arrays. Imports no torch, so that tables start at once."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from datamodules.disk import refusals
from datamodules.leftovers import open_part, sweep

if TYPE_CHECKING:
    from datamodules.batch import Signal

LONGEST = 120  # bytes of a file's name, without its ending and what a writer puts before and behind it


def write_image(path: Path, image: np.ndarray, signal: "Signal") -> None:
    """Write float ``(H, W, C)`` in [-1, 1], whole or not at all; the ending of ``path`` chooses the format.

    PNG and JPEG hold 8 bits a channel, TIFF 16 bits of the signal's range, NPY the physical values.
    """
    fraction = np.clip((image + 1) / 2, 0, 1)
    fraction = fraction[..., 0] if fraction.shape[-1] == 1 else fraction
    suffix = path.suffix.lower()
    if suffix == ".npy":
        physical = (signal.low + fraction * (signal.high - signal.low)).astype(np.float32)
        write_atomically(path, lambda file: np.save(file, physical))
        return
    bits = 16 if suffix in (".tif", ".tiff") and fraction.ndim == 2 else 8
    levels = np.round(fraction * (2**bits - 1)).astype(f"uint{bits}")
    kind = {".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(suffix, "PNG")
    write_atomically(path, lambda file: Image.fromarray(levels).save(file, format=kind))


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write bool ``(H, W, 1)`` as PNG: 255 where it is true."""
    levels = mask[..., 0].astype(np.uint8) * np.uint8(255)
    write_atomically(path, lambda file: Image.fromarray(levels).save(file, format="PNG"))


def write_atomically(path: Path, write: Callable, needed: int = 0) -> None:
    """Call ``write(file)`` on a temporary binary file beside ``path``, then put it in place in one step.

    Args:
        needed: bytes that will be written, where that is known. They are then on the disk itself before the file is in
            its place, so that not even a power failure leaves half of it there.

    Raises:
        DiskError: the disk is full, or the folder cannot be written to.
    """
    with refusals(path.parent, needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        with open_part(path) as file:
            temporary = Path(file.name)
            try:
                write(file)
                file.flush()
                if needed:
                    os.fsync(file.fileno())
                temporary.chmod(0o666 & ~_umask())
                if os.name == "nt":  # which replaces no open file, and locks none here
                    file.close()
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


def write_text_atomically(path: Path, text: str) -> None:
    write_atomically(Path(path), lambda file: file.write(text.encode()))


def safe_name(text: str) -> str:
    """``text`` as one portable file name: what is long is cut, and told apart by a hash of the whole."""
    name = re.sub(r"[^\w.()+-]+", "_", text).strip("._") or "_"
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{name.encode()[: LONGEST - 13].decode(errors='ignore')}-{digest}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
