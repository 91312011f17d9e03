"""
One file of an image on its way through digest, decoder and tar reader.

The source is owned here and not by the decoder: a decoder that ends early, or is abandoned, leaves the rest of the
file to be read and hashed by `FileStream.finish`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import attrs

from lxdimage._chunks import Chunks, drain, peek, read_ahead
from lxdimage._sources import Source, Tracker
from lxdimage.archive import TarReader
from lxdimage.compression import Compression, decode_named
from lxdimage.errors import InvalidImageError, LimitExceededError
from lxdimage.fingerprint import Digest
from lxdimage.formats import HEAD_SIZE, FileFormat, identify
from lxdimage.image._disks import DISK_HEAD, header_facts
from lxdimage.image._model import FileFacts
from lxdimage.limits import Limits

__all__ = ["FileStream"]

_FIRST_READ = 1 << 14
_BESIDE = frozenset({Compression.ZSTD, Compression.LZ4})
_RECORD = 20 * 512  # what tar reads at once
# What a decompressor can write behind the last record that tar reads before tar closes the pipe.  In truth it is a
# race; these are the sizes from which on tar mostly wins, and what the program has to say later is lost.
_UNREAD = {Compression.GZIP: 24 << 10, Compression.ZSTD: 64 << 10, Compression.LZ4: 64 << 10}
_UNREAD_BY_DEFAULT = 5 << 10


def _growing(source: Source) -> Chunks:
    """Yield the bytes of *source* in reads that double from 16 KiB to 1 MiB."""
    size = _FIRST_READ
    while chunk := source.stream.read(size):
        yield chunk
        size = min(2 * size, 1 << 20)


class FileStream:
    """
    One file, read once from its beginning to its end.

    Attributes:
        name: What findings call it.
        start: Its first bytes: the whole header of a disk.
        head: The first of them: what detection looks at.
        format: What detection that knows every target's formats makes of it.
        decoded_size: Bytes that the decoder has given.
        damage: What the decoder raised; the daemons see no more than the end of a pipe then.
    """

    def __init__(self, source: Source, tracker: Tracker, digest: Digest | None, limits: Limits) -> None:
        self.name = source.name
        self.decoded_size = 0
        self.damage: InvalidImageError | None = None
        self._source = source
        self._digest = digest
        self._limits = limits
        # Whoever opens an image stops early, so the first reads are small; a scan reads all there is.
        self._raw = digest.tap(tracker.tap(source.chunks())) if digest else _growing(source)
        start, self._raw = peek(self._raw, DISK_HEAD)
        self.start = start
        self.head = start[:HEAD_SIZE]
        self.format: FileFormat | None = identify(self.head)

    def raw(self) -> Chunks:
        """Yield the bytes as they are."""
        return self._raw

    def decoded(self) -> Chunks:
        """Yield the decompressed bytes up to the end, or to the damage that ends them."""
        assert self.format is not None
        assert self.format.compression is not None
        # Threads take whole blocks before the first byte comes out: too much where reading stops early.
        threads = None if self._digest else 1
        chunks = decode_named(self.format.compression, self._raw, self.name, self._limits, threads)
        if self._digest and self.format.compression in _BESIDE and self._source.is_large:
            chunks = read_ahead(chunks)
        try:
            for chunk in chunks:
                self.decoded_size += len(chunk)
                yield chunk
        except InvalidImageError as error:
            self.damage = error

    def members(self, *, strict: bool) -> TarReader:
        """Return the reader of the archive in it."""
        return TarReader(self.decoded(), source=self.name, limits=self._limits, strict=strict)

    @property
    def limited(self) -> bool:
        """Whether a limit ended the decompression: that the archive is cut there is not the image's fault."""
        return isinstance(self.damage, LimitExceededError)

    @property
    def compressed(self) -> bool:
        """Whether a program decompresses it for tar."""
        return self.format is not None and self.format.compression not in (None, Compression.NONE)

    def unread_from(self, end: int) -> bool:
        """Tell whether tar, for which the archive ends at *end*, is gone before the decompressor is through."""
        compression = self.format and self.format.compression
        last_record = end + -end % _RECORD
        return self.decoded_size - last_record > _UNREAD.get(
            compression or Compression.NONE, _UNREAD_BY_DEFAULT
        )

    def facts(self) -> FileFacts:
        """Return what its first bytes tell."""
        return FileFacts(name=self.name, format=self.format, facts=header_facts(self.start, self.format))

    def finish(self) -> FileFacts:
        """Read what is left, and return what is known of the file then."""
        assert self._digest is not None
        drain(self._raw)
        sha256 = self._digest.finish()
        return attrs.evolve(self.facts(), size=self._digest.size, sha256=sha256)

    @property
    def rereadable(self) -> bool:
        """Whether the file can be read a second time, at any place."""
        return self._source.whole

    @contextmanager
    def seekable(self) -> Iterator[tuple[BinaryIO, FileFacts]]:
        """Read the file to its end, and give it again, this time for reading at any place."""
        with self._source.at_any_place(self._raw) as file:
            facts = self.finish() if self._digest else self.facts()
            file.seek(0)
            yield file, facts
