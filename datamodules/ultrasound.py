"""UltrasoundDataModule: from a table of images to loaders of batches."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, default_collate

from datamodules.batch import Batch, ImageConsumer, Task
from datamodules.cache import ImageCache, ImageSource, available_cpus, open_or_build
from datamodules.errors import InputError
from datamodules.loader import Loader, end_with_parent
from datamodules.manifest import CLASSES, SPLITS
from datamodules.splits import check_fold, check_not_empty, number_of_folds, split_patients
from datamodules.summary import overview
from datamodules.transforms import IMAGES, MASKS, OF_TARGET, Augment, Augmentation

EMPTY: Mapping[str, str] = MappingProxyType({})


def arrays_of(cache: ImageCache, target_arrays: Mapping[str, str]) -> dict[str, str]:
    """Which array each image and mask of a sample lies in; see :class:`UltrasoundDataset`."""
    own = {name: name for name in (*IMAGES, *MASKS) if name in cache}
    return own | {name: array for name, array in target_arrays.items() if array in cache}


class UltrasoundDataset(Dataset):
    """The rows of one split as samples. Indexed by ``(index, seed)``; the seed drives all that is random.

    Without ``targets``, every source has the target of its own row. Otherwise these are the rows that a target may come
    from: it is drawn anew for every sample with ``shuffle``, and taken in turn without. ``target_arrays`` says
    in which arrays what belongs to a target lies, where not in those of its name.
    """

    def __init__(
        self,
        cache: ImageCache,
        rows: pd.DataFrame,
        augment: Augment | None = None,
        targets: np.ndarray | None = None,
        shuffle: bool = False,
        target_arrays: Mapping[str, str] = EMPTY,
        classes: tuple[str, ...] = CLASSES,
    ) -> None:
        self.cache, self.rows, self.augment = cache, rows, augment
        self.targets, self.shuffle = targets, shuffle
        self.arrays = arrays_of(cache, target_arrays)
        self.indices = rows["index"].to_numpy()
        self.labels = None
        if (rows["label"] != "").all() and len(rows):
            self.labels = rows["label"].map({name: number for number, name in enumerate(classes)}).to_numpy()
        self.texts = {name: rows[name].tolist() for name in ("id", "patient", "organ", "device")}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, 0)
        sample = self._arrays(index, seed)
        if self.augment is not None:
            sample = self.augment(sample, seed)
        item: dict[str, Any] = {name: _to_tensor(name, array) for name, array in sample.items()}
        if self.labels is not None:
            item["label"] = int(self.labels[index])
        return item | {name: values[index] for name, values in self.texts.items()}

    def _arrays(self, index: int, seed: int) -> dict[str, np.ndarray]:
        row = self.indices[index]
        target_row = row
        if self.targets is not None:
            turn = np.random.default_rng([seed, 1]).integers(len(self.targets)) if self.shuffle else index
            target_row = self.targets[turn % len(self.targets)]
        sample = {}
        for name, array in self.arrays.items():
            place = target_row if name in OF_TARGET else row
            mask = name in MASKS
            sample[name] = self.cache.mask(array, place).astype(np.uint8) if mask else self.cache.image(array, place)
        return sample


def _to_tensor(name: str, array: np.ndarray) -> torch.Tensor:
    if name == "superpixels":  # stored as label + 1, so that 0 is outside
        return torch.from_numpy(array[..., 0].astype(np.int64) - 1)
    array = array[..., None] if array.ndim == 2 else array
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    return tensor.bool() if name in MASKS else tensor


class SeededSampler(DistributedSampler):
    """Yields ``(index, seed)``, in an order and with seeds that follow from the run's seed and the epoch alone.

    Of several processes each takes every ``replicas``-th pair. It is a DistributedSampler so that Lightning tells it
    the epoch and does not wrap it in a sampler of its own.
    """

    def __init__(self, length: int, seed: int, replicas: int = 1, rank: int = 0) -> None:
        super().__init__(range(length), replicas, rank, seed=seed)  # type: ignore[arg-type]  # its length is used alone
        self.length = length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        seeds = rng.integers(0, 2**31, self.length)
        order = np.resize(rng.permutation(self.length), self.total_size)  # repeats a few so that all get as many
        for index in order[self.rank :: self.num_replicas]:
            yield int(index), int(seeds[index])


class UltrasoundDataModule(pl.LightningDataModule):
    """Loaders for any table of images. Subclasses say what the task is and where the images are.

    Args:
        size: rows and columns of a batch's images.
        batch_size: samples a batch.
        fold: which fold of the split to train and test on, from 0.
        fractions: train, validation and test parts of the patients, adding up to 1.
        split_seed: of the split into patients.
        seed: of order and augmentation.
        augmentation: what may happen to training samples; none by default.
        num_workers: loader processes; by default none on a CPU and up to eight beside a GPU.
        drop_last: leave out a last, smaller training batch.
        unpaired: draw the targets of training samples independently of their sources, though the data has pairs.
        cache_dir: where decoded images are kept; by default ``$SONOZOO_CACHE`` or ``~/.cache/sonozoo``.
        test_split: whose images a test reads: ``test``, or ``val`` where something is chosen by its scores, which the
            test patients must not know of.
    """

    task: Task
    target_arrays = EMPTY  # where what belongs to a target lies, if not in arrays of its name
    remark = ""  # what every table has to say of the data

    def __init__(
        self,
        size: tuple[int, int] = (256, 256),
        batch_size: int = 1,
        fold: int = 0,
        fractions: tuple[float, float, float] = (0.5, 0.2, 0.3),
        split_seed: int = 0,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        num_workers: int | None = None,
        drop_last: bool = False,
        unpaired: bool = False,
        cache_dir: Path | None = None,
        test_split: Literal["test", "val"] = "test",
    ) -> None:
        super().__init__()
        if min(size) < 1 or batch_size < 1:
            raise InputError(f"size {tuple(size)}, batch_size {batch_size}: all must be at least 1")
        (rows, columns), (train, val, test) = size, fractions
        self.size, self.batch_size, self.fold, self.fractions = (rows, columns), batch_size, fold, (train, val, test)
        self.split_seed, self.seed, self.augmentation = split_seed, seed, augmentation
        self.num_workers, self.drop_last, self.unpaired = num_workers, drop_last, unpaired
        self.cache_dir, self.test_split = cache_dir, test_split
        self._loaded: tuple[pd.DataFrame, ImageCache] | None = None
        self._with_derived: ImageCache | None = None
        self._is_split = False

    @abstractmethod
    def load(self) -> tuple[pd.DataFrame, ImageCache]:
        """The manifest's rows and their images; a row's index is its image's place among them.

        Raises:
            InputError: with every fault of the data.
        """

    def listed(self) -> pd.DataFrame | None:
        """The rows of the images that are sources, as far as they are known before any image is read or simulated:
        without labels that only the images tell. None where nothing is known."""
        return None

    def expected(self) -> dict[str, int] | None:
        """About how many samples each split will have, by :meth:`listed`."""
        rows = self.listed()
        if rows is None:
            return None
        told = rows["split"] if (rows["split"] != "").any() else None
        split = split_patients(rows, self.fractions, self.fold, self.split_seed) if told is None else told
        return split.value_counts().to_dict()

    def prepare_data(self) -> None:
        """Check everything and fill the cache, once a machine, before anything of the run is written."""
        predicting = self.trainer is not None and self.trainer.state.fn == TrainerFn.PREDICTING
        self.setup("predict" if predicting else "")

    def setup(self, stage: str) -> None:
        method = self._method()
        self.derive(method.derived(self.images) if method is not None else [])
        if stage == "predict":  # takes every image: no split, no targets
            return
        needs_target = method is None or method.needs_target
        if stage and needs_target and not self.has_targets:
            raise InputError(f"{self.task.name}: this data has no targets; use it with 'predict', or add them")
        self._split()
        for split in self._needed(stage):
            if not len(self.dataset(split)):
                raise InputError(f"split '{split}' is empty; give it a fraction or mark rows of the manifest with it")

    def _needed(self, stage: str) -> list[str]:
        """The splits that a stage cannot do without; what is to be chosen by validation, not even the training.

        Raises:
            InputError: a test reads the validation images, and these are scored otherwise than the test's.
        """
        if self.test_split == "val" and self.task.test_references not in (None, self.task.references):
            raise InputError(
                f"test_split 'val': only the test images of '{self.task.name}' have pairs, so the validation images "
                "cannot stand in for them; choose by other data"
            )
        chosen = ["val"] if self.test_split == "val" else []
        needed: dict[str, list[str]] = {"fit": ["train", *chosen], "test": [self.test_split]}
        return needed.get(stage, [])

    def _load(self) -> tuple[pd.DataFrame, ImageCache]:
        """What :meth:`load` gives, once."""
        if self._loaded is None:
            rows, images = self.load()
            self._loaded = rows.rename_axis("index").reset_index(), images
        return self._loaded

    @property
    def rows(self) -> pd.DataFrame:
        """The manifest's rows; ``index`` is an image's place among :attr:`images`."""
        return self._load()[0]

    @property
    def images(self) -> ImageCache:
        """As loaded."""
        return self._load()[1]

    @property
    def cache(self) -> ImageCache:
        """The images with what the method asks for beside them."""
        return self._with_derived if self._with_derived is not None else self.images

    def _method(self) -> ImageConsumer | None:
        method = self.trainer.lightning_module if self.trainer is not None else None
        return method if isinstance(method, ImageConsumer) else None

    def derive(self, sources: list[ImageSource]) -> None:
        """Compute, once, what a method asks for beside the images (superpixels, translations), and deliver it."""
        self._with_derived = self.images
        for source in sources:
            self._with_derived = self._with_derived.beside(open_or_build(source, self.cache_dir))

    def _split(self) -> None:
        if self._is_split:
            return
        if (self.rows["split"] == "").all():
            self.rows["split"] = split_patients(self.rows, self.fractions, self.fold, self.split_seed)
        else:
            check_fold(self.fold, 1)
            check_not_empty(self.rows["split"], [name for name in SPLITS if name != "val"])
        self._is_split = True

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return number_of_folds(self.fractions)

    def dataset(self, split: str) -> UltrasoundDataset:
        """The samples of ``split``: "train", "val" or "test", or "all" of them."""
        if split != "all":
            self._split()
        rows = self.rows if split == "all" else self.rows[self.rows["split"] == split]
        targets = None
        if split == "train" and not self.pairs:
            targets = rows["index"].to_numpy()
        return UltrasoundDataset(self.cache, rows, self._augment(split), targets, True, self.target_arrays)

    def sources(self, split: str, most: int) -> Iterator[torch.Tensor]:
        """Source images ``(C, H, W)`` in [-1, 1] of ``split``, evenly chosen where there are more than ``most``."""
        for index in _evenly(self.dataset(split).indices, most):
            yield _to_tensor("source", self.cache.image("source", index))

    def targets(self, split: str, most: int) -> Iterator[torch.Tensor]:
        """Target images likewise."""
        dataset = self.dataset(split)
        for index in _evenly(dataset.indices if dataset.targets is None else dataset.targets, most):
            yield _to_tensor("target", self.cache.image(dataset.arrays["target"], index))

    def _augment(self, split: str) -> Augment | None:
        if split != "train" or self.augmentation is None:
            return None
        return Augment(self.augmentation, self.size, tuple(sorted(arrays_of(self.cache, self.target_arrays))))

    @property
    def has_targets(self) -> bool:
        return "target" in self.cache

    @property
    def pairs(self) -> bool:
        """Whether a training sample's target belongs to its source."""
        return self.task.paired and not self.unpaired

    def train_dataloader(self) -> DataLoader:
        dataset = self.dataset("train")
        replicas, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer is not None else (1, 0)
        return self._loader(dataset, SeededSampler(len(dataset), self.seed, replicas, rank), self.drop_last)

    def val_dataloader(self) -> DataLoader | list:
        dataset = self.dataset("val")
        return self._loader(dataset) if len(dataset) else []

    def test_dataloader(self) -> DataLoader:
        return self._loader(self.dataset(self.test_split))

    def predict_dataloader(self) -> DataLoader:
        dataset = self.dataset("all")
        if self.trainer is None or self.trainer.world_size == 1:
            return self._loader(dataset)
        # Some images are given to two processes, so that each has one: Lightning waits for one that has none.
        replicas, rank = self.trainer.world_size, self.trainer.global_rank
        return self._loader(dataset, DistributedSampler(dataset, replicas, rank, shuffle=False))

    def splits(self) -> pd.DataFrame:
        """``id, patient, label, organ, device, split`` of every image: what a paper should publish."""
        self._split()
        return self.rows[["id", "patient", "label", "organ", "device", "split"]]

    def ids(self) -> list[str]:
        """Of every image, in their order; nothing is split for it."""
        return self.rows["id"].tolist()

    def summary(self) -> list[str]:
        """What was read, in at most a dozen lines."""
        return overview(self.task.name, self.splits(), self.size)

    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns that every source had before it was put on this module's grid, by id."""
        return dict.fromkeys(self.rows["id"], self.size)

    def _loader(self, dataset: UltrasoundDataset, sampler: Sampler | None = None, drop_last: bool = False):
        workers = self.num_workers
        if workers is None:
            workers = min(8, max(1, available_cpus() - 1)) if torch.cuda.is_available() else 0
        # A generator of its own keeps the loader from drawing on the global one, which a resumed run restores.
        return Loader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=_collate,
            generator=torch.Generator().manual_seed(self.seed),
            worker_init_fn=end_with_parent,
        )


def _evenly(indices: np.ndarray, most: int) -> np.ndarray:
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(int))]


def _collate(samples: list[dict]) -> Batch:
    return default_collate(samples)
