"""pGAN (Dar et al., IEEE TMI 2019), the row "MedGAN" of comparisons that cite it under that name."""

from typing import Any

from torch import Tensor

from datamodules.batch import Batch
from zoo.choices import check_choices
from zoo.conditional import ConditionalGAN, Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.feature_l1 import FeatureL1, Input
from zoo.networks import initialisation
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import ResNetGenerator
from zoo.networks.vgg import relu2_2
from zoo.trunks import load_trunk
from zoo.weights import IMAGENET

WITHOUT = "train on an untrained network"


class MedGAN(ConditionalGAN):
    """Residual generator G against a PatchGAN D that sees source x and target y together, with L1 in the image and in
    the features V of VGG-16 (relu2_2).

    In the paper's order:

    L_condGAN(D, G) = -E[(D(x, y) - 1)^2] - E[D(x, G(x))^2], of which D maximises a half; G minimises
    E[(D(x, G(x)) - 1)^2] in its place
    L_L1(G) = E[|y - G(x)|]
    L_Perc(G) = E[|V(y) - V(G(x))|]
    L_pGAN = L_condGAN + lambda L_L1 + lambda_perc L_Perc

    Named MedGAN because the comparison that this project repeats (HSC-T, Table II) has a row of that name and cites
    this paper for it; the paper itself calls the network pGAN. The MedGAN of Armanious et al. (2020: a cascade of
    U-Nets, style and content losses) is another method, and is not here. Every table says pGAN beside the row.
    Taken from the authors' code: dropout in the residual blocks, both weights 100 for images in [-1, 1], VGG-16 on
    images that are not normalised (``vgg_input``). That code compares the features of the first image of a batch alone,
    the same thing for its batches of one; here all count. The paper feeds neighbouring slices of a volume, which an
    ultrasound image has not.

    Args:
        preset: ``native`` trains as the paper does: Adam 2e-4 (0.5, 0.999), the rate constant and then linear to 0;
            ``matched`` as configs/hsct.yaml trains HSC-T.
        lr: initial learning rate; by default the preset's.
        lambda_l1: weight of the L1 term.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        n_blocks: residual blocks of the generator.
        width: channels of the first layer of generator and discriminator.
        dropout: in the residual blocks, while training.
        lambda_perceptual: weight of the features' term; at 0 no VGG is needed.
        perceptual_weights: of VGG-16: ``imagenet``, the path of a file (see :func:`zoo.trunks.load_trunk`), or null for
            an untrained network, which every table then says.
        vgg_input: images in [-1, 1] as they are (``raw``), or normalised as those of ``imagenet`` were.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        constant_epochs: int = 50,
        decay_epochs: int = 50,
        n_blocks: int = 9,
        width: int = 64,
        dropout: float = 0.5,
        lambda_perceptual: float = 100.0,
        perceptual_weights: str | None = IMAGENET,
        vgg_input: Input = "raw",
        **kwargs: Any,
    ) -> None:
        check_choices(MedGAN, locals())
        super().__init__(preset, lr, lambda_l1, constant_epochs, decay_epochs, **kwargs)
        self.save_hyperparameters()
        self.lambda_perceptual, self.perceptual_weights = lambda_perceptual, perceptual_weights
        self.vgg_input = vgg_input
        self.remark = "pGAN" + self._of_vgg()
        self.generator = ResNetGenerator(  # CycleGAN's, with dropout
            self.in_channels, self.out_channels, n_blocks, width, "transposed", "none", "reflect", dropout
        )
        self.discriminator = PatchGAN(self.in_channels + self.out_channels, width, "instance")
        self.adversarial = AdversarialLoss("lsgan")
        initialisation.normal(self)
        self.perceptual: FeatureL1 | None = None  # built for training alone: translation needs no VGG

    def _of_vgg(self) -> str:
        if not self.lambda_perceptual:
            return ", without VGG"
        return ", untrained VGG" if self.perceptual_weights is None else ""

    def prepare_data(self) -> None:
        super().prepare_data()
        if self.trainer.training and self.lambda_perceptual:
            self._trunk()

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.lambda_perceptual and self.perceptual is None:
            self.perceptual = FeatureL1(relu2_2(self._trunk()), self.vgg_input)
        super().setup(stage)

    def _trunk(self) -> dict[str, Tensor] | None:
        if self.perceptual_weights is None:
            return None
        return load_trunk("vgg", self.perceptual_weights, "perceptual_weights", WITHOUT)

    @property
    def weights(self) -> dict[str, float]:
        return super().weights | {"perceptual": self.lambda_perceptual}

    def terms(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        terms = super().terms(batch, made)
        if self.lambda_perceptual:
            assert self.perceptual is not None, "setup('fit') builds it"
            terms["perceptual"] = self.perceptual(made, batch["target"])
        return terms
