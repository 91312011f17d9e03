"""bzip2 in threads gives what the sequential decoder gives, whatever is wrong."""

from __future__ import annotations

import bz2
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage._chunks import Cursor
from lxdimage.compression import Compression, decode
from lxdimage.compression import _bzip2_blocks as blocks
from lxdimage.compression._bzip2 import Writes
from lxdimage.diagnostics import Diagnostic
from lxdimage.limits import Limits
from streams import CONTENT, Outcome, cut, flipped, outcome, text

CONTENT_OF_BLOCKS = text(30_000)
BLOCKS = bz2.compress(CONTENT_OF_BLOCKS, 1)


def test_blocks_of_one_stream_decode_in_threads() -> None:
    for threads in (1, 2, 4):
        assert Outcome(CONTENT_OF_BLOCKS) == outcome(Compression.BZIP2, [BLOCKS], threads=threads)


@pytest.mark.parametrize("seed", range(4))
def test_streams_of_all_kinds_decode_in_threads(seed: int) -> None:
    """Levels differ, some streams are empty, some have many blocks."""
    numbers = random.Random(seed)
    parts = [b"", CONTENT, CONTENT_OF_BLOCKS[:250_000], b"", numbers.randbytes(120_000), bytes(300_000)]
    numbers.shuffle(parts)
    data = b"".join(bz2.compress(part, numbers.randint(1, 9)) for part in parts)
    for threads in (1, 2, 3):
        assert Outcome(b"".join(parts)) == outcome(Compression.BZIP2, cut(data, seed), threads=threads)


def test_damage_is_what_the_sequential_decoder_makes_of_it() -> None:
    numbers = random.Random(8)
    for _ in range(15):
        data = flipped(BLOCKS, numbers.randrange(len(BLOCKS)), numbers.randrange(8)) + BLOCKS
        expected = outcome(Compression.BZIP2, [data], threads=1)
        assert expected == outcome(Compression.BZIP2, [data], threads=2)


def test_a_file_cut_anywhere_is_what_the_sequential_decoder_makes_of_it() -> None:
    for size in random.Random(9).sample(range(len(BLOCKS)), 15):
        expected = outcome(Compression.BZIP2, [BLOCKS[:size]], threads=1)
        assert expected == outcome(Compression.BZIP2, [BLOCKS[:size]], threads=2)
        assert expected.codes == ("truncated-stream",)
        assert len(expected.content) % 5000 == 0


def test_a_wrong_checksum_of_the_stream_is_found() -> None:
    """Every block is right, and still one may be missing."""
    data = flipped(BLOCKS, len(BLOCKS) - 2, 4)
    expected = outcome(Compression.BZIP2, [data], threads=1)
    assert expected == outcome(Compression.BZIP2, [data], threads=2)
    assert expected.codes == ("corrupt-stream",)
    assert CONTENT_OF_BLOCKS[: len(CONTENT_OF_BLOCKS) // 5000 * 5000] == expected.content


@pytest.mark.parametrize("which", range(1, 6))
def test_a_magic_number_by_chance_does_not_disturb(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """It cannot be made to occur in real data, so one is made up."""
    original = blocks._Window.next_magic
    asked = 0

    def misled(self: blocks._Window, position: int) -> int | None:
        nonlocal asked
        asked += 1
        found = original(self, position)
        return found - 12_345 if found and asked == which else found

    monkeypatch.setattr(blocks._Window, "next_magic", misled)
    assert Outcome(CONTENT_OF_BLOCKS) == outcome(Compression.BZIP2, [BLOCKS], threads=2)
    assert asked >= which


def test_a_block_out_of_reach_is_left_to_the_sequential_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_MOST_BLOCK_BITS", 8 * 1000)
    assert Outcome(CONTENT_OF_BLOCKS) == outcome(Compression.BZIP2, [BLOCKS], threads=2)


@settings(max_examples=30, deadline=None)
@given(crc=st.integers(0, 2**32 - 1), shift=st.integers(0, 7))
def test_a_forged_block_has_the_checksum_and_the_length_that_it_must_have(crc: int, shift: int) -> None:
    value, size, content_size = blocks._forge_block(crc, shift)
    assert shift == size % 8
    end = (value << 80 | 0x177245385090 << 32 | crc) << (-(size + 80) % 8)
    decoder = bz2.BZ2Decompressor()
    content = decoder.decompress(b"BZh1" + end.to_bytes((size + 80 + 7) // 8, "big"))
    assert decoder.eof
    assert content_size == len(content)


def test_a_block_of_equal_bytes_is_not_kept_in_memory() -> None:
    """It holds 46 MB; more than a few pieces of it are decoded again instead of being kept."""
    content = bytes(48 << 20)
    data = bz2.compress(content)
    pieces = list(decode(Compression.BZIP2, iter([data]), threads=2))
    assert len(content) == sum(map(len, pieces))
    assert not any(map(any, pieces[:2]))
    assert max(map(len, pieces)) <= 1 << 20


def test_little_memory_means_one_thread() -> None:
    before = threading.active_count()
    content = decode(
        Compression.BZIP2, iter([BLOCKS]), threads=2, limits=Limits(parallel_memory=2 * blocks.MEMORY - 1)
    )
    next(content)
    assert before == threading.active_count()


def test_blocks_come_out_in_order_in_bounded_pieces() -> None:
    pieces = list(blocks.decode_blocks(Cursor(iter([BLOCKS])), _unexpected, 3))
    assert CONTENT_OF_BLOCKS == b"".join(pieces)
    assert max(map(len, pieces)) <= 1 << 20


def _unexpected(finding: Diagnostic) -> None:
    raise AssertionError(finding)


@pytest.mark.parametrize(
    "tail",
    [
        b"B",
        b"BZ",
        b"BZh",
        b"BZh9",
        b"BZh0",
        b"BZh99",
        b"BZh9garbage",
        b"x",
        b"BZx",
        b"\0",
        b"BZh9" + bytes(20),
    ],
)
def test_only_a_valid_header_makes_a_stream(tail: bytes) -> None:
    """bzip2 ignores garbage, but not the beginning of a stream that does not go on."""
    found = outcome(Compression.BZIP2, [BLOCKS, tail], threads=1)
    assert found == outcome(Compression.BZIP2, [BLOCKS, tail], threads=2)
    assert CONTENT_OF_BLOCKS == found.content
    is_header = b"BZh9".startswith(tail[:4])
    assert is_header == bool(found.codes)


@given(sizes=st.lists(st.integers(1, 12_000), max_size=30))
def test_writes_keep_what_is_not_a_whole_write(sizes: list[int]) -> None:
    writes = Writes()
    given_out = 0
    for size in sizes:
        given_out += sum(map(len, writes.add(bytes(size))))
        assert given_out % 5000 == 0
    given_out += sum(map(len, writes.whole()))
    assert sum(sizes) // 5000 * 5000 == given_out
    given_out += sum(map(len, writes.finish()))
    assert sum(sizes) == given_out == writes.total
