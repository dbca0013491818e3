"""UnpairedCriterion: when to stop a CycleGAN, and which checkpoint to keep, without any pairs."""

from typing import Any

import torch
from torch import Tensor

from zoo.metrics.perceptual import FrechetVGG, frechet
from zoo.metrics.texture import correlation, texture

FLOOR = 1e-3  # spread of a feature that all images (nearly) share
NOTHING = 1e-9  # a distance of sets that are the same but for rounding
Row = dict[str, Any]


class UnpairedCriterion:
    """What validation images say of generators G (sources x to targets y) and F (back) where no x belongs to a y.

    Eq. 1: cycle = (mean |x - F(G(x))| + mean |y - G(F(y))|) / 2, of images in [0, 1]
    Eq. 2: cycle_0, the same with the mean image of the x in place of F(G(x)), and that of the y in place of G(F(y))
    Eq. 3: structure = mean (1 - r(x, G(x))), r Pearson's correlation of an image's pixels
    Eq. 4: unpaired = Frechet(G(x), y) / Frechet(x, y) + cycle / cycle_0 + structure

    The identity has 1 (its cycle and its structure are perfect, and it is as far from the targets as the sources are);
    what makes images that are spread as the targets are, each of the same patient still, and finds its way back, about
    0; what makes one image of all, at least 1. It may exceed 1 by far. The distance of sets does not see whose image
    it is, and at the cycles two negatives are as good as two positives: F turns back what G has turned over. Eq. 3
    sees both, and asks little of a right translation: on phantoms, what the simulator makes of a source has less than
    0.15 and its negative more than 1.85 (``tests/test_unpaired.py``).

    So a negative is never below the identity, and none of the others is below a right translation; but the image of
    another patient, or a mirror image, may be below the identity where all else is right. Small structures that are
    made up, or left out and found again on the way back, are not seen: pairs alone tell. Where the sides are not
    ``alike``, grey pictures both, a right translation need not be like its source, and eq. 3 is left out: negatives are
    not seen there either.

    The distance is that of :class:`zoo.metrics.perceptual.FrechetVGG`, if one is given, else ``Frechet texture``: the
    same formula on :func:`zoo.metrics.texture.texture`, each feature in standard deviations over sources and targets
    together (a few targets may share one by chance). Both grow with few images, in numerator and denominator alike. Of
    fewer than two images, or of sources that are the targets, there is none, and the criterion is NaN. Of several
    processes, each takes the mean images of its own share.

    A one-sided method has no F; eq. 4 is then without its cycles. The identity still has 1, but one image made of all
    is told by eq. 3 alone, and what has been left out of a translation need not be found again.
    """

    def __init__(self, vgg: FrechetVGG | None = None, alike: bool = True) -> None:
        self.vgg, self.name = vgg, FrechetVGG.name if vgg is not None else "Frechet texture"
        self.alike = alike
        self.start()

    def names(self, cycles: bool = True) -> tuple[str, ...]:
        """Of :meth:`scores`, with a way back or without; the lower, the better."""
        return (*(["cycle"] if cycles else []), self.name, *(["structure"] if self.alike else []), "unpaired")

    def start(self) -> None:
        self._rows: list[Row] = []
        self._sources: list[Tensor] = []
        self._targets: list[Tensor] = []

    @torch.no_grad()
    def update(
        self,
        ids: list[str],
        source: Tensor,
        target: Tensor,
        made: Tensor,
        source_again: Tensor | None = None,
        target_again: Tensor | None = None,
    ) -> None:
        """A batch of x, y, G(x) and, if there is a way back, F(G(x)) and G(F(y)), all ``(B, C, H, W)`` in [0, 1]."""
        of_images = dict(zip(("x", "y", "made"), map(self._features, (source, target, made)), strict=True))
        of_images["structure"] = 1 - correlation(source, made) if self.alike else torch.zeros(len(source))
        if source_again is not None and target_again is not None:
            of_images["cycle_x"] = (source - source_again).abs().mean((1, 2, 3))
            of_images["cycle_y"] = (target - target_again).abs().mean((1, 2, 3))
            self._sources.append(source.half().cpu())
            self._targets.append(target.half().cpu())
        for of_image in zip(ids, *(values.cpu() for values in of_images.values()), strict=True):
            self._rows.append(dict(zip(("id", *of_images), of_image, strict=True)))

    def rows(self) -> list[Row]:
        """What this process has seen, an image each, to be gathered from all of them."""
        if self._sources:
            deviations = zip(_from_mean(self._sources), _from_mean(self._targets), strict=True)
            for row, (of_x, of_y) in zip(self._rows, deviations, strict=True):
                row["mean_x"], row["mean_y"] = of_x, of_y
        return self._rows

    def scores(self, rows: list[Row]) -> dict[str, float]:
        """``cycle`` (eq. 1), the distance of translations and targets by its name, ``structure`` (eq. 3) and
        ``unpaired`` (eq. 4); the first where there is a way back."""
        column = {name: torch.stack([row[name] for row in rows]).double() for name in rows[0] if name != "id"}
        x, y, made = column["x"], column["y"], column["made"]
        if self.vgg is None:
            spread = torch.cat([x, y]).std(0, correction=0).clamp_min(FLOOR)
            x, y, made = x / spread, y / spread, made / spread
        reached, apart = float(frechet(made, y)), float(frechet(x, y))
        cycles = "cycle_x" in column
        cycle = float(column["cycle_x"].mean() + column["cycle_y"].mean()) / 2 if cycles else 0.0
        of_mean = float(column["mean_x"].mean() + column["mean_y"].mean()) / 2 if cycles else 1.0
        defined = apart > NOTHING and of_mean > 0  # NaN is above nothing
        structure = float(column["structure"].mean())
        unpaired = reached / apart + cycle / of_mean + structure if defined else float("nan")
        found = {"cycle": cycle, self.name: reached, "structure": structure, "unpaired": unpaired}
        return {name: found[name] for name in self.names(cycles)}

    def _features(self, images: Tensor) -> Tensor:
        if self.vgg is None:
            return texture(images)
        return self.vgg.to(images.device).features(images.expand(-1, 3, -1, -1))


def _from_mean(batches: list[Tensor]) -> Tensor:
    """How far each image is from the mean one, ``(N,)``."""
    images = torch.cat(batches).float()
    return (images - images.mean(0)).abs().mean((1, 2, 3))
