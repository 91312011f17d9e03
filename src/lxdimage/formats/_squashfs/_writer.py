"""Writing a SquashFS from members, deterministically and in bounded memory apart from the tree itself."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import attrs

from lxdimage._chunks import Chunks
from lxdimage.archive import Entry, EntryType
from lxdimage.diagnostics import Diagnostic
from lxdimage.formats._squashfs._data import DataWriter
from lxdimage.formats._squashfs._dump import XattrWriter, dump_table
from lxdimage.formats._squashfs._dump_tree import TreeDump, dump_tree
from lxdimage.formats._squashfs._encoders import LEVELS, BlockEncoder
from lxdimage.formats._squashfs._nodes import NodeTree, unwritable
from lxdimage.formats._squashfs._superblock import (
    BLOCK_SIZES,
    MISSING,
    SUPERBLOCK_SIZE,
    Compressor,
    Flags,
    Superblock,
    dump_superblock,
)
from lxdimage.formats._squashfs._workers import Workers
from lxdimage.formats._squashfs._xattrs import LARGEST_VALUE, NAMESPACES, is_settable

__all__ = ["WrittenSquashfs", "write_squashfs"]

_LARGEST_TIME = (1 << 32) - 1


@attrs.frozen(kw_only=True)
class WrittenSquashfs:
    """
    What was written.

    Attributes:
        superblock: The superblock.
        size: Bytes of the file, with the padding.
        duplicates: Files whose content is stored with an equal file's.
        diagnostics: What of the entries has no place in a SquashFS and was left out: the first of each kind.
    """

    superblock: Superblock
    size: int
    duplicates: int
    diagnostics: tuple[Diagnostic, ...]


@attrs.frozen(kw_only=True)
class _Made:
    """How the file is made: what the superblock repeats of the options."""

    compressor: Compressor
    block_size: int
    mtime: int
    exportable: bool


def write_squashfs(
    members: Iterable[tuple[Entry, Chunks]],
    output: BinaryIO,
    *,
    compressor: Compressor = Compressor.ZSTD,
    level: int | None = None,
    block_size: int = 1 << 17,
    mtime: int = 0,
    exportable: bool = False,
    threads: int | None = None,
) -> WrittenSquashfs:
    """
    Write *members* to *output*.

    The bytes depend on the members, their order and these options, and not on the number of threads.  Directories
    that are missing are made, with mode 0755 and owned by root.  A member of the path ``.`` is the root directory.

    Args:
        members: Entries with their content, of which only that of files is read; a hard link after what it links
            to. Of two entries with one path the last one counts.
        output: An empty seekable file; it stays the caller's to close, and holds nothing useful after an error.
        compressor: One of zstd, xz and gzip.
        level: The compressor's level; what ``mksquashfs`` takes unless given.
        block_size: A power of two from 4 KiB to 1 MiB.
        mtime: When the file is made, in seconds since 1970; also for directories that are missing.
        exportable: Whether to write the table with which the kernel can serve the file over NFS.
        threads: How many threads compress; as many as there are processors unless given.

    Returns:
        What was written.

    Raises:
        BuildError: An option or an entry is nothing that SquashFS can hold.
    """
    encode = _encoder(compressor, level, block_size)
    if not 0 <= mtime <= _LARGEST_TIME:
        raise unwritable(f"expected a time from 0 to {_LARGEST_TIME}, found {mtime}")
    tree, xattrs, workers = NodeTree(mtime), XattrWriter(encode), Workers(threads)
    try:
        data = DataWriter(output, SUPERBLOCK_SIZE, encode=encode, block_size=block_size, workers=workers)
        for entry, chunks in members:
            _add(tree, xattrs, data, entry, chunks)
        data.flush()
    finally:
        workers.close()
    tables = _Tables(output, data.position, encode)
    made = _Made(compressor=compressor, block_size=block_size, mtime=mtime, exportable=exportable)
    superblock = _write_tables(tables, made, dump_tree(tree, encode), data.fragments, xattrs)
    output.write(bytes(superblock.padded_bytes - superblock.used_bytes))
    output.seek(0)
    output.write(dump_superblock(superblock))
    return WrittenSquashfs(
        superblock=superblock,
        size=superblock.padded_bytes,
        duplicates=data.duplicates,
        diagnostics=tree.lost.all(),
    )


def _encoder(compressor: Compressor, level: int | None, block_size: int) -> BlockEncoder:
    levels = LEVELS.get(compressor)
    if levels is None:
        raise unwritable(f"expected zstd, xz or gzip, found {compressor.name.lower()}")
    level = levels.default if level is None else level
    if level not in levels.allowed:
        allowed = f"{levels.allowed.start} to {levels.allowed.stop - 1}"
        raise unwritable(f"expected a level of {allowed} for {compressor.name.lower()}, found {level}")
    if block_size not in BLOCK_SIZES:
        raise unwritable(f"expected a block size of 4 KiB to 1 MiB, a power of two, found {block_size}")
    return BlockEncoder(compressor, level, block_size)


def _add(tree: NodeTree, xattrs: XattrWriter, data: DataWriter, entry: Entry, chunks: Chunks) -> None:
    """Put one member in the tree, and its content in the output."""
    node = tree.add(entry)
    if entry.type is EntryType.HARD_LINK:
        return
    node.xattrs = _add_xattrs(tree, xattrs, entry)
    if entry.type is EntryType.FILE:
        node.stored = data.write(chunks)
        if node.stored.size != entry.size:
            raise unwritable(f"expected {entry.size} bytes of content, found {node.stored.size}", entry)


def _add_xattrs(tree: NodeTree, xattrs: XattrWriter, entry: Entry) -> int | None:
    """Return the number of the set of extended attributes of *entry*, without those that have no place."""
    if not entry.xattrs:
        return None
    stored = []
    for name, value in sorted(entry.xattrs.items()):
        raw = name.encode("utf-8", "surrogateescape")
        namespace, dot, rest = raw.partition(b".")
        fits = rest and is_settable(name, entry.type) and len(value) <= LARGEST_VALUE
        if namespace + dot in NAMESPACES and fits:
            stored.append((raw, value))
        else:
            tree.lose(
                "squashfs-lost-xattr", f"the attribute {name!r} of {len(value)} bytes was left out", entry
            )
    return xattrs.add(stored) if stored else None


def _write_tables(
    tables: _Tables,
    made: _Made,
    dump: TreeDump,
    fragments: Sequence[tuple[int, int]],
    xattrs: XattrWriter,
) -> Superblock:
    """Write all tables in the order of the format, and return the superblock with their places."""
    inode_table = tables.add(dump.inodes)
    directory_table = tables.add(dump.directories)
    fragment_table = tables.add_rows("<QII", [(*fragment, 0) for fragment in fragments])
    export_table = tables.add_rows("<Q", [(number,) for number in dump.references if made.exportable])
    id_table = tables.add_rows("<I", [(number,) for number in dump.ids])
    xattr_table = tables.add_xattrs(xattrs)
    flags = Flags.DUPLICATES_REMOVED
    flags |= Flags.EXPORTABLE if made.exportable else Flags(0)
    flags |= Flags(0) if xattrs else Flags.NO_XATTRS
    return Superblock(
        inode_count=len(dump.references),
        mkfs_time=made.mtime,
        block_size=made.block_size,
        fragment_count=len(fragments),
        compressor=made.compressor,
        flags=flags,
        id_count=len(dump.ids),
        root_inode=dump.root,
        used_bytes=tables.place,
        id_table=id_table,
        xattr_table=xattr_table,
        inode_table=inode_table,
        directory_table=directory_table,
        fragment_table=fragment_table,
        export_table=export_table,
    )


class _Tables:
    """
    The end of the output: tables, one after the other.

    Attributes:
        place: Where the next one goes.
    """

    def __init__(self, output: BinaryIO, place: int, encode: BlockEncoder) -> None:
        self.place = place
        self._output = output
        self._encode = encode

    def add(self, data: bytes) -> int:
        """Write *data* and return its place."""
        place = self.place
        self._output.write(data)
        self.place += len(data)
        return place

    def add_rows(self, layout: str, rows: Iterable[tuple[int, ...]]) -> int:
        """Write a lookup table and return the place of its index; `MISSING` when it has no rows."""
        row = struct.Struct(layout)
        content = b"".join(row.pack(*values) for values in rows)
        if not content:
            return MISSING
        data, index = dump_table(content, self.place, self._encode)
        self.add(data)
        return index

    def add_xattrs(self, xattrs: XattrWriter) -> int:
        """Write the sets of extended attributes and return the place of their header, or `MISSING`."""
        if not xattrs:
            return MISSING
        data, header = xattrs.finish(self.place)
        self.add(data)
        return header
