"""SquashFS by and for the programs that the daemons run, and for the kernel."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.programs import absent, need, need_root
from lxdimage.archive import Entry, EntryType
from lxdimage.diagnostics import Stage
from lxdimage.errors import LXDImageError
from lxdimage.formats._squashfs import (
    Compressor,
    Order,
    SquashfsMember,
    check_squashfs,
    members_at_creation,
    members_at_import,
    open_squashfs,
    read_squashfs,
    refused_in_tar,
    write_squashfs,
)

CORPUS = Path(__file__).parent.parent / "corpus" / "squashfs"
IMAGES = sorted(CORPUS.glob("*.squashfs"))
COMPRESSORS = ["gzip", "lzma", "lzo", "xz", "lz4", "zstd"]
WRITABLE = [Compressor.GZIP, Compressor.XZ, Compressor.ZSTD]
# Of a real system, with hard links, symbolic links, many small files and some large ones.
SUBTREES = [Path("/etc"), Path("/usr/share/zoneinfo"), Path("/usr/sbin"), Path("/usr/lib/python3")]

TYPES = {
    EntryType.FILE: tarfile.REGTYPE,
    EntryType.HARD_LINK: tarfile.LNKTYPE,
    EntryType.SYMLINK: tarfile.SYMTYPE,
    EntryType.DIRECTORY: tarfile.DIRTYPE,
    EntryType.CHARACTER_DEVICE: tarfile.CHRTYPE,
    EntryType.BLOCK_DEVICE: tarfile.BLKTYPE,
    EntryType.FIFO: tarfile.FIFOTYPE,
}


def _run(*command: object) -> bytes:
    return subprocess.run(list(map(str, command)), capture_output=True, check=True, timeout=300).stdout


def _tar(path: Path) -> dict[str, Any]:
    """Return what ``sqfs2tar`` makes of an image; it leaves out sockets and the root."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(_run("sqfs2tar", path)), encoding="utf-8") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            xattrs = {
                key[13:]: value.encode("utf-8", "surrogateescape")
                for key, value in member.pax_headers.items()
                if key.startswith("SCHILY.xattr.")
            }
            found[member.name] = (
                member.type,
                member.mode,
                (member.uid, member.gid),
                (member.size, int(member.mtime), member.linkname),
                (member.devmajor, member.devminor) if member.ischr() or member.isblk() else None,
                hashlib.sha256(content.read()).hexdigest() if content else None,
                xattrs,
            )
    return found


