"""The detector: what it finds, what it does not, and how it is calibrated."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.analyses.faithfulness.calibration import Sample, calibrate, calibrate_on, is_valid
from benchmarks.analyses.faithfulness.detector import Detector, compact, finds
from benchmarks.analyses.faithfulness.scale import Scale
from tests.tiny import data

EVERYWHERE = np.ones((64, 64), bool)
DETECTOR = Detector(0.03, 10.0, 1)


def disc(row: float, column: float, radius: float = 6, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(rows - row, columns - column) < radius


def tissue(seed: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Layers, one above the other, with noise that a smoothing takes away."""
    layers = np.repeat(np.array([60.0, 20.0, 40.0, 90.0]), shape[0] // 4)[:, None]
    return layers + 5 * np.random.default_rng(seed).normal(size=shape)


def test_it_finds_what_stands_out_and_no_layer():
    lesion = disc(30, 20)
    (found,) = DETECTOR.find(tissue(0) + 60 * lesion, EVERYWHERE)
    assert finds(found, lesion)
    assert (found & lesion).sum() > 0.8 * lesion.sum()
    assert DETECTOR.find(tissue(0), EVERYWHERE) == []


def test_it_looks_in_one_direction():
    dark = tissue(0) - 60 * disc(30, 20)
    assert not any(finds(found, disc(30, 20)) for found in DETECTOR.find(dark, EVERYWHERE))
    assert any(finds(found, disc(30, 20)) for found in Detector(0.03, 10.0, -1).find(dark, EVERYWHERE))


def test_a_faded_lesion_is_lost():
    """The threshold is absolute: it does not follow an image's own contrast."""
    image = tissue(0) + 60 * disc(30, 20)
    assert DETECTOR.find(0.1 * image, EVERYWHERE) == []
    assert len(DETECTOR.find(image + 100, EVERYWHERE)) == 1, "brightness is no matter"


def test_what_is_not_valid_is_not_looked_at():
    image, lesion = tissue(0) + 60 * disc(30, 20), disc(30, 20, 9)
    assert DETECTOR.find(image, ~lesion) == []
    assert DETECTOR.find(np.where(lesion, 1e6, tissue(0)), ~lesion) == [], "whatever stands there"


def test_regions_of_a_finer_image_are_the_same_in_its_own_pixels():
    coarse = tissue(0) + 60 * disc(30, 20)
    fine = coarse.repeat(4, 0).repeat(4, 1)
    (one,), (other,) = DETECTOR.find(coarse, EVERYWHERE), DETECTOR.find(fine, np.ones(fine.shape, bool))
    assert (other == one.repeat(4, 0).repeat(4, 1)).all()
    odd = np.pad(fine, ((0, 3), (0, 1)), mode="edge")
    (padded,) = DETECTOR.find(odd, np.ones(odd.shape, bool))
    assert padded.shape == (259, 257)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (np.s_[30:32, 10:15], "tiny"),
        (np.s_[:40, :60], "huge"),
        (np.s_[30:36, :40], "a band"),
    ],
)
def test_regions_have_the_size_and_the_shape_of_a_lesion(shape, why):
    mask = np.zeros((64, 64), bool)
    mask[shape] = True
    assert compact(mask) == [], why


def test_a_thread_is_none_and_two_discs_are_two():
    thread = np.zeros((64, 64), bool)
    thread[range(10, 50), range(10, 50)] = thread[range(10, 50), range(11, 51)] = True
    assert compact(thread) == []
    assert len(compact(disc(20, 20) | disc(40, 40))) == 2


def test_a_region_finds_a_lesion_by_a_tenth_of_both_together():
    lesion, region = np.zeros((2, 20, 20), bool)
    lesion[:10, :10] = region[8:18, :10] = True
    assert finds(region, lesion), "20 of 180 pixels"
    region = np.roll(region, 1, axis=0)
    assert not finds(region, lesion), "10 of 190 pixels"
    assert not finds(np.ones((200, 200), bool), np.pad(lesion, ((0, 180), (0, 180)))), "all is no lesion"


