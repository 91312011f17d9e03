"""
Writing the files of an image: all of them or none.

A file takes the name of its target in one step, when everything is written and on the disk.  Size, SHA-256 and the
image's fingerprint are computed from the bytes that pass.

The two files of a split image cannot appear in one step.  The root comes first and the metadata last: metadata
is what makes an image complete, and a reader who finds new metadata finds the new root, too.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import attrs

from lxdimage._chunks import READ_SIZE, Chunks
from lxdimage._sources import file_name
from lxdimage.errors import BuildError
from lxdimage.fingerprint import Digest, Fingerprint
from lxdimage.formats._sinks import OutputArgument, Sink, open_sink
from lxdimage.rules import diagnose

__all__ = ["OutputFile", "OutputFiles", "WrittenFile", "open_outputs"]


@attrs.frozen(kw_only=True)
class WrittenFile:
    """
    One file that was written.

    Attributes:
        path: Where, as it was given; what a stream calls itself.
        size: Bytes.
        sha256: Digest of this file alone, in hexadecimal.
    """

    path: str
    size: int
    sha256: str


class _Order:
    """
    The digest over all files, right as long as they are written one after the other.

    Attributes:
        digest: Takes the bytes of every file.
        kept: Whether all bytes came in order so far.
    """

    def __init__(self) -> None:
        self.digest = Digest()
        self.kept = True
        self._last: OutputFile | None = None

    def enter(self, file: OutputFile) -> None:
        """Take note that *file* is written from here on."""
        last = self._last
        if last is file:
            return
        if last is not None:
            last.sha256()  # waits for its thread: two must not feed one digest
            self.kept = self.kept and last.place < file.place
        self._last = file


class OutputFile:
    """
    One file while it is written.

    Attributes:
        path: What messages call it.
        place: Its number in the image: metadata 0, root 1.
        edited: Whether it was written by random access, so that its bytes have to be read again.
    """

    def __init__(self, sink: Sink, place: int, order: _Order, *, alone: bool) -> None:
        self.path = sink.path
        self.place = place
        self.edited = False
        self._written = self._hurried = 0
        self._sink = sink
        self._order = order
        # A stream of the caller's is written in the caller's thread, and may block there.
        write = self._append if sink.lasting else None
        if alone:
            order.digest = self._digest = Digest(write=write)
        else:
            self._digest = Digest(order.digest, write=write)

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self._digest.size

    def write(self, chunk: bytes) -> None:
        """
        Append one chunk.

        Raises:
            OSError: When the file cannot be written, such as on a full disk.
        """
        self._order.enter(self)
        with _named(self.path):
            self._digest.update(chunk)
            if self._digest.write is None:
                self._append(chunk)

    def _append(self, chunk: bytes | memoryview) -> None:
        if self.edited:  # it is there already, and only its digest is computed
            return
        if self._written - self._hurried >= _HURRY:
            self._sink.hurry(self._hurried, self._written)
            self._hurried = self._written
        self._written += len(chunk)
        write = self._sink.stream.write
        # A raw stream may take less than it is given.
        while (taken := write(chunk)) is not None and taken < len(chunk):
            chunk = chunk[taken:]

    def write_all(self, chunks: Chunks) -> None:
        """
        Append *chunks* to their end.

        Raises:
            OSError: When the file cannot be written.
        """
        for chunk in chunks:
            self.write(chunk)

    def copy(self, chunks: Chunks) -> None:
        """
        Append *chunks* that only have to be read, so that there is time to write them in this thread.

        Raises:
            OSError: When the file cannot be written.
        """
        self.sha256()  # waits for what is to be written before
        beside, self._digest.write = self._digest.write, None
        self.write_all(chunks)
        self.sha256()
        self._digest.write = beside

    @contextmanager
    def random_access(self) -> Iterator[BinaryIO]:
        """
        Give a seekable stream for a format that goes back to what it has written.

        All of the file is written through it; its digest is computed afterwards from what is there then.
        """
        if self._sink.lasting:
            self.sha256()  # waits for its thread
            self.edited = True
            with _named(self.path, _WRITING):
                yield self._sink.stream
            return
        with tempfile.TemporaryFile() as spool:
            yield spool
            self.write_all(_reread(spool))

    def sha256(self) -> str:
        """
        Return the digest of all bytes appended so far, in hexadecimal.

        Raises:
            OSError: When they could not all be written.
        """
        with _named(self.path):
            return self._digest.finish()

    def stop(self) -> None:
        """End the thread that writes."""
        self._digest.stop()

    def take_in(self) -> None:
        """Feed to the digest what was written by random access."""
        self._order.enter(self)
        for chunk in _reread(self._sink.stream):
            self._digest.update(chunk)

    def reread(self, digest: Digest) -> None:
        """
        Feed what is in the file to *digest*, which becomes its own.

        Raises:
            BuildError: When the file is a stream.
        """
        if not self._sink.lasting:
            text = (
                "the root was written before the metadata, so the fingerprint needs what the stream has taken"
            )
            raise BuildError(diagnose("stream-not-readable", text, source=self.path))
        self._digest = digest
        for chunk in _reread(self._sink.stream):
            digest.update(chunk)
        digest.finish()

    def stage(self) -> None:
        """Bring everything to the disk."""
        with _named(self.path):
            self._sink.stage()

    def publish(self) -> WrittenFile:
        """Give the file its name."""
        with _named(self.path):
            self._sink.publish()
        return WrittenFile(path=self.path, size=self.size, sha256=self.sha256())


def _reread(stream: BinaryIO) -> Chunks:
    """Yield the whole content of a file that was just written."""
    stream.flush()
    stream.seek(0)
    while chunk := stream.read(READ_SIZE):
        yield chunk


_HURRY = 16 << 20  # bytes that the disk may be behind
_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def _named(path: str, only: frozenset[int] | None = None) -> Iterator[None]:
    """Let an error of a write say which file it was."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (only is None or error.errno in only):
            error.filename = path
            del error.filename2  # None would be shown
        raise


