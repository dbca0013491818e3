"""AdversarialTranslator: the one shape of a training step with a generator and a discriminator."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from datamodules.batch import Batch
from zoo.translator import Translator


class AdversarialTranslator(Translator):
    """A GAN. The generator runs once a step; then each side named in ``order`` takes its turn.

    A method returns its optimizers in this order. Lightning's ``global_step`` counts optimizer steps, that is one a
    side and batch; ``trainer.max_steps`` counts the same.
    """

    order: tuple[str, ...] = ("discriminator", "generator")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.automatic_optimization = False

    @abstractmethod
    def generate(self, batch: Batch) -> Any:
        """All that the generators make of a batch, with gradients: computed once, used by both sides."""

    @abstractmethod
    def generator_losses(self, batch: Batch, fakes: Any) -> dict[str, Tensor]:
        """The generator's terms by name, unweighted, and their weighted sum as ``total``."""

    @abstractmethod
    def discriminator_losses(self, batch: Batch, fakes: Any) -> dict[str, Tensor]:
        """The discriminator's terms by name, unweighted, and their weighted sum as ``total``; fakes are detached."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return self.generator_losses(batch, self.generate(batch))

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        fakes = self.generate(batch)
        optimizers = self.optimizers()
        reported: dict[str, Tensor] = {}
        for side, optimizer in zip(self.order, optimizers, strict=True):
            self.toggle_optimizer(optimizer)
            losses = getattr(self, f"{side}_losses")(batch, fakes)
            optimizer.zero_grad()
            self.manual_backward(losses["total"])
            optimizer.step()  # clips first, see Translator.on_before_optimizer_step
            self.untoggle_optimizer(optimizer)
            reported |= {f"{side}/{name}": value for name, value in losses.items()}
        self.report(reported, batch)
