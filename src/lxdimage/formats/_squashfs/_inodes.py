"""
Inodes: what each file system object is.

The values here are tuples and not attrs classes: an image has a hundred thousand of them, and making them is most
of the time that a listing takes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from lxdimage._chunks import Cursor
from lxdimage.archive import EntryType
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._metadata import Metadata

__all__ = [
    "BASIC_FILE",
    "BASIC_FILE_LAYOUT",
    "EXTENDED",
    "HEADER",
    "INDEX",
    "LAYOUTS",
    "LONG_SYMLINK",
    "NOTHING",
    "NUMBER",
    "BasicFile",
    "Body",
    "Device",
    "Directory",
    "File",
    "GeneralInode",
    "Inode",
    "InodeTable",
    "Special",
    "Symlink",
]

NOTHING = 0xFFFFFFFF
"""The number of a fragment or of extended attributes when there are none."""


class File(NamedTuple):
    """
    A regular file.

    Attributes:
        size: Bytes of content.
        start: Place of the first data block.
        fragment: Number of the fragment block that holds the end, or `NOTHING`.
        offset: Where the end begins in the fragment block.
        holes: Bytes of blocks that are not stored because they are zero.
    """

    size: int
    start: int
    fragment: int
    offset: int
    holes: int


class Directory(NamedTuple):
    """
    A directory.

    Attributes:
        size: Bytes of its listing, and three.
        start: Place of the listing's first block in the directory table.
        offset: Where the listing begins in that block.
        indexes: Entries of the index behind the inode.
    """

    size: int
    start: int
    offset: int
    indexes: int = 0


class Symlink(NamedTuple):
    """
    A symbolic link.

    Attributes:
        size: Bytes of the target, which follow the inode.
    """

    size: int


class Device(NamedTuple):
    """
    A device.

    Attributes:
        number: Major and minor number in the kernel's encoding.
    """

    number: int

    @property
    def numbers(self) -> tuple[int, int]:
        """Major and minor number."""
        return self.number >> 8 & 0xFFF, self.number & 0xFF | self.number >> 12 & 0xFFF00


class Special(NamedTuple):
    """A FIFO or a socket."""


Body: TypeAlias = File | Directory | Symlink | Device | Special


class _BasicFile(NamedTuple):
    """
    What the inode of a basic file holds, and where it is.

    Attributes:
        bits: The mode as stored.
        in_fragment: Where the end of the content begins in the fragment block.
        place: Place of the metadata block.
        begin: Where in that block the inode begins.
    """

    code: int
    bits: int
    uid: int
    gid: int
    mtime: int
    number: int
    start: int
    fragment: int
    in_fragment: int
    size: int
    place: int
    begin: int


class BasicFile(_BasicFile):
    """
    The inode of a regular file that has no holes, one name and no extended attributes, as nearly all have.

    It is what is stored, since that is quickest to make, and has the attributes of `Inode`.
    """

    __slots__ = ()
    type = EntryType.FILE
    links = 1
    xattrs = NOTHING

    @property
    def mode(self) -> int:
        """Permission bits."""
        return self.bits & 0o7777

    @property
    def offset(self) -> int:
        """Where in its block the fixed part ends."""
        return self.begin + BASIC_FILE_LAYOUT.size

    @property
    def body(self) -> File:
        """The file."""
        return File(self.size, self.start, self.fragment, self.in_fragment, 0)


class GeneralInode(NamedTuple):
    """
    An inode of any type.

    Attributes:
        code: The type as stored, 1 to 14.
        mode: Permission bits.
        uid: Row of the owner in the id table.
        gid: Row of the group in the id table.
        mtime: Time of last modification, in seconds since 1970.
        number: The inode's number.
        links: Names that it has.
        xattrs: Number of its extended attributes, or `NOTHING`.
        type: The type.
        body: What depends on the type.
        place: Place of its metadata block in the inode table.
        offset: Where in that block the fixed part ends.
    """

    code: int
    mode: int
    uid: int
    gid: int
    mtime: int
    number: int
    links: int
    xattrs: int
    type: EntryType
    body: Body
    place: int
    offset: int

    @property
    def size(self) -> int:
        """Bytes of content of a regular file, 0 of anything else."""
        return self.body.size if isinstance(self.body, File) else 0


Inode: TypeAlias = BasicFile | GeneralInode

_Tail: TypeAlias = tuple[Body, int, int]  # body, links, number of extended attributes


def _file(start: int, fragment: int, offset: int, size: int) -> _Tail:
    return File(size, start, fragment, offset, 0), 1, NOTHING


def _long_file(
    start: int, size: int, holes: int, links: int, fragment: int, offset: int, xattrs: int
) -> _Tail:
    return File(size, start, fragment, offset, holes), links, xattrs


def _directory(start: int, links: int, size: int, offset: int, _parent: int) -> _Tail:
    return Directory(size, start, offset), links, NOTHING


def _long_directory(
    links: int, size: int, start: int, _parent: int, indexes: int, offset: int, xattrs: int
) -> _Tail:
    # The index that follows only repeats places in the listing, and one that lies would hide names.
    return Directory(size, start, offset, indexes), links, xattrs


def _symlink(links: int, size: int) -> _Tail:
    return Symlink(size), links, NOTHING


def _device(links: int, number: int, xattrs: int = NOTHING) -> _Tail:
    return Device(number), links, xattrs


def _special(links: int, xattrs: int = NOTHING) -> _Tail:
    return Special(), links, xattrs


_Layout: TypeAlias = tuple[EntryType, struct.Struct, Callable[..., _Tail]]

HEADER = struct.Struct("<HHHHII")
"""What all inodes begin with: type, mode, rows of owner and group, time, number."""

LAYOUTS: Mapping[int, _Layout] = {
    1: (EntryType.DIRECTORY, struct.Struct("<IIHHI"), _directory),
    2: (EntryType.FILE, struct.Struct("<IIII"), _file),
    3: (EntryType.SYMLINK, struct.Struct("<II"), _symlink),
    4: (EntryType.BLOCK_DEVICE, struct.Struct("<II"), _device),
    5: (EntryType.CHARACTER_DEVICE, struct.Struct("<II"), _device),
    6: (EntryType.FIFO, struct.Struct("<I"), _special),
    7: (EntryType.SOCKET, struct.Struct("<I"), _special),
    8: (EntryType.DIRECTORY, struct.Struct("<IIIIHHI"), _long_directory),
    9: (EntryType.FILE, struct.Struct("<QQQIIII"), _long_file),
    10: (EntryType.SYMLINK, struct.Struct("<II"), _symlink),
    11: (EntryType.BLOCK_DEVICE, struct.Struct("<III"), _device),
    12: (EntryType.CHARACTER_DEVICE, struct.Struct("<III"), _device),
    13: (EntryType.FIFO, struct.Struct("<II"), _special),
    14: (EntryType.SOCKET, struct.Struct("<II"), _special),
}
"""By type: what it stands for, the fields behind the header, and what makes a body of them."""

BASIC_FILE, LONG_SYMLINK = 2, 10
EXTENDED = 7
"""What is added to the type of an extended inode."""

BASIC_FILE_LAYOUT = struct.Struct("<HHHHIIIIII")
"""All of the inode of a basic file, header and fields."""

_LARGEST = HEADER.size + max(layout.size for _, layout, _ in LAYOUTS.values())
_LONGEST_TARGET = 65535
NUMBER = struct.Struct("<I")
"""The number of extended attributes behind the target of a symbolic link."""

INDEX = struct.Struct("<III")
"""What precedes a name in the index of a directory: where in the listing, which block, the name's bytes less one."""

