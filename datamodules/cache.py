"""Images decoded or simulated once, then served from memory-mapped arrays.

A cache folder is named by a hash of everything that its contents depend on. It is written beside its final place and
put there in one step, under a lock, so that several processes share one set and nobody sees half of it.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock, Timeout

from datamodules.cache_entry import fault_of, remove_damaged, sizes_of
from datamodules.disk import check_room, refusals, reserve
from datamodules.errors import InputError

LEVELS = 65535
ELSEWHERE = "name another folder by SONOZOO_CACHE or data.cache_dir"
HALF_BUILT = re.compile(r"\.[0-9a-f]{20}\.\w+")  # the name of a folder that is to become one of the cache
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
    """``$SONOZOO_CACHE``, or ``~/.cache/sonozoo``.

    Raises:
        InputError: nobody says where the home is.
    """
    try:
        return Path(os.environ.get("SONOZOO_CACHE") or Path.home() / ".cache" / "sonozoo")
    except RuntimeError:
        raise InputError("SONOZOO_CACHE: names no folder, and there is no home to keep images in; name one") from None


def open_or_build(source: ImageSource, cache_dir: Path | str | None = None, jobs: int | None = None) -> ImageCache:
    """Return the cache of ``source``, building it in parallel if it does not exist yet, or anew if a file of it is
    missing or was cut.

    Raises:
        InputError: every fault of every image, together, or the disk is full or closed; the cache is then not written.
    """
    digest = hashlib.sha256(json.dumps([VERSION, source.key], sort_keys=True, default=str).encode()).hexdigest()
    root = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    folder = root / digest[:20]
    if fault_of(folder, len(source)):
        with _locked(folder):
            if fault := fault_of(folder, len(source)):
                remove_damaged(folder, fault)
                _build(source, folder, jobs)
    return ImageCache(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The right to build a folder of the cache."""
    with ExitStack() as held:
        with refusals(folder.parent, remedy=ELSEWHERE):
            folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(folder.parent)
            held.enter_context(FileLock(_lock_of(folder)))
        yield


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _remove_leftovers(root: Path) -> None:
    """What killed processes have left half-built: nobody holds the lock of what it was to become."""
    for temporary in (path for path in root.glob(".*.*") if HALF_BUILT.fullmatch(path.name)):
        with suppress(Timeout), FileLock(_lock_of(root / temporary.name.split(".")[1]), timeout=0):
            shutil.rmtree(temporary, ignore_errors=True)


def _build(source: ImageSource, folder: Path, jobs: int | None) -> None:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    arrays: dict[str, np.memmap] = {}
    faults: list[str] = []
    try:
        for index, item in enumerate(_read_all(source, jobs)):
            if isinstance(item, InputError):
                faults.append(str(item))
                continue
            if not arrays:
                check_room(folder.parent, len(source) * sum(image.nbytes for image in item.values()))
            for name, image in item.items():
                if name not in arrays:
                    shape = (len(source), *image.shape)
                    arrays[name] = _new_array(temporary / f"{name}.npy", image.dtype, shape)
                arrays[name][index] = image
        InputError.raise_for(faults)
        for array in arrays.values():
            array.flush()
        noted = {"key": source.key, "arrays": sizes_of(temporary)}
        (temporary / "key.json").write_text(json.dumps(noted, sort_keys=True, default=str, indent=1))
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _new_array(file: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    with refusals(file.parent.parent, remedy=ELSEWHERE):
        array = np.lib.format.open_memmap(file, "w+", dtype, shape)
        reserve(file)
    return array


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
