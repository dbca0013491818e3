"""Augmentation that moves source, target, valid, lesion and superpixels together.

Geometry goes through one albumentations pipeline for all arrays, grey values through a second for the source alone.
Each sample is drawn from a seed of its own, so that what a sample looks like depends neither on the number of
loader workers nor on where a run was interrupted.
"""

from dataclasses import dataclass

import numpy as np

from datamodules.errors import InputError

IMAGES = ("source", "target", "translation")
MASKS = ("valid", "lesion", "target_lesion", "superpixels")
OF_TARGET = {"target", "target_lesion", "superpixels"}  # these come from the row that the target comes from


@dataclass
class Augmentation:
    """What may happen to a training sample. All zero means nothing.

    Args:
        p: probability that a sample is touched at all.
        enlarge: resize by this factor, then crop at random to the old size (286 / 256 in Pix2Pix).
        horizontal_flip: probability of a lateral mirror image.
        vertical_flip: probability of an axial mirror image.
        rotate: largest angle in degrees.
        crop: largest part cut off each side, stretched back to size.
        translate: largest shift as a fraction of (height, width).
        contrast: largest relative change of the source's contrast.
    """

    p: float = 1.0
    enlarge: float = 1.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    rotate: float = 0.0
    crop: float = 0.0
    translate: tuple[float, float] = (0.0, 0.0)
    contrast: float = 0.0


class Augment:
    """Apply an :class:`Augmentation` to a sample: a dict of float32 ``(H, W, C)`` images and integer masks."""

    def __init__(self, settings: Augmentation, size: tuple[int, int], names: tuple[str, ...]) -> None:
        try:
            import albumentations as A
        except ImportError:
            raise InputError(
                "augmentation: needs albumentations; pip install albumentations, or set data.augmentation to null"
            ) from None
        extra = {name: "mask" if name in MASKS else "image" for name in names if name != "source"}
        self.settings, self.names = settings, names
        self.geometry = A.Compose(_geometry(A, settings, size), additional_targets=extra)
        self.contrast = settings.contrast

    def __call__(self, sample: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        if rng.random() >= self.settings.p:
            return sample
        self._seed_steps(seed)
        arrays = {name: sample[name] for name in self.names}
        moved = self.geometry(image=arrays.pop("source"), **arrays)
        moved["source"] = moved.pop("image")
        if self.contrast:
            moved["source"] = change_contrast(moved["source"], 1 + rng.uniform(-self.contrast, self.contrast))
        return {**sample, **moved}

    def _seed_steps(self, seed: int) -> None:
        """Each by itself: the pipeline's own way gives all of them the same numbers, and what flips one way would
        always flip the other, too."""
        steps = self.geometry.transforms
        for step, own in zip(steps, np.random.SeedSequence(seed).generate_state(len(steps)), strict=True):
            step.set_random_seed(int(own))


def _geometry(A, settings: Augmentation, size: tuple[int, int]) -> list:
    """In the order in which the papers name them; outside the picture: black, invalid, no lesion, no superpixel."""
    steps = []
    if settings.horizontal_flip:
        steps.append(A.HorizontalFlip(p=settings.horizontal_flip))
    if settings.vertical_flip:
        steps.append(A.VerticalFlip(p=settings.vertical_flip))
    if settings.rotate or any(settings.translate):
        down, across = settings.translate
        steps.append(
            A.Affine(
                rotate=(-settings.rotate, settings.rotate),
                translate_percent={"x": (-across, across), "y": (-down, down)},
                scale=1.0,
                fill=-1.0,
                fill_mask=0,
                p=1.0,
            )
        )
    if settings.crop:
        steps.append(A.CropAndPad(percent=(-settings.crop, 0.0), keep_size=True, sample_independently=True, p=1.0))
    if settings.enlarge > 1:
        height, width = (round(side * settings.enlarge) for side in size)
        steps += [A.Resize(height, width, p=1.0), A.RandomCrop(*size, p=1.0)]
    return steps


def change_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Stretch grey values in [-1, 1] about their mean by ``factor``."""
    mean = image.mean()
    return np.clip((image - mean) * np.float32(factor) + mean, -1, 1)
