"""CUT and FastCUT: contrastive learning for unpaired image-to-image translation (Park et al., ECCV 2020)."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.adversarial import AdversarialTranslator, with_total
from zoo.choices import check_choices
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.contrastive import patch_contrast
from zoo.networks import initialisation
from zoo.networks.patch_embedding import PatchEmbedding, random_places
from zoo.networks.patchgan import PatchGAN
from zoo.networks.resnet import ResNetGenerator
from zoo.optimization import constant_then_linear


@dataclass(frozen=True)
class Variant:
    """What the two published trainings differ in."""

    lambda_x: float
    lambda_y: float
    flip: bool
    constant_epochs: int
    decay_epochs: int


VARIANTS = {"cut": Variant(1.0, 1.0, False, 200, 200), "fastcut": Variant(10.0, 0.0, True, 150, 50)}


@dataclass
class Made:
    """What G makes of sources x and, where there is an identity term, of targets y.

    ``images`` are G(x), then G(y); ``keys`` the encoder's maps of x and y, without gradient. Where ``flipped``, G has
    seen mirror images, and the keys are of the images as they were.
    """

    images: Tensor
    keys: list[Tensor]
    flipped: bool


class CUT(AdversarialTranslator):
    """Generator G, whose first half is the encoder E, against a discriminator D of targets; there is no way back.

    Eq. 1: L_GAN(G, D, X, Y), here least squares, as the paper trains; D's loss is halved
    Eq. 2: l(v, v+, v-) = -log(exp(v v+ / tau) / (exp(v v+ / tau) + sum_n exp(v v-_n / tau)))
    Eq. 3: L_PatchNCE(G, H, X) = E_x sum_l sum_s l(z'_l^s, z_l^s, z_l^{S \\ s}), with z_l = H_l(E_l(x)) and z'_l =
    H_l(E_l(G(x))) at places s of layer l: a place of the translation belongs to the same place of its source, the
    other places of the same image do not
    Eq. 4: L = L_GAN + lambda_X L_PatchNCE(G, H, X) + lambda_Y L_PatchNCE(G, H, Y), the last of G(y) against y

    The layers are the image itself, what the two downsampling convolutions give, and the first and the fifth residual
    block (0, 4, 8, 12 and 16 in the published code); with fewer than five blocks, the last is the fifth.

    What paper and code leave open, or differ in: eq. 3 prints sums; like the code, this takes means over layers, places
    and images, so that its weight does not hang on their number. The code halves both weights where there is an
    identity term, the paper does not; the paper's are the defaults. The code low-passes where G and D resample; these
    are CycleGAN's networks, which the paper says that it follows, with their initial weights N(0, 0.02). H keeps
    torch's own, with biases: without them H would tell no more of a grey pixel at first than its sign. As in the code,
    the keys z get no gradient, and all images of a batch are looked at in the same places, of which a small map has
    fewer; here those of x and y, which pass together, are too. G and H, which the code gives an Adam each, share one:
    the arithmetic is the same. The code's mirror images (FastCUT) are turned back as feature maps, which is exact to a
    pixel of each map, and to three more where the width is no multiple of 4.

    There is no preset: its own training is CycleGAN's, by which it is compared.

    Args:
        variant: ``cut``: lambda_x 1, lambda_y 1, 200 and 200 epochs. ``fastcut``: lambda_x 10, no identity term, and so
            half the work of G, with mirror images; 150 and 50 epochs.
        lambda_x: weight of L_PatchNCE of the sources; by default the variant's.
        lambda_y: that of the targets, the identity term; by default the variant's. At 0 its passes are not made.
        flip: with probability 1/2, a step's images are mirrored for G, and its features mirrored back; by default the
            variant's.
        lambda_adversarial: weight of L_GAN.
        patches: places of a layer that are compared, S.
        tau: the temperature.
        lr: initial rate of both sides.
        constant_epochs: epochs at that rate; by default the variant's.
        decay_epochs: epochs after those until the rate is 0; by default the variant's.
        n_blocks: residual blocks of G.
        width: channels of the first layer of G and D.
        embedding: units of H's layers.
        kwargs: see :class:`zoo.method.Method`.

    Raises:
        InputError: there is nothing to tell a place apart from, or no residual block.
    """

    needs_pairs = False
    ignores_pairs = True

    def __init__(
        self,
        variant: Literal["cut", "fastcut"] = "cut",
        lambda_x: float | None = None,
        lambda_y: float | None = None,
        flip: bool | None = None,
        lambda_adversarial: float = 1.0,
        patches: int = 256,
        tau: float = 0.07,
        lr: float = 2e-4,
        constant_epochs: int | None = None,
        decay_epochs: int | None = None,
        n_blocks: int = 9,
        width: int = 64,
        embedding: int = 256,
        **kwargs: Any,
    ) -> None:
        check_choices(CUT, locals())
        super().__init__(**kwargs)
        if patches < 2:
            raise InputError(f"patches {patches}: a place is told apart from the others; give at least 2")
        if n_blocks < 1:
            raise InputError(f"n_blocks {n_blocks}: a residual block's features are compared; give at least 1")
        self.save_hyperparameters()
        own = VARIANTS[variant]
        self.weights = {
            "adversarial": lambda_adversarial,
            "patch_nce": own.lambda_x if lambda_x is None else lambda_x,
            "identity": own.lambda_y if lambda_y is None else lambda_y,
        }
        self.flip = own.flip if flip is None else flip
        self.patches, self.tau, self.lr = patches, tau, lr
        self.constant_epochs = own.constant_epochs if constant_epochs is None else constant_epochs
        self.decay_epochs = own.decay_epochs if decay_epochs is None else decay_epochs

        self.blocks = tuple(sorted({1, min(5, n_blocks)}))
        self.generator = ResNetGenerator(
            self.in_channels, self.out_channels, n_blocks, width, "transposed", "none", "reflect"
        )
        self.embedding = PatchEmbedding(self.generator.encoded_channels(self.blocks), embedding)  # H
        self.discriminator = PatchGAN(self.out_channels, width, "instance")
        self.adversarial = AdversarialLoss("lsgan")
        initialisation.normal(self.generator)
        initialisation.normal(self.discriminator)

    def prepare_data(self) -> None:
        super().prepare_data()
        if self.trainer.training and self.in_channels != self.out_channels:
            raise InputError(
                f"CUT: its generator encodes what it has made, and needs as many channels in the source "
                f"({self.in_channels}) as in the target ({self.out_channels}); choose other data or another method"
            )

    def forward(self, source: Tensor) -> Tensor:
        return self.generator(source)

    def generate(self, batch: Batch) -> Made:
        """One pass of G, of x and y together, which gives the keys as well; of mirror images it cannot."""
        given = torch.cat([batch["source"], batch["target"]]) if self.weights["identity"] else batch["source"]
        flipped = self.flip and bool(torch.rand(()) < 0.5)  # on the CPU: no device is waited for
        if flipped:
            keys = self.generator.encode(given, self.blocks)
            images = self.generator(given.flip(3))
        else:
            images, keys = self.generator(given, self.blocks)
        # Detached, not computed without gradients: autocast would keep its copies of the weights, which had none.
        return Made(images, [layer.detach() for layer in keys], flipped)

    def translations(self, batch: Batch, made: Made) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        x, y = batch["source"], batch["target"]
        translation = made.images[: len(x)]
        return {"G": (x, translation.flip(3) if made.flipped else translation, y)}

    def discriminator_losses(self, batch: Batch, made: Made) -> dict[str, Tensor]:
        x, y = batch["source"], batch["target"]
        real, fake = self.discriminator(torch.cat([y, made.images[: len(x)].detach()])).split([len(y), len(x)])
        adversarial = self.adversarial.discriminator(real, fake)  # eq. 1, D's side
        return {"adversarial": adversarial, "total": 0.5 * adversarial}

    def generator_losses(self, batch: Batch, made: Made) -> dict[str, Tensor]:
        terms = self.terms(batch, made)
        return with_total(terms, self.weights)

    def terms(self, batch: Batch, made: Made) -> dict[str, Tensor]:
        """Those of eq. 4 by name, unweighted."""
        sources = len(batch["source"])
        score = self.discriminator(made.images[:sources])
        queries, keys = self.embedded(made)
        terms = {
            "adversarial": self.adversarial.generator(score),  # eq. 1, G's side
            "patch_nce": self.patch_nce([z[:sources] for z in queries], [z[:sources] for z in keys]),
        }
        if self.weights["identity"]:
            terms["identity"] = self.patch_nce([z[sources:] for z in queries], [z[sources:] for z in keys])
        return terms

    def embedded(self, made: Made) -> tuple[list[Tensor], list[Tensor]]:
        """z' of what was made and z of what it was made of, ``(B, S, D)`` a layer, at the same random places."""
        maps = self.generator.encode(made.images, self.blocks)
        maps = [layer.flip(3) for layer in maps] if made.flipped else maps
        places = random_places(made.keys, self.patches)
        return self.embedding(maps, places), [key.detach() for key in self.embedding(made.keys, places)]

    def patch_nce(self, queries: list[Tensor], keys: list[Tensor]) -> Tensor:
        """Eq. 2 and 3: the mean over layers, images and places."""
        return torch.stack([self._contrast(*layer) for layer in zip(queries, keys, strict=True)]).mean()

    def _contrast(self, query: Tensor, key: Tensor) -> Tensor:
        everywhere = torch.ones(query.shape[:2], dtype=torch.bool, device=query.device)
        return patch_contrast(query, key, everywhere, self.tau)

    def sides(self) -> dict[str, list[nn.Parameter]]:
        return {
            "discriminator": [*self.discriminator.parameters()],
            "generator": [*self.generator.parameters(), *self.embedding.parameters()],
        }

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        return Adam(parameters, self.lr, (0.5, 0.999), fused=self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return constant_then_linear(optimizer, self.constant_epochs, self.decay_epochs)
