"""HSC-T: B-mode to elastography by hierarchical structural consistency (Han et al.)."""

import copy
import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from datamodules.cache import ImageCache, ImageSource
from datamodules.errors import InputError
from datamodules.superpixels import Superpixels, SuperpixelSource
from zoo.adversarial import AdversarialTranslator
from zoo.backbones import TimmEncoder
from zoo.choices import check_choices
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.contrastive import matching_loss, patch_contrast
from zoo.losses.regression import PixelLoss, pixel_loss
from zoo.networks.cnn_transformer import CNNTransformerEncoder, TransposedDecoder
from zoo.networks.gradient_reversal import reverse_gradient
from zoo.networks.image_discriminator import ImageDiscriminator
from zoo.networks.padding import pad_to_multiple
from zoo.networks.patch_sampler import SAMPLERS, Sampling, Segments
from zoo.networks.patchgan import PatchGAN
from zoo.optimization import RECIPES, Kind, cosine

OWN_ENCODER = "cnn_transformer"
# What the paper leaves open, or prints so that it does not train, and a preset sets; benchmarks/results/hsct_search.md
# has the search. Beside it a preset sets the optimizer, see zoo.optimization.RECIPES.
AS_PRINTED = {
    "patch_mlp": "separate",
    "skips": "none",
    "lambda_pixel": 0.4,
    "lambda_adversarial": 1.0,
    "adv_mode": "grl",
}
PRESETS = {
    "paper": AS_PRINTED,
    "stable": AS_PRINTED,
    "tuned": {
        "patch_mlp": "shared",
        "skips": "concat",
        "lambda_pixel": 0.04,
        "lambda_adversarial": 0.1,
        "adv_mode": "alternating",
    },
}


