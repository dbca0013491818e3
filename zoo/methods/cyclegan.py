"""CycleGAN with perceptual loss for enhancement (Athreya et al. 2023, arXiv:2312.11748), and older CycleGANs."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.adversarial import AdversarialTranslator
from zoo.image_pool import ImagePool
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.perceptual import PerceptualLoss, PhiNorm
from zoo.lpips_network import find_vgg16, load_lpips
from zoo.networks import initialisation, spectral
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import BlockPadding, ResNetGenerator, Skip, Upsampling
from zoo.optimization import constant_then_linear

BETAS = {"paper": (0.9, 0.9), "stable": (0.5, 0.999)}
SMOOTH = 0.9  # the smoothed label of eq. 7, and the score at which it is chosen
WITHOUT = "train on an untrained network"


@dataclass
class Cycle:
    """All that the generators make of a batch of low-quality images L and high-quality images H.

    ``high`` is H' = G_H(L), ``low`` is L' = G_L(H), ``high_again`` is G_H(L'), ``low_again`` is G_L(H'); ``high_same``
    is G_H(H) and ``low_same`` is G_L(L), where the identity term is used.
    """

    high: Tensor
    low: Tensor
    high_again: Tensor
    low_again: Tensor
    high_same: Tensor | None = None
    low_same: Tensor | None = None


class CycleGAN(AdversarialTranslator):
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
        perceptual_domains: both sides, or the ``high`` one alone.
        perceptual_weights: of Phi's VGG-16: ``imagenet`` for torchvision's own file (cached or downloaded), the path
            of that file, or null for an untrained network, which every table then says.
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

    order = ("generator", "discriminator")
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
        schedule: Literal["step", "linear"] = "step",
        step_epochs: int = 100,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.adv_on, self.label_smoothing, self.smooth_from = adv_on, label_smoothing, smooth_from
        self.perceptual_on, self.perceptual_domains = perceptual_on, perceptual_domains
        self.perceptual_weights, self.phi_norm = perceptual_weights, phi_norm
        self.lambda_adversarial, self.lambda_cycle = lambda_adversarial, lambda_cycle
        self.lambda_identity = lambda_identity
        self.lambda_perceptual = 0.0 if perceptual_on == "none" else lambda_perceptual
        self.betas, self.rates = BETAS[preset], (lr_generator, lr_discriminator)
        self.schedule, self.step_epochs = schedule, step_epochs
        self.constant_epochs, self.decay_epochs = constant_epochs, decay_epochs

        shape = (n_blocks, width, upsampling, skip, block_padding)
        self.generator_high = ResNetGenerator(self.in_channels, self.out_channels, *shape)
        self.generator_low = ResNetGenerator(self.out_channels, self.in_channels, *shape)
        self.discriminator_high = PatchGAN(self.out_channels, width, disc_norm)
        self.discriminator_low = PatchGAN(self.in_channels, width, disc_norm)
        initialisation.normal(self)
        if disc_spectral:
            spectral.normalise(self.discriminator_high)
            spectral.normalise(self.discriminator_low)
        self.adversarial = AdversarialLoss("lsgan")
        self.pool_high, self.pool_low = ImagePool(pool), ImagePool(pool)
        self.perceptual: PerceptualLoss | None = None  # built for training alone: translation needs no VGG

    @property
    def remark(self) -> str:
        return "untrained VGG" if self.lambda_perceptual and self.perceptual_weights is None else ""

    @property
    def needs_pairs(self) -> bool:
        return bool(self.lambda_perceptual) and self.perceptual_on == "translated"

    def prepare_data(self) -> None:
        super().prepare_data()
        if self.trainer.training and self.lambda_identity and self.in_channels != self.out_channels:
            raise InputError(
                f"lambda_identity {self.lambda_identity:g}: the identity term needs as many channels in the source "
                f"({self.in_channels}) as in the target ({self.out_channels}); set it to 0"
            )
        if self.trainer.training and self.lambda_perceptual and self.perceptual_weights is not None:
            find_vgg16(self.perceptual_weights, "perceptual_weights", WITHOUT)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.lambda_perceptual and self.perceptual is None:
            network = load_lpips(self.perceptual_weights, "perceptual_weights", WITHOUT)
            self.perceptual = PerceptualLoss(network, self.phi_norm)
        super().setup(stage)

    def forward(self, source: Tensor) -> Tensor:
        return self.generator_high(source)

    def generate(self, batch: Batch) -> Cycle:
        """Two passes of each generator: of L and H together (instance norm keeps them apart), then of L' and H'."""
        low, high = batch["source"], batch["target"]
        if not self.lambda_identity:
            made_high, made_low = self.generator_high(low), self.generator_low(high)
            return Cycle(made_high, made_low, self.generator_high(made_low), self.generator_low(made_high))
        made_high, high_same = self.generator_high(torch.cat([low, high])).chunk(2)
        made_low, low_same = self.generator_low(torch.cat([high, low])).chunk(2)
        again = self.generator_high(made_low), self.generator_low(made_high)
        return Cycle(made_high, made_low, *again, high_same, low_same)

    def generator_losses(self, batch: Batch, fakes: Cycle) -> dict[str, Tensor]:
        low, high = batch["source"], batch["target"]
        losses = {}
        if self.lambda_perceptual:  # eq. 1
            losses["perceptual"] = self._perceptual(low, high, fakes)
        judged_high, judged_low = self._judged(fakes)
        losses["adversarial"] = self.adversarial.generator(  # eq. 3
            self._score(self.discriminator_high, judged_high)
        ) + self.adversarial.generator(self._score(self.discriminator_low, judged_low))
        losses["cycle"] = l1(high, fakes.high_again) + l1(low, fakes.low_again)  # eq. 4
        if self.lambda_identity:  # eq. 5
            losses["identity"] = l1(high, fakes.high_same) + l1(low, fakes.low_same)
        total = sum(getattr(self, f"lambda_{name}") * value for name, value in losses.items())  # eq. 6
        return losses | {"total": total}

    def _perceptual(self, low: Tensor, high: Tensor, fakes: Cycle) -> Tensor:
        translated = self.perceptual_on == "translated"
        made_high = fakes.high if translated else fakes.high_again
        if self.perceptual_domains == "high":
            return self.perceptual(made_high, high)
        made_low = fakes.low if translated else fakes.low_again
        if low.shape[1] != high.shape[1]:
            return self.perceptual(made_high, high) + self.perceptual(made_low, low)
        return 2 * self.perceptual(torch.cat([made_high, made_low]), torch.cat([high, low]))  # a mean over both

    def _judged(self, fakes: Cycle) -> tuple[Tensor, Tensor]:
        """The images of each side that its discriminator judges."""
        if self.adv_on == "translated":
            return fakes.high, fakes.low
        if self.adv_on == "cycled":
            return fakes.high_again, fakes.low_again
        return torch.cat([fakes.high, fakes.high_again]), torch.cat([fakes.low, fakes.low_again])

    def discriminator_losses(self, batch: Batch, fakes: Cycle) -> dict[str, Tensor]:
        judged_high, judged_low = self._judged(fakes)
        real_high, fake_high = self._scores(self.discriminator_high, batch["target"], self.pool_high.query(judged_high))
        real_low, fake_low = self._scores(self.discriminator_low, batch["source"], self.pool_low.query(judged_low))
        label_high = self.real_label(real_high, fake_high)
        label_low = label_high if self.smooth_from == "high" else self.real_label(real_low, fake_low)
        high = self.adversarial.discriminator(real_high, fake_high, label_high)  # eq. 7
        low = self.adversarial.discriminator(real_low, fake_low, label_low)
        return {"high": high, "low": low, "total": high + low}

    def real_label(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """s_d of eq. 7, from the scores of one batch."""
        if self.label_smoothing != "eq7":
            return SMOOTH if self.label_smoothing == "constant" else 1.0
        unsure = (real.detach().mean() < SMOOTH) & (fake.detach().mean() < SMOOTH)
        return torch.where(unsure, 1.0, SMOOTH)

    def _scores(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Both in one pass: the discriminators see every image by itself."""
        return self._score(discriminator, torch.cat([real, fake])).split([len(real), len(fake)])

    def _score(self, discriminator: nn.Module, images: Tensor) -> Tensor:
        """In fp32, which the power iteration of spectral normalisation needs."""
        with torch.autocast(self.device.type, enabled=False):
            return discriminator(images.float())

    def configure_optimizers(self):
        sides = (
            [self.generator_high, self.generator_low],
            [self.discriminator_high, self.discriminator_low],
        )  # AdversarialTranslator.order
        optimizers = [
            Adam(nn.ModuleList(side).parameters(), rate, self.betas, fused=self.fused)
            for side, rate in zip(sides, self.rates, strict=True)
        ]
        if self.schedule == "step":
            return optimizers, [StepLR(optimizer, self.step_epochs, 0.5) for optimizer in optimizers]
        schedules = [constant_then_linear(o, self.constant_epochs, self.decay_epochs) for o in optimizers]
        return optimizers, schedules


def l1(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().mean()
