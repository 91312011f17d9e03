"""The blocks of a tar stream: headers one after the other, and what lies between them when somebody asks."""

from __future__ import annotations

from itertools import chain
from typing import NoReturn

from lxdimage._chunks import Chunks
from lxdimage._tar import BLOCK
from lxdimage.archive._member import shown
from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError
from lxdimage.rules import diagnose

__all__ = ["TarBlocks"]

_ERRORS = {
    "truncated-archive": TruncatedImageError,
    "truncated-header": TruncatedImageError,
    "member-limit": LimitExceededError,
}


class TarBlocks:
    """
    The blocks of a tar stream.

    Attributes:
        source: What the archive is called in findings.
        cut: Bytes of padding that are missing where the stream ends: Go does not mind, GNU tar does.
    """

    def __init__(self, chunks: Chunks, source: str) -> None:
        self.source = source
        self.cut = 0
        self._chunks = chunks
        # Positions count from the start of the buffer and may lie beyond its end while content is skipped.
        self._buffer = b""
        self._base = 0  # stream offset of the buffer
        self._at = 0  # next byte to read
        self._data_end = 0  # end of the current member's content
        self._next = 0  # start of the next header
        self._name = b""  # the last member, for messages

    @property
    def offset(self) -> int:
        """Byte offset of the next block to look at."""
        return self._base + self._next

    def _next_block(self) -> bytes:
        """
        Return the block at `_next`, going on to later chunks as needed; shorter only where the stream ends.

        Afterwards `_next` is the position behind it, in the new buffer.
        """
        buffer, at = self._buffer, self._next
        while at >= len(buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                if self._data_end > len(buffer):
                    self._fail_truncated(self._data_end - len(buffer))
                self.cut = max(self.cut, at - len(buffer))
                return b""
            self._data_end -= len(buffer)
            self._base += len(buffer)
            at -= len(buffer)
            self._buffer = buffer = chunk
        return self._gather(at)

    def _gather(self, at: int) -> bytes:
        """Return the block that begins at *at* in the buffer and may end in a later chunk."""
        block = self._buffer[at : at + BLOCK]
        while len(block) < BLOCK and (chunk := next(self._chunks, None)) is not None:
            self._base += len(self._buffer)
            self._data_end -= len(self._buffer)
            at -= len(self._buffer)
            self._buffer = chunk
            block += chunk[: BLOCK - len(block)]
        self._next = at + len(block)
        return block

    def stored_content(self) -> Chunks:
        """
        Yield what is stored of the current member, as it lies in the archive.

        Raises:
            TruncatedImageError: When the archive ends within it.
        """
        while self._at < self._data_end:
            while self._at >= len(self._buffer):
                self._fetch()
            piece = self._buffer[self._at : self._data_end]
            self._at += len(piece)
            yield piece

    def _fetch(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._fail_truncated(self._data_end - len(self._buffer))
        size = len(self._buffer)
        self._base += size
        self._at -= size
        self._data_end -= size
        self._next -= size
        self._buffer = chunk

    def rest(self) -> Chunks:
        """Return what follows the end-of-archive blocks; whoever stops early leaves what follows to the next call."""
        # No generator: abandoned, it would end the stream behind it, and with it what a decoder has still to say.
        behind = self._buffer[self._next :]
        return chain([behind] if behind else [], self._chunks)

    def _content_block(self) -> bytes:
        """Take one block of the current member's content."""
        block = b""
        while len(block) < BLOCK:
            while self._at >= len(self._buffer):
                self._fetch()
            piece = self._buffer[self._at : self._at + BLOCK - len(block)]
            self._at += len(piece)
            block += piece
        return block

    def _set_end(self, end: int) -> None:
        self._data_end = end
        self._next = end + (self._at - end) % BLOCK

    # ---- what is wrong ---------------------------------------------------------------------------------------

    def _after(self, word: str = "after") -> str:
        """Return where that is for people: by the last member's name, where there was one."""
        return f" {word} {shown(self._name)}" if self._name else ""

    def _fail_truncated(self, missing: int) -> NoReturn:
        text = f"the archive ends {missing} bytes before the content{self._after('of')} does"
        self.fail("truncated-archive", text, self._base + len(self._buffer))

    def fail(self, code: str, message: str, offset: int) -> NoReturn:
        """Raise the exception for a finding of kind *code*."""
        kind = _ERRORS.get(code, InvalidImageError)
        raise kind(diagnose(code, message, source=self.source, offset=offset))
