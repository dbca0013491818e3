"""Checkpoints: read, and looked through before anything of them is used.

A checkpoint says by name which method it is of, by plain values how that was made, and holds its weights. Nothing in it
names code: what Lightning adds for itself is never looked at.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.errors import InputError
from datamodules.readers.archives import check_archive
from datamodules.readers.faults import printable

OF_LIGHTNING = ("_class_path", "_instantiator")  # among the hyper-parameters
OF_TRAINING = ("patch_mlp",)  # arguments that a checkpoint holds as they were resolved
EXTRA = "_extra_state"  # how the names end of what a module keeps beside its weights
ANOTHER = "use another checkpoint"


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """A checkpoint's content, on the CPU.

    Raises:
        InputError: there is none, it is not one of this project's, or it is damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint; name the last.ckpt of a run")
    try:
        check_archive(Path(path))
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception:
        raise InputError(
            f"{path}: not a checkpoint; it is damaged, or holds more than weights and plain values"
        ) from None
    if not isinstance(checkpoint, dict) or "method" not in checkpoint or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of this project; name the last.ckpt of a run")
    check_content(path, checkpoint)
    return checkpoint


def check_content(where: Path | str, checkpoint: Mapping[str, Any]) -> None:
    """Raises InputError with the first thing that cannot be one of a checkpoint, whatever the method."""
    faults = _faults_of_names(checkpoint), _faults_of_arguments(checkpoint), _faults_of_weights(checkpoint)
    _raise_first(where, (fault for kind in faults for fault in kind))


def check_method(where: Path | str, checkpoint: Mapping[str, Any], asked: str) -> None:
    """Raises InputError if it is of another method than ``asked``, the name of a class."""
    method = checkpoint["method"]
    if method != asked:
        raise InputError(f"{where}: the checkpoint is one of {method}, not of {asked}; name another")


def check_weights(where: Path | str, checkpoint: Mapping[str, Any], method: nn.Module) -> None:
    """Raises InputError with the first weight that ``method`` has not, or has in another shape, or that is missing."""
    _raise_first(where, _misfits(checkpoint["state_dict"], method))


def arguments_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments that a method was made with, by name: plain values."""
    given = checkpoint.get("hyper_parameters", {})
    return {name: value for name, value in given.items() if name not in OF_LIGHTNING}


def check_continued(where: Path | str, asked: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
    """Raises InputError for each argument that is asked for and that the checkpoint was trained with another one of."""
    trained = arguments_of(checkpoint) | {key: checkpoint[key] for key in OF_TRAINING if key in checkpoint}
    InputError.raise_for(
        f"{where}: was trained with {name} {trained[name]}, not {value}; go on with --model.{name} "
        f"{trained[name]}, or without the checkpoint"
        for name, value in sorted(asked.items())
        if name in trained and _plain(value) != _plain(trained[name])
    )


def is_dense(tensor: Tensor) -> bool:
    """Whether it has its own number for each place; one that repeats a few could be of any size."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def not_finite(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and not bool(tensor.isfinite().all())


def _raise_first(where: Path | str, faults: Iterable[str]) -> None:
    for fault in faults:
        raise InputError(f"{where}: {fault}; {ANOTHER}")


def _faults_of_names(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(checkpoint.get("method"), str):
        yield "does not name its method"
    if not isinstance(checkpoint.get("pytorch-lightning_version"), str):
        yield "does not say its version of Lightning"
    patients = checkpoint.get("patients", {})
    if not isinstance(patients, dict) or not all(isinstance(names, list) for names in patients.values()):
        yield "its patients are no lists of names"


def _faults_of_arguments(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    given = checkpoint.get("hyper_parameters", {})
    if not isinstance(given, dict):
        yield "its hyper-parameters are no values by name"
        return
    for name, value in arguments_of(checkpoint).items():
        parts = value if isinstance(value, list | tuple) else [value]
        if not isinstance(name, str) or not all(_is_plain(part) for part in parts):
            said = f"{printable(str(name))} '{printable(repr(value))}'"
            yield f"hyper-parameter {said} is no finite number, no word and no list of these"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _faults_of_weights(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    weights = checkpoint["state_dict"]
    if not isinstance(weights, dict):
        yield "its weights are no tensors by name"
        return
    for name, weight in weights.items():
        if isinstance(weight, Tensor):
            if not is_dense(weight):
                yield f"weight '{name}' is no dense tensor"
            elif not_finite(weight):
                yield f"weight '{name}' holds NaN or infinite numbers"
        elif not str(name).endswith(EXTRA):
            yield f"weight '{printable(str(name))}' is no tensor"


def _misfits(weights: Mapping[str, Any], method: nn.Module) -> Iterator[str]:
    # Not method.state_dict(), by which a method may first make up what it saves.
    parameters: dict[str, Tensor] = dict(method.named_parameters(remove_duplicate=False))
    own, kind = parameters | dict(method.named_buffers(remove_duplicate=False)), type(method).__name__
    for name, weight in weights.items():
        if name in own and weight.shape != own[name].shape:
            yield f"weight '{name}' is {tuple(weight.shape)}, and that of this {kind} is {tuple(own[name].shape)}"
        if name not in own and not name.endswith(EXTRA):
            yield f"weight '{name}' is none of this {kind}"
    for name in parameters:
        if name not in weights:
            yield f"weight '{name}' of this {kind} is missing"


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
