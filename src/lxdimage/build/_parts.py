"""
An image on its way from one form to another: what stands beside its root, and its root, in the order of the source.

Members keep the blocks of their headers (see `dump_member`), so that what is not asked to change does not change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import attrs

from lxdimage._chunks import Chunks
from lxdimage.archive import Entry, EntryType, Item, Member, TarMember, TarReader, dump_member
from lxdimage.diagnostics import escape
from lxdimage.errors import BuildError, InvalidImageError, LimitExceededError
from lxdimage.formats import ImageType, control_path
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = [
    "ROOT",
    "Control",
    "Disk",
    "EntryMember",
    "ImageGuard",
    "Part",
    "Root",
    "RootFile",
    "RootTar",
    "Shared",
    "control_item",
    "entry_item",
    "expanded",
    "no_root",
    "read_control",
    "read_root",
    "read_unified",
    "root_item",
    "with_shared",
]

ROOT = b"rootfs/"
"""What the names of the root's members begin with in a unified image."""


class Control(NamedTuple):
    """
    A member beside the root.

    Attributes:
        path: Where it is in the image, without leading or trailing slashes.
        member: The member.
    """

    path: bytes
    member: Member


class Root(NamedTuple):
    """
    A member of the root.

    Attributes:
        path: Where it is in the root; empty for the root itself, with a slash at the end where the name had one.
        member: The member.
        target: Where the file is in the root that a hard link repeats.
        owner: The owner that it should have, where that is another one.
    """

    path: bytes
    member: Member
    target: bytes | None = None
    owner: tuple[int, int] | None = None


class Shared(NamedTuple):
    """PAX records that hold for all members of the root that follow."""

    records: Mapping[bytes, bytes]


class Disk(NamedTuple):
    """The disk of a virtual machine."""

    member: Member


class RootTar(NamedTuple):
    """The root as a tar that need not change: its decompressed bytes."""

    chunks: Chunks


class RootFile(NamedTuple):
    """The root as a file that need not change."""

    chunks: Chunks
    type: ImageType


Part: TypeAlias = Control | Root | Shared | Disk | RootTar | RootFile


class EntryMember:
    """An entry with its content as a member that no archive holds."""

    offset = 0

    def __init__(self, entry: Entry, chunks: Iterable[bytes] = ()) -> None:
        self.entry = entry
        self.name = os.fsencode(entry.path)
        self.type = entry.type
        self.size = entry.size
        self._chunks = chunks

    def chunks(self) -> Chunks:
        """Yield the content; once."""
        return iter(self._chunks)


# ---- reading --------------------------------------------------------------------------------------------------------


def with_shared(reader: TarReader) -> Iterator[Member | Shared]:
    """Yield the members of a tar, and the records of its global headers where they change."""
    shared = reader.global_records
    for member in reader:
        if reader.global_records is not shared:
            shared = reader.global_records
            yield Shared(shared)
        yield member


def read_unified(
    members: Iterable[Member | Shared], source: str, *, strip: int = 0
) -> Iterator[Control | Root | Shared | Disk]:
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
        if isinstance(member, Shared):
            yield member
            continue
        name = member.name
        if strip:
            _check_name(name, source)
            name = _stripped(name, strip)
            if not name:
                continue
        if name.startswith(ROOT) and not disk and name[7:8] not in _ODD and b".." not in name:
            path = name[7:]
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
            path = path[7:] + (b"/" if path[7:] and name.endswith(b"/") else b"")
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
            text = f"{_shown(member.name)} is in the metadata file, where the root of a unified image goes"
            raise InvalidImageError(diagnose("stray-root", text, source=source))
        yield Control(path, member)


_ODD = frozenset({b"/", b"."})


def _check_name(name: bytes, source: str) -> None:
    if b".." in name and b".." in name.split(b"/"):
        text = f"{_shown(name)} contains '..'"
        raise InvalidImageError(diagnose("dotdot-member", text, source=source))


