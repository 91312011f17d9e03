"""The members of an image in one view, whatever its layout and whatever the format of its root."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

import attrs

from lxdimage._chunks import READ_SIZE, Chunks, peek
from lxdimage._sources import FileArgument, Progress, Source, Tracker, check_file_count, open_sources, spool
from lxdimage.archive import Entry, EntryType, Member, TarReader
from lxdimage.compression import Compression, decode_named
from lxdimage.errors import UnsupportedFormatError
from lxdimage.formats import HEAD_SIZE, QCOW2, SQUASHFS, FileFormat, identify
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = [
    "DiskMember",
    "ImageMember",
    "disk_members",
    "file_members",
    "open_members",
    "placed",
    "plain_path",
    "tar_compression",
]

_LEADING_DOTS = re.compile(r"\A(?:\./++)+")


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


def plain_path(path: str) -> str:
    """Return the name of a member as people mean it, however they or an archive spell it: ``a/b`` for ``./a//b/``."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


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
    check_file_count(files)
    with (
        open_sources(files) as sources,
        closing(_all_members(sources, limits or Limits(), Tracker(progress, sources))) as members,
    ):
        yield members


def _all_members(
    sources: Sequence[Source], limits: Limits, tracker: Tracker
) -> Generator[ImageMember, None, None]:
    for number, source in enumerate(sources):
        root = number > 0
        yield from placed(file_members(source, limits, tracker, disk=root), root=root)


def placed(members: Iterable[Member], *, root: bool) -> Iterator[ImageMember]:
    """Yield the members of one file with their paths in the image; *root* says that it is the root of a split one."""
    for member in members:
        path = os.fsdecode(member.name)
        if path.startswith("."):  # as nothing does but what begins with ./ and hidden files
            path = _shown(path)
        if root and not isinstance(member, DiskMember):
            slash = "/" if path.endswith("/") or (not path and member.type is EntryType.DIRECTORY) else ""
            path = f"rootfs/{path}".rstrip("/") + slash
        yield ImageMember(path, member)


def _shown(path: str) -> str:
    path = _LEADING_DOTS.sub("", path, count=1)
    return "" if path == "." else path


def file_members(
    source: Source, limits: Limits, tracker: Tracker | None = None, *, disk: bool = False
) -> Iterator[Member]:
    """Yield the members of one file; a *disk* is one member, where it may be one."""
    head, chunks = peek(tracker.tap(source.chunks()) if tracker else source.chunks(), HEAD_SIZE)
    found = identify(head)
    if disk and found == QCOW2:
        yield from disk_members(source, chunks)
    elif found == SQUASHFS:
        yield from _squashfs_members(source, chunks, limits)
    else:
        decoded = decode_named(tar_compression(found, head, source.name), chunks, source.name, limits)
        yield from TarReader(decoded, source=source.name, limits=limits)


def tar_compression(found: FileFormat | None, head: bytes, name: str) -> Compression:
    """
    Return how a file that should be a tar is compressed.

    Args:
        found: Its format.
        head: Its first bytes.
        name: What findings call it.

    Raises:
        UnsupportedFormatError: It is something else.
    """
    if found is not None and found.compression is not None:
        return found.compression
    if found:
        what, code = f"a {found.name} disk, not an archive", "not-an-archive"
    else:
        what, code = f"of no known format, it begins with {head[:8]!r}", "unsupported-compression"
    raise UnsupportedFormatError(diagnose(code, f"the file is {what}", source=name))


def disk_members(source: Source, chunks: Chunks) -> Iterator[Member]:
    """Yield the disk whose bytes are *chunks* as a member."""
    if source.size is not None:
        yield DiskMember(chunks, source.size)
        return
    with spool(chunks) as stream:
        size = stream.tell()
        stream.seek(0)
        yield DiskMember(iter(lambda: stream.read(READ_SIZE), b""), size)


def _squashfs_members(source: Source, chunks: Chunks, limits: Limits) -> Iterator[Member]:
    from lxdimage.formats._squashfs import read_squashfs

    with source.at_any_place(chunks) as stream:
        yield from read_squashfs(stream, limits=limits, source=source.name)
