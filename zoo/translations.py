"""The images of a frozen translator, computed once and cached like any others."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from datamodules.cache import ImageCache
from datamodules.errors import InputError
from datamodules.readers.faults import one_line
from zoo.arguments import remade
from zoo.checkpoints import ANOTHER, read_checkpoint
from zoo.duration import warn_if_long
from zoo.registry import METHODS
from zoo.translator import Translator


class TranslationSource:
    """Translations of cached sources as an image source (see :mod:`datamodules.cache`), one by one on ``device``."""

    verb = "translating"
    parallel = False

    def __init__(self, images: ImageCache, checkpoint: str, translator: Translator, device: torch.device) -> None:
        self.images, self.device = images, device
        self.translator = translator.to(device).eval()
        digest = hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()
        self.key = {"translated_by": digest, "images": images.name}

    def __len__(self) -> int:
        return len(self.images)

    @torch.inference_mode()
    def read(self, index: int) -> dict[str, np.ndarray]:
        source = torch.from_numpy(self.images.image("source", index)).permute(2, 0, 1)[None].to(self.device)
        if index == 0 and self.translator.evaluations > 1 and self.device.type == "cpu":
            passes = len(self) * self.translator.evaluations
            warn_if_long("translating", lambda: self.translator.one_pass(source), passes, self.translator.patience_s)
        return {"translation": self.translator(source)[0].permute(1, 2, 0).float().cpu().numpy()}


def load_translator(path: Path | str, in_channels: int, out_channels: int) -> Translator:
    """The translator of a checkpoint, without gradients.

    Raises:
        InputError: the checkpoint is of something else, or translates between other numbers of channels.
    """
    checkpoint = read_checkpoint(path)
    known = [METHODS[name].__name__ for name in METHODS.trained_translators()]
    if checkpoint["method"] not in known:
        raise InputError(
            f"{path}: a checkpoint of {checkpoint['method']}, which does not translate; use one of {', '.join(known)}"
        )
    translator = remade(path, METHODS.by_class_name(checkpoint["method"]), checkpoint)
    assert isinstance(translator, Translator)
    try:
        translator.on_load_checkpoint(checkpoint)
        translator.load_state_dict(checkpoint["state_dict"])
    except Exception as error:
        raise InputError(f"{path}: cannot be used ({one_line(error)}); {ANOTHER}") from error
    own, asked = (translator.in_channels, translator.out_channels), (in_channels, out_channels)
    if own != asked:
        raise InputError(
            f"{path}: translates {own[0]} to {own[1]} channels, and this data has {asked[0]} and {asked[1]}; "
            "use a translator of the same task"
        )
    return translator.requires_grad_(False)
