"""
Decompression of one block, for each compressor.

A decoder takes the stored bytes and the number of bytes that may come out, and raises `CodecError` for everything
else; none allocates more than its limit because a header says so.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, cast

from lxdimage.formats._squashfs._lz import CodecError, decode_lz4, decode_lzo
from lxdimage.formats._squashfs._superblock import Compressor

__all__ = ["CodecError", "Decoder", "make_decoder"]

Decoder: TypeAlias = Callable[[bytes, int], bytes]


class _Decompressor(Protocol):
    """What the decompressor objects of zlib and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most *max_length* bytes."""


def _bounded(decompressor: _Decompressor, data: bytes, limit: int) -> bytes:
    result = decompressor.decompress(data, limit + 1)
    if len(result) > limit:
        raise CodecError(f"more than {limit} bytes come out")
    if not decompressor.eof:
        raise CodecError("the compressed data is incomplete")
    return result


def _zlib() -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """Return what makes zlib decompressors and their errors: isal's, 1.7 times as fast, where it is installed."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, (zlib.error,)
    return isal_zlib.decompressobj, (cast("type[Exception]", isal_zlib.error), zlib.error)


def _gzip_decoder(_window: int) -> Decoder:
    new_inflater, errors = _zlib()

    def decode(data: bytes, limit: int) -> bytes:
        try:
            return _bounded(new_inflater(), data, limit)
        except errors as error:
            raise CodecError(str(error)) from None

    return decode


def _lzma_decoder(container: int, window: int) -> Decoder:
    def decode(data: bytes, limit: int) -> bytes:
        decompressor = lzma.LZMADecompressor(container, window)
        try:
            result = _bounded(decompressor, data, limit)
        except lzma.LZMAError as error:
            raise CodecError(str(error)) from None
        if decompressor.unused_data and container == lzma.FORMAT_XZ:
            raise CodecError("bytes follow the compressed data")
        return result

    return decode


def _zstd_decoder(window: int) -> Decoder:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=window)

    def decode(data: bytes, limit: int) -> bytes:
        try:
            claimed = zstandard.frame_content_size(data)
            if claimed > limit:  # decompress() would allocate whatever the frame claims
                raise CodecError(f"the frame claims {claimed} bytes, more than {limit}")
            return decompressor.decompress(data, max_output_size=limit, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise CodecError(str(error)) from None

    return decode


_DECODERS: Mapping[Compressor, Callable[[int], Decoder]] = {
    Compressor.GZIP: _gzip_decoder,
    Compressor.LZMA: lambda window: _lzma_decoder(lzma.FORMAT_ALONE, window),
    Compressor.XZ: lambda window: _lzma_decoder(lzma.FORMAT_XZ, window),
    Compressor.ZSTD: _zstd_decoder,
    Compressor.LZ4: lambda _window: decode_lz4,
    Compressor.LZO: lambda _window: decode_lzo,
}


def make_decoder(compressor: Compressor, *, window: int) -> Decoder:
    """
    Return a decoder, for one thread.

    Args:
        compressor: The file's compressor.
        window: Bytes of memory that decoding one block may need.

    Returns:
        A function of the stored bytes and the most bytes that may come out.
    """
    return _DECODERS[compressor](window)
