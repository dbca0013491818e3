"""Rows that no method is: the trivial ones, which any method must beat, and the ceiling, which the simulator knows.
Suites name them by class path."""

from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.batch import Batch, CeilingData, TranslationData
from datamodules.errors import InputError
from datamodules.ultrasound import UltrasoundDataModule
from zoo.output import Output
from zoo.translator import Translator


class Identity(Translator):
    """The source as the output; grey is replicated where the target is colour, colour averaged where it is grey."""

    needs_pairs = False
    trainable = False

    def forward(self, source: Tensor) -> Tensor:
        if source.shape[1] == self.out_channels:
            return source
        return source.mean(1, keepdim=True).expand(-1, self.out_channels, -1, -1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        raise TypeError(f"{type(self).__name__} is not trained")


class _Fitted(Identity):
    """Fitted pixel by pixel on the training samples as they are, without augmentation."""

    mean_target: Tensor

    def learn(self, data: TranslationData) -> None:
        self.trained_on = data.task.target  # whose scale is converted to that of the data that it is tested on
        self.keep(_Moments.of(self, data))

    def keep(self, moments: "_Moments") -> None:
        self.register_buffer("mean_target", moments.mean_target())

    def check_size(self, source: Tensor) -> None:
        """Raises InputError for images of another size than those of the fit."""
        (rows, columns), (own_rows, own_columns) = source.shape[-2:], self.mean_target.shape[-2:]
        if (rows, columns) != (own_rows, own_columns):
            raise InputError(
                f"{type(self).__name__}: is fitted pixel by pixel on images of {own_rows} x {own_columns}, and these "
                f"are {rows} x {columns}; leave the column out of this row's 'columns'"
            )


class MeanTarget(_Fitted):
    """The mean training target, pixel by pixel, whatever the source; where none is ever valid, the mean of all."""

    def forward(self, source: Tensor) -> Tensor:
        self.check_size(source)
        return self.mean_target.expand(len(source), -1, -1, -1)


class Linear(_Fitted):
    """Least squares on the training pairs: y_c(p) = mean_c(p) + k_c (x(p) - mean of x(p)), a coefficient a channel.

    x is the source, y_c a channel of the target, p a pixel; of several source channels each has its own target's.
    """

    mean_source: Tensor
    slope: Tensor

    def learn(self, data: TranslationData) -> None:
        if not data.pairs:
            raise InputError(
                f"linear: is fitted on pairs, and the task '{data.task.name}' has none to train on; leave the row out"
            )
        super().learn(data)

    def keep(self, moments: "_Moments") -> None:
        super().keep(moments)
        self.register_buffer("mean_source", moments.mean_source())
        self.register_buffer("slope", moments.slope())

    def forward(self, source: Tensor) -> Tensor:
        self.check_size(source)
        return self.mean_target + self.slope * (super().forward(source) - self.mean_source)


class Ceiling(Identity):
    """What the simulator knows of a perfect method: its translation of the very source. No method; it stands apart."""

    def learn(self, data: TranslationData) -> None:
        self.remark = self._simulated(data).ceiling

    def infer(self, batch: Batch) -> Output:
        with torch.autocast("cpu", enabled=False):  # in full precision, in whichever the networks are tested
            known = self._simulated(self.needed_data()).ceilings(batch["id"])
        return Output(translation=known.to(batch["source"]))

    def _simulated(self, data: TranslationData) -> CeilingData:
        if not isinstance(data, CeilingData):
            raise InputError(
                f"ceiling: what a perfect method would make of '{data.task.name}' is known of simulated data alone; "
                "leave the row out"
            )
        return data


@dataclass
class _Moments:
    """Sums over the training pairs, pixel by pixel where the target is valid: ``(C, H, W)`` in double precision."""

    count: Tensor
    source: Tensor
    target: Tensor
    source_squared: Tensor
    product: Tensor

    @classmethod
    def of(cls, method: Identity, data: TranslationData) -> "_Moments":
        assert isinstance(data, UltrasoundDataModule), "benchmarks run on nothing else"
        dataset = data.dataset("train")
        dataset.augment = None
        sums = [torch.zeros(())] * 5
        for index in range(len(dataset)):
            sample = dataset[index]
            y, valid = sample["target"].double(), sample["valid"].double()
            x = Identity.forward(method, sample["source"][None].double())[0]
            sums = [total + valid * term for total, term in zip(sums, (1, x, y, x * x, x * y), strict=True)]
        return cls(*(total.expand_as(sums[2]) for total in sums))

    def mean_source(self) -> Tensor:
        return _mean(self.source, self.count)[None].float()

    def mean_target(self) -> Tensor:
        return _mean(self.target, self.count)[None].float()

    def slope(self) -> Tensor:
        """Covariance over variance about each pixel's own means: ``(1, C, 1, 1)``; 0 where the source never varies."""
        count = self.count.clamp_min(1)
        covariance = (self.product - self.source * self.target / count).sum((1, 2))
        variance = (self.source_squared - self.source**2 / count).sum((1, 2))
        slope = torch.where(variance > 1e-9 * self.source_squared.sum((1, 2)), covariance / variance, 0.0)
        return slope.view(1, -1, 1, 1).float()


def _mean(total: Tensor, count: Tensor) -> Tensor:
    """A pixel's mean, or where it was never valid that of all."""
    overall = total.sum((1, 2), keepdim=True) / count.sum((1, 2), keepdim=True).clamp_min(1)
    return torch.where(count > 0, total / count.clamp_min(1), overall)
