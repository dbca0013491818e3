"""SAGAN: self-attention generative adversarial networks (Zhang et al., ICML 2019), as a translator."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.average import Average
from zoo.choices import check_choices
from zoo.conditional import ConditionalGAN, Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.networks import initialisation, spectral
from zoo.networks.patchgan import PatchGAN
from zoo.networks.unet import UNet


class SAGAN(ConditionalGAN):
    """U-Net generator G against a PatchGAN D that sees source x and target y together, both with self-attention and
    spectral normalisation.

    Eq. 1 to 3: self-attention, see :class:`zoo.networks.self_attention.SelfAttention`
    Eq. 4: L_D = -E[min(0, -1 + D(x, y))] - E[min(0, -1 - D(x, G(x)))], L_G = -E[D(x, G(x))]; G also has lambda L_L1

    The paper makes images of 128 pixels of noise and a class; how it would translate is not in it. Kept here are its
    optimizers and its three parts: self-attention, spectral normalisation of both networks, and the hinge loss with the
    faster discriminator. G and D are those of Pix2Pix, with the attention where the paper found it best: on maps of 32
    and 64 pixels a side, in G's decoder, and of 32 in D. L1 is added, with Pix2Pix's weight, for a fair comparison on
    pairs; ``lambda_l1: 0`` is without. G keeps its batch norm and has no dropout. Its moving average is not in the
    paper but in the authors' code. Batches of 8 and 200 epochs at a constant rate were decided here.

    A network under spectral normalisation runs in fp32 whatever the precision of the training: the power iteration
    needs it.

    Args:
        preset: ``native`` trains as the paper does: Adam (0, 0.9), a constant rate of 1e-4 for G and 4e-4 for D;
            ``matched`` as configs/hsct.yaml trains HSC-T.
        lr: initial learning rate of G; by default the preset's. D's is in proportion.
        lambda_l1: weight of the L1 term.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        depth: levels of the U-Net; 8 for 256 x 256.
        width: channels of the first level of the U-Net and of the discriminator.
        attention_levels: where G attends, as the number of halvings of the image's size: of 256 pixels 2 and 3 are 64
            and 32.
        sn: which networks are spectrally normalised: ``both``, ``d`` alone as before this paper, or ``none``.
        ema: decay of the moving average of G, which validation, test and prediction use; 0 for none. After n steps it
            still holds ``ema ** n`` of the first weights: take less than 0.999 for trainings of few thousand steps.
        kwargs: see :class:`zoo.method.Method`.
    """

    rates = {"generator": 1e-4, "discriminator": 4e-4}
    betas = (0.0, 0.9)

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        constant_epochs: int = 200,
        decay_epochs: int = 0,
        depth: int = 8,
        width: int = 64,
        attention_levels: tuple[int, ...] = (2, 3),
        sn: Literal["both", "d", "none"] = "both",
        ema: float = 0.999,
        **kwargs: Any,
    ) -> None:
        check_choices(SAGAN, locals())
        _check(depth, attention_levels, ema)
        super().__init__(preset, lr, lambda_l1, constant_epochs, decay_epochs, **kwargs)
        self.save_hyperparameters()
        self.generator = UNet(self.in_channels, self.out_channels, depth, width, 0.0, attention_levels)
        self.discriminator = PatchGAN(self.in_channels + self.out_channels, width, "none", attention=True)
        self.adversarial = AdversarialLoss("hinge")
        initialisation.normal(self)
        self.normalised = {"generator": sn == "both", "discriminator": sn != "none"}
        for side, normalised in self.normalised.items():
            if normalised:
                spectral.normalise(getattr(self, side))
        self.average = Average(self.generator, ema) if ema else None

    def forward(self, source: Tensor) -> Tensor:
        network = self.generator if self.average is None or self.training else self.average
        return self._run("generator", network, source)

    def generate(self, batch: Batch) -> Tensor:
        return self._run("generator", self.generator, batch["source"])

    def score(self, source: Tensor, image: Tensor) -> Tensor:
        return self._run("discriminator", self.discriminator, torch.cat([source, image], dim=1))

    def _run(self, side: str, network: nn.Module, image: Tensor) -> Tensor:
        if not self.normalised[side]:
            return network(image)
        with torch.autocast(image.device.type, enabled=False):
            return network(image.float())

    def discriminator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        losses = super().discriminator_losses(batch, made)
        return losses | {"total": losses["adversarial"]}  # eq. 4 has no half

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        super().training_step(batch, batch_idx)
        if self.average is not None:
            self.average.update(self.generator)


def _check(depth: int, attention_levels: tuple[int, ...], ema: float) -> None:
    """Raises InputError where there is no such average, or no such level."""
    if not 0 <= ema < 1:
        raise InputError(f"ema {ema:g}: a moving average has a decay from 0 (none) to below 1, as 0.999; correct it")
    for level in attention_levels:
        if not 1 <= level < depth:
            raise InputError(
                f"attention_levels {level}: a U-Net of depth {depth} has maps to attend on at 1 to {depth - 1} "
                "halvings of the image; choose some of these, or raise depth"
            )
