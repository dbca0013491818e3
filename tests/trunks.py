"""Trunks of pretrained networks for tests: made up, or the real ones beside the project."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from tests.conftest import WEIGHTS_ROOT
from zoo import trunks, weights

REAL = {"vgg": WEIGHTS_ROOT / "vgg16_features.pth", "alex": WEIGHTS_ROOT / "alexnet_features.pth"}
real_weights = pytest.mark.skipif(
    not WEIGHTS_ROOT.is_dir(), reason=f"the pretrained networks are not here: {WEIGHTS_ROOT}"
)


def made_up(layers: Mapping[int, tuple[int, ...]], seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict of that shape under torchvision's names."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for number, shape in layers.items():
        state[f"features.{number}.weight"] = 0.05 * torch.randn(shape, generator=generator)
        state[f"features.{number}.bias"] = 0.05 * torch.randn(shape[0], generator=generator)
    return state


def trusted(monkeypatch, backbone: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """A made-up trunk whose digest is taken for the right one."""
    trunk = weights.TRUNKS[backbone]
    state = made_up(trunk.layers, seed)
    own = replace(trunk, digest=trunks.digest(state, trunk))
    monkeypatch.setitem(weights.TRUNKS, backbone, own)
    return state
