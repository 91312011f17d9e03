"""One name in a SquashFS as a member of an archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxdimage._chunks import Chunks
from lxdimage.archive import Entry, EntryType
from lxdimage.formats._squashfs._content import Content
from lxdimage.formats._squashfs._inodes import NOTHING, Device, File, InodeTable, Symlink
from lxdimage.formats._squashfs._walk import Found
from lxdimage.formats._squashfs._xattrs import NO_XATTRS, XattrTable

__all__ = ["EntryReader", "SquashfsMember"]

_NANOSECONDS = 1_000_000_000


class EntryReader:
    """Makes entries of inodes, with the tables that inodes refer to."""

    def __init__(
        self, inodes: InodeTable, owners: Sequence[int], xattrs: XattrTable | None, content: Content
    ) -> None:
        self._inodes = inodes
        self._owners = owners
        self._xattrs = xattrs
        self._content = content

    def read(self, found: Found) -> Entry:
        """
        Return all that the file says about a name.

        Raises:
            InvalidImageError: The inode refers to an owner, a target or attributes that are not there.
        """
        path, inode, first = found
        body, xattrs = inode.body, inode.xattrs
        size, target, device, data = 0, b"", None, None
        if first is not None:
            target, xattrs = first, NOTHING
        elif isinstance(body, File):
            size, data = body.size, self._content.stretches(inode, body) if body.holes else None
        elif isinstance(body, Symlink):
            target, xattrs = self._inodes.target(inode, body)
        elif isinstance(body, Device):
            device = body.numbers
        try:
            uid, gid = self._owners[inode.uid], self._owners[inode.gid]
        except IndexError:
            message = f"expected an owner below {len(self._owners)}, found {max(inode.uid, inode.gid)}"
            raise self._inodes.damaged(inode, message) from None
        return Entry(
            path=path.decode("utf-8", "surrogateescape"),
            type=inode.type if first is None else EntryType.HARD_LINK,
            mode=inode.mode,
            uid=uid,
            gid=gid,
            mtime_ns=inode.mtime * _NANOSECONDS,
            size=size,
            target=target.decode("utf-8", "surrogateescape"),
            device=device,
            xattrs=self._xattrs.read(xattrs) if self._xattrs and xattrs != NOTHING else NO_XATTRS,
            data=data,
        )


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

    def chunks(self) -> Chunks:
        """
        Yield the content, holes as zeros.

        Raises:
            InvalidImageError: A block is damaged; other members may still be readable.
            LimitExceededError: More comes out than the limits allow.
        """
        return self._chunks(self._found) if self.size else iter(())
