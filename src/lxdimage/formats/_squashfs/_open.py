"""The tables of a SquashFS, opened: what every way of reading it starts from."""

from __future__ import annotations

import attrs

from lxdimage.formats._squashfs._codecs import Decoder, make_decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._refusals import Refusals
from lxdimage.formats._squashfs._superblock import MISSING, SUPERBLOCK_SIZE, Superblock, read_superblock
from lxdimage.formats._squashfs._tables import LookupTable
from lxdimage.formats._squashfs._xattrs import XattrTable
from lxdimage.limits import Limits

__all__ = ["Tables", "open_exports", "open_tables"]


@attrs.frozen(kw_only=True)
class Tables:
    """
    What a SquashFS consists of, apart from data blocks.

    Attributes:
        file: The file.
        superblock: Its superblock.
        decode: Decompresses a metadata block.
        refusals: What one of the daemons' programs refuses, as far as it was met.
        inodes: The region of inodes.
        directories: The region of directories.
        fragments: Place and stored size of every fragment block.
        ids: Owners and groups.
        owners: The content of that table.
        xattrs: Extended attributes, None when there are none.
    """

    file: BlockFile
    superblock: Superblock
    decode: Decoder
    refusals: Refusals
    inodes: Metadata
    directories: Metadata
    fragments: LookupTable
    ids: LookupTable
    owners: tuple[int, ...]
    xattrs: XattrTable | None


def open_tables(file: BlockFile, limits: Limits) -> Tables:
    """
    Return the tables of *file*.

    Owners are read now, since nothing can be read without them; all else when it is asked for.

    Raises:
        InvalidImageError: The file is no SquashFS, or a damaged one.
    """
    superblock = read_superblock(file.read(0, min(SUPERBLOCK_SIZE, file.size)), source=file.source)
    decode = make_decoder(superblock.compressor, window=limits.window)
    refusals = Refusals(file)
    start, middle = superblock.inode_table, superblock.directory_table
    end = min(superblock.id_table, superblock.fragment_table, superblock.export_table)
    ids = LookupTable(
        file, decode, name="id table", row="I", place=superblock.id_table, count=superblock.id_count
    )
    return Tables(
        file=file,
        superblock=superblock,
        decode=decode,
        refusals=refusals,
        inodes=Metadata(file, decode, start, middle, "inode table", refusals),
        directories=Metadata(file, decode, middle, end, "directory table", refusals),
        fragments=_fragments(file, decode, superblock),
        ids=ids,
        owners=tuple(row[0] for row in ids.rows()),
        xattrs=XattrTable(file, decode, superblock, refusals) if superblock.xattr_table != MISSING else None,
    )


def _fragments(file: BlockFile, decode: Decoder, superblock: Superblock) -> LookupTable:
    count, place = superblock.fragment_count, superblock.fragment_table
    if not count or place == MISSING:
        count, place = 0, 0
    return LookupTable(file, decode, name="fragment table", row="QII", place=place, count=count)


def open_exports(tables: Tables) -> LookupTable:
    """
    Return the table that finds inodes by number; nothing reads more of it than its index.

    Raises:
        InvalidImageError: The index is not in the file.
    """
    place, count = tables.superblock.export_table, tables.superblock.inode_count
    return LookupTable(tables.file, tables.decode, name="export table", row="Q", place=place, count=count)
