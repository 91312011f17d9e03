"""One name in a SquashFS as a member of an archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxdimage._chunks import Chunks
from lxdimage.archive import NANO, NO_XATTRS, Entry, EntryType
from lxdimage.formats._squashfs._content import Content
from lxdimage.formats._squashfs._inodes import (
    LONG_SYMLINK,
    NOTHING,
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
from lxdimage.formats._squashfs._walk import Found
from lxdimage.formats._squashfs._xattrs import is_settable

__all__ = ["ROOT", "EntryReader", "SquashfsMember"]

ROOT = b"./"
"""The name of the root directory."""

_LONGEST_TARGET = 4095


class EntryReader:
    """Makes entries of inodes, with the tables that inodes refer to."""

    def __init__(self, tables: Tables, inodes: InodeTable, content: Content) -> None:
        self._inodes = inodes
        self._owners = tables.owners
        self._xattrs = tables.xattrs
        self._flags = tables.superblock.flags
        self._refusals = tables.refusals
        self._content = content

    def read(self, found: Found) -> Entry:
        """
        Return all that the file says about a name; an owner that is not in the table is 0.

        Raises:
            InvalidImageError: The inode refers to a target or attributes that are not there.
        """
        path, inode, first = found
        body = inode.body
        size, target, device, data = 0, b"", None, None
        if first is not None:
            target = first
        elif isinstance(body, File):
            size, data = body.size, self._content.stretches(inode, body) if body.holes else None
        elif isinstance(body, Symlink):
            target = self._target(inode, body)
        elif isinstance(body, Device):
            device = body.numbers
        try:
            uid, gid = self._owners[inode.uid], self._owners[inode.gid]
        except IndexError:
            uid, gid = self._owner(inode, inode.uid), self._owner(inode, inode.gid)
        return Entry(
            path=path.decode("utf-8", "surrogateescape"),
            type=inode.type if first is None else EntryType.HARD_LINK,
            mode=inode.mode,
            uid=uid,
            gid=gid,
            mtime_ns=inode.mtime * NANO,
            size=size,
            target=target.decode("utf-8", "surrogateescape"),
            device=device,
            xattrs=self.xattrs(found) if self._xattrs else NO_XATTRS,
            data=data,
        )

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

    def xattrs(self, found: Found) -> Mapping[str, bytes]:
        """
        Return the extended attributes, for the first name of an inode.

        Raises:
            InvalidImageError: They are not there.
        """
        inode = found.inode
        if self._xattrs is None or found.first is not None:
            return NO_XATTRS
        number = self._xattr_number(inode)
        if number == NOTHING:
            return NO_XATTRS
        xattrs = self._xattrs.read(number)
        if message := _unsettable(inode, xattrs):
            self._refusals.add(Refusal.ATTRIBUTE, message, self._inodes.start + inode.place)
        return xattrs

    def refused_in_tar(self, found: Found) -> str | None:
        """
        Return why ``sqfs2tar`` writes no more from a name on, although it can be read; None when it does.

        Raises:
            InvalidImageError: It writes no more because the extended attributes are not there.
        """
        path, inode, first = found
        body = inode.body
        if path == ROOT or first is not None:
            return None
        if inode.type is EntryType.SOCKET:
            return "a socket, which has no place in a tar"
        if Flags.NO_XATTRS not in self._flags and self._xattr_number(inode) != NOTHING:
            if self._xattrs is None:
                return "extended attributes, of which there is no table"
            self.xattrs(found)
        without = Flags.NO_FRAGMENTS in self._flags
        if without and isinstance(body, File) and self._content.in_fragment(body):
            return "an end in a fragment, of which the superblock says that there are none"
        return None

    def check(self, found: Found) -> None:
        """
        Read what ``sqfs2tar`` reads of an inode before it writes anything.

        Raises:
            InvalidImageError: The inode's target, index or list of blocks is not there.
        """
        path, inode, _ = found
        body = inode.body
        if isinstance(body, Symlink):
            self._inodes.target(inode, body)
        elif isinstance(body, File):
            self._content.check_list(inode, body)
        elif isinstance(body, Directory):
            self._inodes.check_index(inode, body)
        if path == ROOT and max(inode.uid, inode.gid) >= len(self._owners):
            message = f"row {max(inode.uid, inode.gid)} of {len(self._owners)}"
            self._refusals.add(Refusal.ROOT, message, self._inodes.start + inode.place)


def _unsettable(inode: Inode, xattrs: Mapping[str, bytes]) -> str | None:
    """Return what no kernel takes of an inode's extended attributes."""
    if not xattrs:
        return f"inode {inode.number} has a set of none"
    bad = [name for name in xattrs if not is_settable(name, inode.type)]
    return f"{bad[0]!r} of inode {inode.number}" if bad else None


class SquashfsMember:
    """A name in a SquashFS; usable as long as the file is open, and in any order."""

    __slots__ = ("_chunks", "_found", "_reader", "_start")

    def __init__(
        self, found: Found, reader: EntryReader, start: int, chunks: Callable[[Found], Chunks]
    ) -> None:
        self._found = found
        self._reader = reader
        self._start = start
        self._chunks = chunks

    @property
    def name(self) -> bytes:
        """
        The path from the root, without a leading slash.

        That of a directory ends in a slash, as in the tar that ``sqfs2tar`` makes for the daemons; the root itself
        is ``./``.
        """
        return self._found.path

    @property
    def type(self) -> EntryType:
        """What it is; the second and later names of an inode are hard links."""
        return self._found.inode.type if self._found.first is None else EntryType.HARD_LINK

    @property
    def size(self) -> int:
        """Bytes of content, holes included."""
        body = self._found.inode.body
        return body.size if isinstance(body, File) and self._found.first is None else 0

    @property
    def offset(self) -> int:
        """Where the metadata block with its inode begins."""
        return self._start + self._found.inode.place

    @property
    def entry(self) -> Entry:
        """All that the file says about it."""
        return self._reader.read(self._found)

    @property
    def xattrs(self) -> Mapping[str, bytes]:
        """Its extended attributes."""
        return self._reader.xattrs(self._found)

    @property
    def refused_in_tar(self) -> str | None:
        """Why ``sqfs2tar`` ends here although it can be read, None when it does not."""
        return self._reader.refused_in_tar(self._found)

    def check(self) -> None:
        """Read what ``sqfs2tar`` reads of it before it writes anything, or raise `InvalidImageError`."""
        self._reader.check(self._found)

    def chunks(self) -> Chunks:
        """
        Yield the content, holes as zeros.

        Raises:
            InvalidImageError: A block is damaged; other members may still be readable.
            LimitExceededError: More comes out than the limits allow.
        """
        return self._chunks(self._found) if self.size else iter(())
