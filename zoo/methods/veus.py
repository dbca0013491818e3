"""V-EUS: virtual elastography by a GAN that also looks at the tumour alone (Yao et al., Nature Communications 2023)."""

from typing import Any

import torch
from torch import Tensor, nn

from datamodules.batch import Batch, TranslationData
from datamodules.cache import ImageCache, ImageSource
from datamodules.errors import InputError
from zoo.choices import check_choices
from zoo.conditional import ConditionalGAN, Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.color_rebalance import ColorRebalance
from zoo.networks import initialisation
from zoo.networks.patchgan import LEAST_SIDE, PatchGAN
from zoo.networks.region import boxes_of, crop
from zoo.networks.unet import UNet

MOST = 256  # training targets whose colours are counted
NO_LESIONS = (
    "tumor_d true: the tumor's discriminator needs masks of lesions, and this data has none; add them, or set tumor_d "
    "to false, which is the row 'V-EUS (no D_T)'"
)


class VEUS(ConditionalGAN):
    """Pix2Pix with a second discriminator, D_T, that sees source x and target y in the lesion's box T alone.

    Eq. 1: L_A(G, D_A) = E[log D_A(x, y)] + E[log(1 - D_A(x, G(x)))]
    Eq. 2: L_T(G, D_T) = E[log D_T(x_T, y_T)] + E[log(1 - D_T(x_T, G(x)_T))]
    Eq. 3: L_L1(G) = E[gamma |y - G(x)|], gamma = 1 or as :class:`zoo.losses.color_rebalance.ColorRebalance` has it
    Eq. 4: G* = arg min_G max_{D_A, D_T} L_A + L_T + lambda L_L1, each discriminator's loss halved

    D_A takes its turn, then D_T, then G. At test time the masks of lesions are not used.

    The published code cuts one box of one image, wherever it lies after the augmentation. Here a box is that of the
    lesion's mask as it is in the batch, enlarged to ``least_box`` pixels a side and resampled to ``box_size``; several
    lesions of an image share one box. An image without a lesion counts nothing in eq. 2: its weight is 0, and another
    image of the batch stands in for it, so that it is not in the batch norm's statistics either. The paper's graphical
    abstract shows an L1 that is rebalanced by colour, the code has a plain one; how colours are counted is printed
    nowhere and taken from Zhang et al. (ECCV 2016), but for the weights' mean of 1 over the pixels themselves.

    Args:
        preset: ``native`` trains as the published code: Adam 2e-4 (0.5, 0.999), the rate constant and then linear to 0;
            ``matched`` as configs/hsct.yaml trains HSC-T.
        lr: initial learning rate; by default the preset's.
        lambda_l1: weight of the L1 term.
        tumor_d: whether there is D_T, which needs masks of lesions to train on; tables say where there is none.
        color_rebalance: weigh the L1 of a pixel by how rare its target's colour is; for RGB targets.
        least_box: pixels a side that a lesion's box has at least.
        box_size: pixels a side to which a box is brought for D_T.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        depth: levels of the U-Net; 8 for 256 x 256.
        width: channels of the first level of the U-Net and the discriminators.
        dropout: of the generator.
        kwargs: see :class:`zoo.method.Method`.

    Raises:
        InputError: boxes are too small for D_T, or colours are to be weighed that targets have not.
    """

    rates = {"generator": 2e-4, "discriminator": 2e-4, "tumor_discriminator": 2e-4}

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        tumor_d: bool = True,
        color_rebalance: bool = False,
        least_box: int = 64,
        box_size: int = 128,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        depth: int = 8,
        width: int = 64,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        check_choices(VEUS, locals())
        super().__init__(preset, lr, lambda_l1, constant_epochs, decay_epochs, **kwargs)
        self.save_hyperparameters()
        if box_size < LEAST_SIDE:
            raise InputError(f"box_size {box_size}: the discriminator needs at least {LEAST_SIDE} pixels a side")
        if color_rebalance and self.out_channels != 3:
            raise InputError(
                f"color_rebalance true: weighs the colours of RGB targets, and these have {self.out_channels} "
                f"channel{'s' * (self.out_channels != 1)}; set it to false"
            )
        self.tumor_d, self.least_box, self.box_size = tumor_d, least_box, box_size
        self.remark = "" if tumor_d else "no D_T"
        self.generator = UNet(self.in_channels, self.out_channels, depth, width, dropout)
        self.discriminator = PatchGAN(self.in_channels + self.out_channels, width)  # D_A
        if tumor_d:
            self.tumor_discriminator = PatchGAN(self.in_channels + self.out_channels, width)  # D_T
        self.adversarial = AdversarialLoss("vanilla")
        self.rebalance = ColorRebalance() if color_rebalance else None
        initialisation.normal(self)

    def derived(self, images: ImageCache) -> list[ImageSource]:
        """Nothing, but the images are seen here before training.

        Raises:
            InputError: they have no masks of lesions, and training needs them.
        """
        if self.tumor_d and self._trainer is not None and self.trainer.training and "lesion" not in images:
            raise InputError(NO_LESIONS)
        return super().derived(images)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.rebalance is not None:
            self.learn(self.needed_data())
        super().setup(stage)

    def learn(self, data: TranslationData) -> None:
        """The colours of the training targets."""
        if self.rebalance is not None:
            self.rebalance.learn(data.targets("train", MOST))

    def sides(self) -> dict[str, list[nn.Parameter]]:
        both = super().sides()
        tumor = {"tumor_discriminator": [*self.tumor_discriminator.parameters()]} if self.tumor_d else {}
        return {"discriminator": both["discriminator"], **tumor, "generator": both["generator"]}

    def tumor_discriminator_losses(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        real, fake = self._tumor_scores(batch, batch["target"]), self._tumor_scores(batch, made.detach())
        losses = torch.vmap(self.adversarial.discriminator)(real, fake)
        adversarial = mean_where(losses, present(batch))  # eq. 2, D's side
        return {"adversarial": adversarial, "total": 0.5 * adversarial}

    @property
    def weights(self) -> dict[str, float]:
        return super().weights | ({"tumor": 1.0} if self.tumor_d else {})

    def terms(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        terms = super().terms(batch, made)  # eq. 1, eq. 3
        if self.tumor_d:
            losses = torch.vmap(self.adversarial.generator)(self._tumor_scores(batch, made))
            terms["tumor"] = mean_where(losses, present(batch))  # eq. 2, G's side
        if self.rebalance is not None:
            target = batch["target"]
            terms["l1"] = (self.rebalance(target) * (target - made).abs()).mean()  # eq. 3
        return terms

    def _tumor_scores(self, batch: Batch, image: Tensor) -> Tensor:
        """Of D_T on source and ``image``, cut to the boxes of the lesions."""
        there = present(batch)
        lesions = crop(
            torch.cat([batch["source"], image], dim=1), boxes_of(batch["lesion"], self.least_box), self.box_size
        )
        places = torch.arange(len(there), device=there.device)
        return self.tumor_discriminator(lesions[torch.where(there, places, there.int().argmax())])


def present(batch: Batch) -> Tensor:
    """Whether each image has a lesion, bool ``(B,)``.

    Raises:
        InputError: the data has no masks of lesions.
    """
    if "lesion" not in batch:
        raise InputError(NO_LESIONS)
    return batch["lesion"].flatten(1).any(1)


def mean_where(losses: Tensor, counted: Tensor) -> Tensor:
    """Mean of those of ``(B,)`` that are counted; 0 if none is."""
    return (losses * counted).sum() / counted.sum().clamp_min(1)
