"""Organs in several planes: where a plane lies, which are tested, and where a map of them is valid."""

import numpy as np
import pytest

from datamodules import InputError, PhantomDataModule
from datamodules.phantom.organs import draw_prostate
from datamodules.phantom.scenarios import scenario_of
from datamodules.phantom.simulate import simulate_patients
from datamodules.phantom.tissue import FULL_FIELD

HALF = (0.5, 0.0, 0.5)


def prostates(**kwargs) -> PhantomDataModule:
    return PhantomDataModule("prostate", patients=4, size=(16, 16), fractions=HALF, **kwargs)


def test_the_organ_is_seen_at_its_largest_in_the_middle():
    scenario = scenario_of("prostate")
    for patient in range(4):
        numbers = [100 * patient + plane for plane in range(8)]
        places = [abs(scenario.position(0, number)) for number in numbers]
        areas = [_gland(scenario.rng(0, patient, 1), scenario.rng(0, number)) for number in numbers]
        assert np.corrcoef(places, areas)[0, 1] < -0.9


def _gland(patient: np.random.Generator, plane: np.random.Generator) -> int:
    """Pixels of both zones. Each layer has one attenuation, and what surrounds the gland reaches the lower corner."""
    attenuation = draw_prostate(patient, plane, FULL_FIELD).attenuation
    wall, surroundings = attenuation[0, 0], attenuation[-1, 0]
    return int(((attenuation != surroundings) & (attenuation != wall)).sum())


def test_test_planes_are_the_patients_nearest_the_middle_and_the_others_are_held_out():
    whole, few = prostates(), prostates(test_planes=3)
    every, chosen = whole.splits(), few.splits()
    trained = every["split"] == "train"
    assert chosen[trained].equals(every[trained]), "training is the same"
    assert every[~trained]["split"].eq("test").all()
    assert set(chosen[~trained]["split"]) == {"test", "held out"}
    scenario = scenario_of("prostate")
    away = [abs(scenario.position(0, int(name.rpartition("-")[2]))) for name in chosen["id"]]
    for _, planes in chosen.assign(away=away)[~trained].groupby("patient"):
        tested = planes["split"] == "test"
        assert tested.sum() == 3 < len(planes)
        assert planes["away"][tested].max() < planes["away"][~tested].min()
    assert len(few.dataset("test")) == 6
    assert few.images.name == whole.images.name, "the images are those of all planes"
    assert "6 test, " in few.summary()[0]
    assert few.summary()[0].endswith(f"{(chosen['split'] == 'held out').sum()} held out; 16 x 16 pixels")


def test_every_fold_has_three_planes_of_its_own_patients():
    patients = [prostates(test_planes=3, fold=fold).dataset("test").texts["patient"] for fold in (0, 1)]
    assert [sorted(map(own.count, set(own))) for own in patients] == [[3, 3], [3, 3]]
    assert not set(patients[0]) & set(patients[1])


@pytest.mark.parametrize(
    ("task", "count", "message"),
    [
        ("swe", 3, "test_planes 3: the task 'swe' has one image a patient; leave it out, or choose prostate, thyroid"),
        ("thyroid", 3, "test_planes 3: a patient of 'thyroid' has 2 to 4 planes; give 1 to 2"),
        ("prostate", 0, "test_planes 0: a patient of 'prostate' has 9 to 15 planes; give 1 to 9"),
    ],
)
def test_planes_that_not_every_patient_has_are_refused(task, count, message):
    with pytest.raises(InputError, match=message):
        PhantomDataModule(task, patients=4, test_planes=count)


def test_a_thyroid_is_valid_throughout_but_in_fluid():
    for patient in simulate_patients("thyroid", [0, 100, 200, 300]):
        assert patient.valid[-1].all(), "however deep"
        assert 0.9 < patient.valid.mean() < 1
        artery, tissue = (10 * np.median(patient.target[where]) for where in (~patient.valid, patient.valid))
        assert artery == pytest.approx(1.2, abs=0.2), "m/s, of the 3 kPa that it is drawn with, blurred"
        assert tissue > 2
    prostate = np.mean([patient.valid[-1].mean() for patient in simulate_patients("prostate", [0, 100, 200])])
    assert prostate < 0.5, "by its confidence"
