"""
The data of the benchmarks, made once below a directory.

=========  =====================================================================================================
small      debootstrap's minbase with extended attributes, one PAX header for each member
big        a Debian root with compilers, headers and manuals, packed like small: about 75,000 members, 1.6 GB
many       120,000 files of about 1.5 kB, GNU format
=========  =====================================================================================================

Each is an image: metadata.yaml comes first.
"""

from __future__ import annotations

import io
import platform
import random
import subprocess
import tarfile
from pathlib import Path

METADATA = b"architecture: x86_64\ncreation_date: 1600000000\nproperties: {description: benchmark}\n"
MANY = 120_000
# What makes the root of a container one of a development machine.
PACKAGES = (
    "systemd-sysv dbus openssh-server curl vim git build-essential python3-dev python3-numpy linux-headers-amd64 "
    "cmake perl-doc manpages-dev ca-certificates libboost-dev golang-go"
)

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

    def root(self, name: str) -> Path:
        """Return a Debian root without the packages it was made from, as images are; needs root and a mirror."""
        root = self.directory / name / "rootfs"
        if not root.exists():
            partial = root.with_name("partial")
            _remove_unfinished(partial)
            partial.mkdir(parents=True)
            subprocess.run(_bootstrap(name, partial), stdout=subprocess.DEVNULL, check=True)
            for package in partial.glob("var/cache/apt/archives/*.deb"):
                package.unlink()
            partial.rename(root)
        return root

    def _tar(self, name: str, to: Path) -> None:
        """Write an archive of metadata.yaml and a root."""
        directory = self.root(name).parent
        (directory / "metadata.yaml").write_bytes(METADATA)
        options = ["--xattrs", "--sort=name", "--numeric-owner", "-C", str(directory)]
        subprocess.run(["tar", *options, "-cf", str(to), "metadata.yaml", "rootfs"], check=True)

    def _make_small(self, to: Path) -> None:
        self._tar("small", to)

    def _make_big(self, to: Path) -> None:
        self._tar("big", to)

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


def _remove_unfinished(root: Path) -> None:
    """
    Remove what an interrupted run left.

    Its /proc, /sys and /dev may still be mounted, and then they are this machine's own: nothing is removed before
    they are unmounted, and never on another file system.
    """
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = [place for place in mounted if Path(place).is_relative_to(root.resolve())]
    if below:
        raise SystemExit(f"an earlier run was interrupted; first: umount {' '.join(reversed(below))}")
    if root.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(root)], check=True)


def _bootstrap(name: str, to: Path) -> list[str]:
    """Return the command that makes a root of this machine's release from the mirror that apt uses."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    mirrors = [line.split()[2] for line in lines if line.startswith(f"{codename} main ")]
    if name == "small":
        return ["debootstrap", "--variant=minbase", codename, str(to), *mirrors[:1]]
    include = f"--include={','.join(PACKAGES.split())}"
    return ["mmdebstrap", "--variant=minbase", include, codename, str(to), *mirrors[:1]]
