"""PhantomDataModule: simulated patients, so that every method runs without any data."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from datamodules.cache import ImageCache, open_or_build
from datamodules.errors import InputError
from datamodules.phantom.scenarios import TaskName, phantom_task, scenario_of
from datamodules.phantom.simulate import PhantomSource, phantom_rows
from datamodules.phantom.tissue import FULL_FIELD, Field
from datamodules.ultrasound import UltrasoundDataModule


class PhantomDataModule(UltrasoundDataModule):
    """Simulated ultrasound in one of the phantom's tasks, simulated once and cached.

    The tasks are :data:`datamodules.phantom.scenarios.SCENARIOS`; ``python -m datamodules.phantom --help`` lists them.

    Args:
        task: its name.
        patients: how many to simulate; a patient has one pair of images, but for the tasks with planes.
        phantom_seed: which patients; the split has its own ``seed``.
        scanner: profile that scans them, but in the tasks that have scanners of their own: cart, handheld, scanner A to
            D, reference; by default the cart, and scanner A for ``thyroid``.
        field_mm: depth and width of the field of view.
        source_devices: of ``harmonization`` and ``test_object``: which of scanner A to D are sources; all by default.
            Each scans its own part of the patients.
        test_planes: of the tasks with planes: test on as many planes a patient, those nearest the middle of the organ,
            where its section is the largest, and hold out the patient's others; by default on all of them. The sSWE
            paper's 30 test images of 10 patients are three full-gland planes each.

    The other arguments are those of :class:`datamodules.ultrasound.UltrasoundDataModule`.
    """

    def __init__(
        self,
        task: TaskName = "elastography",
        patients: int = 500,
        phantom_seed: int = 0,
        scanner: str | None = None,
        field_mm: tuple[float, float] = (40.0, 40.0),
        source_devices: list[str] | None = None,
        test_planes: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if patients < 1:
            raise InputError(f"patients {patients}: simulate at least one")
        self.task = phantom_task(task)
        if min(field_mm) < 20 or max(field_mm) > 120:
            raise InputError(f"field_mm {tuple(field_mm)}: give depth and width between 20 and 120 mm")
        depth, width = field_mm
        view = Field(depth, width, round(depth / FULL_FIELD.row_mm), round(width / FULL_FIELD.column_mm))
        self.source = PhantomSource(task, patients, self.size, phantom_seed, view, scanner)
        self.source_devices, self.test_planes = source_devices, test_planes
        if test_planes is not None:
            scenario_of(task).check_planes(test_planes)

    def load(self) -> tuple[pd.DataFrame, ImageCache]:
        cache = open_or_build(self.source, self.cache_dir)
        return self._chosen(phantom_rows(self.source, cache.arrays["facts"])), cache

    def listed(self) -> pd.DataFrame:
        return self._chosen(phantom_rows(self.source, np.zeros((len(self.source), 1, 1, 2), dtype=bool)))

    def _chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those of the source devices."""
        chosen = rows["device"].isin(self.source_devices if self.source_devices is not None else rows["device"])
        if not chosen.any():
            known = ", ".join(rows["device"].unique())
            raise InputError(
                f"source_devices {self.source_devices}: task '{self.task.name}' has {known}; name of these"
            )
        return rows[chosen]

    @property
    def ceiling(self) -> str:
        """What :meth:`ceilings` are, in words."""
        return scenario_of(self.task.name).ceiling

    def ceilings(self, ids: list[str]) -> torch.Tensor:
        """What a perfect method would make of these sources, as the simulator knows: ``(N, C, H, W)`` in [-1, 1].
        Simulated when asked for."""
        places = self.rows.set_index("id")["index"]
        images = [self.source.ceiling(int(places[name])) for name in ids]
        return torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images])

    def _split(self) -> None:
        if self._is_split:
            return
        super()._split()
        if self.test_planes is not None:
            left = (self.rows["split"] == "test") & ~self._largest_sections(self.test_planes)
            self.rows.loc[left, "split"] = "held out"

    def _largest_sections(self, count: int) -> pd.Series:
        """Whether a row is among its patient's ``count`` planes nearest the middle of the organ."""
        scenario, source = scenario_of(self.source.task), self.source
        numbers = [source.numbers[index] for index in self.rows["index"]]
        away = pd.Series([abs(scenario.position(source.seed, number)) for number in numbers], self.rows.index)
        return away.groupby(self.rows["patient"]).rank(method="first") <= count
