"""The harmonizer: a CycleGAN from any scanner to one, for radiomics (Zhao et al. 2024, 10.1177/15330338241302237)."""

from typing import Any, Literal

from torch import Tensor

from zoo.choices import check_choices
from zoo.cycle import CycleTranslator
from zoo.losses.structural import MixLoss
from zoo.networks import initialisation, spectral
from zoo.networks.harmonizer_unet import HarmonizerUNet
from zoo.networks.patchgan import PatchGAN

RATES = {"paper": (1e-3, 4e-3), "stable": (1e-4, 4e-4)}  # of the generators and the discriminators
REAL = 0.9


class Harmonizer(CycleTranslator):
    """G: X -> Y brings sources of any scanner to the target scanner; F goes back.

    The paper names six components of three types and describes two types; its equations are not to be had. They are
    those of a CycleGAN: two adversarial (least squares), two cycle, two identity. "Mix" is the loss of that name by
    Zhao et al. (2017), MS-SSIM and L1 together; it needs aligned images, which unpaired training has in the cycle and
    identity terms alone. Its row names the increment; that it replaces L1 there is inferred, not printed.

    The paper's rows are four overrides: CycleGAN (``se: false, sn: none, mix_on: none``), + SN (``se: false, mix_on:
    none``), + SN + SE (``mix_on: none``), + SN + SE + Mix (the default).

    Args:
        depth: levels of the U-Nets; 8 for 256 x 256.
        width: channels of the first layer of generators and discriminators.
        se: squeeze-and-excitation in the generators.
        se_decoder: also in their decoders.
        sn: spectral normalisation of ``both`` sides' convolutions, of the ``generator`` alone, or of ``none``.
        mix_on: where Mix takes the place of L1: ``cycle``, ``cycle+identity``, ``none``.
        alpha: part of MS-SSIM in Mix.
        lambda_cycle: weight of the cycle terms; unprinted.
        lambda_identity: weight of the identity terms; unprinted.
        smooth: the discriminators' label of real images is 0.9 instead of 1.
        pool: earlier translations that the discriminators are also shown; see :class:`zoo.image_pool.ImagePool`.
        preset: rates of generators and discriminators by two time scales: ``paper`` 1e-3 and 4e-3 as printed,
            ``stable`` a tenth.
        lr_generator: rate of the generators; by default the preset's.
        lr_discriminator: rate of the discriminators; by default the preset's.
        constant_epochs: epochs at these rates.
        decay_epochs: epochs after those until the rates are 0.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        depth: int = 8,
        width: int = 64,
        se: bool = True,
        se_decoder: bool = True,
        sn: Literal["both", "generator", "none"] = "both",
        mix_on: Literal["cycle", "cycle+identity", "none"] = "cycle",
        alpha: float = 0.84,
        lambda_cycle: float = 10.0,
        lambda_identity: float = 5.0,
        smooth: bool = True,
        pool: int = 50,
        preset: Literal["paper", "stable"] = "paper",
        lr_generator: float | None = None,
        lr_discriminator: float | None = None,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        **kwargs: Any,
    ) -> None:
        check_choices(Harmonizer, locals())
        super().__init__(
            weights={"adversarial": 1.0, "cycle": lambda_cycle, "identity": lambda_identity},
            pool=pool,
            betas=(0.5, 0.999),
            lr_generator=RATES[preset][0] if lr_generator is None else lr_generator,
            lr_discriminator=RATES[preset][1] if lr_discriminator is None else lr_discriminator,
            constant_epochs=constant_epochs,
            decay_epochs=decay_epochs,
            **kwargs,
        )
        self.save_hyperparameters()
        self.mix_on, self.smooth = mix_on, smooth
        shape = (depth, width, se, se_decoder)
        self.build(
            HarmonizerUNet(self.in_channels, self.out_channels, *shape),
            HarmonizerUNet(self.out_channels, self.in_channels, *shape),
            PatchGAN(self.out_channels, width, "instance"),
            PatchGAN(self.in_channels, width, "instance"),
        )
        initialisation.normal(self)
        if sn != "none":
            spectral.normalise(self.generator_target)
            spectral.normalise(self.generator_source)
        if sn == "both":
            spectral.normalise(self.discriminator_target)
            spectral.normalise(self.discriminator_source)
        self.mix = MixLoss(alpha)

    def cycle_distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        return self.mix(made, wanted) if self.mix_on != "none" else super().cycle_distance(made, wanted)

    def identity_distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        return self.mix(made, wanted) if self.mix_on == "cycle+identity" else super().identity_distance(made, wanted)

    def real_labels(self, target: tuple[Tensor, Tensor], source: tuple[Tensor, Tensor]) -> tuple[float, float]:
        return (REAL, REAL) if self.smooth else (1.0, 1.0)
