"""Pix2Pix: image-to-image translation with conditional adversarial networks (Isola et al., CVPR 2017)."""

from typing import Any

from zoo.choices import check_choices
from zoo.conditional import ConditionalGAN, Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.networks import initialisation
from zoo.networks.patchgan import PatchGAN
from zoo.networks.unet import UNet


class Pix2Pix(ConditionalGAN):
    """U-Net generator G against a PatchGAN D that sees source x and target y together; its equations are those of
    :class:`zoo.conditional.ConditionalGAN`.

    Args:
        preset: ``native`` trains as the paper prints: Adam 2e-4 (0.5, 0.999), the rate constant and then linear to 0;
            ``matched`` as configs/hsct.yaml trains HSC-T.
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

    of_inference = ("test_time_noise",)

    def __init__(
        self,
        preset: Preset = "native",
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
        super().__init__(preset, lr, lambda_l1, constant_epochs, decay_epochs, **kwargs)
        self.save_hyperparameters()
        self.test_time_noise = test_time_noise
        self.generator = UNet(self.in_channels, self.out_channels, depth, width, dropout)
        self.discriminator = PatchGAN(self.in_channels + self.out_channels, width)
        self.adversarial = AdversarialLoss("vanilla")
        initialisation.normal(self)

    def on_validation_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)

    def on_test_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)

    def on_predict_epoch_start(self) -> None:
        self.generator.train(self.test_time_noise)
