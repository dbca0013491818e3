"""The weights of an ImageNet trunk, loaded and checked. They are never replaced by random ones."""

import hashlib
import warnings
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError
from zipfile import BadZipFile

import torch
from torch import Tensor

from datamodules.errors import InputError
from datamodules.readers.archives import check_archive
from zoo.weights import FOLDER, IMAGENET, TRUNKS, Backbone, Trunk, cache

HOW = "put it into ${folder}, name its path, or set {key} to null to {without}"
PARALLEL = "module."  # before every name, where torch.nn.DataParallel held the network
UNREADABLE = (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, OSError)


def load_trunk(backbone: Backbone, weights: str, key: str, without: str = "go without") -> dict[str, Tensor]:
    """``features.N.weight`` and ``features.N.bias`` of every convolution, float32.

    Args:
        backbone: which trunk, a name in :data:`zoo.weights.TRUNKS`.
        weights: ``imagenet`` for the file in ``$SONOZOO_WEIGHTS`` or torch's cache, downloaded if it is in neither; or
            the path of a file: torchvision's, or any with the trunk's tensors under torchvision's names.
        key: what the configuration calls ``weights``; errors name it.
        without: what happens if it is null; errors offer it.

    Raises:
        InputError: the file cannot be had or read, is of another network, lacks a layer, or has other numbers.
    """
    trunk = TRUNKS[backbone]
    how = HOW.format(folder=FOLDER, key=key, without=without)
    path = _find(trunk, weights, key, how)
    state = _read(path, key)
    fault = _fault(state, trunk) or _other_kind(state, trunk) or _other_numbers(state, trunk, path)
    if fault:
        raise InputError(f"{key}: {path}: {fault}; it should be {trunk.url} or the same tensors; {how}")
    return {name: state[name].float() for name in _names(trunk)}


def digest(state: dict[str, Tensor], trunk: Trunk) -> str:
    """SHA-256 of the trunk's tensors; see :class:`zoo.weights.Trunk`."""
    found = hashlib.sha256()
    for name in _names(trunk):
        found.update(state[name].detach().float().contiguous().numpy().astype("<f4").tobytes())
    return found.hexdigest()


def _find(trunk: Trunk, weights: str, key: str, how: str) -> Path:
    if weights == IMAGENET:
        return trunk.find() or _download(trunk, key, how)
    if not Path(weights).is_file():
        raise InputError(f"{key} '{weights}': no such file; it should be {trunk.url} or the same tensors; {how}")
    return Path(weights)


def _download(trunk: Trunk, key: str, how: str) -> Path:
    path = cache() / Path(trunk.url).name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(trunk.url, str(path), hash_prefix=trunk.file_digest, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise InputError(f"{key} '{IMAGENET}': {trunk.url} cannot be downloaded ({error}); {how}") from None
    return path


def _read(path: Path, key: str) -> dict[str, Any]:
    """A state dict, alone or under ``state_dict``, without DataParallel's prefix; code in the file is not run."""
    try:
        check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of a file by pickle alone: the error below says it
            state = torch.load(path, map_location="cpu", weights_only=True)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    except (*UNREADABLE, BadZipFile) as error:
        kind = type(error).__name__
        raise InputError(f"{key}: {path}: cannot be read as weights ({kind}); name a file of torch.save") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(n, str) and isinstance(w, Tensor) for n, w in state.items()):
        raise InputError(f"{key}: {path}: holds no state dict of tensors by name; name a file of torchvision's names")
    return {name.removeprefix(PARALLEL): weight for name, weight in state.items()}


def _names(trunk: Trunk) -> list[str]:
    return list(_shapes(trunk))


def _shapes(trunk: Trunk) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of the trunk, in order."""
    parts = {number: (("weight", shape), ("bias", shape[:1])) for number, shape in trunk.layers.items()}
    return {f"features.{number}.{part}": shape for number, both in parts.items() for part, shape in both}


def _fault(state: dict[str, Tensor], trunk: Trunk) -> str:
    """Why the tensors cannot be the trunk's by their names and shapes, or ""."""
    found = {name: tuple(weight.shape) for name, weight in state.items()}
    for other in TRUNKS.values():
        if other is not trunk and _shapes(other).items() <= found.items():
            return f"holds {other.title}, not {trunk.title}: choose that backbone or another file"
    wanted = _shapes(trunk)
    foreign = [name for name in found if name.startswith("features.") and name not in wanted]
    foreign += [name for name in wanted if name in found and found[name] != wanted[name]]
    if foreign or not wanted.keys() & found.keys():
        name = next(iter(foreign or found), "nothing")
        return f"is of another network than {trunk.title}: it holds {name} {found.get(name, '')}".rstrip()
    lost = [name for name in wanted if name not in found]
    return f"lacks {', '.join(lost[:4])} of {trunk.title}" if lost else ""


def _other_kind(state: dict[str, Tensor], trunk: Trunk) -> str:
    """Why they have no values to compare with the trunk's, or "". Those of float32 are the same as float64."""
    for name in _names(trunk):
        weight = state[name]
        if weight.layout is not torch.strided or weight.is_meta:
            return f"{name} is no dense tensor ({'meta' if weight.is_meta else _word(weight.layout)})"
        if weight.dtype not in (torch.float32, torch.float64):
            return f"its numbers are {_word(weight.dtype)} ({name}), where float32 is needed"
    return ""


def _word(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")


def _other_numbers(state: dict[str, Tensor], trunk: Trunk, path: Path) -> str:
    """Why they are not the trunk's by their values, or ""."""
    found = digest(state, trunk)
    if found == trunk.digest:
        return ""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest().startswith(trunk.file_digest):
            return ""
    return (
        f"has the shapes of {trunk.title} but other numbers, as of an untrained or retrained network: the digest of "
        f"its tensors begins with {found[:8]}, not {trunk.digest[:8]}"
    )
