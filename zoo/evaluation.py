"""Evaluation: the same metrics for every method, per image, to a CSV and to the logger."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torchmetrics import Metric

from datamodules.batch import RGB, Batch, Task, TranslationData
from datamodules.tables import csv_text
from datamodules.writers import write_image, write_text_atomically
from zoo.cycle import CycleTranslator
from zoo.method import data_of
from zoo.metrics import CLASSIFICATION, METRICS, make_metrics
from zoo.metrics.confidence import ConfidenceAUC
from zoo.metrics.perceptual import FID, LPIPS, FrechetVGG, check_size, make_fid
from zoo.monitors import check_monitors
from zoo.output import Output, malignancy
from zoo.pictures import panel
from zoo.processes import gathered
from zoo.translator import Translator
from zoo.unpaired import UnpairedCriterion
from zoo.watch import alike
from zoo.weights import Backbone

FACTS: tuple[Literal["id", "patient", "organ", "device"], ...] = ("id", "patient", "organ", "device")


class Evaluation(Callback):
    """Scores every validation and test image: translations on the target's declared range, diagnoses by the
    probability of malignancy.

    Writes ``splits.csv``, ``scores_val.csv`` and ``scores_test.csv`` (one row an image) and, for a test with metrics of
    whole sets, ``scores_test_set.csv``; logs means as ``val/SSIM`` and so on, and a grid of source, target, translation
    and error. Of a CycleGAN, and of what else trains without pairs, it also logs ``val/unpaired`` and its parts, to
    choose a checkpoint or to stop by; see :class:`zoo.unpaired.UnpairedCriterion`.

    Args:
        task: what is translated; the command line takes it from the data.
        lpips_weights: ``imagenet`` or a file of the backbone's weights adds LPIPS; null leaves it out.
        lpips_backbone: ``alex``, the metric's usual one and much the cheaper, or ``vgg``.
        fid_weights: ``imagenet`` or a file of Inception weights adds FID; null leaves it out.
        frechet_weights: ``imagenet`` or a file of VGG-16 weights adds the Frechet distance on VGG-16, for where FID
            cannot be had; null leaves it out.
        grid_images: rows of the picture grid; 0 for none.
        out_dir: where to write; by default the logger's folder.

    Attributes:
        pretrained: of each metric on a pretrained network, a remark on the network; "" where it is not asked for.
            LPIPS is absent where it is asked for and there are no targets to compare with.
    """

    def __init__(
        self,
        task: Task,
        lpips_weights: str | None = None,
        lpips_backbone: Backbone = "alex",
        fid_weights: str | None = None,
        frechet_weights: str | None = None,
        grid_images: int = 4,
        out_dir: Path | None = None,
    ) -> None:
        self.task, self.grid_images, self.out_dir = task, grid_images, out_dir
        wanted = {"val": task.references, "test": task.test_references or task.references}
        self.metrics = {stage: make_metrics(references, task.target) for stage, references in wanted.items()}
        self.confidence = ConfidenceAUC()
        self.of_sets: dict[str, Metric] = {}
        self.pretrained = {name: "" for name, metric in METRICS.items() if metric.weights}
        if lpips_weights is not None:
            lpips = LPIPS(lpips_weights, lpips_backbone)
            del self.pretrained[lpips.name]
            for stage in (stage for stage, references in wanted.items() if lpips.compares in references):
                self.metrics[stage][lpips.name] = lpips
                self.pretrained[lpips.name] = lpips.remark
        if fid_weights is not None:
            self.of_sets[FID.name] = make_fid(fid_weights)
        vgg: FrechetVGG | None = None
        if frechet_weights is not None:
            self.of_sets[FrechetVGG.name] = vgg = FrechetVGG(frechet_weights)
        self.unpaired = UnpairedCriterion(vgg, alike(task))
        self.pretrained |= {name: METRICS[name].remark for name in self.of_sets}
        self._start()

    def _start(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.panels: list[np.ndarray] = []
        self.unpaired.start()
        for metric in self.of_sets.values():
            metric.reset()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``splits.csv``: which image is in which split, for the paper's supplement.

        Raises:
            InputError: the images are too small for a metric's network, be it one that only the test is scored by; or
                a score of validation that training waits for is not there, see :func:`zoo.monitors.check_monitors`.
        """
        check_monitors(trainer, self.logged(pl_module))
        folder, data = self._folder(trainer), data_of(trainer)
        self._check_size(data)
        if trainer.is_global_zero and data is not None:
            write_text_atomically(folder / "splits.csv", csv_text(data.splits()))

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raises InputError likewise."""
        self._check_size(data_of(trainer))

    def _check_size(self, data: TranslationData | None) -> None:
        measured = (*self.metrics["val"].values(), *self.metrics["test"].values(), *self.of_sets.values())
        for metric in (metric for metric in measured if isinstance(metric, LPIPS | FrechetVGG)):
            for image in data.sources("all", 1) if data is not None else ():  # a module's images are of one size
                check_size(image, metric.trunk, metric.weights)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start()

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start()

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        self._take(batch, outputs, "val")
        if _unpaired(pl_module):
            self._take_unpaired(batch, outputs)

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        self._take(batch, outputs, "test")

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._finish("val", trainer, pl_module)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._finish("test", trainer, pl_module)

    def logged(self, method: pl.LightningModule) -> dict[str, bool | None]:
        """The scores of a method that its validation logs as ``val/<name>``, and whether the higher is the better; None
        where that is the one closest to 0."""
        if not isinstance(method, Translator):
            return {name: METRICS[name].higher_is_better for name in CLASSIFICATION}
        names = [*self.metrics["val"], *([self.confidence.name] if method.confidence else [])]
        of_sets = self.unpaired.names(isinstance(method, CycleTranslator)) if _unpaired(method) else ()
        return {name: METRICS[name].higher_is_better for name in names} | dict.fromkeys(of_sets, False)

    def described(self) -> list[dict[str, Any]]:
        """What there is to know of every metric that was scored last, see :class:`zoo.metrics.base.Described`."""
        if not self.rows:
            return []
        names = list(CLASSIFICATION) if "probability" in self.rows[0] else [*_metrics_of(self.rows), *self.of_sets]
        return [METRICS[name].facts() for name in names]

    def _take(self, batch: Batch, output: Output, stage: str) -> None:
        if "logits" in output:
            self._score_classes(batch, output["logits"])
        else:
            self._score_images(batch, output, stage)

    def _score_classes(self, batch: Batch, logits: Tensor) -> None:
        for index, probability in enumerate(malignancy(logits)):
            self.rows.append(_facts(batch, index) | {"probability": probability})

    @torch.no_grad()
    def _score_images(self, batch: Batch, output: Output, stage: str) -> None:
        translation = output["translation"]
        source, target, made = (_unit(image) for image in (batch["source"], batch["target"], translation))
        scores: dict[str, list[float]] = {}
        for name, metric in self.metrics[stage].items():
            metric.to(made.device)
            reference = source if metric.compares == "source" else target
            scores[name] = metric.per_image(made, reference, batch["valid"]).tolist()
        if "confidence" in output:
            of_image = self.confidence.per_image(output["confidence"], target, batch["valid"])
            scores[self.confidence.name] = of_image.tolist()
        for index in range(len(batch["id"])):
            facts = _facts(batch, index) | {"pixels": int(batch["valid"][index].sum())}
            self.rows.append(facts | {name: values[index] for name, values in scores.items()})
            if len(self.panels) < self.grid_images:
                self.panels.append(self._panel(batch, translation, index))
        for of_set in self.of_sets.values() if stage == "test" else ():  # too dear for every epoch
            of_set.to(made.device)
            of_set.update(target.expand(-1, 3, -1, -1), real=True)
            of_set.update(made.expand(-1, 3, -1, -1), real=False)

    @torch.no_grad()
    def _take_unpaired(self, batch: Batch, output: Output) -> None:
        source, target, made = (_unit(image) for image in (batch["source"], batch["target"], output["translation"]))
        cycles = "source_again" in output
        again = (_unit(output["source_again"]), _unit(output["target_again"])) if cycles else ()
        self.unpaired.update(batch["id"], source, target, made, *again)

    def _panel(self, batch: Batch, translation: Tensor, index: int) -> np.ndarray:
        source, target, made = (image[index].float() for image in (batch["source"], batch["target"], translation))
        return panel(self.task, source, target, made, batch["valid"][index])

    def _finish(self, stage: str, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows = gathered(self.rows)
        if not rows:
            return
        classes = "probability" in rows[0]
        for name, value in (_class_scores(rows) if classes else _means(rows, _metrics_of(rows))).items():
            pl_module.log(f"{stage}/{name}", value, rank_zero_only=True)
        if stage == "val":
            self._log_unpaired(pl_module)
        measured = {} if classes or stage != "test" else self.of_sets
        of_sets = {name: float(metric.compute()) for name, metric in measured.items()}
        for name, value in of_sets.items():
            pl_module.log(f"{stage}/{name}", value, rank_zero_only=True)
        folder = self._folder(trainer)
        if not trainer.is_global_zero:
            return
        _write_scores(folder / f"scores_{stage}.csv", rows, _run_facts(trainer))
        if of_sets:
            table = pd.DataFrame([of_sets | {"images": len(rows)}])
            write_text_atomically(folder / f"scores_{stage}_set.csv", csv_text(table))
        if self.panels:
            _log_picture(trainer, folder, f"{stage}/translations", np.concatenate(self.panels))

    def _log_unpaired(self, pl_module: pl.LightningModule) -> None:
        rows = gathered(self.unpaired.rows())
        if not rows:
            return
        scores = self.unpaired.scores(rows)
        for name, value in scores.items():
            pl_module.log(f"val/{name}", value, rank_zero_only=True)
        if np.isnan(scores["unpaired"]):
            rank_zero_warn(
                f"val/unpaired has no value on {len(rows)} validation images: it takes two or more, and sources that "
                "are not the targets; give data.fractions a larger part to validate on"
            )

    def _folder(self, trainer: pl.Trainer) -> Path:
        """Asked by every process: the trainer's ``log_dir`` is a broadcast."""
        return Path(self.out_dir or trainer.log_dir or trainer.default_root_dir)


