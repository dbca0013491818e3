"""The four tasks on simulated patients: from a patient's number to a pair of images."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import map_coordinates

from datamodules.batch import GREY, RGB, Signal, Task
from datamodules.elasticity import shear_wave_speed
from datamodules.errors import InputError
from datamodules.grid import Grid
from datamodules.phantom.cirs_object import draw_cirs_object
from datamodules.phantom.elastography import MAX_MODULUS, shear_wave_map, strain_image
from datamodules.phantom.organs import ORGANS, planes_of
from datamodules.phantom.scanner import CART, FIVE_SCANNERS, HANDHELD, Scanner, TissueBatch, b_mode
from datamodules.phantom.tissue import FULL_FIELD, Field, Tissue, draw_tissue, random_field

TaskName = Literal["elastography", "swe", "enhancement", "harmonization", "test_object", "prostate", "thyroid"]
TASKS: tuple[str, ...] = get_args(TaskName)
ONE_SCANNER = ("elastography", "swe", "prostate", "thyroid")  # tasks whose B-mode may come from any scanner
SCANNERS = {"thyroid": "scanner A"}  # of a task, unless another is named; cart otherwise
PLANE = 100  # numbers of an organ's images: the patient's number times this, plus the plane's
CONFIDENCE = 0.75  # the threshold of the sSWE paper
DEFORMATION_MM = 0.6  # between the handheld's and the cart's image of one patient
YOUNGS_MODULUS = Signal(1, 0.0, MAX_MODULUS, "kPa")
PROSTATE_MODULUS = Signal(1, 0.0, 100.0, "kPa")  # full scales of the sSWE papers
THYROID_SPEED = Signal(1, 0.0, 10.0, "m/s")
DATA = "simulated phantoms (not the papers' data)"


def phantom_task(name: str) -> Task:
    """What is translated into what, for each of the phantom's tasks.

    Raises:
        InputError: there is no such task.
    """
    if name == "elastography":
        return Task(name, GREY, RGB, paired=True, data=DATA)
    if name == "swe":
        return Task(name, GREY, YOUNGS_MODULUS, paired=True, data=DATA)
    if name == "enhancement":
        return Task(name, GREY, GREY, paired=True, data=DATA)
    if name == "harmonization":
        return Task(name, GREY, GREY, paired=False, data=DATA, references=("source",))
    if name == "test_object":
        return Task(name, GREY, GREY, paired=True, data=DATA, references=("target", "source"))
    if name == "prostate":
        return Task(name, GREY, PROSTATE_MODULUS, paired=True, data=DATA)
    if name == "thyroid":
        return Task(name, GREY, THYROID_SPEED, paired=True, data=DATA)
    raise InputError(f"task '{name}' is none of the phantom's: {', '.join(TASKS)}")


def scanner_for(task: str, name: str) -> Scanner:
    """The profile of that name.

    Raises:
        InputError: there is none, or the task's scanners are fixed.
    """
    profiles = {scanner.name: scanner for scanner in (CART, HANDHELD, *FIVE_SCANNERS)}
    if name not in profiles:
        raise InputError(f"scanner '{name}' is none of {', '.join(profiles)}")
    if name != default_scanner(task) and task not in ONE_SCANNER:
        raise InputError(
            f"scanner '{name}': the task '{task}' has scanners of its own; choose {', '.join(ONE_SCANNER)}"
        )
    return profiles[name]


def default_scanner(task: str) -> str:
    """The profile that scans a task's patients where none is named."""
    return SCANNERS.get(task, CART.name)


def image_numbers(task: str, patients: int, seed: int) -> list[int]:
    """The numbers of all images: one a patient, or of an organ's every plane (see :data:`PLANE`)."""
    if task not in ORGANS:
        return list(range(patients))
    planes = [planes_of(task, np.random.default_rng([TASKS.index(task), seed, n, 2])) for n in range(patients)]
    return [patient * PLANE + plane for patient, count in enumerate(planes) for plane in range(count)]


@dataclass(frozen=True)
class Patient:
    """One simulated pair: images in [0, 1] as float32 ``(H, W, C)``, the target of ``swe`` in kPa / full scale."""

    source: np.ndarray
    target: np.ndarray
    valid: np.ndarray
    lesion: np.ndarray
    label: str
    kind: str
    outcome: int
    device: str


def simulate_patients(
    task: str,
    numbers: list[int],
    seed: int = 0,
    view: Field = FULL_FIELD,
    device: torch.device | str = "cpu",
    scanner: Scanner = CART,
) -> list[Patient]:
    """Simulate patients; each depends on ``task``, ``seed`` and its own number alone, not on its batch or device.

    Args:
        numbers: the patients' numbers, from 0; of an organ, the images' (see :func:`image_numbers`).
        device: where the scans are computed, as one batch. Tissue is drawn on the CPU.
        scanner: of the B-mode images in ``elastography`` and ``swe``; the other tasks have scanners of their own.
    """
    phantom_task(task)
    makers: dict[str, Callable] = {
        "elastography": partial(_elastography, scanner),
        "swe": partial(_swe, scanner),
        "enhancement": _enhancement,
        "harmonization": _harmonization,
        "test_object": _test_object,
        **{organ: partial(_organ, organ, seed, scanner) for organ in ORGANS},
    }
    rngs = [np.random.default_rng([TASKS.index(task), seed, number]) for number in numbers]
    return makers[task](numbers, rngs, view, device)


