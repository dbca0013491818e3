"""What superpixels cost HSC-T."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.speed.clock import median_ms
from datamodules.phantom.datamodule import PhantomDataModule
from datamodules.superpixels import Superpixels, SuperpixelSource
from datamodules.transforms import Augmentation
from datamodules.ultrasound import UltrasoundDataset
from zoo.networks.patch_sampler import Segments


def superpixel_speed(method_ms: float, batch_size: int, images: int = 24) -> pd.DataFrame:
    """What superpixels cost HSC-T at 256 x 256: computed once an image, and carried through every epoch after that.

    Args:
        method_ms: a training step of HSC-T, milliseconds, on batches of ``batch_size``.
        images: how many to measure on.
    """
    augmentation = Augmentation(enlarge=286 / 256, horizontal_flip=0.5, vertical_flip=0.5, rotate=15.0)
    settings = Superpixels()
    with tempfile.TemporaryDirectory() as folder:
        data = PhantomDataModule(
            patients=images, augmentation=augmentation, fractions=(1.0, 0.0, 0.0), cache_dir=Path(folder), num_workers=0
        )
        data.prepare_data()
        assert data.images is not None, "they are prepared"
        source = SuperpixelSource(data.images, settings)
        once_ms = median_ms(lambda: source.read(0))
        load_ms = {}
        for name, wanted in (("without", False), ("with", True)):
            data.derive([source] if wanted else [])
            load_ms[name] = median_ms(_epoch_of(data.dataset("train"))) / images
    labels = squares(256, 256).expand(batch_size, -1, -1)
    sort_ms = median_ms(lambda: Segments.of(labels, settings.most))
    carried_ms = max(0.0, load_ms["with"] - load_ms["without"]) * batch_size + sort_ms
    return pd.DataFrame(
        [
            {"what": "SLIC, once an image, one core", "ms": round(once_ms, 1)},
            {"what": f"carried along and sorted, a batch of {batch_size}", "ms": round(carried_ms, 1)},
            {"what": f"training step of HSC-T, a batch of {batch_size}", "ms": method_ms},
            {"what": "share of an epoch, %", "ms": round(100 * carried_ms / (carried_ms + method_ms), 2)},
        ]
    ).rename(columns={"ms": "ms or %"})


def squares(rows: int, columns: int, a_side: int = 4) -> torch.Tensor:
    """Sixteen labels, as superpixels would be."""
    down, across = (torch.arange(n) * a_side // n for n in (rows, columns))
    return down[:, None] * a_side + across


def _epoch_of(dataset: UltrasoundDataset) -> Callable[[], Any]:
    return lambda: [dataset[index, index] for index in range(len(dataset))]
