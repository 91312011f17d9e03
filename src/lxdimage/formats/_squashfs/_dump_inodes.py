"""
The bytes of inodes: the basic form where it can say everything, the extended one otherwise.

The layouts are those of `lxdimage.formats._squashfs._inodes`, which reads them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from lxdimage.formats._squashfs._directories import EMPTY
from lxdimage.formats._squashfs._inodes import EXTENDED, HEADER, INDEX, LAYOUTS, NOTHING, NUMBER
from lxdimage.formats._squashfs._nodes import Node

__all__ = ["dump_inode"]

_LARGEST_BASIC_LISTING = 0xFFFF
_LARGEST_BASIC_FILE = 0xFFFFFFFF

_Body: TypeAlias = tuple[bool, tuple[int, ...], bytes]
"""Whether the inode is an extended one, its fields behind the header, and what follows them."""


def dump_inode(node: Node, *, uid: int, gid: int, parent: int) -> bytes:
    """
    Return the inode of *node*.

    Args:
        node: What to write; its content, listing and number are known.
        uid: Row of its owner.
        gid: Row of its group.
        parent: For a directory the number of the one that it is in.
    """
    extended, fields, behind = _BODIES[node.code](node, parent)
    code = node.code + (EXTENDED if extended else 0)
    _, layout, _ = LAYOUTS[code]
    header = HEADER.pack(code, node.mode, uid, gid, node.mtime, node.number)
    return header + layout.pack(*fields) + behind


def _xattrs(node: Node) -> int:
    return NOTHING if node.xattrs is None else node.xattrs


def _file(node: Node, _parent: int) -> _Body:
    stored = node.stored
    assert stored is not None
    blocks = stored.blocks
    if sys.byteorder == "big":
        blocks = blocks[:]
        blocks.byteswap()
    sizes = blocks.tobytes()
    start, size, fragment, offset = stored.start, stored.size, stored.fragment, stored.offset
    if max(start, size) > _LARGEST_BASIC_FILE or node.links > 1 or stored.holes or node.xattrs is not None:
        return True, (start, size, stored.holes, node.links, fragment, offset, _xattrs(node)), sizes
    return False, (start, fragment, offset, size), sizes


def _directory(node: Node, parent: int) -> _Body:
    listing = node.listing
    links = 2 + sum(child.is_directory for child in node.children.values())
    place, offset, size = listing.reference >> 16, listing.reference & 0xFFFF, listing.size + EMPTY
    if size <= _LARGEST_BASIC_LISTING and not listing.groups and node.xattrs is None:
        return False, (place, links, size, offset, parent), b""
    index = [INDEX.pack(at, block, len(name) - 1) + name for at, block, name in listing.groups]
    return True, (links, size, place, parent, len(index), offset, _xattrs(node)), b"".join(index)


def _symlink(node: Node, _parent: int) -> _Body:
    number = b"" if node.xattrs is None else NUMBER.pack(node.xattrs)
    return bool(number), (node.links, len(node.target)), node.target + number


def _device(node: Node, _parent: int) -> _Body:
    major, minor = node.device
    return _with_xattrs(node, minor & 0xFF | major << 8 | (minor & ~0xFF) << 12)


def _special(node: Node, _parent: int) -> _Body:
    return _with_xattrs(node)


def _with_xattrs(node: Node, *fields: int) -> _Body:
    extended = node.xattrs is not None
    return extended, (node.links, *fields, *([_xattrs(node)] if extended else [])), b""


_BODIES: Mapping[int, Callable[[Node, int], _Body]] = {
    1: _directory,
    2: _file,
    3: _symlink,
    4: _device,
    5: _device,
    6: _special,
    7: _special,
}