class OutputFiles:
    """
    The files of one image while they are written.

    Attributes:
        files: In the order of the image: the metadata file first.
        written: What each became, in the same order; empty until everything is in place.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._order = _Order()
        self.files = tuple(
            OutputFile(sink, place, self._order, alone=len(sinks) == 1) for place, sink in enumerate(sinks)
        )
        self.written: tuple[WrittenFile, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        """The SHA-256 over all files, once everything is in place."""
        return Fingerprint(self._order.digest.finish())

    def finish(self) -> None:
        """
        Bring all files to the disk and give them their names, the root before the metadata.

        Raises:
            BuildError: When the bytes of a stream would be needed again.
            OSError: When a file cannot be written.
        """
        for file in self.files:
            file.sha256()  # waits for its thread
        for file in self.files:
            if file.edited:
                file.take_in()
        if not self._order.kept:
            self._order.digest = whole = Digest()  # of what was fed so far nothing counts
            for file in self.files:
                file.reread(Digest(whole))
        for file in self.files:
            file.stage()
        self.written = tuple(file.publish() for file in reversed(self.files))[::-1]


@contextmanager
def open_outputs(*targets: OutputArgument) -> Iterator[OutputFiles]:
    """
    Open the files of one image for writing; they appear when the ``with`` block ends well, and not otherwise.

    Args:
        targets: One path or stream, or those of metadata and root.  Devices and pipes that have a name are
            written directly.

    Yields:
        The files, to be written one after the other.

    Raises:
        BuildError: When both are the same file.
        OSError: When a file cannot be written.
    """
    _check_distinct(targets)
    with ExitStack() as stack:
        sinks: list[Sink] = []
        for target in targets:
            sinks.append(open_sink(target))
            stack.callback(sinks[-1].close)
        outputs = OutputFiles(sinks)
        try:
            yield outputs
            outputs.finish()
        finally:
            for file in outputs.files:
                file.stop()


def _check_distinct(targets: Sequence[OutputArgument]) -> None:
    places = [
        os.path.realpath(target) if isinstance(target, str | os.PathLike) else target for target in targets
    ]
    if len(places) == 2 and places[0] == places[1]:
        text = "metadata and root are to be written to the same file"
        raise BuildError(diagnose("same-output", text, source=file_name(targets[0])))
