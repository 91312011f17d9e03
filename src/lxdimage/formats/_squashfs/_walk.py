"""Walking the tree of a SquashFS: every name once, in a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from lxdimage.formats._squashfs._directories import read_listing
from lxdimage.formats._squashfs._inodes import Directory, Inode, InodeTable
from lxdimage.formats._squashfs._open import Tables
from lxdimage.formats._squashfs._refusals import Refusal
from lxdimage.limits import Limits

__all__ = ["Found", "Tree", "split_path"]

_DIRECTORY = 1
_LONGEST_PATH = 4096
_LONGEST_USABLE_NAME = 255


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
    """

    def __init__(self, tables: Tables, inodes: InodeTable, limits: Limits) -> None:
        self._file = tables.file
        self._inodes = inodes
        self._directories = directories = tables.directories
        self._count = tables.superblock.inode_count
        self._limits = limits
        self._names = 0
        self._refusals = tables.refusals
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
        seen: set[int] = set()
        parents = {self.root.number}
        links: dict[int, bytes] = {}
        self._names = 0
        self._check_inodes([b""], [self.root.code], [self.root], set())
        stack = [(self.root.number, self._children(b"", self._top, parents))]
        new = tuple.__new__
        while stack:
            for path, inode in stack[-1][1]:
                if isinstance(inode.body, Directory):
                    self._check_loop(seen, parents, inode, path)
                    path += b"/"  # noqa: PLW2901 - the name of a directory ends in a slash
                    yield Found(path, inode, None)
                    parents.add(inode.number)
                    stack.append((inode.number, self._children(path, inode.body, parents)))
                    break
                first = links.setdefault(inode.number, path) if inode.links > 1 else path
                yield new(Found, (path, inode, None if first is path else first))
            else:
                parents.remove(stack.pop()[0])

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
        for group in read_listing(self._directories, directory, self._refusals):
            if name in group.names:
                return self._inodes.read(group.block << 16 | group.offsets[group.names.index(name)])
        return None

    def _children(
        self, parent: bytes, directory: Directory, parents: set[int]
    ) -> Iterator[tuple[bytes, Inode]]:
        """Return path and inode of all that is in *directory*, which is in and below *parents*."""
        return chain.from_iterable(self._groups(parent, directory, parents))

    def _groups(
        self, parent: bytes, directory: Directory, parents: set[int]
    ) -> Iterator[Iterator[tuple[bytes, Inode]]]:
        """Yield path and inode of all that is in *directory*, group by group of its listing."""
        for names, block, offsets, kinds in read_listing(self._directories, directory, self._refusals):
            longest = max(map(len, names))
            self._check_limits(len(names), len(parent) + longest)
            if longest > _LONGEST_USABLE_NAME:
                place = self._directories.start + directory.start
                self._refusals.add(Refusal.NAME, f"{longest} bytes, in {parent!r}", place)
            inodes = self._inodes.read_all(block, offsets)
            self._check_inodes(names, kinds, inodes, parents)
            yield zip([parent + name for name in names], inodes, strict=True)

    def _check_loop(self, seen: set[int], parents: set[int], inode: Inode, path: bytes) -> None:
        """Check that no directory is in itself, and none is reached twice: that could take forever."""
        place = -1 - (inode.place << 16 | inode.offset)  # in one set with the numbers, and none of them
        if inode.number in parents or place in seen:
            message = f"the directory {path!r} is inode {inode.number}, which was reached before"
            raise self._file.damaged(message, self._directories.start, "squashfs-loop")
        if inode.number in seen:
            message = f"{path!r} is inode {inode.number}, as one before is"
            self._refusals.add(Refusal.AGAIN, message, self._directories.start)
        seen.update((inode.number, place))

    def _check_limits(self, names: int, longest: int) -> None:
        self._names += names
        if self._names > self._limits.members:
            raise self._file.exceeded(f"more than {self._limits.members} names")
        if longest > _LONGEST_PATH:
            raise self._file.exceeded(f"a path of {longest} bytes, more than {_LONGEST_PATH}")

    def _check_inodes(
        self, names: Sequence[bytes], kinds: list[int], inodes: Sequence[Inode], parents: set[int]
    ) -> None:
        """Note what one program refuses about a group: all inodes at once, since nearly always all are good."""
        codes, numbers = [inode.code for inode in inodes], [inode.number for inode in inodes]
        place = self._directories.start
        if not 0 < min(numbers) <= max(numbers) <= self._count:
            self._refusals.add(Refusal.NUMBER, f"{min(numbers)} to {max(numbers)} of {self._count}", place)
        if not parents.isdisjoint(numbers):
            self._refusals.add(Refusal.PARENT, f"one of {names[0]!r} to {names[-1]!r}", place)
        if kinds != codes:
            self._check_kinds(names, kinds, inodes)

    def _check_kinds(self, names: Sequence[bytes], kinds: Sequence[int], inodes: Sequence[Inode]) -> None:
        for name, kind, inode in zip(names, kinds, inodes, strict=True):
            if (kind == _DIRECTORY) != isinstance(inode.body, Directory):
                message = f"{name!r} has type {kind}, its inode {inode.code}"
                self._refusals.add(Refusal.KIND, message, self._directories.start)
