"""Names that become names of files: of suites, of their tables, of cells."""

import re

from datamodules.errors import InputError

LONGEST = 100  # bytes; what is written for a table has its name and more
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


def check_file_name(where: str, name: str) -> None:
    """Raises InputError for a name that some machine cannot give a file, or that lies in another folder; ``where``
    begins the line."""
    if not name or name != name.strip(" .") or FORBIDDEN.search(name) or len(name.encode()) > LONGEST:
        raise InputError(
            f"{where} {name[:60]!r}: the name is to be one of files; write at most {LONGEST} letters, digits, blanks "
            'and signs, none of <>:"/\\|?*, no dot or blank at an end'
        )
