"""
Members of an archive: what a tar, a SquashFS or a directory holds, one after the other.

`Entry` says what a member is, `Member` adds where it came from and its content, `read_archive` yields them from
the bytes of a tar, and `write_archive` makes such bytes.
"""

from __future__ import annotations

from lxdimage.archive._copy import dump_member
from lxdimage.archive._entry import NANO, NO_XATTRS, Entry, EntryType, Member, make_entry
from lxdimage.archive._member import NO_RECORDS, TarMember
from lxdimage.archive._read import Batch, TarReader, read_archive
from lxdimage.archive._runs import Renaming, RunReader
from lxdimage.archive._sparse import SPARSE_FROM, SparseContent, find_data, find_stretches, pieces_within
from lxdimage.archive._write import (
    END_OF_ARCHIVE,
    Item,
    PlainHeaders,
    dump_entry,
    dump_global,
    write_archive,
    xattr_record,
)

__all__ = [
    "END_OF_ARCHIVE",
    "NANO",
    "NO_RECORDS",
    "NO_XATTRS",
    "SPARSE_FROM",
    "Batch",
    "Entry",
    "EntryType",
    "Item",
    "Member",
    "PlainHeaders",
    "Renaming",
    "RunReader",
    "SparseContent",
    "TarMember",
    "TarReader",
    "dump_entry",
    "dump_global",
    "dump_member",
    "find_data",
    "find_stretches",
    "make_entry",
    "pieces_within",
    "read_archive",
    "write_archive",
    "xattr_record",
]
