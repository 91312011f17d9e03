"""``.lzma`` files: one stream, no checksum, and a header that lzma looks at closely."""

from __future__ import annotations

import lzma
import random

import pytest

from lxdimage.compression import Compression
from lxdimage.errors import InvalidImageError, LimitExceededError
from lxdimage.limits import Limits
from streams import CONTENT, Outcome, cut, flipped, outcome, text

MIB = 1 << 20
DATA = lzma.compress(CONTENT, lzma.FORMAT_ALONE)


def _header(dictionary: int, size: int = (1 << 64) - 1) -> bytes:
    return b"\x5d" + dictionary.to_bytes(4, "little") + size.to_bytes(8, "little")


@pytest.mark.parametrize("dictionary", [1 << 16, 3 << 16, 1 << 23, 3 << 22, 1 << 26])
def test_usual_dictionaries_are_taken(dictionary: int) -> None:
    data = _header(dictionary) + DATA[13:]
    assert Outcome(CONTENT) == outcome(Compression.LZMA, [data]) == outcome(Compression.LZMA, cut(data, 2))


@pytest.mark.parametrize("dictionary", [0, 5 << 16, 7 << 20, (1 << 23) + (1 << 16)])
def test_other_dictionaries_are_no_lzma_for_the_program(dictionary: int) -> None:
    found = outcome(Compression.LZMA, [_header(dictionary) + DATA[13:]])
    assert (b"", ("corrupt-stream",)) == (found.content, found.codes)
    assert f"claims a dictionary of {dictionary} bytes" in found.message


def test_an_absurd_size_is_no_lzma_for_the_program() -> None:
    found = outcome(Compression.LZMA, [_header(1 << 23, (1 << 38) + 1) + DATA[13:]])
    assert f"claims {(1 << 38) + 1} bytes of content" in found.message


def test_a_size_in_the_header_must_be_true() -> None:
    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        found = outcome(Compression.LZMA, [_header(1 << 23, size) + DATA[13:]])
        assert found.error is InvalidImageError
        assert CONTENT[: min(size, len(CONTENT)) - 1] == found.content[: min(size, len(CONTENT)) - 1]


def test_xz_behind_a_wrong_byte_is_no_lzma() -> None:
    found = outcome(Compression.LZMA, [b"\0" + lzma.compress(CONTENT)[1:]])
    assert (b"", ("corrupt-stream",)) == (found.content, found.codes)
    assert "expected a byte 0xfd before '7zXZ', found 0x00" in found.message


def test_a_dictionary_beyond_the_limit_is_refused() -> None:
    found = outcome(Compression.LZMA, [_header(1 << 28) + DATA[13:]])
    assert (LimitExceededError, ("decompression-limit",)) == (found.error, found.codes)
    assert Outcome(CONTENT) == outcome(
        Compression.LZMA, [_header(1 << 28) + DATA[13:]], limits=Limits(window=1 << 28)
    )


def test_what_precedes_damage_comes_out() -> None:
    content = text(20_000)
    data = bytearray(lzma.compress(content, lzma.FORMAT_ALONE, preset=0))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    found = outcome(Compression.LZMA, [bytes(data)])
    assert found == outcome(Compression.LZMA, cut(bytes(data), 4))
    assert found.error is InvalidImageError
    assert len(content) // 3 < len(found.content)
    assert content[: len(content) // 3] == found.content[: len(content) // 3]


# Squares of numbers, and how many bytes the lzma program writes when a bit is flipped at a position.
_SQUARES = bytes.fromhex(
    "5d00000400ffffffffffffffff0018080286492e680e26ce2bf19249ae2f17e378b29f1b03cd226423c1b868ec20f84737ebff7a03130d05"
    "0cedd7735d5f397653a4820313edc97dca300f8fb8856501ac8274235520f931c43593e2356deee73d10396c360e5a0c2ee9f04ca0437d73"
    "127ac009f947e189535cac8960ff95a46000"
)


@pytest.mark.parametrize(("position", "written"), [(20, 7), (40, 28), (60, 59), (80, 96), (100, 127)])
def test_every_byte_in_front_of_damage_comes_out(position: int, written: int) -> None:
    damaged = flipped(_SQUARES, position, 2)
    assert written == len(outcome(Compression.LZMA, [damaged]).content)
    assert written == len(outcome(Compression.LZMA, cut(damaged, position)).content)


@pytest.mark.parametrize("compression", [Compression.LZMA, Compression.XZ])
def test_little_is_lost_where_damage_comes_late(compression: Compression) -> None:
    """Input is kept for a second try up to 1 MiB only: behind that the output of one call is lost."""
    noise = random.Random(20).randbytes(3 * MIB)
    kind = lzma.FORMAT_ALONE if compression is Compression.LZMA else lzma.FORMAT_XZ
    data = bytearray(lzma.compress(noise, kind, preset=0))
    middle = len(data) * 2 // 3
    data[middle : middle + 70_000] = bytes(70_000)
    found = outcome(compression, [bytes(data)], threads=1)
    assert found == outcome(compression, cut(bytes(data), 5), threads=2)
    assert found.error is InvalidImageError
    assert noise[: MIB * 3 // 2] == found.content[: MIB * 3 // 2]
