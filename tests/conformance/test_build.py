"""What is built arrives: daemons import it by the fingerprint that was printed, and instances have every file."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from conformance.daemons import Daemon
from conformance.programs import need, need_root
from lxdimage import (
    BuiltImage,
    Compression,
    Layout,
    Metadata,
    TemplateRule,
    build_image,
    dump_metadata,
    scan_image,
)

METADATA = Metadata(
    architecture="x86_64",
    creation_date=1_700_000_000,
    properties={"os": "test", "number": "1", "date": "2024-01-01"},
    templates={"/etc/hostname": TemplateRule(template="hostname.tpl", when=("create", "copy"))},
)
TEMPLATE = b"{{ container.name }}\n"
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
TAR_CODECS = ["none", "gzip", "bzip2", "xz", "lzma", "zstd"]
FORMS = [
    *(f"unified-{codec}-tar" for codec in TAR_CODECS),
    *(f"split-{codec}-tar" for codec in TAR_CODECS),
    *(f"split-{codec}-squashfs" for codec in ("gzip", "xz", "zstd")),
]


def _access_list(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root file system with one of everything."""
    need_root()
    top = tmp_path_factory.mktemp("root")
    top.chmod(0o755)
    for name in ("etc", "dev", "sbin", "var/tmp", "d" * 120, "\u00e4"):
        (top / name).mkdir(parents=True)
    (top / "sbin/init").write_bytes(b"#!/bin/sh\n")
    (top / "sbin/init").chmod(0o4755)
    (top / "var/tmp").chmod(0o1777)
    os.mknod(top / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "disk", stat.S_IFBLK | 0o660, os.makedev(8, 300))
    os.mkfifo(top / "fifo", 0o640)
    (top / "etc/hostname").write_text("template")
    (top / "etc/large").write_bytes(os.urandom(3 << 20))
    for name, content in (
        ("n" * 120, b"long"),
        ("\udcff\n", b"odd"),
        ("\u00e4/\u20ac", b"utf-8"),
        ("empty", b""),
    ):
        (top / name).write_bytes(content)
    os.chown(top / "empty", 70_000, 4_000_000_000)
    (top / "link").symlink_to("../" + "t" * 150)
    (top / "absolute").symlink_to("/etc/hostname")
    (top / "hard").hardlink_to(top / "etc/large")
    with (top / "sparse").open("wb") as file:
        file.seek(30 << 20)
        file.write(b"x")
    os.setxattr(top / "empty", "user.test", b"\0\xff=")
    os.setxattr(top / "sbin/init", "security.capability", CAPABILITY)
    acl = _access_list(
        (1, 6, 2**32 - 1), (2, 4, 1234), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)
    )
    os.setxattr(top / "etc/hostname", "system.posix_acl_access", acl)
    os.setxattr(top / "var/tmp", "system.posix_acl_default", acl)
    for path in sorted(top.rglob("*"), reverse=True):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return top


@attrs.frozen
class Seen:
    """What a file system says about one of its files."""

    mode: int
    owner: tuple[int, int]
    time: int
    content: str
    xattrs: dict[str, bytes]
    links: int


def _seen(path: Path) -> Seen:
    status = path.lstat()
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        content = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    names = os.listxattr(path, follow_symlinks=False)
    xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
    return Seen(status.st_mode, (status.st_uid, status.st_gid), int(status.st_mtime), content, xattrs, links)


def _tree(top: Path) -> dict[str, Seen]:
    paths = [top, *top.rglob("*")]
    return {os.fsdecode(path.relative_to(top)): _seen(path) for path in paths}


def _built(tree: Path, to: Path, form: str) -> tuple[BuiltImage, list[Path]]:
    layout, codec, root = form.split("-")
    built = build_image(
        tree,
        to / "image",
        metadata=METADATA,
        templates={"hostname.tpl": TEMPLATE},
        layout=Layout(layout),
        compression=Compression(codec),
        level=None if codec in {"none", "lzma"} else 1,
        rootfs_format=root,
    )
    return built, [Path(file.path) for file in built.files]


