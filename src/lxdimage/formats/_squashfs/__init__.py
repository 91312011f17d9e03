"""SquashFS 4.0, read and written: the root of most split images, and sometimes a whole image."""

from __future__ import annotations

from lxdimage.formats._squashfs._check import (
    check_squashfs,
    members_at_creation,
    members_at_import,
    refused_in_tar,
)
from lxdimage.formats._squashfs._members import SquashfsMember
from lxdimage.formats._squashfs._reader import Order, Squashfs, open_squashfs, read_squashfs
from lxdimage.formats._squashfs._superblock import (
    Compressor,
    Flags,
    Superblock,
    check_superblock,
    read_superblock,
)
from lxdimage.formats._squashfs._writer import WrittenSquashfs, write_squashfs

__all__ = [
    "Compressor",
    "Flags",
    "Order",
    "Squashfs",
    "SquashfsMember",
    "Superblock",
    "WrittenSquashfs",
    "check_squashfs",
    "check_superblock",
    "members_at_creation",
    "members_at_import",
    "open_squashfs",
    "read_squashfs",
    "read_superblock",
    "refused_in_tar",
    "write_squashfs",
]
