"""One name in a SquashFS as a member of an archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lxdimage._chunks import Chunks
from lxdimage.archive import NANO, NO_XATTRS, Entry, EntryType, make_entry
from lxdimage.formats._squashfs._content import Content
from lxdimage.formats._squashfs._inodes import (
    LONG_SYMLINK,
    NOTHING,
    BasicFile,
    Device,
    Directory,
    File,
    Inode,
    InodeTable,
    Symlink,
)
from lxdimage.formats._squashfs._open import Tables
from lxdimage.formats._squashfs._refusals import Refusal
from lxdimage.formats._squashfs._superblock import Flags
from lxdimage.formats._squashfs._xattrs import is_settable

__all__ = ["ROOT", "EntryReader", "SquashfsMember"]

ROOT = b"./"
"""The name of the root directory."""

_LONGEST_TARGET = 4095
_FILE = EntryType.FILE  # looked up once: classes of enumerations are slow to look into


class EntryReader:
    """
    Makes entries of inodes, with the tables that inodes refer to.

    Attributes:
        start: Where the inode table begins.
    """

    def __init__(self, tables: Tables, inodes: InodeTable, content: Content) -> None:
        self.start = inodes.start
        self._inodes = inodes
        self._owners = tables.owners
        self._xattrs = tables.xattrs
        self._flags = tables.superblock.flags
        self._refusals = tables.refusals
        self._content = content

    def read(self, name: bytes, inode: Inode, first: bytes | None) -> Entry:
        """
        Return all that the file says about a name; an owner that is not in the table is 0.

        Args:
            name: The name.
            inode: What it names.
            first: The first name of the same inode, None when this is it.

        Raises:
            InvalidImageError: The inode refers to a target or attributes that are not there.
        """
        path = name.decode("utf-8", "surrogateescape")
        if isinstance(inode, BasicFile):  # nearly everything is one
            _, bits, uid, gid, mtime, _, _, _, _, size, _, _ = inode
            owners = self._owners
            try:
                owner, group = owners[uid], owners[gid]
            except IndexError:
                owner, group = self._owner(inode, uid), self._owner(inode, gid)
            return make_entry(path, _FILE, bits & 0o7777, owner, group, mtime * NANO, size)
        _, mode, uid, gid, mtime, _, _, _, kind, body, _, _ = inode
        size, target, device, data = 0, b"", None, None
        if first is not None:
            kind, target = EntryType.HARD_LINK, first
        elif isinstance(body, File):
            size, data = body.size, self._content.stretches(inode, body) if body.holes else None
        elif isinstance(body, Symlink):
            target = self._target(inode, body)
        elif isinstance(body, Device):
            device = body.numbers
        link = target.decode("utf-8", "surrogateescape")
        uid, gid = self._owner(inode, uid), self._owner(inode, gid)
        xattrs = self.xattrs(inode) if first is None else NO_XATTRS
        return make_entry(path, kind, mode, uid, gid, mtime * NANO, size, link, device, xattrs, data)

    def _owner(self, inode: Inode, row: int) -> int:
        if row < len(self._owners):
            return self._owners[row]
        message = f"row {row} of {len(self._owners)}, in inode {inode.number}"
        self._refusals.add(Refusal.OWNER, message, self._inodes.start + inode.place)
        return 0

    def _target(self, inode: Inode, body: Symlink) -> bytes:
        target, _ = self._inodes.target(inode, body)
        if not 0 < len(target) <= _LONGEST_TARGET:
            message = f"{len(target)} bytes, in inode {inode.number}"
            self._refusals.add(Refusal.TARGET, message, self._inodes.start + inode.place)
        return target

    def _xattr_number(self, inode: Inode) -> int:
        """Return the number of an inode's extended attributes; that of a symbolic link is behind its target."""
        body = inode.body
        if inode.code == LONG_SYMLINK and isinstance(body, Symlink):
            return self._inodes.target(inode, body)[1]
        return inode.xattrs

    def xattrs(self, inode: Inode) -> Mapping[str, bytes]:
        """
        Return the extended attributes.

        Raises:
            InvalidImageError: They are not there.
        """
        if self._xattrs is None:
            return NO_XATTRS
        number = self._xattr_number(inode)
        if number == NOTHING:
            return NO_XATTRS
        xattrs = self._xattrs.read(number)
        if message := _unsettable(inode, xattrs):
            self._refusals.add(Refusal.ATTRIBUTE, message, self._inodes.start + inode.place)
        return xattrs

    def refused_in_tar(self, inode: Inode) -> str | None:
        """
        Return why ``sqfs2tar`` ends at the first name of an inode although it can be read; None when it does not.

        Raises:
            InvalidImageError: It ends because the extended attributes are not there.
        """
        if inode.type is EntryType.SOCKET:
            return "a socket, which has no place in a tar"
        if Flags.NO_XATTRS not in self._flags and self._xattr_number(inode) != NOTHING:
            if self._xattrs is None:
                return "extended attributes, of which there is no table"
            self.xattrs(inode)
        body, without = inode.body, Flags.NO_FRAGMENTS in self._flags
        if without and isinstance(body, File) and self._content.in_fragment(body):
            return "an end in a fragment, of which the superblock says that there are none"
        return None

    def check(self, inode: Inode, *, root: bool) -> None:
        """
        Read what ``sqfs2tar`` reads of an inode before it writes anything; *root* says that it is the root's.

        Raises:
            InvalidImageError: The inode's target, index or list of blocks is not there.
        """
        body = inode.body
        if isinstance(body, Symlink):
            self._inodes.target(inode, body)
        elif isinstance(body, File):
            self._content.check_list(inode, body)
        elif isinstance(body, Directory):
            self._inodes.check_index(inode, body)
        if root and max(inode.uid, inode.gid) >= len(self._owners):
            message = f"row {max(inode.uid, inode.gid)} of {len(self._owners)}"
            self._refusals.add(Refusal.ROOT, message, self._inodes.start + inode.place)


