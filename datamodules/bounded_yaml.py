"""YAML of a bounded size. A few lines of it can stand for billions of values, which nothing could go through.

What the aliases stand for is counted before anything is built, and not written out for that.
"""

import re
from typing import Any

import yaml

MOST = 20_000  # values; the largest suite has 2,000
DEEPEST = 60  # levels
LONGEST = 300  # characters of a number
TEXT = 100  # characters that count as one value
NUMBER = re.compile(r"[-+.:\w]*")
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class OutOfBoundsError(yaml.YAMLError):
    """What the text is too much of."""


def safe_load(text: str) -> Any:
    """As ``yaml.safe_load``, and as quick to refuse what is too large.

    Raises:
        yaml.YAMLError: no YAML; an :class:`OutOfBoundsError` where it is one, and too large.
    """
    check_bounds(text)
    try:
        return yaml.safe_load(text)
    except ValueError as error:  # a date that is none
        raise yaml.YAMLError(str(error)) from error


def check_bounds(text: str) -> None:
    """Raises OutOfBoundsError if a YAML has too many values or levels, too long a number, or holds itself; YAMLError if
    it is none."""
    sizes: dict[str, int] = {}  # of what has an anchor; 0 while it is not at its end
    parents: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=PARSER):
        if isinstance(event, yaml.CollectionStartEvent):
            if len(parents) > DEEPEST:
                raise OutOfBoundsError(f"nested deeper than {DEEPEST} levels")
            sizes |= {event.anchor: 0} if event.anchor else {}
            parents.append((event.anchor, 1))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = parents.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, _size(event.value)
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(event.anchor, 1)
            if not size:
                raise OutOfBoundsError(f"'{event.anchor[:LONGEST]}' holds itself")
        else:
            continue
        sizes |= {anchor: size} if anchor else {}
        parents[-1] = parents[-1][0], parents[-1][1] + size
        if parents[-1][1] > MOST:
            raise OutOfBoundsError(f"more than {MOST} values, with what its aliases stand for")


def _size(text: str) -> int:
    if len(text) > LONGEST and NUMBER.fullmatch(text) and text[0] in "-+.0123456789":
        raise OutOfBoundsError(f"a number of {len(text)} characters")
    return 1 + len(text) // TEXT
