"""
The partition table of a disk: a master boot record, or a GUID partition table.

Only what a person wants to see of an image: where partitions are, what they are for and how they are called.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import attrs

__all__ = ["Partition", "PartitionTable", "read_partitions"]

Reader: TypeAlias = Callable[[int, int], bytes]

_SIGNATURE = b"\x55\xaa"
_PROTECTIVE = 0xEE
_SECTOR_SIZES = (512, 4096)
_GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
_MOST_ENTRIES = 1024

_GPT_KINDS: Mapping[str, str] = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM64)",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b": "PowerPC PReP boot",
}
_MBR_KINDS: Mapping[int, str] = {
    0x05: "extended",
    0x07: "NTFS or exFAT",
    0x0B: "FAT32",
    0x0C: "FAT32",
    0x0F: "extended",
    0x41: "PowerPC PReP boot",
    0x82: "Linux swap",
    0x83: "Linux",
    0x8E: "Linux LVM",
    0xEE: "GPT protective",
    0xEF: "EFI system",
}


@attrs.frozen(kw_only=True)
class Partition:
    """
    One partition.

    Attributes:
        number: Counted from 1.
        start: Where it begins, in bytes.
        size: Its bytes.
        type: The code of its type: a GUID, or two hexadecimal digits.
        kind: What that code stands for, empty when it is not a known one.
        name: The name that a GUID partition table gives it.
        bootable: Whether a master boot record marks it as active.
    """

    number: int
    start: int
    size: int
    type: str
    kind: str
    name: str = ""
    bootable: bool = False


@attrs.frozen(kw_only=True)
class PartitionTable:
    """
    A partition table.

    Attributes:
        scheme: ``gpt`` or ``mbr``.
        sector_size: Bytes of the unit that the table counts in.
        partitions: Its partitions, by number.
    """

    scheme: str
    sector_size: int
    partitions: tuple[Partition, ...]


def read_partitions(read: Reader) -> PartitionTable | None:
    """
    Return the partition table of a disk, None when it has none that can be read.

    Logical partitions within an extended one are not listed.

    Args:
        read: Returns bytes of the disk from an offset on, fewer where it ends.
    """
    sector = read(0, 512)
    if len(sector) < 512 or sector[510:] != _SIGNATURE:
        return None
    partitions = tuple(_mbr_partitions(sector))
    if any(partition.type == f"{_PROTECTIVE:02x}" for partition in partitions):
        for size in _SECTOR_SIZES:
            table = _read_gpt(read, size)
            if table is not None:
                return table
    if not partitions:
        return None
    return PartitionTable(scheme="mbr", sector_size=512, partitions=partitions)


def _mbr_partitions(sector: bytes) -> Iterator[Partition]:
    for number in range(4):
        status, kind, start, size = struct.unpack_from("<B3xB3xII", sector, 446 + 16 * number)
        if kind and size and status in {0, 0x80}:
            yield Partition(
                number=number + 1,
                start=start * 512,
                size=size * 512,
                type=f"{kind:02x}",
                kind=_MBR_KINDS.get(kind, ""),
                bootable=status == 0x80,
            )


def _read_gpt(read: Reader, sector_size: int) -> PartitionTable | None:
    """Return the table whose header is in the second sector, None when its checksums are not right."""
    data = read(sector_size, 512)
    if len(data) < _GPT_HEADER.size:
        return None
    magic, _, length, checksum, *_, place, count, entry_size, entries_checksum = _GPT_HEADER.unpack_from(data)
    fits = (
        _GPT_HEADER.size <= length <= len(data) and count <= _MOST_ENTRIES and entry_size in {128, 256, 512}
    )
    if magic != b"EFI PART" or not fits:
        return None
    if zlib.crc32(data[:16] + bytes(4) + data[20:length]) != checksum:
        return None
    entries = read(place * sector_size, count * entry_size)
    if zlib.crc32(entries) != entries_checksum or len(entries) != count * entry_size:
        return None
    partitions = tuple(_gpt_partitions(entries, entry_size, sector_size))
    return PartitionTable(scheme="gpt", sector_size=sector_size, partitions=partitions)


def _gpt_partitions(entries: bytes, entry_size: int, sector_size: int) -> Iterator[Partition]:
    for number, offset in enumerate(range(0, len(entries), entry_size), 1):
        kind, _, first, last, _, name = _GPT_ENTRY.unpack_from(entries, offset)
        if not any(kind) or last < first:
            continue
        code = str(uuid.UUID(bytes_le=kind))
        yield Partition(
            number=number,
            start=first * sector_size,
            size=(last - first + 1) * sector_size,
            type=code,
            kind=_GPT_KINDS.get(code, ""),
            name=name.decode("utf-16-le", "replace").partition("\0")[0],
        )
