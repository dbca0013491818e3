"""Masks move with images; a sample is determined by its seed."""

import numpy as np
import pytest
import torch

from datamodules.transforms import Augment, Augmentation, change_contrast
from datamodules.ultrasound import SeededSampler
from tests import tiny

SIZE = (64, 48)
NAMES = ("source", "target", "valid", "lesion", "superpixels")
EVERYTHING = Augmentation(
    enlarge=1.2, horizontal_flip=0.5, vertical_flip=0.5, rotate=15, crop=0.05, translate=(0.1, 0.3), contrast=0.5
)
GEOMETRY = [
    Augmentation(horizontal_flip=1.0),
    Augmentation(vertical_flip=1.0),
    Augmentation(rotate=15),
    Augmentation(translate=(0.1, 0.3)),
    Augmentation(crop=0.05),
    Augmentation(enlarge=1.2),
    EVERYTHING,
]


def marked() -> dict[str, np.ndarray]:
    """A bright disc off the centre, in the picture and in every mask."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = ((rows - 24) ** 2 + (columns - 16) ** 2 < 49)[..., None]
    picture = np.where(disc, 1.0, -1.0).astype(np.float32)
    mask = disc.astype(np.uint8)
    return {
        "source": picture,
        "target": np.repeat(picture, 3, 2),
        "valid": mask,
        "lesion": mask,
        "superpixels": 7 * mask,
    }


@pytest.mark.parametrize("settings", GEOMETRY)
def test_masks_stay_on_the_marker(settings):
    augment = Augment(settings, SIZE, NAMES)
    moved = 0
    for seed in range(20):
        sample = augment(marked(), seed)
        disc = sample["target"][..., 0] > 0
        assert sample["source"].shape == (*SIZE, 1)
        assert sample["target"].shape == (*SIZE, 3)
        for name in ("valid", "lesion", "superpixels"):
            mask = sample[name].reshape(SIZE) > 0
            assert (mask ^ disc).mean() < 0.03, (name, seed)
        assert set(np.unique(sample["superpixels"])) <= {0, 7}, "labels are never mixed"
        moved += not np.array_equal(sample["valid"].reshape(SIZE), marked()["valid"][..., 0])
    assert moved >= 10


def test_grey_values_of_the_target_are_left_alone():
    sample = Augment(Augmentation(contrast=0.5), SIZE, NAMES)(marked() | {"source": marked()["source"] * 0.3}, 3)
    assert np.array_equal(sample["target"], marked()["target"])
    assert not np.allclose(sample["source"], marked()["source"] * 0.3)


def test_contrast_stretches_about_the_mean():
    image = np.linspace(-0.4, 0.6, 11, dtype=np.float32)[:, None, None]
    changed = change_contrast(image, 1.5)
    assert changed.mean() == pytest.approx(image.mean(), abs=1e-6)
    assert changed.std() == pytest.approx(1.5 * image.std(), rel=1e-5)


def test_outside_the_picture_is_black_and_not_valid():
    full = marked() | {"valid": np.ones((*SIZE, 1), np.uint8), "source": np.zeros((*SIZE, 1), np.float32)}
    sample = Augment(Augmentation(translate=(0.0, 0.4)), SIZE, NAMES)(full, 1)
    outside = sample["valid"].reshape(SIZE) == 0
    assert 0.02 < outside.mean() < 0.5
    assert (sample["source"][outside][:, 0] < -0.49).mean() > 0.9
    assert (sample["superpixels"].reshape(SIZE)[outside] == 0).all()


def test_p_is_the_part_of_samples_that_is_touched():
    augment = Augment(Augmentation(p=0.3, horizontal_flip=1.0), SIZE, NAMES)
    touched = sum(not np.array_equal(augment(marked(), seed)["source"], marked()["source"]) for seed in range(300))
    assert 60 <= touched <= 120


def test_steps_are_drawn_independently_of_each_other():
    """Of 400 samples about 100 have both flips, and so on."""
    augment = Augment(Augmentation(horizontal_flip=0.5, vertical_flip=0.5), SIZE, NAMES)
    image = marked()["source"]
    forms = {"neither": image, "lateral": image[:, ::-1], "axial": image[::-1], "both": image[::-1, ::-1]}
    counts = dict.fromkeys(forms, 0)
    for seed in range(400):
        made = augment(marked(), seed)["source"]
        (form,) = (name for name, wanted in forms.items() if np.array_equal(made, wanted))
        counts[form] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts


def test_a_sample_follows_from_its_seed_whatever_came_before():
    augment = Augment(EVERYTHING, SIZE, NAMES)
    first = augment(marked(), 5)["source"]
    augment(marked(), 6)
    assert np.array_equal(first, augment(marked(), 5)["source"])
    assert np.array_equal(first, Augment(EVERYTHING, SIZE, NAMES)(marked(), 5)["source"])
    assert not np.array_equal(first, augment(marked(), 6)["source"])


def test_the_sampler_gives_every_epoch_a_new_order_and_new_seeds():
    sampler = SeededSampler(20, seed=3)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
        assert sorted(index for index, _ in epochs[-1]) == list(range(20))
    assert epochs[0] != epochs[1] != epochs[2]
    assert len({seed for epoch in epochs for _, seed in epoch}) == 60
    sampler.set_epoch(1)
    assert list(sampler) == epochs[1]


def test_several_processes_share_an_epoch():
    whole = list(SeededSampler(21, seed=3))
    parts = [list(SeededSampler(21, 3, replicas=2, rank=rank)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [11, 11]
    assert set(whole) == set(parts[0]) | set(parts[1])


def test_batches_do_not_depend_on_the_number_of_workers():
    """albumentations on its own repeats one stream in every worker and every epoch."""
    batches = []
    for workers in (0, 2):
        data = tiny.data("elastography", augmentation=EVERYTHING, num_workers=workers)
        loader = data.train_dataloader()
        epochs = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            epochs.append(torch.cat([batch["source"] for batch in loader]))
        assert not torch.equal(*epochs)
        batches.append(torch.cat(epochs))
    assert torch.equal(*batches)
