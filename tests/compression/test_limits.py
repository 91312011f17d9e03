"""Bombs stop at limits that a caller can raise, and decoding takes the memory that it should."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import zstandard

from lxdimage.compression import Compression, decode
from lxdimage.errors import LimitExceededError
from lxdimage.limits import Limits
from streams import SMALL, Outcome, Stream, corpus, outcome

MIB = 1 << 20


@pytest.mark.parametrize("stream", SMALL.values(), ids=SMALL.keys())
def test_content_up_to_the_limit_comes_out(stream: Stream) -> None:
    size = len(stream.content)
    assert Outcome(stream.content) == outcome(stream.compression, [stream.data], limits=Limits(size=size))
    found = outcome(stream.compression, [stream.data], limits=Limits(size=size - 1))
    assert (stream.content[:-1], LimitExceededError) == (found.content, found.error)
    assert found.codes == ("decompression-limit",)
    assert f"the content exceeds Limits.size, {size - 1} bytes" in found.message


@pytest.mark.parametrize("stream", list(corpus()), ids=lambda stream: stream.name)
def test_the_limit_does_not_depend_on_threads(stream: Stream) -> None:
    limits = Limits(size=len(stream.content) // 2 + 1)
    expected = outcome(stream.compression, [stream.data], limits=limits, threads=1)
    found = outcome(stream.compression, [stream.data], limits=limits, threads=2)
    assert (expected.content, expected.codes) == (found.content, found.codes)


def test_what_is_not_compressed_has_a_limit_too() -> None:
    assert outcome(Compression.NONE, [bytes(100)], limits=Limits(size=99)).codes == ("decompression-limit",)


def _bomb(parts: int) -> Iterator[bytes]:
    frame = zstandard.ZstdCompressor().compress(bytes(16 * MIB))
    return iter([frame] * parts)


def _size(chunks: Iterator[bytes], limits: Limits) -> int:
    return sum(map(len, decode(Compression.ZSTD, chunks, limits=limits)))


def test_the_ratio_counts_from_256_mib_on() -> None:
    """Small files may be all zeros; large ones hardly."""
    assert _size(_bomb(16), Limits()) == 256 * MIB
    with pytest.raises(LimitExceededError, match=r"decompress to more than Limits.ratio, 2000 times as many"):
        _size(_bomb(20), Limits())
    assert _size(_bomb(20), Limits(ratio=100_000)) == 320 * MIB


_PACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: lambda data: gzip.compress(data, 6, mtime=0),
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lambda data: lzma.compress(data, preset=0),
    Compression.LZMA: lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    Compression.ZSTD: lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}

# Runs in a process of its own: the peak counts from its start.
_MEASURE = """
import sys
from lxdimage.compression import Compression, decode
from lxdimage.limits import Limits
part = sys.stdin.buffer.read()
size = 0
chunks = (part for _ in range(int(sys.argv[2])))
for piece in decode(Compression(sys.argv[1]), chunks, limits=Limits(ratio=10**9), threads=int(sys.argv[3])):
    size += len(piece)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(size, peak.split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("compression", "megabytes", "threads", "most"),
    [
        (Compression.GZIP, 512, 1, 32),
        (Compression.ZSTD, 1024, 1, 32),
        (Compression.XZ, 96, 1, 32),
        (Compression.LZMA, 64, 1, 32),
        (Compression.BZIP2, 64, 1, 32),
        (Compression.BZIP2, 96, 2, 72),
    ],
)
def test_decoding_much_takes_little_memory(
    compression: Compression, megabytes: int, threads: int, most: int
) -> None:
    whole = 1 if compression is Compression.LZMA else megabytes // 32
    part = _PACK[compression](bytes(megabytes // whole * MIB))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, compression.value, str(whole), str(threads)],
        input=part,
        capture_output=True,
        check=True,
        timeout=120,
    )
    size, peak = map(int, done.stdout.split())
    assert megabytes * MIB == size
    assert peak < most * 1024
