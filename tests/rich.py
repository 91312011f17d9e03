"""Images with all that a tar can hold, in every way to write it, and what is in an image member by member."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping

import attrs

from lxdimage._sources import FileArgument
from lxdimage.archive import Entry, EntryType
from lxdimage.image import open_members
from making import METADATA, TEMPLATED, member, pack

__all__ = ["FORMATS", "Made", "contents", "image", "root", "split"]

Made = tuple[tarfile.TarInfo, bytes]

FORMATS: Mapping[str, int] = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
_CAPABILITY = "\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


def _directory(name: str, **fields: object) -> Made:
    return member(name, b"", type=tarfile.DIRTYPE, mode=0o755, **fields)


def root(prefix: str, form: str) -> list[Made]:
    """
    Return the members of a root.

    Args:
        prefix: What their names begin with.
        form: A key of `FORMATS`; what it cannot store is left out.
    """
    long = "n" * 90
    deep = "/".join(["d" * 40] * 3)
    made = [
        _directory(f"{prefix or './'}", uid=0, gid=0),
        _directory(f"{prefix}etc/", mtime=1_500_000_000),
        member(f"{prefix}etc/shadow", b"secret\n", mode=0o640, gid=42, uname="root", gname="shadow"),
        member(f"{prefix}etc/link", b"", type=tarfile.SYMTYPE, linkname="../rootfs/etc/shadow"),
        member(f"{prefix}etc/hard", b"", type=tarfile.LNKTYPE, linkname=f"{prefix}etc/shadow"),
        member(f"{prefix}bin/su", bytes(range(256)) * 5, mode=0o4755),
        member(f"{prefix}dev/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member(f"{prefix}dev/sda", b"", type=tarfile.BLKTYPE, devmajor=8, devminor=0, gid=6),
        member(f"{prefix}run/fifo", b"", type=tarfile.FIFOTYPE),
        _directory(f"{prefix}{deep}/"),
        member(f"{prefix}{deep}/{long}", b"long", mtime=1),
        member(f"{prefix}rootfs/inner", b"a name that begins like the root's"),
        member(f"{prefix}empty", b""),
    ]
    if form != "ustar":
        path = f"{prefix}{deep}/{deep}/{long * 2}"
        made += [
            member(path, b"longer"),
            member(f"{prefix}long-link", b"", type=tarfile.LNKTYPE, linkname=path),
            member(f"{prefix}long-symlink", b"", type=tarfile.SYMTYPE, linkname="x/" * 80),
            member(f"{prefix}big-owner", b"x", uid=3_000_000, gid=1_000_000_000),
        ]
    if form == "pax":
        sparse = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": f"{prefix}var/sparse",
            "GNU.sparse.realsize": "1048576",
        }
        made += [
            member(f"{prefix}ünïcode", b"u"),
            member(f"{prefix}capable", b"x", pax_headers={"SCHILY.xattr.security.capability": _CAPABILITY}),
            member(f"{prefix}precise", b"x", pax_headers={"mtime": "1234567890.5"}),
            member(
                f"{prefix}var/GNUSparseFile.7/sparse",
                b"2\n4096\n3\n1048576\n0\n".ljust(512, b"\0") + b"abc",
                pax_headers=sparse,
            ),
        ]
    return made


def image(form: str = "pax", metadata: bytes = TEMPLATED) -> bytes:
    """Return the tar of a unified image."""
    head = [
        member("metadata.yaml", metadata),
        _directory("templates/"),
        member("templates/hostname.tpl", b"{{ container.name }}\n"),
    ]
    return pack([*head, *root("rootfs/", form)], FORMATS[form])


def split(form: str = "pax", metadata: bytes = METADATA) -> tuple[bytes, bytes]:
    """Return the tars of a split image."""
    return pack([member("metadata.yaml", metadata)]), pack(root("", form), FORMATS[form])


def contents(*files: FileArgument) -> dict[str, tuple[Entry, bytes]]:
    """Return the members of an image by their paths, without what is only spelling."""
    found = {}
    with open_members(*files) as members:
        for item in members:
            entry = item.member.entry
            path = item.path.strip("/")
            target = entry.target
            if entry.type is EntryType.HARD_LINK:
                target = os.path.normpath(target if len(files) == 1 else f"rootfs/{target}")
            found[path] = (attrs.evolve(entry, path=path, target=target), b"".join(item.member.chunks()))
    return found
