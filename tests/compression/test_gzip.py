"""gzip members: every field of the header, both libraries, and what the gzip program writes before damage."""

from __future__ import annotations

import gzip
import random
import sys
import time
import zlib
from collections.abc import Iterable

import pytest

from lxdimage._chunks import Cursor
from lxdimage.compression import Compression
from lxdimage.compression._gzip import ZLIB, Engine, decode_gzip, isal_engine
from lxdimage.errors import InvalidImageError, LXDImageError
from streams import CONTENT, Outcome, Stream, corpus, crc, cut, flipped, outcome, text

MEMBER = gzip.compress(CONTENT, mtime=0)
LARGE = [stream for stream in corpus() if stream.compression is Compression.GZIP]


def _isal() -> Engine:
    engine = isal_engine()
    if engine is None:
        pytest.skip("isal is not installed (optional extra 'fast')")
    return engine


def _with(engine: Engine, chunks: Iterable[bytes]) -> Outcome:
    content = bytearray()
    try:
        for piece in decode_gzip(Cursor(iter(chunks)), engine):
            content += piece
    except LXDImageError as error:
        codes = tuple(diagnostic.code for diagnostic in error.diagnostics)
        return Outcome(bytes(content), type(error), codes, str(error))
    return Outcome(bytes(content))


def _header(flags: int, fields: bytes = b"") -> bytes:
    return b"\x1f\x8b\x08" + bytes((flags,)) + bytes(5) + b"\x03" + fields


def _member(header: bytes, content: bytes = CONTENT) -> bytes:
    packed = zlib.compress(content, wbits=-15)
    return header + packed + crc(content) + len(content).to_bytes(4, "little")


@pytest.mark.parametrize(
    "header",
    [
        _header(0),
        _header(1),
        _header(4, b"\x03\x00abc"),
        _header(4, b"\x00\x00"),
        _header(4, b"\xff\xff" + bytes(65_535)),
        _header(8, b"name\x00"),
        _header(8, b"\x00"),
        _header(8, b"long" * 50_000 + b"\x00"),
        _header(16, b"comment\x00"),
        _header(24, b"name\x00comment\x00"),
        _header(2, crc(_header(2))[:2]),
        _header(30, b"\x01\x00xn\x00c\x00" + crc(_header(30, b"\x01\x00xn\x00c\x00"))[:2]),
    ],
)
def test_optional_fields_are_stepped_over(header: bytes) -> None:
    expected = Outcome(CONTENT)
    assert expected == outcome(Compression.GZIP, [_member(header)])
    assert expected == outcome(Compression.GZIP, cut(_member(header), 1))


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (_header(32), "unsupported-stream", "a gzip member has method 8 and flags 0x20, at byte 0"),
        (_header(64), "unsupported-stream", "flags 0x40"),
        (b"\x1f\x8b\x07" + bytes(7), "unsupported-stream", "method 7"),
        (
            _header(2, b"\x00\x00"),
            "checksum-mismatch",
            "the header checksum of a gzip member is 0x0000, computed 0x",
        ),
        (
            MEMBER[:-8] + bytes(4) + MEMBER[-4:],
            "checksum-mismatch",
            "the CRC-32 of a gzip member is 0x00000000",
        ),
        (MEMBER[:-4] + b"\x01\x00\x00\x00", "checksum-mismatch", "the length of a gzip member is 1, found"),
        (MEMBER + MEMBER[:2] + b"\x09" + bytes(7), "unsupported-stream", "method 9"),
        (
            _header(0) + b"\x07",
            "corrupt-stream",
            "a gzip member is damaged behind its first 0 bytes, at byte 0",
        ),
    ],
)
def test_bad_members_say_what_is_wrong(data: bytes, code: str, message: str) -> None:
    found = outcome(Compression.GZIP, [data])
    assert (code,) == found.codes
    assert message in found.message


def test_everything_precedes_a_wrong_checksum() -> None:
    """A daemon reads what gzip writes, and gzip looks at the checksum at the end."""
    assert CONTENT == outcome(Compression.GZIP, [flipped(MEMBER, len(MEMBER) - 6, 0)]).content


def test_whole_windows_precede_invalid_data() -> None:
    """The gzip program writes its window when it is full, and not when it gives up."""
    content = text(9_000)
    stream = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH) + b"\x07"
    found = outcome(Compression.GZIP, [_header(0) + packed])
    size = len(content) // 32_768 * 32_768
    assert content[:size] == found.content
    assert f"behind its first {size} bytes" in found.message


# Letters and 1000 zeros, and the bytes that the gzip program writes when so many at the end are missing.
_LETTERS_AND_ZEROS = bytes.fromhex(
    "1f8b0800000000000003edccc111c0200844d1b4fa89288ad2ff31681919df01d8810184f0d52068031778498d011e284ca19367652012"
    "c6c23ab5e26035328a71986adee6abc1aaf4d0ae947956b28b67cb417778aeebfabd0f52327c4a60040000"
)
_WRITTEN = (1120,) * 9 + (895, 895, 637, 121, 120, 116, 115)


