"""What a method costs, and how fast the phantom is: measured side by side in one run, medians of several."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from datamodules.cache import available_cpus
from datamodules.phantom.datamodule import PhantomDataModule
from datamodules.phantom.scanner import CART, TissueBatch, b_mode
from datamodules.phantom.simulate import phantom_task, simulate_patients
from datamodules.phantom.tissue import FULL_FIELD, draw_tissue
from datamodules.superpixels import Superpixels, SuperpixelSource
from datamodules.transforms import Augmentation
from datamodules.ultrasound import UltrasoundDataset
from zoo import METHODS
from zoo.networks.patch_sampler import Segments
from zoo.translator import Translator

REPEATS = 5
ENOUGH_MS = 20_000  # after which three are enough
# The size and batch of a method's own config; CycleGAN's of 24 would take minutes a step on a CPU.
SIZES = {
    "cyclegan": ("enhancement", (256, 256), 1),
    "harmonizer": ("harmonization", (256, 256), 1),
    "hsct": ("elastography", (256, 256), 16),
    "pix2pix": ("elastography", (256, 256), 1),
    "sswe": ("swe", (64, 96), 64),
}
UNTRAINED = {"cyclegan": {"perceptual_weights": None}}  # what a pretrained network's weights do not change
VARIANTS: dict[str, tuple[torch.dtype | None, bool]] = {
    "fp32": (None, False),
    "bf16": (torch.bfloat16, False),
    "bf16, channels-last": (torch.bfloat16, True),
}


def method_speed(device: str) -> pd.DataFrame:
    """One row a method and variant: milliseconds a training step and an inference, ratio of the steps to fp32's,
    parameters, and on a GPU the peak memory in MiB."""
    lines = []
    for name in METHODS:
        task_name, size, batch_size = SIZES[name]
        for variant, (dtype, channels_last) in VARIANTS.items():
            line = {"method": name, "size": f"{size[0]} x {size[1]}", "batch": batch_size, "variant": variant}
            lines.append(line | _measure(name, task_name, size, batch_size, dtype, channels_last, device))
        for line in lines[-len(VARIANTS) :]:
            line["ratio"] = round(line["step_ms"] / lines[-len(VARIANTS)]["step_ms"], 2)
    return pd.DataFrame(lines)


def _measure(
    name: str, task_name: str, size, batch_size: int, dtype, channels_last: bool, device: str
) -> dict[str, Any]:
    task = phantom_task(task_name)
    channels = {"in_channels": task.source.channels, "out_channels": task.target.channels}
    model = METHODS[name](**channels, channels_last=channels_last, **UNTRAINED.get(name, {}))
    model.setup("fit")
    model = model.to(device).train()
    batch = {
        "source": torch.rand(batch_size, task.source.channels, *size, device=device) * 2 - 1,
        "target": torch.rand(batch_size, task.target.channels, *size, device=device) * 2 - 1,
        "valid": torch.ones(batch_size, 1, *size, dtype=torch.bool, device=device),
        "superpixels": _squares(*size).expand(batch_size, -1, -1).to(device),
    }
    step = _training_step(model, batch, device, dtype)
    cuda = device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    step_ms = _median_ms(step, cuda)
    memory = torch.cuda.max_memory_allocated() / 2**20 if cuda else float("nan")
    model.eval()
    with torch.no_grad(), torch.autocast(device, dtype, enabled=dtype is not None):
        inference_ms = _median_ms(lambda: model(batch["source"]), cuda)
    parameters = sum(weight.numel() for weight in model.parameters())
    return {"step_ms": round(step_ms, 1), "inference_ms": round(inference_ms, 1), "parameters": parameters,
            "memory_mib": round(memory, 0)}  # fmt: skip


def _training_step(model: Translator, batch: dict, device: str, dtype) -> Callable[[], None]:
    """The method's own losses and optimizers, without the trainer around them."""
    configured = model.configure_optimizers()
    optimizers = configured[0] if isinstance(configured, tuple) else [configured["optimizer"]]
    sides = None if model.automatic_optimization else model.order

    def step() -> None:
        with torch.autocast(device, dtype, enabled=dtype is not None):
            fakes = model.generate(batch) if sides else None
        for index, optimizer in enumerate(optimizers):
            with torch.autocast(device, dtype, enabled=dtype is not None):
                losses = getattr(model, f"{sides[index]}_losses")(batch, fakes) if sides else model.losses(batch)
            optimizer.zero_grad()
            own = [weight for group in optimizer.param_groups for weight in group["params"]]
            losses["total"].backward(inputs=own)
            optimizer.step()

    return step


