"""RegGAN: translation learnt from pairs that do not lie on each other (Kong et al., NeurIPS 2021)."""

from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from zoo.adversarial import AdversarialTranslator, with_total
from zoo.choices import check_choices
from zoo.conditional import Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.deformation import smoothness
from zoo.networks import initialisation
from zoo.networks.patchgan import PatchGAN
from zoo.networks.registration import RegistrationUNet, warp
from zoo.networks.resnet import ResNetGenerator
from zoo.optimization import MATCHED, constant_then_linear, cosine

RATE, BETAS = 1e-4, (0.5, 0.999)  # of the native preset


class RegGAN(AdversarialTranslator):
    """Generator G and registration network R against a discriminator D of targets alone: the mode "NC+R" of the paper.
    A target y that is not where its source x is counts as noise, which R learns and G is spared.

    Eq. 1: L_corr(G, R) = E[|y - G(x) o R(G(x), y)|], o the bilinear resampling by a field of displacements
    Eq. 2: L_smooth(R) = E[|grad R(G(x), y)|^2]
    Eq. 3: L_adv(G, D) = E[D(G(x))^2] + E[(D(y) - 1)^2], where G minimises E[(D(G(x)) - 1)^2] instead
    Eq. 4: min_{G,R} max_D L_adv + 20 L_corr + 10 L_smooth

    D takes its turn, then G and R take theirs together, by one backward pass of one total. ``forward`` is G: nothing is
    registered at test time.

    The paper says neither the unit of R's field, to which the weight of eq. 2 belongs, nor what R is made of; the
    published code has pixels and a U-Net of residual blocks, see :class:`zoo.networks.registration.RegistrationUNet`.
    The code steps two optimizers, of G and of R, by the same gradients; here it is one, with a group for each, which is
    the same. Two things differ from it, as everywhere in this package: D goes first, on the translations that
    G then learns from, and D's loss is halved and judges every patch by itself, where the code averages D's scores over
    an image before it squares them. The code lets the rate stand for its 80 epochs.

    Args:
        preset: ``native`` trains as the published code: Adam 1e-4 (0.5, 0.999), a constant rate; ``matched`` as
            configs/hsct.yaml trains HSC-T: Adam 3e-4, gradients of each network clipped to 1, cosine to 1e-6.
        lr: initial learning rate of all three networks; by default the preset's.
        lambda_correction: weight of eq. 1.
        lambda_smoothness: weight of eq. 2.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        n_blocks: residual blocks of G.
        width: channels of the first layer of G and D.
        registration_depth: levels of R; 7 for 256 x 256, see there.
        registration_width: channels of its first level.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_correction: float = 20.0,
        lambda_smoothness: float = 10.0,
        constant_epochs: int = 80,
        decay_epochs: int = 0,
        n_blocks: int = 9,
        width: int = 64,
        registration_depth: int = 7,
        registration_width: int = 32,
        **kwargs: Any,
    ) -> None:
        check_choices(RegGAN, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if preset == "matched" and self.gradient_clip_val is None:
            self.gradient_clip_val = MATCHED.clipping
        self.preset, self.lr = preset, lr
        self.constant_epochs, self.decay_epochs = constant_epochs, decay_epochs
        self.weights = {"correction": lambda_correction, "smoothness": lambda_smoothness, "adversarial": 1.0}
        self.generator = ResNetGenerator(
            self.in_channels, self.out_channels, n_blocks, width, "transposed", "none", "reflect"
        )
        self.discriminator = PatchGAN(self.out_channels, width, "instance")
        initialisation.normal(self)
        self.registration = RegistrationUNet(2 * self.out_channels, registration_depth, registration_width)
        self.adversarial = AdversarialLoss("lsgan")

    def forward(self, source: Tensor) -> Tensor:
        return self.generator(source)

    def generate(self, batch: Batch) -> Tensor:
        return self.generator(batch["source"])

    def discriminator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        real, fake = self.discriminator(batch["target"]), self.discriminator(made.detach())
        adversarial = self.adversarial.discriminator(real, fake)  # eq. 3, D's side
        return {"adversarial": adversarial, "total": 0.5 * adversarial}

    def generator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        field = self.registration(made, batch["target"])
        terms = {
            "correction": (batch["target"] - warp(made, field)).abs().mean(),  # eq. 1
            "smoothness": smoothness(field),  # eq. 2
            "adversarial": self.adversarial.generator(self.discriminator(made)),  # eq. 3, G's side
        }
        return with_total(terms, self.weights)

    def sides(self) -> dict[str, list[nn.Parameter]]:
        both = [*self.generator.parameters(), *self.registration.parameters()]
        return {"discriminator": [*self.discriminator.parameters()], "generator": both}

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        networks = [self.discriminator] if side == "discriminator" else [self.generator, self.registration]
        groups = [{"params": [*network.parameters()]} for network in networks]  # each is clipped by itself
        if self.preset == "matched":
            return MATCHED.changed(lr=self.lr).optimizer(groups, self.fused)
        return Adam(groups, RATE if self.lr is None else self.lr, BETAS, fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self.preset == "matched":
            return cosine(optimizer, self.constant_epochs + self.decay_epochs)
        return constant_then_linear(optimizer, self.constant_epochs, self.decay_epochs)
