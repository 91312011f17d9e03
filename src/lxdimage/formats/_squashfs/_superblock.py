"""
The first 96 bytes of a SquashFS 4.0: how it is compressed and where its tables are.

All numbers are little-endian.  Tables lie behind the data in a fixed order: inodes, directories, fragments,
export, ids, extended attributes; the superblock gives the place of the first two and of the others' indexes.
"""

from __future__ import annotations

import struct
from enum import Enum, Flag

import attrs

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError, TruncatedImageError, UnsupportedFormatError
from lxdimage.rules import diagnose

__all__ = [
    "BLOCK_SIZES",
    "MAGIC",
    "METADATA_SIZE",
    "MISSING",
    "SUPERBLOCK_SIZE",
    "Compressor",
    "Flags",
    "Superblock",
    "check_superblock",
    "dump_superblock",
    "read_superblock",
]

MAGIC = b"hsqs"
SUPERBLOCK_SIZE = 96
METADATA_SIZE = 8192
"""Bytes that one metadata block holds at most, decompressed."""
MISSING = (1 << 64) - 1
"""The place of a table that the file does not have."""
_PADDING = 4096  # what writers round the size of the file up to

_FIELDS = {
    "magic": "4s",
    "inode_count": "I",
    "mkfs_time": "I",
    "block_size": "I",
    "fragment_count": "I",
    "compressor": "H",
    "block_log": "H",
    "flags": "H",
    "id_count": "H",
    "major": "H",
    "minor": "H",
    "root_inode": "Q",
    "used_bytes": "Q",
    "id_table": "Q",
    "xattr_table": "Q",
    "inode_table": "Q",
    "directory_table": "Q",
    "fragment_table": "Q",
    "export_table": "Q",
}
_LAYOUT = struct.Struct("<" + "".join(_FIELDS.values()))
_BLOCK_LOGS = range(12, 21)
BLOCK_SIZES = frozenset(1 << log for log in _BLOCK_LOGS)
"""The sizes that data blocks may have."""


class Compressor(Enum):
    """How blocks are compressed; the values are those of the superblock."""

    GZIP = 1
    LZMA = 2
    LZO = 3
    XZ = 4
    LZ4 = 5
    ZSTD = 6


class Flags(Flag):
    """What a superblock says about the file; the kernel needs only `COMPRESSOR_OPTIONS`."""

    UNCOMPRESSED_INODES = 0x001
    UNCOMPRESSED_DATA = 0x002
    CHECK = 0x004
    UNCOMPRESSED_FRAGMENTS = 0x008
    NO_FRAGMENTS = 0x010
    ALWAYS_FRAGMENTS = 0x020
    DUPLICATES_REMOVED = 0x040
    EXPORTABLE = 0x080
    UNCOMPRESSED_XATTRS = 0x100
    NO_XATTRS = 0x200
    COMPRESSOR_OPTIONS = 0x400
    UNCOMPRESSED_IDS = 0x800


