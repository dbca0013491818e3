"""Watch: what goes wrong in the training of a GAN, seen over an epoch, and said once until it is gone."""

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from datamodules.batch import GREY, Task
from zoo.metrics.texture import correlation

NEGATIVE = -0.2  # correlation of inputs and translations, over a whole epoch; on phantoms, targets have 0.3 to 0.96
IDLE = 0.05  # of the mean distance of inputs and targets: less than a trained network misses an identity by
WON = 0.05  # of a coin's loss: nearly every score is then near its label, and hardly a gradient comes back


def alike(task: Task) -> bool:
    """Whether both sides are grey pictures, so that a translation is like what it is of; an elastogram is not."""
    return task.source.unit == task.target.unit == GREY.unit


class Watch:
    """Collects means on the device, without waiting for it, and looks at them at the end of an epoch.

    Nothing of it is in a checkpoint, and no random number is drawn. A fault is warned of when it is first seen, and
    again only if it was gone for an epoch. Of several processes, each sees its own share of the images, and that of
    rank zero is what is said.
    """

    def __init__(self) -> None:
        self.standing: set[str] = set()  # what was found in the last epoch
        self.start()

    def start(self) -> None:
        """A new epoch."""
        self._sums: dict[str, Tensor] = {}
        self._steps: dict[str, int] = {}

    def discriminator(self, name: str, loss: Tensor, chance: float) -> None:
        """A batch's loss of the discriminator ``name``; a coin's would be ``chance``."""
        self._add(f"won {name}", loss.detach().float().reshape(1) / chance)

    @torch.no_grad()
    def translation(self, generator: str, given: Tensor, made: Tensor, wanted: Tensor) -> None:
        """A batch of what a generator was given, made of it, and should have made (or anything of that domain, where
        there are no pairs); all ``(B, C, H, W)`` in [-1, 1], of one kind."""
        given, made, wanted = (image.float() for image in (given, made, wanted))
        moved, apart = (made - given).abs().mean(), (wanted - given).abs().mean()
        likeness = (correlation(given, image).mean() for image in (made, wanted))
        seen = torch.stack([*likeness, moved, apart])
        self._add(f"made {generator}", seen)

    def finish(self, epoch: int) -> None:
        """Warn of what was found."""
        means = {key: (total / self._steps[key]).tolist() for key, total in self._sums.items()}
        made = {key.removeprefix("made "): mean for key, mean in means.items() if key.startswith("made ")}
        found = _negatives(made) | _idle(made)
        found |= _winners({key.removeprefix("won "): mean[0] for key, mean in means.items() if key.startswith("won ")})
        for fault in found.keys() - self.standing:
            rank_zero_warn(f"epoch {epoch}: {found[fault]}")
        self.standing = set(found)
        self.start()

    def _add(self, key: str, values: Tensor) -> None:
        self._sums[key] = self._sums[key] + values if key in self._sums else values
        self._steps[key] = self._steps.get(key, 0) + 1


def _negatives(made: dict[str, list[float]]) -> dict[str, str]:
    """Anti-correlated with what was given, and clearly more so than what was wanted."""
    return {
        f"negative {generator}": (
            f"{generator} makes negatives: its images correlate with what it was given by {own:.2f} (the other side's "
            f"do by {wanted:.2f}); if that stays so, raise the weight of the identity term (of pixels, where there are "
            "pairs), or take another seed"
        )
        for generator, (own, wanted, *_) in made.items()
        if own < min(0.0, wanted) + NEGATIVE
    }


def _idle(made: dict[str, list[float]]) -> dict[str, str]:
    """No generator changes anything."""
    changes = [moved / apart if apart else float("nan") for _, _, moved, apart in made.values()]
    if not changes or not all(change < IDLE for change in changes):
        return {}
    return {
        "idle": f"nothing is translated: {' and '.join(made)} change images by {max(changes):.1%} of the distance of "
        "the two sides; lower the weights of identity and cycle or raise the adversarial one's, or look whether "
        "sources and targets differ"
    }


def _winners(parts: dict[str, float]) -> dict[str, str]:
    return {
        f"won {name}": f"discriminator '{name}' has won: its loss is {part:.1%} of a coin's, so that the generator "
        "learns little from it; lower its learning rate or the weight of the other terms, smooth its labels, or "
        "normalise it spectrally"
        for name, part in parts.items()
        if part < WON
    }
