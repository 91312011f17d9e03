"""Compression gives the same bytes whatever the machine has, and what it gives can be read again."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import sys
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage.compression import Compression, detect
from lxdimage.compression._encode import _zstd_window
from lxdimage.compression._encode_lz4 import encode_lz4
from lxdimage.compression._encode_xz import PRESETS
from lxdimage.compression.writing import encode
from lxdimage.errors import BuildError
from streams import CONTENT, Outcome, cut, outcome, text

MIB = 1 << 20
LARGE = text(60_000) + random.Random(14).randbytes(200_000) + bytes(700_000)
WRITABLE = [compression for compression in Compression if compression is not Compression.SQUASHFS]
THREADED = [Compression.GZIP, Compression.BZIP2, Compression.XZ, Compression.ZSTD]
FAST = {Compression.XZ: 0, Compression.LZMA: 0, Compression.BZIP2: 1}


def _packed(compression: Compression, *chunks: bytes, **options: int) -> bytes:
    if compression in FAST:
        options.setdefault("level", FAST[compression])
    return b"".join(encode(compression, iter(chunks), **options))


def _affordable(compression: Compression, content: bytes) -> bytes:
    """Return less *content* for LZ4, which is written in Python."""
    return content[-850_000:] if compression is Compression.LZ4 else content


@pytest.mark.parametrize("compression", WRITABLE)
@pytest.mark.parametrize("content", [b"", b"x", CONTENT, LARGE], ids=["empty", "a byte", "small", "large"])
def test_what_is_written_can_be_read(compression: Compression, content: bytes) -> None:
    content = _affordable(compression, content)
    packed = _packed(compression, content)
    assert Outcome(content) == outcome(compression, [packed])
    if compression is not Compression.NONE:
        assert compression is detect(packed[:263])


@pytest.mark.parametrize("compression", WRITABLE)
def test_bytes_do_not_depend_on_threads_chunks_or_memory(compression: Compression) -> None:
    content = _affordable(compression, LARGE)
    expected = _packed(compression, content, threads=1)
    for threads in (2, 3):
        assert expected == _packed(compression, *cut(content, threads), threads=threads)
    assert expected == _packed(compression, content, threads=4, memory=1)
    assert expected == _packed(compression, content)


@pytest.mark.parametrize(
    "compression", [item for item in WRITABLE if item.appends and item is not Compression.NONE]
)
def test_several_outputs_are_one_file(compression: Compression) -> None:
    """So the head of an image can be a stream of its own, copied as it is when the rest is rewritten."""
    parts = [b"head", b"", LARGE[:80_000], b""]
    packed = b"".join(_packed(compression, part) for part in parts)
    assert Outcome(b"".join(parts)) == outcome(compression, [packed])


def test_an_lzma_file_is_one_stream() -> None:
    assert not Compression.LZMA.appends
    assert outcome(Compression.LZMA, [_packed(Compression.LZMA, b"x") * 2]).codes == ("trailing-garbage",)


def _decompress_zstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


_READERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.decompress,
    Compression.BZIP2: bz2.decompress,
    Compression.XZ: lzma.decompress,
    Compression.LZMA: lzma.decompress,
    Compression.ZSTD: _decompress_zstd,
}


@pytest.mark.parametrize("compression", _READERS)
@pytest.mark.parametrize("content", [b"", CONTENT, LARGE], ids=["empty", "small", "large"])
def test_other_libraries_read_what_is_written(compression: Compression, content: bytes) -> None:
    assert content == _READERS[compression](_packed(compression, content))


def test_the_header_of_gzip_is_that_of_published_images() -> None:
    """It has no name and no time, at any level."""
    for level in (1, 6, 9):
        assert bytes.fromhex("1f8b0800000000000003") == _packed(Compression.GZIP, CONTENT, level=level)[:10]


def test_blocks_of_xz_say_their_sizes() -> None:
    """So that they can be decompressed in parallel."""
    packed = _packed(Compression.XZ, bytes(PRESETS[0].block + 1))
    assert packed[13] == 0xC0
    assert Outcome(bytes(MIB + 1)) == outcome(Compression.XZ, [packed], threads=2)


def test_a_frame_of_zstd_has_a_checksum() -> None:
    assert zstandard.get_frame_parameters(_packed(Compression.ZSTD, CONTENT)).has_checksum


@pytest.mark.parametrize(
    ("compression", "level"),
    [
        (Compression.GZIP, 0),
        (Compression.GZIP, 10),
        (Compression.BZIP2, 0),
        (Compression.XZ, 10),
        (Compression.XZ, -1),
        (Compression.LZMA, 10),
        (Compression.ZSTD, 0),
        (Compression.ZSTD, 23),
        (Compression.LZ4, 2),
        (Compression.NONE, 1),
    ],
)
def test_a_level_that_does_not_exist_is_refused_at_once(compression: Compression, level: int) -> None:
    with pytest.raises(
        BuildError, match=rf"{compression.value} has the levels? .*not {level} \[unknown-level\]"
    ):
        encode(compression, iter([b""]), level=level)


def test_a_squashfs_is_not_written_here() -> None:
    with pytest.raises(BuildError, match=r"\[unwritable-compression\]"):
        encode(Compression.SQUASHFS, iter([b""]))


@pytest.mark.parametrize("compression", THREADED)
def test_levels_change_the_bytes(compression: Compression) -> None:
    assert _packed(compression, LARGE[:600_000], level=7) != _packed(compression, LARGE[:600_000], level=1)


@pytest.mark.parametrize("level", range(1, 23))
def test_no_level_of_zstd_needs_a_window_that_the_program_refuses(level: int) -> None:
    assert _zstd_window(level) <= 128 * MIB


def test_a_high_level_of_zstd_can_be_read() -> None:
    assert Outcome(CONTENT) == outcome(Compression.ZSTD, [_packed(Compression.ZSTD, CONTENT, level=19)])


def test_output_begins_before_the_content_ends() -> None:
    """Memory is bounded by blocks on their way."""
    taken, noise = 0, random.Random(19).randbytes(MIB)

    def content() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(60):
            taken += 1
            yield noise

    packed = encode(Compression.XZ, content(), level=0, threads=2)
    for _ in range(2):
        next(packed)
    assert taken < 8


def test_accelerators_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs would be other bytes."""
    expected = _packed(Compression.GZIP, LARGE)
    monkeypatch.setitem(sys.modules, "isal", None)
    assert expected == _packed(Compression.GZIP, LARGE)


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b"abcd", b"abcdefgh", b"\0" * 40, b"x"]), max_size=60).map(b"".join),
    )
)
def test_any_bytes_survive_lz4(content: bytes) -> None:
    assert Outcome(content) == outcome(Compression.LZ4, encode_lz4(iter([content]), 1, 1))


@settings(deadline=None, max_examples=25)
@given(
    compression=st.sampled_from([Compression.GZIP, Compression.BZIP2, Compression.XZ, Compression.ZSTD]),
    seed=st.integers(0, 1000),
    size=st.integers(0, 200_000),
)
def test_any_content_survives(compression: Compression, seed: int, size: int) -> None:
    content = LARGE[seed * 997 : seed * 997 + size]
    packed = _packed(compression, *cut(content, seed), threads=2)
    assert Outcome(content) == outcome(compression, cut(packed, seed))
