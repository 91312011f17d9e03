"""
The tree that is written: entries, in any order, joined by their paths.

The rules are those of unpacking a tar: a later entry replaces an earlier one of the same path, a directory keeps
what is in it, and directories that are missing are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import attrs

from lxdimage._findings import Findings
from lxdimage.archive import NANO, Entry, EntryType
from lxdimage.errors import BuildError
from lxdimage.formats._squashfs._data import StoredFile
from lxdimage.rules import diagnose

__all__ = ["Listing", "Node", "NodeTree", "children_of", "unwritable"]

_LONGEST_NAME = 255  # the format has room for one more, which no system can unpack
_LONGEST_PATH = 4095
_LONGEST_TARGET = 65535
_LARGEST_ID = (1 << 32) - 1
_LARGEST_TIME = (1 << 32) - 1
_LARGEST_DEVICE = ((1 << 12) - 1, (1 << 20) - 1)
_MOST_PARENTS = 4096


_CODES: Mapping[EntryType, int] = {
    EntryType.DIRECTORY: 1,
    EntryType.FILE: 2,
    EntryType.SYMLINK: 3,
    EntryType.BLOCK_DEVICE: 4,
    EntryType.CHARACTER_DEVICE: 5,
    EntryType.FIFO: 6,
    EntryType.SOCKET: 7,
}


class Listing(NamedTuple):
    """
    Where the listing of a directory was written.

    Attributes:
        reference: Where it begins.
        size: Its bytes.
        groups: For some groups of entries their offset in the listing, their metadata block and first name.
    """

    reference: int
    size: int
    groups: Sequence[tuple[int, int, bytes]]


_NO_LISTING = Listing(0, 0, ())


@attrs.define(eq=False)
class Node:
    """
    An inode that is to be written, filled in step by step.

    Attributes:
        code: The basic type of its inode.
        mode: Permission bits.
        uid: Owner.
        gid: Group.
        mtime: Time of last modification, in seconds since 1970.
        target: What a symbolic link contains.
        device: Major and minor number of a device.
        xattrs: Number of its set of extended attributes, None when it has none.
        stored: Where the content of a file is.
        parent: The directory that a directory is in; the root has none.
        children: What a directory holds.
        listing: Where the names of a directory are, once they are written.
        links: Names that it has, for all but directories.
        number: Its inode number, 0 as long as it has none.
        reference: Where its inode is, -1 as long as that is not written.
    """

    code: int
    mode: int
    mtime: int
    is_directory: bool = False
    uid: int = 0
    gid: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: int | None = None
    stored: StoredFile | None = None
    parent: Node | None = None
    children: dict[bytes, Node] = attrs.field(factory=dict)
    listing: Listing = _NO_LISTING
    links: int = 1
    number: int = 0
    reference: int = -1


def unwritable(message: str, entry: Entry | None = None) -> BuildError:
    """Return the error of something that SquashFS cannot hold."""
    return BuildError(diagnose("squashfs-unwritable", message, source=entry.path if entry else ""))


class NodeTree:
    """
    All that is written, by path.

    Attributes:
        root: The root directory.
        lost: What of the entries is lost.
    """

    def __init__(self, mtime: int) -> None:
        self._mtime = mtime
        self.root = self._new_directory(None)
        self.lost = Findings()
        self._parents: dict[str, Node] = {}

    def add(self, entry: Entry) -> Node:
        """
        Put *entry* in the tree and return its node.

        Args:
            entry: What to put there. A hard link must follow what it links to.

        Returns:
            The node, without content and extended attributes: a new one, except for a directory that is already
            there and for a hard link.

        Raises:
            BuildError: SquashFS cannot hold the entry, or its path leads through something that is no directory.
        """
        if len(entry.path) > _LONGEST_PATH:
            raise unwritable(
                f"expected a path of at most {_LONGEST_PATH} bytes, found {len(entry.path)}", entry
            )
        where, _, last = entry.path.rstrip("/").rpartition("/")
        if last in {"", "."}:
            return self._add_dot(entry)
        name = _name(entry, last)
        parent = self._parents.get(where) or self._find_parent(entry, where)
        known = parent.children.get(name)
        is_directory = entry.type is EntryType.DIRECTORY
        if entry.type is EntryType.HARD_LINK:
            node = self._link(entry)
        elif known is not None and known.is_directory and is_directory:
            return self._fill(known, entry)
        else:
            node = Node(_CODES[entry.type], 0, 0, is_directory, parent=parent)
            self._fill(node, entry)
        if known is not node:
            self._place(entry, parent, name, node)
        return node

    def _add_dot(self, entry: Entry) -> Node:
        """Return the directory that a path ending in a dot, or an empty one, means."""
        if entry.type is not EntryType.DIRECTORY:
            raise unwritable(f"expected a directory, found a {entry.type.name}", entry)
        return self._fill(self._directory(entry, _split(entry, entry.path)), entry)

    def _find_parent(self, entry: Entry, where: str) -> Node:
        """Return the directory at *where* and keep it for the members that follow, most of which are in it too."""
        if len(self._parents) >= _MOST_PARENTS:
            self._parents.clear()
        parent = self._parents[where] = self._directory(entry, _split(entry, where))
        return parent

    def _new_directory(self, parent: Node | None) -> Node:
        return Node(_CODES[EntryType.DIRECTORY], 0o755, self._mtime, is_directory=True, parent=parent)

    def _place(self, entry: Entry, parent: Node, name: bytes, node: Node) -> None:
        known = parent.children.get(name)
        if known is not None and known is not node:
            if known.children:
                raise unwritable(
                    "expected nothing or an empty directory in its place, found a full one", entry
                )
            known.links -= 1
        if known is not node:
            node.links += entry.type is EntryType.HARD_LINK
            parent.children[name] = node

    def _directory(self, entry: Entry, names: list[bytes]) -> Node:
        """Return the directory at *names*, made with its parents where it is missing."""
        node = self.root
        for name in names:
            child = node.children.get(name)
            if child is None:
                child = node.children[name] = self._new_directory(node)
            if not child.is_directory:
                raise unwritable(f"expected {name!r} to be a directory", entry)
            node = child
        return node

    def _link(self, entry: Entry) -> Node:
        node: Node | None = self.root
        for name in _split(entry, entry.target):
            node = node.children.get(name) if node else None
        if node is None or node.is_directory:
            raise unwritable(f"expected a hard link to an earlier file, found one to {entry.target!r}", entry)
        return node

    def _fill(self, node: Node, entry: Entry) -> Node:
        """Give *node* what *entry* says."""
        node.mode = entry.mode & 0o7777
        node.uid, node.gid = entry.uid, entry.gid
        if not (0 <= node.uid <= _LARGEST_ID and 0 <= node.gid <= _LARGEST_ID):
            message = f"expected owners from 0 to {_LARGEST_ID}, found {node.uid} and {node.gid}"
            raise unwritable(message, entry)
        node.mtime = self._time(entry)
        if entry.type is EntryType.SYMLINK:
            node.target = _target(entry)
        if entry.type is EntryType.CHARACTER_DEVICE or entry.type is EntryType.BLOCK_DEVICE:
            node.device = _device(entry)
        return node

    def _time(self, entry: Entry) -> int:
        time = entry.mtime_ns // NANO
        if 0 <= time <= _LARGEST_TIME:
            return time
        self.lose("squashfs-lost-time", f"the modification time {time} was replaced", entry)
        return max(0, min(time, _LARGEST_TIME))

    def lose(self, code: str, message: str, entry: Entry) -> None:
        """Note that something of *entry* has no place."""
        self.lost.add(diagnose(code, message, source=entry.path))

    def directories(self) -> Iterator[Node]:
        """Yield all directories, each after those that are in it; names in the order of their bytes."""
        stack = [(self.root, iter(children_of(self.root)))]
        while stack:
            child = next((child for _, child in stack[-1][1] if child.is_directory), None)
            if child is None:
                yield stack.pop()[0]
            else:
                stack.append((child, iter(children_of(child))))


def children_of(node: Node) -> list[tuple[bytes, Node]]:
    """Return names and nodes of a directory in the order of the listing: that of the names' bytes."""
    return sorted(node.children.items())  # names differ, so that nodes are never compared


