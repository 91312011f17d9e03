"""Instance backups as ``lxc export`` and ``incus export`` write them (image format, section 8)."""

from __future__ import annotations

from lxdimage.formats._backup._idmap import IdMap, IdRange, parse_idmap
from lxdimage.formats._backup._index import (
    INDEX_SIZE,
    Backup,
    BackupInstance,
    index_of_backup_yaml,
    parse_index,
)
from lxdimage.formats._backup._names import INDEX_NAME, BackupPlace, backup_place

__all__ = [
    "INDEX_NAME",
    "INDEX_SIZE",
    "Backup",
    "BackupInstance",
    "BackupPlace",
    "IdMap",
    "IdRange",
    "backup_place",
    "index_of_backup_yaml",
    "parse_idmap",
    "parse_index",
]
