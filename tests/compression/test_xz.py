"""The .xz container: every field of it, blocks in threads, and streams that mix all kinds of blocks."""

from __future__ import annotations

import lzma
import struct
import threading

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.compression import Compression, decode
from lxdimage.compression._xz_block import dump_integer, parse_integer
from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError, UnsupportedFormatError
from lxdimage.limits import Limits
from streams import CONTENT, Outcome, crc, cut, flipped, outcome, text

MIB = 1 << 20
CHECKS = {lzma.CHECK_NONE: 0, lzma.CHECK_CRC32: 4, lzma.CHECK_CRC64: 8, lzma.CHECK_SHA256: 32}


@attrs.frozen(kw_only=True)
class Block:
    """A block with its header taken apart."""

    data: bytes
    size: int
    check: bytes
    filters: bytes

    def dump(self, *, compressed: bool = True, uncompressed: bool = True, padding: int = 0) -> bytes:
        """Return the block with the sizes that its header shall have."""
        flags = compressed << 6 | uncompressed << 7
        fields = dump_integer(len(self.data)) if compressed else b""
        fields += dump_integer(self.size) if uncompressed else b""
        header = _header(flags, fields + self.filters, padding)
        return header + self.data + bytes(-len(self.data) % 4) + self.check

    def record(self, block: bytes) -> tuple[int, int]:
        """Return what the index must say about what `dump` returned."""
        return len(block) - -len(self.data) % 4, self.size


