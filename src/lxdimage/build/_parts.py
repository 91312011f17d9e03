"""
An image on its way from one form to another: what stands beside its root, and its root, in the order of the source.

Members keep the blocks of their headers (see `dump_member`), so that what is not asked to change does not change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, NoReturn, TypeAlias

import attrs

from lxdimage._chunks import Chunks
from lxdimage._findings import shown
from lxdimage.archive import (
    Entry,
    EntryType,
    Item,
    Member,
    TarMember,
    dump_member,
)
from lxdimage.errors import BuildError, InvalidImageError, LimitExceededError
from lxdimage.formats import ImageType, control_path
from lxdimage.limits import RATIO_COUNTS_FROM, Limits
from lxdimage.rules import diagnose

__all__ = [
    "ROOT",
    "Control",
    "Disk",
    "EntryMember",
    "Expansion",
    "Part",
    "Root",
    "RootFile",
    "RootRun",
    "RootTar",
    "Shared",
    "control_item",
    "entry_item",
    "link_target",
    "no_root",
    "path_digest",
    "root_item",
]

ROOT = b"rootfs/"
"""What the names of the root's members begin with in a unified image."""


class Control(NamedTuple):
    """
    A member beside the root.

    Attributes:
        path: Where it is in the image, without leading or trailing slashes.
        member: The member.
        target: Where the target of a hard link is in the image, where that is not what the member says.
    """

    path: bytes
    member: Member
    target: bytes | None = None


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


class RootRun(NamedTuple):
    """Members of the root as they are to be written: their blocks, with the names that they will have."""

    blocks: bytes


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


Part: TypeAlias = Control | Root | RootRun | Shared | Disk | RootTar | RootFile


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


def link_target(member: Member) -> bytes:
    """Return the name that a link holds, as stored; that of a tar's member without parsing all of its header."""
    return member.target if isinstance(member, TarMember) else os.fsencode(member.entry.target)


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
    target = None if prefix is None or member.type is not EntryType.HARD_LINK else prefix + _inside(root)
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
        text = f"{shown(root.member.name)} is a hard link to something that is not in the root"
        raise InvalidImageError(diagnose("dangling-hard-link", text))
    return root.target


def control_item(control: Control, *, keep: bool) -> Item:
    """Return a member beside the root for `write_archive`; it may *keep* its name."""
    path, member, target = control
    slash = b"/" if member.name.endswith(b"/") or member.type is EntryType.DIRECTORY else b""
    if isinstance(member, TarMember):
        name = None if keep else path + slash
        if target is None and member.type is EntryType.HARD_LINK and not keep:
            target = control_path(member.target)
        return dump_member(member, name=name, target=target), member.stored_chunks()
    entry = member.entry if target is None else attrs.evolve(member.entry, target=os.fsdecode(target))
    return attrs.evolve(entry, path=os.fsdecode(path + slash)), member.chunks()


class Expansion:
    """Gives out the content of members with all their holes, which cost as much as data and no decoder counts."""

    def __init__(self, limits: Limits, source: str, size: Callable[[], int]) -> None:
        """
        Args:
            limits: Bounds on what an untrusted image may use.
            source: What the image is called in findings.
            size: Tells how many bytes the image has, as far as that is known.
        """
        self._limits = limits
        self._source = source
        self._size = size
        self._holes = 0

    def chunks(self, member: Member, entry: Entry) -> Chunks:
        """
        Return the content of *member*, which becomes *entry*.

        Raises:
            LimitExceededError: It has more bytes than an archive may decompress to, or there are too many holes.
        """
        limits = self._limits
        if member.size > limits.size:
            self._fail(
                member, f"has {member.size} bytes, holes included, more than Limits.size, {limits.size}"
            )
        if entry.data is not None:
            self._holes += member.size - sum(length for _, length in entry.data)
            if self._holes > max(RATIO_COUNTS_FROM, limits.ratio * self._size()):
                text = f"is the last of files whose holes are more than Limits.ratio, {limits.ratio} times the image"
                self._fail(member, text)
        return member.chunks()

    def _fail(self, member: Member, text: str) -> NoReturn:
        text = f"{shown(member.name)} {text}"
        raise LimitExceededError(diagnose("decompression-limit", text, source=self._source))


def no_root(source: str) -> BuildError:
    """Return the error of an image that has no root."""
    return BuildError(diagnose("root-missing", "there is neither 'rootfs/' nor 'rootfs.img'", source=source))


def path_digest(path: bytes) -> bytes:
    """Return what stands for a path, which may have any length, where many are remembered."""
    return hashlib.blake2b(path, digest_size=16).digest()
