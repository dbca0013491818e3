"""``python -m benchmarks.pictures [DIR]``: the README's picture of the phantom's four tasks."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from datamodules.phantom.simulate import phantom_task, simulate_patients
from datamodules.writers import write_atomically
from zoo.pictures import paint

TASKS = ("elastography", "swe", "enhancement", "harmonization")
PATIENTS = (3, 2)  # two whose lesions are well in view


def four_tasks() -> np.ndarray:
    """A row a patient; source and target of each task side by side, uint8 ``(H, W, 3)``."""
    columns = []
    for name in TASKS:
        task = phantom_task(name)
        pairs = []
        for patient in simulate_patients(name, list(PATIENTS), seed=1):
            sides = [("source", task.source), ("target", task.target)]
            images = [torch.from_numpy(2 * getattr(patient, side) - 1).permute(2, 0, 1) for side, _ in sides]
            pictures = [paint(image, signal) for image, (_, signal) in zip(images, sides, strict=True)]
            if task.target.physical:
                pictures[1] = pictures[1] * patient.valid.astype(np.uint8)
            pairs.append(np.concatenate(pictures, axis=1))
        columns.append(np.pad(np.concatenate(pairs), ((0, 0), (0, 8), (0, 0)), constant_values=255))
    return np.concatenate(columns, axis=1)[:, :-8]


def main(folder: str) -> int:
    image = Image.fromarray(four_tasks())
    image = image.resize((image.width * 5 // 8, image.height * 5 // 8), Image.Resampling.LANCZOS)
    path = Path(folder) / "four_tasks.jpg"
    write_atomically(path, lambda file: image.save(file, "JPEG", quality=85))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "datamodules/phantom"))