@pytest.mark.parametrize("form", FORMS)
def test_an_instance_has_every_file_of_the_root(
    daemon: Daemon, tree: Path, tmp_path: Path, form: str
) -> None:
    """Types, modes, owners, times, contents, attributes and links; but for what the daemon itself decides."""
    built, files = _built(tree, tmp_path, form)
    scan = scan_image(*files, target=daemon.target, expected=built.fingerprint.hex)
    assert scan.ok, "\n".join(map(str, scan.diagnostics))
    told = daemon.import_image(*files)
    assert told.fingerprint == built.fingerprint.hex
    name = f"build-{form}"
    try:
        assert told.record["properties"] == dict(METADATA.properties)
        daemon.create(name, built.fingerprint.hex)
        expected, found = _tree(tree), _tree(daemon.root(name) / "rootfs")
        assert (daemon.root(name) / "templates/hostname.tpl").read_bytes() == TEMPLATE
        # Incus never unpacks what is in dev.
        if "dev/null" not in found:
            assert not daemon.target.traits.unpacks_dev
            del expected["dev/null"]
            found["dev"] = attrs.evolve(found["dev"], time=expected["dev"].time)
        if "squashfs" in form:
            _without_what_squashfs_lacks(expected, built)
        assert sorted(expected) == sorted(found)
        for path, seen in expected.items():
            assert seen == found[path], path
    finally:
        daemon.delete(name)
        daemon.delete_image(built.fingerprint.hex)


def _without_what_squashfs_lacks(expected: dict[str, Seen], built: BuiltImage) -> None:
    """A SquashFS has no place for access lists."""
    assert "squashfs-lost-xattr" in {note.code for note in built.notes}
    for path in ("etc/hostname", "var/tmp"):
        expected[path].xattrs.clear()


def test_what_is_built_starts(daemon: Daemon, tmp_path: Path) -> None:
    """From a directory as the command line packs it, with the id map of somebody who is not root."""
    need_root()
    need("busybox")
    for name in (
        "rootfs/bin",
        "rootfs/sbin",
        "rootfs/dev",
        "rootfs/proc",
        "rootfs/sys",
        "rootfs/etc",
        "templates",
    ):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tmp_path / "rootfs/bin/busybox")
    (tmp_path / "rootfs/bin/busybox").chmod(0o755)
    (tmp_path / "rootfs/sbin/init").write_text(
        "#!/bin/busybox sh\nwhile :; do /bin/busybox sleep 3600; done\n"
    )
    (tmp_path / "rootfs/sbin/init").chmod(0o755)
    (tmp_path / "templates/hostname.tpl").write_bytes(TEMPLATE)
    (tmp_path / "metadata.yaml").write_text(dump_metadata(METADATA))
    for path in (tmp_path / "rootfs", *(tmp_path / "rootfs").rglob("*")):
        os.chown(path, 100_000, 100_000)
    image = tmp_path / "image"
    command = [
        sys.executable,
        "-m",
        "lxdimage",
        "build",
        tmp_path,
        "-o",
        image,
        "--map-owner",
        "0:100000:65536",
    ]
    done = subprocess.run(
        [*map(str, command), "--exclude", "*.o"], stdout=subprocess.PIPE, text=True, check=True
    )
    told = daemon.import_image(image)
    assert told.fingerprint == done.stdout.strip()
    try:
        daemon.create("built", told.fingerprint)
        daemon.start("built")
        assert daemon.instance("built")["status"] == "Running"
        assert (daemon.root("built") / "rootfs/etc/hostname").read_text().strip() == "built"
    finally:
        daemon.delete("built")
        daemon.delete_image(told.fingerprint)


def test_gnu_tar_lists_what_the_tree_holds(tree: Path, tmp_path: Path) -> None:
    """Member by member the listing is that of the archive that GNU tar itself makes."""
    need("tar")
    _built(tree, tmp_path, "split-none-tar")
    command = ["tar", "-C", str(tree), "--numeric-owner", "--sort=name", "--format=posix", "-cf"]
    subprocess.run([*command, str(tmp_path / "theirs"), "."], check=True)
    assert _listing(tmp_path / "theirs") == _listing(tmp_path / "image.root")


def _listing(archive: Path) -> list[bytes]:
    command = ["tar", "--numeric-owner", "-tvvf", str(archive)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return sorted(done.stdout.replace(b" ./", b" ").splitlines())
