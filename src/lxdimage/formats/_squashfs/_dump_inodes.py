"""
The bytes of inodes: the basic form where it can say everything, the extended one otherwise.

The layouts are those that `_inodes` reads.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping

from lxdimage.formats._squashfs._inodes import NOTHING
from lxdimage.formats._squashfs._nodes import Node

__all__ = ["dump_inode"]

_EXTENDED = 7
"""What is added to the type of an extended inode."""
_LARGEST_BASIC_LISTING = 0xFFFF
_LARGEST_BASIC_FILE = 0xFFFFFFFF


def dump_inode(node: Node, *, uid: int, gid: int, parent: int) -> bytes:
    """
    Return the inode of *node*.

    Args:
        node: What to write; its content, listing and number are known.
        uid: Row of its owner.
        gid: Row of its group.
        parent: For a directory the number of the one that it is in.
    """
    extended, body = _BODIES[node.code](node, parent)
    code = node.code + (_EXTENDED if extended else 0)
    return struct.pack("<HHHHII", code, node.mode, uid, gid, node.mtime, node.number) + body


def _xattrs(node: Node) -> int:
    return NOTHING if node.xattrs is None else node.xattrs


def _file(node: Node, _parent: int) -> tuple[bool, bytes]:
    stored = node.stored
    assert stored is not None
    blocks = stored.blocks
    if sys.byteorder == "big":
        blocks = blocks[:]
        blocks.byteswap()
    large = max(stored.start, stored.size) > _LARGEST_BASIC_FILE
    if large or node.links > 1 or stored.holes or node.xattrs is not None:
        sizes = struct.pack("<QQQ", stored.start, stored.size, stored.holes)
        rest = struct.pack("<IIII", node.links, stored.fragment, stored.offset, _xattrs(node))
        return True, sizes + rest + blocks.tobytes()
    fixed = struct.pack("<IIII", stored.start, stored.fragment, stored.offset, stored.size)
    return False, fixed + blocks.tobytes()


def _directory(node: Node, parent: int) -> tuple[bool, bytes]:
    listing = node.listing
    links = 2 + sum(child.is_directory for child in node.children.values())
    place, offset, size = listing.reference >> 16, listing.reference & 0xFFFF, listing.size + 3
    if size <= _LARGEST_BASIC_LISTING and not listing.groups and node.xattrs is None:
        return False, struct.pack("<IIHHI", place, links, size, offset, parent)
    index = [struct.pack("<III", at, block, len(name) - 1) + name for at, block, name in listing.groups]
    fixed = struct.pack("<IIIIHHI", links, size, place, parent, len(index), offset, _xattrs(node))
    return True, fixed + b"".join(index)


def _symlink(node: Node, _parent: int) -> tuple[bool, bytes]:
    return _with_xattrs(node, struct.pack("<II", node.links, len(node.target)) + node.target)


def _device(node: Node, _parent: int) -> tuple[bool, bytes]:
    major, minor = node.device
    number = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    return _with_xattrs(node, struct.pack("<II", node.links, number))


def _special(node: Node, _parent: int) -> tuple[bool, bytes]:
    return _with_xattrs(node, struct.pack("<I", node.links))


def _with_xattrs(node: Node, body: bytes) -> tuple[bool, bytes]:
    return (False, body) if node.xattrs is None else (True, body + struct.pack("<I", node.xattrs))


_BODIES: Mapping[int, Callable[[Node, int], tuple[bool, bytes]]] = {
    1: _directory,
    2: _file,
    3: _symlink,
    4: _device,
    5: _device,
    6: _special,
    7: _special,
}
