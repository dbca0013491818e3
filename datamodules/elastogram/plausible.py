"""What was read but cannot be meant: colours of another bar, a map at one end of it, a Doppler's few spots."""

import numpy as np

from datamodules.elastogram.box import Box
from datamodules.elastogram.colour_bar import ColourBar
from datamodules.elastogram.overlay import FAR, Elastogram
from datamodules.errors import InputError

LEAST_VALID = 0.5  # of what is coloured
MOST_FAR = 0.5  # of what is coloured may have colours that are not the bar's
OFF = (5.0, 10.0)  # in Lab; median and upper quartile of the distance from its own bar are smaller, also in JPEG
END = 0.02  # of the bar
PILED = 0.5  # of the values may lie in an end of the bar
BLACK = 0.15  # of full scale, the low end of a power Doppler's bar
SPARSE = 0.35  # of the box about what is coloured; vessels fill less


def check_plausible(found: Elastogram, colours: ColourBar, name: str) -> None:
    """Raise for an elastogram that nobody can have meant.

    Raises:
        InputError: what is odd about it, and what to correct.
    """
    shown, off = found.shown, found.off[found.shown]
    if colours.colours[:4].max() < BLACK and shown.sum() < SPARSE * _about(shown).area:
        raise InputError(
            f"{name}: a Doppler picture, its colours fill {shown.sum() / _about(shown).area:.0%} of their box and its "
            "bar begins at black; leave it out"
        )
    known = off[np.isfinite(off)]
    far = (known > FAR).sum() / len(off)
    middle, upper = np.percentile(known, (50, 75)) if len(known) else (0.0, 0.0)
    if far > MOST_FAR or middle > OFF[0] or upper > OFF[1]:
        raise InputError(
            f"{name}: the colours are not the bar's, {middle:.0f} off in Lab at the median; correct --bar, "
            "--colour-map or --opacity, or the boxes"
        )
    valid = found.valid.sum() / shown.sum()
    if valid < LEAST_VALID:
        raise InputError(
            f"{name}: only {valid:.0%} of the coloured region is valid; correct --opacity, --bar, --overlay or --b-mode"
        )
    for end, values in (("low", found.values), ("high", 1 - found.values)):
        piled = (values[found.valid] < END).mean()
        if piled > PILED:
            raise InputError(
                f"{name}: {piled:.0%} of the values are piled at the {end} end of the bar; correct --bar, --overlay or "
                "--b-mode, or leave the picture out"
            )


def _about(mask: np.ndarray) -> Box:
    rows, columns = (np.nonzero(mask.any(axis))[0] for axis in (1, 0))
    return Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
