"""How large a picture may be."""

from dataclasses import dataclass
from pathlib import Path

from datamodules.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Sides that a picture may have, in pixels. Raise ``max_side`` for larger scans."""

    min_side: int = 16
    max_side: int = 8192


def check_size(path: Path, shape: tuple[int, int], limits: Limits) -> None:
    if min(shape) < limits.min_side:
        raise InputError(
            f"{path}: {shape[0]} x {shape[1]} pixels, under the limit of {limits.min_side}; "
            "drop it or lower limits.min_side"
        )
    if max(shape) > limits.max_side:
        raise InputError(
            f"{path}: {shape[0]} x {shape[1]} pixels, over the limit of {limits.max_side}; "
            "shrink it or raise limits.max_side"
        )