def _squares(rows: int, columns: int, a_side: int = 4) -> torch.Tensor:
    """Sixteen labels, as superpixels would be."""
    down, across = (torch.arange(n) * a_side // n for n in (rows, columns))
    return down[:, None] * a_side + across


def _median_ms(call: Callable[[], Any], cuda: bool) -> float:
    for _ in range(2):
        call()
    times: list[float] = []
    while len(times) < 3 or (len(times) < REPEATS and sum(times) < ENOUGH_MS):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return median(times)


def superpixel_speed(method_ms: float, batch_size: int, images: int = 24) -> pd.DataFrame:
    """What superpixels cost HSC-T at 256 x 256: computed once an image, and carried through every epoch after that.

    Args:
        method_ms: a training step of HSC-T, milliseconds, on batches of ``batch_size``.
        images: how many to measure on.
    """
    augmentation = Augmentation(enlarge=286 / 256, horizontal_flip=0.5, vertical_flip=0.5, rotate=15.0)
    settings = Superpixels()
    with tempfile.TemporaryDirectory() as folder:
        data = PhantomDataModule(
            patients=images, augmentation=augmentation, fractions=(1.0, 0.0, 0.0), cache_dir=Path(folder), num_workers=0
        )
        data.prepare_data()
        source = SuperpixelSource(data.images, settings)
        once_ms = _median_ms(lambda: source.read(0), False)
        load_ms = {}
        for name, sources in (("without", []), ("with", [source])):
            data.derive(sources)
            load_ms[name] = _median_ms(_epoch_of(data.dataset("train")), False) / images
    labels = _squares(256, 256).expand(batch_size, -1, -1)
    sort_ms = _median_ms(lambda: Segments.of(labels, settings.most), False)
    carried_ms = max(0.0, load_ms["with"] - load_ms["without"]) * batch_size + sort_ms
    return pd.DataFrame(
        [
            {"what": "SLIC, once an image, one core", "ms": round(once_ms, 1)},
            {"what": f"carried along and sorted, a batch of {batch_size}", "ms": round(carried_ms, 1)},
            {"what": f"training step of HSC-T, a batch of {batch_size}", "ms": method_ms},
            {"what": "share of an epoch, %", "ms": round(100 * carried_ms / (carried_ms + method_ms), 2)},
        ]
    ).rename(columns={"ms": "ms or %"})


def _epoch_of(dataset: UltrasoundDataset) -> Callable[[], Any]:
    return lambda: [dataset[index, index] for index in range(len(dataset))]


def phantom_speed(device: str, images: int = 48) -> pd.DataFrame:
    """Images of 256 x 256 a second: B-mode scans alone, and whole patients (tissue, scan, strain image) in parallel."""
    tissues = [draw_tissue(np.random.default_rng(seed)) for seed in range(8)]
    batch = TissueBatch.of(tissues, FULL_FIELD, device)
    scans_ms = _median_ms(
        lambda: b_mode(batch, CART, [np.random.default_rng(seed) for seed in range(8)]), device == "cuda"
    )
    return pd.DataFrame(
        [
            {"what": f"B-mode scans, batches of 8 on {device}", "a second": round(8000 / scans_ms, 1)},
            {"what": f"whole patients, {available_cpus()} worker processes", "a second": round(_patients(images), 1)},
        ]
    )


def _patients(images: int) -> float:
    """Patients a second once the workers are up."""
    from joblib import Parallel, delayed

    jobs = available_cpus()
    with Parallel(n_jobs=jobs, inner_max_num_threads=1, backend="loky") as parallel:
        parallel(delayed(simulate_patients)("elastography", [number]) for number in range(2 * jobs))
        started = time.perf_counter()
        parallel(delayed(simulate_patients)("elastography", [number]) for number in range(images))
        return images / (time.perf_counter() - started)
