"""What each of the daemons' programs wants of the tables of a SquashFS as a whole, before it reads any inode."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._metadata import read_block
from lxdimage.formats._squashfs._open import Tables, open_exports
from lxdimage.formats._squashfs._refusals import Refusal, Refusals
from lxdimage.formats._squashfs._superblock import (
    METADATA_SIZE,
    MISSING,
    SUPERBLOCK_SIZE,
    Compressor,
    Flags,
)
from lxdimage.formats._squashfs._tables import LookupTable

__all__ = ["check_for_sqfs2tar", "check_for_unsquashfs"]

_LZ4_VERSION = (1).to_bytes(4, "little")
_LZ4_OPTIONS = 8


def check_for_sqfs2tar(tables: Tables, refusals: Refusals) -> None:
    """
    Note what ``sqfs2tar`` refuses about the places of the tables.

    Raises:
        InvalidImageError: A table is damaged.
    """
    superblock = tables.superblock
    start, ids, used = superblock.directory_table, superblock.id_table, superblock.used_bytes
    between = [place for place in (superblock.fragment_table, superblock.export_table) if start < place < ids]
    _check_region(tables.ids, max([start, *between]), ids, refusals)
    if len(tables.fragments) and Flags.NO_FRAGMENTS not in superblock.flags:
        tables.fragments.load()
        place = tables.fragments.place
        if not start <= place < ids:
            refusals.add(Refusal.REGION, f"fragment table, index at byte {place}", place)
        _check_region(tables.fragments, start, min(ids, superblock.export_table), refusals)
    if tables.xattrs and Flags.NO_XATTRS not in superblock.flags:
        places = [superblock.xattr_table + 1, *tables.xattrs.ids.block_places()]
        if max(places) > used:
            message = f"extended attributes, before byte {used}"
            refusals.add(Refusal.REGION, message, superblock.xattr_table)


def _check_region(table: LookupTable, start: int, end: int, refusals: Refusals) -> None:
    for extent in table.extents():
        if not start <= extent.place <= extent.end <= end:
            refusals.add(Refusal.REGION, f"{table.name}, from byte {start} to {end}", extent.place)


def check_for_unsquashfs(tables: Tables, refusals: Refusals) -> None:
    """Note what ``unsquashfs`` refuses about the superblock and about the places and blocks of the tables."""
    superblock = tables.superblock
    if Flags.CHECK in superblock.flags:
        refusals.add(Refusal.CHECKED, f"flags {superblock.flags.value:#x}", None)
    limits = ((tables.ids, 2 * superblock.inode_count), (tables.fragments, superblock.inode_count))
    for table, most in limits:
        if len(table) > most:
            refusals.add(Refusal.COUNT, f"{table.name}, {len(table)} rows, at most {most}", table.place)
    checks: tuple[tuple[Refusal, Callable[[Tables, Refusals], None]], ...] = (
        (Refusal.OPTIONS, _check_options),
        (Refusal.XATTRS, _check_xattrs),
        (Refusal.PLACE, _check_order),
        (Refusal.BLOCK, _check_blocks),
    )
    for kind, check in checks:
        try:
            check(tables, refusals)
        except InvalidImageError as error:
            refusals.take(kind, error)


def _check_options(tables: Tables, refusals: Refusals) -> None:
    """Check the block behind the superblock, which only some compressors read and only LZ4 needs."""
    superblock = tables.superblock
    options = b""
    if Flags.COMPRESSOR_OPTIONS in superblock.flags:
        options, _ = read_block(tables.file, tables.decode, SUPERBLOCK_SIZE, "compressor options")
    if superblock.compressor is Compressor.LZ4 and not (
        len(options) >= _LZ4_OPTIONS and options.startswith(_LZ4_VERSION)
    ):
        refusals.add(Refusal.OPTIONS, f"LZ4 needs version 1, found {options[:4]!r}", SUPERBLOCK_SIZE)


def _check_xattrs(tables: Tables, refusals: Refusals) -> None:
    """Read all blocks of extended attributes: ``unsquashfs`` does, whatever inodes refer to."""
    xattrs = tables.xattrs
    if xattrs is None:
        return
    ids = xattrs.ids
    if not len(ids):
        refusals.add(Refusal.XATTRS, "there are none in their table", ids.place)
        return
    ids.load()
    end, place = ids.start, xattrs.start
    while place < end:
        data, after = read_block(tables.file, tables.decode, place, "extended attributes")
        if after != end and len(data) != METADATA_SIZE:
            message = f"a block of {len(data)} bytes, of {METADATA_SIZE} all but the last"
            refusals.add(Refusal.XATTRS, message, place)
            return
        place = after


def _check_order(tables: Tables, refusals: Refusals) -> None:
    after = tables.superblock.used_bytes
    tables.fragments.load()
    for table, start in _present(tables):
        if table.end != after:
            message = f"{table.name} ends at byte {table.end}, what follows begins at byte {after}"
            refusals.add(Refusal.PLACE, message, table.place)
        after = start
    if tables.superblock.directory_table > after:
        message = f"directory table begins at byte {tables.superblock.directory_table}"
        refusals.add(Refusal.PLACE, f"{message}, what follows at byte {after}", after)


def _present(tables: Tables) -> Iterator[tuple[LookupTable, int]]:
    """Yield the tables that there are, from the last one on, and where what belongs to each begins."""
    superblock = tables.superblock
    if tables.xattrs:
        yield tables.xattrs.ids, tables.xattrs.start
    yield tables.ids, tables.ids.start
    if superblock.export_table != MISSING:
        exports = open_exports(tables)
        yield exports, exports.start
    if superblock.fragment_count:
        yield tables.fragments, tables.fragments.start


def _check_blocks(tables: Tables, refusals: Refusals) -> None:
    """Check the blocks of all tables that ``unsquashfs`` reads: it does not look into that of exports."""
    for table in (tables.ids, tables.fragments, *([tables.xattrs.ids] if tables.xattrs else [])):
        for place in sorted(table.longer):
            refusals.add(Refusal.LENGTH, table.name, place)
        for extent in table.extents():
            if extent.expanded:
                message = f"{table.name}, {extent.size} bytes in {extent.stored}"
                refusals.add(Refusal.BLOCK, message, extent.place)
