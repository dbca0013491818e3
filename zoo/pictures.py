"""Pictures of translations: source, target, translation and error side by side."""

import numpy as np
import torch
from torch import Tensor

from datamodules.batch import Signal, Task


def panel(task: Task, source: Tensor, target: Tensor, translation: Tensor, valid: Tensor | None = None) -> np.ndarray:
    """One row of four pictures, uint8 ``(H, 4 W, 3)``, from images ``(C, H, W)`` in [-1, 1].

    A physical target is coloured over its range, and its error as a part of the target's value, 0 to 100 %; pixels that
    may not be trusted are black. Elsewhere the error is the mean absolute difference over channels, white at a quarter
    of full scale.
    """
    pictures = [paint(source, task.source), paint(target, task.target), paint(translation, task.target)]
    if task.target.physical:
        wanted, found = (task.target.to_physical(image.float()) for image in (target, translation))
        part = (wanted - found).abs() / wanted.abs().clamp_min(1e-3 * task.target.high)
        pictures.append(paint(2 * part.clamp(0, 1) - 1, task.target))
    else:
        error = (target - translation).abs().mean(0, keepdim=True) / 2
        pictures.append(paint((8 * error - 1).clamp(-1, 1), task.source))
    if valid is not None and task.target.physical:
        for picture in pictures[1:]:
            picture[~valid[0].cpu().numpy()] = 0
    return np.concatenate(pictures, axis=1)


def paint(image: Tensor, signal: Signal) -> np.ndarray:
    """``(C, H, W)`` in [-1, 1] as uint8 ``(H, W, 3)``; physical values by matplotlib's turbo colours."""
    fraction = ((image.detach().float().cpu() + 1) / 2).clamp(0, 1)
    if signal.physical:
        import matplotlib

        colours = matplotlib.colormaps["turbo"](fraction[0].numpy())[..., :3]
        return np.round(255 * colours).astype(np.uint8)
    return (255 * fraction.expand(3, -1, -1).permute(1, 2, 0)).round().to(torch.uint8).numpy()
