"""Compressed streams for tests, made without the package, and what decoding one comes to."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import zstandard

from lxdimage.compression import Compression, decode
from lxdimage.errors import LXDImageError

__all__ = [
    "CONTENT",
    "CORPUS",
    "SMALL",
    "Outcome",
    "Stream",
    "corpus",
    "crc",
    "cut",
    "flipped",
    "outcome",
    "text",
]

CORPUS = Path(__file__).parent / "corpus" / "compression"

_EXTENSIONS = {
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".lzma": Compression.LZMA,
    ".zst": Compression.ZSTD,
    ".lz4": Compression.LZ4,
}


@attrs.frozen(kw_only=True)
class Stream:
    """
    A compressed stream.

    Attributes:
        name: For the name of a test.
        compression: Its format.
        data: Its bytes.
        content: What it holds.
        parts: Where a stream within it ends, so that a file cut there is complete.
    """

    name: str
    compression: Compression
    data: bytes
    content: bytes
    parts: tuple[int, ...] = ()


@attrs.frozen
class Outcome:
    """
    What decoding came to.

    Attributes:
        content: All that came out.
        error: The class of the error behind it, or None.
        codes: The codes of its findings.
        message: Its text.
    """

    content: bytes
    error: type[LXDImageError] | None = None
    codes: tuple[str, ...] = ()
    message: str = ""


def outcome(compression: Compression, chunks: Iterable[bytes], **options: Any) -> Outcome:
    """Return what decoding *chunks* comes to."""
    content = bytearray()
    try:
        for piece in decode(compression, iter(chunks), **options):
            content += piece
    except LXDImageError as error:
        codes = tuple(diagnostic.code for diagnostic in error.diagnostics)
        return Outcome(bytes(content), type(error), codes, str(error))
    return Outcome(bytes(content))


def text(lines: int) -> bytes:
    """Return text that compresses, with no line twice."""
    return b"".join(b"%d %x\n" % (number * number, number) for number in range(lines))


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield *data* in random pieces, also empty ones."""
    numbers = random.Random(seed)
    position = 0
    while position < len(data):
        size = numbers.choice((0, 1, 2, 3, 5, 17, 100, 4096, 70_000))
        yield data[position : position + size]
        position += size


def flipped(data: bytes, position: int, bit: int) -> bytes:
    """Return *data* with one bit flipped."""
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)


def crc(data: bytes) -> bytes:
    """Return the CRC-32 of *data* as the formats store it."""
    return zlib.crc32(data).to_bytes(4, "little")


def corpus() -> Iterator[Stream]:
    """Yield the streams that other programs made."""
    for name, case in json.loads((CORPUS / "index.json").read_text("utf-8")).items():
        path = CORPUS / name
        yield Stream(
            name=name,
            compression=_EXTENSIONS[path.suffix],
            data=path.read_bytes(),
            content=text(case["lines"]),
        )


CONTENT = text(60)


def _joined(name: str, compression: Compression, *parts: bytes) -> Stream:
    ends = tuple(sum(map(len, parts[: count + 1])) for count in range(len(parts) - 1))
    data = b"".join(parts)
    return Stream(name=name, compression=compression, data=data, content=CONTENT * len(parts), parts=ends)


def _gzip_with_all_fields(content: bytes) -> bytes:
    header = b"\x1f\x8b\x08\x1f\x01\x02\x03\x04\x00\x03\x03\x00ABCname\x00comment\x00"
    packed = zlib.compress(content, wbits=-15)
    header += crc(header)[:2]
    return header + packed + crc(content) + len(content).to_bytes(4, "little")


def _zstd(content: bytes, *, checksum: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(content)


_GZIP = gzip.compress(CONTENT, mtime=0)
_BZIP2 = bz2.compress(CONTENT, 1)
_XZ = lzma.compress(CONTENT)

_ALL = (
    _joined("gzip", Compression.GZIP, _GZIP),
    _joined("gzip-members", Compression.GZIP, _GZIP, _GZIP),
    _joined("gzip-fields", Compression.GZIP, _gzip_with_all_fields(CONTENT)),
    _joined("bzip2", Compression.BZIP2, _BZIP2),
    _joined("bzip2-streams", Compression.BZIP2, _BZIP2, _BZIP2),
    _joined("xz", Compression.XZ, _XZ),
    _joined("xz-streams", Compression.XZ, _XZ, _XZ),
    _joined("xz-crc32", Compression.XZ, lzma.compress(CONTENT, check=lzma.CHECK_CRC32)),
    _joined("xz-sha256", Compression.XZ, lzma.compress(CONTENT, check=lzma.CHECK_SHA256)),
    _joined("lzma", Compression.LZMA, lzma.compress(CONTENT, lzma.FORMAT_ALONE)),
    _joined("zstd", Compression.ZSTD, _zstd(CONTENT)),
    _joined("zstd-frames", Compression.ZSTD, _zstd(CONTENT), _zstd(CONTENT)),
)

SMALL: Mapping[str, Stream] = {stream.name: stream for stream in _ALL}
"""Streams small enough to try every byte of them."""
