"""How tissue lies under another probe: displaced by a smooth field, as no two scans of a patient are registered."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import map_coordinates

from datamodules.phantom.tissue import Field, Tissue, random_field

DISPLACEMENT_MM = 0.12  # standard deviation of each component; see benchmarks/results/ruler.md for what it allows
SMOOTHNESS_MM = 8.0  # correlation length


def displacement(rng: np.random.Generator, view: Field) -> np.ndarray:
    """How far, in pixels, each pixel's content lies away: ``(2, rows, columns)``, down and across."""
    fields = [random_field(rng, view, SMOOTHNESS_MM, SMOOTHNESS_MM) for _ in range(2)]
    return np.stack([fields[0] / view.row_mm, fields[1] / view.column_mm]) * DISPLACEMENT_MM


def displaced(image: np.ndarray, shift: np.ndarray, order: int = 1) -> np.ndarray:
    """The image ``(rows, columns)`` under that shift, interpolated by splines of that order."""
    return map_coordinates(image, np.indices(image.shape, np.float32) + shift, order=order, mode="nearest")


def displaced_tissue(tissue: Tissue, shift: np.ndarray, view: Field) -> Tissue:
    """The same tissue under that shift."""
    points = tissue.points.copy()
    for point in points:
        row, column = int(point[0] / view.row_mm), int(point[1] / view.column_mm)
        if 0 <= row < view.rows and 0 <= column < view.columns:
            point[:2] -= shift[:, row, column] * (view.row_mm, view.column_mm)
    return replace(
        tissue,
        echo=displaced(tissue.echo, shift),
        youngs_modulus=displaced(tissue.youngs_modulus, shift),
        attenuation=displaced(tissue.attenuation, shift),
        points=points,
    )
