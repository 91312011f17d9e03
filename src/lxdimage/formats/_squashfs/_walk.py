"""Walking the tree of a SquashFS: every name once, in a bounded number of steps."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import TypeAlias

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._directories import LONGEST_USABLE_NAME, Group, read_listing
from lxdimage.formats._squashfs._inodes import BasicFile, Directory, Inode, InodeTable
from lxdimage.formats._squashfs._open import Tables
from lxdimage.formats._squashfs._plain import Names, read_plain
from lxdimage.formats._squashfs._refusals import Refusal
from lxdimage.limits import Limits

__all__ = ["Run", "Tree", "split_path"]

_DIRECTORY = 1
_LONGEST_PATH = 4096
_DEEPEST_PLAIN = 64  # since the listings of all directories above one are held


Run: TypeAlias = tuple[Sequence[bytes], Sequence[Inode], Iterable[bytes | None]]
"""
Some names of a directory as columns, because names cost least where many are handled at once.

They are the whole paths, that of a directory with a slash at its end; the inodes that they name; and the first path of
the same inode, None where it is this one (there may be more of these than names).
"""

_NO_LINKS: Iterable[None] = repeat(None)


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

    def walk(self) -> Iterator[Run]:
        """
        Yield everything below the root in runs, a directory before what is in it, in the order of the listings.

        Raises:
            InvalidImageError: A directory is damaged, holds a bad name or is reached twice.
            LimitExceededError: There are too many names, or one is too long.
        """
        seen: set[int] = set()
        parents = {self.root.number}
        links: dict[int, bytes] = {}
        self._names = 0
        self._check_numbers([b""], [self.root], set())
        stack = [(self.root.number, self._runs(b"", self._top, parents, links))]
        while stack:
            for run, below in stack[-1][1]:
                if not below:
                    yield run
                    continue
                paths, inodes, firsts = run
                path, inode = paths[-1], inodes[-1]
                assert isinstance(inode.body, Directory)
                try:
                    self._check_loop(seen, parents, inode, path)
                except InvalidImageError:
                    yield paths[:-1], inodes[:-1], firsts
                    raise
                yield run
                parents.add(inode.number)
                stack.append((inode.number, self._runs(path, inode.body, parents, links)))
                break
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

    def _runs(
        self, parent: bytes, directory: Directory, parents: set[int], links: dict[int, bytes]
    ) -> Iterator[tuple[Run, bool]]:
        """
        Yield all that is in *directory*, as far as the next directory each time.

        Args:
            parent: Its path.
            directory: The directory.
            parents: Numbers of its inode and of those above it.
            links: The first path of each inode with several.

        Yields:
            Names, and whether the last one is that of a directory, which no other is.
        """
        for names, inodes, others in self._groups(parent, directory, len(parents)):
            self._check_numbers(names, inodes, parents)
            paths = [parent + name for name in names]
            if others:
                yield from _split(paths, inodes, others, links)
            else:
                yield (paths, inodes, _NO_LINKS), False

    def _groups(self, parent: bytes, directory: Directory, depth: int) -> Iterator[Names]:
        """Yield what is in *directory*, whose path is *parent*; it and those above it are *depth* directories."""
        if depth > _DEEPEST_PLAIN:
            yield from self._read_carefully(parent, directory, 0)
            return
        plain = read_plain(self._directories, self._inodes, directory, self._refusals)
        for done, group in enumerate(plain):
            if group is None:
                yield from self._read_carefully(parent, directory, done)
            else:
                self._check_lengths(group[0], parent, directory)
                yield group

    def _read_carefully(self, parent: bytes, directory: Directory, done: int) -> Iterator[Names]:
        """Yield what any directory holds behind the first *done* groups, and note or raise what is wrong with it."""
        for group in islice(read_listing(self._directories, directory, self._refusals), done, None):
            self._check_lengths(group.names, parent, directory)
            inodes = [self._inodes.read(group.block << 16 | offset) for offset in group.offsets]
            self._check_kinds(group, inodes)
            yield group.names, inodes, list(range(len(inodes)))

    def _check_loop(self, seen: set[int], parents: set[int], inode: Inode, path: bytes) -> None:
        """Check that no directory is in itself, and none is reached twice: that could take forever."""
        place = -1 - (inode.place << 16 | inode.offset)  # in one set with the numbers, and none of them
        if inode.number in parents or place in seen:
            message = f"the directory {path[:-1]!r} is inode {inode.number}, which was reached before"
            raise self._file.damaged(message, self._directories.start, "squashfs-loop")
        if inode.number in seen:
            message = f"{path[:-1]!r} is inode {inode.number}, as one before is"
            self._refusals.add(Refusal.AGAIN, message, self._directories.start)
        seen.update((inode.number, place))

    def _check_lengths(self, names: list[bytes], parent: bytes, directory: Directory) -> None:
        self._names += len(names)
        if self._names > self._limits.members:
            raise self._file.exceeded(f"more than {self._limits.members} names")
        longest = max(map(len, names))
        if len(parent) + longest > _LONGEST_PATH:
            message = f"a path of {len(parent) + longest} bytes, more than {_LONGEST_PATH}"
            raise self._file.exceeded(message)
        if longest > LONGEST_USABLE_NAME:
            place = self._directories.start + directory.start
            self._refusals.add(Refusal.NAME, f"{longest} bytes, in {parent!r}", place)

    def _check_numbers(self, names: list[bytes], inodes: list[Inode], parents: set[int]) -> None:
        """Note what one program refuses of inode numbers: all at once, since nearly always all are good."""
        numbers = list(map(_number_of, inodes))
        least, most = min(numbers), max(numbers)
        if least <= 0 or most > self._count:
            message = f"{least} to {most} of {self._count}"
            self._refusals.add(Refusal.NUMBER, message, self._directories.start)
        if not parents.isdisjoint(numbers):
            message = f"one of {names[0]!r} to {names[-1]!r}"
            self._refusals.add(Refusal.PARENT, message, self._directories.start)

    def _check_kinds(self, group: Group, inodes: list[Inode]) -> None:
        for name, kind, inode in zip(group.names, group.kinds, inodes, strict=True):
            if (kind == _DIRECTORY) != isinstance(inode.body, Directory):
                message = f"{name!r} has type {kind}, its inode {inode.code}"
                self._refusals.add(Refusal.KIND, message, self._directories.start)


_number_of = operator.itemgetter(BasicFile._fields.index("number"))  # the same in both kinds of inode


def _split(
    paths: list[bytes], inodes: list[Inode], others: list[int], links: dict[int, bytes]
) -> Iterator[tuple[Run, bool]]:
    """Yield the names of a group up to each directory; *links* has the first path of each inode with several."""
    start = 0
    firsts: list[bytes | None] = [None] * len(paths)
    for place in others:
        inode = inodes[place]
        if isinstance(inode.body, Directory):
            paths[place] += b"/"
            end = place + 1
            yield (paths[start:end], inodes[start:end], firsts[start:end]), True
            start = end
        elif inode.links > 1:
            path = paths[place]
            first = links.setdefault(inode.number, path)
            firsts[place] = None if first is path else first
    if start < len(paths):
        yield (paths[start:], inodes[start:], firsts[start:]), False