def _unpaired(method: pl.LightningModule) -> bool:
    """Whether it is chosen by the criterion without pairs."""
    alone = isinstance(method, Translator) and method.trainable and not method.needs_pairs
    return alone or isinstance(method, CycleTranslator)


def _facts(batch: Batch, index: int) -> dict[str, Any]:
    label = int(batch["label"][index]) if "label" in batch else ""
    return {fact: batch[fact][index] for fact in FACTS} | {"label": label}


def _metrics_of(rows: list[dict]) -> list[str]:
    return [name for name in rows[0] if name not in (*FACTS, "label", "pixels")]


def _means(rows: list[dict], names: Iterable[str]) -> dict[str, float]:
    scores = {name: [row[name] for row in rows if not np.isnan(row[name])] for name in names}
    return {name: float(np.mean(values)) if values else float("nan") for name, values in scores.items()}


def _class_scores(rows: list[dict]) -> dict[str, float]:
    label, probability = (np.array([row[name] for row in rows]) for name in ("label", "probability"))
    return {name: metric.score(label, probability) for name, metric in CLASSIFICATION.items()}


def _unit(image: Tensor) -> Tensor:
    return ((image.float() + 1) / 2).clamp(0, 1)


def _run_facts(trainer: pl.Trainer) -> dict[str, Any]:
    data = data_of(trainer)
    return {"fold": data.fold, "seed": data.seed} if data is not None else {"fold": "", "seed": ""}


def _write_scores(path: Path, rows: list[dict], facts: dict[str, Any]) -> None:
    table = pd.DataFrame(rows)
    for position, (name, value) in enumerate(facts.items(), start=len(FACTS) + 1):
        table.insert(position, name, value)
    write_text_atomically(path, csv_text(table))


def _log_picture(trainer: pl.Trainer, folder: Path, name: str, picture: np.ndarray) -> None:
    """To every logger that takes pictures; as PNG files where none does."""
    taken = False
    for logger in trainer.loggers:
        experiment: Any = getattr(logger, "experiment", None)
        if hasattr(logger, "log_image"):  # Weights & Biases
            logger.log_image(name, [picture], step=trainer.global_step)
            taken = True
        elif hasattr(experiment, "add_image"):  # TensorBoard
            experiment.add_image(name, picture, trainer.global_step, dataformats="HWC")
            taken = True
    if not taken:
        path = folder / "images" / f"{name.replace('/', '_')}_{trainer.current_epoch:04d}.png"
        write_image(path, picture / np.float32(127.5) - 1, RGB)
