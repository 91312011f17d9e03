"""
Members of an archive: what a tar, a SquashFS or a directory holds, one after the other.

`Entry` says what a member is, `Member` adds where it came from and its content, `read_archive` yields them from
the bytes of a tar.
"""

from __future__ import annotations

from lxdimage.archive._entry import Entry, EntryType, Member
from lxdimage.archive._member import TarMember
from lxdimage.archive._read import TarReader, read_archive

__all__ = ["Entry", "EntryType", "Member", "TarMember", "TarReader", "read_archive"]
