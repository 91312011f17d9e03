"""
The members of an image in the order that suits their contents, up to the last byte of its files.

Whoever compares images, or looks at all contents, needs no order of names but every byte: damage behind the last
member, such as a wrong checksum, casts doubt on what came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lxdimage._chunks import Chunks, drain, peek, read_ahead
from lxdimage._sources import Source, Tracker
from lxdimage.archive import Member, TarReader
from lxdimage.compression import Compression, decode_named
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats import HEAD_SIZE, QCOW2, SQUASHFS, identify
from lxdimage.image._disks import DISK_HEAD, header_facts
from lxdimage.image._members import ImageMember, disk_members, placed, tar_compression
from lxdimage.image._model import FileFacts
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["ContentReader", "disk_facts"]


class ContentReader:
    """
    Reads one image; iterate over it once.

    Attributes:
        files: What the first bytes tell of each file that was begun.
        findings: What is wrong although everything could be read.
    """

    def __init__(self, sources: Sequence[Source], limits: Limits, tracker: Tracker) -> None:
        self.files: list[FileFacts] = []
        self.findings: list[Diagnostic] = []
        self._sources = sources
        self._limits = limits
        self._tracker = tracker
        self._read = 0

    @property
    def size(self) -> int:
        """Bytes of all files; what was read so far of one that does not tell."""
        sizes = [source.size for source in self._sources]
        return sum(size for size in sizes if size is not None) + (self._read if None in sizes else 0)

    def __iter__(self) -> Iterator[ImageMember]:
        """
        Yield the members, of a SquashFS as their contents lie in the file.

        Raises:
            InvalidImageError: A file cannot be read to its end, or its content differs from its checksum.
        """
        for number, source in enumerate(self._sources):
            root = number > 0
            yield from placed(self._members(source, disk=root), root=root)

    def _members(self, source: Source, *, disk: bool) -> Iterator[Member]:
        head, chunks = peek(self._counted(source), DISK_HEAD)
        found = identify(head[:HEAD_SIZE])
        self.files.append(
            FileFacts(name=source.name, format=found, size=source.size, facts=header_facts(head, found))
        )
        if disk and found == QCOW2:
            yield from disk_members(source, chunks)
        elif found == SQUASHFS:
            yield from self._squashfs(source, chunks)
        else:
            yield from self._tar(source, chunks, tar_compression(found, head[:HEAD_SIZE], source.name))

    def _counted(self, source: Source) -> Chunks:
        for chunk in self._tracker.tap(source.chunks()):
            if source.size is None:
                self._read += len(chunk)
            yield chunk

    def _squashfs(self, source: Source, chunks: Chunks) -> Iterator[Member]:
        from lxdimage.formats._squashfs import Order, open_squashfs

        with (
            source.at_any_place(chunks) as stream,
            open_squashfs(stream, limits=self._limits, source=source.name) as squashfs,
        ):
            yield from squashfs.members(Order.DATA)
            self.findings.extend(squashfs.refusals(Stage.CREATE))

    def _tar(self, source: Source, chunks: Chunks, compression: Compression) -> Iterator[Member]:
        decoded = decode_named(compression, chunks, source.name, self._limits)
        if compression is not Compression.NONE and source.is_large:
            decoded = read_ahead(decoded)
        reader = TarReader(decoded, source=source.name, limits=self._limits)
        yield from reader
        if not reader.ended:
            text = "the archive does not end in two blocks of zeros"
            self.findings.append(diagnose("no-end-of-archive", text, source=source.name))
        try:
            drain(reader.rest())
        except InvalidImageError as error:
            # What follows the compressed data says nothing about the data.
            if any(finding.code != "trailing-garbage" for finding in error.diagnostics):
                raise
            self.findings.extend(error.diagnostics)


def disk_facts(head: bytes) -> Mapping[str, str]:
    """Return what the first `DISK_HEAD` bytes of a disk tell, by a name for people."""
    return header_facts(head, identify(head[:HEAD_SIZE]))
