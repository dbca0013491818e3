"""Breast-like tissue: one map of echo, stiffness and attenuation from which every image of a patient is made.

Distances are in mm, depth counts from the skin. All draws come from the generator given, so that a patient is
determined by its seed.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

FLUID_ECHO_DB = -70.0


@dataclass(frozen=True)
class Field:
    """The field of view: ``depth`` x ``width`` mm on ``rows`` x ``columns`` pixels."""

    depth: float = 40.0
    width: float = 40.0
    rows: int = 256
    columns: int = 256

    @property
    def row_mm(self) -> float:
        return self.depth / self.rows

    @property
    def column_mm(self) -> float:
        return self.width / self.columns

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth ``(rows, 1)`` and lateral position ``(1, columns)`` of the pixel centres in mm."""
        z = (np.arange(self.rows, dtype=np.float32) + 0.5) * self.row_mm
        x = (np.arange(self.columns, dtype=np.float32) + 0.5) * self.column_mm
        return z[:, None], x[None, :]


FULL_FIELD = Field()


@dataclass
class Tissue:
    """Maps of one patient, float32 ``(rows, columns)`` unless said.

    ``echo`` is the backscatter level in dB (gland: 0), ``youngs_modulus`` in kPa, ``attenuation`` in dB/cm/MHz;
    ``fluid`` and ``lesion`` are bool. ``label`` is "benign" or "malignant", ``kind`` adds "cyst". ``outcome`` is a
    binary label for radiomics, drawn from texture and margin with noise.
    """

    echo: np.ndarray
    youngs_modulus: np.ndarray
    attenuation: np.ndarray
    fluid: np.ndarray
    lesion: np.ndarray
    label: str = ""
    kind: str = ""
    outcome: int = 0
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))  # depth, lateral (mm), level (dB)


@dataclass(frozen=True)
class Layer:
    """Mean and spread over patients of a tissue's echo (dB), Young's modulus (kPa), attenuation (dB/cm/MHz)."""

    echo: tuple[float, float]
    youngs_modulus: tuple[float, float]
    attenuation: tuple[float, float]


SKIN = Layer((2.0, 1.5), (35.0, 6.0), (1.0, 0.1))
FAT = Layer((-11.5, 2.0), (9.0, 2.0), (0.45, 0.06))
GLAND = Layer((0.0, 1.5), (22.0, 5.0), (0.65, 0.08))
MUSCLE = Layer((-11.0, 2.0), (38.0, 7.0), (1.0, 0.1))


def draw_tissue(rng: np.random.Generator, view: Field = FULL_FIELD) -> Tissue:
    """Draw a patient: four layers, their texture, and one lesion."""
    tissue, gland = _draw_layers(rng, view)
    _draw_lesion(rng, view, tissue, gland)
    return tissue


