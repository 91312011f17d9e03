"""
File arguments: paths or binary streams, opened by the outermost function and by nobody else.

A stream need not be seekable; a pipe works.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, TypeAlias

import attrs

from lxdimage._arguments import check_file
from lxdimage._chunks import READ_SIZE, Chunks
from lxdimage.errors import BuildError, InvalidImageError
from lxdimage.rules import diagnose

__all__ = [
    "FileArgument",
    "Progress",
    "Source",
    "Tracker",
    "check_file_count",
    "file_name",
    "open_sources",
    "spool",
]

FileArgument: TypeAlias = str | os.PathLike[str] | BinaryIO
"""What public functions take as a file: a path, or a binary stream that is read from where it stands."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes read so far and the bytes there are in all, None where a stream does not tell."""


_SMALL = 1 << 20


@attrs.frozen
class Source:
    """
    An open file.

    Attributes:
        name: What findings call it.
        stream: Its bytes.
        size: How many, None where a stream does not tell.
        start: Where the stream stood when it was opened, None where it cannot go back there.
    """

    name: str
    stream: BinaryIO = attrs.field(repr=False)
    size: int | None = None
    start: int | None = None

    def chunks(self, size: int = READ_SIZE) -> Chunks:
        """Yield the bytes from where the stream stands; a short read is not the end."""
        read = self.stream.read
        while chunk := read(size):
            yield chunk

    def steady_chunks(self) -> Chunks:
        """
        Yield the bytes as `chunks` does, for what is to be written elsewhere.

        Raises:
            BuildError: At the end, when the file has changed since the beginning.
        """
        before = self._state()
        for chunk in self.chunks():  # noqa: UP028 - whoever stops early leaves the stream as it is
            yield chunk
        if self._state() != before:
            text = f"{self.name!r} changed while it was read"
            raise BuildError(diagnose("file-changed", text, source=self.name))

    def _state(self) -> tuple[int, int] | None:
        """Return size and time of a regular file; None of whatever has neither."""
        try:
            status = os.fstat(self.stream.fileno())
        except (OSError, AttributeError):  # a stream without a file
            return None
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    @property
    def seekable(self) -> bool:
        """Whether the stream can be read again."""
        return self.start is not None

    @property
    def is_large(self) -> bool:
        """Whether work on it is worth a thread of its own: so it is where a stream does not tell its size."""
        return self.size is None or self.size > _SMALL

    @property
    def whole(self) -> bool:
        """Whether places in the stream are places in the file, which can be read at any of them."""
        return self.start == 0

    @contextmanager
    def at_any_place(self, chunks: Chunks) -> Iterator[BinaryIO]:
        """Give the file to be read at any place; *chunks*, its bytes, are read where it is not `whole`."""
        if self.whole:
            yield self.stream
        else:
            with spool(chunks) as file:
                yield file


def file_name(file: FileArgument) -> str:
    """Return what findings call *file*."""
    if isinstance(file, str | os.PathLike):
        return os.fsdecode(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "<stream>"


def spool(chunks: Chunks) -> BinaryIO:
    """Return a temporary file with the bytes of *chunks*, for input that cannot seek; the caller closes it."""
    import tempfile  # only pipes need it, and it takes long to load

    file = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function
    try:
        file.writelines(chunks)
    except BaseException:
        file.close()
        raise
    return file


def _opened(name: str, stream: BinaryIO) -> Source:
    """Return *stream* as a source, with its place and its size where it tells them without being read."""
    try:
        if not stream.seekable():
            return Source(name, stream)
        start = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(start)
    except (OSError, AttributeError):
        return Source(name, stream)
    return Source(name, stream, end - start, start)


def check_file_count(files: Sequence[object]) -> None:
    """
    Check that *files* can be those of an image.

    Raises:
        InvalidImageError: There are none, or more than two.
    """
    if not 1 <= len(files) <= 2:
        raise InvalidImageError(diagnose("file-count", f"an image is one file or two, {len(files)} given"))


@contextmanager
def open_sources(files: Sequence[FileArgument]) -> Iterator[list[Source]]:
    """
    Open *files*, and close at the end those that were opened here.

    Raises:
        OSError: When a path cannot be opened, or is a character device.
    """
    with ExitStack() as stack:
        sources = []
        for file in files:
            check_file(file, "a file", "read")
            if isinstance(file, str | os.PathLike):
                stream: BinaryIO = stack.enter_context(open(file, "rb", buffering=0))  # noqa: PTH123
                if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                    # Some of them never end, and none holds an image.
                    raise OSError(
                        errno.EINVAL, "a character device cannot be read as a file", os.fsdecode(file)
                    )
            else:
                stream = file
            sources.append(_opened(file_name(file), stream))
        yield sources


class Tracker:
    """Tells *progress* of the bytes that pass, at most once for each megabyte."""

    def __init__(self, progress: Progress | None, sources: Sequence[Source]) -> None:
        self._progress = progress
        sizes = [source.size for source in sources]
        self._total = None if None in sizes else sum(size for size in sizes if size is not None)
        self._done = 0
        self._told = 0

    def tap(self, chunks: Chunks) -> Chunks:
        """Yield *chunks* and count them."""
        if self._progress is None:
            yield from chunks
            return
        for chunk in chunks:
            self._done += len(chunk)
            if self._done - self._told >= 1 << 20 or self._done == self._total:
                self._told = self._done
                self._progress(self._done, self._total)
            yield chunk
