"""Which compression a file has, told from its first bytes as the daemons tell it (image format, section 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from lxdimage.targets import Target

__all__ = ["HEAD_SIZE", "Compression", "detect"]

HEAD_SIZE = 263
"""Bytes that the daemons look at; nothing behind them and no file name decides."""

_USTAR_OFFSET = 257


class Compression(Enum):
    """
    How the bytes of a file are compressed.

    `NONE` is a tar as it is and `SQUASHFS` a file system that compresses inside: both are read as they are.
    """

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    ZSTD = "zstd"
    LZ4 = "lz4"
    SQUASHFS = "squashfs"

    @property
    def extension(self) -> str:
        """The file name extension that a daemon gives to an exported file (image format, section 1.3)."""
        return _EXTENSIONS[self]

    @property
    def appends(self) -> bool:
        """Whether two files one after the other are a file with the content of both."""
        return self not in {Compression.LZMA, Compression.SQUASHFS}


_EXTENSIONS = {
    Compression.NONE: ".tar",
    Compression.GZIP: ".tar.gz",
    Compression.BZIP2: ".tar.bz2",
    Compression.XZ: ".tar.xz",
    Compression.LZMA: ".tar.lzma",
    Compression.ZSTD: ".tar.zst",
    Compression.LZ4: ".tar.lz4",
    Compression.SQUASHFS: ".squashfs",
}

# In the order of image format, section 1.1: the first match wins.  "BZ" is two bytes only, "7zXZ" behind any
# first byte but xz's own is taken for lzma, and a tar is one whatever precedes its magic.
_TESTS: tuple[tuple[Compression, Callable[[bytes], bool]], ...] = (
    (Compression.BZIP2, lambda head: head.startswith(b"BZ")),
    (Compression.GZIP, lambda head: head.startswith(b"\x1f\x8b")),
    (Compression.XZ, lambda head: head.startswith(b"\xfd7zXZ")),
    (Compression.LZMA, lambda head: head.startswith(b"7zXZ", 1)),
    (Compression.LZMA, lambda head: head.startswith(b"\x5d\x00\x00")),
    (Compression.NONE, lambda head: head.startswith(b"ustar", _USTAR_OFFSET)),
    (Compression.SQUASHFS, lambda head: head.startswith(b"hsqs")),
    (Compression.ZSTD, lambda head: head.startswith(b"\x28\xb5\x2f\xfd")),
    (Compression.LZ4, lambda head: head.startswith(b"\x04\x22\x4d\x18")),
)


def detect(head: bytes, target: Target | None = None) -> Compression | None:
    """
    Return the compression of a file that begins with *head*, or None when it has none that a daemon knows.

    None is also the answer for a virtual machine disk (QCOW2, VMDK): those are formats and not compressions.

    Args:
        head: The first `HEAD_SIZE` bytes; a shorter file counts as padded with zeros.
        target: The daemon to detect for; without one, whatever any daemon detects.

    Returns:
        The first match in the daemons' order.
    """
    padded = head[:HEAD_SIZE].ljust(HEAD_SIZE, b"\0")
    found = next((compression for compression, test in _TESTS if test(padded)), None)
    if found is Compression.LZ4 and target is not None and not target.traits.lz4:
        return None
    return found
