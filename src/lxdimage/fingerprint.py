"""
The identity of an image: SHA-256 over the bytes of its files as they are, in order (image format, section 4.1).

For a split image that is the metadata file followed by the root file, with nothing between.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from queue import SimpleQueue

import attrs

from lxdimage._chunks import Chunks, read_ahead
from lxdimage._sources import FileArgument, Progress, Tracker, check_file_count, file_name, open_sources
from lxdimage.errors import FingerprintMismatchError
from lxdimage.rules import diagnose

__all__ = ["SHORT_DIGITS", "Digest", "Fingerprint", "fingerprint_files"]

_HEX = re.compile("[0-9a-f]{64}")
_PREFIX = re.compile("[0-9a-f]{1,64}")
SHORT_DIGITS = 12
"""As many as the daemons show in lists."""


def _check_hex(_instance: object, _attribute: object, value: str) -> None:
    if not _HEX.fullmatch(value):
        message = f"expected 64 lower-case hexadecimal digits, found {value!r}"
        raise ValueError(message)


@attrs.frozen
class Fingerprint:
    """
    The SHA-256 that identifies an image.

    Attributes:
        hex: All 64 lower-case hexadecimal digits.
    """

    hex: str = attrs.field(validator=_check_hex)

    @property
    def short(self) -> str:
        """The first 12 digits: what LXD and Incus show in lists."""
        return self.hex[:SHORT_DIGITS]

    def matches(self, prefix: str) -> bool:
        """Tell whether *prefix*, one digit or more, in either case, is how the fingerprint begins."""
        folded = prefix.lower()
        return bool(_PREFIX.fullmatch(folded)) and self.hex.startswith(folded)

    def __str__(self) -> str:
        return self.hex


class Digest:
    """
    SHA-256 of all chunks that pass, computed beside whatever else goes on.

    The first megabyte is hashed at once.  From there on a thread of its own does the work, on blocks into which the
    chunks are copied: it needs the interpreter between two calls, and may wait for it longer than copying takes.  A
    block is filled again only once the thread has given it back.

    Attributes:
        size: Bytes that passed so far.
        write: Is given all bytes as well, in the same thread, so that writing a file and computing its digest are
            beside whatever else goes on; what it is given changes once it has returned.  To be set only before the
            first chunk or after `finish`.
    """

    _THREAD_FROM = 1 << 20
    _BLOCK = 1 << 20  # bytes
    _BLOCKS = 4  # at most

    def __init__(self, *also: Digest, write: Callable[[bytes | memoryview], object] | None = None) -> None:
        """
        Args:
            also: Digests that take every chunk as well, such as the one over all files of a split image.
            write: See the attribute.
        """
        self.size = 0
        self.write = write
        self._hash = hashlib.sha256(usedforsecurity=False)
        self._error: BaseException | None = None
        self._also = also
        self._thread: threading.Thread | None = None
        self._orders: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._block = memoryview(b"")
        self._filled = self._made = 0

    def update(self, chunk: bytes) -> None:
        """
        Take one chunk.

        Raises:
            OSError: When an earlier one could not be written, or this one.
        """
        if self._error is not None:
            self.finish()
        self.size += len(chunk)
        for digest in self._also:
            digest.size += len(chunk)
        if self._thread is None and (self.size <= self._THREAD_FROM or not self._start()):
            self._take(chunk)
            return
        rest = memoryview(chunk)
        while rest:
            size = min(len(rest), self._BLOCK - self._filled)
            self._block[self._filled : self._filled + size] = rest[:size]
            self._filled += size
            rest = rest[size:]
            if self._filled == self._BLOCK:
                self._order()
                self._block = self._next_block()

    def _take(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        for digest in self._also:
            digest._hash.update(data)  # noqa: SLF001 - its own thread rests meanwhile
        if self.write is not None:
            self.write(data)

    def _start(self) -> bool:
        """Tell whether the system gave a thread."""
        thread = threading.Thread(target=self._work, daemon=True, name="lxdimage-digest")
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        self._block = self._next_block()
        return True

    def _next_block(self) -> memoryview:
        """Return a block to fill: one that the thread has done with, or a new one as long as there are few."""
        if self._made == self._BLOCKS or not self._free.empty():
            return self._free.get()
        self._made += 1
        return memoryview(bytearray(self._BLOCK))

    def _order(self) -> None:
        """Hand over what the block holds."""
        self._orders.put(self._block[: self._filled])
        self._filled = 0

    def _work(self) -> None:
        while (data := self._orders.get()) is not None:
            if self._error is None:
                try:
                    self._take(data)
                except BaseException as error:  # noqa: BLE001 - it is raised again in the other thread
                    self._error = error
            if len(data) == self._BLOCK:  # the last one is not filled again
                self._free.put(data)

    def tap(self, chunks: Chunks) -> Chunks:
        """Yield *chunks*, every one of which belongs to the digest from the moment it is yielded."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def finish(self) -> str:
        """
        Wait for the thread and return the digest of all that passed, in hexadecimal.

        Raises:
            OSError: When a chunk could not be written.
        """
        self.stop()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._hash.hexdigest()

    def stop(self) -> None:
        """End the thread, once it has taken what passed."""
        if self._thread is not None:
            self._order()
            self._orders.put(None)
            self._thread.join()
            self._thread = None
            self._free, self._block, self._made = SimpleQueue(), memoryview(b""), 0


def fingerprint_files(
    *files: FileArgument, expected: Fingerprint | str | None = None, progress: Progress | None = None
) -> Fingerprint:
    """
    Return the fingerprint that LXD and Incus give the image in *files*.

    No byte is interpreted: any file has a fingerprint.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        expected: What the fingerprint has to be, or to begin with.
        progress: Called with the bytes read so far and in all.

    Returns:
        The SHA-256 over all of them.

    Raises:
        InvalidImageError: When there are not one or two files.
        FingerprintMismatchError: When it is not the expected one.
        OSError: When a file cannot be read.
    """
    check_file_count(files)
    digest = hashlib.sha256(usedforsecurity=False)
    with open_sources(files) as sources:
        tracker = Tracker(progress, sources)
        for source in sources:
            chunks = tracker.tap(source.chunks(1 << 20))
            for chunk in chunks if source.size is not None and source.size < 1 << 22 else read_ahead(chunks):
                digest.update(chunk)
    fingerprint = Fingerprint(digest.hexdigest())
    if expected is not None and not fingerprint.matches(str(expected)):
        text = f"the fingerprint is {fingerprint}, expected {str(expected)!r}"
        name = " + ".join(map(file_name, files))
        raise FingerprintMismatchError(diagnose("fingerprint-mismatch", text, source=name))
    return fingerprint
