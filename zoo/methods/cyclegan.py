"""CycleGAN with perceptual loss for enhancement (Athreya et al. 2023, arXiv:2312.11748), and older CycleGANs."""

from typing import Any, Literal

import torch
from torch import Tensor

from datamodules.batch import Batch
from zoo.choices import check_choices
from zoo.cycle import Cycle, CycleTranslator, Schedule
from zoo.losses.perceptual import PerceptualLoss, PhiNorm
from zoo.lpips_network import load_lpips
from zoo.networks import initialisation, spectral
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import BlockPadding, ResNetGenerator, Skip, Upsampling
from zoo.trunks import load_trunk
from zoo.weights import TRUNKS, Backbone

BETAS = {"paper": (0.9, 0.9), "stable": (0.5, 0.999)}
SMOOTH = 0.9  # the smoothed label of eq. 7, and the score at which it is chosen
WITHOUT = "train on an untrained network"


class CycleGAN(CycleTranslator):
    """Two generators, G_H: L -> H and G_L: H -> L, against a discriminator of each side, D_H and D_L.

    Sources are L, targets are H; ``forward`` is G_H. Every norm is a mean, every adversarial term least squares.

    Eq. 1 (perceptual): Phi(H, H') + Phi(L, L'), Phi as in :class:`zoo.losses.perceptual.PerceptualLoss`
    Eq. 3 (adversarial): |1 - D_H(H')|^2 + |1 - D_L(L')|^2
    Eq. 4 (cycle): |H - G_H(L')| + |L - G_L(H')|
    Eq. 5 (identity): |H - G_H(H)| + |L - G_L(L)|
    Eq. 6 (generators): adversarial + 12 cycle + identity + perceptual
    Eq. 7 (discriminators): sum over d of |s_d - D_d(real)|^2 + |D_d(fake)|^2, with s_d = 1 while the mean scores of
    real and fake images are both below 0.9, and 0.9 otherwise

    As printed, eq. 3 scores the cycled images, by which identical mappings would be perfect; the text scores the
    translations, and so does the default. Eq. 7 prints the first square alone, by which everything is called real.
    With the printed weight of eq. 5 the sign of the contrast is left to chance: two generators that both invert it
    satisfy eq. 4, and eq. 1 and 5 are too light to turn them. ``configs/cyclegan_perceptual.yaml`` therefore takes half
    of lambda_cycle, as CycleGAN has it; ``benchmarks/results/enhancement.md`` has both.
    No code was published. The defaults are the paper's; ``configs/se_cyclegan.yaml`` (Huang 2022) and
    ``configs/cyclegan.yaml`` (Zhu et al. 2017) are others.

    Args:
        n_blocks: residual blocks of a generator; 15 in the paper's own row, 9 in its others.
        skip: from encoder to decoder; the paper says neither that they are concatenated nor that they are added.
        upsampling: ``nearest`` as printed, ``transposed`` in the plain CycleGAN.
        block_padding: of the residual blocks; ``reflect`` in the plain CycleGAN.
        width: channels of the first layer of generators and discriminators.
        disc_norm: norm of the discriminators; ``instance`` in the plain CycleGAN.
        disc_spectral: spectral normalisation of the discriminators.
        adv_on: which images the discriminators judge, in both turns: the translations H' and L', the ``cycled`` ones
            as eq. 3 is printed, or ``both``.
        perceptual_on: what Phi compares with H and L: the translations, the ``cycled`` images, or nothing.
        perceptual_domains: both sides, or the ``high`` one alone; tables say which beside the row.
        perceptual_weights: of Phi's network: ``imagenet``, the path of a file (see :func:`zoo.trunks.load_trunk`), or
            null for an untrained network, which every table then says.
        perceptual_backbone: Phi's network: ``vgg`` as in the paper, or ``alex``, which is cheaper.
        phi_norm: see :class:`zoo.losses.perceptual.PerceptualLoss`.
        lambda_adversarial: weight of eq. 3.
        lambda_cycle: weight of eq. 4.
        lambda_identity: weight of eq. 5; at 0 its two passes are not made. It needs sides of as many channels.
        lambda_perceptual: weight of eq. 1.
        label_smoothing: the real images' label s_d: by ``eq7``, 0.9 throughout (``constant``), or 1 (``none``).
        smooth_from: whose scores decide in eq. 7: each discriminator's its own, or D_H's for both (the text speaks
            of high quality alone).
        pool: earlier translations that the discriminators are also shown; see :class:`zoo.image_pool.ImagePool`.
        preset: betas of Adam: ``paper`` (0.9, 0.9) as printed, ``stable`` (0.5, 0.999) as in other CycleGANs.
        lr_generator: rate of both generators; a tenth of the other by the two time-scale update rule.
        lr_discriminator: rate of both discriminators.
        schedule: ``step`` halves the rates every ``step_epochs``; ``linear`` keeps them for ``constant_epochs`` and
            brings them to 0 over ``decay_epochs``.
        kwargs: see :class:`zoo.method.Method`.
    """

    without_pairs = "set perceptual_on to cycled or none, or choose other data"

    def __init__(
        self,
        n_blocks: int = 15,
        skip: Skip = "concat",
        upsampling: Upsampling = "nearest",
        block_padding: BlockPadding = "zeros",
        width: int = 64,
        disc_norm: Literal["none", "instance"] = "none",
        disc_spectral: bool = True,
        adv_on: Literal["translated", "cycled", "both"] = "translated",
        perceptual_on: Literal["translated", "cycled", "none"] = "translated",
        perceptual_domains: Literal["both", "high"] = "both",
        perceptual_weights: str | None = "imagenet",
        perceptual_backbone: Backbone = "vgg",
        phi_norm: PhiNorm = "lpips",
        lambda_adversarial: float = 1.0,
        lambda_cycle: float = 12.0,
        lambda_identity: float = 1.0,
        lambda_perceptual: float = 1.0,
        label_smoothing: Literal["eq7", "constant", "none"] = "eq7",
        smooth_from: Literal["per_domain", "high"] = "per_domain",
        pool: int = 0,
        preset: Literal["paper", "stable"] = "paper",
        lr_generator: float = 3e-4,
        lr_discriminator: float = 3e-3,
        schedule: Schedule = "step",
        step_epochs: int = 100,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        **kwargs: Any,
    ) -> None:
        check_choices(CycleGAN, locals())
        weights = {
            "adversarial": lambda_adversarial,
            "cycle": lambda_cycle,
            "identity": lambda_identity,
            "perceptual": 0.0 if perceptual_on == "none" else lambda_perceptual,
        }
        super().__init__(
            weights=weights,
            pool=pool,
            betas=BETAS[preset],
            lr_generator=lr_generator,
            lr_discriminator=lr_discriminator,
            schedule=schedule,
            step_epochs=step_epochs,
            constant_epochs=constant_epochs,
            decay_epochs=decay_epochs,
            **kwargs,
        )
        self.save_hyperparameters()
        self.adv_on, self.label_smoothing, self.smooth_from = adv_on, label_smoothing, smooth_from
        self.perceptual_on, self.perceptual_domains = perceptual_on, perceptual_domains
        self.perceptual_weights, self.perceptual_backbone = perceptual_weights, perceptual_backbone
        self.phi_norm = phi_norm
        self.needs_pairs = bool(weights["perceptual"]) and perceptual_on == "translated"
        self.remark = self._remark() if weights["perceptual"] else ""

        shape = (n_blocks, width, upsampling, skip, block_padding)
        self.build(
            ResNetGenerator(self.in_channels, self.out_channels, *shape),  # G_H
            ResNetGenerator(self.out_channels, self.in_channels, *shape),  # G_L
            PatchGAN(self.out_channels, width, disc_norm),  # D_H
            PatchGAN(self.in_channels, width, disc_norm),  # D_L
        )
        initialisation.normal(self)
        if disc_spectral:
            spectral.normalise(self.discriminator_target)
            spectral.normalise(self.discriminator_source)
        self.perceptual: PerceptualLoss | None = None  # built for training alone: translation needs no VGG

    def _remark(self) -> str:
        """The paper's names of its rows do not tell which domains Phi is on."""
        domains = "H and L" if self.perceptual_domains == "both" else "H alone"
        trunk = TRUNKS[self.perceptual_backbone].title.partition("-")[0]
        return f"Phi on {domains}" + (f", untrained {trunk}" if self.perceptual_weights is None else "")

    def prepare_data(self) -> None:
        super().prepare_data()
        if self.trainer.training and self.weights["perceptual"] and self.perceptual_weights is not None:
            load_trunk(self.perceptual_backbone, self.perceptual_weights, "perceptual_weights", WITHOUT)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.weights["perceptual"] and self.perceptual is None:
            network = load_lpips(self.perceptual_weights, "perceptual_weights", WITHOUT, self.perceptual_backbone)
            self.perceptual = PerceptualLoss(network, self.phi_norm)
        super().setup(stage)

    def terms(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        terms = super().terms(batch, made)  # eq. 3 to 5
        if self.weights["perceptual"]:  # eq. 1
            terms["perceptual"] = self._perceptual(batch["source"], batch["target"], made)
        return terms

    def _perceptual(self, low: Tensor, high: Tensor, made: Cycle) -> Tensor:
        assert self.perceptual is not None, "setup('fit') builds it"
        translated = self.perceptual_on == "translated"
        made_high = made.target if translated else made.target_again
        if self.perceptual_domains == "high":
            return self.perceptual(made_high, high)
        made_low = made.source if translated else made.source_again
        if low.shape[1] != high.shape[1]:
            return self.perceptual(made_high, high) + self.perceptual(made_low, low)
        return 2 * self.perceptual(torch.cat([made_high, made_low]), torch.cat([high, low]))  # a mean over both

    def judged(self, made: Cycle) -> tuple[Tensor, Tensor]:
        if self.adv_on == "translated":
            return made.target, made.source
        if self.adv_on == "cycled":
            return made.target_again, made.source_again
        return torch.cat([made.target, made.target_again]), torch.cat([made.source, made.source_again])

    def real_labels(self, target: tuple[Tensor, Tensor], source: tuple[Tensor, Tensor]) -> tuple[Any, Any]:
        """s_d of eq. 7 for D_H and D_L."""
        high = self._real_label(*target)
        return high, high if self.smooth_from == "high" else self._real_label(*source)

    def _real_label(self, real: Tensor, fake: Tensor) -> Tensor | float:
        if self.label_smoothing != "eq7":
            return SMOOTH if self.label_smoothing == "constant" else 1.0
        unsure = (real.detach().mean() < SMOOTH) & (fake.detach().mean() < SMOOTH)
        return torch.where(unsure, 1.0, SMOOTH)