def samples(sign: int, height: float = 40, count: int = 12) -> list[Sample]:
    rng = np.random.default_rng(5)
    lesions = [disc(*rng.uniform(15, 49, 2), rng.uniform(4, 8)) for _ in range(count)]
    return [
        Sample(tissue(n) + sign * height * gaussian_filter(own.astype(float), 1), EVERYWHERE, own)
        for n, own in enumerate(lesions)
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_calibrated_to_find_the_lesions_of_real_targets_and_little_else(sign):
    given = samples(sign)
    detector = calibrate(given)
    assert detector.direction == sign
    assert 0 < detector.threshold < 40
    fresh = [Sample(tissue(100 + n) + sign * 40 * own.lesion, EVERYWHERE, own.lesion) for n, own in enumerate(given)]
    found = [detector.find(sample.values, sample.valid) for sample in fresh]
    hits = [any(finds(r, s.lesion) for r in regions) for regions, s in zip(found, fresh, strict=True)]
    false = [r for regions, s in zip(found, fresh, strict=True) for r in regions if not (r & s.lesion).any()]
    assert np.mean(hits) >= 0.9
    assert len(false) <= 1


def test_its_threshold_keeps_false_alarms_out():
    """Beside each lesion stands something that is half as bright and is none."""
    other = disc(12, 12)
    detector = calibrate(
        [Sample(own.values + 30 * (other & ~own.lesion), own.valid, own.lesion) for own in samples(1, 60)]
    )
    assert detector.find(tissue(50) + 30 * other, EVERYWHERE) == []
    assert len(detector.find(tissue(50) + 60 * other, EVERYWHERE)) == 1


def test_without_a_lesion_that_can_be_judged_there_is_no_detector():
    none = np.zeros((64, 64), bool)
    assert calibrate([]) is None
    assert calibrate([Sample(tissue(0), EVERYWHERE, none)]) is None
    assert calibrate([Sample(tissue(0), ~disc(30, 30, 9), disc(30, 30))]) is None, "such as a cyst without shear waves"
    assert is_valid(disc(30, 30), disc(30, 30, 5))
    assert not is_valid(disc(30, 30), disc(30, 30, 4))


@pytest.mark.parametrize(("task", "direction"), [("elastography", 1), ("swe", 1), ("enhancement", -1)])
def test_on_phantoms_lesions_are_stiff_and_dark(task, direction):
    own = data(task, patients=24, size=(64, 64))
    signal = own.task.target
    scale = Scale(signal.unit, signal.low, signal.high)
    detector, split = calibrate_on(own, scale)
    assert (detector.direction, split) == (direction, "train")


def test_targets_of_other_patients_are_calibrated_on_with_their_own_lesions():
    """The lesion beside the source is another's; and the draws of training are not followed."""
    given = samples(-1)
    elsewhere = np.roll(np.stack([sample.lesion for sample in given]), 1, axis=0)

    class Fake:
        targets, shuffle, augment = np.arange(len(given)), True, object()

        def __len__(self):
            return len(given)

        def __getitem__(self, index):
            assert (self.shuffle, self.augment) == (False, None)
            as_tensor = lambda array: SimpleNamespace(numpy=lambda: array)  # noqa: E731
            levels = given[index].values[None] / 127.5 - 1
            mask = {"lesion": elsewhere[index], "target_lesion": given[index].lesion, "valid": EVERYWHERE}
            return {"target": as_tensor(levels)} | {name: [as_tensor(own)] for name, own in mask.items()}

    data = SimpleNamespace(dataset=lambda split: Fake(), test_split="test", task=SimpleNamespace(paired=False))
    grey = Scale("grey level", 0.0, 255.0)
    expected = calibrate([Sample(grey.values(s.values[None] / 127.5 - 1), s.valid, s.lesion) for s in given])
    assert calibrate_on(data, grey) == (expected, "train")
