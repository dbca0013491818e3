"""What a training step and an inference of every method cost: measured side by side in one run."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from benchmarks.speed.clock import timed
from benchmarks.speed.energy import EnergyMeter
from benchmarks.speed.inference import inference_cost
from benchmarks.speed.memory import forget_peak, peak_mib
from benchmarks.speed.steps import noise, training_step
from datamodules.batch import Batch, Task
from datamodules.phantom.simulate import phantom_task
from zoo import METHODS
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
        return noise(self.task, self.size, self.batch_size, device)


def method_speed(device: str, methods: list[str] | None = None, configs: Path = CONFIGS) -> pd.DataFrame:
    """One row a method and variant: milliseconds and joules of a training step, its ratio to fp32's, the most memory in
    MiB, parameters, and :class:`~benchmarks.speed.inference.InferenceCost`. What could not be measured is NaN. By
    default of every method that trains a translator."""
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
    model, batch, place = work.model(channels_last).to(device).train(), work.batch(device), torch.device(device)
    autocast = partial(torch.autocast, device, dtype, enabled=dtype is not None)
    step = training_step(model, batch, autocast)
    forget_peak(place)
    meter = EnergyMeter.of(place)
    steps = timed(step, device == "cuda")
    joules = meter.joules() / steps.calls if meter is not None else float("nan")
    memory = peak_mib(place)
    del step  # and its optimizers' moments: of the inference, the networks alone count
    model.zero_grad(set_to_none=True)
    model.eval()

    def infer(images: Batch) -> None:
        with autocast():
            model.infer(images)

    used = asdict(inference_cost(infer, batch, place))
    parameters = sum(weight.numel() for weight in model.parameters())
    costs = {"step_ms": steps.median, "memory_mib": memory, "step_j": joules} | used
    return {"parameters": parameters} | {name: float(f"{value:.4g}") for name, value in costs.items()}
