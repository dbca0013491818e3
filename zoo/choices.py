"""Arguments that are one of a few words, and arguments that there are none of: one clear line where one is given."""

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from datamodules.errors import InputError

LITERAL = re.compile(r"Expected a typing\.Literal\[(.+?)\]\. Got value: (.*)")
UNKNOWN = re.compile(r"Option '(.+?)' is not accepted")
OWN_WORDS = ("typing.Literal", "<class 'NoneType'>")  # what else the parser may have expected, and the line still holds


def check_choices(owner: type, given: Mapping[str, Any]) -> None:
    """Check the arguments of a constructor that are one of a few words; ``check_choices(HSCT, locals())`` is its first
    line.

    Raises:
        InputError: with a line for each that is none of them.
    """
    known = {name: _choices(hint) for name, hint in get_type_hints(owner.__init__).items()}  # type: ignore[misc]
    InputError.raise_for(
        _refusal(name, given[name], owner.__name__, ", ".join(str(choice) for choice in choices if choice is not None))
        for name, choices in known.items()
        if choices and name != "return" and given[name] not in choices
    )


def fault_in(message: str) -> str:
    """What the command line's parser says on many lines of such an argument, as one; "" if it speaks of another thing.

    Args:
        message: as jsonargparse words it, from a flag or a file.
    """
    if unknown := UNKNOWN.search(message):
        owner = _last(r"given class_path '.*?(\w+)'", message[: unknown.start()])
        return f"argument '{unknown[1]}': {owner} has none of that name; correct it" if owner else ""
    found = LITERAL.search(message)
    others = [one for one in re.findall(r"Expected a (.*)", message) if not one.startswith(OWN_WORDS)]
    key = _last(r'Parser key "(.+?)"', message[: found.start()]) if found else ""
    if found is None or others or not key:
        return ""
    section, _, name = key.rpartition(".")
    owner = _last(r"given class_path '.*?(\w+)'", message[: found.start()]) or section or "the command line"
    return _refusal(name, found[2], owner, found[1].replace("'", ""))


def _refusal(name: str, value: Any, owner: str, choices: str) -> str:
    return f"{name} '{value}': {owner} has {choices}; choose one"


def _last(pattern: str, text: str) -> str:
    return next(reversed(re.findall(pattern, text)), "")


def _choices(hint: Any) -> tuple:
    """The words of an argument's type, with None where it may be; () if it is of another type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if hint is NoneType:
        return (None,)
    if get_origin(hint) not in (Union, UnionType):
        return ()
    parts = [_choices(part) for part in get_args(hint)]
    return sum(parts, ()) if all(parts) else ()
