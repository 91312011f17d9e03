"""How images are laid out in files."""

from __future__ import annotations

from lxdimage.formats._files import HEAD_SIZE, QCOW2, SQUASHFS, VMDK, FileFormat, begins_with_json, identify
from lxdimage.formats._roles import (
    DISK_NAMES,
    METADATA_NAMES,
    METADATA_SIZE,
    ROOT_PREFIXES,
    ImageType,
    Layout,
    control_path,
)

__all__ = [
    "DISK_NAMES",
    "HEAD_SIZE",
    "METADATA_NAMES",
    "METADATA_SIZE",
    "QCOW2",
    "ROOT_PREFIXES",
    "SQUASHFS",
    "VMDK",
    "FileFormat",
    "ImageType",
    "Layout",
    "begins_with_json",
    "control_path",
    "identify",
]
