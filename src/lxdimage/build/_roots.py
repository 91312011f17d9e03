"""What an image is built from: a directory, an archive or a disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import attrs

from lxdimage._chunks import Chunks, peek
from lxdimage._sources import FileArgument, Progress, Source, Tracker, open_sources, spool
from lxdimage._tar import BLOCK, HeaderError, checksum, parse_number
from lxdimage._tree import TreeOptions, read_tree, read_tree_items
from lxdimage.archive import NANO, Entry, EntryType, Item
from lxdimage.build._archive_root import ArchiveRoot, RootInput
from lxdimage.build._facts import NO_FACTS, RootFacts, directory_facts
from lxdimage.build._options import Place, RootOptions
from lxdimage.compression import Compression
from lxdimage.diagnostics import Severity
from lxdimage.errors import BuildError, UnsupportedFormatError
from lxdimage.formats import HEAD_SIZE, QCOW2, SQUASHFS, FileFormat, identify
from lxdimage.rules import diagnose

__all__ = ["DirectoryRoot", "DiskRoot", "Root", "open_root"]

_T = TypeVar("_T")
_HEAD = 1 << 16  # of a disk; all that its header may say


@attrs.frozen
class DirectoryRoot:
    """A root file system in a directory."""

    path: str
    options: RootOptions
    progress: Progress | None

    def facts(self) -> RootFacts:
        """Return what it says about itself."""
        return directory_facts(self.path)

    def entries(self, place: Place) -> Iterator[tuple[Entry, Iterable[bytes]]]:
        """
        Yield its members as entries.

        Raises:
            BuildError: When something cannot be read or changes meanwhile.
        """
        return self._checked(read_tree(self.path, self._tree_options(place)))

    def items(self, place: Place) -> Iterator[Item]:
        """Yield its members for a tar; raises as `entries` does."""
        return self._checked(read_tree_items(self.path, self._tree_options(place)))

    def _tree_options(self, place: Place) -> TreeOptions:
        owners = self.options.owners
        return TreeOptions(
            prefix=place.prefix,
            top=place.top,
            latest=self.options.latest,
            excluded=self.options.excluded,
            map_owner=owners.owner if owners else None,
            map_xattrs=owners.xattrs if owners else None,
            note=self.options.note,
            progress=self.progress,
        )

    def _checked(self, members: Iterator[_T]) -> Iterator[_T]:
        """Return *members*, with a note when the top directory is the only one or belongs to somebody."""
        first = list(islice(members, 2))
        if len(first) == 1:
            self.options.note(diagnose("root-empty", "there is nothing in the directory", source=self.path))
        self._check_owner(cast("tuple[Entry, object]", first[0])[0])
        return chain(first, members)

    def _check_owner(self, top: Entry) -> None:
        if top.uid != 0:
            text = f"the top directory belongs to {top.uid}:{top.gid}, and so it does in the image"
            self.options.note(diagnose("root-not-owned-by-root", text, source=self.path))


@attrs.frozen
class DiskRoot:
    """The disk of a virtual machine."""

    source: RootInput
    size: int

    def facts(self) -> RootFacts:
        """Return nothing: nobody looks into a disk."""
        return NO_FACTS

    def chunks(self) -> Chunks:
        """Yield the disk as it is."""
        return self.source.open()

    def items(self, place: Place) -> Iterator[tuple[Entry, Chunks]]:
        """Yield it as the member that it is in a unified image."""
        entry = Entry(
            path=place.top, type=EntryType.FILE, mode=0o600, size=self.size, mtime_ns=place.made * NANO
        )
        yield entry, self.chunks()


Root: TypeAlias = DirectoryRoot | ArchiveRoot | DiskRoot


@contextmanager
def open_root(
    rootfs: FileArgument, options: RootOptions, *, twice: bool, progress: Progress | None
) -> Iterator[Root]:
    """
    Open what an image is to be built from.

    Args:
        rootfs: A directory, an archive or a disk; a stream of one of the latter.
        options: What is done to members.
        twice: Whether it will be read twice, so that a stream has to be stored first.
        progress: Called with the bytes read so far and in all.

    Yields:
        The root.

    Raises:
        BuildError: When it is a disk that no virtual machine can be made from.
        UnsupportedFormatError: When it is neither of these.
        OSError: When it cannot be opened.
    """
    if isinstance(rootfs, str | os.PathLike) and Path(rootfs).is_dir():
        yield DirectoryRoot(os.fsdecode(rootfs), options, progress)
        return
    with ExitStack() as stack:
        (source,) = stack.enter_context(open_sources([rootfs]))
        head, chunks = peek(source.steady_chunks(), _HEAD)
        found = identify(head[:HEAD_SIZE]) or _plain_tar(head)
        if found is None or (found.compression is None and found != QCOW2):
            raise _unknown(head, found.name if found else None, source.name)
        if not (source.whole if found == SQUASHFS else source.seekable or (found.is_tar and not twice)):
            stream = stack.enter_context(spool(chunks))
            source = Source(source.name, stream, stream.tell(), 0)
        opened = _opener(source, chunks, progress)
        given = RootInput(
            name=source.name,
            format=found,
            size=source.size,
            is_large=source.is_large,
            open=opened,
            stream=source.stream if source.seekable else None,
        )
        yield _disk(given, options) if found == QCOW2 else ArchiveRoot(given, options)


def _plain_tar(head: bytes) -> FileFormat | None:
    """Tell a tar without the magic that the daemons look for: an old one, or one that begins with a label."""
    try:
        claimed = parse_number(head[148:156], "checksum")
    except HeaderError:
        return None
    plain = len(head) >= BLOCK and any(head[:BLOCK]) and claimed == checksum(head[:BLOCK])
    return FileFormat("tar", Compression.NONE) if plain else None


def _opener(source: Source, chunks: Chunks, progress: Progress | None) -> Callable[[], Chunks]:
    """Return what gives the bytes of *source*; *chunks* are they, where there is no second time."""

    def opened() -> Chunks:
        if source.start is not None:
            source.stream.seek(source.start)
            return Tracker(progress, [source]).tap(source.steady_chunks())
        return Tracker(progress, [source]).tap(chunks)

    return opened


def _disk(source: RootInput, options: RootOptions) -> DiskRoot:
    """Return a disk that ``qemu-img`` will convert when an instance is made."""
    from lxdimage.formats._qcow2 import PassingDisk, check_qcow2

    assert source.size is not None
    disk = PassingDisk()
    for chunk in source.open():
        disk.take(chunk)
    findings, _ = check_qcow2(disk, source=source.name)
    refusals = [finding for finding in findings if finding.stage or finding.severity is Severity.ERROR]
    if refusals:
        raise BuildError(*refusals)
    for finding in findings:
        options.note(finding)
    return DiskRoot(source, source.size)


def _unknown(head: bytes, format_: str | None, name: str) -> UnsupportedFormatError:
    found = (
        f"a {format_} disk" if format_ else f"something that begins with {head[:8]!r}" if head else "nothing"
    )
    text = f"expected a directory, a tar, a SquashFS or a qcow2 disk, found {found}"
    return UnsupportedFormatError(diagnose("unknown-root", text, source=name))