def _unsettable(inode: Inode, xattrs: Mapping[str, bytes]) -> str | None:
    """Return what no kernel takes of an inode's extended attributes."""
    if not xattrs:
        return f"inode {inode.number} has a set of none"
    bad = [name for name in xattrs if not is_settable(name, inode.type)]
    return f"{bad[0]!r} of inode {inode.number}" if bad else None


class SquashfsMember(NamedTuple):
    """
    A name in a SquashFS; usable as long as the file is open, and in any order.

    A tuple, since an image has a hundred thousand of them.

    Attributes:
        name: The path from the root, without a leading slash.  That of a directory ends in a slash, as in the tar that
            ``sqfs2tar`` makes for the daemons; the root itself is ``./``.
        inode: What it names.
        first: The first name of the same inode, None when this is it.
        reader: Makes its entry.
        content: Reads the content of its inode.
    """

    name: bytes
    inode: Inode
    first: bytes | None
    reader: EntryReader
    content: Callable[[Inode], Chunks]

    @property
    def type(self) -> EntryType:
        """What it is; the second and later names of an inode are hard links."""
        return self.inode.type if self.first is None else EntryType.HARD_LINK

    @property
    def size(self) -> int:
        """Bytes of content, holes included."""
        return self.inode.size if self.first is None else 0

    @property
    def offset(self) -> int:
        """Where the metadata block with its inode begins."""
        return self.reader.start + self.inode.place

    @property
    def entry(self) -> Entry:
        """All that the file says about it."""
        name, inode, first, reader, _ = self
        return reader.read(name, inode, first)

    @property
    def xattrs(self) -> Mapping[str, bytes]:
        """Its extended attributes, for the first name of an inode."""
        return self.reader.xattrs(self.inode) if self.first is None else NO_XATTRS

    @property
    def refused_in_tar(self) -> str | None:
        """Why ``sqfs2tar`` ends here although it can be read, None when it does not."""
        return None if self.name == ROOT or self.first is not None else self.reader.refused_in_tar(self.inode)

    def check(self) -> None:
        """Read what ``sqfs2tar`` reads of it before it writes anything, or raise `InvalidImageError`."""
        self.reader.check(self.inode, root=self.name == ROOT)

    def chunks(self) -> Chunks:
        """
        Yield the content, holes as zeros.

        Raises:
            InvalidImageError: A block is damaged; other members may still be readable.
            LimitExceededError: More comes out than the limits allow.
        """
        return self.content(self.inode) if self.size else iter(())
