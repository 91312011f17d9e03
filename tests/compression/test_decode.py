"""What holds for every format: content, damage and limits do not depend on how the source arrives."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import random
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage._chunks import drain
from lxdimage.compression import Compression, decode
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError, LXDImageError, TruncatedImageError, UnsupportedFormatError
from lxdimage.limits import Limits
from streams import CONTENT, SMALL, Outcome, Stream, corpus, cut, flipped, outcome

MIB = 1 << 20
small = pytest.mark.parametrize("stream", SMALL.values(), ids=SMALL.keys())
made = pytest.mark.parametrize("stream", list(corpus()), ids=lambda stream: stream.name)


@small
def test_a_stream_decodes_to_its_content(stream: Stream) -> None:
    assert outcome(stream.compression, [stream.data]) == Outcome(stream.content)


@small
def test_a_stream_may_come_byte_by_byte(stream: Stream) -> None:
    chunks = (stream.data[position : position + 1] for position in range(len(stream.data)))
    assert outcome(stream.compression, chunks) == Outcome(stream.content)


@made
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_streams_of_other_programs_decode(stream: Stream, threads: int) -> None:
    assert outcome(stream.compression, [stream.data], threads=threads) == Outcome(stream.content)


@made
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_may_come_in_any_pieces(stream: Stream, seed: int) -> None:
    assert outcome(stream.compression, cut(stream.data, seed)) == Outcome(stream.content)


@made
def test_pieces_are_bounded_and_not_reused(stream: Stream) -> None:
    pieces = list(decode(stream.compression, iter([stream.data])))
    assert all(type(piece) is bytes and len(piece) <= MIB for piece in pieces)
    assert stream.content == b"".join(pieces)


@small
def test_a_stream_that_is_cut_anywhere_yields_a_prefix_and_says_so(stream: Stream) -> None:
    for size in range(len(stream.data)):
        found = outcome(stream.compression, [stream.data[:size]], threads=1)
        assert stream.content.startswith(found.content)
        if size in stream.parts:
            assert found.error is None
        else:
            assert (TruncatedImageError, ("truncated-stream",)) == (found.error, found.codes), size
            assert f"at byte {size} " in found.message


@small
def test_a_flipped_bit_is_told_or_does_not_matter(stream: Stream) -> None:
    """Only lzma has no checksum: there other content may come out."""
    numbers = random.Random(1)
    for position in range(len(stream.data)):
        data = flipped(stream.data, position, numbers.randrange(8))
        found = outcome(stream.compression, [data], threads=1)
        if stream.compression is not Compression.LZMA:
            assert found.error or found.content in {stream.content, CONTENT}, position


@small
def test_damage_does_not_depend_on_pieces_or_threads(stream: Stream) -> None:
    numbers = random.Random(2)
    for _ in range(30):
        data = flipped(stream.data, numbers.randrange(len(stream.data)), numbers.randrange(8))
        data = data[: numbers.choice((len(data), numbers.randrange(len(data))))]
        expected = outcome(stream.compression, [data], threads=1)
        assert expected == outcome(stream.compression, cut(data, numbers.randrange(1000)), threads=2)


@made
def test_damage_in_large_streams_does_not_depend_on_pieces_or_threads(stream: Stream) -> None:
    numbers = random.Random(3)
    for attempt in range(4):
        data = flipped(stream.data, numbers.randrange(len(stream.data)), numbers.randrange(8))
        if attempt % 2:
            data = data[: numbers.randrange(len(data))]
        expected = outcome(stream.compression, [data], threads=1)
        assert expected == outcome(stream.compression, cut(data, attempt), threads=1)
        assert expected == outcome(stream.compression, [data], threads=3)


_TAILS = {
    "zero": b"\0",
    "four zeros": bytes(4),
    "eight zeros": bytes(8),
    "many zeros": bytes(300_001),
    "a byte": b"x",
    "text": b"garbage behind",
    "zeros and text": bytes(8) + b"garbage",
}
_ACCEPTED = {
    Compression.GZIP: {"zero", "four zeros", "eight zeros", "many zeros"},
    Compression.BZIP2: set(_TAILS),
    Compression.XZ: {"four zeros", "eight zeros"},
}
_PADDING = {"zero", "many zeros"}


@small
@pytest.mark.parametrize("tail", _TAILS)
def test_what_follows_a_stream_is_judged_as_the_programs_judge_it(stream: Stream, tail: str) -> None:
    found = outcome(stream.compression, [stream.data, _TAILS[tail]])
    assert stream.content == found.content
    if tail in _ACCEPTED.get(stream.compression, ()):
        assert found.error is None
    elif stream.compression is Compression.XZ and tail in _PADDING:
        assert found.codes == ("corrupt-stream",)
    else:
        assert found.codes == ("trailing-garbage",)
        assert f"at byte {len(stream.data)} " in found.message or stream.compression is Compression.XZ


def test_ignored_garbage_is_reported() -> None:
    reported: list[Diagnostic] = []
    data = SMALL["bzip2"].data
    pieces = decode(Compression.BZIP2, iter([data, b"garbage"]), report=reported.append)
    assert CONTENT == b"".join(pieces)
    assert [("trailing-garbage", len(data))] == [(finding.code, finding.offset) for finding in reported]


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.SQUASHFS])
def test_what_is_not_compressed_passes_through_in_bounded_pieces(compression: Compression) -> None:
    data = random.Random(4).randbytes(3 * MIB + 5)
    pieces = list(decode(compression, iter([data[:7], b"", data[7:]])))
    assert data == b"".join(pieces)
    assert max(map(len, pieces)) == MIB
    assert outcome(compression, []) == Outcome(b"")


@pytest.mark.parametrize("compression", set(Compression) - {Compression.NONE, Compression.SQUASHFS})
def test_an_empty_file_is_no_stream(compression: Compression) -> None:
    found = outcome(compression, [])
    assert (found.content, found.error) == (b"", TruncatedImageError)


@pytest.mark.parametrize("compression", set(Compression) - {Compression.NONE, Compression.SQUASHFS})
def test_text_is_no_stream(compression: Compression) -> None:
    found = outcome(compression, [b"This is a text and nothing else.\n"])
    assert found.content == b""
    assert found.error in {InvalidImageError, UnsupportedFormatError}


_TINY = {
    Compression.GZIP: gzip.compress(b"x", mtime=0),
    Compression.BZIP2: bz2.compress(b"x", 1),
    Compression.XZ: lzma.compress(b"x", preset=0),
    Compression.ZSTD: zstandard.ZstdCompressor().compress(b"x"),
    Compression.LZ4: b"\x04\x22\x4d\x18\x60\x40\x82\x01\0\0\x80x" + bytes(4),
}


@pytest.mark.parametrize("compression", _TINY)
def test_many_tiny_streams_take_time_in_proportion(compression: Compression) -> None:
    """What follows a stream is not copied around for each of them."""
    assert Outcome(b"x" * 2000) == outcome(compression, [_TINY[compression] * 2000], threads=1)


class _Source:
    """A file that is hashed on its way and knows whether somebody closed it."""

    def __init__(self, data: bytes, size: int) -> None:
        self._chunks = (data[position : position + size] for position in range(0, len(data), size))
        self.hash = hashlib.sha256()
        self.closed = False

    def chunks(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self.hash.update(chunk)
                yield chunk
        except GeneratorExit:
            self.closed = True
            raise


@made
@pytest.mark.parametrize("how", ["stops early", "fails", "ends"])
def test_the_source_is_never_closed_and_can_be_drained(stream: Stream, how: str) -> None:
    """Otherwise the fingerprint would lack what decoding does not reach, without any error."""
    data = stream.data + bytes(100_000)
    if how == "fails":
        data = flipped(data, len(stream.data) // 2, 3)
    source = _Source(data, 4096)
    chunks = source.chunks()
    content = decode(stream.compression, chunks, threads=2)
    try:
        next(content, None)
        if how != "stops early":
            drain(content)
    except LXDImageError:
        pass
    del content
    assert not source.closed
    drain(chunks)
    assert hashlib.sha256(data).hexdigest() == source.hash.hexdigest()


@pytest.mark.parametrize("threads", [1, 2])
@made
def test_errors_of_the_source_pass_through(stream: Stream, threads: int) -> None:
    def broken() -> Iterator[bytes]:
        yield stream.data[: len(stream.data) // 2]
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        drain(decode(stream.compression, broken(), threads=threads))


_MAGICS = {
    Compression.GZIP: b"\x1f\x8b\x08\x00",
    Compression.BZIP2: b"BZh91AY&SY",
    Compression.XZ: SMALL["xz"].data[:24],
    Compression.LZMA: SMALL["lzma"].data[:13],
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
    Compression.LZ4: b"\x04\x22\x4d\x18\x64\x40\xa7",
}
_LIMITS = Limits(size=4 * MIB)


@settings(max_examples=150, deadline=None)
@given(
    compression=st.sampled_from(sorted(_MAGICS, key=lambda item: item.value)), data=st.binary(max_size=300)
)
def test_any_bytes_behind_a_magic_end_in_content_or_in_an_error_of_ours(
    compression: Compression, data: bytes
) -> None:
    outcome(compression, [_MAGICS[compression] + data], limits=_LIMITS)


@settings(max_examples=100, deadline=None)
@given(
    stream=st.sampled_from(list(SMALL.values())),
    position=st.floats(0, 1),
    length=st.integers(0, 8),
    replacement=st.binary(max_size=8),
)
def test_any_replaced_bytes_end_in_content_or_in_an_error_of_ours(
    stream: Stream, position: float, length: int, replacement: bytes
) -> None:
    start = int(position * len(stream.data))
    data = stream.data[:start] + replacement + stream.data[start + length :]
    assert outcome(stream.compression, [data], limits=_LIMITS, threads=1) == outcome(
        stream.compression, [data], limits=_LIMITS, threads=2
    )
