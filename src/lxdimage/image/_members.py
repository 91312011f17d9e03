"""The members of an image in one view, whatever its layout and whatever the format of its root."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import attrs

from lxdimage._chunks import READ_SIZE, Chunks, peek
from lxdimage._sources import FileArgument, Progress, Source, Tracker, open_sources
from lxdimage.archive import Entry, EntryType, Member, TarReader
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError, UnsupportedFormatError
from lxdimage.formats import HEAD_SIZE, METADATA_NAMES, QCOW2, SQUASHFS, identify
from lxdimage.image._stream import decode_named
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["ImageMember", "arrange_files", "open_members"]

_LOOKED_AT = 4 << 20


@attrs.frozen
class ImageMember:
    """
    A member of an image.

    Attributes:
        path: Where it is in the image: of a unified image as stored, without a leading ``./``; the root of a split
            image appears below ``rootfs/``, or as ``rootfs.img`` when it is a disk.
        member: The member itself, usable until the next one is asked for.
    """

    path: str
    member: Member


class DiskMember:
    """
    The disk of a split image as the member that it is in a unified one.

    Attributes:
        name: ``rootfs.img``.
        type: A file.
        size: Bytes of the disk image itself.
        offset: Where it begins in its file.
        entry: A file of root's.
    """

    name = b"rootfs.img"
    type = EntryType.FILE
    offset = 0

    def __init__(self, chunks: Chunks, size: int) -> None:
        self.size = size
        self.entry = Entry(path="rootfs.img", type=EntryType.FILE, size=size)
        self._chunks = chunks

    def chunks(self) -> Chunks:
        """Yield the content; once."""
        return self._chunks


@contextmanager
def open_members(
    *files: FileArgument, limits: Limits | None = None, progress: Progress | None = None
) -> Iterator[Iterator[ImageMember]]:
    """
    Give the members of an image, in the order of the files.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Yields:
        An iterator over the members, to be used within the ``with`` block.

    Raises:
        InvalidImageError: While iterating, when a file cannot be read on.
        OSError: When a file cannot be read.
    """
    if not 1 <= len(files) <= 2:
        raise InvalidImageError(diagnose("file-count", f"an image is one file or two, {len(files)} given"))
    with (
        open_sources(files) as sources,
        closing(_all_members(sources, limits or Limits(), Tracker(progress, sources))) as members,
    ):
        yield members


def _all_members(
    sources: Sequence[Source], limits: Limits, tracker: Tracker
) -> Generator[ImageMember, None, None]:
    for member in _members(sources[0], limits, tracker):
        yield ImageMember(_shown(member.name), member)
    for source in sources[1:]:
        for member in _members(source, limits, tracker, disk=True):
            if isinstance(member, DiskMember):
                yield ImageMember("rootfs.img", member)
                continue
            path = _shown(member.name)
            yield ImageMember(f"rootfs/{path}".rstrip("/") + ("/" if path.endswith("/") else ""), member)


def _shown(name: bytes) -> str:
    path = os.fsdecode(name)
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return "" if path == "." else path


def _members(
    source: Source, limits: Limits, tracker: Tracker | None = None, *, disk: bool = False
) -> Iterator[Member]:
    """Yield the members of one file; a *disk* is one member, where it may be one."""
    head, chunks = peek(tracker.tap(source.chunks()) if tracker else source.chunks(), HEAD_SIZE)
    found = identify(head)
    if disk and found == QCOW2:
        yield from _disk_members(source, chunks)
        return
    if found is None or found.compression is None:
        what = (
            f"a {found.name} disk, not an archive"
            if found
            else f"of no known format, it begins with {head[:8]!r}"
        )
        code = "not-an-archive" if found else "unsupported-compression"
        raise UnsupportedFormatError(diagnose(code, f"the file is {what}", source=source.name))
    if found == SQUASHFS:
        yield from _squashfs_members(source, chunks, limits)
        return
    decoded = decode_named(found.compression, chunks, source.name, limits)
    yield from TarReader(decoded, source=source.name, limits=limits)


def _disk_members(source: Source, chunks: Chunks) -> Iterator[Member]:
    if source.size is not None:
        yield DiskMember(chunks, source.size)
        return
    from lxdimage.formats._squashfs import spool

    with spool(chunks) as stream:
        size = stream.tell()
        stream.seek(0)
        yield DiskMember(iter(lambda: stream.read(READ_SIZE), b""), size)


def _squashfs_members(source: Source, chunks: Chunks, limits: Limits) -> Iterator[Member]:
    from lxdimage.formats._squashfs import read_squashfs, spool

    if source.seekable:
        source.stream.seek(0)
        yield from read_squashfs(source.stream, limits=limits, source=source.name)
    else:
        with spool(chunks) as stream:
            yield from read_squashfs(stream, limits=limits, source=source.name)


# ---- which file is which -------------------------------------------------------------------------------------


def arrange_files(*files: FileArgument) -> tuple[tuple[FileArgument, ...], tuple[Diagnostic, ...]]:
    """
    Put the files of a split image into the daemons' order: metadata first.

    A daemon goes by position alone; this looks for metadata.yaml in the first megabytes of both.  Streams that
    cannot be read twice keep their place.

    Args:
        files: The files as a person gave them.

    Returns:
        The files in order, and a finding where that is not the order they came in.

    Raises:
        OSError: When a file cannot be read.
    """
    if len(files) != 2:
        return files, ()
    with open_sources(files) as sources:
        if not all(source.seekable for source in sources):
            return files, ()
        swapped = not _has_metadata(sources[0]) and _has_metadata(sources[1])
    if not swapped:
        return files, ()
    text = "this is the metadata file, and it was given second"
    return files[::-1], (diagnose("swapped-parts", text, source=sources[1].name),)


def _has_metadata(source: Source) -> bool:
    """Tell whether a file's first megabytes hold a metadata.yaml; leave the stream where it stood."""
    start = source.stream.tell()
    try:
        for member in _members(source, Limits()):
            if member.name in METADATA_NAMES:
                return True
            if member.offset > _LOOKED_AT:
                return False
    except InvalidImageError:
        return False
    finally:
        source.stream.seek(start)
    return False
