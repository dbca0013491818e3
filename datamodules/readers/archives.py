"""Zip archives, looked at before anything of them is read: how many members, how large, and whether whole."""

import struct
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from datamodules.errors import InputError
from datamodules.readers.faults import one_line

END, END_64 = b"PK\x05\x06", b"PK\x06\x07"  # of the record behind a directory, and of what points to a longer one
LONGEST = 22 + 2**16  # bytes of that record, with its comment
LARGEST = 2**22  # bytes of a directory: of more than 60,000 members


def check_directory(path: Path, file: BinaryIO) -> None:
    """Raises InputError if a zip's directory is too long to be read within a second; leaves the file at its start."""
    file.seek(max(0, path.stat().st_size - LONGEST))
    tail = file.read()
    at = tail.rfind(END)
    length = struct.unpack_from("<L", tail, at + 12)[0] if 0 <= at <= len(tail) - 22 else 0
    if at >= 20 and tail[at - 20 :].startswith(END_64):
        file.seek(struct.unpack_from("<Q", tail, at - 12)[0] % 2**63)
        length = struct.unpack("<40xQ8x", file.read(56).ljust(56, b"\xff"))[0]
    if length > LARGEST:
        raise InputError(f"{path}: a zip of too many members to be what it is called; drop it")
    file.seek(0)


def check_archive(path: Path) -> None:
    """Of a file that torch wrote: its members are stored as they are, so that none grows when it is read, and are those
    that were written, which torch does not look at.

    Raises:
        InputError: one is compressed or damaged, or they promise more than the file holds.
        BadZipFile: it begins as an archive and is none.
    """
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return  # torch's older form
        check_directory(path, file)
        try:
            archive = ZipFile(file)
            members = archive.infolist()
            packed = any(member.compress_type != ZIP_STORED for member in members)
            promised = sum(member.file_size for member in members)
            damaged = None if packed or promised > path.stat().st_size else archive.testzip()
        except (OSError, EOFError, ValueError, RuntimeError) as error:
            raise BadZipFile(one_line(error)) from error
    if packed:
        raise InputError(f"{path}: is compressed, which torch.save never does; save it again by torch.save")
    if promised > path.stat().st_size:
        raise InputError(f"{path}: its members promise more bytes than it has; copy it again")
    if damaged:
        raise InputError(f"{path}: {damaged} in it is damaged; copy it again, or use another")
