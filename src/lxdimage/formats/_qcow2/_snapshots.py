"""
The table of internal snapshots.

Nothing of a snapshot matters to an image, but qemu reads the whole table when it opens a disk, and refuses the disk
when an entry is larger than it may be.
"""

from __future__ import annotations

import struct

from lxdimage.errors import InvalidImageError
from lxdimage.formats._qcow2._header import Qcow2Header
from lxdimage.formats._seekable import RandomAccess
from lxdimage.rules import diagnose

__all__ = ["check_snapshots"]

# Place and entries of the L1 table, sizes of identifier and name, four numbers of no interest, size of what follows.
_ENTRY = struct.Struct(">QIHHIIQII")
_ALIGNMENT = 8
_LARGEST_EXTRA = 1024
_LARGEST_TABLE = 64 << 20
_LAST_PLACE = (1 << 63) - (1 << 30)  # that qemu reads of any file


def check_snapshots(file: RandomAccess, header: Qcow2Header, source: str) -> None:
    """
    Check that qemu reads the table of snapshots.

    Raises:
        InvalidImageError: It does not.
    """
    place = header.snapshot_table
    for number in range(header.snapshots):
        place = -(-place // _ALIGNMENT) * _ALIGNMENT
        # Behind the end of the file qemu reads zeros.
        fields = _ENTRY.unpack(file.read(place, _ENTRY.size).ljust(_ENTRY.size, b"\0"))
        identifier, name, extra = fields[2], fields[3], fields[8]
        if extra > _LARGEST_EXTRA:
            message = (
                f"snapshot {number + 1}: expected at most {_LARGEST_EXTRA} bytes of extra data, found {extra}"
            )
            raise InvalidImageError(diagnose("qcow2-header", message, source=source, offset=place))
        place += _ENTRY.size + extra + identifier + name
        if place - header.snapshot_table > _LARGEST_TABLE or place > _LAST_PLACE:
            message = f"expected a table of snapshots of at most {_LARGEST_TABLE} bytes that ends before {_LAST_PLACE}"
            raise InvalidImageError(diagnose("qcow2-header", message, source=source, offset=place))
