"""
Compression that gives the same bytes for the same content, whatever the machine has: one entry for all formats.

Content is cut into blocks of fixed sizes and blocks go to threads, so that neither the number of threads nor the
chunks in which content arrives show in the output.  No accelerator is used: those give other bytes.  What decides
the bytes besides content and level is the version of zlib, libbz2, liblzma or libzstd.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterator

import attrs

from lxdimage._chunks import READ_SIZE, Chunks
from lxdimage.compression._detect import Compression
from lxdimage.compression._encode_lz4 import encode_lz4
from lxdimage.compression._encode_xz import PRESETS, encode_xz
from lxdimage.compression._jobs import Job, blocks, in_order
from lxdimage.errors import BuildError
from lxdimage.rules import diagnose

__all__ = ["encode"]

_MIB = 1 << 20
_MEMORY = 1 << 30
_MOST_THREADS = 64  # libzstd takes no more on every platform


@attrs.frozen(kw_only=True)
class _Encoder:
    """
    How a format is written.

    Attributes:
        levels: The levels that it has.
        level: The default.
        encode: Takes the content, a level and a number of threads.
        memory: Bytes that a thread needs at a level; roughly.
    """

    levels: range
    level: int
    encode: Callable[[Chunks, int, int], Chunks]
    memory: Callable[[int], int]


def encode(
    compression: Compression,
    chunks: Chunks,
    *,
    level: int | None = None,
    threads: int | None = None,
    memory: int | None = None,
) -> Chunks:
    """
    Yield *chunks* compressed.

    The output of several calls, one after the other, is a valid file of that compression (see
    `Compression.appends`): so the head of an image can be a stream of its own.

    Args:
        compression: The format; not `Compression.SQUASHFS`, which is a file system.
        chunks: The content.
        level: Speed against size, by the format's own scale; its usual default unless given.
        threads: At most so many threads compress; as many as there are processors unless given.
        memory: Bytes that all threads together may need, 1 GiB unless given; fewer threads run when that is not
            enough, but one always does: xz needs 100 MiB for it at level 6 and 900 MiB at level 9.

    Returns:
        The compressed bytes, lazily.

    Raises:
        BuildError: The format cannot be written, or does not have the level.
    """
    encoder = _ENCODERS.get(compression)
    if encoder is None:
        raise BuildError(diagnose("unwritable-compression", f"{compression.value} cannot be written here"))
    level = encoder.level if level is None else level
    if level not in encoder.levels:
        raise BuildError(diagnose("unknown-level", _level_message(compression, level, encoder.levels)))
    affordable = (_MEMORY if memory is None else memory) // max(1, encoder.memory(level))
    wanted = min(threads or os.cpu_count() or 1, _MOST_THREADS)
    return encoder.encode(chunks, level, max(1, min(wanted, affordable)))


def _level_message(compression: Compression, level: int, levels: range) -> str:
    if len(levels) == 1:
        return f"{compression.value} has the level {levels[0]} alone, not {level!r}"
    return f"{compression.value} has the levels {levels[0]} to {levels[-1]}, not {level!r}"


def _encode_none(chunks: Chunks, _level: int, _threads: int) -> Chunks:
    return filter(None, chunks)


# Blocks large enough that taking in the window again costs next to nothing, small enough that the reader of
# the output of the first one need not wait.
_GZIP_BLOCK, _GZIP_WINDOW = 1 << 19, 1 << 15
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
_GZIP_LAST = b"\x03\x00"


def _encode_gzip(chunks: Chunks, level: int, threads: int) -> Chunks:
    """Yield one member; every block may refer to the window in front of it (RFC 1952, RFC 1951)."""
    crc = size = 0

    def jobs() -> Iterator[Job]:
        nonlocal crc, size
        window = b""
        for block in blocks(chunks, _GZIP_BLOCK):
            crc = zlib.crc32(block, crc)
            size += len(block)
            yield _deflate(block, window, level)
            window = block[-_GZIP_WINDOW:]

    yield _GZIP_HEADER
    yield from in_order(jobs(), threads, threads)
    yield _GZIP_LAST + crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _deflate(block: bytes, window: bytes, level: int) -> Job:
    def job() -> bytes:
        stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_DEFAULT_STRATEGY, window)
        return stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH)

    return job


def _encode_bzip2(chunks: Chunks, level: int, threads: int) -> Chunks:
    """Yield a stream for every block; a block has room for 19 bytes less than its nominal size."""
    empty = True
    jobs = (_bzip2(block, level) for block in blocks(chunks, level * 100_000 - 20))
    for packed in in_order(jobs, threads, threads):
        empty = False
        yield packed
    if empty:
        yield bz2.compress(b"", level)


def _bzip2(block: bytes, level: int) -> Job:
    return lambda: bz2.compress(block, level)


def _encode_lzma(chunks: Chunks, level: int, _threads: int) -> Chunks:
    """Yield an ``.lzma`` file, for which there is one thread only."""
    stream = lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=level)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()


_ZSTD_JOB = 2 << 20
_ZSTD_LONG = 6  # the level from which on a job begins with a good part of the window in front of it


def _encode_zstd(chunks: Chunks, level: int, threads: int) -> Chunks:
    """Yield a frame with a checksum, by libzstd's threads: with at least one, bytes do not depend on how many."""
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, threads=threads, job_size=_zstd_job(level), write_checksum=True
    )
    chunker = zstandard.ZstdCompressor(compression_params=parameters).chunker(chunk_size=READ_SIZE)
    for chunk in chunks:
        yield from chunker.compress(chunk)
    yield from chunker.finish()  # type: ignore[no-untyped-call]


def _zstd_window(level: int) -> int:
    import zstandard

    return 1 << int(zstandard.ZstdCompressionParameters.from_level(level).window_log)


def _zstd_job(level: int) -> int:
    """Return the size of a job: a quarter of libzstd's own at low levels, for memory, and half of it at high ones."""
    return max(_ZSTD_JOB, _zstd_window(level) * (2 if level >= _ZSTD_LONG else 1))


_ENCODERS: dict[Compression, _Encoder] = {
    Compression.NONE: _Encoder(levels=range(1), level=0, encode=_encode_none, memory=lambda _: 0),
    Compression.GZIP: _Encoder(levels=range(1, 10), level=6, encode=_encode_gzip, memory=lambda _: _MIB),
    Compression.BZIP2: _Encoder(
        levels=range(1, 10), level=9, encode=_encode_bzip2, memory=lambda level: (level + 2) * _MIB
    ),
    Compression.XZ: _Encoder(
        levels=range(10), level=6, encode=encode_xz, memory=lambda level: PRESETS[level].memory
    ),
    Compression.LZMA: _Encoder(levels=range(10), level=6, encode=_encode_lzma, memory=lambda _: 0),
    Compression.ZSTD: _Encoder(
        levels=range(1, 23),
        level=3,
        encode=_encode_zstd,
        memory=lambda level: 4 * _zstd_job(level) + 2 * _zstd_window(level),
    ),
    Compression.LZ4: _Encoder(levels=range(1, 2), level=1, encode=encode_lz4, memory=lambda _: 0),
}
