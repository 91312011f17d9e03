"""The programs that daemons run are the reference: they write the same before damage and read what is written."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess

import pytest

from lxdimage.compression import Compression
from lxdimage.compression._encode_xz import PRESETS
from lxdimage.compression.writing import encode
from streams import SMALL, Stream, corpus, flipped, outcome, text

pytestmark = pytest.mark.conformance

PROGRAMS = {
    Compression.GZIP: "gzip",
    Compression.BZIP2: "bzip2",
    Compression.XZ: "xz",
    Compression.LZMA: "lzma",
    Compression.ZSTD: "zstd",
    Compression.LZ4: "lz4",
}
MIB = 1 << 20
# The packages that have them: gzip, bzip2, xz-utils, zstd, lz4.


def _run(command: list[str], data: bytes) -> tuple[bytes, int]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)
    return done.stdout, done.returncode


@functools.cache
def _lz4_stream() -> Stream:
    found = next(stream for stream in corpus() if stream.name == "lz4-no-checksum.lz4")
    return Stream(name="lz4", compression=Compression.LZ4, data=found.data, content=found.content)


_LONGEST_MATCH = 258
_EXACT = 1 << 18


def _compare(stream: Stream, data: bytes) -> None:
    """
    Compare what decoding comes to with what the program writes.

    Two differences are known: of xz the byte in front of damage may be lost; gzip wants to see some bits behind a
    match before it writes it, so that of a large file the last one in front of a cut may come out here and not there.
    """
    found = outcome(stream.compression, [data])
    written, status = _run([PROGRAMS[stream.compression], "-d"], data)
    assert bool(status) == bool(found.error), (status, found.message)
    if stream.compression is Compression.XZ and len(found.content) == len(written) - 1:
        written = written[:-1]
    if (
        found.codes == ("truncated-stream",)
        and stream.compression is Compression.GZIP
        and len(data) >= _EXACT
    ):
        assert found.content.startswith(written)
        assert len(found.content) - len(written) <= _LONGEST_MATCH
    else:
        assert written == found.content


streams = pytest.mark.parametrize("stream", [*SMALL.values(), _lz4_stream()], ids=lambda stream: stream.name)


@streams
def test_a_cut_stream_comes_out_as_from_the_program(stream: Stream) -> None:
    for size in random.Random(15).sample(range(len(stream.data)), 15):
        _compare(stream, stream.data[:size])


@streams
def test_a_flipped_bit_has_the_effect_that_it_has_on_the_program(stream: Stream) -> None:
    """
    Sizes in front of LZMA2 data are left alone: xz reads on behind the data there, up to the end of its buffer.

    Later versions of libzstd find damage that earlier ones take.
    """
    numbers = random.Random(16)
    for position in numbers.sample(range(len(stream.data)), 15):
        if stream.compression is Compression.XZ and position % len(SMALL["xz"].data) in range(24, 30):
            continue
        if stream.compression is Compression.ZSTD:
            _compare_loosely(stream, flipped(stream.data, position, 7))
        else:
            _compare(stream, flipped(stream.data, position, numbers.randrange(8)))


def _compare_loosely(stream: Stream, data: bytes) -> None:
    found = outcome(stream.compression, [data])
    written, status = _run([PROGRAMS[stream.compression], "-d"], data)
    if not found.error:
        assert (written, status) == (found.content, 0)


@streams
@pytest.mark.parametrize("tail", [bytes(1), bytes(4), bytes(12), b"garbage", b"x", bytes(2) + b"x"])
def test_what_follows_a_stream_is_judged_as_the_program_judges_it(stream: Stream, tail: bytes) -> None:
    _compare(stream, stream.data + tail)
    if stream.compression.appends:
        _compare(stream, stream.data + stream.data[:5])
        _compare(stream, stream.data + stream.data + tail)


@pytest.mark.parametrize("stream", list(corpus()), ids=lambda stream: stream.name)
def test_damage_in_large_streams_comes_out_as_from_the_program(stream: Stream) -> None:
    for size in random.Random(17).sample(range(len(stream.data)), 3):
        _compare(stream, stream.data[:size])


@pytest.mark.parametrize("compression", PROGRAMS)
@pytest.mark.parametrize("content", [b"", b"x", text(60_000) + bytes(MIB)], ids=["empty", "a byte", "large"])
def test_programs_read_what_is_written(compression: Compression, content: bytes) -> None:
    levels = (None, 1) if compression is not Compression.LZ4 else (None,)
    content = content[-MIB:] if compression is Compression.LZ4 else content
    for level in levels:
        packed = b"".join(encode(compression, iter([content]), level=level, threads=2))
        if compression.appends:
            packed = b"".join(encode(compression, iter([b"head"]), level=level)) + packed
        expected = b"head" + content if compression.appends else content
        assert (expected, 0) == _run([PROGRAMS[compression], "-d"], packed)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize(
    "content",
    [b"", b"x", text(1000), bytes(7 * MIB), text(80_000)[:MIB], random.Random(18).randbytes(MIB + 1)],
    ids=["empty", "a byte", "small", "zeros", "one block", "random"],
)
def test_xz_writes_the_same_bytes_with_its_own_threads(level: int, content: bytes) -> None:
    expected, status = _run(["xz", f"-{level}", "-T2", "-c"], content)
    assert status == 0
    assert expected == b"".join(encode(Compression.XZ, iter([content]), level=level, threads=2))


def test_xz_with_blocks_of_the_same_size_writes_the_same_bytes() -> None:
    """At the default level, whose blocks are of 24 MiB: zeros for the most part, because those take little time."""
    content = text(50_000) + bytes(PRESETS[6].block) + text(50_000)
    expected, status = _run(["xz", "-T2", "--block-size=24MiB", "-c"], content)
    assert status == 0
    assert expected == b"".join(encode(Compression.XZ, iter([content]), threads=2))


def test_the_largest_window_that_zstd_takes_is_the_one_that_is_taken() -> None:
    for exponent, taken in ((27, True), (28, False)):
        packed, _ = _run(["zstd", "--ultra", f"--zstd=wlog={exponent}", "-1", "-c"], bytes(200_000))
        _, status = _run(["zstd", "-d"], packed)
        assert taken == (status == 0) == (outcome(Compression.ZSTD, [packed]).error is None)
