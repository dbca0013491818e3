"""A training step of a method without a trainer around it, on images of noise."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch

from benchmarks.speed.superpixels import squares
from datamodules.batch import Batch, Task
from zoo.adversarial import AdversarialTranslator
from zoo.method import Method

Autocast = Callable[[], AbstractContextManager]


def noise(task: Task, size: tuple[int, int], images: int, device: torch.device | str) -> Batch:
    """A batch of ``images`` of the task, with all that a method may ask for: sixteen superpixels, a lesion in the
    middle, both classes, a translation."""
    rows, columns = size

    def image(channels: int) -> torch.Tensor:
        return torch.rand(images, channels, rows, columns, device=device) * 2 - 1

    lesion = torch.zeros(images, 1, rows, columns, dtype=torch.bool, device=device)
    lesion[..., rows // 4 : 3 * rows // 4, columns // 4 : 3 * columns // 4] = True
    names = [f"noise {number}" for number in range(images)]
    batch = {
        "source": image(task.source.channels),
        "target": image(task.target.channels),
        "translation": image(task.target.channels),
        "valid": torch.ones(images, 1, rows, columns, dtype=torch.bool, device=device),
        "label": torch.arange(images, device=device) % 2,
        "lesion": lesion,
        "target_lesion": lesion,
        "superpixels": squares(rows, columns).expand(images, -1, -1).to(device),
        **{text: names for text in ("id", "patient", "organ", "device")},
    }
    return cast(Batch, batch)


def training_step(method: Method, batch: Batch, autocast: Autocast = nullcontext) -> Callable[[], None]:
    """The method's own losses and optimizers, each side of a GAN in its turn."""
    optimizers = _optimizers(method.configure_optimizers())

    def take(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward(inputs=[weight for group in optimizer.param_groups for weight in group["params"]])
        optimizer.step()

    def alternating(gan: AdversarialTranslator) -> None:
        with autocast():
            made = gan.generate(batch)
        for side, optimizer in zip(gan.sides(), optimizers, strict=True):
            with autocast():
                losses = gan.losses_of(side, batch, made)
            take(optimizer, losses["total"])

    def step() -> None:
        if isinstance(method, AdversarialTranslator) and not method.automatic_optimization:
            alternating(method)
            return
        with autocast():
            losses = method.losses(batch)
        take(optimizers[0], losses["total"])

    return step


def _optimizers(configured: Any) -> list[torch.optim.Optimizer]:
    """Of what ``configure_optimizers`` may return: one, one with its schedule, or several with theirs."""
    if isinstance(configured, torch.optim.Optimizer):
        return [configured]
    return [configured["optimizer"]] if isinstance(configured, dict) else list(configured[0])
