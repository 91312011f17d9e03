"""
Writing the tree: the inode table and the directory table, which refer to each other.

A directory is written after those that are in it: first the inodes of all that it holds, side by side, then its
listing; its own inode is written with those of its parent.
"""

from __future__ import annotations

from typing import NamedTuple

from lxdimage.formats._squashfs._directories import ENTRY, GROUP, MOST_ENTRIES
from lxdimage.formats._squashfs._dump import MetadataWriter
from lxdimage.formats._squashfs._dump_inodes import dump_inode
from lxdimage.formats._squashfs._encoders import BlockEncoder
from lxdimage.formats._squashfs._inodes import NOTHING
from lxdimage.formats._squashfs._nodes import Listing, Node, NodeTree, children_of, unwritable

__all__ = ["TreeDump", "dump_tree"]

_MOST_IDS = 65535
_MOST_INODES = NOTHING - 1
_MOST_INDEXES = 65535
_FARTHEST = 32767


class TreeDump(NamedTuple):
    """
    The tree, written.

    Attributes:
        inodes: The inode table.
        directories: The directory table.
        root: The reference of the root's inode.
        ids: Owners and groups, by their rows.
        references: The reference of every inode, by number from 1.
    """

    inodes: bytes
    directories: bytes
    root: int
    ids: list[int]
    references: list[int]


def dump_tree(tree: NodeTree, encode: BlockEncoder) -> TreeDump:
    """
    Return the tables of *tree*.

    Raises:
        BuildError: There are more owners or inodes than SquashFS can number.
    """
    writer = _TreeWriter(_number(tree), encode)
    for directory in tree.directories():
        writer.write_directory(directory)
    writer.write_inode(tree.root)
    return TreeDump(
        inodes=writer.inodes.finish(),
        directories=writer.directories.finish(),
        root=tree.root.reference,
        ids=list(writer.ids),
        references=writer.references,
    )


def _number(tree: NodeTree) -> int:
    """Number the inodes in the order in which they are written, and return how many there are."""
    count = 0
    for directory in tree.directories():
        for _, child in children_of(directory):
            if not child.number:
                count += 1
                child.number = count
    tree.root.number = count + 1
    if tree.root.number > _MOST_INODES:
        raise unwritable(f"expected at most {_MOST_INODES} inodes, found {tree.root.number}")
    return tree.root.number


class _TreeWriter:
    """What is shared while a tree is written."""

    def __init__(self, count: int, encode: BlockEncoder) -> None:
        self.inodes = MetadataWriter(encode)
        self.directories = MetadataWriter(encode)
        self.ids: dict[int, int] = {}
        self.references = [0] * count

    def write_directory(self, directory: Node) -> None:
        """Write the inodes of all that *directory* holds, and its listing."""
        children = children_of(directory)
        for _, child in children:
            if child.reference < 0:
                self.write_inode(child)
        directory.listing = self._write_listing(children)

    def write_inode(self, node: Node) -> None:
        """Write the inode of *node*."""
        parent = node.parent.number if node.parent else len(self.references) + 1
        data = dump_inode(node, uid=self._id(node.uid), gid=self._id(node.gid), parent=parent)
        node.reference = self.references[node.number - 1] = self.inodes.write(data)

    def _id(self, number: int) -> int:
        row = self.ids.setdefault(number, len(self.ids))
        if row >= _MOST_IDS:
            raise unwritable(f"expected at most {_MOST_IDS} different owners and groups")
        return row

    def _write_listing(self, children: list[tuple[bytes, Node]]) -> Listing:
        """Write the groups of a listing, and note those that begin in another metadata block than the one before."""
        start = self.directories.reference
        size = position = 0
        block = start >> 16
        index: list[tuple[int, int, bytes]] = []
        while position < len(children):
            group = _group(children, position)
            here = self.directories.reference >> 16
            if here != block and len(index) < _MOST_INDEXES:
                index.append((size, here, group[0][0]))
                block = here
            data = _dump_group(group)
            self.directories.write(data)
            size += len(data)
            position += len(group)
        return Listing(start, size, index)


def _group(children: list[tuple[bytes, Node]], position: int) -> list[tuple[bytes, Node]]:
    """Return the children from *position* on whose inodes are in one metadata block and have near numbers."""
    first = children[position][1]
    group = children[position : position + MOST_ENTRIES]
    for length, (_, node) in enumerate(group):
        if node.reference >> 16 != first.reference >> 16 or abs(node.number - first.number) > _FARTHEST:
            return group[:length]
    return group


def _dump_group(group: list[tuple[bytes, Node]]) -> bytes:
    first = group[0][1]
    parts = [GROUP.pack(len(group) - 1, first.reference >> 16, first.number)]
    for name, node in group:
        offset, distance = node.reference & 0xFFFF, node.number - first.number
        parts.append(ENTRY.pack(offset, distance, node.code, len(name) - 1) + name)
    return b"".join(parts)
