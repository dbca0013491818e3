"""What a training step and an inference of every method cost: measured side by side in one run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
import yaml

from benchmarks.speed.clock import median_ms
from benchmarks.speed.superpixels import squares
from datamodules.batch import Batch, Task
from datamodules.phantom.simulate import phantom_task
from zoo import METHODS
from zoo.adversarial import AdversarialTranslator
from zoo.translator import Translator

CONFIGS = Path(__file__).parents[2] / "configs"
VARIANTS: dict[str, tuple[torch.dtype | None, bool]] = {
    "fp32": (None, False),
    "bf16": (torch.bfloat16, False),
    "bf16, channels-last": (torch.bfloat16, True),
}


@dataclass(frozen=True)
class Workload:
    """What a method does by its own config: its arguments, and a batch of its task and size."""

    method: str
    arguments: dict[str, Any]
    task: Task
    size: tuple[int, int]
    batch_size: int

    @classmethod
    def of(cls, method: str, configs: Path = CONFIGS) -> "Workload":
        config = yaml.safe_load((configs / f"{method}.yaml").read_text())
        data, arguments = config["data"]["init_args"], config["model"].get("init_args", {})
        # What a pretrained network's weights do not change.
        arguments |= {key: None for key in arguments if key.endswith("weights")}
        task = phantom_task(data.get("task", "elastography"))
        return cls(method, arguments, task, tuple(data["size"]), data.get("batch_size", 1))

    def model(self, channels_last: bool = False) -> Translator:
        channels: dict[str, Any] = {
            "in_channels": self.task.source.channels,
            "out_channels": self.task.target.channels,
        }
        model = METHODS[self.method](**self.arguments, **channels, channels_last=channels_last)
        assert isinstance(model, Translator)
        model.setup("fit")
        return model

    def batch(self, device: str) -> Batch:
        """Noise, with sixteen superpixels."""
        batch = {
            "source": torch.rand(self.batch_size, self.task.source.channels, *self.size, device=device) * 2 - 1,
            "target": torch.rand(self.batch_size, self.task.target.channels, *self.size, device=device) * 2 - 1,
            "valid": torch.ones(self.batch_size, 1, *self.size, dtype=torch.bool, device=device),
            "superpixels": squares(*self.size).expand(self.batch_size, -1, -1).to(device),
        }
        return cast(Batch, batch)


def method_speed(device: str, methods: list[str] | None = None, configs: Path = CONFIGS) -> pd.DataFrame:
    """One row a method and variant: milliseconds a training step and an inference, ratio of the steps to fp32's,
    parameters, and on a GPU the peak memory in MiB. By default of every method that trains a translator."""
    lines: list[dict[str, Any]] = []
    for name in methods or METHODS.trained_translators():
        work = Workload.of(name, configs)
        own: list[dict[str, Any]] = []
        for variant, (dtype, channels_last) in VARIANTS.items():
            size = f"{work.size[0]} x {work.size[1]}"
            line = {"method": name, "size": size, "batch": work.batch_size, "variant": variant}
            own.append(line | _measure(work, dtype, channels_last, device))
        lines += [line | {"ratio": round(line["step_ms"] / own[0]["step_ms"], 2)} for line in own]
    return pd.DataFrame(lines)


def _measure(work: Workload, dtype: torch.dtype | None, channels_last: bool, device: str) -> dict[str, Any]:
    model, batch, cuda = work.model(channels_last).to(device).train(), work.batch(device), device == "cuda"
    step = _training_step(model, batch, device, dtype)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    step_ms = median_ms(step, cuda)
    memory = torch.cuda.max_memory_allocated() / 2**20 if cuda else float("nan")
    model.eval()
    with torch.no_grad(), torch.autocast(device, dtype, enabled=dtype is not None):
        inference_ms = median_ms(lambda: model(batch["source"]), cuda)
    parameters = sum(weight.numel() for weight in model.parameters())
    return {"step_ms": round(step_ms, 1), "inference_ms": round(inference_ms, 1), "parameters": parameters,
            "memory_mib": round(memory, 0)}  # fmt: skip


def _training_step(model: Translator, batch: Batch, device: str, dtype: torch.dtype | None) -> Callable[[], None]:
    """The method's own losses and optimizers, without the trainer around them."""
    optimizers = _optimizers(model.configure_optimizers())

    def autocast() -> Any:
        return torch.autocast(device, dtype, enabled=dtype is not None)

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
        if isinstance(model, AdversarialTranslator) and not model.automatic_optimization:
            alternating(model)
            return
        with autocast():
            losses = model.losses(batch)
        take(optimizers[0], losses["total"])

    return step


def _optimizers(configured: Any) -> list[torch.optim.Optimizer]:
    """Of what ``configure_optimizers`` may return: one, one with its schedule, or several with theirs."""
    if isinstance(configured, torch.optim.Optimizer):
        return [configured]
    return [configured["optimizer"]] if isinstance(configured, dict) else list(configured[0])
