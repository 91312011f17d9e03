"""
Editing without touching the root: a new head in front of the bytes that were there.

That is possible where metadata.yaml and the templates are a compressed stream of their own in front of the root's,
as in every image that is written here, or where the tar is not compressed at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lxdimage.archive import TarReader
from lxdimage.build._origin import OriginFile
from lxdimage.build._parts import Control, Disk, Part, Root
from lxdimage.build._reading import read_unified
from lxdimage.compression import Compression, decode
from lxdimage.compression.writing import take_first
from lxdimage.errors import InvalidImageError
from lxdimage.limits import Limits

__all__ = ["TakenHead", "take_head"]

_LARGEST = 4 << 20
_LOOKED_AT = 2 << 20


class TakenHead:
    """
    The head of an image, taken off its file.

    Attributes:
        root: The first member of the root, of which only the kind counts.
    """

    def __init__(self, file: OriginFile, stream: bytes, content: bytes, root: Root | Disk) -> None:
        self.root = root
        self._file = file
        self._stream = stream
        self._content = content

    def parts(self) -> Iterator[Part]:
        """Yield what is in it."""
        return read_unified(TarReader(iter((self._content,))), self._file.name)

    def give_back(self) -> None:
        """Put the head back in front of the root, for another way of reading."""
        self._file.cursor.give_back(self._stream)


def take_head(file: OriginFile, limits: Limits) -> TakenHead | None:
    """
    Take the head off a unified image, so that the root's bytes are what comes next.

    Args:
        file: The image.
        limits: Bounds on what it may use.

    Returns:
        The head; None, and nothing taken, where it is not apart from the root.
    """
    if file.compression is Compression.NONE:
        return _take_plain(file)
    first = take_first(file.compression, file.cursor, size=_LARGEST, limits=limits)
    if first is None:
        return None
    root = _root_at(file, limits) if _holds_no_root(first.content, file) else None
    if root is None:
        file.cursor.give_back(first.stream)
        return None
    return TakenHead(file, first.stream, first.content, root)


def _holds_no_root(content: bytes, file: OriginFile) -> bool:
    """Tell whether *content* is whole members beside the root, and the archive goes on behind them."""
    reader = TarReader(iter((content,)))
    try:
        apart = all(isinstance(part, Control) for part in read_unified(reader, file.name))
    except InvalidImageError:
        return False
    return apart and reader.count > 0 and not reader.ended and not reader.cut


def _root_at(file: OriginFile, limits: Limits) -> Root | Disk | None:
    """Return the member that comes next, if it is the root's: a second stream might go on with the head."""
    start = file.cursor.peek(_LOOKED_AT)
    reader = TarReader(decode(file.compression, iter((start,)), limits=limits, threads=1))
    try:
        (part,) = islice(read_unified(reader, file.name), 1)
    except (InvalidImageError, ValueError):
        return None
    return part if isinstance(part, Root | Disk) else None


def _take_plain(file: OriginFile) -> TakenHead | None:
    """Take the members in front of the root off a tar that is not compressed."""
    size = 1 << 14
    while True:
        start = file.cursor.peek(size)
        reader = TarReader(iter((start,)))
        try:
            for part in read_unified(reader, file.name):
                if not isinstance(part, Control):
                    break
            else:
                return None
        except InvalidImageError:
            if len(start) < size or size >= _LARGEST:
                return None
            size *= 4
            continue
        if not isinstance(part, Root | Disk) or not part.member.offset:
            return None
        content = file.cursor.take(part.member.offset)
        return TakenHead(file, content, content, part)
