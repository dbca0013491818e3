"""Made-up elastograms and B-modes with lesions, what rows make of them, and the results folder of their cells."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.analyses.faithfulness.measurement import FaithfulnessMeasurement
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Metric, Results
from datamodules.batch import GREY, Signal, Task
from zoo.output import Output

SIDE, PATIENTS = 64, 16
KPA = Signal(1, 0.0, 180.0, "kPa")
TITLE = "Made up"


def disc(row: float, column: float, radius: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(*2 * [torch.arange(float(SIDE))], indexing="ij")
    return torch.hypot(rows - row, columns - column) < radius


def modulus(kpa: torch.Tensor) -> torch.Tensor:
    """``(H, W)`` in kPa to ``(1, H, W)`` in [-1, 1]."""
    return (2 * kpa / KPA.high - 1)[None]


def elastogram(number: int, stiffness: float, seed: int = 0) -> dict[str, Any]:
    """Noisy tissue of 20 kPa with a lesion of ``stiffness`` kPa; half of the patients, the stiffer, are malignant."""
    rng = np.random.default_rng([seed, number])
    lesion = disc(*rng.uniform(18, 46, 2), rng.uniform(5, 8))
    noise = torch.from_numpy(rng.normal(1, 0.03, (SIDE, SIDE)))
    image = modulus(torch.where(lesion, stiffness, 20.0) * noise).float()
    facts = {"id": f"i{number}", "patient": f"p{number}", "label": int(number >= PATIENTS // 2)}
    return facts | {"target": image, "lesion": lesion[None], "valid": torch.ones(1, SIDE, SIDE, dtype=torch.bool)}


def elastograms(seed: int = 0) -> list[dict[str, Any]]:
    return [elastogram(number, 45.0 + 7 * number, seed) for number in range(PATIENTS)]


def b_mode(number: int, seed: int, grain: float = 15.0) -> dict[str, Any]:
    """Speckle about a grey level of 130, with a dark lesion, and another patient's with a lesion elsewhere."""
    rng = np.random.default_rng([seed, number])
    lesions = [disc(*rng.uniform(18, 46, 2), rng.uniform(5, 8)) for _ in range(2)]
    speckle = [torch.from_numpy(rng.normal(0, grain, (SIDE, SIDE))) for _ in range(2)]
    source, target = (
        ((130 - 80 * own + noise) / 127.5 - 1)[None].float() for own, noise in zip(lesions, speckle, strict=True)
    )
    facts = {"id": f"i{number}", "patient": f"p{number}", "source": source, "target": target}
    masks = {"lesion": lesions[0][None], "target_lesion": lesions[1][None]}
    return facts | masks | {"valid": torch.ones(1, SIDE, SIDE, dtype=torch.bool)}


class Samples(list):
    """A dataset, which takes no notice of augmentation."""

    targets, augment, shuffle = None, None, False


def method_on(task: Task, train: list[dict[str, Any]]) -> Any:
    """What a measurement asks of a method: its data, with these samples to calibrate on."""
    data = SimpleNamespace(task=task, test_split="test", dataset=lambda split: Samples(train))
    return SimpleNamespace(needed_data=lambda: data)


def batches(samples: list[dict[str, Any]], size: int = 5) -> Iterator[dict[str, Any]]:
    for start in range(0, len(samples), size):
        part = samples[start : start + size]
        batch = {name: [sample[name] for sample in part] for name in part[0]}
        yield {
            name: torch.stack(own) if torch.is_tensor(own[0]) else torch.tensor(own) if name == "label" else own
            for name, own in batch.items()
        }


def make_results(
    folder,
    rows: dict[str, Callable[[dict[str, Any]], torch.Tensor]],
    task: Task,
    samples: list[dict[str, Any]],
    train: list[dict[str, Any]],
    columns: tuple[str, ...] = (),
    ceilings: tuple[str, ...] = (),
) -> Results:
    """Each of the ``rows`` as a cell of one run, which makes that of a sample ``(C, H, W)``."""
    cells = [PlannedCell("t", row, 0, 0, f"cell{number}") for number, row in enumerate(rows)]
    table = PlannedTable(
        "t",
        TITLE,
        ["SSIM"],
        {row: row for row in rows},
        columns=list(columns),
        ceilings=list(ceilings),
        candidates=list(rows),
        analyses={"faithfulness": True},
    )
    results = Results(folder)
    results.write_plan(Plan("s", "S", {"t": table}, cells))
    ids = [sample["id"] for sample in samples]
    for cell, translate in zip(cells, rows.values(), strict=True):
        measurement = FaithfulnessMeasurement([])
        for column in columns or ("",):
            for batch in batches(samples):
                made = [translate(sample) for sample in samples if sample["id"] in batch["id"]]
                measurement.take(column, method_on(task, train), batch, Output(translation=torch.stack(made)))
        own = results.cell(cell.hash)
        own.path.mkdir(parents=True)
        measurement.write(own)
        scores = pd.DataFrame({"id": ids, "patient": ids, "SSIM": 0.5, "column": columns[0] if columns else ""})
        own.write_scores(scores, [Metric("SSIM")])
        data = {"data": "made up", "task": task.name, "unit": task.target.unit, "size": [SIDE, SIDE], "images": {}}
        own.mark_finished(data | {"devices": []}, "")
    return results


PAIRS, UNPAIRED = Task("pairs", GREY, KPA), Task("apart", GREY, GREY, paired=False)
