"""What a batch holds, what a translation is, and what data and methods may ask of each other: their contract."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NotRequired, Protocol, TypedDict, runtime_checkable

import pandas as pd
from torch import Tensor

from datamodules.cache import ImageCache, ImageSource


class Batch(TypedDict):
    """One batch as every data module delivers it. Images lie in [-1, 1].

    ``source`` and ``target`` are float32 ``(B, C, H, W)``; ``valid`` is bool ``(B, 1, H, W)``, true where the target
    may be trusted; ``label`` is int64 ``(B,)``; ``lesion`` is bool ``(B, 1, H, W)``; ``superpixels`` is int64
    ``(B, H, W)`` with -1 outside. ``target`` is absent where the data has none (translation can then only predict).
    ``superpixels`` and ``translation``, a frozen translator's output, are there for methods that ask for them.
    ``target_lesion``, bool ``(B, 1, H, W)``, is the lesion of a target that is another patient than the source.
    """

    source: Tensor
    target: NotRequired[Tensor]
    valid: Tensor
    label: NotRequired[Tensor]
    lesion: NotRequired[Tensor]
    target_lesion: NotRequired[Tensor]
    superpixels: NotRequired[Tensor]
    translation: NotRequired[Tensor]
    id: list[str]
    patient: list[str]
    organ: list[str]
    device: list[str]


@dataclass(frozen=True)
class Signal:
    """One side of a translation: its channels and the physical range behind [-1, 1].

    ``low`` stands for -1 and ``high`` for 1, in ``unit`` ("grey level", "RGB", "kPa", "m/s").
    """

    channels: int = 1
    low: float = 0.0
    high: float = 255.0
    unit: str = "grey level"

    @property
    def physical(self) -> bool:
        """Whether the values are a measured quantity rather than a picture."""
        return self.unit not in ("grey level", "RGB")

    def to_physical(self, image: Tensor) -> Tensor:
        """Map values from [-1, 1] to the unit of this signal."""
        return self.low + (image + 1) * (0.5 * (self.high - self.low))


GREY = Signal(1, 0.0, 255.0, "grey level")
RGB = Signal(3, 0.0, 255.0, "RGB")
Reference = Literal["target", "source"]  # what a translation can be compared with


@dataclass(frozen=True)
class Task:
    """What is translated into what: both signals, whether pairs are registered, and what a translation is held against.

    ``data`` says in a few words what the numbers are measured on; it stands under every table. Metrics are those that
    compare with one of ``references``; with one of ``test_references`` in a test set that has pairs though the others
    have none.
    """

    name: str
    source: Signal = GREY
    target: Signal = GREY
    paired: bool = True
    data: str = ""
    references: tuple[Reference, ...] = ("target",)
    test_references: tuple[Reference, ...] | None = None


@runtime_checkable
class TranslationData(Protocol):
    """What methods and the evaluation may ask of a data module."""

    task: Task
    fold: int
    seed: int
    unpaired: bool  # whether targets are drawn independently of sources, though the data has pairs

    @property
    def pairs(self) -> bool:
        """Whether a training sample's target belongs to its source."""

    def splits(self) -> pd.DataFrame:
        """``id, patient, label, organ, device, split`` of every image."""

    def ids(self) -> list[str]:
        """Of every image, in their order."""

    def summary(self) -> list[str]:
        """What was read, in at most a dozen lines."""

    def sources(self, split: str, most: int) -> Iterator[Tensor]:
        """At most ``most`` source images ``(C, H, W)`` of ``split``: "train", "val", "test" or "all"."""

    def targets(self, split: str, most: int) -> Iterator[Tensor]:
        """Target images likewise."""

    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of every source's file, by id."""


@runtime_checkable
class ImageConsumer(Protocol):
    """What a data module may ask of the method that its trainer runs."""

    needs_target: bool  # whether it can be trained and tested on data without targets

    def derived(self, images: ImageCache) -> list[ImageSource]:
        """What the data has to deliver beside the images."""


@runtime_checkable
class CeilingData(Protocol):
    """Data of which it is known what a perfect method would make of a source: simulated ones."""

    @property
    def ceiling(self) -> str:
        """What that is, in words."""

    def ceilings(self, ids: list[str]) -> Tensor:
        """What a perfect method would make of the sources of these ids, ``(N, C, H, W)`` in [-1, 1]."""
