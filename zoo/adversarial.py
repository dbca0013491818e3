"""AdversarialTranslator: the one shape of a training step with a generator and a discriminator."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.losses.adversarial import AdversarialLoss
from zoo.networks.patchgan import LEAST_SIDE, PatchGAN
from zoo.translator import Translator
from zoo.watch import Watch, alike

Configured = tuple[list[Optimizer], list[LRScheduler]]


class AdversarialTranslator(Translator):
    """A GAN. The generator runs once a step; then each of its :meth:`sides` takes its turn.

    Lightning's ``global_step`` counts optimizer steps, that is one a side and batch; ``trainer.max_steps`` counts the
    same. A method that sets ``automatic_optimization`` has one side, and minimises the total of its ``losses``, of
    which ``adversarial``, if there is one, is the discriminator's.

    Training warns of discriminators that have won, and, where both sides are grey pictures, of negatives and of
    translations that change nothing; each once until it is gone, see :class:`zoo.watch.Watch`.
    """

    adversarial: AdversarialLoss

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.automatic_optimization = False
        self.watch, self.alike = Watch(), False

    @abstractmethod
    def sides(self) -> dict[str, list[nn.Parameter]]:
        """What each side trains, by its name, in the order in which they take their turn."""

    @abstractmethod
    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        """Of a side's parameters."""

    @abstractmethod
    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        """Of a side's optimizer; stepped once an epoch."""

    @abstractmethod
    def generate(self, batch: Batch) -> Any:
        """All that the generators make of a batch, with gradients: computed once, used by both sides."""

    @abstractmethod
    def generator_losses(self, batch: Batch, made: Any) -> dict[str, Tensor]:
        """The generator's terms by name, unweighted, and their weighted sum as ``total``."""

    @abstractmethod
    def discriminator_losses(self, batch: Batch, made: Any) -> dict[str, Tensor]:
        """The discriminator's terms by name, unweighted, and their weighted sum as ``total``; what was made is
        detached."""

    def translations(self, batch: Batch, made: Any) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """To be watched, by the generator's name: what it was given, what it made, and what was wanted; by default the
        whole of ``made``, if that is one image."""
        return {"the generator": (batch["source"], made, batch["target"])} if isinstance(made, Tensor) else {}

    def look(self, batch: Batch, made: Any) -> None:
        """Show the translations to the watch. With ``automatic_optimization`` a method whose ``losses`` are its own
        calls it there."""
        for generator, images in self.translations(batch, made).items() if self.alike else ():
            self.watch.translation(generator, *images)

    def losses_of(self, side: str, batch: Batch, made: Any) -> dict[str, Tensor]:
        """A side's terms: ``<side>_losses``."""
        return getattr(self, f"{side}_losses")(batch, made)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        made = self.generate(batch)
        self.look(batch, made)
        return self.generator_losses(batch, made)

    def configure_optimizers(self) -> Configured:
        optimizers = [self.optimizer(side, parameters) for side, parameters in self.sides().items()]
        return optimizers, [self.schedule(optimizer) for optimizer in optimizers]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        if self.automatic_optimization:
            return super().training_step(batch, batch_idx)
        made = self.generate(batch)
        self.look(batch, made)
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        reported: dict[str, Tensor] = {}
        for side, optimizer in zip(self.sides(), optimizers, strict=True):
            self.toggle_optimizer(optimizer)
            losses = self.losses_of(side, batch, made)
            optimizer.zero_grad()
            self.manual_backward(losses["total"])
            optimizer.step()  # clips first, see Method.on_before_optimizer_step
            self.untoggle_optimizer(optimizer)
            reported |= {f"{side}/{name}": value for name, value in losses.items()}
        self.report(reported, batch)
        return None

    def report(self, losses: dict[str, Tensor], batch: Batch) -> None:
        super().report(losses, batch)
        for name, loss in losses.items():
            side, _, term = name.rpartition("/")
            judges = term == "adversarial" if self.automatic_optimization else side == "discriminator"
            if judges and term != "total":
                self.watch.discriminator(term, loss, self.adversarial.chance)

    def on_fit_start(self) -> None:
        """Raises InputError where images are too small for a discriminator of patches."""
        super().on_fit_start()
        judged = self.data is not None and any(isinstance(network, PatchGAN) for network in self.modules())
        for image in self.data.sources("train", 1) if judged and self.data is not None else ():  # all are of one size
            height, width = image.shape[-2:]
            if min(height, width) < LEAST_SIDE:
                raise InputError(
                    f"{type(self).__name__}: images of {height} x {width} pixels are too small for its discriminators, "
                    f"which need {LEAST_SIDE} a side; set data.size to [{max(height, LEAST_SIDE)}, "
                    f"{max(width, LEAST_SIDE)}] or more"
                )

    def on_train_start(self) -> None:
        super().on_train_start()
        task = self.data.task if self.data is not None else None
        self.alike = task is not None and alike(task)

    def on_train_epoch_start(self) -> None:
        self.watch.start()

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.watch.finish(self.current_epoch)


def with_total(terms: dict[str, Tensor], weights: dict[str, float]) -> dict[str, Tensor]:
    """The terms of a loss, and their weighted sum as ``total``."""
    return terms | {"total": torch.as_tensor(sum(weights[name] * value for name, value in terms.items()))}
