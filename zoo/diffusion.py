"""Diffusion: how much noise there is after each step, and the loop that takes it away (Ho et al., NeurIPS 2020)."""

import zlib
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from tqdm import tqdm

SHOWN_AFTER_S = 5.0
LARGEST_BETA = 0.999  # something of the image is left after each step, to be divided by


def linear_betas(steps: int = 1000) -> Tensor:
    """Ho et al., section 4, in float64: from 1e-4 to 0.02 in 1000 steps. Fewer steps are as much larger, so that noise
    alone is left after them, too."""
    larger = 1000 / steps
    return torch.linspace(1e-4 * larger, min(0.02 * larger, LARGEST_BETA), steps, dtype=torch.float64)


def vp_betas(steps: int = 4, first: float = 0.1, last: float = 20.0, start: float = 1e-3) -> Tensor:
    """Of the variance-preserving SDE (Song et al., ICLR 2021, eq. 33) in few large steps, in float64: abar is
    exp(-(last - first) u^2 / 2 - first u) at times u that part [start, 1] evenly, and a beta is what one such step
    loses of it (Xiao et al., ICLR 2022)."""
    u = torch.linspace(start, 1, steps + 1, dtype=torch.float64)
    kept = (-(last - first) * u**2 / 2 - first * u).exp()
    return 1 - kept[1:] / kept[:-1]


class Diffusion(nn.Module):
    """Gaussian noise in T steps; t = 0 is the image x_0, t = T is (nearly) noise alone.

    Eq. 2: q(x_t | x_(t-1)) = N(sqrt(1 - beta_t) x_(t-1), beta_t)
    Eq. 4: q(x_t | x_0) = N(sqrt(abar_t) x_0, 1 - abar_t), abar_t = prod_(i <= t) (1 - beta_i)
    Eq. 6: q(x_(t-1) | x_t, x_0) = N(c1_t x_0 + c2_t x_t, s_t^2)
    Eq. 7: c1_t = sqrt(abar_(t-1)) beta_t / (1 - abar_t), c2_t = sqrt(1 - beta_t) (1 - abar_(t-1)) / (1 - abar_t),
    s_t^2 = beta_t (1 - abar_(t-1)) / (1 - abar_t)

    Its tables are no part of a checkpoint: they follow from the betas.

    Args:
        betas: ``(T,)``, of steps 1 to T.
    """

    signal: Tensor  # sqrt(abar_t) of t = 0 to T; the others likewise
    noise: Tensor  # sqrt(1 - abar_t)
    clean_part: Tensor  # c1_t; 0 at t = 0, which nothing precedes
    noisy_part: Tensor  # c2_t
    spread: Tensor  # s_t

    def __init__(self, betas: Tensor) -> None:
        super().__init__()
        kept = torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas.double()).cumprod(0)])
        self.abar: list[float] = kept.tolist()
        back = torch.tensor([(0.0, 0.0, 0.0), *(self.coefficients(t, t - 1) for t in range(1, len(kept)))])
        tables = {"signal": kept.sqrt(), "noise": (1 - kept).sqrt()}
        tables |= dict(zip(("clean_part", "noisy_part", "spread"), back.T, strict=True))
        for name, table in tables.items():
            self.register_buffer(name, table.float().contiguous(), persistent=False)

    @property
    def steps(self) -> int:
        """T."""
        return len(self.abar) - 1

    def noised(self, clean: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t of x_0 by eq. 4; ``t`` is int64 ``(B,)``, images and standard normal noise are ``(B, C, H, W)``."""
        return _of_each(self.signal, t) * clean + _of_each(self.noise, t) * noise

    def clean(self, noisy: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_0 of x_t and its noise, eq. 4 solved for it; shapes as in :meth:`noised`."""
        return (noisy - _of_each(self.noise, t) * noise) / _of_each(self.signal, t)

    def before(self, clean: Tensor, noisy: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_(t-1) of x_0 and x_t by eq. 6, shapes as in :meth:`noised`; ``t`` from 1 on."""
        mean = _of_each(self.clean_part, t) * clean + _of_each(self.noisy_part, t) * noisy
        return mean + _of_each(self.spread, t) * noise

    def coefficients(self, t: int, s: int, eta: float = 1.0) -> tuple[float, float, float]:
        """Of x_0, x_t and new noise in x_s, for any s < t (Song et al., ICLR 2021, eq. 12 and 16). With eta = 1 these
        are eq. 7, of a chain that knows only the steps s and t; with eta = 0 nothing is random."""
        now, then = self.abar[t], self.abar[s]
        spread = eta * sqrt((1 - then) / (1 - now) * (1 - now / then))
        noisy = sqrt(max(0.0, 1 - then - spread**2) / (1 - now))
        return sqrt(then) - noisy * sqrt(now), noisy, spread

    def times(self, steps: int) -> list[int]:
        """T, ..., 0 in ``steps`` steps of (nearly) one length."""
        return [round(self.steps * left / steps) for left in range(steps, -1, -1)]

    @torch.no_grad()
    def sample(
        self, predict: Callable[[Tensor, int], Tensor], noise: Callable[[], Tensor], steps: int, eta: float = 1.0
    ) -> Tensor:
        """From noise to an image, with a bar if it takes long.

        Args:
            predict: x_0 as it is guessed of x_t and t.
            noise: gives standard normal noise ``(B, C, H, W)``, other each time it is asked.
            steps: how often ``predict`` is asked, at most T.
            eta: 1 samples as Ho et al. do, 0 as DDIM.
        """
        image, times = noise(), self.times(steps)
        bar = tqdm(pairwise(times), "sampling", steps, leave=False, disable=None, delay=SHOWN_AFTER_S)
        for t, s in bar:
            of_clean, of_noisy, spread = self.coefficients(t, s, eta)
            image = of_clean * predict(image, t) + of_noisy * image
            if spread:
                image = image + spread * noise()
        return image


class ImageNoise:
    """Standard normal noise of every image's own: the same in whatever batch, on whatever device or process it comes.

    Args:
        source: ``(B, C, H, W)``; an image's noise follows from its values.
        channels: of the noise.
        seed: another one gives other noise.
    """

    def __init__(self, source: Tensor, channels: int, seed: int = 0) -> None:
        images = source.detach().float().cpu().contiguous().numpy()
        self.generators = [torch.Generator().manual_seed(zlib.crc32(image.tobytes(), seed)) for image in images]
        self.shape, self.device = (channels, *source.shape[-2:]), source.device

    def __call__(self, *shape: int) -> Tensor:
        """``(B, *shape)``, by default ``(B, channels, H, W)``; other each time."""
        drawn = [torch.randn(shape or self.shape, generator=generator) for generator in self.generators]
        return torch.stack(drawn).to(self.device)


def _of_each(table: Tensor, t: Tensor) -> Tensor:
    return table[t].view(-1, 1, 1, 1)
