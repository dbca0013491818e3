"""Weights by colour: rare ones count more (Zhang et al., Colorful image colorization, ECCV 2016)."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

REACH = 110.0  # largest |a| or |b| of a colour that RGB can show
WHITE = (0.95047, 1.0, 1.08883)  # D65
TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


class ColorRebalance(nn.Module):
    """gamma_p of every pixel p of a target, by its chroma: the bin q of (a, b) of CIELAB in which it lies.

    gamma = (alpha P~ + (1 - alpha) / Q)^-1, with P~ the part of the training pixels that lie in q, smoothed by a
    Gaussian, and Q the number of bins that RGB reaches. Scaled so that its mean over the training pixels is 1; before
    :meth:`learn` it is 1 everywhere.

    Args:
        alpha: part of the empirical distribution; at 0 all colours have one weight.
        width: of a bin, in units of a and b; bins are centred at its multiples.
        sigma: of the Gaussian, in the same units.
    """

    weights: Tensor

    def __init__(self, alpha: float = 0.5, width: float = 10.0, sigma: float = 5.0) -> None:
        super().__init__()
        self.alpha, self.width, self.sigma = alpha, width, sigma
        self.reach = math.ceil(REACH / width)
        self.side = 2 * self.reach + 1
        self.register_buffer("weights", torch.ones(self.side**2))

    def forward(self, target: Tensor) -> Tensor:
        """Weights ``(B, 1, H, W)`` of RGB targets ``(B, 3, H, W)`` in [-1, 1]."""
        return self.weights[self.bins(target)][:, None]

    def learn(self, targets: Iterable[Tensor]) -> None:
        """Set the weights by the colours of training targets, each ``(3, H, W)`` in [-1, 1]."""
        counts = torch.zeros(self.side**2, dtype=torch.float64)
        for target in targets:
            counts += self.bins(target[None]).flatten().bincount(minlength=self.side**2).cpu()
        share = counts / counts.sum()
        gamma = 1 / (self.alpha * self._smooth(share) + (1 - self.alpha) / self.reached())
        self.weights.copy_(gamma / (share * gamma).sum())

    def bins(self, image: Tensor) -> Tensor:
        """The bin of every pixel, int64 ``(B, H, W)``."""
        a, b = (lab(image)[:, 1:] / self.width).round().long().clamp(-self.reach, self.reach).unbind(1)
        return (a + self.reach) * self.side + (b + self.reach)

    def reached(self) -> int:
        """Q: how many bins hold an 8-bit colour (261 of width 10), for which every third level is enough."""
        levels = torch.linspace(-1, 1, 86)
        lattice = torch.cartesian_prod(levels, levels, levels).T[None, :, None]
        return len(self.bins(lattice).unique())

    def _smooth(self, share: Tensor) -> Tensor:
        places = self.width * torch.arange(self.side, dtype=share.dtype)
        kernel = torch.exp(-(places[:, None] - places).square() / (2 * self.sigma**2))
        kernel = kernel / kernel.sum(0)  # what lies in a bin is spread, none of it lost
        return (kernel @ share.view(self.side, self.side) @ kernel.T).flatten()


@torch.no_grad()
def lab(image: Tensor) -> Tensor:
    """CIELAB (D65, 2 degrees) of sRGB images ``(B, 3, H, W)`` in [-1, 1]: L in [0, 100], a and b in +-110; fp32."""
    value = (image.float() + 1) / 2
    linear = torch.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    red, green, blue = linear.unbind(1)
    x, y, z = (
        _cube_root((of[0] * red + of[1] * green + of[2] * blue) / white)
        for of, white in zip(TO_XYZ, WHITE, strict=True)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _cube_root(part: Tensor) -> Tensor:
    """Linear near 0, as CIE has it."""
    return torch.where(part > 0.008856, part.clamp_min(0) ** (1 / 3), 7.787 * part + 16 / 116)
