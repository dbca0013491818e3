"""What was read, in at most a dozen lines, so that a person sees what is odd before a training of days.

``fit`` prints it; ``python -m datamodules.summary MANIFEST_OR_FOLDER`` does so without training, and names every pair
of near-duplicates of two patients.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from datamodules.duplicates import ALIKE, MOST, SIDE, near_duplicates
from datamodules.errors import InputError
from datamodules.manifest import SPLITS

if TYPE_CHECKING:
    from datamodules.batch import Signal, Task
    from datamodules.cache import ImageCache
    from datamodules.folder import FileDataModule

NAMED = 4  # pairs, or values of a column, in one line


def overview(name: str, splits: pd.DataFrame, size: tuple[int, int]) -> list[str]:
    """Images, patients and splits: a line."""
    counts = splits["split"].value_counts()
    order = sorted(counts.index, key=[*SPLITS, *counts.index].index)
    parts = f": {', '.join(f'{counts[split]} {split}' for split in order)}" if len(order) > 1 else ""
    images, patients = _many(len(splits), "image"), _many(splits["patient"].nunique(), "patient")
    return [_line("data", f"{name}, {images} of {patients}{parts}; {_sides(size)} pixels")]


def details(rows: pd.DataFrame, images: "ImageCache", task: "Task") -> list[str]:
    """What the files of ``rows`` (whose ``index`` is an image's place among ``images``) hold, a line a fact."""
    facts = [*_columns(rows), *_files(rows, images), *_values(rows, images, task), *_masks(rows, images)]
    return [_line(head, text) for head, text in (*facts, *_alike(rows, images))]


def _line(head: str, text: str) -> str:
    return f"{head:<16}{text}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _sides(size) -> str:
    return " x ".join(str(int(side)) for side in size)


def _columns(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for columns in (("label",), ("organ", "device")):
        counts = {column: rows[column][rows[column] != ""].value_counts() for column in columns}
        counts = {column: own for column, own in counts.items() if len(own)}
        if counts:
            yield ", ".join(f"{column}s" for column in counts), "; ".join(map(_counted, counts.values()))


def _counted(counts: pd.Series) -> str:
    named = ", ".join(f"{name} {count}" for name, count in counts.head(2 * NAMED).items())
    return named + _more(len(counts) - 2 * NAMED)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _files(rows: pd.DataFrame, images: "ImageCache") -> Iterator[tuple[str, str]]:
    """Sizes, and mm a pixel where the manifest or the files say it."""
    if "shape" in images:
        sizes, counts = np.unique(images.arrays["shape"][rows["index"]].reshape(-1, 2), axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:NAMED]
        named = ", ".join(f"{_sides(sizes[n])} ({counts[n]})" for n in order)
        yield "sizes of files", named + _more(len(sizes) - NAMED)
    spacing = _spacings(rows, images)
    if np.isfinite(spacing).any():
        unknown = int(np.isnan(spacing).sum())
        yield (
            "spacing",
            f"{_range(spacing)} mm a pixel" + (f", unknown for {_many(unknown, 'image')}" if unknown else ""),
        )


def _spacings(rows: pd.DataFrame, images: "ImageCache") -> np.ndarray:
    """mm a pixel of every row, as the manifest says or else the file; NaN where neither does."""
    told = pd.to_numeric(rows["spacing"], errors="coerce") if "spacing" in rows else pd.Series(np.nan, rows.index)
    if "file_spacing" not in images:
        return told.to_numpy(float)
    own = images.arrays["file_spacing"][rows["index"]].reshape(len(rows), 2).mean(1)
    return told.fillna(pd.Series(own, rows.index)).to_numpy(float)


def _range(values: np.ndarray) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _values(rows: pd.DataFrame, images: "ImageCache", task: "Task") -> Iterator[tuple[str, str]]:
    for side, signal in (("source", task.source), ("target", task.target)):
        if side in images:
            seen = _range(_seen(side, rows, images, signal))
            channels = _many(signal.channels, "channel")
            yield f"{side} values", f"{seen} (declared {signal.low:g} to {signal.high:g} {signal.unit}, {channels})"


def _seen(side: str, rows: pd.DataFrame, images: "ImageCache", signal: "Signal") -> np.ndarray:
    """The least and the largest value: of the files where these were kept, or else of the images as they are cached."""
    if f"{side}_range" in images:
        return images.arrays[f"{side}_range"][rows["index"]]
    array = images.arrays[side]
    ends = np.array([array.min(), array.max()]) / np.iinfo(array.dtype).max
    return signal.low + ends * (signal.high - signal.low)


def _masks(rows: pd.DataFrame, images: "ImageCache") -> Iterator[tuple[str, str]]:
    for column in ("valid", "lesion"):
        given = rows[rows[column] != ""]
        if len(given):
            area = np.array([np.count_nonzero(mask) / mask.size for mask in images.arrays[column][given["index"]]])
            empty = int((area == 0).sum())
            mean = f"{100 * area[area > 0].mean():.1f} % of an image on average, " if empty < len(area) else ""
            yield f"{column} masks", f"{mean}{len(given)} of {len(rows)} images; {empty} are empty"


def _alike(rows: pd.DataFrame, images: "ImageCache") -> Iterator[tuple[str, str]]:
    """How many pairs of images are near-duplicates; those of two patients or two splits by name."""
    if len(rows) > MOST:
        yield "near-duplicates", f"not looked for in more than {MOST} images"
        return
    pairs = alike(rows, images)
    if pairs.empty:
        return
    apart = {column: pairs[pairs[column] != pairs[f"{column}_2"]] for column in ("patient", "split", "label")}
    counts = ", ".join(f"{len(own)} of two {column}s" for column, own in apart.items() if len(own))
    text = f"{_many(len(pairs), 'pair')} (correlation above {ALIKE} at {SIDE} x {SIDE} pixels)"
    yield "near-duplicates", f"{text}: {counts}" if counts else text
    for column in ("patient", "split"):
        if len(own := apart[column]):
            yield f"of two {column}s", ", ".join(_named(own.head(NAMED))) + _more(len(own) - NAMED)


def _named(pairs: pd.DataFrame) -> Iterator[str]:
    return (f"'{one}' and '{other}'" for one, other in zip(pairs["id"], pairs["id_2"], strict=True))


def alike(rows: pd.DataFrame, images: "ImageCache") -> pd.DataFrame:
    """The pairs of near-duplicate sources, a row a pair: ``id, patient, label, split`` of one, and of the other the
    same with a ``_2``."""
    source = images.arrays["source"]
    first, second = near_duplicates(source[index] for index in rows["index"]).T
    facts = rows[["id", "patient", "label", "split"]]
    one, other = (facts.iloc[places].reset_index(drop=True) for places in (first, second))
    return pd.concat([one, other.add_suffix("_2")], axis=1)


def open_data(path: Path, target: "Signal", size: tuple[int, int]) -> "FileDataModule":
    """The data module that reads a manifest or a folder: of pairs, of BUSI, US3M, USenhance, or a folder a device.

    Unless a manifest says so, nothing is split.
    """
    from datamodules import BUSI, US3M, DeviceFolders, PairedFolderDataModule, USenhance
    from datamodules.busi import NAMES
    from datamodules.counts import ORGANS
    from datamodules.us3m import is_us3m
    from datamodules.usenhance import TEST, TRAIN

    common: dict[str, Any] = {"size": size, "fractions": (1.0, 0.0, 0.0)}
    inside = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if path.suffix.lower() == ".csv" or not inside or inside & {"manifest.csv", "source"}:
        return PairedFolderDataModule(path, target=target, **common)
    if is_us3m(path):
        return US3M(path, target=target, **common)
    if inside & set(NAMES):
        return BUSI(path, target=target, **common)
    if inside & {TRAIN, TEST, *ORGANS}:
        return USenhance(path, target=target, part=TRAIN if TRAIN in inside else TEST, **common)
    devices = sorted(name for name in inside if (path / name).is_dir())
    return DeviceFolders(path, target_device=devices[-1] if devices else "", **common)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datamodules.summary", description=__doc__)
    parser.add_argument("path", type=Path, help="a manifest CSV, or a folder of images")
    parser.add_argument("--size", type=int, default=128, help="sides that images are stretched to, in pixels")
    parser.add_argument("--low", type=float, default=0.0, help="end of the targets' range")
    parser.add_argument("--high", type=float, default=255.0, help="the other end")
    parser.add_argument("--unit", default="RGB", help="of the targets: RGB, or 'grey level', kPa, m/s")
    options = parser.parse_args(args)
    from datamodules.batch import Signal

    target = Signal(3 if options.unit == "RGB" else 1, options.low, options.high, options.unit)
    try:
        data = open_data(options.path, target, (options.size, options.size))
        print("\n".join(data.summary()))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    if len(data.rows) <= MOST:
        pairs = alike(data.rows, data.images)
        apart = pairs[pairs["patient"] != pairs["patient_2"]]
        for name in _named(apart[NAMED:]):
            print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
