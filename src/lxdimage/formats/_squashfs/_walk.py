"""Walking the tree of a SquashFS: every name once, in a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lxdimage.formats._squashfs._directories import DirectoryEntry, read_listing
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._inodes import Directory, Inode, InodeTable
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.limits import Limits

__all__ = ["Found", "Tree"]

_LONGEST_PATH = 4096
_BASIC_TYPES = 7


class Found(NamedTuple):
    """
    A name in the tree.

    Attributes:
        path: The whole path; that of a directory ends in a slash.
        inode: What it names.
        first: The first path of the same inode, None when this is it.
    """

    path: bytes
    inode: Inode
    first: bytes | None


class Tree:
    """
    The names of a file.

    Attributes:
        root: The inode of the root directory.
    """

    def __init__(
        self, file: BlockFile, inodes: InodeTable, directories: Metadata, root: int, limits: Limits
    ) -> None:
        self._file = file
        self._inodes = inodes
        self._directories = directories
        self._limits = limits
        self.root = inodes.read(root)
        if not isinstance(self.root.body, Directory):
            raise directories.damaged(f"expected the root to be a directory, found type {self.root.code}", 0)
        self._top = self.root.body

    def walk(self) -> Iterator[Found]:
        """
        Yield everything below the root, a directory before what is in it, in the order of the listings.

        Raises:
            InvalidImageError: A directory is damaged, holds a bad name or is reached twice.
            LimitExceededError: There are too many names, or one is too long.
        """
        seen = {self.root.number}
        links: dict[int, bytes] = {}
        count = 0
        stack = [(b"", self._entries(self._top))]
        while stack:
            parent, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            inode = self._inode(entry)
            path = parent + entry.name
            count += 1
            self._check_limits(count, path)
            match inode.body:
                case Directory() as body:
                    self._check_loop(seen, inode, path)
                    path += b"/"
                    yield Found(path, inode, None)
                    stack.append((path, self._entries(body)))
                case _ if inode.links > 1:
                    first = links.setdefault(inode.number, path)
                    yield Found(path, inode, None if first is path else first)
                case _:
                    yield Found(path, inode, None)

    def find(self, path: bytes) -> Inode | None:
        """Return what *path*, components separated by slashes, names; None when it names nothing."""
        inode = self.root
        for component in filter(None, path.split(b"/")):
            if not isinstance(inode.body, Directory):
                return None
            found = next((e for e in self._entries(inode.body) if e.name == component), None)
            if found is None:
                return None
            inode = self._inode(found)
        return inode

    def _entries(self, directory: Directory) -> Iterator[DirectoryEntry]:
        for group in read_listing(self._directories, directory):
            yield from group

    def _inode(self, entry: DirectoryEntry) -> Inode:
        inode = self._inodes.read(entry.reference)
        if (inode.code - 1) % _BASIC_TYPES + 1 != entry.code:
            message = f"expected an inode of type {entry.code} for {entry.name!r}, found {inode.code}"
            raise self._file.damaged(f"directory table: {message}", self._directories.start)
        return inode

    def _check_loop(self, seen: set[int], inode: Inode, path: bytes) -> None:
        if inode.number in seen:
            message = f"the directory {path!r} is inode {inode.number}, which was reached before"
            raise self._file.damaged(message, self._directories.start, "squashfs-loop")
        seen.add(inode.number)

    def _check_limits(self, count: int, path: bytes) -> None:
        if count > self._limits.members:
            raise self._file.exceeded(f"more than {self._limits.members} names")
        if len(path) > _LONGEST_PATH:
            raise self._file.exceeded(f"a path of {len(path)} bytes, more than {_LONGEST_PATH}")
