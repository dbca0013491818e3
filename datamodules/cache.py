"""Images decoded or simulated once, then served from memory-mapped arrays.

A cache folder is named by a hash of everything that its contents depend on. It is written beside its final place and
put there in one step, under a lock, so that several processes share one set and nobody sees half of it.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock

from datamodules.errors import InputError

LEVELS = 65535
VERSION = 1  # raise it when the stored arrays change their meaning


class ImageSource(Protocol):
    """Where images come from: ``len(source)`` of them, whose contents are determined by ``key``.

    ``read(index)`` returns float32 ``source`` and, where there is one, ``target`` in [-1, 1], bool ``valid`` and,
    where there is one, bool ``lesion``; each ``(H, W, C)`` of one size. Integer and float64 arrays are kept as they
    are (labels, facts). It raises InputError for a bad file. ``verb`` says what is done; ``parallel`` whether several
    processes may do it.
    """

    @property
    def key(self) -> Mapping: ...

    verb: str
    parallel: bool

    def __len__(self) -> int: ...

    def read(self, index: int) -> dict[str, np.ndarray]: ...


class ImageCache:
    """Memory-mapped images: ``arrays[name]`` is ``(N, H, W, C)``, uint16 for pictures, bool or uint8 for masks.

    ``folders`` are the images' own and those of what was derived from them.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.arrays = {
            file.stem: np.load(file, mmap_mode="r") for folder in folders for file in sorted(folder.glob("*.npy"))
        }

    @property
    def name(self) -> str:
        """Stands for all that the images depend on."""
        return self.folders[0].name

    def __len__(self) -> int:
        return len(self.arrays["source"])

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def beside(self, other: "ImageCache") -> "ImageCache":
        """The arrays of both."""
        return ImageCache(*self.folders, *other.folders)

    def image(self, name: str, index: int) -> np.ndarray:
        """Float32 ``(H, W, C)`` in [-1, 1]."""
        return self.arrays[name][index].astype(np.float32) * np.float32(2 / LEVELS) - np.float32(1)

    def mask(self, name: str, index: int) -> np.ndarray:
        """Bool ``(H, W, 1)``, or uint8 labels."""
        return np.asarray(self.arrays[name][index])

    def __reduce__(self):  # workers open the files anew instead of receiving copies of them
        return ImageCache, self.folders


def default_cache_dir() -> Path:
    """``$SONOZOO_CACHE``, or ``~/.cache/sonozoo``."""
    return Path(os.environ.get("SONOZOO_CACHE") or Path.home() / ".cache" / "sonozoo")


def open_or_build(source: ImageSource, cache_dir: Path | str | None = None, jobs: int | None = None) -> ImageCache:
    """Return the cache of ``source``, building it in parallel if it does not exist yet, or anew if a file of it is
    missing or was cut.

    Raises:
        InputError: every fault of every image, together; the cache is then not written.
    """
    digest = hashlib.sha256(json.dumps([VERSION, source.key], sort_keys=True, default=str).encode()).hexdigest()
    root = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    folder = root / digest[:20]
    if _fault(folder, len(source)):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{digest[:20]}.lock"):
            if fault := _fault(folder, len(source)):
                _remove_damaged(folder, fault)
                _build(source, folder, jobs)
    return ImageCache(folder)


def _fault(folder: Path, images: int) -> str:
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
    return noted["arrays"] if set(noted) == {"key", "arrays"} else _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.npy"))}


def _remove_damaged(folder: Path, fault: str) -> None:
    if not folder.exists():
        return
    print(f"{folder}: {fault}; the cache of these images is made again", file=sys.stderr)
    try:
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    except OSError as error:
        raise InputError(f"{folder}: is damaged, and cannot be removed ({error.strerror}); remove it") from None


def _build(source: ImageSource, folder: Path, jobs: int | None) -> None:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    arrays: dict[str, np.memmap] = {}
    faults: list[str] = []
    try:
        for index, item in enumerate(_read_all(source, jobs)):
            if isinstance(item, InputError):
                faults.append(str(item))
                continue
            for name, image in item.items():
                if name not in arrays:
                    shape = (len(source), *image.shape)
                    arrays[name] = np.lib.format.open_memmap(temporary / f"{name}.npy", "w+", image.dtype, shape)
                arrays[name][index] = image
        InputError.raise_for(faults)
        for array in arrays.values():
            array.flush()
        noted = {"key": source.key, "arrays": _sizes(temporary)}
        (temporary / "key.json").write_text(json.dumps(noted, sort_keys=True, default=str, indent=1))
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read_all(source: ImageSource, jobs: int | None):
    """Yield the packed images in order, from several processes where that is worth their start."""
    total = len(source)
    jobs = jobs or available_cpus()
    jobs = min(jobs, max(1, total // 32)) if source.parallel else 1
    if jobs == 1:
        results = (_read_packed(source, index) for index in range(total))
    else:
        results = _in_processes(source, total, jobs)
    yield from with_progress(results, total, source.verb)


def _in_processes(source: ImageSource, total: int, jobs: int):
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    try:
        parallel = Parallel(n_jobs=jobs, return_as="generator", batch_size=4, inner_max_num_threads=1, backend="loky")
        yield from parallel(delayed(_read_packed)(source, index) for index in range(total))
    finally:  # idle workers would hold memory, and keep a child process from ending, for five minutes
        get_reusable_executor().shutdown(wait=True)


def _read_packed(source: ImageSource, index: int) -> dict[str, np.ndarray] | InputError:
    try:
        return {name: _pack(image) for name, image in source.read(index).items()}
    except InputError as error:
        return error


def _pack(image: np.ndarray) -> np.ndarray:
    if image.dtype.kind in "bui" or image.dtype == np.float64:
        return image
    return np.round((np.clip(image, -1, 1) + 1) * (LEVELS / 2)).astype(np.uint16)


def available_cpus() -> int:
    """CPUs that this process may use, the quota of a container included."""
    from joblib import cpu_count

    return cpu_count()


def with_progress(items, total: int, verb: str, least: int = 64):
    """Pass ``items`` on, with a progress bar on a terminal if there are at least ``least`` of them."""
    if total < least or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, total=total, description=verb, console=Console(stderr=True), transient=True)
