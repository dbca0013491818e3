"""From a patient's number to a pair of images, one by one or as a source for the cache."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import torch

from datamodules.grid import Grid
from datamodules.phantom import VERSION
from datamodules.phantom.patients import Patient, Request
from datamodules.phantom.scanner import CART, Scanner
from datamodules.phantom.scenarios import TASKS, TaskName, phantom_task, scenario_of
from datamodules.phantom.tissue import FULL_FIELD, Field

__all__ = ["TASKS", "Patient", "PhantomSource", "TaskName", "phantom_rows", "phantom_task", "simulate_patients"]


def simulate_patients(
    task: str,
    numbers: list[int],
    seed: int = 0,
    view: Field = FULL_FIELD,
    device: torch.device | str = "cpu",
    scanner: Scanner = CART,
    ceiling: bool = False,
) -> list[Patient]:
    """Simulate patients; each depends on ``task``, ``seed`` and its own number alone, not on its batch or device.

    Args:
        numbers: the patients' numbers, from 0; where a patient has several images, theirs (see
            :meth:`datamodules.phantom.scenarios.Scenario.numbers`).
        device: where the scans are computed, as one batch. Tissue is drawn on the CPU.
        scanner: of the B-mode images, in the tasks that have no scanners of their own.
        ceiling: simulate also what a perfect method would make of each source.
    """
    scenario = scenario_of(task)
    request = Request(
        images=[scenario.rng(seed, number) for number in numbers],
        patients=[scenario.rng(seed, scenario.patient(number), 1) for number in numbers],
        scanners=[scenario.scanner_of(number, scanner) for number in numbers],
        view=view,
        device=device,
        ceiling=ceiling,
    )
    return scenario.simulate(request)


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
        self.scanner = scenario_of(task).choose(scanner)
        self.numbers = scenario_of(task).numbers(patients, seed)
        self.grid = Grid(size)
        self.key = {"phantom": VERSION, "task": task, "patients": patients, "size": list(size), "seed": seed,
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

    def ceiling(self, index: int) -> np.ndarray:
        """What a perfect method would make of that image's source: float32 ``(H, W, C)`` in [-1, 1]."""
        number = self.numbers[index]
        (patient,) = simulate_patients(self.task, [number], self.seed, self.view, scanner=self.scanner, ceiling=True)
        assert patient.ceiling is not None, "it was asked for"
        return 2 * self.grid.resample(patient.ceiling, None, 0) - 1

    def _arrays(self, patient: Patient) -> dict[str, np.ndarray]:
        facts = np.array([[[patient.label == "malignant", patient.outcome]]], dtype=bool)
        of_other = {}
        if patient.target_lesion is not None:
            of_other["target_lesion"] = self.grid.resample(patient.target_lesion, None, 0, nearest=True) > 0.5
        return {
            "source": 2 * self.grid.resample(patient.source, None, 0) - 1,
            "target": 2 * self.grid.resample(patient.target, None, 0) - 1,
            "valid": self.grid.resample(patient.valid, None, 0, nearest=True) > 0.5,
            "lesion": self.grid.resample(patient.lesion, None, 0, nearest=True) > 0.5,
            "facts": facts,
            **of_other,
        }


def phantom_rows(source: PhantomSource, facts: np.ndarray) -> pd.DataFrame:
    """The manifest rows of simulated patients; ``facts`` is the cache's array of that name, ``(N, 1, 1, 2)``."""
    scenario = scenario_of(source.task)
    name = f"{source.task}-{source.seed}"
    return pd.DataFrame(
        {
            "id": [f"{name}-{number:05d}" for number in source.numbers],
            "patient": [f"{name}-{scenario.patient(number):05d}" for number in source.numbers],
            "label": np.where(facts[:, 0, 0, 0], "malignant", "benign") if scenario.labelled else "",
            "outcome": facts[:, 0, 0, 1].astype(int),
            "organ": scenario.organ,
            "device": [scenario.scanner_of(number, source.scanner).name for number in source.numbers],
            "split": "",
        }
    )