def _ours(path: Path, order: Order) -> dict[str, Any]:
    """Return the same, as this library reads it."""
    found = {}
    with path.open("rb") as file:
        for member in read_squashfs(file, order=order):
            entry = member.entry
            content = hashlib.sha256(b"".join(member.chunks())).hexdigest()
            if entry.type is EntryType.SOCKET or member.name == b"./":
                continue
            found[entry.path.rstrip("/")] = (
                TYPES[entry.type],
                entry.mode,
                (entry.uid, entry.gid),
                (entry.size, entry.mtime_ns // 10**9, entry.target),
                entry.device,
                content if entry.type is EntryType.FILE else None,
                dict(entry.xattrs),
            )
    return found


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_sqfs2tar_reads_the_same(path: Path, order: Order) -> None:
    need("sqfs2tar")
    assert _ours(path, order) == _tar(path)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_unsquashfs_refuses_what_is_found_at_creation(path: Path, tmp_path: Path) -> None:
    need("unsquashfs")
    need_root()
    command = ["unsquashfs", "-f", "-n", "-d", str(tmp_path / "root"), str(path)]
    refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
    with path.open("rb") as file:
        assert any(found.stage for found in check_squashfs(file)) == refused


# The fields of the superblock, as (offset, size), without the root: unsquashfs lists any inode as a directory.
FIELDS = [
    *((place, 4) for place in range(0, 20, 4)),
    *((place, 2) for place in range(20, 32, 2)),
    *((place, 8) for place in range(40, 96, 8)),
]


def _changed_superblocks(good: bytes) -> Iterator[bytes]:
    """Yield an image with other values in each field of its superblock."""
    for place, size in FIELDS:
        value = int.from_bytes(good[place : place + size], "little")
        most = (1 << 8 * size) - 1
        others = {0, 1, 96, most, len(good), *(value + by for by in (-8, -1, 1, 8))}
        bits = {value ^ 1 << bit for bit in range(16)} if place == 24 else set()
        for other in sorted((others | bits) - {value}):
            if 0 <= other <= most:
                yield good[:place] + other.to_bytes(size, "little") + good[place + size :]


def _imports(image: bytes) -> bool:
    """Tell whether a tar comes out of *image*, as this library foretells it."""
    try:
        with open_squashfs(io.BytesIO(image), threads=1) as squashfs:
            _, first = itertools.islice(members_at_import(squashfs), 2)
            return refused_in_tar(first, "") is None
    except LXDImageError:
        return False


def _creates(image: bytes) -> bool:
    """Tell whether *image* is unpacked without an error, as this library foretells it."""
    try:
        with open_squashfs(io.BytesIO(image), threads=1) as squashfs:
            for _ in members_at_creation(squashfs):
                pass
            return not any(found.stage for found in squashfs.refusals(Stage.CREATE))
    except LXDImageError:
        return False


@pytest.mark.parametrize("name", ["mksquashfs-plain", "mksquashfs-lz4", "tar2sqfs-xz"])
def test_every_value_of_the_superblock_is_judged_as_the_programs_judge_it(name: str, tmp_path: Path) -> None:
    need("sqfs2tar", "unsquashfs", "rm")
    need_root()
    path, root, wrong = tmp_path / "image", tmp_path / "root", []
    for image in _changed_superblocks((CORPUS / f"{name}.squashfs").read_bytes()):
        path.write_bytes(image)
        told = subprocess.run(["sqfs2tar", str(path)], capture_output=True, check=False, timeout=60).stdout
        command = ["unsquashfs", "-f", "-n", "-d", str(root), str(path)]
        code = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
        _run("rm", "-rf", root)
        if (_imports(image), _creates(image)) != (bool(told), code == 0):
            wrong.append((image[:96], bool(told), code))
    assert wrong == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a part of this system; not all of it may be read by everybody."""
    need("cp")
    root = tmp_path_factory.mktemp("tree")
    for part in filter(Path.is_dir, SUBTREES):
        (root / part.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
        copy = ["cp", "-a", str(part), str(root / part.relative_to("/"))]
        subprocess.run(copy, check=os.geteuid() == 0)
    return root


def _line(member: SquashfsMember) -> str:
    """Return a member as ``unsquashfs -lln`` prints it, without the size of a directory."""
    entry = member.entry
    kind = {EntryType.DIRECTORY: stat.S_IFDIR, EntryType.SYMLINK: stat.S_IFLNK}.get(entry.type, stat.S_IFREG)
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.mtime_ns // 10**9))
    name = "squashfs-root/" + entry.path.removeprefix("./").rstrip("/")
    size = "" if kind == stat.S_IFDIR else member.size or len(os.fsencode(entry.target))
    arrow = f" -> {entry.target}" if kind == stat.S_IFLNK else ""
    return (
        f"{stat.filemode(kind | entry.mode)} {entry.uid}/{entry.gid} {size} {when} {name.rstrip('/')}{arrow}"
    )


@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("block_size", [4096, 1 << 20])
def test_a_real_root_is_listed_as_unsquashfs_lists_it(
    tree: Path, tmp_path: Path, compressor: str, block_size: int
) -> None:
    need("mksquashfs", "unsquashfs", "sqfs2tar")
    part, image = tree / "etc", tmp_path / "image"
    _run("mksquashfs", part, image, "-comp", compressor, "-b", block_size, "-no-progress", "-quiet")
    command = ["unsquashfs", "-UTC", "-lln", str(image)]
    listing = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    expected = []
    for line in os.fsdecode(listing).splitlines():
        mode, owner, size, day, hour, *name = line.split(maxsplit=5)
        shown = "" if mode.startswith("d") else size
        expected.append(f"{mode} {owner} {shown} {day} {hour} {' '.join(name)}")
    with image.open("rb") as file:
        assert list(map(_line, read_squashfs(file))) == expected
    assert _ours(image, Order.DATA) == _tar(image)


def _members(image: Path) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    with image.open("rb") as file:
        for member in read_squashfs(file, order=Order.DATA):
            yield member.entry, member.chunks()


@pytest.fixture(scope="module")
def packed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree, packed by ``mksquashfs``."""
    need("mksquashfs")
    image = tmp_path_factory.mktemp("packed") / "image"
    _run("mksquashfs", tree, image, "-comp", "zstd", "-Xcompression-level", 1, "-no-progress", "-quiet")
    return image


@pytest.mark.parametrize("compressor", WRITABLE)
def test_what_is_written_is_what_was_read(packed: Path, tmp_path: Path, compressor: Compressor) -> None:
    """For ``sqfs2tar`` and for ``unsquashfs``, of a real root."""
    need("sqfs2tar", "unsquashfs", "diff")
    need_root()
    copy = tmp_path / "copy"
    with copy.open("w+b") as output:
        written = write_squashfs(_members(packed), output, compressor=compressor, level=1, exportable=True)
    assert written.diagnostics == ()
    assert _tar(copy) == _tar(packed) == _ours(copy, Order.TREE)
    with copy.open("rb") as file:
        assert check_squashfs(file) == ()
    for image, name in ((packed, "a"), (copy, "b")):
        _run("unsquashfs", "-q", "-n", "-d", tmp_path / name, image)
    _run("diff", "-r", "--no-dereference", tmp_path / "a", tmp_path / "b")


def test_every_kind_of_inode_is_written_as_mksquashfs_writes_it(tmp_path: Path) -> None:
    need("sqfs2tar", "unsquashfs")
    need_root()
    image = CORPUS / "mksquashfs-zstd.squashfs"
    copy = tmp_path / "copy"
    with copy.open("w+b") as output:
        write_squashfs(_members(image), output, block_size=4096)
    assert _tar(copy) == _tar(image)
    listings = [_run("unsquashfs", "-lln", path) for path in (copy, image)]
    assert [line.split()[1:] for line in listings[0].splitlines() if not line.startswith(b"d")] == [
        line.split()[1:] for line in listings[1].splitlines() if not line.startswith(b"d")
    ]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    need("mount", "umount", "losetup")
    need_root()
    target = tmp_path / "mount"
    target.mkdir()
    yield target
    subprocess.run(["umount", str(target)], check=False, stderr=subprocess.DEVNULL)


def test_the_kernel_reads_what_is_written(packed: Path, mount: Path, tmp_path: Path) -> None:
    """Names are looked up through the indexes of large directories."""
    copy = tmp_path / "copy"
    names = [f"many/{index * 7919 % 10007:05}-{'x' * (index % 40)}" for index in range(10000)]
    more = ((Entry(path=name, type=EntryType.FILE, size=8), iter([name[:8].encode()])) for name in names)
    with copy.open("w+b") as output:
        write_squashfs(itertools.chain(_members(packed), more), output, level=1)
    command = ["mount", "-t", "squashfs", "-o", "loop,ro", str(copy), str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        absent("no loop mounts of squashfs here")
    assert all((mount / name).read_bytes() == name[:8].encode() for name in names[::13])
    assert sum(1 for _ in (mount / "many").iterdir()) == len(names)
    shutil.copytree(mount / "etc", tmp_path / "etc", symlinks=True)
    _run("unsquashfs", "-q", "-n", "-d", tmp_path / "unpacked", packed, "etc")
    _run("diff", "-r", "--no-dereference", tmp_path / "etc", tmp_path / "unpacked/etc")
