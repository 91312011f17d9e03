"""
Directory listings: names and the inodes that they stand for.

A listing is a sequence of groups of at most 256 entries whose inodes lie in the same metadata block.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from typing import NamedTuple

from lxdimage._chunks import Cursor
from lxdimage.formats._squashfs._inodes import Directory
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._refusals import Refusal, Refusals

__all__ = ["Group", "read_listing"]

_GROUP = struct.Struct("<III")
_ENTRY = struct.Struct("<HhHH")
_MOST_ENTRIES = 256
_LONGEST_NAME = 256
_LARGEST_GROUP = _GROUP.size + _MOST_ENTRIES * (_ENTRY.size + _LONGEST_NAME)
_EMPTY = 3
"""The size of an empty listing: it counts the entries of the directory itself and of its parent."""


class Group(NamedTuple):
    """
    Some names of a directory, whose inodes are in one metadata block.

    Attributes:
        names: The names, each one path component.
        block: Place of the metadata block.
        offsets: Where in the block the inode of each name is.
    """

    names: list[bytes]
    block: int
    offsets: list[int]


def read_listing(metadata: Metadata, directory: Directory, refusals: Refusals) -> Iterator[Group]:
    """
    Yield the names of *directory*, group by group, in the order of the listing.

    Args:
        metadata: The directory table.
        directory: Which directory.
        refusals: Takes note of names that are not in order.

    Yields:
        Groups, none of them empty.

    Raises:
        InvalidImageError: The listing leaves the table, or holds a name that no file can have.
    """
    size = directory.size - _EMPTY
    if size <= 0:
        return
    cursor = Cursor(metadata.chunks(directory.start, directory.offset, size))
    last = b""
    while cursor.offset < size:
        group = _read_group(metadata, directory, cursor, size)
        names = group.names
        _check_names(metadata, directory, names)
        if not (last < names[0] and all(map(operator.lt, names, names[1:]))):
            place = metadata.start + directory.start
            refusals.add(Refusal.ORDER, f"{names[0]!r} to {names[-1]!r} after {last!r}", place)
        last = names[-1]
        yield group


def _read_group(metadata: Metadata, directory: Directory, cursor: Cursor, size: int) -> Group:
    data = cursor.peek(min(_LARGEST_GROUP, size - cursor.offset))
    if len(data) < _GROUP.size:
        raise metadata.damaged(f"expected a group of entries, found {len(data)} bytes", directory.start)
    count, block, _ = _GROUP.unpack_from(data)
    if count >= _MOST_ENTRIES:
        message = f"expected a group of at most {_MOST_ENTRIES} entries, found {count + 1}"
        raise metadata.damaged(message, directory.start)
    position = _GROUP.size
    names, offsets = [], []
    try:
        for _ in range(count + 1):
            offset, _, _, length = _ENTRY.unpack_from(data, position)
            position += _ENTRY.size
            end = position + length + 1
            if length >= _LONGEST_NAME:
                message = f"expected a name of at most {_LONGEST_NAME} bytes, found {length + 1}"
                raise metadata.damaged(message, directory.start)
            names.append(data[position:end])
            offsets.append(offset)
            position = end
    except struct.error:
        position = len(data) + 1
    if position > len(data):
        raise metadata.damaged("an entry leaves the listing of its directory", directory.start)
    cursor.take(position)
    return Group(names, block, offsets)


_FORBIDDEN = frozenset({b".", b".."})


def _check_names(metadata: Metadata, directory: Directory, names: list[bytes]) -> None:
    """Check that every name is one path component: all at once, since nearly always all are."""
    joined = b"/".join(names)
    if joined.count(b"/") == len(names) - 1 and b"\0" not in joined and _FORBIDDEN.isdisjoint(names):
        return
    bad = next(name for name in names if name in _FORBIDDEN or b"/" in name or b"\0" in name)
    message = f"expected a name that is one path component, found {bad!r}"
    raise metadata.file.damaged(message, metadata.start + directory.start, "squashfs-name")
