"""The Attention U-Net (Oktay et al., MIDL 2018): skip connections weighted by what the decoder already knows."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple

Gate = Literal["none", "additive", "grid"]


class AttentionUNet(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``, tanh; sides are padded to ``2 ** (depth - 1)``.

    Scales of 64, 128, 256, 512 and 1024 channels, each of two 3 x 3 convolutions with batch norm and ReLU; 2 x 2 max
    pooling between them. Parameters for 1 to 3 channels: ``additive`` 34,877,551, ``grid`` 42,107,718.

    Args:
        depth: scales, the innermost of which has ``2 ** (depth - 1)`` times the channels of the first.
        width: channels of the first scale.
        gate: of the skip connections. ``additive``: all are gated, each by the decoder's features at its own
            resolution. ``grid``: as the paper's authors published it, all but the finest are gated by one coarse
            signal from the innermost scale, and the decoder enlarges by transposed 4 x 4 convolutions. ``none``: the
            network of ``additive`` with plain skip connections.
    """

    def __init__(
        self, in_channels: int, out_channels: int, depth: int = 5, width: int = 64, gate: Gate = "additive"
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth {depth}: a U-Net needs at least 2 scales")
        widths = [width * 2**scale for scale in range(depth)]
        self.multiple = 2 ** (depth - 1)
        self.encoder = nn.ModuleList(
            _double(before, after) for before, after in zip([in_channels, *widths], widths, strict=False)
        )
        signal = widths[-2]
        self.signal = _block(nn.Conv2d(widths[-1], signal, 1), signal) if gate == "grid" else None
        self.decoder = nn.ModuleList(
            Up(channels, gate if gate != "grid" or scale > 0 else "none", gate == "grid", signal)
            for scale, channels in reversed([*enumerate(widths[:-1])])
        )
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        features, cut = pad_to_multiple(image, self.multiple)
        skips = []
        for scale, layers in enumerate(self.encoder):
            features = layers(F.max_pool2d(features, 2) if scale else features)
            skips.append(features)
        features = skips.pop()
        signal = None if self.signal is None else self.signal(features)
        for up in self.decoder:
            features = up(features, skips.pop(), signal)
        return cut(self.head(features).tanh())


class Up(nn.Module):
    """Twice the size and half the channels, beside the gated skip of that size.

    Args:
        channels: of the skip and of what comes out.
        gate: of the skip.
        transposed: enlarge by transposed convolutions, else by nearest neighbours and a 3 x 3 convolution.
        signal: channels of the coarse signal of a ``grid`` gate.
    """

    def __init__(self, channels: int, gate: Gate, transposed: bool, signal: int) -> None:
        super().__init__()
        self.enlarge: nn.Module
        if transposed:
            self.enlarge = nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1)
        else:
            convolution = nn.Conv2d(2 * channels, channels, 3, padding=1)
            self.enlarge = nn.Sequential(nn.Upsample(scale_factor=2), *_block(convolution, channels))
        self.gate: AdditiveGate | GridGate | None = None
        if gate == "additive":
            self.gate = AdditiveGate(channels)
        elif gate == "grid":
            self.gate = GridGate(channels, signal)
        self.layers = _double(2 * channels, channels)

    def forward(self, features: Tensor, skip: Tensor, signal: Tensor | None) -> Tensor:
        features = self.enlarge(features)
        if self.gate is not None:
            skip = self.gate(skip, features if signal is None else signal)
        return self.layers(torch.cat([skip, features], dim=1))


class AdditiveGate(nn.Module):
    """x psi with psi = sigmoid(BN(w_psi ReLU(BN(W_g g) + BN(W_x x)))), eq. 1 and 2 of the paper, for a skip x and a
    gating signal g of the same channels and size; every W is a 1 x 1 convolution, to half the channels, w_psi to one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.of_gating = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner))
        self.of_skip = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner))
        self.score = nn.Sequential(nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1))

    def coefficients(self, skip: Tensor, gating: Tensor) -> Tensor:
        """psi, ``(B, 1, H, W)`` in (0, 1), of two maps ``(B, C, H, W)``."""
        return self.score(F.relu(self.of_gating(gating) + self.of_skip(skip))).sigmoid()

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        return skip * self.coefficients(skip, gating)


class GridGate(nn.Module):
    """BN(W (x psi)) with psi = sigmoid(w_psi ReLU(theta x + phi g)), for a skip x and a coarser gating signal g.

    theta halves the size by a 2 x 2 convolution without bias; phi g is enlarged to it, and psi to that of x, both
    bilinearly. This is the form of the authors' published code.
    """

    def __init__(self, channels: int, signal: int) -> None:
        super().__init__()
        self.of_skip = nn.Conv2d(channels, channels, 2, 2, bias=False)
        self.of_gating = nn.Conv2d(signal, channels, 1)
        self.score = nn.Conv2d(channels, 1, 1)
        self.output = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))

    def coefficients(self, skip: Tensor, gating: Tensor) -> Tensor:
        """psi, ``(B, 1, H, W)`` in (0, 1), of ``(B, C, H, W)`` and a gating signal of any size."""
        x = self.of_skip(skip)
        g = F.interpolate(self.of_gating(gating), size=x.shape[-2:], mode="bilinear")
        psi = self.score(F.relu(x + g)).sigmoid()
        return F.interpolate(psi, size=skip.shape[-2:], mode="bilinear")

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        return self.output(skip * self.coefficients(skip, gating))


def _block(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def _double(before: int, channels: int) -> nn.Sequential:
    first, second = nn.Conv2d(before, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
    return nn.Sequential(*_block(first, channels), *_block(second, channels))
