"""The files of an image that is read to be written again, and its fingerprint as it was, where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

from lxdimage._chunks import READ_SIZE, Chunks, Cursor, drain, peek, read_ahead
from lxdimage._sources import Progress, Source, Tracker, spool
from lxdimage.archive import Entry, EntryType, Member, RunReader, TarReader
from lxdimage.build._parts import ROOT, Disk, EntryMember, Part, Root, RootFile, RootRun, RootTar, Shared
from lxdimage.build._reading import ImageGuard, read_control, read_root, read_unified, with_runs, with_shared
from lxdimage.build._squashfs import read_squashfs_root
from lxdimage.compression import Compression, decode, decode_named
from lxdimage.errors import InvalidImageError, UnsupportedFormatError
from lxdimage.fingerprint import Digest, Fingerprint
from lxdimage.formats import HEAD_SIZE, QCOW2, SQUASHFS, FileFormat, ImageType, control_path, identify
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["Origin", "OriginFile"]

_LOOKED_AT = 1 << 16
_AHEAD = 2  # chunks, because there are the compressor's buffers as well


class OriginFile:
    """
    One file of the source; read once.

    Attributes:
        name: What findings call it.
        format: What its first bytes say it is.
        cursor: Its bytes.
    """

    def __init__(self, source: Source, digest: Digest | None, tracker: Tracker, limits: Limits) -> None:
        self.name = source.name
        self._source = source
        self._limits = limits
        head, chunks = peek(source.steady_chunks(), HEAD_SIZE)
        self.format: FileFormat = _identified(head, source.name)
        passing = tracker.tap(chunks)
        self.cursor = Cursor(digest.tap(passing) if digest else passing)

    @property
    def compression(self) -> Compression:
        """How its bytes are compressed; NONE for a disk."""
        return self.format.compression or Compression.NONE

    @property
    def size(self) -> int | None:
        """Bytes, None where a stream does not tell."""
        return self._source.size

    def raw(self) -> Chunks:
        """Yield the bytes as they are, from where the cursor stands."""
        return iter(self.cursor.take_any, b"")

    def decoded(self) -> Chunks:
        """Yield the decompressed bytes."""
        chunks = decode_named(self.compression, self.raw(), self.name, self._limits)
        beside = self.compression is not Compression.NONE and self._source.is_large
        return read_ahead(chunks, _AHEAD) if beside else chunks

    def members(self) -> Iterator[Member | Shared]:
        """
        Yield the members of the archive in it.

        Raises:
            UnsupportedFormatError: It is a disk.
        """
        if self.format == SQUASHFS:
            yield from self._squashfs_members()
            return
        chunks = self._archive()
        yield from with_shared(TarReader(chunks, source=self.name, limits=self._limits))
        drain(chunks)

    def renamed_members(self, old: bytes, new: bytes) -> Iterator[Member | Shared | RootRun]:
        """
        Yield the members of the archive in it for a tar in which the root's get other names, most of them as blocks.

        Args:
            old: What the names of the root's members begin with.
            new: What they are to begin with.

        Raises:
            UnsupportedFormatError: It is a disk.
        """
        if self.format == SQUASHFS:
            yield from self._squashfs_members()
            return
        chunks = self._archive()
        yield from with_runs(RunReader(chunks, source=self.name, limits=self._limits), old, new)
        drain(chunks)

    def _archive(self) -> Chunks:
        if not self.format.is_tar:
            text = f"the file is a {self.format.name} disk, not an archive"
            raise UnsupportedFormatError(diagnose("not-an-archive", text, source=self.name))
        return self.decoded()

    def _squashfs_members(self) -> Iterator[Member]:
        """Read the file twice where that is possible: from one end to the other, and at any place."""
        with self._source.at_any_place(self.raw()) as stream:
            drain(self.raw())
            yield from read_squashfs_root(stream, limits=self._limits, source=self.name)

    def disk(self) -> Iterator[Part]:
        """Yield the file as the disk that it is."""
        if self.size is not None:
            yield Disk(_disk(self.raw(), self.size))
        else:
            with closing(spool(self.raw())) as stream:
                size = stream.tell()
                stream.seek(0)
                yield Disk(_disk(iter(lambda: stream.read(READ_SIZE), b""), size))

    def finish(self) -> None:
        """Read what nobody has read."""
        drain(self.raw())


def _disk(chunks: Chunks, size: int) -> Member:
    return EntryMember(Entry(path="rootfs.img", type=EntryType.FILE, size=size), chunks)


def _identified(head: bytes, name: str) -> FileFormat:
    found = identify(head)
    if found is None:
        text = f"no known format begins with {head[:8]!r}" if head else "the file has 0 bytes"
        raise UnsupportedFormatError(diagnose("unsupported-compression", text, source=name))
    return found


class Origin:
    """
    An image that is read to be written again.

    Attributes:
        files: Its files.
        bare: Whether there is one file, and that is the root alone.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        limits: Limits,
        progress: Progress | None,
        bare: bool = False,
        fingerprinted: bool = False,
    ) -> None:
        self.bare = bare
        self._limits = limits
        self._digest = Digest() if fingerprinted else None
        tracker = Tracker(progress, sources)
        self.files = tuple(OriginFile(source, self._digest, tracker, limits) for source in sources)

    def close(self) -> None:
        """End the thread that computes the fingerprint."""
        if self._digest is not None:
            self._digest.stop()

    @property
    def root(self) -> OriginFile | None:
        """The file of the root, where that is a file of its own."""
        return self.files[-1] if self.bare or len(self.files) == 2 else None

    @property
    def name(self) -> str:
        """The first file's name."""
        return self.files[0].name

    @property
    def size(self) -> int:
        """Bytes of all files; of those that do not tell, what was read so far."""
        return sum(file.cursor.offset if file.size is None else file.size for file in self.files)

    def parts(
        self, *, keep: bool = False, recompress: bool = False, strip: int = 0, prefix: bytes | None = None
    ) -> Iterator[Part]:
        """
        Yield everything in the order of the files.

        Args:
            keep: Leave a root that is a file of its own as it is.
            recompress: Leave such a root as it is but for its compression.
            strip: How many leading components names lose: those of such a root, or of all in a single file.
            prefix: What the names of the root's members are to begin with in a tar; given where nothing else is to
                change, so that most of them can be yielded as blocks.
        """
        if self.root is None:
            file = self.files[0]
            members = file.members() if prefix is None else file.renamed_members(ROOT, prefix)
            yield from read_unified(members, self.name, strip=strip)
            return
        if not self.bare:
            yield from read_control(self.files[0].members(), self.name, strays=keep or recompress)
        if self.bare and self.root.format.is_tar:
            _check_beginning(self.root, self._limits)
        if recompress:
            yield RootTar(self.root.decoded())
            return
        parts = _root_parts(self.root, keep=keep, strip=strip, prefix=prefix)
        yield from _guarded(parts, self.name) if self.bare else parts

    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of a *fingerprinted* source once it was read; what was not read is read now."""
        assert self._digest is not None
        for file in self.files:
            file.finish()
        return Fingerprint(self._digest.finish())


def _check_beginning(file: OriginFile, limits: Limits) -> None:
    """
    Look at the first members of a root that nobody may look at again.

    Raises:
        BuildError: They are those of a whole image.
    """
    guard = ImageGuard(file.name)
    start = decode(file.compression, iter((file.cursor.peek(_LOOKED_AT),)), limits=limits, threads=1)
    with suppress(InvalidImageError, ValueError):  # the beginning is only a part, and damage shows later
        for member in TarReader(start, limits=limits):
            guard.see(control_path(member.name))


def _guarded(parts: Iterator[Part], name: str) -> Iterator[Part]:
    """Yield *parts* of a root, or raise when it is a whole image."""
    guard = ImageGuard(name)
    for part in parts:
        if isinstance(part, Root):
            guard.see(part.path)
        yield part


def _root_parts(file: OriginFile, *, keep: bool, strip: int, prefix: bytes | None) -> Iterator[Part]:
    if keep:
        kind = ImageType.VIRTUAL_MACHINE if file.format == QCOW2 else ImageType.CONTAINER
        yield RootFile(file.raw(), kind)
    elif file.format == QCOW2:
        yield from file.disk()
    else:
        members = file.members() if prefix is None else file.renamed_members(b"", prefix)
        yield from read_root(members, file.name, strip=strip)
