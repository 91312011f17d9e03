"""
Extended attributes: sets that inodes share, each a run of names and values in metadata blocks.

A value that occurs often is stored once, "out of line", and referred to.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

from lxdimage._chunks import Cursor
from lxdimage.formats._squashfs._codecs import Decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._inodes import NOTHING
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._superblock import MISSING, Superblock
from lxdimage.formats._squashfs._tables import LookupTable

__all__ = ["NAMESPACES", "NO_XATTRS", "XattrTable", "open_xattrs"]

NAMESPACES: tuple[bytes, ...] = (b"user.", b"trusted.", b"security.")
"""What the number of a namespace stands for."""

_OUT_OF_LINE = 0x100
_HEADER = struct.Struct("<QII")
_ROW = "QII"
_NAME = struct.Struct("<HH")
_SIZE = struct.Struct("<I")
_REFERENCE = struct.Struct("<Q")
_LARGEST_VALUE = 65536
_MOST_ATTRIBUTES = 65536
_LARGEST_SET = 1 << 20
_CACHED_SETS = 64
NO_XATTRS: Mapping[str, bytes] = MappingProxyType({})


class XattrTable:
    """
    The sets of extended attributes of a file, found by number.

    Attributes:
        start: Where the names and values begin.
        ids: The table that finds a set by its number.
    """

    def __init__(self, ids: LookupTable, values: Metadata) -> None:
        self.start = values.start
        self.ids = ids
        self._values = values
        self._cache: dict[int, Mapping[str, bytes]] = {}

    def read(self, number: int) -> Mapping[str, bytes]:
        """
        Return set *number* by full names, in the order of the file; empty for `NOTHING`.

        Raises:
            InvalidImageError: The set does not exist or is larger than what a kernel takes.
        """
        if number == NOTHING:
            return NO_XATTRS
        found = self._cache.get(number)
        if found is None:
            if len(self._cache) >= _CACHED_SETS:
                del self._cache[next(iter(self._cache))]
            found = self._cache[number] = self._read(*self.ids.row(number))
        return found

    def _read(self, reference: int, count: int, size: int) -> Mapping[str, bytes]:
        if count > _MOST_ATTRIBUTES or size > _LARGEST_SET:
            message = f"expected at most {_LARGEST_SET} bytes, found {size} for {count} attributes"
            raise self._values.damaged(message, reference >> 16)
        result: dict[str, bytes] = {}
        room = _LARGEST_SET
        cursor = Cursor(self._values.chunks(reference >> 16, reference & 0xFFFF, 1 << 62))
        for _ in range(count):
            kind, length = _NAME.unpack(cursor.take(_NAME.size))
            name = cursor.take(length)
            value = self._value(cursor, out_of_line=bool(kind & _OUT_OF_LINE))
            room -= len(name) + len(value)
            namespace = kind & ~_OUT_OF_LINE
            if namespace >= len(NAMESPACES) or room < 0:
                message = f"expected a namespace below {len(NAMESPACES)} and a set of {_LARGEST_SET} bytes"
                raise self._values.damaged(f"{message}, found {kind:#x} {name!r}", reference >> 16)
            result[(NAMESPACES[namespace] + name).decode("utf-8", "surrogateescape")] = value
        return MappingProxyType(result)

    def _value(self, cursor: Cursor, *, out_of_line: bool) -> bytes:
        (size,) = _SIZE.unpack(cursor.take(_SIZE.size))
        if out_of_line and size == _REFERENCE.size:
            (reference,) = _REFERENCE.unpack(cursor.take(_REFERENCE.size))
            cursor = Cursor(self._values.chunks(reference >> 16, reference & 0xFFFF, 1 << 62))
            (size,) = _SIZE.unpack(cursor.take(_SIZE.size))
        if size > _LARGEST_VALUE:
            raise self._values.damaged(f"expected a value of at most {_LARGEST_VALUE} bytes, found {size}", 0)
        return cursor.take(size)


def open_xattrs(file: BlockFile, decode: Decoder, superblock: Superblock) -> XattrTable | None:
    """Return the extended attributes of a file, None when it has no table of them."""
    place = superblock.xattr_table
    if place == MISSING:
        return None
    name = "extended attributes"
    start, count, _ = _HEADER.unpack(file.read(place, _HEADER.size))
    if not superblock.directory_table <= start <= place:
        message = f"{name}: expected a place from {superblock.directory_table} to {place}, found {start}"
        raise file.damaged(message, place)
    index = place + _HEADER.size
    ids = LookupTable(
        file, decode, name=name, row=_ROW, place=index, count=count, limit=superblock.used_bytes
    )
    return XattrTable(ids, Metadata(file, decode, start, place, name))
