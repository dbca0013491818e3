"""SynDiff: unsupervised medical image translation with adversarial diffusion models (Ozbey et al., IEEE TMI 2023)."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.adversarial import AdversarialTranslator
from zoo.average import Average
from zoo.choices import check_choices
from zoo.conditional import Preset
from zoo.cycle import Cycle
from zoo.diffusion import Diffusion, ImageNoise, vp_betas
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.gradient_penalty import r1
from zoo.networks import initialisation
from zoo.networks.diffusion_discriminator import DiffusionDiscriminator
from zoo.networks.ncsnpp import NCSNpp
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import ResNetGenerator
from zoo.optimization import MATCHED, cosine
from zoo.processes import of_this

Side = Literal["target", "source"]
SIDES: tuple[Side, Side] = ("target", "source")
RATES = {"generator": 1.6e-4, "discriminator": 1e-4}
BETAS = (0.5, 0.9)
LAST_RATE = 1e-5
Z_SIZE = 100


class Reversal(NamedTuple):
    """A step back at random times ``t``, 1 to T: from ``noisy``, x_t, by ``guess``, x_0 as G_theta sees it, to
    ``before``, x_(t-1)."""

    t: Tensor
    noisy: Tensor
    guess: Tensor
    before: Tensor


class SynDiff(AdversarialTranslator):
    """Noise becomes a target in few large steps, each a GAN's, under the guidance of the source.

    Sources are A, targets are B. For either side a diffusive generator G_theta and discriminator D_theta; and, since
    nobody knows what belongs to an unpaired image, non-diffusive G_phi and D_phi that make an estimate of it: for a
    target y, G_theta^B is guided by G_phi^A(y). With x_0 an image of one side and c its estimate on the other:

    Eq. 1: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, t = 1 to T, see :func:`zoo.diffusion.vp_betas`
    Eq. 2: x_0' = G_theta(x_t, c, t, z), z normal; x_(t-1)' is drawn of q(x_(t-1) | x_t, x_0')
    Eq. 3 (D_theta): f(-D_theta(x_(t-1), x_t, t)) + f(D_theta(x_(t-1)', x_t, t)), f = softplus, plus, every
    ``r1_every`` iterations, gamma / 2 |grad D_theta(x_(t-1), x_t, t)|^2 with respect to the real x_(t-1)
    Eq. 4 (D_phi): f(-D_phi(x_0)) + f(D_phi(x~)), where x~ is what G_phi makes for this side of the other's images
    Eq. 5 (all G): f(-D_theta(x_(t-1)', x_t, t)) + f(-D_phi(x~)) + lambda (|x_0' - x_0| + |G_phi(c) - x_0|), with
    another t, z and noise than in eq. 3

    All are sums over both sides, and norms are means. Translation is T times eq. 2 from noise on, by the moving average
    of G_theta^B, with the source itself for c; noise and z follow from the source, so that it is deterministic.

    The equations, numbered here, are those of the published code, as are networks and rates: the text leaves some of it
    open. 500 epochs are its README's. R1 is not multiplied by ``r1_every``, as there. Departures: of its eight
    optimizers those of one turn are one, with the same arithmetic (Adam goes by parameter; only clipping, which it has
    not, is joint within a turn). Its t = 1 is preceded by an image with noise of 1e-4, here by the image itself. It
    draws x_t of x_(t-1); here x_(t-1) is drawn of x_t and x_0, which is the same distribution. Of its four averages the
    one that translates is kept. Its minibatch statistics fail on batches such as 6; see
    :func:`zoo.networks.diffusion_discriminator.with_spread`. Pairs, where there are any, are not used: draw both sides
    independently (``unpaired: true`` of the data).

    Args:
        preset: ``native`` is the published training: Adam (0.5, 0.9), 1.6e-4 for generators and 1e-4 for
            discriminators, cosine to 1e-5; ``matched`` as configs/hsct.yaml trains HSC-T.
        lr: initial rate of the generators; by default the preset's. The discriminators' is in proportion.
        epochs: over which the rates fall.
        lambda_l1: weight of both L1 terms of eq. 5.
        r1_gamma: of eq. 3.
        r1_every: iterations from one penalty to the next; ``loss/.../r1`` is 0 between them.
        decay: of the moving average, an iteration.
        steps: T.
        width: channels of the first level of every network (D_theta begins with twice as many).
        multipliers: channels of each level of G_theta, in ``width``.
        blocks: residual blocks a level of G_theta.
        disc_blocks: halvings of D_theta.
        n_blocks: residual blocks of G_phi.
        kwargs: see :class:`zoo.method.Method`.

    Raises:
        InputError: a number that is too small.
    """

    needs_pairs = False
    ignores_pairs = True
    of_weights = ("steps",)
    passes_of_step = 15  # G_theta there in two turns and back in one, on both sides, and six other networks

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        epochs: int = 500,
        lambda_l1: float = 0.5,
        r1_gamma: float = 1.0,
        r1_every: int = 10,
        decay: float = 0.999,
        steps: int = 4,
        width: int = 64,
        multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4),
        blocks: int = 2,
        disc_blocks: int = 6,
        n_blocks: int = 6,
        **kwargs: Any,
    ) -> None:
        check_choices(SynDiff, locals())
        counts = {"r1_every": r1_every, "steps": steps, "width": width, "blocks": blocks, "disc_blocks": disc_blocks}
        InputError.raise_for(
            f"{name} {value}: SynDiff needs 1 or more; raise it" for name, value in counts.items() if value < 1
        )
        if width < 4 or width % 2:
            raise InputError(f"width {width}: SynDiff needs an even one of 4 or more")
        if not 0 <= decay < 1:
            raise InputError(f"decay {decay:g}: an average has one from 0 to below 1, as 0.999; correct it")
        if min(multipliers, default=0) < 1:
            raise InputError(f"multipliers {list(multipliers)}: SynDiff needs at least one, and each 1 or more")
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if preset == "matched" and self.gradient_clip_val is None:
            self.gradient_clip_val = MATCHED.clipping
        self.preset, self.lr, self.epochs = preset, lr, epochs
        self.lambda_l1, self.r1_gamma, self.r1_every = lambda_l1, r1_gamma, r1_every
        self.diffusion, self.adversarial = Diffusion(vp_betas(steps)), AdversarialLoss("softplus")

        both = self.in_channels + self.out_channels
        for side, own, other in (
            ("target", self.out_channels, self.in_channels),
            ("source", self.in_channels, self.out_channels),
        ):
            generator = ResNetGenerator(other, own, n_blocks, width, "transposed", "none", "reflect")
            discriminator = PatchGAN(own, width, "instance")
            initialisation.normal(generator)
            initialisation.normal(discriminator)
            self.add_module(f"diffusive_generator_{side}", NCSNpp(both, width, multipliers, blocks, Z_SIZE))
            self.add_module(f"diffusive_discriminator_{side}", DiffusionDiscriminator(own, width, disc_blocks))
            self.add_module(f"generator_{side}", generator)
            self.add_module(f"discriminator_{side}", discriminator)
        self.average = Average(self.network("diffusive_generator", "target"), decay)

    def network(self, role: str, side: Side) -> nn.Module:
        return self.get_submodule(f"{role}_{side}")

    @property
    def iterations(self) -> int:
        """Done so far, which a checkpoint knows by the average."""
        return self.average.updates

    @property
    def evaluations(self) -> int:
        """How many passes of its networks an image needs; the tables print it."""
        return self.diffusion.steps

    def forward(self, source: Tensor) -> Tensor:
        drawn = ImageNoise(source, self.out_channels)

        def guess(noisy: Tensor, t: int) -> Tensor:
            times = torch.full((len(source),), t, device=source.device)
            return self.denoised(self.average, noisy, source, times, drawn(Z_SIZE))

        return self.diffusion.sample(guess, drawn, self.diffusion.steps)

    def one_pass(self, source: Tensor) -> Tensor:
        noisy = source.new_zeros(len(source), self.out_channels, *source.shape[-2:])
        times = torch.ones(len(source), dtype=torch.int64, device=source.device)
        return self.denoised(self.average, noisy, source, times, source.new_zeros(len(source), Z_SIZE))

    def denoised(self, generator: nn.Module, noisy: Tensor, guide: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """x_0' of eq. 2. The networks count the steps from 0, and the published G_theta has as many channels out as in,
        of which the first are those of the image."""
        return generator(torch.cat([noisy, guide], dim=1), t - 1, z)[:, : noisy.shape[1]]

    def generate(self, batch: Batch) -> Cycle:
        """What the non-diffusive generators make: once, for all turns, since they change in the last."""
        x, y = batch["source"], batch["target"]
        to_target, to_source = (self.network("generator", side) for side in SIDES)
        target, source = to_target(x), to_source(y)
        return Cycle(target, source, to_target(source), to_source(target))

    def translations(self, batch: Batch, made: Cycle) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        x, y = batch["source"], batch["target"]
        return {"G_phi^B": (x, made.target, y), "G_phi^A": (y, made.source, x)}

    def directions(self, batch: Batch, made: Cycle) -> Iterator[tuple[Side, Tensor, Tensor, Tensor, Tensor]]:
        """Of each side: its images x_0, their estimates c, and what G_phi made for it: x~, and G_phi(c)."""
        yield "target", batch["target"], made.source, made.target, made.target_again
        yield "source", batch["source"], made.target, made.source, made.source_again

    def reversal(self, side: Side, image: Tensor, guide: Tensor) -> Reversal:
        """Eq. 1 and 2 at random times."""
        t = of_this(lambda rows: torch.randint(1, self.diffusion.steps + 1, (rows,), device=image.device), len(image))
        noisy = self.diffusion.noised(image, t, normal(image))
        z = normal(image.new_empty(len(image), Z_SIZE))
        guess = self.denoised(self.network("diffusive_generator", side), noisy, guide, t, z)
        return Reversal(t, noisy, guess, self.diffusion.before(guess, noisy, t, normal(image)))

    def diffusive_discriminator_losses(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        penalties = []
        for side, image, guide, _, _ in self.directions(batch, made):
            with torch.no_grad():  # the generators' turn has yet to come
                fake = self.reversal(side, image, guide)
            before = self.diffusion.before(image, fake.noisy, fake.t, normal(image))
            real_scores, penalty = self._real_scores(side, before, fake)
            fake_scores = self.network("diffusive_discriminator", side)(fake.before, fake.noisy, fake.t - 1)
            losses[side] = self.adversarial.discriminator(real_scores, fake_scores)
            penalties.append(penalty)
        losses["r1"] = penalties[0] + penalties[1]
        return losses | {"total": losses["target"] + losses["source"] + self.r1_gamma * losses["r1"]}  # eq. 3

    def _real_scores(self, side: Side, before: Tensor, fake: Reversal) -> tuple[Tensor, Tensor]:
        """D_theta's of the real x_(t-1), and its penalty, 0 where none is due."""
        judge = self.network("diffusive_discriminator", side)
        if self.iterations % self.r1_every:
            return judge(before, fake.noisy, fake.t - 1), before.new_zeros(())
        with torch.autocast(before.device.type, enabled=False):  # a gradient's square is below what bf16 tells apart
            before = before.float().requires_grad_()
            # past torch.compile, which knows no second derivative
            scores = judge.forward(before, fake.noisy.float(), fake.t - 1)
            return scores, r1(scores, before)

    def discriminator_losses(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for side, image, _, translated, _ in self.directions(batch, made):
            both = torch.cat([image, translated.detach()])  # in one pass: every image is judged by itself
            losses[side] = self.adversarial.discriminator(*self.network("discriminator", side)(both).chunk(2))
        return losses | {"total": losses["target"] + losses["source"]}  # eq. 4

    def generator_losses(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        of_target, of_source = (self._generator_terms(*direction) for direction in self.directions(batch, made))
        terms = {name: of_target[name] + of_source[name] for name in of_target}
        adversarial = terms["diffusive_adversarial"] + terms["adversarial"]
        return terms | {"total": adversarial + self.lambda_l1 * (terms["reconstruction"] + terms["cycle"])}  # eq. 5

    def _generator_terms(
        self, side: Side, image: Tensor, guide: Tensor, translated: Tensor, again: Tensor
    ) -> dict[str, Tensor]:
        back = self.reversal(side, image, guide)
        diffusive = self.network("diffusive_discriminator", side)(back.before, back.noisy, back.t - 1)
        return {
            "diffusive_adversarial": self.adversarial.generator(diffusive),
            "adversarial": self.adversarial.generator(self.network("discriminator", side)(translated)),
            "reconstruction": (back.guess - image).abs().mean(),
            "cycle": (again - image).abs().mean(),
        }

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        super().training_step(batch, batch_idx)
        self.average.update(self.network("diffusive_generator", "target"))

    def report(self, losses: dict[str, Tensor], batch: Batch) -> None:
        super().report(losses, batch)
        for side in SIDES:
            loss = losses[f"diffusive_discriminator/{side}"]
            self.watch.discriminator(f"diffusive {side}", loss, self.adversarial.chance)

    def sides(self) -> dict[str, list[nn.Parameter]]:
        def of(*roles: str) -> list[nn.Parameter]:
            return [weight for role in roles for side in SIDES for weight in self.network(role, side).parameters()]

        return {
            "diffusive_discriminator": of("diffusive_discriminator"),
            "discriminator": of("discriminator"),
            "generator": of("diffusive_generator", "generator"),
        }

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        if self.preset == "matched":
            return MATCHED.changed(lr=self.lr).optimizer(parameters, self.fused)
        own = RATES["generator" if side == "generator" else "discriminator"]
        rate = own if self.lr is None else self.lr * (own / RATES["generator"])
        return Adam(parameters, rate, BETAS, fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self.preset == "matched":
            return cosine(optimizer, self.epochs)
        return cosine(optimizer, self.epochs, LAST_RATE)


def normal(like: Tensor) -> Tensor:
    """Standard normal noise of that shape, of this process' own."""
    return of_this(lambda rows: torch.randn(rows, *like.shape[1:], device=like.device), len(like))
