"""
Compression of blocks, for the compressors that are written.

Nothing here depends on threads or on what was compressed before, so that equal blocks give equal bytes.
"""

from __future__ import annotations

import lzma
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from lxdimage.formats._squashfs._superblock import Compressor

__all__ = ["LEVELS", "BlockEncoder", "Levels"]

_Encode: TypeAlias = Callable[[bytes], bytes]


class Levels(NamedTuple):
    """
    The levels of a compressor.

    Attributes:
        default: What ``mksquashfs`` takes.
        allowed: What may be asked for.
    """

    default: int
    allowed: range


LEVELS: Mapping[Compressor, Levels] = {
    Compressor.GZIP: Levels(9, range(1, 10)),
    Compressor.XZ: Levels(6, range(10)),
    Compressor.ZSTD: Levels(15, range(1, 23)),
}
"""The compressors that can be written, with their levels."""


def _gzip(level: int, _block_size: int) -> _Encode:
    return lambda data: zlib.compress(data, level)


def _xz(level: int, block_size: int) -> _Encode:
    # The kernel takes no other check than CRC-32, and no dictionary larger than a block.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": block_size}]
    return lambda data: lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def _zstd(level: int, _block_size: int) -> _Encode:
    import zstandard

    return zstandard.ZstdCompressor(level=level).compress


_ENCODERS: Mapping[Compressor, Callable[[int, int], _Encode]] = {
    Compressor.GZIP: _gzip,
    Compressor.XZ: _xz,
    Compressor.ZSTD: _zstd,
}


class BlockEncoder:
    """Compresses blocks, from any thread."""

    def __init__(self, compressor: Compressor, level: int, block_size: int) -> None:
        self._compressor = compressor
        self._level = level
        self._block_size = block_size
        self._local = threading.local()

    def __call__(self, data: bytes) -> bytes | None:
        """Return *data* compressed, None when that is not shorter."""
        encode: _Encode | None = getattr(self._local, "encode", None)
        if encode is None:
            encode = self._local.encode = _ENCODERS[self._compressor](self._level, self._block_size)
        compressed = encode(data)
        return compressed if len(compressed) < len(data) else None
