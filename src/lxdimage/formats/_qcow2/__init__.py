"""qcow2, read: the disk of a virtual machine's image."""

from __future__ import annotations

from lxdimage.formats._qcow2._check import check_qcow2_header
from lxdimage.formats._qcow2._header import (
    HEAD_SIZE,
    ClusterCompression,
    Encryption,
    Features,
    Qcow2Header,
    read_qcow2_header,
)

__all__ = [
    "HEAD_SIZE",
    "ClusterCompression",
    "Encryption",
    "Features",
    "Qcow2Header",
    "check_qcow2_header",
    "read_qcow2_header",
]
