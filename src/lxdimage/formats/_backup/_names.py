"""What the members of a backup are, by their names."""

from __future__ import annotations

import attrs

from lxdimage.formats._roles import ImageType, control_path

__all__ = ["INDEX_NAME", "BackupPlace", "backup_place"]

INDEX_NAME = b"backup/index.yaml"

_PLACES = {
    b"container": (ImageType.CONTAINER, False),
    b"virtual-machine": (ImageType.VIRTUAL_MACHINE, False),
    b"snapshots": (ImageType.CONTAINER, True),
    b"virtual-machine-snapshots": (ImageType.VIRTUAL_MACHINE, True),
}


@attrs.frozen
class BackupPlace:
    """
    Where a member belongs.

    Attributes:
        type: What the instance is.
        snapshot: The snapshot, None for the instance itself.
        path: Where it is in the instance's own directory; empty for that directory.
    """

    type: ImageType
    snapshot: bytes | None
    path: bytes


def backup_place(name: bytes) -> BackupPlace | None:
    """Return where a member of a backup belongs, None when it is part of no instance."""
    backup, _, rest = control_path(name).partition(b"/")
    kind, _, path = rest.partition(b"/")
    found = _PLACES.get(kind)
    if backup != b"backup" or found is None:
        return None
    type_, snapshots = found
    if not snapshots:
        return BackupPlace(type_, None, path)
    snapshot, _, path = path.partition(b"/")
    return BackupPlace(type_, snapshot, path) if snapshot else None
