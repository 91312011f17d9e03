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
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._inodes import Directory
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._refusals import Refusal, Refusals

__all__ = [
    "EMPTY",
    "ENTRY",
    "GROUP",
    "LEAST_GROUP",
    "LONGEST_USABLE_NAME",
    "MOST_ENTRIES",
    "Group",
    "read_listing",
]

GROUP = struct.Struct("<III")
"""What precedes a group: its entries less one, the place of the inodes' block, and the number of the first inode."""

ENTRY = struct.Struct("<HhHH")
"""What precedes a name: offset of the inode, its number less the group's, its type, and the name's bytes less one."""

MOST_ENTRIES = 256
"""Entries of a group."""

EMPTY = 3
"""The size of an empty listing: it counts the entries of the directory itself and of its parent."""

LONGEST_USABLE_NAME = 255
"""Bytes of a name, of which the format has room for one more than any system."""

_LONGEST_NAME = LONGEST_USABLE_NAME + 1
_LARGEST_GROUP = GROUP.size + MOST_ENTRIES * (ENTRY.size + _LONGEST_NAME)
_DIRECTORY = 1
LEAST_GROUP = 18
"""What must be left of a listing for ``sqfs2tar`` to look for another group."""
_LARGEST_REST = 5
"""What may be left of a listing for ``sqfs2tar`` not to look for another entry of a group."""


class Group(NamedTuple):
    """
    Some names of a directory, whose inodes are in one metadata block.

    Attributes:
        names: The names, each one path component.
        block: Place of the metadata block.
        offsets: Where in the block the inode of each name is.
        kinds: The type that the listing gives each inode, 1 for a directory; only ``unsquashfs`` looks at it.
    """

    names: list[bytes]
    block: int
    offsets: list[int]
    kinds: list[int]


def read_listing(metadata: Metadata, directory: Directory, refusals: Refusals) -> Iterator[Group]:
    """
    Yield the names of *directory*, group by group, in the order of the listing.

    A size that ends inside of a group is one for ``sqfs2tar``; ``unsquashfs`` reads whole groups until it is reached.

    Args:
        metadata: The directory table.
        directory: Which directory.
        refusals: Takes note of names that are not in order, and of a size that is not the end of a group.

    Yields:
        Groups, none of them empty.

    Raises:
        InvalidImageError: The listing leaves the table, or holds a name that no file can have.
    """
    size, place = directory.size - EMPTY, metadata.start + directory.start
    cursor = Cursor(metadata.chunks(directory.start, directory.offset, max(0, size) + _LARGEST_GROUP))
    last = b""
    while size - cursor.offset >= LEAST_GROUP:
        group = _read_group(metadata, directory, cursor, size, refusals)
        names = group.names
        joined = b"/".join(names)
        if b"\0" in joined:
            refusals.add(Refusal.NUL, f"{names[0]!r} to {names[-1]!r}", place)
            names[:] = [name.split(b"\0", 1)[0] for name in names]
        bad = _bad_name(names, joined)
        if bad:
            yield Group(names[:bad], group.block, group.offsets[:bad], group.kinds[:bad])
        if bad is not None:
            message = f"expected a name that is one path component, found {names[bad]!r}"
            if names[bad] and group.kinds[bad] != _DIRECTORY:
                refusals.add(Refusal.FORBIDDEN, repr(names[bad]), place)
            raise metadata.file.damaged(message, place, "squashfs-name")
        if not (last < names[0] and all(map(operator.lt, names, names[1:]))):
            refusals.add(Refusal.ORDER, f"{names[0]!r} to {names[-1]!r} after {last!r}", place)
        last = names[-1]
        yield group
    if cursor.offset < size:
        message = f"{directory.size} bytes, {size - cursor.offset} too many"
        refusals.add(Refusal.LISTING, message, place)


def _read_group(
    metadata: Metadata, directory: Directory, cursor: Cursor, size: int, refusals: Refusals
) -> Group:
    """Return the next group; what of it lies before the end of the directory where it cannot be read beyond."""
    left = size - cursor.offset
    data = cursor.peek(min(_LARGEST_GROUP, left))
    group, wanted = _parse_group(metadata, directory, data)
    inside = group
    try:
        while wanted > len(data):
            data = cursor.peek(wanted)
            group, wanted = _parse_group(metadata, directory, data)
    except InvalidImageError as error:
        used = GROUP.size + sum(len(name) + ENTRY.size for name in inside.names)
        if left - used > _LARGEST_REST:
            raise
        refusals.take(Refusal.LISTING, error)
        cursor.take(left)
        return inside
    cursor.take(wanted)
    return group


def _parse_group(metadata: Metadata, directory: Directory, data: bytes) -> tuple[Group, int]:
    """Return the whole entries of a group in *data*, and how many bytes it takes: at least so many when not all are."""
    count, block, _ = GROUP.unpack_from(data)
    if count >= MOST_ENTRIES:
        message = f"expected a group of at most {MOST_ENTRIES} entries, found {count + 1}"
        raise metadata.damaged(message, directory.start)
    position, unpack, fixed = GROUP.size, ENTRY.unpack_from, ENTRY.size
    names, offsets, kinds = [], [], []
    try:
        for _ in range(count + 1):
            offset, _, kind, length = unpack(data, position)
            after = position + fixed
            position = after + length + 1
            names.append(data[after:position])
            offsets.append(offset)
            kinds.append(kind)
    except struct.error:
        if position <= len(data):
            return Group(names, block, offsets, kinds), position + fixed
    longest = position - after if position > len(data) else max(map(len, names))
    if longest > _LONGEST_NAME:
        message = f"expected a name of at most {_LONGEST_NAME} bytes, found {longest}"
        raise metadata.damaged(message, directory.start)
    if position > len(data):
        for values in (names, offsets, kinds):
            del values[-1]
    return Group(names, block, offsets, kinds), position


_FORBIDDEN = frozenset({b"", b".", b".."})


def _bad_name(names: list[bytes], joined: bytes) -> int | None:
    """Return which name is not one path component: all are tried at once, since nearly always all are good."""
    if joined.count(b"/") == len(names) - 1 and _FORBIDDEN.isdisjoint(names):
        return None
    bad = (place for place, name in enumerate(names) if name in _FORBIDDEN or b"/" in name)
    return next(bad, None)
