"""
The members of an archive as parts of an image: what stands beside the root, and the root.

`read_unified` takes the archive of a unified image, `read_control` the metadata file of a split one and `read_root` an
archive of the root alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lxdimage._findings import shown
from lxdimage.archive import Entry, EntryType, Member, Renaming, RunReader, TarReader
from lxdimage.build._parts import ROOT, Control, Disk, EntryMember, Root, RootRun, Shared, link_target
from lxdimage.errors import BuildError, InvalidImageError
from lxdimage.formats import control_path
from lxdimage.rules import diagnose

__all__ = [
    "IMAGE_STARTS",
    "ImageGuard",
    "read_control",
    "read_root",
    "read_unified",
    "with_runs",
    "with_shared",
]


_BELOW = len(ROOT)


def with_shared(reader: TarReader) -> Iterator[Member | Shared]:
    """Yield the members of a tar, and the records of its global headers where they change."""
    shared = reader.global_records
    for member in reader:
        if reader.global_records is not shared:
            shared = reader.global_records
            yield Shared(shared)
        yield member


def with_runs(reader: RunReader, old: bytes, new: bytes) -> Iterator[Member | Shared | RootRun]:
    """
    Yield the members of a tar, and those of the root that only get another name together.

    Args:
        reader: The tar.
        old: What the names of the root's members begin with; without that, they are all the root's.
        new: What they are to begin with.
    """
    shared = reader.global_records
    root = False
    # Whoever looks for an image in a root has to see the names that tell it.
    for found in reader.runs(Renaming(old, new, apart=b"" if old else IMAGE_STARTS)):
        if isinstance(found, bytes):
            root = True
            yield RootRun(found)
            continue
        if reader.global_records is not shared:
            shared = reader.global_records
            yield Shared(shared)
        root = root or found.name.startswith(old)
        if not root and control_path(found.name) == b"rootfs.img":
            reader.alone = True  # behind a disk, what looks like a root is just other files
        yield found


def read_unified(
    members: Iterable[Member | Shared | RootRun], source: str, *, strip: int = 0
) -> Iterator[Control | Root | RootRun | Shared | Disk]:
    """
    Yield the members of the archive that holds metadata.yaml as parts.

    The first member of a root decides what the image is: a disk that comes later is just another file.

    Args:
        members: The members.
        source: What findings call the archive.
        strip: How many leading components names lose; members with no more than these are left out.

    Raises:
        InvalidImageError: A member has no place in an image that can be unpacked.
    """
    root = disk = False
    for member in members:
        if isinstance(member, RootRun):
            root = True
            yield member
            continue
        if isinstance(member, Shared):
            yield member
            continue
        name = member.name
        if strip:
            _check_name(name, source)
            name = _stripped(name, strip)
            if not name:
                continue
        if name.startswith(ROOT) and not disk and name[_BELOW : _BELOW + 1] not in _ODD and b".." not in name:
            path = name[_BELOW:]
        else:
            _check_name(name, source)
            path = control_path(name)
            if path == b"rootfs.img" and not root:
                disk = True
                yield Disk(member)
                continue
            if path == b"rootfs" and not disk and member.type is not EntryType.DIRECTORY:
                text = "'rootfs' is no directory"
                raise InvalidImageError(diagnose("root-not-directory", text, source=source))
            if disk or not (path == b"rootfs" or path.startswith(ROOT)):
                yield Control(path, member)
                continue
            path = path[_BELOW:]
            path += b"/" if path and name.endswith(b"/") else b""
        root = True
        target = _target(member, ROOT, strip) if member.type is EntryType.HARD_LINK else None
        yield Root(path, member, target)


def read_control(
    members: Iterable[Member | Shared], source: str, *, strays: bool = False
) -> Iterator[Control | Shared]:
    """
    Yield the members of the metadata file of a split image as parts.

    Args:
        members: The members.
        source: What findings call the file.
        strays: Allow members where the root goes in a unified image; a daemon unpacks them below the real root.

    Raises:
        InvalidImageError: A member has no place in an image that can be unpacked.
    """
    for member in members:
        if isinstance(member, Shared):
            yield member
            continue
        _check_name(member.name, source)
        path = control_path(member.name)
        if not strays and (path in {b"rootfs", b"rootfs.img"} or path.startswith(ROOT)):
            text = f"{shown(member.name)} is in the metadata file, where the root of a unified image goes"
            raise InvalidImageError(diagnose("stray-root", text, source=source))
        yield Control(path, member)


_ODD = frozenset({b"/", b"."})


def _check_name(name: bytes, source: str) -> None:
    if b".." in name and b".." in name.split(b"/"):
        text = f"{shown(name)} contains '..'"
        raise InvalidImageError(diagnose("dotdot-member", text, source=source))


def _target(member: Member, prefix: bytes, strip: int = 0) -> bytes | None:
    """Return where the target of a hard link is in the root; None where it is not in it."""
    path = _stripped(control_path(link_target(member)), strip)
    return path[len(prefix) :] if path.startswith(prefix) and b".." not in path.split(b"/") else None


class ImageGuard:
    """Refuses a root that turns out to be a whole image."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._metadata = self._root = False

    def see(self, path: bytes) -> None:
        """
        Take note of the path of a member.

        Raises:
            BuildError: There are both metadata.yaml and a root by now.
        """
        if path[:1] not in {b"m", b"r"}:
            return
        self._metadata = self._metadata or path == b"metadata.yaml"
        self._root = self._root or path.startswith(ROOT)
        if self._metadata and self._root:
            text = "it holds 'metadata.yaml' and 'rootfs', so it is an image and not a root file system"
            raise BuildError(diagnose("root-is-image", text, source=self._source))


IMAGE_STARTS = b"mr"
"""What names begin with that tell an image from a root."""


def read_root(
    members: Iterable[Member | Shared | RootRun], source: str, *, strip: int = 0
) -> Iterator[Root | RootRun | Shared]:
    """
    Yield the members of an archive of the root alone as parts.

    Args:
        members: The members.
        source: What findings call the archive.
        strip: How many leading components names lose; members with no more than these are left out, but for the
            first directory with so many, which is the root.

    Raises:
        InvalidImageError: A member has no place in an image that can be unpacked.
    """
    empty, topped = True, False
    for member in members:
        if isinstance(member, RootRun):
            empty = False
        if isinstance(member, Shared | RootRun):
            yield member
            continue
        name = member.name
        _check_name(name, source)
        path = control_path(name)
        target = _target(member, b"", strip) if member.type is EntryType.HARD_LINK else None
        if strip:
            # The directory that becomes the root says whose that is and what mode it has.
            top = (
                not topped
                and member.type is EntryType.DIRECTORY
                and path.rstrip(b"/").count(b"/") == strip - 1
            )
            path = _stripped(path, strip)
            topped = topped or top
            if not path and not top:
                continue
        empty = False
        yield Root(path + b"/" if path and name.endswith(b"/") else path, member, target)
    if empty:
        yield Root(b"", EntryMember(Entry(path="./", type=EntryType.DIRECTORY, mode=0o755)))


def _stripped(path: bytes, count: int) -> bytes:
    """Return a path without its first components, empty where none is left; a slash at its end stays."""
    if not count:
        return path
    rest = b"/".join(control_path(path).split(b"/")[count:])
    return rest + b"/" if rest and path.endswith(b"/") else rest
