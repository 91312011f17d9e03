"""
Directories with nothing unusual about them, as nearly all are: what a listing of the whole tree spends its time in.

Names and inodes are read in one loop, and whatever is out of the ordinary is left to the careful readers of listings
and inodes, which say what it is.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from typing import TypeAlias

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._directories import EMPTY, ENTRY, GROUP, MOST_ENTRIES
from lxdimage.formats._squashfs._inodes import (
    BASIC_FILE,
    BASIC_FILE_LAYOUT,
    EXTENDED,
    BasicFile,
    Directory,
    Inode,
    InodeTable,
)
from lxdimage.formats._squashfs._metadata import Metadata

__all__ = ["Names", "read_plain"]

Names: TypeAlias = tuple[list[bytes], list[Inode], list[int]]
"""The names of a group, their inodes, and which of these are no `BasicFile`."""

_LARGEST_LISTING = 1 << 18
"""Bytes of a listing that is read at once."""


def read_plain(listings: Metadata, inodes: InodeTable, directory: Directory) -> Iterator[Names | None]:
    """
    Yield what a directory holds, group by group, as far as nothing is unusual.

    Args:
        listings: The directory table.
        inodes: The inode table.
        directory: Which directory.

    Yields:
        Names in the order of the listing, each one path component and greater than the one before it, and inodes of
        the type that the listing gives them; at last None when the directory is large or the rest of it is unusual.
    """
    size, position, last = directory.size - EMPTY, 0, b""
    if not 0 <= size <= _LARGEST_LISTING:
        yield None
        return
    try:
        data = listings.read(directory.start, directory.offset, size)
        while position < size:
            group, position = _read_group(data, position, inodes)
            names = group[0]
            if position > size or not last < names[0] or not _are_plain(names):
                break
            last = names[-1]
            yield group
        else:
            return
    except (InvalidImageError, struct.error):
        pass
    yield None


def _are_plain(names: list[bytes]) -> bool:
    """Tell whether names are in order, and each is one path component; none may be empty."""
    path = b"/%b/" % b"/".join(names)
    return (
        b"\0" not in path
        and path.count(b"/") == len(names) + 1
        and b"/./" not in path
        and b"/../" not in path
        and all(map(operator.lt, names, names[1:]))
    )


def _read_group(data: bytes, position: int, table: InodeTable) -> tuple[Names, int]:
    """Return the group at *position* of a listing, and where it ends; `struct.error` when it has anything unusual."""
    count, place, _ = GROUP.unpack_from(data, position)
    if count >= MOST_ENTRIES:
        raise struct.error
    position += GROUP.size
    block, last = table.block(place)
    unpack_entry, unpack_inode, fixed = ENTRY.unpack_from, BASIC_FILE_LAYOUT.unpack_from, ENTRY.size
    new = tuple.__new__
    names: list[bytes] = []
    inodes: list[Inode] = []
    others: list[int] = []
    for _ in range(count + 1):
        offset, _, kind, length = unpack_entry(data, position)
        start = position + fixed
        position = start + length + 1
        names.append(data[start:position])
        if kind == BASIC_FILE and offset <= last:
            row = unpack_inode(block, offset)
            if row[0] == BASIC_FILE:
                # Calling a named tuple takes three times as long as making it so.
                inodes.append(new(BasicFile, row + (place, offset)))  # noqa: RUF005 - so does unpacking
                continue
        inode = table.read(place << 16 | offset)
        if inode.code not in {kind, kind + EXTENDED}:
            raise struct.error
        others.append(len(inodes))
        inodes.append(inode)
    return (names, inodes, others), position