@pytest.mark.parametrize(("missing", "written"), list(enumerate(_WRITTEN)))
def test_codes_that_gzip_cannot_look_up_in_front_of_a_cut_are_not_written(missing: int, written: int) -> None:
    """It looks up by the bits of a whole table, and zlib by those of the code: here is more than there."""
    member = _LETTERS_AND_ZEROS[: len(_LETTERS_AND_ZEROS) - missing]
    for data in (member, MEMBER + member):
        found = outcome(Compression.GZIP, cut(data, missing))
        assert written == len(found.content) - (len(CONTENT) if data is not member else 0)
        assert (missing > 0) == (found.error is not None)


def test_content_that_was_given_out_is_not_missing_in_front_of_a_cut() -> None:
    data = gzip.compress(bytes(40_000_000), mtime=0)[:-9]
    assert 40_000_000 - 2000 < len(outcome(Compression.GZIP, [data]).content) < 40_000_000


def test_a_match_may_reach_into_a_window_of_zeros() -> None:
    """So the gzip program has it; zlib alone would refuse the data."""
    reaching = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, bytes(32_768))
    packed = reaching.compress(bytes(300)) + reaching.flush()
    with pytest.raises(zlib.error, match="too far back"):
        zlib.decompress(packed, -15)
    data = _header(0) + packed + crc(bytes(300)) + (300).to_bytes(4, "little")
    assert Outcome(bytes(300)) == outcome(Compression.GZIP, [data])
    assert Outcome(bytes(300)) == _with(_isal(), [data])


def test_a_length_counts_modulo_two_to_the_32() -> None:
    """Shown by the check itself, which compares the lower 32 bits: four such gigabytes are too much for a test."""
    data = MEMBER[:-4] + (len(CONTENT) + 1).to_bytes(4, "little")
    assert "modulo 2**32" in outcome(Compression.GZIP, [data]).message


@pytest.mark.parametrize("stream", LARGE, ids=lambda stream: stream.name)
def test_both_libraries_give_the_same(stream: Stream) -> None:
    isal = _isal()
    assert Outcome(stream.content) == _with(ZLIB, [stream.data]) == _with(isal, cut(stream.data, 5))


@pytest.mark.parametrize("stream", LARGE, ids=lambda stream: stream.name)
def test_both_libraries_give_the_same_up_to_a_cut(stream: Stream) -> None:
    """Except for the last match or letter: ISA-L wants to see some bits behind it."""
    isal = _isal()
    for size in random.Random(6).sample(range(len(stream.data)), 20):
        expected, found = _with(ZLIB, [stream.data[:size]]), _with(isal, [stream.data[:size]])
        assert expected.message == found.message
        assert expected.content.startswith(found.content)
        assert len(expected.content) - len(found.content) <= 258


def test_both_libraries_give_the_same_for_damage() -> None:
    """Except for codes that ISA-L takes and zlib refuses: there ISA-L goes on until the checksum."""
    isal, numbers, different = _isal(), random.Random(7), 0
    data = gzip.compress(text(2_000), mtime=0)
    for position in range(0, len(data), 23):
        damaged = flipped(data, position, numbers.randrange(8))
        expected, found = _with(ZLIB, [damaged]), _with(isal, [damaged])
        assert (expected.error is None) == (found.error is None)
        different += expected != found
    assert different < 20


def test_small_files_are_decoded_by_zlib_whatever_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted() -> Engine:
        raise AssertionError

    monkeypatch.setattr("lxdimage.compression._gzip.isal_engine", unwanted)
    assert Outcome(CONTENT) == outcome(Compression.GZIP, [MEMBER])


def test_zlib_is_used_where_isal_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.compression._gzip.isal_engine", lambda: None)
    for stream in LARGE:
        assert Outcome(stream.content) == outcome(Compression.GZIP, [stream.data])


def test_isal_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    assert isal_engine() is None


def test_a_damaged_member_behind_a_good_one_names_its_own_place() -> None:
    data = MEMBER + _header(0) + b"\x07"
    with pytest.raises(InvalidImageError, match=rf"at byte {len(MEMBER)} "):
        for _ in decode_gzip(Cursor(iter([data]))):
            pass


def _block_with_codes_of_all_sizes() -> str:
    """Return the bits of a block that holds nothing but 263 codes, most of 15 bits (RFC 1951, section 3.2.7)."""
    sizes = {16: 1, 15: 3, 0: 4, 1: 4, 2: 4, 3: 4, 4: 5, 5: 5, 6: 5, 7: 5}
    codes, code, last = {}, 0, 0
    for size, symbol in sorted((size, symbol) for symbol, size in sizes.items()):
        code <<= size - last
        codes[symbol] = f"{code:0{size}b}"
        code, last = code + 1, size
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    numbers = [
        (0, 1),
        (2, 2),
        (263 - 257, 5),
        (2 - 1, 5),
        (19 - 4, 4),
        *((sizes.get(each, 0), 3) for each in order),
    ]
    head = "".join(f"{number:0{size}b}"[::-1] for number, size in numbers)
    letters = codes[15] + (codes[16] + "11") * 42 + codes[15] * 3
    return head + letters + "".join(codes[size] for size in (1, 2, 3, 4, 5, 6, 7, 1, 1)) + "0"


def test_new_codes_every_thirty_bytes_of_a_cut_member_take_little_time() -> None:
    bits = _block_with_codes_of_all_sizes() * 4000
    data = int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")
    start = time.process_time()

    found = outcome(Compression.GZIP, [_header(0) + data])
    assert found.codes == ("truncated-stream",)
    assert time.process_time() - start < 6
