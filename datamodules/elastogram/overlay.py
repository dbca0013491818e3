"""Undo a scanner's overlay: coloured values over B-mode back to values with a validity mask, and the B-mode."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import binary_opening
from scipy.spatial.distance import cdist

from datamodules.elastogram.colour_bar import ColourBar, chroma
from datamodules.elastogram.layout import LEAST_TINTED, TINTED, Layout
from datamodules.errors import InputError
from datamodules.grid import Grid

DESPECKLE = 5  # pixels, side of the median that is taken before colours are undone
FAR = 25.0  # in Lab; a colour that is farther from the bar's is text or a mark
SAMPLE = 1500  # pixels from which the opacity is estimated


@dataclass(frozen=True)
class Elastogram:
    """``b_mode`` ``(H, W)`` in [0, 1]; ``values`` ``(H, W)`` as parts of the bar, 0 its low end; ``valid`` bool
    ``(H, W)``, false where nothing is coloured or a colour is not on the bar or stands for two values."""

    b_mode: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    opacity: float

    def on_grid(self, grid: Grid, spacing: tuple[float, float] | None) -> "Elastogram":
        """Resampled; a value is the mean over what is valid, which is most of its pixel."""
        weight = grid.resample(self.valid[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        weighted = grid.resample((self.values * self.valid)[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        valid = weight > 0.5
        values = np.where(valid, weighted / np.where(valid, weight, 1), 0.0)
        b_mode = grid.resample(self.b_mode[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        return Elastogram(b_mode, values.astype(np.float32), valid, self.opacity)


def read_elastogram(
    frame: np.ndarray, layout: Layout, colours: ColourBar, name: str, opacity: float | None = None
) -> Elastogram:
    """Undo overlay and colour map: what is shown is C = a M(v) + (1 - a) G, M the bar's colour of a value v, G the
    B-mode's grey, a the opacity.

    Args:
        frame: ``(H, W, 3)`` in [0, 1].
        opacity: a; by default estimated, which needs the grey panel.

    Raises:
        InputError: an opacity of 0 or 1, none where it cannot be estimated, or nothing that is coloured.
    """
    if opacity is not None and not 0 < opacity < 1:
        raise InputError(
            f"{name}: opacity {opacity:g}: an overlay is neither invisible (0) nor without B-mode under it (1); pass a "
            "number between, or leave it out to have it estimated from the grey panel"
        )
    panel = layout.overlay.of(frame)
    if layout.grey is None:
        if opacity is None:
            raise InputError(
                f"{name}: shows no grey panel of the overlay's size, from which its opacity could be estimated; pass "
                "--opacity, or --b-mode TOP BOTTOM LEFT RIGHT"
            )
        return _from_tint(panel, *_coloured(panel, name), colours, opacity)
    mixed, tinted = _coloured(panel, name)
    b_mode = layout.grey.of(frame).mean(-1)
    grey = _despeckled(b_mode)
    if opacity is None:
        opacity = estimate_opacity(mixed[tinted], grey[tinted], colours)
    pure = (mixed[tinted] - (1 - opacity) * grey[tinted][:, None]) / opacity
    return Elastogram(b_mode, *_placed(tinted, *colours.values(pure)), opacity)


def _coloured(panel: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The panel without speckle, and where it is coloured, bool ``(H, W)``."""
    mixed = _despeckled(panel)
    tinted = chroma(mixed) > TINTED
    if tinted.mean() < LEAST_TINTED:
        raise InputError(f"{name}: the overlay's panel has no colours; pass --overlay TOP BOTTOM LEFT RIGHT")
    return mixed, tinted


def _despeckled(image: np.ndarray) -> np.ndarray:
    """The median commutes with the overlay where the value is even, and takes speckle, JPEG's noise and marks away."""
    levels = Image.fromarray((image.clip(0, 1) * 255).round().astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.MedianFilter(DESPECKLE)), np.float32) / 255


def _placed(tinted: np.ndarray, found: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity on the panel."""
    values, valid = np.zeros(tinted.shape, np.float32), np.zeros(tinted.shape, bool)
    values[tinted], valid[tinted] = found, distance < FAR
    return values, binary_opening(valid, np.ones((3, 3)))


def _from_tint(
    panel: np.ndarray, mixed: np.ndarray, tinted: np.ndarray, colours: ColourBar, opacity: float
) -> Elastogram:
    """Without a grey panel: the value from the colour's deviation from grey, and then the grey that is left."""
    values, valid = _placed(tinted, *colours.values_of_tint(mixed[tinted] / opacity))
    shown = colours.colour_of(values)
    grey = np.where(tinted, ((panel - opacity * shown) / (1 - opacity)).mean(-1), panel.mean(-1))
    return Elastogram(grey.clip(0, 1), values, valid, opacity)


def estimate_opacity(mixed: np.ndarray, grey: np.ndarray, colours: ColourBar) -> float:
    """The a for which a M(v) + (1 - a) G comes nearest to the colours ``(N, 3)`` over greys ``(N,)``."""
    chosen = np.linspace(0, len(mixed) - 1, min(SAMPLE, len(mixed))).round().astype(int)
    mixed, grey, bar = mixed[chosen], grey[chosen], colours.colours[::4]

    def error(a: float) -> float:
        wanted = mixed - (1 - a) * grey[:, None]
        return float(np.median(cdist(wanted, a * bar).min(1)))

    coarse = min(np.arange(0.06, 1.001, 0.04), key=error)
    return float(min(np.clip(coarse + np.arange(-0.04, 0.041, 0.005), 0.02, 1.0), key=error))
