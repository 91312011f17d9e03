"""
The directory of dirty bitmaps.

Nothing of a bitmap matters to an image, but qemu reads the directory when it opens a disk, and refuses the disk when
an entry is not as it has to be.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import NamedTuple

from lxdimage.errors import InvalidImageError
from lxdimage.formats._qcow2._extensions import BitmapDirectory
from lxdimage.formats._qcow2._header import Qcow2Header
from lxdimage.formats._qcow2._passing import NotKeptError
from lxdimage.formats._seekable import RandomAccess
from lxdimage.rules import diagnose

__all__ = ["check_bitmaps"]

_ENTRY = struct.Struct(">QIIBBHI")
_ALIGNMENT = 8
_LONGEST_NAME = 1023
_GRANULARITY_BITS = range(9, 32)
_IN_USE, _KNOWN_FLAGS = 1, 3
_DIRTY_TRACKING = 1
_LARGEST_BITMAP = 0x2000_0000


class _Entry(NamedTuple):
    """One bitmap, by the names that the format gives to its fields."""

    table: int
    table_size: int
    flags: int
    type: int
    granularity_bits: int
    name_size: int
    extra_data_size: int

    @property
    def size(self) -> int:
        """Bytes that the entry takes."""
        return -(-(_ENTRY.size + self.name_size + self.extra_data_size) // _ALIGNMENT) * _ALIGNMENT


def check_bitmaps(file: RandomAccess, header: Qcow2Header, source: str) -> None:
    """
    Check that qemu reads the directory of bitmaps, as far as it was kept of a disk that passed by.

    Raises:
        InvalidImageError: It does not.
    """
    directory = header.bitmap_directory
    if directory is None:
        return
    with suppress(NotKeptError):
        # Behind the end of the file qemu reads zeros, and an entry of zeros is wrong.
        text = _wrong(file.read(directory.place, directory.size), directory, header)
        if text:
            finding = diagnose("qcow2-header", text, source=source, offset=directory.place)
            raise InvalidImageError(finding)


def _wrong(data: bytes, directory: BitmapDirectory, header: Qcow2Header) -> str:
    """Return what is wrong with a directory, or nothing."""
    place = number = 0
    while place < directory.size:
        number += 1
        if number > directory.bitmaps:
            return f"the directory of bitmaps has more than the {directory.bitmaps} that the header counts"
        entry = _Entry(*_ENTRY.unpack(data[place : place + _ENTRY.size].ljust(_ENTRY.size, b"\0")))
        if place + entry.size > directory.size:
            return f"entry {number} of the directory of bitmaps leaves the directory"
        if entry.extra_data_size or not _is_usable(entry, header):
            return f"entry {number} of the directory of bitmaps has values that qemu does not take"
        place += entry.size
    if number < directory.bitmaps:
        return f"the directory of bitmaps has {number}, and the header counts {directory.bitmaps}"
    return ""


def _is_usable(entry: _Entry, header: Qcow2Header) -> bool:
    stored = entry.table_size * header.cluster_size
    return (
        bool(entry.table and entry.table_size)
        and entry.table % header.cluster_size == 0
        and entry.granularity_bits in _GRANULARITY_BITS
        and not entry.flags & ~_KNOWN_FLAGS
        and 0 < entry.name_size <= _LONGEST_NAME
        and entry.type == _DIRTY_TRACKING
        and stored <= _LARGEST_BITMAP
        and bool(entry.flags & _IN_USE or header.virtual_size <= stored * 8 << entry.granularity_bits)
    )
