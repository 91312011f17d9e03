"""Reading a SquashFS: open, look up, list, and the content in the order of the names or of the file."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import partial
from itertools import chain, repeat
from types import TracebackType
from typing import BinaryIO, Self

from lxdimage._chunks import Chunks
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.formats._squashfs._content import Content
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._inodes import NOTHING, Directory, File, Inode, InodeTable
from lxdimage.formats._squashfs._layout import check_for_sqfs2tar, check_for_unsquashfs
from lxdimage.formats._squashfs._members import ROOT, EntryReader, SquashfsMember
from lxdimage.formats._squashfs._open import Tables, open_tables
from lxdimage.formats._squashfs._pipeline import FragmentCache, Pipeline
from lxdimage.formats._squashfs._refusals import Refusal
from lxdimage.formats._squashfs._walk import Run, Tree, split_path
from lxdimage.formats._squashfs._workers import Workers
from lxdimage.limits import Limits

__all__ = ["Order", "Squashfs", "open_squashfs", "read_squashfs"]


_MEMBER = repeat(SquashfsMember)


class Order(Enum):
    """
    In which order members come.

    Attributes:
        TREE: A directory before what is in it, and names as the directories list them.
        DATA: What has no content first, then files as their data lies in the file, then hard links; so every block
            is read once and ahead of time.
    """

    TREE = "tree"
    DATA = "data"


class Squashfs:
    """
    An open SquashFS; for one thread.

    Attributes:
        superblock: Its superblock.
    """

    def __init__(self, tables: Tables, *, limits: Limits, threads: int | None) -> None:
        self.superblock = tables.superblock
        self._tables = tables
        inodes = InodeTable(tables.inodes)
        self._content = Content(tables.file, tables.superblock, tables.inodes, tables.fragments, limits)
        self._entries = EntryReader(tables, inodes, self._content)
        self._tree = Tree(tables, inodes, limits)
        self._workers = Workers(threads)
        self._fragments = FragmentCache(self._content, self._workers)
        self._own_columns = repeat(self._entries), repeat(self._content_of)

    def refusals(self, stage: Stage) -> tuple[Diagnostic, ...]:
        """
        Return what the program of *stage* refuses although it can be read.

        It is complete once the entries of all members were read.

        Raises:
            InvalidImageError: ``sqfs2tar`` cannot find the tables, for the stage of import.
        """
        check = check_for_sqfs2tar if stage is Stage.IMPORT else check_for_unsquashfs
        check(self._tables, self._tables.refusals)
        return self._tables.refusals.at(stage)

    def refuses(self, kind: Refusal) -> bool:
        """Tell whether something of *kind* was met."""
        return kind in self._tables.refusals

    def tolerate(self) -> None:
        """Read on as ``unsquashfs`` does where a block has another size than its file needs, and note it."""
        self._content.tolerant = partial(self._tables.refusals.take, Refusal.CONTENT)

    def members(self, order: Order = Order.TREE) -> Iterator[SquashfsMember]:
        """
        Yield all members; the root directory, named ``./``, is the first.

        Args:
            order: In which order.

        Yields:
            Members that stay usable until the file is closed.

        Raises:
            InvalidImageError: An inode or a directory is damaged, or a name is forbidden.
            LimitExceededError: There are more names than the limits allow.
        """
        return self._in_data_order() if order is Order.DATA else self._in_tree_order()

    def lookup(self, path: bytes | str) -> SquashfsMember | None:
        """
        Return the member that *path* names, None when there is none; symbolic links are not followed.

        A hard link is given as the file that it is.
        """
        name = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
        inode = self._tree.find(name)
        if inode is None:
            return None
        clean = b"/".join(split_path(name)) or b"."
        slash = b"/" if isinstance(inode.body, Directory) else b""
        return self._member(clean + slash, inode)

    def _member(self, name: bytes, inode: Inode) -> SquashfsMember:
        return SquashfsMember(name, inode, None, self._entries, self._content_of)

    def _in_tree_order(self) -> Iterator[SquashfsMember]:
        root = self._member(ROOT, self._tree.root)
        return chain((root,), chain.from_iterable(map(self._members, self._tree.walk())))

    def _members(self, run: Run) -> Iterator[SquashfsMember]:
        # Calling a named tuple takes three times as long as making it so.
        return map(tuple.__new__, _MEMBER, zip(*run, *self._own_columns, strict=False))

    def _content_of(self, inode: Inode) -> Chunks:
        return Pipeline(self._content, self._workers, self._fragments, [inode]).read(0)

    def _in_data_order(self) -> Iterator[SquashfsMember]:
        files: list[SquashfsMember] = []
        links: list[SquashfsMember] = []
        for member in self._in_tree_order():
            if member.first is not None:
                links.append(member)
            elif member.size:
                files.append(member)
            else:
                yield member
        files.sort(key=self._data_place)
        pipeline = Pipeline(self._content, self._workers, self._fragments, [file.inode for file in files])
        for index, file in enumerate(files):
            yield file._replace(content=partial(_read, pipeline, index))
        yield from links

    def _data_place(self, member: SquashfsMember) -> tuple[int, int]:
        """Return where the data of a file begins; a damaged one is found when its content is asked for."""
        body = member.inode.body
        assert isinstance(body, File)
        if body.size >= self.superblock.block_size or body.fragment == NOTHING:
            return body.start, 0
        return self._content.fragment_place(body), body.offset

    def close(self) -> None:
        """End the threads; the file belongs to the caller."""
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(pipeline: Pipeline, index: int, _inode: Inode) -> Chunks:
    return pipeline.read(index)


def open_squashfs(
    file: BinaryIO, *, limits: Limits | None = None, source: str = "", threads: int | None = None
) -> Squashfs:
    """
    Open a SquashFS for any order of reading; to be closed, or used in a ``with`` statement.

    Args:
        file: A seekable file; it stays the caller's to close.
        limits: What reading may use.
        source: The name of the file, for findings.
        threads: How many threads decompress; as many as there are processors unless given.

    Returns:
        The open SquashFS.

    Raises:
        InvalidImageError: The file is no SquashFS, or a damaged one.
    """
    limits = limits or Limits()
    return Squashfs(open_tables(BlockFile(file, source), limits), limits=limits, threads=threads)


def read_squashfs(
    file: BinaryIO,
    *,
    order: Order = Order.TREE,
    limits: Limits | None = None,
    source: str = "",
    threads: int | None = None,
) -> Iterator[SquashfsMember]:
    """
    Yield the members of a SquashFS: `open_squashfs` and `Squashfs.members` in one.

    Args:
        file: A seekable file; it stays the caller's to close.
        order: In which order.
        limits: What reading may use.
        source: The name of the file, for findings.
        threads: How many threads decompress.

    Yields:
        Members, usable until this iterator ends or is closed.

    Raises:
        InvalidImageError: The file is no SquashFS, or a damaged one.
        LimitExceededError: It would take more than *limits*.
    """
    with open_squashfs(file, limits=limits, source=source, threads=threads) as squashfs:
        yield from squashfs.members(order)
