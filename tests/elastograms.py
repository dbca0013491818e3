"""Phantoms drawn as a scanner shows them, for the tests of elastograms."""

import io
from functools import cache
from types import SimpleNamespace

import numpy as np
from PIL import Image

from datamodules.elastogram import ColourBar, main
from datamodules.grid import resize
from datamodules.phantom.screenshot import OVERLAY, screenshot
from datamodules.phantom.simulate import simulate_patients


@cache
def swe_patients() -> list[SimpleNamespace]:
    """Two phantoms, and where a scanner would show colour."""
    region = np.zeros((256, 256), bool)
    region[40:210, 50:200] = True
    return [
        SimpleNamespace(b_mode=p.source[..., 0], values=p.target[..., 0], shown=p.valid[..., 0] & region)
        for p in simulate_patients("swe", [0, 1])
    ]


def shot(patient, name="jet", opacity=0.5, **kwargs) -> np.ndarray:
    return screenshot(patient.b_mode, patient.values, patient.shown, ColourBar.named(name), opacity, **kwargs)


def as_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255


def unit(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255


def truth(patient) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask as drawn on the panel."""
    side = (OVERLAY.height, OVERLAY.width)
    shown = resize(patient.shown[..., None].astype(np.float32), side, nearest=True)
    return resize(patient.values[..., None].astype(np.float32), side)[..., 0], shown[..., 0] > 0.5


def check(found, patient) -> None:
    values, shown = truth(patient)
    assert found.values.shape == values.shape
    both = found.valid & shown
    assert np.median(np.abs(found.values - values)[both]) < 0.03
    assert both.sum() > 0.9 * shown.sum()
    assert (found.valid & ~shown).sum() < 0.05 * shown.sum()


def run(folder, out, *more: str) -> int:
    return main([str(folder), "--out", str(out), *more])
