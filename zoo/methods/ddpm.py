"""DDPM: an image out of noise, step by step, beside the source (Ho et al., NeurIPS 2020; Saharia et al., SR3, 2021)."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Adam

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.average import Average
from zoo.choices import check_choices
from zoo.conditional import Preset
from zoo.diffusion import Diffusion, ImageNoise, linear_betas
from zoo.networks.diffusion_unet import FEWEST_CHANNELS, DiffusionUNet
from zoo.optimization import MATCHED, cosine
from zoo.output import Output
from zoo.processes import of_this
from zoo.translator import Translator

Sampler = Literal["ddpm", "ddim"]
DDIM_STEPS = 50
CLIPPING = 1.0  # of the authors' code


class DDPM(Translator):
    """A U-Net eps_theta that guesses the noise in x_t, of the target x_0, from x_t, the source y and the time t.

    Eq. 4: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, eps from N(0, 1)
    Eq. 14: L = mean |eps - eps_theta(x_t, y, t)|^2, t uniform in 1 to T
    Eq. 15: x_0 ~ (x_t - sqrt(1 - abar_t) eps_theta(x_t, y, t)) / sqrt(abar_t), cut to [-1, 1]
    Eq. 6, 7: x_(t-1) from N(c1_t x_0 + c2_t x_t, s_t^2), from t = T, where x_T is noise, to 1

    Noise, schedule and steps are those of :class:`zoo.diffusion.Diffusion`. Samples are made with a moving average of
    the weights, in validation too.

    The paper has no source: it stands beside x_t as further channels, as SR3 and Palette (Saharia et al., 2021 and
    2022) have it. It trains 256 x 256 images at 2e-5 with 128 channels and CIFAR at 2e-4; here are 64 channels and
    1e-4, and no dropout, at a constant rate without the first steps' slow rise. The average begins as quickly as it
    can, for a run of few steps. It says nothing of several samples of one source: one is the translation by default,
    and of more, their mean. A sample's noise follows from its source and ``seed``, so that results do not depend on
    batches and processes; the paper's chain takes T passes of the network, DDIM (Song et al., ICLR 2021, eta = 0) some
    fifty.

    Args:
        preset: ``native`` is Adam 1e-4 (0.9, 0.999) at a constant rate; ``matched`` trains as configs/hsct.yaml trains
            HSC-T: Adam 3e-4 (0.5, 0.999), cosine to 1e-6. Both clip gradients to 1.
        lr: initial learning rate; by default the preset's.
        decay_epochs: over which a ``matched`` rate falls.
        steps: T, of 2 or more. Betas are Ho et al.'s for 1000, and as much larger for fewer.
        sampler: ``ddpm`` draws new noise in every step, ``ddim`` only at the start.
        sampling_steps: passes of the network a sample; by default T with ``ddpm``, 50 with ``ddim``.
        samples: of a source; the translation is their mean, and of more than one their standard deviation is put out
            as ``spread``.
        seed: of the sampling noise.
        ema: decay of the average of the weights; 0 takes the last ones.
        width: channels of the U-Net's first level; 128 in the paper.
        multipliers: channels of each level, in widths; maps are halved from one to the next.
        attention: levels with self-attention, counted from 0: that of 16 x 16 pixels, which is 4 for 256 x 256.
        blocks: residual blocks of a level.
        dropout: in every block.
        kwargs: see :class:`zoo.method.Method`.

    Raises:
        InputError: a number is none that there can be.
    """

    def __init__(
        self,
        preset: Preset = "native",
        lr: float | None = None,
        decay_epochs: int = 200,
        steps: int = 1000,
        sampler: Sampler = "ddpm",
        sampling_steps: int | None = None,
        samples: int = 1,
        seed: int = 0,
        ema: float = 0.9999,
        width: int = 64,
        multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4),
        attention: tuple[int, ...] = (4,),
        blocks: int = 2,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_choices(DDPM, locals())
        InputError.raise_for(_refusals(locals()))
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if self.gradient_clip_val is None:
            self.gradient_clip_val = MATCHED.clipping if preset == "matched" else CLIPPING
        self.preset, self.lr, self.decay_epochs = preset, lr, decay_epochs
        self.sampler, self.samples, self.seed = sampler, samples, seed
        self.sampling_steps = sampling_steps or (min(DDIM_STEPS, steps) if sampler == "ddim" else steps)
        self.spread = samples > 1
        self.diffusion = Diffusion(linear_betas(steps))
        channels = self.out_channels + self.in_channels, self.out_channels
        self.network = DiffusionUNet(*channels, width, multipliers, attention, blocks, dropout)
        self.average = Average(self.network, ema, warm_up=True)

    of_weights = ("steps",)
    of_inference = ("sampler", "sampling_steps", "samples", "seed")

    @classmethod
    def is_unsure(cls, arguments: Mapping[str, Any]) -> bool:
        return arguments.get("samples", 1) != 1

    @property
    def evaluations(self) -> int:
        return self.sampling_steps * self.samples

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        clean = batch["target"]
        t = of_this(lambda rows: torch.randint(1, self.diffusion.steps + 1, (rows,), device=clean.device), len(clean))
        noise = of_this(lambda rows: torch.randn(rows, *clean.shape[1:], device=clean.device), len(clean))
        noisy = self.diffusion.noised(clean, t, noise)  # eq. 4
        guessed = self.network(torch.cat([noisy, batch["source"]], dim=1), t)
        loss = (noise - guessed.float()).square().mean()  # eq. 14
        return {"noise": loss, "total": loss}

    def forward(self, source: Tensor) -> Tensor:
        return self.draw(source).mean(0)

    def infer(self, batch: Batch) -> Output:
        drawn = self.draw(batch["source"])
        output = Output(translation=drawn.mean(0))
        return output | Output(spread=drawn.var(0).mean(1, keepdim=True).sqrt()) if self.spread else output

    def draw(self, source: Tensor) -> Tensor:
        """Samples ``(K, B, C, H, W)`` in [-1, 1] of sources ``(B, C, H, W)``; the first is the same for any K."""
        noise, eta = ImageNoise(source, self.out_channels, self.seed), float(self.sampler == "ddpm")

        def predict(noisy: Tensor, t: int) -> Tensor:
            times = torch.full((len(noisy),), t, device=noisy.device)
            guessed = self.average(torch.cat([noisy, source], dim=1), times).float()
            return self.diffusion.clean(noisy, times, guessed).clamp(-1, 1)  # eq. 15

        drawn = [self.diffusion.sample(predict, noise, self.sampling_steps, eta) for _ in range(self.samples)]
        return torch.stack(drawn)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.average.update(self.network)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        parameters = self.network.parameters()
        if self.preset == "matched":
            optimizer = MATCHED.changed(lr=self.lr).optimizer(parameters, self.fused)
            return [optimizer], [cosine(optimizer, self.decay_epochs)]
        return Adam(parameters, 1e-4 if self.lr is None else self.lr, fused=self.fused)

    def one_pass(self, source: Tensor) -> Tensor:
        image = source.new_zeros(len(source), self.out_channels, *source.shape[-2:])
        times = torch.ones(len(source), dtype=torch.int64, device=source.device)
        return self.average(torch.cat([image, source], dim=1), times)


def _refusals(given: Mapping[str, Any]) -> Iterator[str]:
    """A line for each argument that cannot be."""
    steps, asked, levels = given["steps"], given["sampling_steps"], len(given["multipliers"])
    if steps < 2:
        yield f"steps {steps}: DDPM takes noise away in 2 or more; 1000 are the paper's"
    if asked is not None and not 1 <= asked <= steps:
        yield f"sampling_steps {asked}: there are {steps} steps to sample in; choose 1 to {steps}, or leave it out"
    if given["samples"] < 1:
        yield f"samples {given['samples']}: the translation is the mean of them; choose 1 or more"
    if not 0 <= given["ema"] < 1:
        yield f"ema {given['ema']}: the decay of an average is from 0 to below 1; 0.9999 is the paper's"
    if given["width"] < FEWEST_CHANNELS or given["width"] % FEWEST_CHANNELS:
        yield f"width {given['width']}: groups have {FEWEST_CHANNELS} channels; choose a multiple of {FEWEST_CHANNELS}"
    if levels == 0 or min(given["multipliers"]) < 1 or given["blocks"] < 1:
        yield f"multipliers {given['multipliers']}, blocks {given['blocks']}: choose numbers of 1 and more"
    if outside := [level for level in given["attention"] if not 0 <= level < levels]:
        yield f"attention {outside[0]}: there are levels 0 to {levels - 1}; choose of them, or give more multipliers"
