"""Zstandard frames: followed by their sizes, so that cuts and garbage are told, and refused as the program does."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.compression import Compression
from lxdimage.compression._zstd import _Frames
from lxdimage.errors import LimitExceededError, TruncatedImageError, UnsupportedFormatError
from lxdimage.limits import Limits
from streams import CONTENT, SMALL, Outcome, Stream, corpus, cut, flipped, outcome

MIB = 1 << 20
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)
SKIPPABLE = b"\x5f\x2a\x4d\x18\x05\x00\x00\x00hello"
STREAMS = [stream for stream in corpus() if stream.compression is Compression.ZSTD]


def _window(exponent: int, mantissa: int = 0) -> bytes:
    """Return a frame with a stored block of three bytes that asks for a window of that size."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes(((exponent - 10) << 3 | mantissa,)) + b"\x19\x00\x00abc"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(FRAME + SKIPPABLE, CONTENT, id="a skippable frame at the end"),
        pytest.param(FRAME + SKIPPABLE + FRAME, CONTENT * 2, id="one between frames"),
        pytest.param(SKIPPABLE + FRAME, CONTENT, id="one in front, which daemons do not detect"),
        pytest.param(SKIPPABLE * 2 + b"\x50\x2a\x4d\x18" + bytes(4), b"", id="nothing else"),
        pytest.param(_window(27), b"abc", id="the largest window that zstd takes"),
        pytest.param(b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", b"", id="an empty frame"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\x00\x83\x01\x00x", b"x" * 48, id="a block of equal bytes"),
    ],
)
def test_frames_decode_to_their_content(data: bytes, expected: bytes) -> None:
    for chunks in ([data], cut(data, 3), (data[at : at + 1] for at in range(len(data)))):
        assert Outcome(expected) == outcome(Compression.ZSTD, chunks)


@pytest.mark.parametrize("data", [FRAME + SKIPPABLE[:-1], FRAME + SKIPPABLE[:6], FRAME * 2 + FRAME[:3]])
def test_a_frame_that_is_cut_is_told_behind_good_ones(data: bytes) -> None:
    found = outcome(Compression.ZSTD, [data])
    assert found.error is TruncatedImageError
    assert f"at byte {len(data)} " in found.message


@pytest.mark.parametrize(
    "tail", [b"\x28\xb5\x2f\xfe", b"\x28\xb5\x2f\xfe" * 50_000, b"abc", b"\x22\xb5\x2f\xfd"]
)
def test_garbage_does_not_reach_the_decoder(tail: bytes) -> None:
    """Its complaint would cost the content of the call."""
    found = outcome(Compression.ZSTD, [FRAME + tail])
    assert (CONTENT, ("trailing-garbage",)) == (found.content, found.codes)
    assert f"at byte {len(FRAME)} " in found.message


_OTHERS = ("gzip", "xz", "lzma", "zstd")


@pytest.mark.parametrize("first", _OTHERS)
@pytest.mark.parametrize("second", _OTHERS)
def test_streams_that_zstd_decodes_behind_a_frame_are_content(first: str, second: str) -> None:
    data = FRAME + SMALL[first].data + SMALL[second].data
    assert (
        Outcome(CONTENT * 3) == outcome(Compression.ZSTD, [data]) == outcome(Compression.ZSTD, cut(data, 4))
    )


def test_an_lz4_frame_behind_a_frame_is_content() -> None:
    frame = next(stream for stream in corpus() if stream.name == "lz4-no-checksum.lz4")
    assert Outcome(CONTENT + frame.content + CONTENT) == outcome(
        Compression.ZSTD, [FRAME + frame.data + FRAME]
    )


@pytest.mark.parametrize(
    "tail", [SMALL["bzip2"].data, SMALL["gzip"].data + b"x", SMALL["xz"].data + bytes(4)]
)
def test_streams_that_zstd_does_not_decode_are_garbage(tail: bytes) -> None:
    assert ("trailing-garbage",) == outcome(Compression.ZSTD, [FRAME + tail]).codes


def _frame_of_window(exponent: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=exponent)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(bytes(3 * MIB)) + stream.flush()


def test_a_window_that_zstd_refuses_is_refused() -> None:
    """Even where limits allow it: no daemon could unpack the image."""
    found = outcome(Compression.ZSTD, [_frame_of_window(28)], limits=Limits(window=1 << 30))
    assert (b"", UnsupportedFormatError, ("unsupported-stream",)) == (found.content, found.error, found.codes)
    assert "window of more than 128 MiB" in found.message


def test_a_window_beyond_the_limit_is_refused() -> None:
    frame = _frame_of_window(24)
    found = outcome(Compression.ZSTD, [frame], limits=Limits(window=MIB))
    assert (LimitExceededError, ("decompression-limit",)) == (found.error, found.codes)
    assert Outcome(bytes(3 * MIB)) == outcome(Compression.ZSTD, [frame])


def test_a_frame_that_needs_a_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(
        zstandard.train_dictionary(4096, [b"%d" % (number * 7919) * 9 for number in range(2000)]).as_bytes()
    )
    frame = zstandard.ZstdCompressor(dict_data=dictionary).compress(b"7919" * 100)
    found = outcome(Compression.ZSTD, [frame])
    assert (UnsupportedFormatError, ("unsupported-stream",)) == (found.error, found.codes)
    assert "dictionary" in found.message


def test_a_wrong_checksum_is_told_from_other_damage() -> None:
    assert outcome(Compression.ZSTD, [flipped(FRAME, len(FRAME) - 1, 0)]).codes == ("checksum-mismatch",)
    assert outcome(Compression.ZSTD, [_window(20)[:6] + b"\x07\x00\x00"]).codes == ("corrupt-stream",)


def test_a_failed_call_takes_its_output_along() -> None:
    """As in the program, whose buffers have 128 KiB: what a daemon reads of a damaged image depends on it."""
    frame = _window(20)[:6]
    block = (131_072 << 3 | 2).to_bytes(3, "little") + b"x"
    found = outcome(Compression.ZSTD, [frame + block * 3 + b"\x07\x00\x00"])
    assert b"x" * 131_072 * 2 == found.content


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_frames_are_followed_to_their_end(stream: Stream) -> None:
    data, frames = stream.data, _Frames()
    position = 0
    while position < len(data):
        assert position == 0 or frames.within
        step = min(1000, len(data) - position)
        assert step == frames.feed(data[position : position + step])
        position += step
    assert not frames.within


@given(st.lists(st.sampled_from([FRAME, SKIPPABLE]), max_size=4), st.integers(4, 300), st.binary(max_size=10))
def test_following_does_not_depend_on_pieces(parts: list[bytes], size: int, garbage: bytes) -> None:
    good = b"".join(parts)
    data = good + b"#" + garbage
    frames, position = _Frames(), 0
    while known := frames.feed(data[position : position + size]):
        position += known
    assert len(good) == position
    assert not frames.within
