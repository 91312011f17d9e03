"""
Directories with nothing unusual about them, as nearly all are: what a listing of the whole tree spends its time in.

Names and inodes are read in one loop, and whatever is out of the ordinary is left to the careful readers of listings
and inodes, which say what it is; nothing is noted here.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from typing import TypeAlias

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._directories import (
    EMPTY,
    ENTRY,
    GROUP,
    LEAST_GROUP,
    LONGEST_USABLE_NAME,
    MOST_ENTRIES,
)
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
from lxdimage.formats._squashfs._refusals import Refusals

__all__ = ["Names", "read_plain"]

Names: TypeAlias = tuple[list[bytes], list[Inode], list[int]]
"""The names of a group, their inodes, and which of these are no `BasicFile`."""

_LARGEST_LISTING = 1 << 18
"""Bytes of a listing that is read at once: what thousands of names take."""


class _UnusualError(Exception):
    """Something is out of the ordinary."""


def read_plain(
    listings: Metadata, inodes: InodeTable, directory: Directory, refusals: Refusals
) -> Iterator[Names | None]:
    """
    Yield what a directory holds, group by group, as far as nothing is unusual.

    Args:
        listings: The directory table.
        inodes: The inode table.
        directory: Which directory.
        refusals: Forgets what was noted while something unusual was read.

    Yields:
        Names in the order of the listing, each one path component of at most 255 bytes and greater than the one before
        it, and inodes of the type that the listing gives them; at last None when the directory is large or the rest of
        it is unusual.
    """
    size, position, last = max(0, directory.size - EMPTY), 0, b""
    if size > _LARGEST_LISTING:
        yield None
        return
    known = len(refusals)
    try:
        data = listings.read(directory.start, directory.offset, size)
        while position < size:
            known = len(refusals)
            group, position = _read_group(data, position, last, inodes)
            last = group[0][-1]
            yield group
    except (_UnusualError, InvalidImageError, struct.error):
        refusals.forget(known)
        yield None


def _are_plain(names: list[bytes]) -> bool:
    """Tell whether names are in order and short, and each is one path component; none may be empty."""
    path = b"/%b/" % b"/".join(names)
    return (
        b"\0" not in path
        and path.count(b"/") == len(names) + 1
        and b"/./" not in path
        and b"/../" not in path
        and all(map(operator.lt, names, names[1:]))
        and max(map(len, names)) <= LONGEST_USABLE_NAME
    )


def _read_group(data: bytes, position: int, last_name: bytes, table: InodeTable) -> tuple[Names, int]:
    """Return the group at *position* of a listing, whose names are greater than *last_name*, and where it ends."""
    count, place, _ = GROUP.unpack_from(data, position)
    if count >= MOST_ENTRIES or len(data) - position < LEAST_GROUP:
        raise _UnusualError
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
                # Calling a named tuple, or unpacking into a new one, takes three times as long as making it so.
                inodes.append(new(BasicFile, row + (place, offset)))  # noqa: RUF005
                continue
        inode = table.read(place << 16 | offset)
        if kind > EXTENDED or inode.code not in {kind, kind + EXTENDED}:
            raise _UnusualError
        others.append(len(inodes))
        inodes.append(inode)
    if position > len(data) or not last_name < names[0] or not _are_plain(names):
        raise _UnusualError
    return (names, inodes, others), position
