"""
Sparse files: which parts of a file hold data, and its content with and without the rest.

Whether a file is sparse follows from its content and not from its blocks, which every file system arranges in its
own way: aligned stretches of 64 KiB of zeros are holes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import chain

from lxdimage._chunks import Chunks
from lxdimage._tar import SparseMap
from lxdimage.archive._entry import Entry
from lxdimage.archive._member import shown
from lxdimage.errors import BuildError
from lxdimage.rules import diagnose

__all__ = [
    "SPARSE_FROM",
    "SparseContent",
    "closed_map",
    "find_data",
    "find_stretches",
    "pieces_within",
    "stored_chunks",
    "wrong_size",
]

SPARSE_FROM = 1 << 17
"""Smaller files are never sparse."""

_HOLE = 1 << 16
_PIECE = 1 << 20
_ZEROS = bytes(_HOLE)


class SparseContent(Iterator[bytes]):
    """
    The content of a sparse file: whoever iterates sees its holes as zeros.

    Attributes:
        stored: The stretches with data alone, one after the other.
    """

    def __init__(self, stored: Chunks, data: SparseMap, size: int) -> None:
        self.stored = stored
        self._whole = _expanded(stored, data, size)

    def __next__(self) -> bytes:
        return next(self._whole)


def _expanded(stored: Chunks, data: SparseMap, size: int) -> Chunks:
    at = 0
    buffer = b""
    for offset, length in chain(data, ((size, 0),)):
        for hole in range(at, offset, _HOLE):
            yield _ZEROS[: offset - hole]
        at, left = offset + length, length
        while left and (buffer := buffer or next(stored, b"")):
            piece, buffer = buffer[:left], buffer[left:]
            left -= len(piece)
            yield piece


def closed_map(data: SparseMap, size: int) -> SparseMap:
    """Return *data* without empty stretches but with one at the end of the file, as GNU tar wants it."""
    pairs = tuple(pair for pair in data if pair[1])
    return pairs if pairs and sum(pairs[-1]) == size else (*pairs, (size, 0))


def stored_chunks(entry: Entry, content: Iterable[bytes]) -> Chunks:
    """Return what the archive stores of a sparse file's content."""
    assert entry.data is not None
    return content.stored if isinstance(content, SparseContent) else _contracted(iter(content), entry)


def _contracted(chunks: Chunks, entry: Entry) -> Chunks:
    """Yield what lies in the stretches of *entry* that hold data, and check the size of the whole."""
    assert entry.data is not None
    size = 0

    def counted() -> Chunks:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)
            yield chunk

    for _, piece in pieces_within(counted(), entry.data):
        yield piece
    if size != entry.size:
        raise wrong_size(entry, entry.size, size)


def pieces_within(chunks: Chunks, data: SparseMap) -> Iterator[tuple[int, bytes]]:
    """
    Yield what lies within some stretches of a file's content, with the place of each piece.

    Args:
        chunks: The whole content; it is read to its end.
        data: The stretches, ascending, as (offset, length).
    """
    stretches = iter(data)
    stretch = next(stretches, None)
    start = 0
    for chunk in chunks:
        end = start + len(chunk)
        while stretch is not None and stretch[0] < end:
            offset, length = stretch
            if piece := chunk[max(0, offset - start) : offset + length - start]:
                yield max(offset, start), piece
            if offset + length > end:
                break
            stretch = next(stretches, None)
        start = end


def wrong_size(entry: Entry, expected: int, found: int) -> BuildError:
    """Return the error of content that has not the bytes that its entry claims."""
    text = f"{shown(os.fsencode(entry.path))} should have {expected} bytes of content, found {found}"
    return BuildError(diagnose("content-size", text))


# ---- looking for holes -----------------------------------------------------------------------------------------


def find_data(content: bytes) -> tuple[tuple[int, int], ...] | None:
    """Return the stretches of *content* that are not holes, or None when it has none."""
    full = [at for at in range(0, len(content), _HOLE) if not _is_hole(content, at)]
    return _merged(full, len(content))


def _is_hole(content: bytes, at: int) -> bool:
    return not content[at] and content[at : at + _HOLE] == _ZEROS[: len(content) - at]


def _merged(full: Iterable[int], size: int) -> tuple[tuple[int, int], ...] | None:
    """Return stretches from the offsets of blocks with data, or None when there is no hole."""
    stretches: list[tuple[int, int]] = []
    for at in full:
        length = min(_HOLE, size - at)
        if stretches and sum(stretches[-1]) == at:
            stretches[-1] = stretches[-1][0], stretches[-1][1] + length
        else:
            stretches.append((at, length))
    return None if stretches == [(0, size)] else tuple(stretches)


def find_stretches(descriptor: int, size: int) -> tuple[tuple[int, int], ...] | None:
    """Return the stretches of a large file that are not holes; those that the file system knows are not read."""
    return _merged(_full_blocks(descriptor, size), size)


def _full_blocks(descriptor: int, size: int) -> Iterator[int]:
    at = 0
    while at < size:
        try:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            begin = at
        at = max(at, begin // _HOLE * _HOLE)
        piece = os.pread(descriptor, _PIECE, at)
        if not piece:
            return
        yield from (at + inner for inner in range(0, len(piece), _HOLE) if not _is_hole(piece, inner))
        at += len(piece)