_LONGEST_NAME = 1 << 16
_LARGEST_INDEX = INDEX.size + _LONGEST_NAME


class InodeTable:
    """
    The inodes of a file, found by reference.

    Attributes:
        start: Where their blocks begin.
    """

    def __init__(self, metadata: Metadata) -> None:
        self.start = metadata.start
        self._metadata = metadata

    def read(self, reference: int) -> Inode:
        """
        Return the inode at *reference*: place of its block, shifted left by 16, and offset in the block.

        Raises:
            InvalidImageError: There is no inode.
        """
        place, offset = reference >> 16, reference & 0xFFFF
        data, _ = self._metadata.block(place)
        if offset + _LARGEST <= len(data):
            return self._parse(data, offset, place, offset)
        return self._parse(self._spanning(data, place, offset), 0, place, offset)

    def block(self, place: int) -> tuple[bytes, int]:
        """Return the content of the block at *place*, and the last offset at which an inode of any type lies in it."""
        data, _ = self._metadata.block(place)
        return data, len(data) - _LARGEST

    def _spanning(self, data: bytes, place: int, offset: int) -> bytes:
        """Return the fixed part of an inode at the end of a block, with what of it the next block holds."""
        if offset >= len(data):
            raise self._metadata.damaged(f"expected an inode below {len(data)}, found one at {offset}", place)
        header = self._metadata.read(place, offset, HEADER.size)
        layout = LAYOUTS.get(HEADER.unpack(header)[0])
        more = layout[1].size if layout else 0
        return self._metadata.read(place, offset, HEADER.size + more)

    def _parse(self, data: bytes, start: int, place: int, offset: int) -> Inode:
        code, mode, uid, gid, mtime, number = HEADER.unpack_from(data, start)
        layout = LAYOUTS.get(code)
        if layout is None:
            raise self._metadata.damaged(
                f"expected an inode of type 1 to 14, found {code}, at {offset}", place
            )
        kind, fields, make = layout
        body, links, xattrs = make(*fields.unpack_from(data, start + HEADER.size))
        after = offset + HEADER.size + fields.size
        row = code, mode & 0o7777, uid, gid, mtime, number, links, xattrs, kind, body, place, after
        return tuple.__new__(GeneralInode, row)

    def damaged(self, inode: Inode, message: str) -> InvalidImageError:
        """Return the error of something wrong in *inode*."""
        return self._metadata.damaged(f"{message}, in inode {inode.number}", inode.place)

    def check_index(self, inode: Inode, body: Directory) -> None:
        """Read the index of a directory, of which only ``sqfs2tar`` wants that it is there."""
        cursor = Cursor(self._metadata.chunks(inode.place, inode.offset, body.indexes * _LARGEST_INDEX))
        for _ in range(body.indexes):
            *_, length = INDEX.unpack(cursor.take(INDEX.size))
            cursor.take(min(length + 1, _LONGEST_NAME))

    def target(self, inode: Inode, body: Symlink) -> tuple[bytes, int]:
        """Return the target of a symbolic link up to the first NUL, and the number of its extended attributes."""
        if body.size > _LONGEST_TARGET:
            message = f"expected a symbolic link of at most {_LONGEST_TARGET} bytes, found {body.size}"
            raise self.damaged(inode, message)
        more = NUMBER.size if inode.code == LONG_SYMLINK else 0
        data = self._metadata.read(inode.place, inode.offset, body.size + more)
        target = data[: body.size].split(b"\0", 1)[0]
        return target, NUMBER.unpack(data[body.size :])[0] if more else inode.xattrs
