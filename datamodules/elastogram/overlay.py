"""Undo a scanner's overlay: coloured values over B-mode back to values with a validity mask, and the B-mode."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, binary_opening
from scipy.spatial.distance import cdist

from datamodules.elastogram.colour_bar import ColourBar, chroma
from datamodules.elastogram.layout import LEAST_TINTED, TINTED, Layout, despeckled
from datamodules.errors import InputError
from datamodules.grid import Grid

FAR = 25.0  # in Lab; a colour that is farther from the bar's is text or a mark
ADDED = 0.06  # difference from the B-mode beside it from which on a pixel is covered, by whatever colour
COVERS = 0.98  # opacity from which on nothing of the B-mode can be seen
THIN = 9  # pixels, side of the median that has no lines left
MARK = 0.25  # of full scale, by which a line differs from what is about it
SAMPLE = 1500  # pixels from which the opacity is estimated


@dataclass(frozen=True)
class Elastogram:
    """``b_mode`` ``(H, W)`` in [0, 1]; ``values`` ``(H, W)`` as parts of the bar, 0 its low end; ``valid`` bool
    ``(H, W)``, false where nothing is coloured, where lines or words are drawn, or where a colour is not on the bar or
    stands for two values. ``shown`` bool ``(H, W)``, where the scanner shows any, and ``off`` ``(H, W)``, how far in
    Lab its colours are from the bar's, infinite where they stand for two values."""

    b_mode: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    shown: np.ndarray
    off: np.ndarray
    opacity: float

    def on_grid(self, grid: Grid, spacing: tuple[float, float] | None) -> "Elastogram":
        """Resampled; a value is the mean over what is valid, which is most of its pixel."""
        weight = grid.resample(self.valid[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        weighted = grid.resample((self.values * self.valid)[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        valid = weight > 0.5
        values = np.where(valid, weighted / np.where(valid, weight, 1), 0.0)
        b_mode = grid.resample(self.b_mode[..., None].astype(np.float32), spacing, 0.0)[..., 0]
        shown = grid.resample(self.shown[..., None].astype(np.float32), spacing, 0.0, nearest=True)[..., 0] > 0.5
        off = grid.resample(self.off[..., None], spacing, np.inf, nearest=True)[..., 0]
        return Elastogram(b_mode, values.astype(np.float32), valid, shown, off, self.opacity)


def read_elastogram(
    frame: np.ndarray, layout: Layout, colours: ColourBar, name: str, opacity: float | None = None
) -> Elastogram:
    """Undo overlay and colour map: what is shown is C = a M(v) + (1 - a) G, M the bar's colour of a value v, G the
    B-mode's grey, a the opacity.

    Args:
        frame: ``(H, W, 3)`` in [0, 1].
        opacity: a; by default estimated, which needs the grey panel.

    Raises:
        InputError: an opacity that is none, or hides a B-mode that is shown nowhere else; none where it cannot be
            estimated; or nothing that is coloured.
    """
    if opacity is not None:
        check_opacity(opacity, f"{name}: ")
    panel = layout.overlay.of(frame)
    if layout.grey is None:
        return _from_tint(panel, colours, name, opacity)
    return _with_grey(panel, layout.grey.of(frame), colours, name, opacity)


def check_opacity(opacity: float, where: str = "") -> None:
    """Raise InputError for what is no opacity of an overlay that can be seen."""
    if not 0 < opacity <= 1:
        raise InputError(
            f"{where}opacity {opacity:g}: an overlay of 0 is invisible, one of 1 covers the B-mode; pass a number "
            "between or 1, or leave it out to have it estimated from the grey panel"
        )


def _with_grey(panel: np.ndarray, twin: np.ndarray, colours: ColourBar, name: str, opacity: float | None) -> Elastogram:
    """With the same tissue beside it: its grey, and a scanner's slight cast of it, are taken out of the overlay."""
    mixed, beneath = despeckled(panel), despeckled(twin)
    added = mixed - beneath
    tinted = chroma(added) > TINTED
    _check_coloured(tinted, name)
    if colours.through_grey:
        tinted |= binary_opening(np.abs(added).max(-1) > ADDED, np.ones((3, 3)))
    if opacity is None:
        opacity = estimate_opacity(mixed[tinted], beneath.mean(-1)[tinted], colours)
    found, distance = colours.values((mixed[tinted] - (1 - opacity) * beneath[tinted]) / opacity)
    marked = marks(panel - (1 - opacity) * twin) | _coloured_marks(twin)
    return Elastogram(twin.mean(-1), *_placed(tinted, found, distance, marked), opacity)


def _from_tint(panel: np.ndarray, colours: ColourBar, name: str, opacity: float | None) -> Elastogram:
    """Without a grey panel: the value from the colour's deviation from grey, and then the grey that is left."""
    if opacity is None or opacity > COVERS:
        raise InputError(
            f"{name}: shows no grey panel of the overlay's size, from which its opacity could be estimated; pass "
            "--opacity, or --b-mode TOP BOTTOM LEFT RIGHT"
            if opacity is None
            else f"{name}: an overlay of opacity {opacity:g} hides the B-mode, and no grey panel was found; pass "
            "--b-mode TOP BOTTOM LEFT RIGHT, or --b-mode-files DIR"
        )
    mixed = despeckled(panel)
    tinted = chroma(mixed) > TINTED
    _check_coloured(tinted, name)
    marked = marks(panel - panel.mean(-1, keepdims=True))
    found, distance = colours.values_of_tint(mixed[tinted] / opacity)
    values, valid, shown, off = _placed(tinted, found, distance, marked)
    grey = np.where(tinted, ((panel - opacity * colours.colour_of(values)) / (1 - opacity)).mean(-1), panel.mean(-1))
    return Elastogram(grey.clip(0, 1), values, valid, shown, off, opacity)


def _check_coloured(tinted: np.ndarray, name: str) -> None:
    if tinted.mean() < LEAST_TINTED:
        raise InputError(f"{name}: the overlay's panel has no colours; pass --overlay TOP BOTTOM LEFT RIGHT")


def marks(colours: np.ndarray) -> np.ndarray:
    """Bool ``(H, W)``, the thin lines of ``(H, W, 3)``: boxes, circles, rulers, words, which no map has."""
    smooth = despeckled(colours / 2 + 0.5, THIN) * 2 - 1
    return binary_dilation(np.abs(colours - smooth).max(-1) > MARK)


def _coloured_marks(twin: np.ndarray) -> np.ndarray:
    """What is drawn in colour over the grey panel, as the scanner does in both."""
    colour = chroma(twin)
    return binary_dilation(colour > 2 * TINTED + np.median(colour), iterations=2)


def _placed(
    tinted: np.ndarray, found: np.ndarray, distance: np.ndarray, marked: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values, validity, where the scanner shows any, and how far their colours are from the bar's, on the panel."""
    values, off = np.zeros(tinted.shape, np.float32), np.full(tinted.shape, np.inf, np.float32)
    values[tinted], off[tinted] = found, distance
    return values, binary_opening((off < FAR) & ~marked, np.ones((3, 3))), tinted, off


def estimate_opacity(mixed: np.ndarray, grey: np.ndarray, colours: ColourBar) -> float:
    """The a for which a M(v) + (1 - a) G comes nearest to the colours ``(N, 3)`` over greys ``(N,)``."""
    chosen = np.linspace(0, len(mixed) - 1, min(SAMPLE, len(mixed))).round().astype(int)
    mixed, grey, bar = mixed[chosen], grey[chosen], colours.colours[::4]

    def error(a: float) -> float:
        wanted = mixed - (1 - a) * grey[:, None]
        return float(np.median(cdist(wanted, a * bar).min(1)))

    coarse = min(np.arange(0.06, 1.001, 0.04), key=error)
    return float(min(np.clip(coarse + np.arange(-0.04, 0.041, 0.005), 0.02, 1.0), key=error))
