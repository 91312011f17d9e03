"""Walking the tree of a SquashFS: every name once, in a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lxdimage.formats._squashfs._directories import DirectoryEntry, read_listing
from lxdimage.formats._squashfs._inodes import Directory, Inode, InodeTable, Symlink
from lxdimage.formats._squashfs._open import Tables, check_layout
from lxdimage.formats._squashfs._refusals import Refusal, Refusals
from lxdimage.limits import Limits

__all__ = ["Found", "Tree", "split_path"]

_LONGEST_PATH = 4096
_LONGEST_USABLE_NAME = 255
_LONGEST_USABLE_TARGET = 4095


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


def split_path(path: bytes) -> list[bytes]:
    """Return the components of *path* that name something."""
    return [component for component in path.split(b"/") if component not in {b"", b"."}]


class Tree:
    """
    The names of a file.

    Attributes:
        root: The inode of the root directory.
        refusals: What ``unsquashfs`` would refuse, as far as it was met.
    """

    def __init__(self, tables: Tables, inodes: InodeTable, limits: Limits) -> None:
        self._file = tables.file
        self._inodes = inodes
        self._directories = directories = tables.directories
        self._count = tables.superblock.inode_count
        self._limits = limits
        self.refusals = Refusals(tables.file)
        check_layout(tables, self.refusals)
        self.root = inodes.read(tables.superblock.root_inode)
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
        self._check_refusals(b"", self.root)
        stack = [(b"", self._entries(self._top))]
        while stack:
            parent, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            inode = self._inodes.read(entry.reference)
            path = parent + entry.name
            count += 1
            self._check_limits(count, path)
            self._check_refusals(entry.name, inode)
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
        """Return what *path* names, None when it names nothing; empty components and dots mean nothing."""
        inode = self.root
        for component in split_path(path):
            if not isinstance(inode.body, Directory):
                return None
            found = next((e for e in self._entries(inode.body) if e.name == component), None)
            if found is None:
                return None
            inode = self._inodes.read(found.reference)
        return inode

    def _entries(self, directory: Directory) -> Iterator[DirectoryEntry]:
        for group in read_listing(self._directories, directory, self.refusals):
            yield from group

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

    def _check_refusals(self, name: bytes, inode: Inode) -> None:
        place = self._directories.start
        if not 0 < inode.number <= self._count:
            self.refusals.add(Refusal.NUMBER, f"{inode.number} of {self._count}", place)
        if len(name) > _LONGEST_USABLE_NAME:
            self.refusals.add(Refusal.NAME, f"{len(name)} bytes, {name[:40]!r}...", place)
        if isinstance(inode.body, Symlink) and inode.body.size > _LONGEST_USABLE_TARGET:
            self.refusals.add(Refusal.TARGET, f"{inode.body.size} bytes, {name!r}", place)
