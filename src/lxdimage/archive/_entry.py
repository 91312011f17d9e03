"""What a member of an archive is, whatever the archive."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

import attrs

from lxdimage._chunks import Chunks
from lxdimage._frozen import frozen

__all__ = ["NANO", "NO_XATTRS", "Entry", "EntryType", "Member"]

NANO = 1_000_000_000
"""Nanoseconds of a second: times of entries count those."""

NO_XATTRS: Mapping[str, bytes] = frozen({})
"""What nearly every entry has."""


class EntryType(Enum):
    """What kind of file system object an entry is; the values are tar's type flags."""

    FILE = "0"
    HARD_LINK = "1"
    SYMLINK = "2"
    CHARACTER_DEVICE = "3"
    BLOCK_DEVICE = "4"
    DIRECTORY = "5"
    FIFO = "6"
    SOCKET = "s"

    # Members are single: they need no hash of their names, which the class would compute at every look into a table.
    __hash__ = object.__hash__

    @property
    def title(self) -> str:
        """What people call it, such as ``hard link``."""
        return self.name.lower().replace("_", " ")


@attrs.frozen(slots=False)  # frozen slots take half as long again to fill, and archives have many entries
class Entry:
    """
    One file system object, without its content.

    Attributes:
        path: The name as stored; bytes that are not UTF-8 are carried as `os.fsdecode` does.
        type: What it is.
        mode: Permission bits, with setuid, setgid and sticky: at most 0o7777.
        uid: Owner.
        gid: Group.
        mtime_ns: Time of last modification, nanoseconds since 1970.
        size: Bytes of content, holes included; 0 for all but files.
        target: What a symbolic link contains, or the path of the entry that a hard link repeats.
        device: Major and minor number of a device.
        xattrs: Extended attributes by full name.
        data: For a sparse file the stretches that hold data, as (offset, length), ascending; None otherwise.
    """

    path: str
    type: EntryType
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: Mapping[str, bytes] = NO_XATTRS
    data: tuple[tuple[int, int], ...] | None = None


class Member(Protocol):
    """An entry on its way through a reader: usable until the next one is asked for."""

    @property
    def name(self) -> bytes:
        """The effective name as stored."""

    @property
    def type(self) -> EntryType:
        """What it is."""

    @property
    def size(self) -> int:
        """Bytes of content, holes included."""

    @property
    def offset(self) -> int:
        """Where the member begins in the (decompressed) archive."""

    @property
    def entry(self) -> Entry:
        """All that the archive says about the member, parsed when first asked for."""

    def chunks(self) -> Chunks:
        """Yield the content, holes as zeros; once, and only until the next member is read."""
