"""Blocks of all compressors: LZ4 and LZO1X, decoded in Python, and what the libraries refuse."""

from __future__ import annotations

import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.formats._squashfs import Compressor
from lxdimage.formats._squashfs._codecs import Decoder, make_decoder
from lxdimage.formats._squashfs._lz import CodecError, decode_lz4, decode_lzo


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"\x00", b""),
        (b"\x50hello", b"hello"),
        (b"\x11a\x01\x00\x00", b"a" * 6),
        (b"\x32abc\x03\x00\x10d", b"abcabcabcd"),
        (b"\x1fa\x01\x00\x02\x00", b"a" * 22),
        (b"\xf0\x01" + b"x" * 16, b"x" * 16),
        (b"\x11a\x00\x00\x00", b"a" + bytes(5)),
    ],
)
def test_an_lz4_block_is_literals_and_matches(block: bytes, content: bytes) -> None:
    assert decode_lz4(block, len(content)) == content


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"\x16hello\x11\x00\x00", b"hello"),
        (b"\x12a\x40\x00\x11\x00\x00", b"aaaa"),
        (b"\x15abcd\x6c\x00\x11\x00\x00", b"abcdabcd"),
        (b"\x12a\x20\x06\x00\x00\x11\x00\x00", b"a" * 40),
        (b"\x00\x01" + b"x" * 19 + b"\x11\x00\x00", b"x" * 19),
    ],
)
def test_an_lzo_block_is_literals_and_matches(block: bytes, content: bytes) -> None:
    assert decode_lzo(block, len(content)) == content


def test_a_near_match_of_the_end_marks_distance_does_not_end_an_lzo_block() -> None:
    """Sixteen thousand literals, then three bytes from the very first."""
    literals = bytes(range(256)) * 64
    zeros, last = divmod(len(literals) - 18, 255)
    run = b"\x00" + b"\x00" * zeros + bytes([last])
    block = run + literals + b"\x21\xfc\xff" + b"\x11\x00\x00"
    assert decode_lzo(block, 20000) == literals + literals[:3]


@pytest.mark.parametrize("decode", [decode_lz4, decode_lzo])
@given(block=st.binary(max_size=60))
def test_no_block_breaks_a_decoder_or_exceeds_its_limit(decode: Decoder, block: bytes) -> None:
    try:
        content = decode(block, 100)
    except CodecError:
        return
    assert len(content) <= 100


@pytest.mark.parametrize("compressor", [Compressor.XZ, Compressor.ZSTD, Compressor.LZO])
def test_bytes_behind_a_compressed_block_are_damage(compressor: Compressor) -> None:
    """For those compressors whose libraries look at all that they are given; gzip's does not."""
    packed = {
        Compressor.XZ: lzma.compress(bytes(4096)),
        Compressor.ZSTD: zstandard.ZstdCompressor().compress(bytes(4096)),
        Compressor.LZO: b"\x12a\x20" + bytes(15) + b"\xfe\0\0\x11\0\0",
    }[compressor]
    decode = make_decoder(compressor, window=1 << 27)
    assert len(decode(packed, 8192)) >= 4096
    with pytest.raises(CodecError):
        decode(packed + b"x", 8192)
