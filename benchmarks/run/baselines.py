"""The two trivial rows of every table, which any method must beat. Suites name them by class path."""

import torch
from torch import Tensor

from datamodules.batch import Batch, TranslationData
from datamodules.ultrasound import UltrasoundDataModule
from zoo.translator import Translator


class Identity(Translator):
    """The source as the output; grey is replicated where the target is colour."""

    needs_pairs = False
    trainable = False

    def forward(self, source: Tensor) -> Tensor:
        return source.expand(-1, self.out_channels, -1, -1) if source.shape[1] == 1 else source

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        raise TypeError("a trivial row is not trained")


class MeanTarget(Identity):
    """The mean training target, pixel by pixel, whatever the source; where none is ever valid, the mean of all."""

    mean: Tensor

    def learn(self, data: TranslationData) -> None:
        assert isinstance(data, UltrasoundDataModule), "benchmarks run on nothing else"
        dataset = data.dataset("train")
        total = count = torch.zeros(())
        for index in range(len(dataset)):
            sample = dataset[index]
            valid = sample["valid"].double()
            total, count = total + sample["target"] * valid, count + valid
        overall = total.sum((1, 2), keepdim=True) / count.sum().clamp_min(1)
        mean = torch.where(count > 0, total / count.clamp_min(1), overall)
        self.register_buffer("mean", mean.float()[None])

    def forward(self, source: Tensor) -> Tensor:
        return self.mean.expand(len(source), -1, -1, -1)
