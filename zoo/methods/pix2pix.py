"""Pix2Pix: image-to-image translation with conditional adversarial networks (Isola et al., CVPR 2017)."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from zoo.adversarial import AdversarialTranslator
from zoo.choices import check_choices
from zoo.losses.adversarial import AdversarialLoss
from zoo.networks import initialisation
from zoo.networks.patchgan import PatchGAN
from zoo.networks.unet import UNet
from zoo.optimization import MATCHED, constant_then_linear, cosine


class Pix2Pix(AdversarialTranslator):
    """U-Net generator G against a PatchGAN D that sees source x and target y together.

    Eq. 1: L_cGAN(G, D) = E[log D(x, y)] + E[log(1 - D(x, G(x)))]
    Eq. 3: L_L1(G) = E[|y - G(x)|]
    Eq. 4: G* = arg min_G max_D L_cGAN + lambda L_L1, where G maximises log D(x, G(x)) instead, and D's loss is halved.

    Args:
        preset: ``native`` trains as the paper prints: Adam 2e-4 (0.5, 0.999), the rate constant and then linear to 0.
            ``matched`` trains as configs/hsct.yaml trains HSC-T, for its tables: RMSProp 1e-4 with momentum 0.9 and
            weight decay 1e-5, gradients of each side clipped to 1, cosine to 1e-6.
        lr: initial learning rate; by default the preset's.
        lambda_l1: weight of the L1 term.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        depth: levels of the U-Net; 8 for 256 x 256.
        width: channels of the first level of the U-Net and the discriminator.
        dropout: of the generator.
        test_time_noise: keep dropout and batch statistics at test time, as the paper does. Results are then random.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        preset: Literal["native", "matched"] = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        depth: int = 8,
        width: int = 64,
        dropout: float = 0.5,
        test_time_noise: bool = False,
        **kwargs: Any,
    ) -> None:
        check_choices(Pix2Pix, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if preset == "matched" and self.gradient_clip_val is None:
            self.gradient_clip_val = MATCHED.clipping
        self.preset, self.lr = preset, lr
        self.lambda_l1, self.test_time_noise = lambda_l1, test_time_noise
        self.constant_epochs, self.decay_epochs = constant_epochs, decay_epochs
        self.generator = UNet(self.in_channels, self.out_channels, depth, width, dropout)
        self.discriminator = PatchGAN(self.in_channels + self.out_channels, width)
        self.adversarial = AdversarialLoss("vanilla")
        initialisation.normal(self)

    def forward(self, source: Tensor) -> Tensor:
        return self.generator(source)

    def generate(self, batch: Batch) -> Tensor:
        return self.generator(batch["source"])

    def discriminator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        real = self.discriminator(torch.cat([batch["source"], batch["target"]], dim=1))
        fake = self.discriminator(torch.cat([batch["source"], made.detach()], dim=1))
        adversarial = self.adversarial.discriminator(real, fake)  # eq. 1, D's side
        return {"adversarial": adversarial, "total": 0.5 * adversarial}

    def generator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        score = self.discriminator(torch.cat([batch["source"], made], dim=1))
        adversarial = self.adversarial.generator(score)  # eq. 1, G's side
        l1 = (batch["target"] - made).abs().mean()  # eq. 3
        return {"adversarial": adversarial, "l1": l1, "total": adversarial + self.lambda_l1 * l1}  # eq. 4

    def sides(self) -> dict[str, list[nn.Parameter]]:
        return {"discriminator": [*self.discriminator.parameters()], "generator": [*self.generator.parameters()]}

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        if self.preset == "matched":
            return MATCHED.changed(lr=self.lr).optimizer(parameters, self.fused)
        return Adam(parameters, 2e-4 if self.lr is None else self.lr, (0.5, 0.999), fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self.preset == "matched":
            return cosine(optimizer, self.constant_epochs + self.decay_epochs)
        return constant_then_linear(optimizer, self.constant_epochs, self.decay_epochs)

    def on_validation_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)

    def on_test_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)

    def on_predict_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)
