"""One folder of the cache: whether it is whole, as far as names, sizes and shapes tell without reading it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np

from datamodules.errors import InputError


def fault_of(folder: Path, images: int) -> str:
    """Why an entry cannot be used, as far as names, sizes and shapes of its arrays tell; "" if it can.

    Raises:
        InputError: nothing may be wrong with it, but it may not be read.
    """
    if not folder.is_dir():
        return "it is no folder"
    name = "key.json"
    try:
        arrays = _inventory(folder)
        if not arrays:
            return "it holds no arrays"
        for name, size in arrays.items():
            if (found := (folder / name).stat().st_size) != size:
                return f"{name} has {found} bytes, not {size}"
            if len(np.load(folder / name, mmap_mode="r")) != images:
                return f"{name} is not of {images} images"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        raise InputError(f"{folder / name}: cannot be read ({error.strerror}); check its permissions") from None
    except (ValueError, EOFError, RecursionError, TypeError, AttributeError) as error:
        return f"{name} cannot be read ({' '.join(str(error).split())[:80]})"
    return ""


def _inventory(folder: Path) -> dict[str, int]:
    """The bytes of every array, as noted when it was built; of an entry older than such notes, of those there are."""
    noted = json.loads((folder / "key.json").read_text())
    if not isinstance(noted, dict):
        raise TypeError("it holds no keys")
    return noted["arrays"] if set(noted) == {"key", "arrays"} else sizes_of(folder)


def sizes_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.npy"))}


def remove_damaged(folder: Path, fault: str) -> None:
    if not folder.exists():
        return
    print(f"{folder}: {fault}; the cache of these images is made again", file=sys.stderr)
    try:
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    except OSError as error:
        raise InputError(f"{folder}: is damaged, and cannot be removed ({error.strerror}); remove it") from None