def _target(member: Member, prefix: bytes, strip: int = 0) -> bytes | None:
    """Return where the target of a hard link is in the root; None where it is not in it."""
    target = member.target if isinstance(member, TarMember) else os.fsencode(member.entry.target)
    path = _stripped(control_path(target), strip)
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
        if path[:1] not in _IMAGE_STARTS:
            return
        self._metadata = self._metadata or path == b"metadata.yaml"
        self._root = self._root or path.startswith(ROOT)
        if self._metadata and self._root:
            text = "it holds 'metadata.yaml' and 'rootfs', so it is an image and not a root file system"
            raise BuildError(diagnose("root-is-image", text, source=self._source))


_IMAGE_STARTS = frozenset({b"m", b"r"})


def read_root(members: Iterable[Member | Shared], source: str, *, strip: int = 0) -> Iterator[Root | Shared]:
    """
    Yield the members of an archive of the root alone as parts.

    Args:
        members: The members.
        source: What findings call the archive.
        strip: How many leading components names lose; members with no more than these are left out.

    Raises:
        InvalidImageError: A member has no place in an image that can be unpacked.
    """
    empty = True
    for member in members:
        if isinstance(member, Shared):
            yield member
            continue
        name = member.name
        _check_name(name, source)
        path = control_path(name)
        target = _target(member, b"", strip) if member.type is EntryType.HARD_LINK else None
        if strip:
            path = _stripped(path, strip)
            if not path:
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


def _shown(name: bytes) -> str:
    return repr(escape(os.fsdecode(name[:200])))


# ---- writing --------------------------------------------------------------------------------------------------------


def root_item(root: Root, prefix: bytes | None) -> Item:
    """
    Return a member of the root for `write_archive`.

    Args:
        root: The member.
        prefix: What names begin with there; None leaves them as they are.
    """
    member = root.member
    if not isinstance(member, TarMember):
        return entry_item(root, ROOT if prefix is None else prefix)
    content = member.stored_chunks() if member.stored else ()
    if prefix is None and root.owner is None:
        return dump_member(member), content
    name = member.name if prefix is None else prefix + root.path or b"./"
    target = None if prefix is None or member.flag != 0x31 else prefix + _inside(root)
    uid, gid = root.owner or (None, None)
    if name == member.name:
        return dump_member(member, target=target, uid=uid, gid=gid), content
    return dump_member(member, name=name, target=target, uid=uid, gid=gid), content


def entry_item(root: Root, prefix: bytes) -> tuple[Entry, Chunks]:
    """Return a member of the root as its entry, with *prefix* before its name."""
    member, entry = root.member, root.member.entry
    path = prefix + root.path or b"./"
    target = entry.target if entry.type is not EntryType.HARD_LINK else os.fsdecode(prefix + _inside(root))
    uid, gid = root.owner or (entry.uid, entry.gid)
    return attrs.evolve(entry, path=os.fsdecode(path), target=target, uid=uid, gid=gid), member.chunks()


def _inside(root: Root) -> bytes:
    """Return the target of a hard link, which has to be in the root."""
    if not root.target:
        text = f"{_shown(root.member.name)} is a hard link to something that is not in the root"
        raise InvalidImageError(diagnose("dangling-hard-link", text))
    return root.target


def control_item(path: bytes, member: Member, *, keep: bool) -> Item:
    """Return a member beside the root for `write_archive`; it may *keep* its name."""
    slash = b"/" if member.name.endswith(b"/") or member.type is EntryType.DIRECTORY else b""
    if isinstance(member, TarMember):
        name = None if keep else path + slash
        target = control_path(member.target) if member.type is EntryType.HARD_LINK and not keep else None
        return dump_member(member, name=name, target=target), member.stored_chunks()
    return attrs.evolve(member.entry, path=os.fsdecode(path + slash)), member.chunks()


def expanded(member: Member, limits: Limits, source: str) -> Chunks:
    """
    Return the content of a member with all its holes.

    Raises:
        LimitExceededError: It has more bytes than an archive may decompress to.
    """
    if member.size > limits.size:
        text = f"{_shown(member.name)} has {member.size} bytes, holes included, more than Limits.size, {limits.size}"
        raise LimitExceededError(diagnose("decompression-limit", text, source=source))
    return member.chunks()


def no_root(source: str) -> BuildError:
    """Return the error of an image that has no root."""
    return BuildError(diagnose("root-missing", "there is neither 'rootfs/' nor 'rootfs.img'", source=source))
