"""What a disk says beside its kind, in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lxdimage._chunks import Chunks
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError
from lxdimage.formats import QCOW2, SQUASHFS, FileFormat
from lxdimage.formats._seekable import RandomAccess

if TYPE_CHECKING:
    from lxdimage.formats._qcow2 import Qcow2Header

__all__ = ["DISK_HEAD", "examine_disk", "examine_passing_disk", "glance_at_disk", "header_facts"]

DISK_HEAD = 1 << 16
"""Bytes that hold the header of every disk: `lxdimage.formats._qcow2.HEAD_SIZE`, which is not loaded for a number."""

_BEGINNING = 2 << 20  # holds the partition table of a disk that is read no further


def header_facts(head: bytes, kind: FileFormat | None) -> Mapping[str, str]:
    """
    Return what the first bytes of a SquashFS or a qcow2 disk tell, or what is wrong with them; nothing for others.

    Args:
        head: The first bytes, `DISK_HEAD` of them where there are so many.
        kind: What the file is.
    """
    reader = {SQUASHFS: _squashfs, QCOW2: _qcow2}.get(kind) if kind else None
    try:
        return reader(head) if reader else {}
    except InvalidImageError as error:
        return {"header": error.diagnostics[0].message}


def _squashfs(head: bytes) -> Mapping[str, str]:
    from lxdimage.formats._squashfs import read_superblock

    superblock = read_superblock(head)
    return {
        "compressor": superblock.compressor.name.lower(),
        "block size": f"{superblock.block_size >> 10} KiB",
        "inodes": str(superblock.inode_count),
        "made": datetime.fromtimestamp(superblock.mkfs_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def _qcow2(head: bytes) -> Mapping[str, str]:
    from lxdimage.formats._qcow2 import read_qcow2_header

    header = read_qcow2_header(head)
    facts: dict[str, str | None] = {
        "virtual size": f"{header.virtual_size} B",
        "version": str(header.version),
        "cluster size": _cluster_size(header.cluster_size),
        "compression": header.compression.name.lower(),
        "backing file": header.backing_file,
        "data file": header.data_file,
        "features": ", ".join(_features(header)) or None,
        "encryption": None if header.encryption.value == 0 else header.encryption.name.lower(),
        "snapshots": str(header.snapshots) if header.snapshots else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _features(header: Qcow2Header) -> Iterator[str]:
    for feature in header.features:
        yield str(feature.name).lower().replace("_", " ")
    if header.lazy_refcounts:
        yield "lazy refcounts"
    if header.bitmaps:
        yield "bitmaps"


def _cluster_size(size: int) -> str:
    return f"{size >> 10} KiB" if size >= 1 << 10 else f"{size} B"


def _disk_facts(disk: RandomAccess) -> Mapping[str, str]:
    """Return what the header and the partition table of a qcow2 disk tell, as far as they are at hand and in order."""
    from lxdimage.formats._qcow2 import NotKeptError, open_disk, read_partitions

    facts = dict(header_facts(disk.read(0, DISK_HEAD), QCOW2))
    try:
        table = read_partitions(open_disk(disk).read)
    except (InvalidImageError, NotKeptError):
        return facts
    if table:
        facts["partition table"] = table.scheme
        for partition in table.partitions:
            name = f" {partition.name!r}" if partition.name else ""
            kind = partition.kind or partition.type
            facts[f"partition {partition.number}"] = (
                f"{kind}{name}, {partition.size} B at byte {partition.start}"
            )
    return facts


def glance_at_disk(chunks: Chunks) -> Mapping[str, str]:
    """Return what the beginning of a qcow2 disk tells, and read no more of it."""
    from lxdimage.formats._qcow2 import PassingDisk

    disk = PassingDisk()
    for chunk in chunks:
        disk.take(chunk)
        if disk.size >= _BEGINNING:
            disk.cut = True
            break
    return _disk_facts(disk)


def examine_passing_disk(chunks: Chunks, source: str) -> tuple[tuple[Diagnostic, ...], Mapping[str, str]]:
    """Do what `examine_disk` does with a disk that is read once, from its beginning to its end."""
    from lxdimage.formats._qcow2 import PassingDisk

    disk = PassingDisk()
    for chunk in chunks:
        disk.take(chunk)
    return examine_disk(disk, source)


def examine_disk(disk: RandomAccess, source: str) -> tuple[tuple[Diagnostic, ...], Mapping[str, str]]:
    """
    Walk the tables of a qcow2 disk.

    Args:
        disk: The disk, all of it or what was kept while it passed.
        source: Its name, for findings.

    Returns:
        What is wrong with it, and what header, partition table and tables tell.
    """
    from lxdimage.formats._qcow2 import check_qcow2

    findings, usage = check_qcow2(disk, source=source)
    facts = dict(_disk_facts(disk))
    if usage:
        facts["allocated"] = f"{usage.allocated * usage.header.cluster_size} B"
    return findings, facts
