"""
Extended attributes: sets that inodes share, each a run of names and values in metadata blocks.

A value that occurs often is stored once, "out of line", and referred to.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from functools import cached_property

from lxdimage._chunks import Cursor
from lxdimage._frozen import frozen
from lxdimage.archive import NO_XATTRS, EntryType
from lxdimage.formats._squashfs._codecs import Decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._inodes import NOTHING
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._refusals import Refusals
from lxdimage.formats._squashfs._superblock import Superblock
from lxdimage.formats._squashfs._tables import LookupTable

__all__ = ["LARGEST_VALUE", "NAME", "NAMESPACES", "SET", "SIZE", "TABLE", "XattrTable", "is_settable"]

NAMESPACES: tuple[bytes, ...] = (b"user.", b"trusted.", b"security.")
"""What the number of a namespace stands for."""

TABLE = struct.Struct("<QII")
"""The header of the table: where names and values begin, how many sets there are, nothing."""

_ROW = "QII"
SET = struct.Struct(f"<{_ROW}")
"""A row of the table: the reference of a set, how many attributes it has, and their bytes."""

NAME = struct.Struct("<HH")
"""What precedes a name: its namespace, and the bytes behind that."""

SIZE = struct.Struct("<I")
"""What precedes a value: its bytes."""

LARGEST_VALUE = 65536
"""Bytes of a value that a kernel takes at most."""

_NAMESPACE = 0xFF
_OUT_OF_LINE = 0x100

_REFERENCE = struct.Struct("<Q")
_LONGEST_NAME = 255
_MOST_ATTRIBUTES = 65536
_LARGEST_SET = 1 << 20
_CACHED_SETS = 64


def is_settable(name: str, kind: EntryType) -> bool:
    """
    Tell whether a kernel takes an extended attribute of this name for a file of this kind.

    ``unsquashfs`` fails where it does not, while tar only warns.
    """
    raw, _, _ = os.fsencode(name).partition(b"\0")
    if raw.startswith(b"user.") and kind not in {EntryType.FILE, EntryType.DIRECTORY}:
        return False
    return not raw.endswith(b".") and len(raw) <= _LONGEST_NAME


class XattrTable:
    """
    The sets of extended attributes of a file, found by number.

    The table is read when a set is asked for: ``sqfs2tar`` does not notice before that it is damaged.
    """

    def __init__(self, file: BlockFile, decode: Decoder, superblock: Superblock, refusals: Refusals) -> None:
        self._file = file
        self._refusals = refusals
        self._decode = decode
        self._superblock = superblock
        self._cache: dict[int, Mapping[str, bytes]] = {}

    @cached_property
    def _header(self) -> tuple[int, int]:
        """Where the names and values begin, and how many sets there are."""
        start, count, _ = TABLE.unpack(self._file.read(self._superblock.xattr_table, TABLE.size))
        return start, count

    @property
    def start(self) -> int:
        """Where the names and values begin."""
        return self._header[0]

    @cached_property
    def ids(self) -> LookupTable:
        """The table that finds a set by its number."""
        place, count = self._superblock.xattr_table + TABLE.size, self._header[1]
        return LookupTable(
            self._file, self._decode, name="extended attributes", row=_ROW, place=place, count=count
        )

    @cached_property
    def _values(self) -> Metadata:
        return Metadata(
            self._file, self._decode, self.start, self._file.size, "extended attributes", self._refusals
        )

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
            reference, count, _ = self.ids.row(number)
            found = self._cache[number] = self._read(reference, count)
        return found

    def _read(self, reference: int, count: int) -> Mapping[str, bytes]:
        if count > _MOST_ATTRIBUTES:
            message = f"expected at most {_MOST_ATTRIBUTES} attributes, found {count}"
            raise self._values.damaged(message, reference >> 16)
        result: dict[str, bytes] = {}
        room = _LARGEST_SET
        cursor = Cursor(self._values.chunks(reference >> 16, reference & 0xFFFF, 1 << 62))
        for _ in range(count):
            kind, length = NAME.unpack(cursor.take(NAME.size))
            name = cursor.take(length)
            value = self._value(cursor, out_of_line=bool(kind & _OUT_OF_LINE))
            room -= len(name) + len(value)
            namespace = kind & _NAMESPACE
            if namespace >= len(NAMESPACES) or room < 0:
                message = f"expected a namespace below {len(NAMESPACES)} and a set of {_LARGEST_SET} bytes"
                raise self._values.damaged(f"{message}, found {kind:#x} {name!r}", reference >> 16)
            result[(NAMESPACES[namespace] + name).decode("utf-8", "surrogateescape")] = value
        return frozen(result)

    def _value(self, cursor: Cursor, *, out_of_line: bool) -> bytes:
        (size,) = SIZE.unpack(cursor.take(SIZE.size))
        if out_of_line:
            (reference,) = _REFERENCE.unpack(cursor.take(_REFERENCE.size))
            cursor = Cursor(self._values.chunks(reference >> 16, reference & 0xFFFF, 1 << 62))
            (size,) = SIZE.unpack(cursor.take(SIZE.size))
        if size > LARGEST_VALUE:
            raise self._values.damaged(f"expected a value of at most {LARGEST_VALUE} bytes, found {size}", 0)
        return cursor.take(size)
