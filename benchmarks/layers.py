"""Settings from YAML, and laid over each other."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from datamodules.bounded_yaml import safe_load
from datamodules.errors import InputError

SECTIONS = ("trainer", "evaluation")  # of a config, beside its model and its data


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it, key by key; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Raises InputError if the file is no UTF-8 text, no YAML, or no mapping of keys, or if a key stands in it twice:
    YAML would take the last."""
    try:
        text = path.read_text(encoding="utf-8")
        content = safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); save it as such") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of keys; see benchmarks/suites/quick.yaml")
    InputError.raise_for(f"{path}: {fault}" for fault in _doubled_keys(yaml.compose(text, yaml.SafeLoader)))
    return content


def read_config(path: Path) -> dict[str, Any]:
    """A method's own config, with every section that it may leave out.

    Raises:
        InputError: it names no method or no data, or :func:`read_yaml` raises it.
    """
    config = {name: {} for name in SECTIONS} | read_yaml(path)
    for name in ("model", "data"):
        section = config.get(name)
        if not isinstance(section, dict) or not isinstance(section.get("class_path"), str):
            raise InputError(f"{path}: has no '{name}' with a class_path; write it as in configs/")
        config[name] = {"init_args": {}} | section
    parts = {"model": config["model"]["init_args"], "data": config["data"]["init_args"]}
    parts |= {name: config[name] for name in SECTIONS}
    InputError.raise_for(
        f"{path}: '{name}' holds '{part}', no mapping of arguments; write it as in configs/"
        for name, part in parts.items()
        if not isinstance(part, dict)
    )
    return config


def _doubled_keys(root: yaml.Node | None) -> Iterator[str]:
    """Keys that stand twice in one mapping, each with its lines; what ``<<`` brings may be said anew."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:  # an alias is the node that it names
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            first: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                line, name = key.start_mark.line + 1, (key.tag, str(key.value))
                if name in first:
                    yield f"line {line}: the key '{key.value}' is in line {first[name]} already; keep one of them"
                first.setdefault(name, line)
                waiting.append(value)
