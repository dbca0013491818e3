"""What a cell measures of its own cost, while it is trained and tested."""

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch

from benchmarks.analyses.base import Measurement
from benchmarks.analyses.cost.record import CellCost
from benchmarks.results import CellFolder
from benchmarks.run.baselines import Ceiling
from benchmarks.speed.clock import Moment
from benchmarks.speed.energy import EnergyMeter
from benchmarks.speed.inference import inference_cost
from benchmarks.speed.memory import forget_peak, peak_mib
from datamodules.batch import Batch
from zoo.method import Method
from zoo.output import Output

WARM_UP, KEPT = 5, 200  # steps
NAN = float("nan")


class CostMeasurement(Measurement):
    """Training steps as they pass, and inference on the first images of the first test set."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.measured: CellCost | None = None

    def callbacks(self) -> Sequence[pl.Callback]:
        return [self.steps]

    def take(self, column: str, method: Method, batch: Batch, output: Output) -> None:
        if self.measured is not None or isinstance(method, Ceiling):  # which is known, not computed
            return
        trainer = method.trainer
        method.zero_grad(set_to_none=True)  # left over from the training; they are no memory of the inference

        def infer(images: Batch) -> None:
            with trainer.precision_plugin.forward_context():
                method.infer(images)

        used = asdict(inference_cost(infer, batch, method.device))
        self.measured = CellCost(
            device=device_name(method.device),
            precision=str(trainer.precision),
            threads=torch.get_num_threads(),
            batch=len(batch["id"]),
            costs=self.steps.costs() | used,
        )

    def write(self, folder: CellFolder) -> None:
        if self.measured is not None:
            self.measured.write(folder)


class Steps(pl.Callback):
    """Times the training steps but the first, the last of them if they are many, and does not make a GPU wait."""

    def __init__(self) -> None:
        self.seen, self.images = 0, 0
        self.marks: deque[tuple[Moment, Moment]] = deque(maxlen=KEPT)
        self.memory_mib, self.joules = NAN, NAN
        self.meter: EnergyMeter | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        forget_peak(pl_module.device)
        self.meter = EnergyMeter.of(pl_module.device)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        self.started = Moment(pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, index: int
    ) -> None:
        self.seen += 1
        if self.seen > WARM_UP:
            self.marks.append((self.started, Moment(pl_module.device)))
            self.images = max(self.images, len(batch["id"]))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.meter is not None:
            self.joules = self.meter.joules()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.memory_mib = peak_mib(pl_module.device)

    def costs(self) -> dict[str, float]:
        """NaN of what was not trained, or in fewer steps than it takes to warm up."""
        step = median(end.since(start) for start, end in self.marks) if self.marks else NAN
        return {
            "step_ms": step,
            "training_images_s": 1000 * self.images / step,
            "training_mib": self.memory_mib,
            "step_j": self.joules / self.seen if self.seen else NAN,
        }


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} CPU cores"
