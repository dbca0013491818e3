"""What elastography shows of tissue: a shear-wave map with its confidence, and a strain image."""

import numpy as np
import torch
from torch import Tensor

from datamodules.elasticity import shear_wave_speed, youngs_modulus
from datamodules.phantom.scanner import blur
from datamodules.phantom.tissue import Field, Tissue, random_field

MAX_MODULUS = 180.0  # kPa, the usual full scale of breast shear-wave elastography
WAVE_KERNEL = (0.5, 0.9)  # mm, axial and lateral standard deviation of the region over which a speed is measured
STRAIN_KERNEL = (0.5, 0.6)  # mm
STRAIN_SPAN = 1.8  # colour scale: log2 of strain over the mean strain, from -span (stiff, blue) to +span (soft, red)


def shear_wave_map(tissue: Tissue, view: Field, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Young's modulus as measured, kPa ``(H, W)``, and the confidence of the measurement in [0, 1].

    Noise grows with depth and with stiffness. Confidence falls with depth and behind attenuating tissue; no shear wave
    runs in fluid.
    """
    depth = torch.from_numpy(view.axes()[0]) / view.depth
    kernel, speed = _wave_kernel(view), _resolved_speed(tissue, view)
    noise = torch.from_numpy(random_field(rng, view, 0.9, 0.9))
    speed = speed * (1 + (0.015 + 0.09 * depth**2 + 0.004 * speed) * noise).clamp_min(0.2)
    lost = torch.from_numpy(tissue.attenuation).cumsum(0) * view.row_mm / 10  # dB/MHz, one way
    confidence = 1.08 - 0.30 * depth**2 - 0.06 * lost + 0.05 * torch.from_numpy(random_field(rng, view, 1.5, 2.5))
    solid = 1 - blur(torch.from_numpy(tissue.fluid).float()[None], *kernel)[0]
    confidence = (confidence.clamp(0, 1) * solid**3).clamp(0, 1)
    return youngs_modulus(speed).clamp(0, MAX_MODULUS), confidence


def noiseless_modulus(tissue: Tissue, view: Field) -> Tensor:
    """The true modulus through the elastograph's resolution, kPa ``(H, W)``."""
    return youngs_modulus(_resolved_speed(tissue, view)).clamp(0, MAX_MODULUS)


def _resolved_speed(tissue: Tissue, view: Field) -> Tensor:
    """The scanner times a wave's passage across a small region, so it averages slowness, 1 / c."""
    slowness = 1 / shear_wave_speed(torch.from_numpy(tissue.youngs_modulus).clamp_min(1.0))
    return 1 / blur(slowness[None], *_wave_kernel(view))[0]


def _wave_kernel(view: Field) -> tuple[float, float]:
    """In pixels."""
    return WAVE_KERNEL[0] / view.row_mm, WAVE_KERNEL[1] / view.column_mm


def strain_image(tissue: Tissue, b_mode: Tensor, view: Field, rng: np.random.Generator | None) -> Tensor:
    """Colour elastogram ``(3, H, W)`` in [0, 1]: strain, coded blue (stiff) to red (soft), over the B-mode.

    Under uniaxial compression the stress spreads with depth and strain is stress over stiffness. It is shown
    relative to its mean, on a logarithmic scale, since freehand compression has no absolute value. Without ``rng``
    there is no noise.
    """
    depth = torch.from_numpy(view.axes()[0]) / view.depth
    softness = 1 / torch.from_numpy(tissue.youngs_modulus).clamp_min(1.0)
    strain = softness * (1 - 0.35 * depth)
    if rng is not None:
        noise = torch.from_numpy(random_field(rng, view, 0.7, 1.2))
        strain = strain * (1 + (0.04 + 0.10 * depth**2) * noise).clamp_min(0.2)
    strain = blur(strain[None], STRAIN_KERNEL[0] / view.row_mm, STRAIN_KERNEL[1] / view.column_mm)[0]
    relative = torch.log2(strain / strain.mean()) / STRAIN_SPAN
    return overlay(colour_map((0.5 + 0.5 * relative).clamp(0, 1)), b_mode)


def colour_map(value: Tensor) -> Tensor:
    """``(H, W)`` in [0, 1] to ``(3, H, W)``: blue, cyan, green, yellow, red, as strain scanners print it."""
    return torch.stack([(1.5 - (4 * value - peak).abs()).clamp(0, 1) for peak in (3.0, 2.0, 1.0)])


def overlay(colour: Tensor, grey: Tensor, opacity: float = 0.6) -> Tensor:
    """Colour laid over a grey picture, both in [0, 1]."""
    return (opacity * colour + (1 - opacity) * grey).clamp(0, 1)
