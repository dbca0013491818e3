"""The test object, after the CIRS 040GSE: grey-scale targets, stepped anechoic cylinders, wire points.

Every scanner can image the very same object in the very same place, which no patient allows; so it gives the paired
images that harmonization is measured on.
"""

import numpy as np

from datamodules.phantom.tissue import FLUID_ECHO_DB, FULL_FIELD, Field, Tissue

GREY_SCALE_DB = (-9.0, -6.0, -3.0, 3.0, 6.0, 15.0)  # contrast of the grey-scale targets
GREY_SCALE_DIAMETER = 5.0  # mm
CYLINDER_DIAMETERS = (1.3, 2.0, 3.0, 4.5, 6.7)  # mm, the stepped anechoic cylinders
WIRE_DB = 26.0
BACKGROUND_DB = -4.0
ATTENUATION = 0.5  # dB/cm/MHz


def draw_cirs_object(rng: np.random.Generator, view: Field = FULL_FIELD) -> Tissue:
    """One placement of the probe: the object's rows of targets, shifted laterally and in depth by a few mm."""
    z, x = view.axes()
    echo = np.full((view.rows, view.columns), BACKGROUND_DB, np.float32)
    shift_z, shift_x = rng.uniform(-2, 3), rng.uniform(-0.15, 0.15) * view.width
    flip = -1 if rng.random() < 0.5 else 1

    def place(fraction: float) -> float:
        return view.width * (0.5 + flip * (fraction - 0.5)) + shift_x

    targets = np.zeros_like(echo, bool)
    for index, contrast in enumerate(GREY_SCALE_DB):
        inside = _disc(z - 12 - shift_z, x - place((index + 0.5) / 6), GREY_SCALE_DIAMETER)
        echo[inside] = BACKGROUND_DB + contrast
        targets |= inside
    fluid = np.zeros_like(targets)
    for index, diameter in enumerate(CYLINDER_DIAMETERS):
        fluid |= _disc(z - 23 - shift_z, x - place((index + 0.5) / 5), diameter)
    echo[fluid] = FLUID_ECHO_DB
    down = [(depth + shift_z, place(0.5), WIRE_DB) for depth in (5, 17, 29, 35)]
    across = [(31 + shift_z, place(0.5 + offset), WIRE_DB) for offset in (-0.4, -0.25, -0.12, 0.12, 0.25, 0.4)]
    wires = np.array([wire for wire in down + across if 0 < wire[1] < view.width], np.float32)
    return Tissue(
        echo=echo,
        youngs_modulus=np.full_like(echo, 25.0),
        attenuation=np.full_like(echo, ATTENUATION),
        fluid=fluid,
        lesion=targets | fluid,
        label="",
        kind="test object",
        points=wires.reshape(-1, 3),
    )


def _disc(dz: np.ndarray, dx: np.ndarray, diameter: float) -> np.ndarray:
    return dz**2 + dx**2 < (diameter / 2) ** 2