def random_field(rng: np.random.Generator, view: Field, axial: float, lateral: float) -> np.ndarray:
    """A Gaussian random field of zero mean and unit variance with correlation lengths in mm."""
    sigma = (axial / view.row_mm, lateral / view.column_mm)
    step = tuple(max(1, int(s // 3)) for s in sigma)  # a smooth field is drawn coarsely and interpolated
    margin = [int(4 * s / d) + 2 for s, d in zip(sigma, step, strict=True)]
    shape = [n // d + 2 + 2 * m for n, d, m in zip((view.rows, view.columns), step, margin, strict=True)]
    noise = rng.standard_normal(shape, dtype=np.float32)
    for axis, (s, d) in enumerate(zip(sigma, step, strict=True)):
        noise = gaussian_filter1d(noise, s / d, axis=axis, mode="wrap", truncate=3.0)
    coarse = noise[margin[0] : -margin[0], margin[1] : -margin[1]]
    coarse = coarse / max(float(noise.std()), 1e-12)
    return _interpolate(coarse, step, (view.rows, view.columns))


def _interpolate(coarse: np.ndarray, step: tuple[int, ...], shape: tuple[int, int]) -> np.ndarray:
    """Linear interpolation from a grid ``step`` times coarser."""
    for axis, (d, n) in enumerate(zip(step, shape, strict=True)):
        if d == 1:
            coarse = np.take(coarse, np.arange(n), axis=axis)
            continue
        position = np.arange(n, dtype=np.float32) / d
        low = position.astype(int)
        weight = (position - low).reshape((-1, 1) if axis == 0 else (1, -1))
        coarse = np.take(coarse, low, axis) * (1 - weight) + np.take(coarse, low + 1, axis) * weight
    return coarse.astype(np.float32)


def _wavy_line(rng: np.random.Generator, view: Field, depth: float, tilt: float, waves: float) -> np.ndarray:
    """A border: depth in mm for every column."""
    noise = rng.standard_normal(view.columns + 200)
    smooth = gaussian_filter1d(noise, 5.0 / view.column_mm, mode="wrap")[100:-100]
    smooth /= max(smooth.std(), 1e-9)
    across = np.linspace(-0.5, 0.5, view.columns)
    return (depth + tilt * across + waves * smooth).astype(np.float32)[None, :]


def _draw_layers(rng: np.random.Generator, view: Field) -> tuple[Tissue, np.ndarray]:
    """Skin, fat, gland, muscle with wavy borders; returns the tissue and where the gland is."""
    z, _ = view.axes()
    skin = _wavy_line(rng, view, rng.uniform(1.2, 2.2), 0.2, 0.08)
    fat = skin + np.maximum(1.0, _wavy_line(rng, view, rng.uniform(3, 9), rng.normal(0, 3), 0.9))
    muscle = np.maximum(fat + 6, _wavy_line(rng, view, rng.uniform(24, 34), rng.normal(0, 3), 0.5))
    masks = [z < skin, (z >= skin) & (z < fat), (z >= fat) & (z < muscle), z >= muscle]
    echo, modulus, attenuation = (np.zeros((view.rows, view.columns), np.float32) for _ in range(3))
    for mask, layer in zip(masks, (SKIN, FAT, GLAND, MUSCLE), strict=True):
        echo[mask] = rng.normal(*layer.echo)
        modulus[mask] = max(4.0, rng.normal(*layer.youngs_modulus))
        attenuation[mask] = max(0.2, rng.normal(*layer.attenuation))
    echo += _texture(rng, view, masks, [skin, fat, muscle])
    modulus *= np.exp(0.12 * random_field(rng, view, 1.5, 4.0)).astype(np.float32)
    soften = (0.25 / view.row_mm, 0.25 / view.column_mm)
    tissue = Tissue(
        echo=echo,
        youngs_modulus=gaussian_filter(modulus, soften),
        attenuation=attenuation,
        fluid=np.zeros_like(echo, bool),
        lesion=np.zeros_like(echo, bool),
    )
    return tissue, masks[2]


def _texture(rng, view: Field, masks: list[np.ndarray], borders: list[np.ndarray]) -> np.ndarray:
    """What makes layers look like tissue, in dB: fat lobules between bright septa, gland with fat islands and ducts,
    striated muscle, bright fasciae along the borders."""
    z, _ = view.axes()
    bend = 2.0 * random_field(rng, view, 4.0, 6.0)  # mm by which fibres and septa wander up and down
    lobes = random_field(rng, view, 1.3, 2.8)
    septa = np.exp(-((lobes / 0.10) ** 2)) * (0.6 + 0.4 * np.tanh(random_field(rng, view, 3, 6)))
    fat = 12 * septa + 1.5 * random_field(rng, view, 0.5, 0.8)
    islands = _step(random_field(rng, view, 1.2, 2.6) - rng.uniform(0.2, 1.1), 0.15)
    strands = _bend(random_field(rng, view, 0.30, 1.8), bend, view)
    gland = 4.5 * strands - 10 * islands + 2.5 * random_field(rng, view, 2.5, 5)
    fibres = _bend(random_field(rng, view, 0.25, 5.0), 0.4 * bend, view)
    muscle = 4.5 * fibres + 7 * np.clip(fibres - 1.2, 0, 2)
    texture = masks[1] * fat + masks[2] * gland + masks[3] * muscle
    for border, level, thickness in zip(borders, (6, 9, 14), (0.25, 0.2, 0.3), strict=True):
        texture += level * rng.uniform(0.6, 1.1) * np.exp(-(((z - border) / thickness) ** 2))
    shadows = np.minimum(0, gaussian_filter1d(rng.standard_normal(view.columns), 1.5 / view.column_mm) * 8)
    return (texture + shadows[None, :] * np.clip(z / 25, 0, 1)).astype(np.float32)


def _bend(image: np.ndarray, by: np.ndarray, view: Field) -> np.ndarray:
    """Shift every pixel's look-up by ``by`` mm in depth."""
    rows = np.arange(view.rows)[:, None] + (by / view.row_mm).astype(int)
    return np.take_along_axis(image, np.clip(rows, 0, view.rows - 1), axis=0)


def _step(values: np.ndarray, softness: float) -> np.ndarray:
    """A smooth step from 0 to 1 about 0."""
    return 0.5 + 0.5 * np.tanh(values / softness)


@dataclass(frozen=True)
class Lesion:
    """What a lesion is made of; class, margin, echo and stiffness are correlated, not tied."""

    kind: str
    echo: float  # dB against the gland around it
    youngs_modulus: float  # kPa
    rim: float  # relative stiffness added at the margin
    attenuation: float  # dB/cm/MHz
    radius: float  # mm, mean
    aspect: float  # width over height
    margin: str  # smooth, lobulated, spiculated
    roughness: float
    calcifications: int
    texture: float  # dB, spread of the inner echo


def draw_lesion_kind(rng: np.random.Generator) -> Lesion:
    """Half of the patients are malignant; a tenth of each class looks or feels like the other."""
    malignant = rng.random() < 0.5
    looks_malignant = malignant ^ (rng.random() < 0.12)
    feels_malignant = malignant ^ (rng.random() < 0.12)
    cyst = not malignant and rng.random() < 0.25
    if cyst:
        return Lesion("cyst", FLUID_ECHO_DB, 3.0, 0.0, 0.02, rng.uniform(3, 7), rng.uniform(1.1, 1.8), "smooth",
                      rng.uniform(0, 0.04), 0, 0.0)  # fmt: skip
    stiffness = rng.uniform(70, 160) if feels_malignant else rng.uniform(20, 50)
    if looks_malignant:
        margin = "spiculated" if rng.random() < 0.5 else "lobulated"
        shape = (rng.uniform(3.5, 7), rng.uniform(0.7, 1.1), margin, rng.uniform(0.08, 0.16))
        echo, attenuation, calcifications = rng.normal(-15, 3), rng.uniform(0.8, 1.5), rng.poisson(3)
    else:
        shape = (rng.uniform(3, 7), rng.uniform(1.2, 1.9), "smooth", rng.uniform(0.02, 0.06))
        echo, attenuation, calcifications = rng.normal(-10, 3), rng.uniform(0.35, 0.8), rng.poisson(0.15)
    rim = rng.uniform(0.2, 0.6) if feels_malignant else rng.uniform(0, 0.1)
    kind = "malignant" if malignant else "benign"
    return Lesion(kind, echo, stiffness, rim, attenuation, *shape, calcifications, rng.uniform(1, 4))


def _draw_lesion(rng: np.random.Generator, view: Field, tissue: Tissue, gland: np.ndarray) -> None:
    lesion = draw_lesion_kind(rng)
    z, x = view.axes()
    centre_x = rng.uniform(0.25, 0.75) * view.width
    column = min(view.columns - 1, int(centre_x / view.column_mm))
    depths = z[gland[:, column], 0]
    centre_z = float(np.clip(rng.uniform(depths[0] + 3, max(depths[0] + 4, depths[-1] - 3)), 5, view.depth * 0.7))
    distance = _relative_distance(rng, lesion, z - centre_z, x - centre_x)
    inside = distance < 1
    edge = 0.06 if lesion.margin == "smooth" else 0.14
    weight = _step(1 - distance, edge).astype(np.float32)
    inner = lesion.echo + lesion.texture * random_field(rng, view, 0.6, 0.9)
    local = 0.35 * tissue.echo  # some of the surroundings' texture shows through
    tissue.echo = tissue.echo * (1 - weight) + (inner if lesion.kind == "cyst" else inner + local) * weight
    if lesion.margin == "smooth":  # a thin echogenic capsule
        tissue.echo += 5 * np.exp(-(((distance - 1.05) / 0.05) ** 2)).astype(np.float32)
    stiff = lesion.youngs_modulus * np.exp(0.15 * random_field(rng, view, 1.2, 1.2))
    stiff *= 1 + lesion.rim * np.exp(-(((distance - 1.0) / 0.2) ** 2))
    grip = _step(1.12 - distance, 0.12).astype(np.float32)  # stiffness reaches a little beyond the visible margin
    tissue.youngs_modulus = (tissue.youngs_modulus * (1 - grip) + stiff * grip).astype(np.float32)
    tissue.attenuation = (tissue.attenuation * (1 - weight) + lesion.attenuation * weight).astype(np.float32)
    tissue.lesion, tissue.fluid = inside, inside & (lesion.kind == "cyst")
    tissue.points = _calcifications(rng, lesion, centre_z, centre_x)
    tissue.kind = lesion.kind
    tissue.label = "malignant" if lesion.kind == "malignant" else "benign"
    logit = 18 * (lesion.roughness - 0.07) + 0.7 * (lesion.texture - 2.5) + rng.logistic()
    tissue.outcome = int(logit > 0)


def _relative_distance(rng, lesion: Lesion, dz: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """Distance from the centre over the outline's radius in that direction: 1 on the margin."""
    tilt = rng.normal(0, 0.25)
    across, down = dx * np.cos(tilt) + dz * np.sin(tilt), dz * np.cos(tilt) - dx * np.sin(tilt)
    across, down = across / np.sqrt(lesion.aspect), down * np.sqrt(lesion.aspect)
    angle, radius = np.arctan2(down, across), np.hypot(across, down)
    outline = np.ones_like(angle)
    orders = range(2, 4) if lesion.margin == "smooth" else range(2, 8)
    for order in orders:
        outline += (
            lesion.roughness
            * rng.normal()
            / np.sqrt(order * len(orders))
            * 2
            * np.cos(order * angle + rng.uniform(0, 6.28))
        )
    if lesion.margin == "spiculated":
        for _ in range(rng.integers(7, 14)):
            gap = np.angle(np.exp(1j * (angle - rng.uniform(0, 2 * np.pi))))
            outline += rng.uniform(0.15, 0.5) * np.exp(-((gap / rng.uniform(0.05, 0.12)) ** 2))
    return (radius / (lesion.radius * np.maximum(outline, 0.4))).astype(np.float32)


def _calcifications(rng, lesion: Lesion, centre_z: float, centre_x: float) -> np.ndarray:
    spread = 0.45 * lesion.radius
    n = lesion.calcifications
    points = np.stack(
        [rng.normal(centre_z, spread, n), rng.normal(centre_x, spread, n), rng.uniform(14, 24, n)], axis=1
    )
    return points.astype(np.float32)
