"""
Which member of an image's archive plays which part.

Names are compared as they are stored, nothing is normalised (image format, section 2.2).
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "DISK_NAMES",
    "METADATA_NAMES",
    "METADATA_SIZE",
    "ROOT_PREFIXES",
    "ImageType",
    "Layout",
    "control_path",
]

METADATA_NAMES = frozenset({b"metadata.yaml", b"./metadata.yaml"})
DISK_NAMES = frozenset({b"rootfs.img", b"./rootfs.img"})
ROOT_PREFIXES = (b"rootfs/", b"./rootfs/")
METADATA_SIZE = 1 << 20
"""Bytes of metadata.yaml that the daemons decode; one more and they refuse (image format, section 5.1)."""


class Layout(Enum):
    """One file, or two."""

    UNIFIED = "unified"
    SPLIT = "split"


class ImageType(Enum):
    """What an image makes: a container or a virtual machine."""

    CONTAINER = "container"
    VIRTUAL_MACHINE = "virtual-machine"


def control_path(name: bytes) -> bytes:
    """
    Return where GNU tar puts a member, relative to the instance's directory.

    Leading slashes and every ``.`` component vanish; ``..`` stays, since such members are refused.
    """
    if not (name.startswith((b"/", b".")) or b"//" in name or b"/." in name):
        return name.rstrip(b"/")
    return b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})
