"""Prostate- and thyroid-like tissue, one patient in several planes: the two organs of the sSWE papers.

A plane shares its patient's tissue properties, anatomy and lesion, and has a position along the organ, a texture and
small shifts of its own. Distances are in mm; the prostate is seen from the rectum, the thyroid from the skin.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from datamodules.phantom.tissue import FLUID_ECHO_DB, MUSCLE, SKIN, Field, Layer, Tissue, random_field

WALL = Layer((0.0, 1.5), (24.0, 4.0), (0.8, 0.1))
SURROUNDINGS = Layer((-7.0, 2.0), (13.0, 2.5), (0.5, 0.06))
PERIPHERAL = Layer((2.5, 1.5), (20.0, 4.0), (0.6, 0.06))
TRANSITION = Layer((-4.5, 2.0), (38.0, 8.0), (0.8, 0.08))
CANCER = Layer((-9.0, 2.5), (75.0, 14.0), (0.9, 0.1))
LOBE = Layer((2.5, 1.5), (18.0, 4.0), (0.6, 0.06))
NODULE = Layer((-7.0, 3.5), (48.0, 18.0), (0.7, 0.15))

Draw = Callable[[np.random.Generator, np.random.Generator, Field], Tissue]


class _Canvas:
    """The maps of one plane while structures are painted over each other."""

    def __init__(self, patient: np.random.Generator, plane: np.random.Generator, view: Field, base: Layer) -> None:
        self.patient, self.plane, self.view = patient, plane, view
        shape = (view.rows, view.columns)
        self.echo, self.modulus, self.attenuation = (np.zeros(shape, np.float32) for _ in range(3))
        self.fluid, self.lesion = np.zeros(shape, bool), np.zeros(shape, bool)
        self.z, self.x = view.axes()
        self.wobble = 1 + 0.05 * random_field(plane, view, 4.0, 4.0)
        self.paint(np.ones(shape, bool), base, 3.0, (1.2, 2.5))

    def paint(self, where: np.ndarray, layer: Layer, texture: float, grain: tuple[float, float]) -> None:
        """Fill with the patient's version of a layer; ``texture`` in dB, its ``grain`` in mm."""
        where = np.broadcast_to(where, self.echo.shape)
        echo, modulus, attenuation = (self.patient.normal(*level) for level in vars(layer).values())
        rough = texture * random_field(self.plane, self.view, *grain)
        self.echo[where] = (echo + rough)[where]
        uneven = np.exp(0.10 * random_field(self.plane, self.view, 1.8, 2.5))
        self.modulus[where] = (max(4.0, modulus) * uneven)[where]
        self.attenuation[where] = max(0.2, attenuation)

    def ellipse(self, depth: float, lateral: float, down: float, across: float) -> np.ndarray:
        """Its inside, with a wavy outline."""
        return np.hypot((self.z - depth) / down, (self.x - lateral) / across) * self.wobble < 1

    def tissue(self, organ: str) -> Tissue:
        soften = (0.25 / self.view.row_mm, 0.25 / self.view.column_mm)
        return Tissue(self.echo, gaussian_filter(self.modulus, soften), self.attenuation, self.fluid, self.lesion,
                      label="", kind=organ)  # fmt: skip


def plane_position(plane: np.random.Generator) -> float:
    """Where along the organ a plane lies, between -1 and 1, its ends: the first that a plane's fresh generator gives.

    In the middle, at 0, the organ's section is the largest.
    """
    return plane.uniform(-1, 1)


def _section(radius: float, away: float, reach: float) -> float:
    """Radius of a ball's cut at ``away`` from its middle, both as parts of the organ's length."""
    return radius * float(np.sqrt(max(0.0, 1 - (away / reach) ** 2)))


def draw_prostate(patient: np.random.Generator, plane: np.random.Generator, view: Field) -> Tissue:
    """Rectal wall, peripheral zone, the stiffer transition zone, and in most patients a stiff dark lesion."""
    along = plane_position(plane)
    across, down = patient.uniform(15, 19), patient.uniform(10, 13)
    depth, lateral = patient.uniform(17, 20) + plane.normal(0, 0.5), view.width / 2 + plane.normal(0, 1.0)
    inner = patient.uniform(0.5, 0.75)
    sick, radius, place = patient.random() < 0.75, patient.uniform(4, 7), patient.uniform(-0.6, 0.6)
    angle = patient.uniform(3.6, 5.8)
    canvas = _Canvas(patient, plane, view, SURROUNDINGS)
    canvas.paint(canvas.z < patient.uniform(2.5, 4.0) * canvas.wobble, WALL, 2.0, (0.3, 3.0))
    across, down = _section(across, along, 1.5), _section(down, along, 1.5)
    gland = canvas.ellipse(depth, lateral, down, across)
    canvas.paint(gland, PERIPHERAL, 2.0, (0.6, 0.9))
    canvas.paint(canvas.ellipse(depth + 0.2 * down, lateral, inner * down, inner * across), TRANSITION, 4.0, (1.3, 1.6))
    lesion = _section(radius, along - place, 0.7) if sick else 0.0
    if lesion > 1:
        inside = gland & canvas.ellipse(
            depth + 0.7 * down * np.sin(angle), lateral + 0.7 * across * np.cos(angle), 0.8 * lesion, lesion
        )
        canvas.paint(inside, CANCER, 1.5, (0.8, 0.8))
        canvas.lesion |= inside
    return canvas.tissue("prostate")


def draw_thyroid(patient: np.random.Generator, plane: np.random.Generator, view: Field) -> Tissue:
    """Skin, fat, strap muscle, a bright lobe beside the carotid artery, and in most patients a nodule."""
    along = plane_position(plane)
    side = 1 if patient.random() < 0.5 else -1
    across, down = patient.uniform(10, 14), patient.uniform(7, 10)
    depth, lateral = patient.uniform(14, 18) + plane.normal(0, 0.5), view.width / 2 - 2 * side + plane.normal(0, 1.0)
    sick, radius, place = patient.random() < 0.7, patient.uniform(3, 8), patient.uniform(-0.6, 0.6)
    offset = patient.uniform(-0.4, 0.4, 2)
    canvas = _Canvas(patient, plane, view, MUSCLE)
    strap = patient.uniform(5.5, 8.0)
    canvas.paint(canvas.z < strap * canvas.wobble, MUSCLE, 4.0, (0.25, 5.0))
    canvas.paint(canvas.z < 0.55 * strap * canvas.wobble, SURROUNDINGS, 4.0, (1.0, 2.5))
    canvas.paint(canvas.z < patient.uniform(1.2, 2.0), SKIN, 1.0, (0.5, 3.0))
    across, down = _section(across, along, 1.6), _section(down, along, 1.6)
    lobe = canvas.ellipse(depth, lateral, down, across)
    canvas.paint(lobe, LOBE, 1.5, (0.5, 0.7))
    nodule = _section(radius, along - place, 0.8) if sick else 0.0
    if nodule > 1:
        inside = lobe & canvas.ellipse(depth + offset[0] * down, lateral + offset[1] * across, 0.8 * nodule, nodule)
        canvas.paint(inside, NODULE, 2.5, (0.8, 0.9))
        canvas.lesion |= inside
    artery = canvas.ellipse(depth + 1, lateral + side * (across + 4), 3.2, 3.2) & ~lobe
    canvas.echo[artery], canvas.modulus[artery], canvas.attenuation[artery] = FLUID_ECHO_DB, 3.0, 0.1
    canvas.fluid |= artery
    return canvas.tissue("thyroid")
