"""sSWE: synthetic shear-wave elastography from B-mode by a U-Net (Wildeboer et al., 2019 and 2020)."""

from typing import Any

from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from datamodules.batch import Batch
from zoo.losses.regression import masked_rmse
from zoo.networks import initialisation
from zoo.networks.elasticity_unet import ElasticityUNet, Variant
from zoo.translator import Translator


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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.lr, self.patience, self.use_valid = lr, patience, use_valid
        self.network = ElasticityUNet(self.in_channels, self.out_channels, variant, levels, width, dropout)
        initialisation.uniform(self, 0.05)

    def forward(self, source: Tensor) -> Tensor:
        return 2 * self.network((source + 1) / 2) - 1

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        valid = batch["valid"] if self.use_valid else batch["valid"].new_ones(batch["valid"].shape)
        prediction, target = (self(batch["source"]) + 1) / 2, (batch["target"] + 1) / 2
        rmse = masked_rmse(prediction.float(), target, valid)  # eq. 1
        return {"rmse": rmse, "total": rmse}

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = Adam(self.parameters(), self.lr, fused=self.fused)
        scheduler = ReduceLROnPlateau(
            optimizer, factor=0.5, patience=self.patience, threshold=1e-4, threshold_mode="abs", min_lr=1e-6
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "loss/total"}}
