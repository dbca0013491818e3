"""ConditionalGAN: what Pix2Pix and its kin share: an image judged beside its source, and L1."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from zoo.adversarial import AdversarialTranslator, with_total
from zoo.optimization import MATCHED, constant_then_linear, cosine

Preset = Literal["native", "matched"]


class ConditionalGAN(AdversarialTranslator):
    """Generator G against a discriminator D that sees source x and target y together, with the terms of Pix2Pix
    (Isola et al., CVPR 2017).

    Eq. 1: L_cGAN(G, D) = E[log D(x, y)] + E[log(1 - D(x, G(x)))], or another objective in its place
    Eq. 3: L_L1(G) = E[|y - G(x)|]
    Eq. 4: G* = arg min_G max_D L_cGAN + lambda L_L1, where G maximises log D(x, G(x)) instead, and D's loss is halved.

    A method sets ``generator``, ``discriminator`` and ``adversarial``, and may add to the generator's :meth:`terms`.

    Args:
        preset: ``native`` is the method's own training: Adam at :attr:`rates` and :attr:`betas`, the rate constant and
            then linear to 0. ``matched`` trains as configs/hsct.yaml trains HSC-T, for its tables: Adam 3e-4
            (0.5, 0.999), gradients of each side clipped to 1, cosine to 1e-6.
        lr: initial learning rate of the generator; by default the preset's. The discriminator's is in proportion.
        lambda_l1: weight of the L1 term.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        kwargs: see :class:`zoo.method.Method`.
    """

    rates = {"generator": 2e-4, "discriminator": 2e-4}  # of the native preset
    betas = (0.5, 0.999)

    generator: nn.Module
    discriminator: nn.Module

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if preset == "matched" and self.gradient_clip_val is None:
            self.gradient_clip_val = MATCHED.clipping
        self.preset, self.lr, self.lambda_l1 = preset, lr, lambda_l1
        self.constant_epochs, self.decay_epochs = constant_epochs, decay_epochs

    def forward(self, source: Tensor) -> Tensor:
        return self.generator(source)

    def generate(self, batch: Batch) -> Tensor:
        return self.generator(batch["source"])

    def score(self, source: Tensor, image: Tensor) -> Tensor:
        """D's scores of the patches of an image beside its source."""
        return self.discriminator(torch.cat([source, image], dim=1))

    def discriminator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        real = self.score(batch["source"], batch["target"])
        fake = self.score(batch["source"], made.detach())
        adversarial = self.adversarial.discriminator(real, fake)  # eq. 1, D's side
        return {"adversarial": adversarial, "total": 0.5 * adversarial}

    def generator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        return with_total(self.terms(batch, made), self.weights)  # eq. 4

    @property
    def weights(self) -> dict[str, float]:
        """Of the generator's terms."""
        return {"adversarial": 1.0, "l1": self.lambda_l1}

    def terms(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        """The generator's terms by name, unweighted."""
        return {
            "adversarial": self.adversarial.generator(self.score(batch["source"], made)),  # eq. 1, G's side
            "l1": (batch["target"] - made).abs().mean(),  # eq. 3
        }

    def sides(self) -> dict[str, list[nn.Parameter]]:
        return {"discriminator": [*self.discriminator.parameters()], "generator": [*self.generator.parameters()]}

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        if self.preset == "matched":
            return MATCHED.changed(lr=self.lr).optimizer(parameters, self.fused)
        rate = self.rates[side] if self.lr is None else self.lr * (self.rates[side] / self.rates["generator"])
        return Adam(parameters, rate, self.betas, fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self.preset == "matched":
            return cosine(optimizer, self.constant_epochs + self.decay_epochs)
        return constant_then_linear(optimizer, self.constant_epochs, self.decay_epochs)
