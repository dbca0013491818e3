"""The one exception for anything that a user gave and that cannot be used."""

from collections.abc import Iterable

SHOWN = 20


class InputError(ValueError):
    """Bad input: every fault is one line that names the file, row or key, the value and the remedy.

    The command line prints the lines and exits with status 2.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))

    @classmethod
    def behind(cls, error: BaseException | None) -> "InputError | None":
        """The InputError that ``error`` is or was raised from, if any; jsonargparse wraps those of constructors."""
        while error is not None and not isinstance(error, cls):
            error = error.__cause__
        return error

    @classmethod
    def raise_for(cls, faults: Iterable[str]) -> None:
        """Raise one error for all ``faults``; do nothing if there are none."""
        faults = list(faults)
        if not faults:
            return
        more = len(faults) - SHOWN
        raise cls(*faults[:SHOWN], *([f"... and {more} more faults of this kind"] if more > 0 else []))
