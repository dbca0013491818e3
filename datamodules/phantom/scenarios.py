"""The phantom's tasks: one table, of which everything that is asked of a task is read. A new task is one entry."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from datamodules.batch import GREY, RGB, Signal, Task
from datamodules.errors import InputError
from datamodules.phantom.elastography import MAX_MODULUS
from datamodules.phantom.organs import draw_prostate, draw_thyroid, plane_position
from datamodules.phantom.patients import (
    Simulate,
    low_and_high_quality,
    one_object,
    shear_wave,
    shear_wave_of_planes,
    strain,
    two_patients,
)
from datamodules.phantom.scanner import CART, FIVE_SCANNERS, HANDHELD, Scanner

PLANE = 100  # an image's number, where a patient has several: the patient's number times this, plus the plane's
YOUNGS_MODULUS = Signal(1, 0.0, MAX_MODULUS, "kPa")
PROSTATE_MODULUS = Signal(1, 0.0, 100.0, "kPa")  # full scales of the sSWE papers
THYROID_SPEED = Signal(1, 0.0, 10.0, "m/s")
NOISELESS = "the true map through the elastograph's resolution, without its noise"
RESCANNED = "the target scanner's scan of the source's patient or object"
DATA = "simulated phantoms (not the papers' data)"
SCANNERS = {scanner.name: scanner for scanner in (CART, HANDHELD, *FIVE_SCANNERS)}
FOUR_SCANNERS = FIVE_SCANNERS[:-1]
# The names of SCENARIOS, once more, for the command line to check.
TaskName = Literal["elastography", "swe", "enhancement", "harmonization", "test_object", "prostate", "thyroid"]


@dataclass(frozen=True)
class Scenario:
    """One of the phantom's tasks.

    Args:
        number: its part of every seed. It is never changed, nor given to another: images would change with it.
        about: what is simulated, in a line.
        task: what is translated into what.
        simulate: how its patients are.
        ceiling: what the simulator has a perfect method make of a source, in words.
        scanner: that takes the B-mode images where the user names no other.
        scanners: of the sources, by turns, in a task that has scanners of its own; none can be named then.
        images: of a patient, fewest and most.
        organ: as the manifest has it.
        labelled: whether its patients are benign or malignant.
    """

    number: int
    about: str
    task: Task
    simulate: Simulate
    ceiling: str
    scanner: Scanner = CART
    scanners: tuple[Scanner, ...] = ()
    images: tuple[int, int] = (1, 1)
    organ: str = "breast"
    labelled: bool = True

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def planes(self) -> bool:
        """Whether a patient has several images."""
        return self.images[1] > 1

    def rng(self, seed: int, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.number, seed, *numbers])

    def numbers(self, patients: int, seed: int) -> list[int]:
        """The numbers of all images: one a patient, or one a plane (see :data:`PLANE`)."""
        if not self.planes:
            return list(range(patients))
        fewest, most = self.images
        planes = [int(self.rng(seed, patient, 2).integers(fewest, most + 1)) for patient in range(patients)]
        return [patient * PLANE + plane for patient, count in enumerate(planes) for plane in range(count)]

    def patient(self, number: int) -> int:
        """Whose image has that number."""
        return number // PLANE if self.planes else number

    def position(self, seed: int, number: int) -> float:
        """Where along the organ the image of that number lies, between -1 and 1."""
        return plane_position(self.rng(seed, number))

    def scanner_of(self, number: int, chosen: Scanner) -> Scanner:
        """What takes the B-mode image of that number."""
        return self.scanners[number % len(self.scanners)] if self.scanners else chosen

    def check_planes(self, wanted: int) -> None:
        """Raises InputError if not every patient has as many planes as are wanted of each."""
        fewest, most = self.images
        if not self.planes:
            several = ", ".join(other.name for other in SCENARIOS.values() if other.planes)
            raise InputError(
                f"test_planes {wanted}: the task '{self.name}' has one image a patient; "
                f"leave it out, or choose {several}"
            )
        if not 1 <= wanted <= fewest:
            raise InputError(
                f"test_planes {wanted}: a patient of '{self.name}' has {fewest} to {most} planes; give 1 to {fewest}"
            )

    def choose(self, name: str | None) -> Scanner:
        """The profile of that name, or the task's own.

        Raises:
            InputError: there is none, or the task's scanners are fixed.
        """
        name = name or self.scanner.name
        if name not in SCANNERS:
            raise InputError(f"scanner '{name}' is none of {', '.join(SCANNERS)}")
        if name != self.scanner.name and self.scanners:
            free = ", ".join(other.name for other in SCENARIOS.values() if not other.scanners)
            raise InputError(f"scanner '{name}': the task '{self.name}' has scanners of its own; choose {free}")
        return SCANNERS[name]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            0,
            "B-mode to colour strain image",
            Task("elastography", GREY, RGB, data=DATA),
            strain,
            "the strain without the elastograph's noise",
        ),
        Scenario(
            1,
            "B-mode to Young's modulus in kPa, valid where the confidence is above 0.75",
            Task("swe", GREY, YOUNGS_MODULUS, data=DATA),
            partial(shear_wave, YOUNGS_MODULUS),
            NOISELESS,
        ),
        Scenario(
            2,
            "handheld to cart",
            Task("enhancement", GREY, GREY, data=DATA),
            low_and_high_quality,
            "the cart's scan in the handheld's geometry",
            scanners=(HANDHELD,),
        ),
        Scenario(
            3,
            "four scanners to a fifth, unpaired",
            Task("harmonization", GREY, GREY, paired=False, data=DATA, references=("source",)),
            two_patients,
            RESCANNED,
            scanners=FOUR_SCANNERS,
        ),
        Scenario(
            4,
            "the same scanners on a test object, paired",
            Task("test_object", GREY, GREY, data=DATA, references=("target", "source")),
            one_object,
            RESCANNED,
            scanners=FOUR_SCANNERS,
            organ="test object",
            labelled=False,
        ),
        Scenario(
            5,
            "B-mode to Young's modulus up to 100 kPa, 9 to 15 planes a patient, valid as for swe",
            Task("prostate", GREY, PROSTATE_MODULUS, data=DATA),
            partial(shear_wave_of_planes, draw_prostate, PROSTATE_MODULUS),
            NOISELESS,
            images=(9, 15),
            organ="prostate",
            labelled=False,
        ),
        Scenario(
            6,
            "by another scanner, to shear-wave speed up to 10 m/s, 2 to 4 planes a patient, valid but in fluid",
            Task("thyroid", GREY, THYROID_SPEED, data=DATA),
            partial(shear_wave_of_planes, draw_thyroid, THYROID_SPEED, threshold=None),  # the paper has none here
            NOISELESS,
            scanner=FIVE_SCANNERS[0],
            images=(2, 4),
            organ="thyroid",
            labelled=False,
        ),
    )
}
TASKS = tuple(SCENARIOS)


def scenario_of(name: str) -> Scenario:
    """The task of that name.

    Raises:
        InputError: there is no such task.
    """
    if name not in SCENARIOS:
        raise InputError(f"task '{name}' is none of the phantom's: {', '.join(TASKS)}")
    return SCENARIOS[name]


def phantom_task(name: str) -> Task:
    """What is translated into what, for each of the phantom's tasks.

    Raises:
        InputError: there is no such task.
    """
    return scenario_of(name).task
