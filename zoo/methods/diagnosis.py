"""Benign or malignant from B-mode and elastogram: the two-stream network of the HSC-T paper."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.batch import Batch
from datamodules.cache import ImageCache, ImageSource
from datamodules.errors import InputError
from zoo.backbones import ImageNetInput, make_backbone
from zoo.checkpoints import read_checkpoint
from zoo.choices import check_choices
from zoo.method import Method, check_unseen
from zoo.optimization import RECIPES, Preset, cosine
from zoo.output import Output
from zoo.translations import TranslationSource, load_translator

CLASSES = ("benign", "malignant")


class Diagnosis(Method):
    """Two ResNet-34 of their own weights, one for B-mode and one for the elastogram; their features together go through
    Linear 256, ReLU, Dropout 0.5, Linear 2. 42,832,258 parameters.

    The elastogram is a frozen translator's, computed once for every image before training. The translator must not
    have seen the patients that the classifier is tested on: same data, same fold, same split seed.

    Args:
        translator: checkpoint of a trained translator, for ``second: translation``.
        second: what the second stream sees: ``translation``, ``target`` (the real elastogram, "w/ R-EUS") or
            ``source`` (B-mode once more, "w/o EUS").
        backbone: a timm network.
        weights: ``imagenet`` or a file for both streams; by default untrained. The paper does not say.
        size: rows and columns of what the streams see.
        preset: of the optimizer, see :class:`zoo.methods.hsct.HSCT`.
        lr: initial learning rate; by default the preset's.
        decay_epochs: over which it falls to 1e-6.
        kwargs: see :class:`zoo.method.Method`.
    """

    def __init__(
        self,
        translator: str | None = None,
        second: Literal["translation", "target", "source"] = "translation",
        backbone: str = "resnet34",
        weights: str | None = None,
        size: int = 224,
        preset: Preset = "paper",
        lr: float | None = None,
        decay_epochs: int = 200,
        **kwargs: Any,
    ) -> None:
        check_choices(Diagnosis, locals())
        super().__init__(**kwargs)
        self.save_hyperparameters()
        if second == "translation" and translator is None:
            raise InputError(
                "translator: name the checkpoint of a trained translator (--model.translator last.ckpt), "
                "or set --model.second to source or target"
            )
        self.recipe, self.decay_epochs = RECIPES[preset].changed(lr=lr), decay_epochs
        if self.gradient_clip_val is None:
            self.gradient_clip_val = self.recipe.clipping
        self.translator = translator if second == "translation" else None
        self.second, self.size = second, size
        self.needs_target = second == "target"
        self.normalize = ImageNetInput()
        streams = [make_backbone(backbone, weights, num_classes=0) for _ in range(2)]
        self.streams = nn.ModuleList(streams)
        features = sum(stream.num_features for stream in streams)
        self.classifier = nn.Sequential(nn.Linear(features, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 2))

    def forward(self, b_mode: Tensor, elastogram: Tensor) -> Tensor:
        """Logits ``(B, 2)`` of benign and malignant from two images ``(B, C, H, W)`` in [-1, 1]."""
        images = (self._resized(image) for image in (b_mode, elastogram))
        features = [stream(self.normalize(image)) for stream, image in zip(self.streams, images, strict=True)]
        return self.classifier(torch.cat(features, dim=1))

    def _resized(self, image: Tensor) -> Tensor:
        if image.shape[-2:] == (self.size, self.size):
            return image
        return F.interpolate(image, (self.size, self.size), mode="bilinear", antialias=True)

    def infer(self, batch: Batch) -> Output:
        return Output(logits=self(batch["source"], batch[self.second]))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        cross_entropy = F.cross_entropy(self.infer(batch)["logits"].float(), batch["label"])
        return {"cross_entropy": cross_entropy, "total": cross_entropy}

    def derived(self, images: ImageCache) -> list[ImageSource]:
        if self.translator is None:
            return []
        translator = load_translator(self.translator, self.in_channels, self.out_channels)
        return [TranslationSource(images, self.translator, translator, self.trainer.strategy.root_device)]

    def prepare_data(self) -> None:
        """Every image needs a class, every split both classes, and no test patient may be known to the translator."""
        if self.trainer.predicting:
            return
        data = self.needed_data()
        splits = data.splits()
        _check_classes(splits, ("train", "test") if self.trainer.training else ("test",))
        if self.translator is not None:
            check_unseen(read_checkpoint(self.translator), data, self.translator)

    def configure_optimizers(self):
        optimizer = self.recipe.optimizer(self.parameters(), self.fused)
        return [optimizer], [cosine(optimizer, self.decay_epochs)]


def _check_classes(splits, needed: tuple[str, ...]) -> None:
    others = sorted(set(splits["label"]) - set(CLASSES))
    if others:
        image = splits["id"][splits["label"] == others[0]].iloc[0]
        raise InputError(
            f"image '{image}': label '{others[0]}' is none of {', '.join(CLASSES)}; diagnosis needs one for every "
            "image: fill in the manifest's column, or leave other classes out (--data.classes for BUSI)"
        )
    for split in needed:
        missing = sorted(set(CLASSES) - set(splits["label"][splits["split"] == split]))
        InputError.raise_for(
            f"split '{split}' has no {name} image; choose another fold, more patients or other fractions"
            for name in missing
        )
