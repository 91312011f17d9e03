"""The root as a SquashFS; the code for that is loaded when there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import attrs

from lxdimage.archive import Entry, EntryType, Member
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.formats._write import OutputFile
from lxdimage.limits import Limits

__all__ = ["read_squashfs_root", "write_squashfs_root"]

_LATEST = (1 << 32) - 1
# A SquashFS knows these, and takes zstd for others.
_COMPRESSORS = frozenset({Compression.GZIP, Compression.XZ, Compression.ZSTD})


def read_squashfs_root(stream: BinaryIO, *, limits: Limits, source: str) -> Iterator[Member]:
    """
    Yield the members of the SquashFS in *stream*.

    Raises:
        InvalidImageError: It cannot be read.
    """
    from lxdimage.formats._squashfs import read_squashfs

    return iter(read_squashfs(stream, limits=limits, source=source))


def write_squashfs_root(
    file: OutputFile,
    members: Iterable[tuple[Entry, Iterable[bytes]]],
    *,
    compression: Compression,
    level: int | None,
    threads: int | None,
    made: int = 0,
) -> Sequence[Diagnostic]:
    """
    Write *members* as a SquashFS, and return what it cannot hold.

    Args:
        file: Where to.
        members: Entries with their content.
        compression: How content is compressed, where a SquashFS knows that; by zstd otherwise.
        level: Speed against size.
        threads: At most so many compress; 0 or None for one on each processor.
        made: When it was made, in seconds since 1970.

    Raises:
        OSError: The file cannot be written.
    """
    from lxdimage.formats._squashfs import Compressor, write_squashfs

    compressor = Compressor[(compression if compression in _COMPRESSORS else Compression.ZSTD).name]
    with file.random_access() as stream:
        written = write_squashfs(
            (_as_unpacked(entry, content) for entry, content in members),
            stream,
            compressor=compressor,
            level=level,
            mtime=min(made, _LATEST),
            threads=threads or None,
        )
    return written.diagnostics


def _as_unpacked(entry: Entry, content: Iterable[bytes]) -> tuple[Entry, Iterator[bytes]]:
    """Return what GNU tar makes of an entry: a file whose name ends in a slash becomes a directory."""
    if entry.type is EntryType.FILE and entry.path.endswith("/"):
        return attrs.evolve(entry, type=EntryType.DIRECTORY, size=0, data=None), iter(())
    return entry, iter(content)
