"""Small images for tests, made by Python's tarfile and codecs so that no code of the package takes part."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping

import zstandard

__all__ = ["CODECS", "METADATA", "TEMPLATED", "container", "member", "pack"]

METADATA = b"architecture: x86_64\ncreation_date: 1600000000\nproperties:\n  os: test\n"
TEMPLATED = METADATA + b"templates:\n  /etc/hostname:\n    when: [create, copy]\n    template: hostname.tpl\n"

CODECS: Mapping[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member for `pack`; *fields* are attributes of its TarInfo."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = 1_600_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def pack(members: Iterable[tuple[tarfile.TarInfo, bytes]], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of *members*, ending in its two blocks of zeros."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tar_format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    data = output.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512) + bytes(1024)


def container(metadata: bytes = TEMPLATED, *more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return the tar of a small container image."""
    return pack(
        [
            member("metadata.yaml", metadata),
            member("templates/", type=tarfile.DIRTYPE, mode=0o755),
            member("templates/hostname.tpl", b"{{ container.name }}\n"),
            member("rootfs/", type=tarfile.DIRTYPE, mode=0o755),
            member("rootfs/etc/", type=tarfile.DIRTYPE, mode=0o755),
            member("rootfs/etc/hostname", b"old\n"),
            member("rootfs/sbin/", type=tarfile.DIRTYPE, mode=0o755),
            member("rootfs/sbin/init", b"#!/bin/sh\n", mode=0o755),
            *more,
        ]
    )
