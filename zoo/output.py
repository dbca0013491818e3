"""Output: what a method makes of a batch, by name."""

from typing import TypedDict

from torch import Tensor


class Output(TypedDict, total=False):
    """What validation, test and prediction give for a batch; a method gives what it has.

    ``translation`` is ``(B, C, H, W)`` in [-1, 1]; ``confidence`` is ``(B, 1, H, W)`` in [0, 1], where the translation
    may be trusted; ``spread`` is ``(B, 1, H, W)``, the standard deviation of samples of a translation whose mean it is
    (over channels, the root of the mean square), in the numbers of the translation; ``logits`` are ``(B, 2)``, of
    benign and malignant. ``source_again``, F(G(x)), and ``target_again``, G(F(y)), are what cycles bring back of
    sources x and targets y, likewise in [-1, 1].
    """

    translation: Tensor
    confidence: Tensor
    spread: Tensor
    logits: Tensor
    source_again: Tensor
    target_again: Tensor


def malignancy(logits: Tensor) -> list[float]:
    """The probability of malignancy of every image."""
    return logits.float().softmax(1)[:, 1].tolist()
