"""qcow2, read: the disk of a virtual machine's image."""

from __future__ import annotations

from lxdimage.formats._qcow2._check import Qcow2Usage, check_qcow2, check_qcow2_header, scan_qcow2
from lxdimage.formats._qcow2._disk import Disk, open_disk
from lxdimage.formats._qcow2._header import (
    HEAD_SIZE,
    ClusterCompression,
    Encryption,
    Features,
    Qcow2Header,
    read_qcow2_header,
)
from lxdimage.formats._qcow2._partitions import Partition, PartitionTable, read_partitions
from lxdimage.formats._qcow2._passing import NotKeptError, PassingDisk

__all__ = [
    "HEAD_SIZE",
    "ClusterCompression",
    "Disk",
    "Encryption",
    "Features",
    "NotKeptError",
    "Partition",
    "PartitionTable",
    "PassingDisk",
    "Qcow2Header",
    "Qcow2Usage",
    "check_qcow2",
    "check_qcow2_header",
    "open_disk",
    "read_partitions",
    "read_qcow2_header",
    "scan_qcow2",
]
