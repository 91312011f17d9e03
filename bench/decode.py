"""
What our decoders cost beside the bare codecs, in one process: ours / bare, less is better.

Takes the number of rounds and compressed files; prints one JSON object: for each file the median of paired rounds,
with one thread and, where a file can be decoded in parallel, with two.
"""

from __future__ import annotations

import bz2
import json
import lzma
import statistics
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import zstandard

from inprocess import chunks, seconds
from lxdimage.compression import HEAD_SIZE, Compression, decode, detect

PIECE = 1 << 20


class Decompressor(Protocol):
    """The shape of the standard library's incremental decompressors."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more must be given before more can be returned."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Take *data* and return at most *max_length* bytes."""


def bare_stream(new: Callable[[], Decompressor]) -> Callable[[Path], Iterator[bytes]]:
    """Return a loop around a decompressor that takes one stream."""

    def run(path: Path) -> Iterator[bytes]:
        decompressor = new()
        for chunk in chunks(path):
            data = chunk
            while not decompressor.eof:
                yield decompressor.decompress(data, PIECE)
                if decompressor.needs_input:
                    break
                data = b""

    return run


def bare_gzip(path: Path) -> Iterator[bytes]:
    """Decode one member by ISA-L when it is installed, else by zlib."""
    try:
        from isal import igzip_lib
    except ImportError:
        yield from bare_zlib(path)
    else:
        yield from bare_stream(lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))(path)


def bare_zlib(path: Path) -> Iterator[bytes]:
    """Decode one member by zlib."""
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks(path):
        data = chunk
        while data:
            yield decompressor.decompress(data, PIECE)
            data = decompressor.unconsumed_tail


def bare_zstd(path: Path) -> Iterator[bytes]:
    """Decode all frames."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        while piece := reader.read(PIECE):
            yield piece


BARE: dict[Compression, Callable[[Path], Iterator[bytes]]] = {
    Compression.GZIP: bare_gzip,
    Compression.BZIP2: bare_stream(bz2.BZ2Decompressor),
    Compression.XZ: bare_stream(lzma.LZMADecompressor),
    Compression.LZMA: bare_stream(lzma.LZMADecompressor),
    Compression.ZSTD: bare_zstd,
}


def exhaust(pieces: Iterator[bytes]) -> None:
    """Decode and drop everything."""
    for _ in pieces:
        pass


def ratio(path: Path, compression: Compression, threads: int, rounds: int) -> float:
    """Return ours / bare, the median of paired rounds."""
    ratios = []
    for _ in range(rounds):
        bare = seconds(lambda: exhaust(BARE[compression](path)))
        ours = seconds(lambda: exhaust(decode(compression, chunks(path), threads=threads)))
        ratios.append(ours / bare)
    return round(statistics.median(ratios), 3)


def main(rounds: int, *files: Path) -> None:
    """Print the figures."""
    figures: dict[str, dict[str, float]] = {}
    for path in files:
        with path.open("rb") as file:
            compression = detect(file.read(HEAD_SIZE))
        assert compression is not None
        several = (1, 2) if compression in {Compression.XZ, Compression.BZIP2} else (1,)
        figures[path.name] = {
            f"threads {count}": ratio(path, compression, count, rounds) for count in several
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