def _header(flags: int, fields: bytes, padding: int = 0) -> bytes:
    size = (2 + len(fields) + 3) // 4 * 4 + padding
    header = (bytes((size // 4, flags)) + fields).ljust(size, b"\0")
    return header + crc(header)


def _block(content: bytes, check: int = lzma.CHECK_CRC64, preset: int = 0) -> Block:
    stream = lzma.compress(content, lzma.FORMAT_XZ, check, preset)
    index = (struct.unpack("<I", stream[-8:-4])[0] + 1) * 4
    start, end = 12 + (stream[12] + 1) * 4, len(stream) - 12 - index
    unpadded, _ = parse_integer(stream, end + 2)
    size = unpadded - (start - 12) - CHECKS[check]
    return Block(
        data=stream[start : start + size],
        size=len(content),
        check=stream[end - CHECKS[check] : end] if CHECKS[check] else b"",
        filters=stream[14 : 16 + stream[15]],
    )


def _stream_header(check: int) -> bytes:
    flags = bytes((0, check))
    return b"\xfd7zXZ\0" + flags + crc(flags)


def _index(records: list[tuple[int, int]], count: int | None = None) -> bytes:
    index = b"\0" + dump_integer(len(records) if count is None else count)
    index += b"".join(dump_integer(unpadded) + dump_integer(size) for unpadded, size in records)
    index += bytes(-len(index) % 4)
    return index + crc(index)


def _footer(index: bytes, check: int) -> bytes:
    fields = struct.pack("<I", len(index) // 4 - 1) + bytes((0, check))
    return crc(fields) + fields + b"YZ"


def _stream(blocks: list[tuple[Block, bytes]], check: int = lzma.CHECK_CRC64) -> bytes:
    index = _index([block.record(dumped) for block, dumped in blocks])
    return _stream_header(check) + b"".join(dumped for _, dumped in blocks) + index + _footer(index, check)


SIZED = {"compressed": True, "uncompressed": True}
UNSIZED = {"compressed": False, "uncompressed": False}
HALF = {"compressed": False, "uncompressed": True}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "kinds",
    [[SIZED] * 4, [UNSIZED] * 4, [SIZED, SIZED, UNSIZED, SIZED], [UNSIZED, SIZED, HALF, SIZED, SIZED], []],
    ids=["sized", "unsized", "then unsized", "mixed", "none"],
)
def test_blocks_of_all_kinds_may_follow_each_other(
    check: int, threads: int, kinds: list[dict[str, bool]]
) -> None:
    """Those with sizes go to threads, the others do not."""
    content = text(20_000)
    blocks = []
    for number, kind in enumerate(kinds):
        block = _block(content[number:], check)
        blocks.append((block, block.dump(**kind, padding=4 * number)))
    expected = Outcome(b"".join(content[number:] for number in range(len(kinds))))
    data = _stream(blocks, check)
    assert expected == outcome(Compression.XZ, [data], threads=threads)
    assert expected == outcome(Compression.XZ, cut(data, 13), threads=threads)


LARGE = text(30_000)
LARGE_BLOCK = _block(LARGE)
BLOCKS = _stream([(LARGE_BLOCK, LARGE_BLOCK.dump())] * 4)
BLOCK_SIZE = len(LARGE_BLOCK.dump())


def test_large_sized_blocks_go_to_threads_and_small_ones_do_not() -> None:
    before = threading.active_count()
    content = decode(Compression.XZ, iter([BLOCKS]), threads=2)
    next(content)
    assert threading.active_count() > before
    del content
    small = _block(CONTENT)
    content = decode(Compression.XZ, iter([_stream([(small, small.dump())] * 4)]), threads=2)
    next(content)
    assert before == threading.active_count()


def test_little_memory_means_one_thread() -> None:
    before = threading.active_count()
    content = decode(Compression.XZ, iter([BLOCKS]), threads=2, limits=Limits(parallel_memory=MIB))
    next(content)
    assert before == threading.active_count()
    assert LARGE * 3 == b"".join(content)[-3 * len(LARGE) :]


@pytest.mark.parametrize("where", range(4))
def test_content_of_good_blocks_precedes_damage(where: int) -> None:
    position = 12 + where * BLOCK_SIZE + BLOCK_SIZE // 2
    data = flipped(BLOCKS, position, 2)
    expected = outcome(Compression.XZ, [data], threads=1)
    assert (
        expected == outcome(Compression.XZ, [data], threads=2) == outcome(Compression.XZ, [data], threads=4)
    )
    assert LARGE * where == expected.content[: where * len(LARGE)]
    assert where * len(LARGE) < len(expected.content) < (where + 1) * len(LARGE)
    assert expected.codes == ("corrupt-stream",)


@pytest.mark.parametrize("where", range(4))
def test_a_block_with_a_wrong_check_still_comes_out(where: int) -> None:
    """As from xz: whether a daemon imports the image depends on it."""
    data = flipped(BLOCKS, 12 + (where + 1) * BLOCK_SIZE - 3, 1)
    for threads in (1, 2):
        found = outcome(Compression.XZ, [data], threads=threads)
        assert (LARGE * (where + 1), ("checksum-mismatch",)) == (found.content, found.codes)
        assert "the content of an xz block differs from its check" in found.message


@pytest.mark.parametrize(
    "size", [12 + BLOCK_SIZE // 2, 12 + BLOCK_SIZE + 9, 12 + 2 * BLOCK_SIZE - 2, len(BLOCKS) - 5]
)
def test_a_file_cut_between_or_inside_blocks_yields_what_there_is(size: int) -> None:
    expected = outcome(Compression.XZ, [BLOCKS[:size]], threads=1)
    assert expected == outcome(Compression.XZ, [BLOCKS[:size]], threads=2)
    assert expected.error is TruncatedImageError
    whole = min((size - 12) // BLOCK_SIZE, 4) * len(LARGE)
    assert whole <= len(expected.content) <= whole + len(LARGE)
    assert (LARGE * 4).startswith(expected.content)


def test_what_precedes_damage_comes_out_to_the_byte() -> None:
    """The standard library would lose the output of the whole call; one byte may be lost."""
    block = _block(CONTENT)
    head = _stream_header(lzma.CHECK_CRC64) + block.dump()
    for position in range(24 + 8, 24 + len(block.data) - 4):
        found = outcome(Compression.XZ, [flipped(head, position, 0)])
        decoder, content = lzma.LZMADecompressor(), bytearray()
        try:
            for at in range(len(head)):
                content += decoder.decompress(flipped(head, position, 0)[at : at + 1])
        except lzma.LZMAError:
            pass
        assert len(found.content) >= len(content) - 1
        assert found.content[: len(content)] == content[: len(found.content)]


def _replaced(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


GOOD_BLOCK = _block(CONTENT)
GOOD_DUMPED = GOOD_BLOCK.dump()
GOOD = _stream([(GOOD_BLOCK, GOOD_DUMPED)])
RECORD = GOOD_BLOCK.record(GOOD_DUMPED)
INDEX = _index([RECORD])
FOOTER = _footer(INDEX, lzma.CHECK_CRC64)
FIELDS = dump_integer(len(GOOD_BLOCK.data)) + dump_integer(GOOD_BLOCK.size) + GOOD_BLOCK.filters
HEADER = _header(0xC0, FIELDS)


def _with_header(flags: int, fields: bytes) -> bytes:
    return _replaced(HEADER, _header(flags, fields))


def _with_index(index: bytes) -> bytes:
    return GOOD[: -len(INDEX) - 12] + index + _footer(index, lzma.CHECK_CRC64)


def _with_footer(fields: bytes, magic: bytes = b"YZ") -> bytes:
    return GOOD[:-12] + crc(fields) + fields + magic


def test_the_pieces_of_these_tests_fit_together() -> None:
    assert Outcome(CONTENT) == outcome(Compression.XZ, [GOOD])
    assert lzma.decompress(GOOD) == CONTENT
    assert GOOD == _with_index(INDEX) == _with_header(0xC0, FIELDS)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (
            b"\xfd7zXZ\1" + GOOD[6:],
            "corrupt-stream",
            "expected an xz stream, found b'\\xfd7zXZ\\x01', at byte 0",
        ),
        (
            GOOD[:6] + b"\x01\x04" + crc(b"\x01\x04") + GOOD[12:],
            "unsupported-stream",
            "an xz stream has flags 0104",
        ),
        (
            GOOD[:6] + b"\x00\x14" + crc(b"\x00\x14") + GOOD[12:],
            "unsupported-stream",
            "an xz stream has flags 0014",
        ),
        (
            GOOD[:8] + bytes(4) + GOOD[12:],
            "checksum-mismatch",
            "the header checksum of an xz stream is 0x00000000",
        ),
        (flipped(GOOD, 14, 0), "checksum-mismatch", "the header checksum of an xz block is 0x"),
        (_with_header(0xC4, FIELDS), "unsupported-stream", "an xz block has flags 0xc4"),
        (
            _with_header(0xC0, b"\x80" * 9 + b"\0" * 3),
            "corrupt-stream",
            "the header of an xz block is malformed",
        ),
        (
            _with_header(0xC0, b"\x80\x00" + FIELDS),
            "corrupt-stream",
            "the header of an xz block is malformed",
        ),
        (_with_header(0xC0, b"\xff\xff"), "corrupt-stream", "the header of an xz block is malformed"),
        (_with_header(0, b"\x21\x01\x29"), "unsupported-stream", "options or filters"),
        (_with_header(0, b"\x22\x01\x08"), "unsupported-stream", "options or filters"),
        (_with_header(0, b"\x21\x01\x28"), "decompression-limit", "Limits.window"),
        (_with_header(0xC0, FIELDS[:3] + b"\x05" + FIELDS[4:]), "corrupt-stream", "damaged behind its first"),
        (
            _replaced(HEADER, HEADER)[: 24 + len(GOOD_BLOCK.data)],
            "truncated-stream",
            "ends inside an xz block",
        ),
        (_with_index(_index([RECORD], 2)), "corrupt-stream", "lists 2 blocks, found 1"),
        (_with_index(_index([])), "corrupt-stream", "lists 0 blocks, found 1"),
        (_with_index(_index([RECORD], 1 << 62)), "corrupt-stream", f"lists {1 << 62} blocks, found 1"),
        (_with_index(_index([(RECORD[0], 1)])), "corrupt-stream", "does not describe its blocks"),
        (_with_index(_index([(RECORD[0] + 4, RECORD[1])])), "corrupt-stream", "does not describe its blocks"),
        (
            _with_index(b"\0" + b"\x80" * 10 + b"\0"),
            "corrupt-stream",
            "the index of an xz stream is malformed",
        ),
        (
            _with_index(INDEX[:-4] + bytes(4)),
            "checksum-mismatch",
            "the checksum of an xz index is 0x00000000",
        ),
        (
            _with_footer(FOOTER[4:10], b"ZY"),
            "corrupt-stream",
            "expected the end b'YZ' of an xz stream, found b'ZY'",
        ),
        (_with_footer(struct.pack("<I", 99) + FOOTER[8:10]), "corrupt-stream", "the footer of an xz stream"),
        (_with_footer(FOOTER[4:8] + b"\0\1"), "corrupt-stream", "the footer of an xz stream"),
        (flipped(GOOD, len(GOOD) - 12, 0), "checksum-mismatch", "the footer checksum of an xz stream"),
        (GOOD + bytes(3), "corrupt-stream", f"has 3 bytes, not a multiple of four, at byte {len(GOOD)}"),
        (GOOD + bytes(5) + GOOD, "corrupt-stream", "has 5 bytes, not a multiple of four"),
        (GOOD + bytes(4) + b"\xfd7zX_", "trailing-garbage", f"at byte {len(GOOD) + 4}"),
        (GOOD + GOOD[:11], "truncated-stream", f"at byte {len(GOOD) + 11}"),
    ],
)
def test_bad_containers_say_what_is_wrong(data: bytes, code: str, message: str) -> None:
    for threads in (1, 2):
        found = outcome(Compression.XZ, [data], threads=threads)
        assert (code,) == found.codes
        assert message in found.message


def test_padding_that_is_not_zero_is_refused() -> None:
    padded = next(block for block in map(_block, (CONTENT, CONTENT[1:], CONTENT[2:])) if len(block.data) % 4)
    data = _stream_header(lzma.CHECK_CRC64) + padded.dump()
    position = len(data) - len(padded.check) - 1
    assert "padding of an xz block" in outcome(Compression.XZ, [flipped(data, position, 0)]).message
    index = bytearray(INDEX[:-4])
    for at in range(len(index) - 1, 0, -1):
        if index[at] == 0:
            index[at] = 1
            break
    assert outcome(Compression.XZ, [_with_index(bytes(index) + crc(bytes(index)))]).codes == (
        "corrupt-stream",
    )


@pytest.mark.parametrize("check", [2, 3])
def test_an_unknown_check_is_told_behind_all_content(check: int) -> None:
    """Xz decompresses such a file and exits with a warning, which makes a daemon fail."""
    block = _block(CONTENT, lzma.CHECK_CRC32)
    data = _stream([(block, block.dump())], check)
    found = outcome(Compression.XZ, [data + GOOD])
    assert (CONTENT * 2, UnsupportedFormatError, ("unsupported-stream",)) == (
        found.content,
        found.error,
        found.codes,
    )
    assert f"the unknown type {check}" in found.message


def test_a_size_in_a_header_need_not_be_true() -> None:
    for fields in (
        dump_integer(len(GOOD_BLOCK.data) - 4) + FIELDS[2:],
        dump_integer(len(GOOD_BLOCK.data)) + dump_integer(GOOD_BLOCK.size + 1) + GOOD_BLOCK.filters,
        dump_integer(len(GOOD_BLOCK.data)) + dump_integer(GOOD_BLOCK.size - 1) + GOOD_BLOCK.filters,
    ):
        found = outcome(Compression.XZ, [_with_header(0xC0, fields)])
        assert found.error is InvalidImageError


@pytest.mark.parametrize("size", [1 << 40, 1 << 62])
def test_an_absurd_size_in_a_header_takes_no_memory(size: int) -> None:
    for fields in (
        dump_integer(size) + dump_integer(GOOD_BLOCK.size) + GOOD_BLOCK.filters,
        dump_integer(len(GOOD_BLOCK.data)) + dump_integer(size) + GOOD_BLOCK.filters,
        dump_integer(size) + dump_integer(size) + GOOD_BLOCK.filters,
    ):
        found = outcome(Compression.XZ, [_with_header(0xC0, fields)], threads=2)
        assert found.codes == ("corrupt-stream",)


def test_a_dictionary_beyond_the_limit_is_refused() -> None:
    data = lzma.compress(CONTENT, preset=6)
    found = outcome(Compression.XZ, [data], limits=Limits(window=4 * MIB))
    assert (LimitExceededError, ("decompression-limit",)) == (found.error, found.codes)
    assert Outcome(CONTENT) == outcome(Compression.XZ, [data], limits=Limits(window=8 * MIB))


@given(st.integers(0, (1 << 63) - 1))
def test_integers_are_read_as_they_are_written(value: int) -> None:
    dumped = dump_integer(value)
    assert (value, len(dumped)) == parse_integer(dumped + b"\x01", 0)
    assert len(dumped) <= 9


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\x80\x00", b"\x80" * 9 + b"\x01"])
def test_integers_have_one_form_only(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        parse_integer(data, 0)