def _scan(tissues: list[Tissue], scanners: list[Scanner], rngs, view: Field, device) -> list[torch.Tensor]:
    """B-mode of each tissue by its scanner, on the CPU; tissues of one scanner go through it together."""
    images: list[torch.Tensor] = [torch.empty(0)] * len(tissues)
    gains = [rng.normal(0, 1.5) for rng in rngs]
    for scanner in dict.fromkeys(scanners):
        members = [index for index, own in enumerate(scanners) if own == scanner]
        batch = TissueBatch.of([tissues[index] for index in members], view, device)
        offset = torch.tensor([gains[index] for index in members], dtype=torch.float32)
        scanned = b_mode(batch, scanner, [rngs[index] for index in members], offset).cpu()
        for index, image in zip(members, scanned, strict=True):
            images[index] = image
    return images


def _elastography(scanner, numbers, rngs, view, device) -> list[Patient]:
    tissues = [draw_tissue(rng, view) for rng in rngs]
    scans = _scan(tissues, [scanner] * len(tissues), rngs, view, device)
    return [
        _patient(tissue, scan, strain_image(tissue, scan, view, rng), scanner.name)
        for tissue, scan, rng in zip(tissues, scans, rngs, strict=True)
    ]


def _swe(scanner, numbers, rngs, view, device) -> list[Patient]:
    tissues = [draw_tissue(rng, view) for rng in rngs]
    scans = _scan(tissues, [scanner] * len(tissues), rngs, view, device)
    patients = []
    for tissue, scan, rng in zip(tissues, scans, rngs, strict=True):
        modulus, confidence = shear_wave_map(tissue, view, rng)
        patients.append(_patient(tissue, scan, modulus[None] / MAX_MODULUS, scanner.name, confidence > CONFIDENCE))
    return patients


