"""Decompression within limits: one entry for all formats."""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._damage import over_limit
from lxdimage.compression._detect import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError
from lxdimage.limits import RATIO_COUNTS_FROM, Limits

__all__ = ["decode", "decode_named"]

_PIECE = 1 << 20


def _ignore(_: Diagnostic) -> None:
    pass


def decode(
    compression: Compression,
    chunks: Chunks,
    *,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    threads: int | None = None,
    report: Callable[[Diagnostic], None] = _ignore,
) -> Chunks:
    """
    Yield the content of compressed *chunks* in pieces of at most 1 MiB.

    What precedes damage is yielded before the error is raised, as the decompressor of a daemon writes it to its
    pipe: a daemon that imports the image reads exactly that.  *chunks* is never closed: whoever owns the source
    can read the rest of it afterwards.  Content and errors do not depend on how the source is cut into chunks nor
    on the number of threads.

    Args:
        compression: What `detect` found.
        chunks: The file.
        limits: Bounds on size, ratio and memory.
        threads: At most so many threads decode xz and bzip2; 1 decodes in the caller; by default two.
        report: Is told findings that do not stop the reading.

    Yields:
        The content.

    Raises:
        TruncatedImageError: The data ends too early.
        UnsupportedFormatError: The data has a feature that decompressors refuse.
        InvalidImageError: The data is damaged, or garbage follows it.
        LimitExceededError: More is needed than *limits* allow.
    """
    cursor = Cursor(chunks)
    if threads is None:
        threads = min(2, os.cpu_count() or 1)
    return _bounded(_content(compression, cursor, limits, threads, report), cursor, limits)


def _content(
    compression: Compression,
    cursor: Cursor,
    limits: Limits,
    threads: int,
    report: Callable[[Diagnostic], None],
) -> Chunks:
    # Each decoder is loaded when a file needs it: together they take longer to load than all that reads an archive.
    match compression:
        case Compression.NONE | Compression.SQUASHFS:
            return iter(lambda: cursor.take_any(_PIECE), b"")
        case Compression.GZIP:
            from lxdimage.compression._gzip import decode_gzip

            return decode_gzip(cursor)
        case Compression.BZIP2:
            from lxdimage.compression._bzip2 import decode_bzip2
            from lxdimage.compression._bzip2_blocks import MEMORY, decode_blocks

            threads = min(threads, limits.parallel_memory // MEMORY)
            return decode_blocks(cursor, report, threads) if threads > 1 else decode_bzip2(cursor, report)
        case Compression.XZ:
            from lxdimage.compression._xz import decode_xz

            return decode_xz(cursor, limits, threads)
        case Compression.LZMA:
            from lxdimage.compression._lzma import decode_lzma

            return decode_lzma(cursor, limits)
        case Compression.ZSTD:
            from lxdimage.compression._zstd import decode_zstd

            return decode_zstd(cursor, limits)
        case Compression.LZ4:
            from lxdimage.compression._lz4 import decode_lz4

            return decode_lz4(cursor)


def _bounded(content: Chunks, cursor: Cursor, limits: Limits) -> Chunks:
    """Yield *content* up to the limits on its size and on its ratio to what was read."""
    total = 0
    for piece in content:
        if total + len(piece) > limits.size:
            if total < limits.size:
                yield piece[: limits.size - total]
            raise over_limit(f"the content exceeds Limits.size, {limits.size} bytes", cursor.offset)
        total += len(piece)
        if total > RATIO_COUNTS_FROM and total > limits.ratio * cursor.offset:
            message = (
                f"{cursor.offset} bytes decompress to more than Limits.ratio, {limits.ratio} times as many"
            )
            raise over_limit(message, cursor.offset)
        yield piece


def decode_named(
    compression: Compression, chunks: Chunks, name: str, limits: Limits, threads: int | None = None
) -> Chunks:
    """
    Decode *chunks*, and give what is raised the *name* of the file.

    Raises as `decode` does.
    """
    try:
        yield from decode(compression, chunks, limits=limits, threads=threads)
    except InvalidImageError as error:
        raise type(error)(*(attrs.evolve(found, source=name) for found in error.diagnostics)) from error
