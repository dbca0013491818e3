"""Settings from YAML, and laid over each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from datamodules.bounded_yaml import safe_load
from datamodules.errors import InputError


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it, key by key; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Raises InputError if the file is no UTF-8 text, no YAML, or no mapping of keys."""
    try:
        content = safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); save it as such") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of keys; see benchmarks/suites/quick.yaml")
    return content