@attrs.frozen(kw_only=True)
class Superblock:
    """
    What the superblock says.

    Attributes:
        inode_count: Inodes in the inode table, and the highest inode number.
        mkfs_time: When the file was made, in seconds since 1970.
        block_size: Bytes of one data block, decompressed: a power of two from 4 KiB to 1 MiB.
        fragment_count: Fragment blocks.
        compressor: How blocks are compressed.
        flags: See `Flags`; bits that have no name are dropped.
        id_count: Different owners and groups.
        root_inode: Reference of the root directory: place of its metadata block in the inode table, shifted left
            by 16, and offset within the block.
        used_bytes: Where the file system ends; padding may follow.
        id_table: Place of the id table's index.
        xattr_table: Place of the header of the extended attributes, or `MISSING`.
        inode_table: Place of the first block of inodes.
        directory_table: Place of the first block of directories.
        fragment_table: Place of the fragment table's index; anything where there are no fragments.
        export_table: Place of the export table's index, or `MISSING`.
    """

    inode_count: int
    mkfs_time: int
    block_size: int
    fragment_count: int
    compressor: Compressor
    flags: Flags
    id_count: int
    root_inode: int
    used_bytes: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int
    export_table: int

    @property
    def padded_bytes(self) -> int:
        """The size of the file with the padding that writers add."""
        return -(-self.used_bytes // _PADDING) * _PADDING


def read_superblock(head: bytes, *, source: str = "") -> Superblock:
    """
    Return the superblock that *head* begins with.

    Every value is checked on which finding the tables depends, so that readers can rely on it.

    Args:
        head: The first 96 bytes of the file, or more.
        source: The name of the file, for findings.

    Returns:
        The superblock.

    Raises:
        TruncatedImageError: *head* is shorter than a superblock.
        UnsupportedFormatError: The version or the compressor is not one of SquashFS 4.0.
        InvalidImageError: A value is not possible.
    """
    if head[:4] != MAGIC[: len(head)]:
        raise _invalid("magic", f"{MAGIC!r}", head[:4], source)
    if len(head) < SUPERBLOCK_SIZE:
        message = f"expected a superblock of {SUPERBLOCK_SIZE} bytes, found {len(head)}"
        raise TruncatedImageError(diagnose("squashfs-truncated", message, source=source, offset=len(head)))
    values = dict(zip(_FIELDS, _LAYOUT.unpack_from(head), strict=True))
    del values["magic"]
    _check_codes(values, source)
    _check_sizes(values, source)
    _check_places(values, source)
    del values["major"], values["minor"], values["block_log"]
    values["compressor"] = Compressor(values["compressor"])
    values["flags"] = Flags(values["flags"] & _KNOWN_FLAGS)
    return Superblock(**values)


_KNOWN_FLAGS = sum(flag.value for flag in Flags)
_KNOWN_COMPRESSORS = frozenset(compressor.value for compressor in Compressor)


def _check_codes(values: dict[str, int], source: str) -> None:
    version = values["major"], values["minor"]
    if version != (4, 0):
        message = f"expected version 4.0, found {version[0]}.{version[1]}"
        offset = _offset("major")
        raise UnsupportedFormatError(diagnose("squashfs-superblock", message, source=source, offset=offset))
    if values["compressor"] not in _KNOWN_COMPRESSORS:
        message = f"expected a compressor from 1 to {len(Compressor)}, found {values['compressor']}"
        offset = _offset("compressor")
        raise UnsupportedFormatError(diagnose("squashfs-compressor", message, source=source, offset=offset))


def _check_sizes(values: dict[str, int], source: str) -> None:
    log = values["block_log"]
    if log not in _BLOCK_LOGS:
        raise _invalid("block_log", "a block size of 2 to the power of 12 to 20", log, source)
    if values["block_size"] != 1 << log:
        raise _invalid("block_size", f"{1 << log} as its logarithm says", values["block_size"], source)
    if not values["id_count"]:
        raise _invalid("id_count", "at least 1", 0, source)


def _check_places(values: dict[str, int], source: str) -> None:
    """
    Check the places without which nothing can be found.

    The programs differ in what they want of the other tables, and neither looks at the place of all of them.
    """
    used, inodes, directories = values["used_bytes"], values["inode_table"], values["directory_table"]
    if not SUPERBLOCK_SIZE <= inodes < directories < used:
        expected = f"{SUPERBLOCK_SIZE} <= inode table {inodes} < directory table {directories} < used bytes"
        raise _invalid("used_bytes", expected, used, source)
    if not directories <= values["id_table"] < used:
        raise _invalid("id_table", f"a place from {directories} to {used - 1}", values["id_table"], source)
    if values["root_inode"] >> 16 >= directories - inodes:
        raise _invalid("root_inode", "a reference into the inode table", values["root_inode"], source)


def _offset(name: str) -> int:
    fields = list(_FIELDS)
    return struct.calcsize("<" + "".join(map(_FIELDS.__getitem__, fields[: fields.index(name)])))


def _invalid(name: str, expected: str, found: object, source: str) -> InvalidImageError:
    message = f"{name.replace('_', ' ')}: expected {expected}, found {found!r}"
    return InvalidImageError(diagnose("squashfs-superblock", message, source=source, offset=_offset(name)))


def dump_superblock(superblock: Superblock) -> bytes:
    """Return the 96 bytes of *superblock*: the inverse of `read_superblock`."""
    values = attrs.asdict(superblock)
    values |= {
        "magic": MAGIC,
        "compressor": superblock.compressor.value,
        "block_log": superblock.block_size.bit_length() - 1,
        "flags": superblock.flags.value,
        "major": 4,
        "minor": 0,
    }
    return _LAYOUT.pack(*map(values.__getitem__, _FIELDS))


def check_superblock(
    head: bytes, file_size: int, source: str = "", *, stage: Stage = Stage.CREATE
) -> tuple[Diagnostic, ...]:
    """
    Return what the superblock says against the file, without reading more of it.

    The root of a split image is not looked at when it is imported, so that all of this is found at creation; a
    unified image is refused at import for the same reasons (image format, section 2.5).

    Args:
        head: The first 96 bytes of the file, or more.
        file_size: Bytes of the whole file.
        source: The name of the file, for findings.
        stage: Where the daemon finds out.

    Returns:
        The findings, none for a good file.
    """
    try:
        superblock = read_superblock(head, source=source)
    except InvalidImageError as error:
        return tuple(attrs.evolve(diagnostic, stage=stage) for diagnostic in error.diagnostics)
    used = superblock.used_bytes
    if file_size < used:
        message = f"the superblock says {used} bytes, the file has {file_size}"
        return (diagnose("squashfs-truncated", message, stage=stage, source=source, offset=file_size),)
    if file_size > superblock.padded_bytes:
        padded = superblock.padded_bytes
        message = f"{file_size - padded} bytes follow the file system and its padding"
        return (diagnose("squashfs-trailing-data", message, source=source, offset=padded),)
    return ()
