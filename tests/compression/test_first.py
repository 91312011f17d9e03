"""The first stream of a file is taken off it exactly, or not at all."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable

import pytest
import zstandard

from lxdimage._chunks import Cursor
from lxdimage.compression import Compression
from lxdimage.compression.writing import First, encode, take_first
from lxdimage.limits import Limits

SIZE = 1 << 16
CONTENT = b"".join(b"line %d\n" % number for number in range(3000))
REST = b"not looked at" * 1_000

ENCODERS: dict[Compression, list[Callable[[bytes], bytes]]] = {
    Compression.GZIP: [gzip.compress, lambda data: _ours(Compression.GZIP, data)],
    Compression.BZIP2: [bz2.compress, lambda data: _ours(Compression.BZIP2, data)],
    Compression.XZ: [lzma.compress, lambda data: _ours(Compression.XZ, data)],
    Compression.ZSTD: [
        zstandard.ZstdCompressor(write_checksum=True).compress,
        zstandard.ZstdCompressor(write_content_size=False, write_checksum=False).compress,
        lambda data: _ours(Compression.ZSTD, data),
    ],
}
CASES = [(compression, encoder) for compression, encoders in ENCODERS.items() for encoder in encoders]


def _ours(compression: Compression, data: bytes) -> bytes:
    return b"".join(encode(compression, iter((data,))))


def _cursor(data: bytes, step: int) -> Cursor:
    return Cursor(data[at : at + step] for at in range(0, len(data), step))


def _rest(cursor: Cursor) -> bytes:
    return b"".join(iter(cursor.take_any, b""))


@pytest.mark.parametrize(("compression", "encoder"), CASES)
@pytest.mark.parametrize("step", [13, 4096, 1 << 20])
@pytest.mark.parametrize("content", [CONTENT, b"", bytes(SIZE)])
def test_the_first_stream_ends_where_it_ends(
    compression: Compression, encoder: Callable[[bytes], bytes], step: int, content: bytes
) -> None:
    first = encoder(content)
    cursor = _cursor(first + REST, step)
    assert take_first(compression, cursor, size=SIZE, limits=Limits()) == First(first, content)
    assert cursor.offset == len(first)
    assert _rest(cursor) == REST


@pytest.mark.parametrize(("compression", "encoder"), CASES)
def test_what_is_too_large_or_damaged_stays_as_it_was(
    compression: Compression, encoder: Callable[[bytes], bytes]
) -> None:
    good = encoder(CONTENT)
    damaged = good[: len(good) // 2] + bytes(20) + good[len(good) // 2 :]
    for data in (encoder(bytes(SIZE + 1)), good[:-1], good[:20], damaged, b"", b"\0" * 100):
        cursor = _cursor(data, 4096)
        assert take_first(compression, cursor, size=SIZE, limits=Limits()) is None
        assert (cursor.offset, _rest(cursor)) == (0, data)


@pytest.mark.parametrize(
    "compression", [Compression.NONE, Compression.LZMA, Compression.SQUASHFS, Compression.LZ4]
)
def test_other_formats_have_no_first_stream(compression: Compression) -> None:
    assert take_first(compression, _cursor(CONTENT, 100), size=SIZE, limits=Limits()) is None
