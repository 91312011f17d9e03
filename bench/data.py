"""
The data of the benchmarks, made once below a directory.

=========  =====================================================================================================
small      debootstrap's minbase with extended attributes, one PAX header for each member
big        eight copies of it below one root: about 1.4 GB
many       120,000 files of about 1.5 kB, GNU format
=========  =====================================================================================================

Each is an image: metadata.yaml comes first.
"""

from __future__ import annotations

import io
import platform
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

METADATA = b"architecture: x86_64\ncreation_date: 1600000000\nproperties: {description: benchmark}\n"
MANY = 120_000

# What is made of an archive, and how: the usual settings, and xz both as one block and as several.
PACKED = {
    "gz": ["gzip", "-6", "-n", "-c"],
    "bz2": ["bzip2", "-9", "-c"],
    "zst": ["zstd", "-3", "-q", "-c"],
    "xz": ["xz", "-6", "-T1", "-c"],
    "mt.xz": ["xz", "-6", "-T2", "--block-size=24MiB", "-c"],
}


class Data:
    """Makes what is asked for and remembers it in files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def image(self, name: str, packing: str = "") -> Path:
        """Return the path of an image, made when it is not there."""
        path = self.directory / (f"{name}.tar.{packing}" if packing else f"{name}.tar")
        if not path.exists():
            partial = path.with_name(path.name + ".partial")
            if packing:
                self._pack(self.image(name), partial, PACKED[packing])
            else:
                getattr(self, f"_make_{name}")(partial)
            partial.rename(path)
        return path

    def _pack(self, source: Path, to: Path, command: list[str]) -> None:
        with source.open("rb") as stdin, to.open("wb") as stdout:
            subprocess.run(command, stdin=stdin, stdout=stdout, check=True)

    def _root(self) -> Path:
        """Return a Debian root made by debootstrap, which needs root and a mirror."""
        root = self.directory / "root" / "rootfs"
        if not root.exists():
            partial = root.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            command = ["debootstrap", "--variant=minbase", *_release(partial)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            partial.rename(root)
        return root

    def _tar(self, to: Path, *more: str) -> None:
        """Write or extend an archive of metadata.yaml and the root."""
        root = self._root()
        (root.parent / "metadata.yaml").write_bytes(METADATA)
        options = ["--xattrs", "--sort=name", "--numeric-owner", "-C", str(root.parent)]
        subprocess.run(["tar", *options, *more, "-f", str(to)], check=True)

    def _make_small(self, to: Path) -> None:
        self._tar(to, "-c", "metadata.yaml", "rootfs")

    def _make_big(self, to: Path) -> None:
        self._tar(to, "-c", "metadata.yaml", "rootfs")
        for copy in range(1, 8):
            self._tar(to, "--append", f"--transform=s,^rootfs,rootfs/copy{copy},", "rootfs")

    def _make_many(self, to: Path) -> None:
        rng = random.Random(1)
        words = [
            bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz_", k=rng.randrange(2, 12))) for _ in range(4000)
        ]
        text = b" ".join(rng.choices(words, k=200_000))
        with tarfile.open(to, "w", format=tarfile.GNU_FORMAT) as archive:
            self._add(archive, "metadata.yaml", METADATA)
            for number in range(MANY):
                at = rng.randrange(len(text) - 3000)
                content = text[at : at + rng.randrange(500, 2500)]
                self._add(archive, f"rootfs/usr/include/{number % 600:03}/{number:06}.h", content)

    @staticmethod
    def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def _release(directory: Path) -> list[str]:
    """Return debootstrap's operands: this machine's release, the directory, and the mirror that apt uses."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    mirrors = [line.split()[2] for line in lines if line.startswith(f"{codename} main ")]
    return [codename, str(directory), *mirrors[:1]]
