"""Method: what everything that is trained shares: reports, schedules, clipping, checkpoints."""

import hashlib
from abc import abstractmethod
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from datamodules.batch import Batch, TranslationData
from datamodules.cache import ImageCache, ImageSource
from datamodules.errors import InputError
from zoo.checkpoints import OF_TRAINING, check_content, check_continued, check_method, check_weights
from zoo.output import Output
from zoo.processes import AgreedError, from_all
from zoo.resuming import STEPPED, check_resumed, check_saved

PLACES = ("translator",)  # arguments that name a file, which may have been moved with its folder


class Method(pl.LightningModule):
    """Anything that a config of this project trains.

    Args:
        in_channels: of the source. On the command line both come from the data's task.
        out_channels: of the target.
        gradient_clip_val: largest gradient norm of an optimizer's parameters, each group by itself; works with manual
            optimisation too, where the trainer's own setting does not.
        channels_last: keep weights, and with them feature maps, in the channels-last memory format.
        compile: run the networks through ``torch.compile``.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        gradient_clip_val: float | None = None,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.gradient_clip_val, self.channels_last, self.compile_networks = gradient_clip_val, channels_last, compile
        self._pending: tuple[Tensor, Tensor, int, list[str]] | None = None
        self._resumed: dict[str, Any] | None = None  # a checkpoint, until training goes on from it

    needs_target: bool = True  # whether it can be trained or tested on data without targets
    trainable = True  # a method that is not takes what it needs of the data in learn()
    remark = ""  # what every table has to say beside its name
    of_weights: tuple[str, ...] = ()  # arguments that weights belong to, though no shape tells
    of_inference: tuple[str, ...] = ()  # arguments that a test or a prediction may choose anew

    @abstractmethod
    def infer(self, batch: Batch) -> Output:
        """What validation, test and prediction make of a batch."""

    def derived(self, images: ImageCache) -> list[ImageSource]:
        """What the data has to deliver beside the images; computed once, before training, and cached."""
        return []

    def learn(self, data: TranslationData) -> None:
        """What a method without training takes of a data module's training split."""

    def latent(self, source: Tensor) -> Tensor:
        """The map in the middle of the network, ``(B, C, h, w)`` of ``(B, C, H, W)`` in [-1, 1].

        Raises:
            InputError: there is none.
        """
        raise InputError(f"{type(self).__name__} has no latent space to look at; leave out 'latent'")

    @property
    def data(self) -> TranslationData | None:
        """The trainer's data module; None without a trainer, or where its loaders were given by hand."""
        return data_of(self._trainer)

    def needed_data(self) -> TranslationData:
        """The same, for a method that cannot do without.

        Raises:
            InputError: there is none.
        """
        if self.data is None:
            raise InputError(f"{type(self).__name__}: asks its data module, and there is none; give the trainer one")
        return self.data

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Every term of the loss by name, unweighted, and their weighted sum as ``total``."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        losses = self.losses(batch)
        self.report(losses, batch)
        return losses["total"]

    def validation_step(self, batch: Batch, batch_idx: int) -> Output:
        return self.infer(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Output:
        return self.infer(batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> Output:
        return self.infer(batch)

    def report(self, losses: dict[str, Tensor], batch: Batch) -> None:
        """Log every term as ``loss/<name>`` and stop the run at the first that is not finite."""
        values = {f"loss/{name}": value.detach().float() for name, value in losses.items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch["id"]), sync_dist=True)
        self._stop_if_pending_is_bad()
        # Looked at one step later, when the device has long computed it: looking at once would make it wait.
        finite = torch.stack(list(values.values())).isfinite().all()
        everywhere = self.trainer.strategy.reduce(finite.float(), reduce_op="mean")
        self._pending = (finite, everywhere, self.global_step, list(batch["id"]))

    def _stop_if_pending_is_bad(self) -> None:
        if self._pending is None:
            return
        finite, everywhere, step, ids = self._pending
        self._pending = None
        if everywhere < 1:  # of several processes, all stop together
            bad = [name for part in from_all([] if finite else ids) for name in part]
            raise AgreedError(
                f"step {step}: the loss is not finite on the batch {', '.join(bad)}; look at these images, "
                "lower the learning rate or clip gradients; the last checkpoint is from before this step"
            )

    def _stop_if_weights_are_bad(self) -> None:
        """Raises InputError before they are saved: weights, and statistics of batches, may be infinite while the loss
        is still a number."""
        bad = not_finite(self)
        if not self.trainer.strategy.reduce_boolean_decision(not bad, all=True):
            names = sorted({name for part in from_all(bad) for name in part})
            raise AgreedError(
                f"epoch {self.current_epoch}: {len(names)} of the network's weights and statistics are not finite "
                f"({', '.join(names[:3])}{', ...' * (len(names) > 3)}); lower the learning rate or clip gradients; the "
                "last checkpoint is from before this epoch"
            )

    # Lightning steps epoch schedulers after the checkpoint is written, and not at all in manual optimisation; both
    # would make a resumed run differ from an uninterrupted one. So they are stepped here, before the checkpoint.
    def on_train_epoch_end(self) -> None:
        self._stop_if_pending_is_bad()
        self._stop_if_weights_are_bad()
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau):
                config.scheduler.step(self.trainer.callback_metrics[str(config.monitor)])
            else:
                config.scheduler.step()

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Nothing: see :meth:`on_train_epoch_end`."""

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.gradient_clip_val is not None:
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.gradient_clip_val)

    @property
    def fused(self) -> bool:
        """Whether optimizers may be fused: a fused one unscales fp16 gradients itself, too late for clipping."""
        return self.gradient_clip_val is None or self._trainer is None or self.trainer.precision != "16-mixed"

    def setup(self, stage: str) -> None:
        self._resumed = None
        if self.channels_last:
            self.to(memory_format=torch.channels_last)  # convolutions bring their input into the weights' format
        if self.compile_networks:
            for network in self.children():
                network.compile()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            checkpoint["random_state"]["cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint["method"] = type(self).__name__
        checkpoint[STEPPED] = [len(saved["state"]) for saved in checkpoint.get("optimizer_states", ())]
        if self.data is not None:
            checkpoint["patients"] = {
                split: sorted({pseudonym(patient) for patient in rows["patient"]})
                for split, rows in self.data.splits().groupby("split")
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning calls it before it takes anything of a checkpoint, wherever that was found.

        Raises:
            InputError: it is of another method, its weights are not those of this one, or, to go on training, it has
                not all that was saved.
        """
        if self._trainer is None:
            return
        where = str(self.trainer.ckpt_path)
        check_content(where, checkpoint)
        check_method(where, checkpoint, type(self).__name__)
        check_weights(where, checkpoint, self)
        check_continued(where, {name: self.hparams[name] for name in self.of_weights}, checkpoint)
        if self.trainer.testing:
            check_unseen(checkpoint, self.data, "the checkpoint")
        if self.trainer.training:
            check_saved(where, checkpoint, self.hparams)
            self._resumed = checkpoint

    def on_fit_start(self) -> None:
        if self._resumed is not None:
            where = str(self.trainer.ckpt_path)
            own = {name: value for name, value in self.hparams.items() if name not in (*OF_TRAINING, *PLACES)}
            check_continued(where, own, self._resumed)
            check_resumed(where, self._resumed, self.trainer)

    def on_train_start(self) -> None:
        if self._resumed is None:
            return
        state, self._resumed = self._resumed["random_state"], None
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)


