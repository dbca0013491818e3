"""sSWE: synthetic shear-wave elastography from B-mode by a U-Net (Wildeboer et al., 2019 and 2020)."""

from typing import Any

import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from datamodules.batch import Batch
from zoo.choices import check_choices
from zoo.losses.regression import cross_entropy, masked_rmse
from zoo.networks import initialisation
from zoo.networks.elasticity_unet import ElasticityUNet, Variant
from zoo.networks.feature_shift import ChannelStatistics
from zoo.networks.padding import pad_to_multiple
from zoo.output import Output
from zoo.translator import Translator

MOST = 512  # images from which a scanner's features are known


class SSWE(Translator):
    """A U-Net f that regresses elasticity y from B-mode x, both in [0, 1] as in the paper.

    Eq. 1: L = sqrt(mean over the batch's valid pixels of (y - f(x))^2)

    ``y`` is Young's modulus (or speed) over the full scale of the task; valid pixels are those inside the region of
    interest with a confidence above 0.75.

    Args:
        variant: ``text`` (every layer is printed; 102,273 parameters) or ``count158k`` (the stated 158,177).
        levels: poolings; by default the variant's.
        width: maps of every hidden layer.
        dropout: after each pooling.
        lr: of Adam; the paper prints none, this is Keras' default.
        patience: epochs without a better training loss before the rate is halved, down to 1e-6. The factor is not
            printed; Keras' 0.1 would freeze training early.
        use_valid: whether only valid pixels count; the papers' ablation of the confidence mask.
        confidence: weight of a second head's cross-entropy, which tells from the B-mode where the elasticity may be
            trusted; 0 leaves it out. What the papers ask for.
        align: shift the latent features of the images that are tested or predicted on to the mean and deviation that
            those of training had, channel by channel; takes sources without targets. Not in the papers either.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        variant: Variant = "text",
        levels: int | None = None,
        width: int = 32,
        dropout: float = 0.5,
        lr: float = 1e-3,
        patience: int = 10,
        use_valid: bool = True,
        confidence: float = 0.0,
        align: bool = False,
        **kwargs: Any,
    ) -> None:
        check_choices(SSWE, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.lr, self.patience, self.use_valid, self.confidence = lr, patience, use_valid, confidence
        maps = self.out_channels + (1 if confidence else 0)
        self.network = ElasticityUNet(self.in_channels, maps, variant, levels, width, dropout, align)
        initialisation.uniform(self, 0.05)
        if align:
            self.register_state_dict_pre_hook(_remember_features)

    def maps(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Elasticity and, where there is a head for it, confidence; both in [0, 1]."""
        return self.network((source + 1) / 2).tensor_split([self.out_channels], dim=1)

    def forward(self, source: Tensor) -> Tensor:
        return 2 * self.maps(source)[0] - 1

    def infer(self, batch: Batch) -> Output:
        elasticity, confidence = self.maps(batch["source"])
        output = Output(translation=2 * elasticity - 1)
        return output | Output(confidence=confidence) if self.confidence else output

    def encode(self, source: Tensor) -> Tensor:
        """The latent map, ``(B, 32, 16, 24)`` for 64 x 96 pixels in ``text``; sides as :meth:`forward` pads them."""
        image, _ = pad_to_multiple((source + 1) / 2, 2**self.network.levels)
        return self.network.encode(image)[0]

    def latent(self, source: Tensor) -> Tensor:
        """The same, aligned where it is asked for: what the decoder gets."""
        return self.network.aligned(self.encode(source))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        valid = batch["valid"] if self.use_valid else batch["valid"].new_ones(batch["valid"].shape)
        prediction, confidence = self.maps(batch["source"])
        rmse = masked_rmse(prediction.float(), (batch["target"] + 1) / 2, valid)  # eq. 1
        if not self.confidence:
            return {"rmse": rmse, "total": rmse}
        entropy = cross_entropy(confidence.float(), batch["valid"])
        return {"rmse": rmse, "confidence": entropy, "total": rmse + self.confidence * entropy}

    def remember_features(self) -> None:
        """Where features are aligned, note what those of the training images are under the present weights."""
        if self.network.adapt is not None:
            self.network.adapt.remember(*self._latent_statistics("train"))

    def on_train_end(self) -> None:
        self.remember_features()

    def on_test_start(self) -> None:
        self._shift_from("train")

    def on_predict_start(self) -> None:
        self._shift_from("all")

    def _shift_from(self, split: str) -> None:
        if self.network.adapt is not None:
            self.network.adapt.shift_from(*self._latent_statistics(split))

    @torch.no_grad()
    def _latent_statistics(self, split: str) -> tuple[Tensor, Tensor]:
        """Of the sources of the present data; its test images stay out of it where there is a split."""
        training, found = self.training, ChannelStatistics()
        self.eval()
        for source in self.needed_data().sources(split, MOST):
            found.add(self.encode(source[None].to(self.device)).float())
        self.train(training)
        return found.compute()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = Adam(self.parameters(), self.lr, fused=self.fused)
        scheduler = ReduceLROnPlateau(
            optimizer, factor=0.5, patience=self.patience, threshold=1e-4, threshold_mode="abs", min_lr=1e-6
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "loss/total"}}


def _remember_features(model: SSWE, prefix: str, keep_vars: bool) -> None:
    """Every checkpoint of a training, whenever it is taken, holds the statistics of its own weights."""
    if model._trainer is not None and model.trainer.state.fn == TrainerFn.FITTING:
        model.remember_features()
