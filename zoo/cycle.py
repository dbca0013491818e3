"""CycleTranslator: two generators, two discriminators, and the terms that every CycleGAN has."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.adversarial import AdversarialTranslator, with_total
from zoo.image_pool import ImagePool
from zoo.losses.adversarial import AdversarialLoss
from zoo.optimization import constant_then_linear
from zoo.output import Output

Schedule = Literal["step", "linear"]


@dataclass
class Cycle:
    """All that the generators make of sources x and targets y: G makes targets, F makes sources.

    ``target`` is G(x), ``source`` is F(y), ``target_again`` is G(F(y)), ``source_again`` is F(G(x)); ``target_same`` is
    G(y) and ``source_same`` is F(x), where the identity term is used.
    """

    target: Tensor
    source: Tensor
    target_again: Tensor
    source_again: Tensor
    target_same: Tensor | None = None
    source_same: Tensor | None = None


class CycleTranslator(AdversarialTranslator):
    """Least-squares adversarial, cycle and identity terms; the generators take their turn first, then both
    discriminators on the same translations. ``forward`` is G.

    A method gives its networks to :meth:`build`.

    Args:
        weights: of the generators' terms by name; the identity term's two passes are not made where its weight is 0.
        pool: earlier translations that the discriminators are also shown; see :class:`zoo.image_pool.ImagePool`.
        betas: of Adam.
        lr_generator: rate of both generators.
        lr_discriminator: rate of both discriminators.
        schedule: ``step`` halves the rates every ``step_epochs``; ``linear`` keeps them for ``constant_epochs`` and
            brings them to 0 over ``decay_epochs``.
        kwargs: see :class:`zoo.method.Method`.
    """

    needs_pairs = False

    def __init__(
        self,
        weights: dict[str, float],
        pool: int,
        betas: tuple[float, float],
        lr_generator: float,
        lr_discriminator: float,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        schedule: Schedule = "linear",
        step_epochs: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weights, self.betas = weights, betas
        self.rates = {"generator": lr_generator, "discriminator": lr_discriminator}
        self.decay, self.step_epochs = schedule, step_epochs
        self.constant_epochs, self.decay_epochs = constant_epochs, decay_epochs
        self.adversarial = AdversarialLoss("lsgan")
        self.pool_target, self.pool_source = ImagePool(pool), ImagePool(pool)

    def build(
        self,
        generator_target: nn.Module,
        generator_source: nn.Module,
        discriminator_target: nn.Module,
        discriminator_source: nn.Module,
    ) -> None:
        """G, F, and who judges targets and sources."""
        self.generator_target, self.generator_source = generator_target, generator_source
        self.discriminator_target, self.discriminator_source = discriminator_target, discriminator_source

    def prepare_data(self) -> None:
        super().prepare_data()
        if self.trainer.training and self.weights["identity"] and self.in_channels != self.out_channels:
            raise InputError(
                f"lambda_identity {self.weights['identity']:g}: the identity term needs as many channels in the source "
                f"({self.in_channels}) as in the target ({self.out_channels}); set it to 0"
            )

    def forward(self, source: Tensor) -> Tensor:
        return self.generator_target(source)

    def generate(self, batch: Batch) -> Cycle:
        """Two passes of each generator: of x and y together where neither sees the other, then of what came out."""
        x, y = batch["source"], batch["target"]
        if not self.weights["identity"]:
            target, source = self.generator_target(x), self.generator_source(y)
            return Cycle(target, source, self.generator_target(source), self.generator_source(target))
        target, target_same = self.generator_target(torch.cat([x, y])).chunk(2)
        source, source_same = self.generator_source(torch.cat([y, x])).chunk(2)
        again = self.generator_target(source), self.generator_source(target)
        return Cycle(target, source, *again, target_same, source_same)

    def translations(self, batch: Batch, made: Cycle) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        x, y = batch["source"], batch["target"]
        return {"G": (x, made.target, y), "F": (y, made.source, x)}

    def validation_step(self, batch: Batch, batch_idx: int) -> Output:
        """Also the way back of both sides, for the criterion that needs no pairs."""
        output = self.infer(batch)
        if "target" not in batch:
            return output
        source_again = self.generator_source(output["translation"])
        target_again = self.generator_target(self.generator_source(batch["target"]))
        return output | Output(source_again=source_again, target_again=target_again)

    def terms(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        """The generators' terms by name, unweighted."""
        x, y = batch["source"], batch["target"]
        target, source = self.judged(made)
        terms = {
            "adversarial": self.adversarial.generator(self._score(self.discriminator_target, target))
            + self.adversarial.generator(self._score(self.discriminator_source, source)),
            "cycle": self.cycle_distance(made.target_again, y) + self.cycle_distance(made.source_again, x),
        }
        if made.target_same is not None and made.source_same is not None:
            same = self.identity_distance(made.target_same, y), self.identity_distance(made.source_same, x)
            terms["identity"] = same[0] + same[1]
        return terms

    def cycle_distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        return (made - wanted).abs().mean()

    def identity_distance(self, made: Tensor, wanted: Tensor) -> Tensor:
        return (made - wanted).abs().mean()

    def judged(self, made: Cycle) -> tuple[Tensor, Tensor]:
        """The made targets and sources that the discriminators judge, in both turns."""
        return made.target, made.source

    def generator_losses(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        terms = self.terms(batch, made)
        return with_total(terms, self.weights)

    def discriminator_losses(self, batch: Batch, made: Cycle) -> dict[str, Tensor]:
        target, source = self.judged(made)
        scores_target = self._scores(self.discriminator_target, batch["target"], self.pool_target.query(target))
        scores_source = self._scores(self.discriminator_source, batch["source"], self.pool_source.query(source))
        labels = self.real_labels(scores_target, scores_source)
        on_target = self.adversarial.discriminator(*scores_target, labels[0])
        on_source = self.adversarial.discriminator(*scores_source, labels[1])
        return {"target": on_target, "source": on_source, "total": on_target + on_source}

    def real_labels(self, target: tuple[Tensor, Tensor], source: tuple[Tensor, Tensor]) -> tuple[Any, Any]:
        """What each discriminator should say of real images, given its scores of real and made ones."""
        return 1.0, 1.0

    def _scores(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Both in one pass: the discriminators see every image by itself."""
        return self._score(discriminator, torch.cat([real, fake])).split([len(real), len(fake)])

    def _score(self, discriminator: nn.Module, images: Tensor) -> Tensor:
        """In fp32, which the power iteration of spectral normalisation needs."""
        with torch.autocast(self.device.type, enabled=False):
            return discriminator(images.float())

    def sides(self) -> dict[str, list[nn.Parameter]]:
        return {
            "generator": [*self.generator_target.parameters(), *self.generator_source.parameters()],
            "discriminator": [*self.discriminator_target.parameters(), *self.discriminator_source.parameters()],
        }

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        return Adam(parameters, self.rates[side], self.betas, fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self.decay == "step":
            return StepLR(optimizer, self.step_epochs, 0.5)
        return constant_then_linear(optimizer, self.constant_epochs, self.decay_epochs)
