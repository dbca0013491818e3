"""SLIC label maps: what a region may be, where they come from, how they travel."""

import numpy as np
import pytest
import torch
from skimage.segmentation import slic

from datamodules import InputError, PhantomDataModule
from datamodules.cache import ImageCache, open_or_build
from datamodules.superpixels import Superpixels, SuperpixelSource, keep_largest, segment
from datamodules.transforms import Augmentation
from tests import tiny


def coloured(size: int = 64) -> np.ndarray:
    """Sixteen squares of different colours in [-1, 1]."""
    colours = np.random.default_rng(0).uniform(-1, 1, (4, 4, 3))
    return np.kron(colours, np.ones((size // 4, size // 4, 1))).astype(np.float32)


def test_regions_follow_the_colours_of_the_target():
    labels = segment(coloured(), Superpixels(16, sigma=0.0))
    assert labels.shape == (64, 64)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    squares = np.kron(np.arange(16).reshape(4, 4), np.ones((16, 16), int))
    pure = [np.bincount(squares[labels == label]).max() / (labels == label).sum() for label in np.unique(labels)]
    assert np.mean(pure) > 0.95


def test_colour_is_compared_in_lab_at_compactness_60_and_grey_at_a_tenth():
    image = np.random.default_rng(1).uniform(-1, 1, (48, 48, 3))
    expected = slic((image + 1) / 2, 16, 60, sigma=1, start_label=0, convert2lab=True)
    assert (segment(image, Superpixels(16)) == expected).all()
    grey = image[..., :1]
    expected = slic((grey + 1) / 2, 16, 0.1, sigma=1, start_label=0, channel_axis=2, convert2lab=False)
    assert (segment(grey, Superpixels(16)) == keep_largest(expected, 24)).all()


@pytest.mark.parametrize("size", [64, 128])
def test_of_a_strain_image_there_are_14_to_16_where_16_are_asked_for(size):
    images = tiny.loaded(PhantomDataModule("elastography", patients=12, size=(size, size)))
    found = [segment(images.image("target", index), Superpixels(16)).max() + 1 for index in range(12)]
    assert set(found) <= {14, 15, 16}
    at_the_librarys = [segment(images.image("target", index), Superpixels(16, 10.0)).max() + 1 for index in range(12)]
    assert np.mean(at_the_librarys) < 13


@pytest.mark.parametrize("value", [-1.0, 0.3, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_falls_into_even_squares(value, channels):
    labels = segment(np.full((64, 64, channels), value, np.float32), Superpixels(16))
    sizes = np.bincount(labels.ravel())
    assert len(sizes) == 16
    assert sizes.max() <= 2 * sizes.min()


def test_of_too_many_regions_the_smallest_are_outside():
    labels = np.repeat(np.arange(6), [9, 2, 8, 7, 1, 9]).reshape(6, 6)
    kept = keep_largest(labels, 4)
    assert [kept[labels == label][0] for label in range(6)] == [0, -1, 1, 2, -1, 3]
    assert keep_largest(labels, 6) is labels


@pytest.mark.parametrize("segments", [0, 1, 161])
def test_a_number_of_segments_out_of_range_is_refused(segments):
    with pytest.raises(InputError, match=f"superpixels: {segments} segments; ask for 2 to 160"):
        Superpixels(segments)


def test_they_are_computed_once_and_belong_to_their_images(tmp_path, monkeypatch):
    images = open_or_build(PhantomDataModule("elastography", patients=3, size=(32, 32)).source, tmp_path)
    cache = images.beside(open_or_build(SuperpixelSource(images, Superpixels(4)), tmp_path))
    assert cache.arrays["superpixels"].dtype == np.uint8
    for index in range(3):
        expected = segment(images.image("target", index), Superpixels(4))
        assert (cache.mask("superpixels", index)[..., 0].astype(int) - 1 == expected).all()
    monkeypatch.setattr(SuperpixelSource, "read", None)  # would fail if asked again
    again = open_or_build(SuperpixelSource(images, Superpixels(4)), tmp_path)
    assert (again.arrays["superpixels"] == cache.arrays["superpixels"]).all()
    for other in (Superpixels(5), Superpixels(4, compactness=10.0)):
        assert SuperpixelSource(images, other).key != SuperpixelSource(images, Superpixels(4)).key


def test_they_move_with_the_target(tmp_path):
    """A label drawn into the target itself must still lie under its own colour after the augmentation."""
    moves = Augmentation(1.0, 1.2, 0.5, 0.5, 30.0, 0.1, (0.1, 0.1))
    data = tiny.data("elastography", size=(64, 64), augmentation=moves)
    images = tiny.loaded(data)
    data.derive([SuperpixelSource(images, Superpixels(4))])
    labels = np.asarray(data.cache.arrays["superpixels"])
    data.cache.arrays["target"] = (labels.astype(np.uint16) * 10000).repeat(3, axis=3)
    dataset = data.dataset("train")
    outside = 0
    for seed in range(6):
        sample = dataset[0, seed]
        assert sample["superpixels"].dtype == torch.int64
        assert sample["superpixels"].min() >= -1
        drawn = (sample["target"][0] + 1) / 2 * 65535 / 10000 - 1
        inside = sample["superpixels"] >= 0
        outside += int((~inside).sum())
        agree = (drawn[inside].round() == sample["superpixels"][inside]).float().mean()
        assert agree > 0.85, "all but the edges, where the picture is interpolated and the labels are not"
    assert outside > 0


def test_only_a_method_that_asks_gets_them(tmp_path):
    for name, arguments, expected in (("hsct", {}, True), ("hsct", {"use_apc": False}, False), ("pix2pix", {}, False)):
        data, model = tiny.data("elastography"), tiny.method(name, **arguments)
        tiny.trainer(tmp_path, limit_train_batches=1).fit(model, data)
        assert ("superpixels" in data.cache) is expected
        assert ("superpixels" in next(iter(data.train_dataloader()))) is expected
        tiny.trainer(tmp_path).test(model, data, verbose=False)
        assert "superpixels" not in data.cache, "they are for training alone"


def test_a_cache_travels_to_workers_with_all_its_folders():
    import pickle

    data = tiny.data("elastography")
    images = tiny.loaded(data)
    data.derive([SuperpixelSource(images, Superpixels(4))])
    copy = pickle.loads(pickle.dumps(data.cache))
    assert isinstance(copy, ImageCache)
    assert set(copy.arrays) == set(data.cache.arrays) >= {"source", "target", "superpixels"}
