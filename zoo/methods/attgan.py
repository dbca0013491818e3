"""AttGAN: an Attention U-Net (Oktay et al., MIDL 2018, arXiv:1804.03999) trained as Pix2Pix trains its generator."""

from typing import Any

from torch import Tensor, nn

from datamodules.batch import Batch
from zoo.choices import check_choices
from zoo.conditional import ConditionalGAN, Preset
from zoo.losses.adversarial import AdversarialLoss
from zoo.networks import initialisation
from zoo.networks.attention_unet import AttentionUNet, Gate
from zoo.networks.patchgan import PatchGAN


class AttGAN(ConditionalGAN):
    """Attention U-Net G against a PatchGAN D that sees source and target together.

    Eq. 1: q = w_psi relu(W_x x + W_g g + b_g) + b_psi, of a skip x and a gating signal g
    Eq. 2: psi = sigmoid(q); the skip becomes x psi
    The terms of the loss are eq. 1, 3 and 4 of Isola et al., see :class:`zoo.conditional.ConditionalGAN`.

    What comparisons of translators cite under this name is a segmentation network: it prints no adversarial training
    and no generator of images. Taken over here is its network, with tanh in the place of the softmax; all else is
    Pix2Pix (objective, discriminator, optimizers, schedule), so that a difference to Pix2Pix is one of the generators.
    ``adversarial: false`` is the other reading, a network trained by L1 alone. The paper prints the gate for a signal
    of any resolution: ``additive`` takes the decoder's own, with batch norm after every 1 x 1 convolution; ``grid`` is
    the authors' published form. Its deep supervision is not used. Nothing drops out. Initial weights are not printed: G
    keeps PyTorch's, which batch norm makes the same as those of the authors' code (He's) but for the last layer, and by
    which it learns faster than by Pix2Pix's N(0, 0.02); D has Pix2Pix's. (He et al., TIP 2019, call a network for
    attributes of faces AttGAN; it is another.)

    Args:
        preset: ``native`` trains as Pix2Pix: Adam 2e-4 (0.5, 0.999), the rate constant and then linear to 0;
            ``matched`` as configs/hsct.yaml trains HSC-T.
        lr: initial learning rate; by default the preset's.
        lambda_l1: weight of the L1 term.
        constant_epochs: epochs at the initial rate (``native``).
        decay_epochs: epochs after those until the rate is 0; a ``matched`` run decays over the sum of both.
        depth: scales of the U-Net; 5 in the paper.
        width: channels of the first scale of the U-Net and of the discriminator.
        gate: of the skip connections, see :class:`zoo.networks.attention_unet.AttentionUNet`.
        adversarial: whether there is a discriminator; without one, L1 alone is minimised.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        lambda_l1: float = 100.0,
        constant_epochs: int = 100,
        decay_epochs: int = 100,
        depth: int = 5,
        width: int = 64,
        gate: Gate = "additive",
        adversarial: bool = True,
        **kwargs: Any,
    ) -> None:
        check_choices(AttGAN, locals())
        super().__init__(preset, lr, lambda_l1, constant_epochs, decay_epochs, **kwargs)
        self.save_hyperparameters()
        self.automatic_optimization = not adversarial  # one side has no turns to take
        self.generator = AttentionUNet(self.in_channels, self.out_channels, depth, width, gate)
        if adversarial:
            self.discriminator = PatchGAN(self.in_channels + self.out_channels, width)
            self.adversarial = AdversarialLoss("vanilla")
            initialisation.normal(self.discriminator)

    def terms(self, batch: Batch, made: Tensor) -> dict[str, Tensor]:
        if not self.automatic_optimization:
            return super().terms(batch, made)
        return {"l1": (batch["target"] - made).abs().mean()}

    def sides(self) -> dict[str, list[nn.Parameter]]:
        if not self.automatic_optimization:
            return super().sides()
        return {"generator": [*self.generator.parameters()]}