class HSCT(AdversarialTranslator):
    """Translator G = G_dec(G_enc(.)) under losses at the level of samples, patches, pixels and domains.

    Eq. 1: L_sample = -mean_i log(exp(q_i k_i / tau) / sum_j exp(q_i k_j / tau)), q = pool(G_enc(x_B)),
           k = pool(G_enc^E(x_E))
    Eq. 2, 3: theta^E <- m theta^E + (1 - m) theta after every step, theta^E = theta at first
    Eq. 4: L_patch, the same between the patches u of the translation and v of the target, within an image
    Eq. 5: L_D = E[log D(x_E)] + E[log(1 - D(G(x_B)))], which D ascends and G descends
    Eq. 6: L_pixel = |G(x_B) - x_E|_2 / (h w)
    Eq. 7: L = L_D + lambda_1 L_sample + lambda_2 L_patch + lambda_3 L_pixel

    x_B is B-mode, x_E the elastogram; since G_enc and G_enc^E are alike, both are brought to as many channels.

    Args:
        preset: ``paper`` (RMSProp 1e-3, momentum 0.95, as printed), ``stable`` (the same terms by 1e-4, 0.9, gradients
            clipped to 1) or ``tuned``, which departs from the text by a search on validation patients:
            see :data:`PRESETS` and :data:`zoo.optimization.RECIPES`.
        optimizer: ``rmsprop`` or ``adam``, see :class:`zoo.optimization.Recipe`; by default the preset's.
        lr: initial learning rate; by default the preset's.
        decay_epochs: over which it falls to 1e-6; the paper prints no schedule.
        use_adv: the adversarial term; the ablation's "CA". The pixel term always stays.
        use_cmm: cross-modal matching, eq. 1.
        use_apc: adaptive patch contrast, eq. 4.
        lambda_adversarial: weight of L_D on the translator, 1 in eq. 7; D ascends L_D itself at any. By default the
            preset's.
        lambda_sample: lambda_1.
        lambda_patch: lambda_2.
        lambda_pixel: lambda_3; by default the preset's, 0.4 as printed but for ``tuned``.
        temperature: tau of both contrasts.
        momentum: m.
        normalize: unit length for q and k. The paper does not say.
        proj_dim: length of q and k after a projection of two layers; by default the pooled features themselves.
        superpixels: n, how many superpixels are asked for.
        patch_sampling: how a superpixel becomes a vector: ``flat1d`` (flattened and resized, as the paper says),
            ``area`` (its averages) or ``bbox2d`` (its bounding box).
        patch_length: to how many pixels it is resized.
        patch_mlp: what embeds the patches of the target. ``separate``: an MLP of its own that is trained beside the
            translation's, as printed; both have to learn first that a patch is like itself. ``shared``: the
            translation's. ``ema``: a copy of that which follows it as the momentum encoder does in eq. 2 and 3, the
            reading nearest to "two MLPs respectively". The last two let no gradient through the target. By default
            the preset's.
        pixel_loss: eq. 6 is taken as a mean squared error in 8-bit grey levels (``levels``), so that with the printed
            weights the pixel term leads. ``mse`` in [-1, 1], ``rmse`` and eq. 6 ``as_printed`` are outweighed by the
            patch term: its gradient on the translation is hundreds of times theirs, and the translation does not
            learn.
        adv_mode: ``grl`` (gradient reversal, one optimizer, the generator's saturating loss) or ``alternating`` (two
            optimizers, the non-saturating one); by default the preset's.
        grl_schedule: growth of lambda_adversarial where the gradient is reversed: ``const``, or ``dann`` by
            2 / (1 + exp(-10 p)) - 1 at progress p.
        disc: ``global`` scores images, ``patch70`` patches of 70 pixels.
        disc_conditional: show D the source, too.
        encoder: ``cnn_transformer``, or the name of a timm network (whose momentum copy keeps batch statistics of its
            own, if it has any).
        encoder_weights: of a timm encoder: ``imagenet`` or a file.
        skips: whether the decoder sees the encoder's maps (``concat``), of which the paper says nothing; by default the
            preset's.
        widths: channels of the encoder's four stages.
        depth: Transformer blocks.
        heads: of each.
        positions: rows and columns of the learned map of positions; it is resized to other sizes.
        disc_width: channels of the discriminator's first layer.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        preset: Literal["paper", "stable", "tuned"] = "paper",
        optimizer: Kind | None = None,
        lr: float | None = None,
        decay_epochs: int = 200,
        use_adv: bool = True,
        use_cmm: bool = True,
        use_apc: bool = True,
        lambda_sample: float = 0.4,
        lambda_patch: float = 0.8,
        lambda_pixel: float | None = None,
        lambda_adversarial: float | None = None,
        temperature: float = 0.05,
        momentum: float = 0.99,
        normalize: bool = True,
        proj_dim: int | None = None,
        superpixels: int = 16,
        patch_sampling: Sampling = "flat1d",
        patch_length: int = 1024,
        patch_mlp: Literal["separate", "shared", "ema"] | None = None,
        pixel_loss: PixelLoss = "levels",
        adv_mode: Literal["grl", "alternating"] | None = None,
        grl_schedule: Literal["const", "dann"] = "const",
        disc: Literal["global", "patch70"] = "global",
        disc_conditional: bool = False,
        encoder: str = OWN_ENCODER,
        encoder_weights: str | None = None,
        skips: Literal["none", "concat"] | None = None,
        widths: tuple[int, int, int, int] = (64, 128, 256, 384),
        depth: int = 6,
        heads: int = 6,
        positions: tuple[int, int] = (32, 32),
        disc_width: int = 64,
        **kwargs: Any,
    ) -> None:
        check_choices(HSCT, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.recipe, self.decay_epochs = RECIPES[preset].changed(optimizer, lr), decay_epochs
        if self.gradient_clip_val is None:
            self.gradient_clip_val = self.recipe.clipping
        self.use_adv, self.use_cmm, self.use_apc = use_adv, use_cmm, use_apc
        self.lambda_sample, self.lambda_patch = lambda_sample, lambda_patch
        self.lambda_pixel = _preset(preset, "lambda_pixel", lambda_pixel)
        self.lambda_adversarial = _preset(preset, "lambda_adversarial", lambda_adversarial)
        self.temperature, self.momentum, self.normalize = temperature, momentum, normalize
        self.superpixels, self.patch_length = Superpixels(superpixels), patch_length
        self.sample_patches, self.pixel_loss = SAMPLERS[patch_sampling], pixel_loss
        self.grl_schedule, self.disc_conditional = grl_schedule, disc_conditional
        self.automatic_optimization = _preset(preset, "adv_mode", adv_mode) == "grl" or not use_adv
        skips = _preset(preset, "skips", skips)
        self._make_translator(encoder, encoder_weights, skips, widths, depth, heads, positions)
        if use_cmm:
            self._make_momentum_encoder(proj_dim)
        if use_apc:
            self._make_patch_mlps(_preset(preset, "patch_mlp", patch_mlp), self.out_channels * patch_length)
        if use_adv:
            seen = self.out_channels + (self.in_channels if disc_conditional else 0)
            self.discriminator = {"global": ImageDiscriminator, "patch70": PatchGAN}[disc](seen, disc_width)
            self.adversarial = AdversarialLoss("vanilla")

    def _make_translator(self, encoder, encoder_weights, skips, widths, depth, heads, positions) -> None:
        self.channels = max(self.in_channels, self.out_channels)
        if {self.in_channels, self.out_channels} - {1, self.channels}:
            raise InputError(
                f"{self.in_channels} source and {self.out_channels} target channels: HSC-T encodes both by networks of "
                "one kind, so give both as many, or one of them a single one"
            )
        self.encoder: CNNTransformerEncoder | TimmEncoder
        if encoder == OWN_ENCODER:
            self.encoder = CNNTransformerEncoder(self.channels, widths, depth, heads, positions)
            up = widths[2::-1]
        else:
            if skips == "concat":
                raise InputError(f"skips concat: only the encoder '{OWN_ENCODER}' has them, not '{encoder}'")
            self.channels = 3  # as timm's networks have them
            self.encoder = TimmEncoder(encoder, encoder_weights)
            doublings = self.encoder.stride.bit_length() - 1
            up = tuple(min(widths[0] << level, 512) for level in reversed(range(doublings)))
        passed = self.encoder.skip_channels if skips == "concat" else ()
        self.decoder = TransposedDecoder(self.encoder.channels, self.out_channels, up, passed)

    def _make_momentum_encoder(self, proj_dim: int | None) -> None:
        width = self.encoder.channels
        self.projection = nn.Identity() if proj_dim is None else _projection(width, proj_dim)
        self.momentum_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.momentum_projection = copy.deepcopy(self.projection).requires_grad_(False)

    def _make_patch_mlps(self, patch_mlp: str, length: int) -> None:
        self.patch_mlp = patch_mlp
        self.generated_mlp = _patch_mlp(length)
        if patch_mlp == "separate":
            self.real_mlp = _patch_mlp(length)
        elif patch_mlp == "ema":
            self.real_mlp = copy.deepcopy(self.generated_mlp).requires_grad_(False)

    def forward(self, source: Tensor) -> Tensor:
        image, cut = self._prepare(source)
        return cut(self.decoder(*self.encoder(image)))

    def _prepare(self, image: Tensor):
        """To the encoder's channels and a multiple of its stride; also the way back in size."""
        if image.shape[1] == 1:
            image = image.expand(-1, self.channels, -1, -1)
        return pad_to_multiple(image, self.encoder.stride)

    def generate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """z_B and the translation."""
        image, cut = self._prepare(batch["source"])
        z, skips = self.encoder(image)
        return z, cut(self.decoder(z, skips))

    def translations(self, batch: Batch, made: tuple[Tensor, Tensor]) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        return super().translations(batch, made[1])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """All terms for one backward pass: behind the reversal, D ascends eq. 5 while G descends it."""
        z, translation = self.generate(batch)
        self.look(batch, (z, translation))
        losses = self._consistency_losses(batch, z, translation)
        if self.use_adv:
            reversed_translation = reverse_gradient(translation, self._reversal_strength())
            losses["adversarial"] = self._judge(batch, reversed_translation)  # eq. 5
            losses["total"] = losses["total"] + losses["adversarial"]
        return losses  # eq. 7

    def generator_losses(self, batch: Batch, made: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        losses = self._consistency_losses(batch, *made)
        losses["adversarial"] = self.adversarial.generator(self.discriminator(self._seen(batch, made[1])))
        losses["total"] = losses["total"] + self.lambda_adversarial * losses["adversarial"]
        return losses

    def discriminator_losses(self, batch: Batch, made: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        adversarial = self._judge(batch, made[1].detach())
        return {"adversarial": adversarial, "total": adversarial}

    def _consistency_losses(self, batch: Batch, z: Tensor, translation: Tensor) -> dict[str, Tensor]:
        losses = {"pixel": pixel_loss(translation, batch["target"], self.pixel_loss)}  # eq. 6
        total = self.lambda_pixel * losses["pixel"]
        if self.use_cmm:
            losses["sample"] = self._matching(batch, z)  # eq. 1
            total = total + self.lambda_sample * losses["sample"]
        if self.use_apc:
            losses["patch"] = self._contrast(batch, translation)  # eq. 4
            total = total + self.lambda_patch * losses["patch"]
        return losses | {"total": total}

    def _matching(self, batch: Batch, z: Tensor) -> Tensor:
        if len(z) * self._processes() < 2:
            raise InputError(
                "a batch of one pair: cross-modal matching needs at least two to tell apart; raise --data.batch_size, "
                "leave out a last batch of one (--data.drop_last true), or set --model.use_cmm false"
            )
        with torch.no_grad():
            target, _ = self._prepare(batch["target"])
            keys = self.momentum_projection(self.momentum_encoder(target)[0].mean((2, 3)))
        queries = self.projection(z.mean((2, 3)))
        return matching_loss(queries, keys, self.temperature, self.normalize)

    def _contrast(self, batch: Batch, translation: Tensor) -> Tensor:
        if "superpixels" not in batch:
            raise InputError("the batch has no superpixels; let the data derive what the method asks for (data.derive)")
        segments = Segments.of(batch["superpixels"], self.superpixels.most)
        generated = self._embed(self.generated_mlp, translation, segments)
        with torch.set_grad_enabled(self.patch_mlp == "separate" and torch.is_grad_enabled()):
            mlp = self.generated_mlp if self.patch_mlp == "shared" else self.real_mlp
            real = self._embed(mlp, batch["target"], segments)
        return patch_contrast(generated, real, segments.valid, self.temperature)

    def _embed(self, mlp: nn.Module, image: Tensor, segments: Segments) -> Tensor:
        """u or v of eq. 4, of unit length: ``(B, n, 128)``."""
        return F.normalize(mlp(self.sample_patches(image, segments, self.patch_length)).float(), dim=2)

    def _judge(self, batch: Batch, translation: Tensor) -> Tensor:
        real = self.discriminator(self._seen(batch, batch["target"]))
        return self.adversarial.discriminator(real, self.discriminator(self._seen(batch, translation)))

    def _seen(self, batch: Batch, image: Tensor) -> Tensor:
        return torch.cat([batch["source"], image], dim=1) if self.disc_conditional else image

    def _reversal_strength(self) -> float:
        if self.grl_schedule == "const":
            return self.lambda_adversarial
        progress = self.trainer.global_step / self.trainer.estimated_stepping_batches
        return self.lambda_adversarial * (2 / (1 + math.exp(-10.0 * progress)) - 1)

    def _processes(self) -> int:
        return self.trainer.world_size if self._trainer is not None else 1

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        loss = super().training_step(batch, batch_idx)
        if not self.automatic_optimization:
            self.follow()
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Lightning's, of automatic optimisation alone."""
        super().optimizer_step(*args, **kwargs)
        self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """Eq. 2 and 3: what copies the encoder, or the patches' MLP, takes a small step towards it."""
        pairs: list[tuple[nn.Module, nn.Module]] = []
        if self.use_cmm:
            pairs += [(self.momentum_encoder, self.encoder), (self.momentum_projection, self.projection)]
        if self.use_apc and self.patch_mlp == "ema":
            pairs += [(self.real_mlp, self.generated_mlp)]
        for slow, fast in pairs:
            slow_weights: list[Tensor] = [*slow.parameters()]
            fast_weights: list[Tensor] = [*fast.parameters()]
            if slow_weights:
                torch._foreach_lerp_(slow_weights, fast_weights, 1 - self.momentum)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.use_apc:
            checkpoint["patch_mlp"] = self.patch_mlp

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raises InputError if it was trained with another ``patch_mlp``, or, to go on, before groups were clipped each
        by itself. One that does not say its ``patch_mlp`` had two that were trained."""
        known = any(name.startswith("generated_mlp.") for name in checkpoint["state_dict"])
        trained = checkpoint.get("patch_mlp", "separate")
        if self.use_apc and known and trained != self.patch_mlp:
            raise InputError(
                f"patch_mlp {self.patch_mlp}: the checkpoint was trained with patch_mlp {trained}; go on with that "
                f"(--model.patch_mlp {trained}), or start anew without the checkpoint"
            )
        super().on_load_checkpoint(checkpoint)
        if self._trainer is not None and self.trainer.training:
            own = [len(optimizer.param_groups) for optimizer in self.configure_optimizers()[0]]
            if own != [len(state["param_groups"]) for state in checkpoint.get("optimizer_states", ())]:
                raise InputError(
                    "the checkpoint: was trained by an earlier version, which clipped all networks together; start "
                    "anew (it can still be tested and used to predict)"
                )

    def derived(self, images: ImageCache) -> list[ImageSource]:
        training = self._trainer is None or self.trainer.training
        wanted = self.use_apc and training and "target" in images
        return [SuperpixelSource(images, self.superpixels)] if wanted else []

    def sides(self) -> dict[str, list[nn.Parameter]]:
        judged = list(self.discriminator.parameters()) if self.use_adv else []
        judges = {id(weight) for weight in judged}
        others = [weight for weight in self.parameters() if weight.requires_grad and id(weight) not in judges]
        if self.automatic_optimization:
            return {"both": [*others, *judged]}
        return {"generator": others, "discriminator": judged}

    def optimizer(self, side: str, parameters: list[nn.Parameter]) -> Optimizer:
        """Of groups, each clipped by itself: else the pixel term's gradient would drown what the others learn by."""
        networks = {"generated_mlp": "patches", "real_mlp": "patches", "discriminator": "discriminator"}
        owner = {id(weight): name.split(".")[0] for name, weight in self.named_parameters()}
        groups: dict[str, list[nn.Parameter]] = {}
        for weight in parameters:
            groups.setdefault(networks.get(owner[id(weight)], "translator"), []).append(weight)
        return self.recipe.optimizer([{"params": group} for group in groups.values()], self.fused)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return cosine(optimizer, self.decay_epochs)


def _preset(preset: str, name: str, given: Any) -> Any:
    return PRESETS[preset][name] if given is None else given


def _patch_mlp(length: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(length, 512), nn.ReLU(), nn.Linear(512, 128))


def _projection(width: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))
