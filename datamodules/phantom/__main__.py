"""``python -m datamodules.phantom --out DIR --patients N``: write phantoms as pictures with a manifest."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from datamodules.batch import RGB, Task
from datamodules.cache import open_or_build, with_progress
from datamodules.elastogram import ColourBar
from datamodules.errors import InputError
from datamodules.phantom.scenarios import SCENARIOS, TASKS, phantom_task
from datamodules.phantom.screenshot import screenshot
from datamodules.phantom.simulate import PhantomSource, phantom_rows
from datamodules.splits import split_patients
from datamodules.writers import write_image, write_mask, write_text_atomically


def main(args: list[str] | None = None) -> int:
    tasks = "\n".join(f"  {name:14}{scenario.about}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m datamodules.phantom",
        description=__doc__,
        epilog=f"tasks:\n{tasks}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; must not hold a manifest yet")
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--task", choices=TASKS, default="elastography")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--screens", metavar="MAP", help="of swe: also write scanner's screens, coloured by this map")
    parser.add_argument("--device", default="cpu", help="where scans are computed: cpu (in parallel) or cuda")
    options = parser.parse_args(args)
    try:
        manifest = write_phantoms(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(manifest)
    return 0


def write_phantoms(options: argparse.Namespace) -> Path:
    """Write ``source/``, ``target/``, ``valid/``, ``lesion/`` and, last, ``manifest.csv``; return its path.

    Raises:
        InputError: options that cannot be, or a manifest that is there already.
    """
    manifest = options.out / "manifest.csv"
    if manifest.exists():
        raise InputError(f"{manifest}: exists already; choose another --out")
    _check(options)
    colours = ColourBar.named(options.screens) if options.screens else None
    task = phantom_task(options.task)
    source = PhantomSource(options.task, options.patients, tuple(options.size), options.seed)
    files = [_files(name, task) for name in phantom_rows(source, np.zeros((len(source), 1, 1, 2), bool))["id"]]
    facts = []
    for own, images in zip(files, _simulated(source, options.device), strict=True):
        facts.append(images["facts"])
        _write_pair(options.out, own, images, task)
        if colours is not None:
            _write_screen(options.out / "screens" / Path(own["source"]).name, images, colours)
    rows = phantom_rows(source, np.stack(facts)).join(pd.DataFrame(files))
    rows["split"] = _split(rows)
    write_text_atomically(manifest, rows.to_csv(index=False))
    return manifest


def _check(options: argparse.Namespace) -> None:
    if options.patients < 1:
        raise InputError(f"--patients {options.patients}: simulate at least one")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {options.device}: torch sees no GPU here; leave it out to use the CPU")
    if options.screens and options.task != "swe":
        raise InputError(f"--screens {options.screens}: the task '{options.task}' has no values; use --task swe")


def _files(name: str, task: Task) -> dict[str, str]:
    """Where the images of that name lie; 16 bits hold a measured quantity."""
    target = "tif" if task.target.physical else "png"
    return {"source": f"source/{name}.png", "target": f"target/{name}.{target}",
            "valid": f"valid/{name}.png", "lesion": f"lesion/{name}.png"}  # fmt: skip


def _write_pair(out: Path, files: dict[str, str], images: dict[str, np.ndarray], task: Task) -> None:
    for side, signal in (("source", task.source), ("target", task.target)):
        write_image(out / files[side], images[side], signal)
    for side in ("valid", "lesion"):
        write_mask(out / files[side], images[side])


def _write_screen(path: Path, images: dict[str, np.ndarray], colours: ColourBar) -> None:
    b_mode, values = ((images[side][..., 0] + 1) / 2 for side in ("source", "target"))
    screen = screenshot(b_mode, values, images["valid"][..., 0], colours)
    write_image(path, screen / np.float32(127.5) - 1, RGB)


def _split(rows: pd.DataFrame) -> pd.Series | str:
    """5:2:3 by patient, or none where the patients are too few to have each class in every split."""
    if len(rows) < 10 or (rows["label"] == "").all():
        return ""
    split = split_patients(rows)
    return split if (pd.crosstab(rows["label"], split) > 0).all(axis=None) else ""


def _simulated(source: PhantomSource, device: str) -> Iterator[dict[str, np.ndarray]]:
    """All images in order: from parallel workers on the CPU, in batches on a GPU."""
    if device == "cpu":
        with tempfile.TemporaryDirectory() as folder:
            cache = open_or_build(source, folder)
            pictures = [name for name in cache.arrays if name in ("source", "target")]
            for index in range(len(source)):
                images = {name: cache.image(name, index) for name in pictures}
                yield images | {name: cache.mask(name, index) for name in cache.arrays if name not in pictures}
        return
    batches = [list(range(start, min(start + 32, len(source)))) for start in range(0, len(source), 32)]
    for batch in with_progress(batches, len(batches), source.verb, least=4):
        yield from source.read_many(batch, device)


if __name__ == "__main__":
    sys.exit(main())
