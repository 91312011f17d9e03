"""Walking the tree of a SquashFS: every name once, in a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from lxdimage.archive import EntryType
from lxdimage.formats._squashfs._directories import read_listing
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
        self._names = 0
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
        self._names = 0
        self._check_refusals(b"", self.root)
        stack = [self._children(b"", self._top)]
        new = tuple.__new__
        while stack:
            for path, inode in stack[-1]:
                if isinstance(inode.body, Directory):
                    self._check_loop(seen, inode, path)
                    path += b"/"  # noqa: PLW2901 - the name of a directory ends in a slash
                    yield Found(path, inode, None)
                    stack.append(self._children(path, inode.body))
                    break
                first = links.setdefault(inode.number, path) if inode.links > 1 else path
                yield new(Found, (path, inode, None if first is path else first))
            else:
                stack.pop()

    def find(self, path: bytes) -> Inode | None:
        """Return what *path* names, None when it names nothing; empty components and dots mean nothing."""
        inode = self.root
        for component in split_path(path):
            if not isinstance(inode.body, Directory):
                return None
            found = self._find_name(inode.body, component)
            if found is None:
                return None
            inode = found
        return inode

    def _find_name(self, directory: Directory, name: bytes) -> Inode | None:
        for group in read_listing(self._directories, directory, self.refusals):
            if name in group.names:
                return self._inodes.read(group.block << 16 | group.offsets[group.names.index(name)])
        return None

    def _children(self, parent: bytes, directory: Directory) -> Iterator[tuple[bytes, Inode]]:
        """Return path and inode of all that is in *directory*."""
        return chain.from_iterable(self._groups(parent, directory))

    def _groups(self, parent: bytes, directory: Directory) -> Iterator[Iterator[tuple[bytes, Inode]]]:
        """Yield path and inode of all that is in *directory*, group by group of its listing."""
        count = self._count
        for names, block, offsets in read_listing(self._directories, directory, self.refusals):
            longest = max(map(len, names))
            self._check_limits(len(names), len(parent) + longest)
            if longest > _LONGEST_USABLE_NAME:
                place = self._directories.start + directory.start
                self.refusals.add(Refusal.NAME, f"{longest} bytes, in {parent!r}", place)
            inodes = self._inodes.read_all(block, offsets)
            for place, inode in enumerate(inodes):
                if not 0 < inode.number <= count or inode.type is EntryType.SYMLINK:
                    self._check_refusals(names[place], inode)
            yield zip([parent + name for name in names], inodes, strict=True)

    def _check_loop(self, seen: set[int], inode: Inode, path: bytes) -> None:
        if inode.number in seen:
            message = f"the directory {path!r} is inode {inode.number}, which was reached before"
            raise self._file.damaged(message, self._directories.start, "squashfs-loop")
        seen.add(inode.number)

    def _check_limits(self, names: int, longest: int) -> None:
        self._names += names
        if self._names > self._limits.members:
            raise self._file.exceeded(f"more than {self._limits.members} names")
        if longest > _LONGEST_PATH:
            raise self._file.exceeded(f"a path of {longest} bytes, more than {_LONGEST_PATH}")

    def _check_refusals(self, name: bytes, inode: Inode) -> None:
        place = self._directories.start
        if not 0 < inode.number <= self._count:
            self.refusals.add(Refusal.NUMBER, f"{inode.number} of {self._count}", place)
        if isinstance(inode.body, Symlink) and inode.body.size > _LONGEST_USABLE_TARGET:
            self.refusals.add(Refusal.TARGET, f"{inode.body.size} bytes, {name!r}", place)
