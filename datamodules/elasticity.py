"""Young's modulus and shear-wave speed, each from the other, for soft tissue: incompressible, isotropic, elastic."""

import torch
from torch import Tensor

DENSITY = 1000.0  # kg/m^3


def shear_wave_speed(youngs_modulus: Tensor) -> Tensor:
    """c = sqrt(E / (3 rho)) in m/s, for Young's modulus in kPa."""
    return torch.sqrt(youngs_modulus.clamp_min(0) * 1000 / (3 * DENSITY))


def youngs_modulus(speed: Tensor) -> Tensor:
    """E = 3 rho c^2 in kPa, for a shear-wave speed in m/s."""
    return 3 * DENSITY * speed.square() / 1000
