"""LZ4 frames, field by field, and what holds for blocks that no compressor would write."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.compression import Compression
from lxdimage.compression._xxh32 import XXH32, xxh32
from streams import Outcome, cut, outcome


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0x02CC5D05),
        (b"a", 0x550D7456),
        (b"abc", 0x32D153FF),
        (b"Nobody inspects the spammish repetition", 0xE2293B2F),
    ],
)
def test_published_hashes_are_met(data: bytes, expected: int) -> None:
    assert expected == xxh32(data)


def _plain_xxh32(data: bytes) -> int:
    """Return the hash as the specification writes it down, one word at a time."""
    primes = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
    mask = 0xFFFFFFFF

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (32 - bits)) & mask

    lanes = [(primes[0] + primes[1]) & mask, primes[1], 0, -primes[0] & mask]
    position = 0
    while position + 16 <= len(data):
        for lane in range(4):
            word = int.from_bytes(data[position : position + 4], "little")
            lanes[lane] = rotate((lanes[lane] + word * primes[1]) & mask, 13) * primes[0] & mask
            position += 4
    result = primes[4]
    if len(data) >= 16:
        result = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
    result = (result + len(data)) & mask
    while position + 4 <= len(data):
        word = int.from_bytes(data[position : position + 4], "little")
        result = rotate((result + word * primes[2]) & mask, 17) * primes[3] & mask
        position += 4
    for byte in data[position:]:
        result = rotate((result + byte * primes[4]) & mask, 11) * primes[0] & mask
    for bits, prime in ((15, primes[1]), (13, primes[2]), (16, 1)):
        result = (result ^ result >> bits) * prime & mask
    return result


@given(st.binary(max_size=200), st.integers(0, 200))
def test_hashing_all_lanes_at_once_changes_nothing(data: bytes, position: int) -> None:
    running = XXH32()
    running.update(data[:position])
    running.update(data[position:])
    assert _plain_xxh32(data) == running.digest()


def test_hashing_much_at_once_changes_nothing() -> None:
    data = random.Random(10).randbytes(200_003)
    assert _plain_xxh32(data) == xxh32(data)


def _frame(
    *blocks: bytes, flags: int = 0x60, sizes: int = 0x40, fields: bytes = b"", tail: bytes = b""
) -> bytes:
    descriptor = bytes((flags, sizes)) + fields
    header = b"\x04\x22\x4d\x18" + descriptor + bytes((xxh32(descriptor) >> 8 & 0xFF,))
    return header + b"".join(blocks) + bytes(4) + tail


def _block(data: bytes, *, stored: bool = False) -> bytes:
    return (len(data) | stored << 31).to_bytes(4, "little") + data


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")


# Token, literals, offset: "abcd", then eight bytes from four before, then "vwxyz".
SEQUENCES = b"\x44abcd\x04\x00\x50vwxyz"
EXPANDED = b"abcdabcdabcdvwxyz"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(_frame(), b"", id="no blocks"),
        pytest.param(_frame(_block(b"as it is", stored=True)), b"as it is", id="stored"),
        pytest.param(_frame(_block(SEQUENCES)), EXPANDED, id="overlapping match"),
        pytest.param(
            _frame(_block(b"\x1fx\x01\x00\xff\x00\x50vwxyz")), b"x" * 275 + b"vwxyz", id="long match"
        ),
        pytest.param(
            _frame(_block(b"\xf0\xff\x00" + b"z" * 270)), b"z" * 270, id="many literals and nothing else"
        ),
        pytest.param(
            _frame(_block(b"\xe0cccacabbbccbca\x08\x00\x10z")),
            b"cccacabbbccbcabbbcz",
            id="a match near the end behind few literals",
        ),
        pytest.param(
            _frame(_block(SEQUENCES), _block(b"\x00\x11\x00\x50abcde"), flags=0x40),
            EXPANDED + b"abcdabcde",
            id="linked blocks",
        ),
        pytest.param(_frame(_block(SEQUENCES), flags=0x68, fields=_word(17) + bytes(4)), EXPANDED, id="size"),
        pytest.param(
            _frame(_block(SEQUENCES), flags=0x61, fields=_word(7)), EXPANDED, id="dictionary number"
        ),
        pytest.param(
            _frame(_block(SEQUENCES) + _word(xxh32(SEQUENCES)), flags=0x70), EXPANDED, id="block checksum"
        ),
        pytest.param(
            _frame(_block(SEQUENCES), flags=0x64, tail=_word(xxh32(EXPANDED))), EXPANDED, id="checksum"
        ),
        pytest.param(
            _frame(_block(SEQUENCES)) + b"\x5a\x2a\x4d\x18\x03\0\0\0abc" + _frame(_block(SEQUENCES)),
            EXPANDED * 2,
            id="skippable frame",
        ),
        pytest.param(
            _frame(_block(b"\x44abcd\x00\x00\x50vwxyz")),
            b"abcd" + bytes(8) + b"vwxyz",
            id="zeros for an offset of zero",
        ),
        pytest.param(
            _frame() + b"\x02\x21\x4c\x18" + _block(SEQUENCES) * 2 + _frame(_block(SEQUENCES)),
            EXPANDED * 3,
            id="legacy frame",
        ),
    ],
)
def test_frames_decode_to_their_content(data: bytes, expected: bytes) -> None:
    assert Outcome(expected) == outcome(Compression.LZ4, [data])
    assert Outcome(expected) == outcome(Compression.LZ4, cut(data, 11))


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (_frame(flags=0xA0), "unsupported-stream", "flags 0xa0 and block size 0x40"),
        (_frame(flags=0x62), "unsupported-stream", "flags 0x62"),
        (_frame(sizes=0x30), "unsupported-stream", "block size 0x30"),
        (_frame(sizes=0xC0), "unsupported-stream", "block size 0xc0"),
        (
            _frame()[:6] + b"\0" + bytes(4),
            "checksum-mismatch",
            "the header checksum of an LZ4 frame is 0x00, computed",
        ),
        (
            _frame(_word(65_537)),
            "corrupt-stream",
            "an LZ4 block claims 65537 bytes, at most 65536 are allowed",
        ),
        (_frame(_word(1 << 31 | 65_537)), "corrupt-stream", "claims 65537 bytes"),
        (_frame(_block(SEQUENCES) + bytes(4), flags=0x70), "checksum-mismatch", "the block checksum"),
        (_frame(_block(SEQUENCES), flags=0x64, tail=bytes(4)), "checksum-mismatch", "the content checksum"),
        (
            _frame(_block(SEQUENCES), flags=0x68, fields=_word(16) + bytes(4)),
            "checksum-mismatch",
            "claims 16 bytes, found 17",
        ),
        (
            _frame(_block(b"\x44abcd\x05\x00\x50vwxyz")),
            "corrupt-stream",
            "an LZ4 block is damaged, at byte 7",
        ),
        (_frame(_block(b"\x44abcd\x04\x00")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\x44abcd\x04\x00\x40wxyz")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\x1fx\x01\x00\x00\x00\x20yz")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\x44abcd\x04")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\x54abcd")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\xf4")), "corrupt-stream", "damaged"),
        (_frame(_block(b"\x1fx\x01\x00" + b"\xff" * 300 + b"\x00\x10y")), "corrupt-stream", "damaged"),
        (_frame(_block(SEQUENCES), _block(b"\x00\x12\x00\x50abcde")), "corrupt-stream", "damaged"),
        (_frame() + b"abcd", "trailing-garbage", "what follows the lz4 data is not lz4"),
        (_frame() + b"abc", "trailing-garbage", "what follows"),
        (_frame() + b"\x04\x22", "truncated-stream", "ends inside"),
        (_frame()[:-1], "truncated-stream", "ends inside"),
        (_frame() + b"\x50\x2a\x4d\x18\xff\0\0\0abc", "truncated-stream", "inside a skippable LZ4 frame"),
        (
            b"\x02\x21\x4c\x17" + bytes(9),
            "corrupt-stream",
            "expected an LZ4 frame, found the magic number 0x174c2102",
        ),
    ],
)
def test_bad_frames_say_what_is_wrong(data: bytes, code: str, message: str) -> None:
    found = outcome(Compression.LZ4, [data])
    assert (code,) == found.codes
    assert message in found.message


_NOISE = random.Random(13).randbytes(70_000)


def _stored_blocks(*sizes: int) -> bytes:
    return b"".join(_block(_NOISE[:size], stored=True) for size in sizes)


@pytest.mark.parametrize(
    ("data", "written"),
    [
        pytest.param(_frame(_stored_blocks(100, 30))[:-4] + _word(1 << 30), 100, id="no size of a block"),
        pytest.param(_frame(_stored_blocks(100, 30))[:-4] + b"\0", 130, id="a cut in the size of a block"),
        pytest.param(_frame(_stored_blocks(100, 30))[:-4], 130, id="a cut in front of it"),
        pytest.param(_frame(_stored_blocks(100, 30))[:-7], 127, id="a cut in a stored block"),
        pytest.param(_frame(_block(SEQUENCES), _block(SEQUENCES))[:-5], 17, id="a cut in a packed block"),
        pytest.param(
            _frame(_stored_blocks(30), flags=0x68, fields=_word(16) + bytes(4)), 0, id="a wrong size of all"
        ),
        pytest.param(_frame(_stored_blocks(30), flags=0x64, tail=bytes(4)), 30, id="a wrong checksum of all"),
        pytest.param(_frame(_stored_blocks(30) + bytes(4), flags=0x70), 0, id="a wrong checksum of a block"),
        pytest.param(
            _frame(_stored_blocks(70_000), sizes=0x50)[:-4] + _word(1 << 30),
            65_536,
            id="the second call for a block fails",
        ),
        pytest.param(
            _frame(_stored_blocks(65_534), sizes=0x50)[:-4] + _word(1 << 30),
            65_534,
            id="a call ends with the block",
        ),
    ],
)
def test_a_call_that_fails_writes_nothing(data: bytes, written: int) -> None:
    """Sizes as the lz4 program writes them."""
    assert written == len(outcome(Compression.LZ4, [data]).content)


def test_linked_blocks_reach_back_64_kib_and_no_further() -> None:
    first = random.Random(12).randbytes(65_536)
    good = _frame(_block(first, stored=True), _block(b"\x00\xff\xff\x50abcde"), flags=0x40)
    assert Outcome(first + first[1:5] + b"abcde") == outcome(Compression.LZ4, [good])


@given(st.binary(max_size=60))
def test_any_block_expands_within_its_bound_or_is_refused(data: bytes) -> None:
    found = outcome(Compression.LZ4, [_frame(_block(data or b"\0"))])
    assert len(found.content) <= 65_536