def _organ(organ, seed, scanner, numbers, rngs, view, device) -> list[Patient]:
    """Planes of patients, whose tissue follows from the patient's number alone; modulus in kPa or speed in m/s."""
    own = [np.random.default_rng([TASKS.index(organ), seed, number // PLANE, 1]) for number in numbers]
    tissues = [ORGANS[organ](patient, rng, view) for patient, rng in zip(own, rngs, strict=True)]
    scans = _scan(tissues, [scanner] * len(tissues), rngs, view, device)
    signal, patients = phantom_task(organ).target, []
    for tissue, scan, rng in zip(tissues, scans, rngs, strict=True):
        modulus, confidence = shear_wave_map(tissue, view, rng)
        values = shear_wave_speed(modulus) if signal.unit == "m/s" else modulus
        target = (values / signal.high).clamp(0, 1)[None]
        patients.append(_patient(tissue, scan, target, scanner.name, confidence > CONFIDENCE))
    return patients


def _enhancement(numbers, rngs, view, device) -> list[Patient]:
    tissues = [draw_tissue(rng, view) for rng in rngs]
    moved = [_deform(tissue, view, rng) for tissue, rng in zip(tissues, rngs, strict=True)]
    low = _scan(moved, [HANDHELD] * len(tissues), rngs, view, device)
    high = _scan(tissues, [CART] * len(tissues), rngs, view, device)
    return [_patient(*images, HANDHELD.name) for images in zip(tissues, low, (h[None] for h in high), strict=True)]


def _harmonization(numbers, rngs, view, device) -> list[Patient]:
    """Source: a patient on one of four scanners, in turn. Target: another patient on the reference scanner."""
    *sources, reference = FIVE_SCANNERS
    scanners = [sources[number % len(sources)] for number in numbers]
    tissues = [draw_tissue(rng, view) for rng in rngs]
    others = [draw_tissue(rng, view) for rng in rngs]
    own = _scan(tissues, scanners, rngs, view, device)
    other = _scan(others, [reference] * len(others), rngs, view, device)
    return [
        _patient(tissue, scan, target[None], scanner.name)
        for tissue, scan, target, scanner in zip(tissues, own, other, scanners, strict=True)
    ]


def _test_object(numbers, rngs, view, device) -> list[Patient]:
    *sources, reference = FIVE_SCANNERS
    scanners = [sources[number % len(sources)] for number in numbers]
    objects = [draw_cirs_object(rng, view) for rng in rngs]
    own = _scan(objects, scanners, rngs, view, device)
    target = _scan(objects, [reference] * len(objects), rngs, view, device)
    return [
        _patient(tissue, scan, other[None], scanner.name)
        for tissue, scan, other, scanner in zip(objects, own, target, scanners, strict=True)
    ]


def _patient(tissue: Tissue, scan, target, device: str, valid=None) -> Patient:
    valid = np.ones_like(tissue.lesion) if valid is None else valid.numpy()
    return Patient(
        source=scan.numpy()[..., None],
        target=target.permute(1, 2, 0).numpy(),
        valid=valid[..., None],
        lesion=tissue.lesion[..., None],
        label=tissue.label,
        kind=tissue.kind,
        outcome=tissue.outcome,
        device=device,
    )


def _deform(tissue: Tissue, view: Field, rng: np.random.Generator) -> Tissue:
    """The same tissue under another probe: displaced by a smooth field of about DEFORMATION_MM."""
    shift = [DEFORMATION_MM * random_field(rng, view, 8.0, 8.0) / mm for mm in (view.row_mm, view.column_mm)]
    rows, columns = np.mgrid[: view.rows, : view.columns].astype(np.float32)
    where = np.stack([rows + shift[0], columns + shift[1]])
    points = tissue.points.copy()
    for point in points:
        row, column = int(point[0] / view.row_mm), int(point[1] / view.column_mm)
        if 0 <= row < view.rows and 0 <= column < view.columns:
            point[:2] -= shift[0][row, column] * view.row_mm, shift[1][row, column] * view.column_mm

    def move(image: np.ndarray) -> np.ndarray:
        return map_coordinates(image, where, order=1, mode="nearest")

    return Tissue(
        move(tissue.echo), move(tissue.youngs_modulus), move(tissue.attenuation), tissue.fluid, tissue.lesion,
        tissue.label, tissue.kind, tissue.outcome, points,
    )  # fmt: skip


class PhantomSource:
    """Simulated patients as an image source (see :mod:`datamodules.cache`), resampled to ``size``.

    Images are always simulated on the full field and then resized, as a scanner's picture would be.
    """

    verb = "simulating phantoms"
    parallel = True

    def __init__(
        self,
        task: str,
        patients: int,
        size: tuple[int, int],
        seed: int = 0,
        view: Field | None = None,
        scanner: str | None = None,
    ) -> None:
        self.task, self.patients, self.seed, self.view = task, patients, seed, view or FULL_FIELD
        self.scanner = scanner_for(task, scanner or default_scanner(task))
        self.numbers = image_numbers(task, patients, seed)
        self.grid = Grid(tuple(size))
        self.key = {"phantom": 1, "task": task, "patients": patients, "size": list(size), "seed": seed,
                    "view": asdict(self.view), "scanner": asdict(self.scanner)}  # fmt: skip

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, index: int) -> dict[str, np.ndarray]:
        number = self.numbers[index]
        return self._arrays(simulate_patients(self.task, [number], self.seed, self.view, scanner=self.scanner)[0])

    def read_many(self, indices: list[int], device: torch.device | str) -> list[dict[str, np.ndarray]]:
        """A batch simulated on ``device``; the same images as :meth:`read` gives, up to rounding."""
        numbers = [self.numbers[index] for index in indices]
        patients = simulate_patients(self.task, numbers, self.seed, self.view, device, self.scanner)
        return [self._arrays(patient) for patient in patients]

    def _arrays(self, patient: Patient) -> dict[str, np.ndarray]:
        facts = np.array([[[patient.label == "malignant", patient.outcome]]], dtype=bool)
        return {
            "source": 2 * self.grid.resample(patient.source, None, 0) - 1,
            "target": 2 * self.grid.resample(patient.target, None, 0) - 1,
            "valid": self.grid.resample(patient.valid, None, 0, nearest=True) > 0.5,
            "lesion": self.grid.resample(patient.lesion, None, 0, nearest=True) > 0.5,
            "facts": facts,
        }


def phantom_rows(source: PhantomSource, facts: np.ndarray) -> pd.DataFrame:
    """The manifest rows of simulated patients; ``facts`` is the cache's array of that name, ``(N, 1, 1, 2)``."""
    numbers = source.numbers
    scanners = [scanner.name for scanner in FIVE_SCANNERS[:-1]]
    device = dict.fromkeys(ONE_SCANNER, source.scanner.name) | {"enhancement": HANDHELD.name}
    ids = [f"{source.task}-{source.seed}-{number:05d}" for number in numbers]
    several = source.task in ORGANS
    unlabelled = several or source.task == "test_object"
    return pd.DataFrame(
        {
            "id": ids,
            "patient": [f"{source.task}-{source.seed}-{number // PLANE:05d}" for number in numbers] if several else ids,
            "label": "" if unlabelled else np.where(facts[:, 0, 0, 0], "malignant", "benign"),
            "outcome": facts[:, 0, 0, 1].astype(int),
            "organ": {"test_object": "test object"}.get(source.task, source.task if several else "breast"),
            "device": [device.get(source.task) or scanners[number % len(scanners)] for number in numbers],
            "split": "",
        }
    )
