"""FDA, Fourier domain adaptation (Yang and Soatto, CVPR 2020): a harmonizer without training."""

import hashlib
from typing import Any, Literal

import torch
from torch import Tensor

from datamodules.batch import Batch, TranslationData
from datamodules.errors import InputError
from zoo.choices import check_choices
from zoo.output import Output
from zoo.translator import Translator

MOST = 256  # target images that are kept to choose from


class FDA(Translator):
    """The low frequencies of a source's amplitude are exchanged for those of a target; its phase stays.

    Eq. 3: x' = F^-1([M_b F_A(y) + (1 - M_b) F_A(x), F_P(x)]), M_b a centred window of 2 b + 1 frequencies a side,
    b = floor(beta min(H, W)). Images are taken in [0, 1] and clipped to it.

    The authors' code has this symmetric window in NumPy and one from -b to b - 1 in torch; that one is not
    conjugate-symmetric, and its result not real.

    Args:
        beta: half the window's side as a part of the image's; 0 exchanges the mean alone.
        reference: each source gets a training target of its own (``random``, by the image's id), or all get the
            ``mean`` amplitude of the training targets.
        seed: of that choice.
        kwargs: see :class:`zoo.method.Method`.
    """

    amplitudes: Tensor
    needs_pairs = False
    trainable = False

    def __init__(
        self, beta: float = 0.01, reference: Literal["random", "mean"] = "random", seed: int = 0, **kwargs: Any
    ) -> None:
        check_choices(FDA, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if not 0 <= beta < 0.5:
            raise InputError(f"beta {beta}: the window's half side is a part of the image's, from 0 to below 0.5")
        self.beta, self.reference, self.seed = beta, reference, seed
        self.register_buffer("amplitudes", torch.empty(0), persistent=False)

    def prepare_data(self) -> None:
        if self.trainer.training:
            raise InputError("FDA has nothing to train; use 'test' or 'predict', without a checkpoint")

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if not len(self.amplitudes):
            self.learn(self.needed_data())

    def learn(self, data: TranslationData) -> None:
        """Keep the amplitudes of the training targets."""
        amplitudes = torch.stack([torch.fft.fft2((target + 1) / 2).abs() for target in data.targets("train", MOST)])
        self.amplitudes = amplitudes.mean(0, keepdim=True) if self.reference == "mean" else amplitudes

    def infer(self, batch: Batch) -> Output:
        chosen = [self._choose(image_id) for image_id in batch["id"]]
        return Output(translation=self(batch["source"], self.amplitudes[chosen]))

    def _choose(self, image_id: str) -> int:
        """A target for an image, whatever batch it is in."""
        digest = hashlib.sha256(f"{self.seed} {image_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % len(self.amplitudes)

    def forward(self, source: Tensor, amplitude: Tensor | None = None) -> Tensor:
        amplitude = self.amplitudes.mean(0, keepdim=True) if amplitude is None else amplitude
        image = exchange_low_frequencies((source.float() + 1) / 2, amplitude, self.beta)
        return 2 * image - 1

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        raise TypeError("FDA is not trained")

    def configure_optimizers(self) -> None:
        """Nothing; that it exists lets `fit` come as far as the message of prepare_data."""


def exchange_low_frequencies(image: Tensor, amplitude: Tensor, beta: float) -> Tensor:
    """Eq. 3 for images ``(B, C, H, W)`` in [0, 1] and target amplitudes of their size, DC at the corner."""
    rows, columns = image.shape[-2:]
    reach = int(beta * min(rows, columns))
    near = [torch.fft.fftfreq(side, 1 / side, device=image.device).abs() <= reach for side in (rows, columns)]
    window = near[0][:, None] & near[1][None]
    spectrum = torch.fft.fft2(image)
    exchanged = torch.where(window, amplitude.to(image), spectrum.abs())
    return torch.fft.ifft2(torch.polar(exchanged, spectrum.angle())).real.clamp(0, 1)
