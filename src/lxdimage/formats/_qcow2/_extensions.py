"""
The extensions of a qcow2 header.

Each is a type and a length, four bytes each, and data padded to eight, from the end of the header up to the backing
file's name or the end of the first cluster.  The checks are those that qemu makes when it opens a disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from lxdimage.errors import InvalidImageError
from lxdimage.rules import diagnose

__all__ = ["HEAD_SIZE", "BitmapDirectory", "Extension", "bitmap_directory", "read_extensions"]

HEAD_SIZE = 1 << 16
"""How much of a disk is enough to read its header, its extensions and (nearly always) its backing file's name."""


class Extension(IntEnum):
    """The extensions that matter here, by their type."""

    BACKING_FORMAT = 0xE2792ACA
    DATA_FILE = 0x44415441
    BITMAPS = 0x23852875
    ENCRYPTION = 0x0537BE77


class BitmapDirectory(NamedTuple):
    """
    What the header says of dirty bitmaps.

    Attributes:
        bitmaps: How many there are.
        reserved: Zero.
        size: Bytes of their directory.
        place: Where it is.
    """

    bitmaps: int
    reserved: int
    size: int
    place: int


def bitmap_directory(data: bytes | None, values: Mapping[str, int]) -> BitmapDirectory | None:
    """
    Return what the data of an extension says of bitmaps, None where qemu does not look at them.

    It does not where somebody who knows no bitmaps wrote to the disk, which clears a bit in the header.
    """
    if data is None or not values["autoclear"] & _BITMAPS_VALID:
        return None
    return BitmapDirectory(*struct.unpack(">IIQQ", data))


def read_extensions(head: bytes, values: Mapping[str, int], source: str) -> Iterator[tuple[int, bytes]]:
    """
    Yield types and data of all extensions.

    Args:
        head: The first bytes of the disk: `HEAD_SIZE`, or the whole of a shorter file.
        values: The numbers of the header.
        source: The name of the file, for findings.

    Raises:
        InvalidImageError: qemu does not take one.
    """
    position = values["header_length"]
    end = values["backing_offset"] or 1 << values["cluster_bits"]
    while position < end and position + 8 <= HEAD_SIZE:
        # Behind the end of a short file qemu reads zeros, which are the end of the extensions.
        kind, size = struct.unpack(">II", head[position : position + 8].ljust(8, b"\0"))
        if size > end - position - 8:
            text = f"has {size} bytes and leaves the header, which ends at {end}"
            raise _refused(kind, text, source, position)
        if not kind:
            return
        data = head[position + 8 : position + 8 + size].ljust(min(size, HEAD_SIZE), b"\0")
        if text := _CHECKS.get(kind, _anything)(data, size, values):
            raise _refused(kind, text, source, position)
        yield kind, data
        position += 8 + -(-size // 8) * 8


def _refused(kind: int, text: str, source: str, position: int) -> InvalidImageError:
    message = f"the header extension {kind:#x} {text}"
    return InvalidImageError(diagnose("qcow2-header", message, source=source, offset=position))


# Checks: each returns what is wrong, or nothing.

_LONGEST_FORMAT = 15
_ENCRYPTION_SIZE = 16
_LUKS = 2
_BITMAPS_SIZE = 24
_BITMAPS_VALID = 1
_MOST_BITMAPS = 65535
_LARGEST_DIRECTORY = _MOST_BITMAPS * 1024


def _anything(_data: bytes, _size: int, _values: Mapping[str, int]) -> str:
    return ""


def _check_format(_data: bytes, size: int, _values: Mapping[str, int]) -> str:
    if size > _LONGEST_FORMAT:
        return f"names a format in {size} bytes, expected at most {_LONGEST_FORMAT}"
    return ""


def _check_encryption(_data: bytes, size: int, values: Mapping[str, int]) -> str:
    if values["encryption"] != _LUKS:
        return "is about LUKS, which the header does not name"
    return "" if size == _ENCRYPTION_SIZE else f"has {size} bytes, expected {_ENCRYPTION_SIZE}"


def _check_bitmaps(data: bytes, size: int, values: Mapping[str, int]) -> str:
    if size != _BITMAPS_SIZE:
        return f"has {size} bytes, expected {_BITMAPS_SIZE}"
    found = bitmap_directory(data, values)
    if found is None:
        return ""
    if found.reserved or not 0 < found.bitmaps <= _MOST_BITMAPS:
        return f"counts {found.bitmaps} bitmaps, expected 1 to {_MOST_BITMAPS}, and {found.reserved} where 0 belongs"
    if found.place % (1 << values["cluster_bits"]) or not 0 < found.size <= _LARGEST_DIRECTORY:
        return f"names a directory of {found.size} bytes at {found.place}, where none can be"
    return ""


_CHECKS: Mapping[int, Callable[[bytes, int, Mapping[str, int]], str]] = {
    Extension.BACKING_FORMAT: _check_format,
    Extension.ENCRYPTION: _check_encryption,
    Extension.BITMAPS: _check_bitmaps,
}
