"""What the header of a file says beside its kind, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lxdimage.errors import InvalidImageError
from lxdimage.formats import QCOW2, SQUASHFS, FileFormat

__all__ = ["header_facts"]


def header_facts(head: bytes, kind: FileFormat | None) -> Mapping[str, str]:
    """
    Return what the first bytes of a SquashFS or a qcow2 disk tell; nothing for other files and damaged headers.

    Args:
        head: The first bytes, `lxdimage.formats._qcow2.HEAD_SIZE` of them where there are so many.
        kind: What the file is.
    """
    reader = {SQUASHFS: _squashfs, QCOW2: _qcow2}.get(kind) if kind else None
    try:
        return reader(head) if reader else {}
    except InvalidImageError:
        return {}


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
        "cluster size": f"{header.cluster_size >> 10} KiB",
        "compression": header.compression.name.lower(),
        "backing file": header.backing_file,
        "data file": header.data_file,
        "encryption": None if header.encryption.value == 0 else header.encryption.name.lower(),
        "snapshots": str(header.snapshots) if header.snapshots else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
