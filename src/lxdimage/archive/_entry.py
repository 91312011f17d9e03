"""What a member of an archive is, whatever the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol, cast

import attrs

from lxdimage._chunks import Chunks
from lxdimage._frozen import frozen

__all__ = ["NANO", "NO_XATTRS", "Entry", "EntryType", "Member", "make_entry"]

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


class _Unfrozen:
    """
    An entry while its values are set, after which it is one; extended attributes must be frozen.

    Archives have many entries, and a frozen class takes five times as long to make of keywords, as `Entry` does with
    a constructor of its own.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "device",
        "gid",
        "mode",
        "mtime_ns",
        "path",
        "size",
        "target",
        "type",
        "uid",
        "xattrs",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - keywords would take as long again
        self,
        path: str,
        kind: EntryType,
        mode: int,
        uid: int,
        gid: int,
        mtime_ns: int,
        size: int,
        target: str = "",
        device: tuple[int, int] | None = None,
        xattrs: Mapping[str, bytes] = NO_XATTRS,
        data: tuple[tuple[int, int], ...] | None = None,
    ) -> None:
        self.path = path
        self.type = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime_ns = mtime_ns
        self.size = size
        self.target = target
        self.device = device
        self.xattrs = xattrs
        self.data = data
        self.__class__ = Entry  # noqa: PLE0237 - it has the same slots


def _frozen_xattrs(xattrs: Mapping[str, bytes]) -> Mapping[str, bytes]:
    # With types of its own, which checkers do not infer for a converter of any mapping.
    return frozen(xattrs)


@attrs.frozen(kw_only=True)
class Entry(_Unfrozen):
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
    xattrs: Mapping[str, bytes] = attrs.field(default=NO_XATTRS, converter=_frozen_xattrs, hash=False)
    data: tuple[tuple[int, int], ...] | None = None


make_entry = cast("Callable[..., Entry]", _Unfrozen)
"""Makes an entry of its values in their order: for readers."""


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