def data_of(trainer: pl.Trainer | None) -> TranslationData | None:
    """The data module of a trainer, if it has one that answers what is asked of it."""
    data = trainer.datamodule if trainer is not None else None  # type: ignore[attr-defined]  # Lightning declares none
    return data if isinstance(data, TranslationData) else None


def not_finite(network: nn.Module) -> list[str]:
    """Names of its weights and statistics that hold values which are none; waits once for the device."""
    saved = network.state_dict().items()  # in which a module may keep what is no tensor
    floats = {name: value for name, value in saved if isinstance(value, Tensor) and value.is_floating_point()}
    if not floats:
        return []
    finite = torch.stack([value.isfinite().all() for value in floats.values()]).tolist()
    return [name for name, fine in zip(floats, finite, strict=True) if not fine]


def pseudonym(patient: str) -> str:
    """What stands for a patient in a checkpoint, which may be given away."""
    return hashlib.sha256(str(patient).encode()).hexdigest()[:16]


def check_unseen(checkpoint: dict[str, Any], data: TranslationData | None, name: str) -> None:
    """No patient of the test split may have been trained or validated on.

    Raises:
        InputError: some were; ``name`` is what the message calls the checkpoint.
    """
    known = checkpoint.get("patients", {})
    if not known or data is None:
        return
    splits = data.splits()
    seen = set(known.get("train", ())) | set(known.get("val", ()))
    both = sorted(name for name in set(splits["patient"][splits["split"] == "test"]) if pseudonym(name) in seen)
    if both:
        raise InputError(
            f"{name}: was trained on {len(both)} of the patients to be tested on ('{both[0]}', ...); use the "
            "checkpoint of the same fold and split, or, if they are other people, give patients names of their own"
        )