def _split(entry: Entry, path: str) -> list[bytes]:
    """Return the components of *path*; a leading slash and dots mean nothing."""
    return [_name(entry, name) for name in path.split("/") if name not in {"", "."}]


def _name(entry: Entry, text: str) -> bytes:
    name = _encode(entry, text)
    if text == ".." or "\0" in text or len(name) > _LONGEST_NAME:
        raise unwritable(f"expected a name of at most {_LONGEST_NAME} bytes, found {name[:300]!r}", entry)
    return name


def _encode(entry: Entry, text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise unwritable(f"expected a name as os.fsdecode gives it, found {text!r}", entry) from None


def _target(entry: Entry) -> bytes:
    target = _encode(entry, entry.target)
    if not 0 < len(target) <= _LONGEST_TARGET or b"\0" in target:
        message = f"expected a target of 1 to {_LONGEST_TARGET} bytes, found {len(target)}: {target[:300]!r}"
        raise unwritable(message, entry)
    return target


def _device(entry: Entry) -> tuple[int, int]:
    major, minor = entry.device or (0, 0)
    if not (0 <= major <= _LARGEST_DEVICE[0] and 0 <= minor <= _LARGEST_DEVICE[1]):
        raise unwritable(f"expected a device up to {_LARGEST_DEVICE}, found {(major, minor)}", entry)
    return major, minor
