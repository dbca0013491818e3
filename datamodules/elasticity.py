"""Young's modulus and shear-wave speed, each from the other, for soft tissue: incompressible, isotropic, elastic."""

import torch
from torch import Tensor

from datamodules.batch import Signal
from datamodules.errors import InputError

DENSITY = 1000.0  # kg/m^3


def shear_wave_speed(youngs_modulus: Tensor) -> Tensor:
    """c = sqrt(E / (3 rho)) in m/s, for Young's modulus in kPa."""
    return torch.sqrt(youngs_modulus.clamp_min(0) * 1000 / (3 * DENSITY))


def youngs_modulus(speed: Tensor) -> Tensor:
    """E = 3 rho c^2 in kPa, for a shear-wave speed in m/s."""
    return 3 * DENSITY * speed.square() / 1000


def converted(image: Tensor, own: Signal, wanted: Signal) -> Tensor:
    """An image in [-1, 1] on the scale ``own`` as one in [-1, 1] on the scale ``wanted``; modulus becomes speed, and
    the reverse, by c = sqrt(E / (3 rho)).

    Raises:
        InputError: the two are not of one quantity.
    """
    values = own.to_physical(image)
    if own.unit != wanted.unit:
        if (own.unit, wanted.unit) not in CONVERSIONS:
            raise InputError(
                f"the method was trained to give {own.unit} and the data has {wanted.unit}, which it cannot be turned "
                "into; use data of the quantity that it was trained on"
            )
        values = CONVERSIONS[own.unit, wanted.unit](values)
    return 2 * (values - wanted.low) / (wanted.high - wanted.low) - 1


CONVERSIONS = {("kPa", "m/s"): shear_wave_speed, ("m/s", "kPa"): youngs_modulus}
