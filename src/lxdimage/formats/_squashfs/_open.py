"""The tables of a SquashFS, opened: what every way of reading it starts from."""

from __future__ import annotations

import attrs

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._codecs import Decoder, make_decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._refusals import Refusal, Refusals
from lxdimage.formats._squashfs._superblock import MISSING, SUPERBLOCK_SIZE, Superblock, read_superblock
from lxdimage.formats._squashfs._tables import LookupTable
from lxdimage.formats._squashfs._xattrs import XattrTable, open_xattrs
from lxdimage.limits import Limits

__all__ = ["Tables", "check_layout", "open_tables"]


@attrs.frozen(kw_only=True)
class Tables:
    """
    What a SquashFS consists of, apart from data blocks.

    Attributes:
        file: The file.
        superblock: Its superblock.
        decode: Decompresses a metadata block.
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
    inodes: Metadata
    directories: Metadata
    fragments: LookupTable
    ids: LookupTable
    owners: tuple[int, ...]
    xattrs: XattrTable | None


def open_tables(file: BlockFile, limits: Limits) -> Tables:
    """
    Return the tables of *file*.

    Owners and fragments are read now, since nothing can be read without them; all else when it is asked for.

    Raises:
        InvalidImageError: The file is no SquashFS, or a damaged one.
    """
    superblock = read_superblock(file.read(0, min(SUPERBLOCK_SIZE, file.size)), source=file.source)
    decode = make_decoder(superblock.compressor, window=limits.window)
    start, middle, end = superblock.inode_table, superblock.directory_table, superblock.used_bytes
    ids = _ids(file, decode, superblock)
    tables = Tables(
        file=file,
        superblock=superblock,
        decode=decode,
        inodes=Metadata(file, decode, start, middle, "inode table"),
        directories=Metadata(file, decode, middle, end, "directory table"),
        fragments=_fragments(file, decode, superblock),
        ids=ids,
        owners=tuple(row[0] for row in ids.rows()),
        xattrs=open_xattrs(file, decode, superblock),
    )
    tables.fragments.load()
    return tables


def _fragments(file: BlockFile, decode: Decoder, superblock: Superblock) -> LookupTable:
    count, end = superblock.fragment_count, superblock.used_bytes
    place = superblock.fragment_table if count else end
    return LookupTable(file, decode, name="fragment table", row="QII", place=place, count=count, limit=end)


def _ids(file: BlockFile, decode: Decoder, superblock: Superblock) -> LookupTable:
    place, count, end = superblock.id_table, superblock.id_count, superblock.used_bytes
    return LookupTable(file, decode, name="id table", row="I", place=place, count=count, limit=end)


def _exports(file: BlockFile, decode: Decoder, superblock: Superblock) -> LookupTable:
    place, count, end = superblock.export_table, superblock.inode_count, superblock.used_bytes
    return LookupTable(file, decode, name="export table", row="Q", place=place, count=count, limit=end)


def check_layout(tables: Tables, refusals: Refusals) -> None:
    """Note what ``unsquashfs`` refuses about the places and blocks of the tables."""
    superblock, present = tables.superblock, []
    if superblock.fragment_count:
        present.append(tables.fragments)
    try:
        if superblock.export_table != MISSING:
            present.append(_exports(tables.file, tables.decode, superblock))
        present.append(tables.ids)
        starts = [table.start for table in present[1:]]
        if tables.xattrs:
            present.append(tables.xattrs.ids)
            starts.append(tables.xattrs.start)
        for table, after in zip(present, [*starts, superblock.used_bytes], strict=True):
            _check_table(table, after, refusals)
    except InvalidImageError as error:
        # Only the export table is opened here, which sqfs2tar does not read.
        for found in error.diagnostics:
            refusals.add(Refusal.PLACE, found.message, superblock.export_table)


def _check_table(table: LookupTable, after: int, refusals: Refusals) -> None:
    if table.end != after:
        message = f"{table.name} ends at byte {table.end}, what follows begins at byte {after}"
        refusals.add(Refusal.PLACE, message, table.place)
    for place, stored, expected in table.expanded():
        refusals.add(Refusal.BLOCK, f"{table.name}, {expected} bytes in {stored}", place)
        break
