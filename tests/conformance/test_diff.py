"""One tree packed by several programs is one root, and a tree that changed is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conformance.programs import need, need_root
from lxdimage import diff_images


def _run(*command: object, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        list(map(str, command)), input=stdin, capture_output=True, check=True, timeout=300
    ).stdout


def _gnu_tar(tree: Path, *options: str) -> bytes:
    return _run("tar", "--xattrs", "--xattrs-include=*", *options, "-C", tree, "-cf", "-", ".")


def _bsdtar(tree: Path) -> bytes:
    return _run("bsdtar", "--format=pax", "-C", tree, "-cf", "-", ".")


def _mksquashfs(tree: Path) -> bytes:
    output = tree.with_name("packed.squashfs")
    _run("mksquashfs", tree, output, "-quiet", "-no-progress", "-noappend", "-comp", "gzip")
    return output.read_bytes()


def _tar2sqfs(tree: Path) -> bytes:
    output = tree.with_name("packed.sqfs")
    _run("tar2sqfs", "-q", "-f", output, stdin=_gnu_tar(tree))
    return output.read_bytes()


PACKERS: Mapping[str, tuple[str, Callable[[Path], bytes]]] = {
    "GNU tar, sparse": ("tar", lambda tree: _gnu_tar(tree, "--sparse", "--sort=inode")),
    "GNU tar, zstd": ("zstd", lambda tree: _gnu_tar(tree, "--zstd")),
    "bsdtar": ("bsdtar", _bsdtar),
    "mksquashfs": ("mksquashfs", _mksquashfs),
    "tar2sqfs": ("tar2sqfs", _tar2sqfs),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with whatever a root can have, that all of the programs store alike."""
    need_root()
    top = tmp_path / "tree"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_bytes(b"content" * 1000)
    os.chown(top / "a/b/file", 5, 70_000)
    (top / "a/b/file").chmod(0o4750)
    os.setxattr(top / "a/b/file", "user.note", b"\0\xff")
    os.link(top / "a/b/file", top / "0 first")
    os.link(top / "a/b/file", top / "z last")
    (top / "a/link").symlink_to("../nowhere")
    (top / "empty").touch()
    (top / "a").chmod(0o2755)
    with (top / "sparse").open("wb") as sparse:
        sparse.seek(5 << 20)
        sparse.write(b"end")
    os.mkfifo(top / "fifo")
    os.mknod(top / "device", 0o20660, os.makedev(10, 200))
    (top / os.fsdecode(b"n\xe9me")).write_bytes(os.urandom(300_000))
    for path in (top, *top.rglob("*")):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return top


@pytest.mark.parametrize("name", PACKERS)
def test_a_tree_is_the_same_root_whoever_packs_it(name: str, tree: Path, tmp_path: Path) -> None:
    program, pack = PACKERS[name]
    need("tar", program)
    (tmp_path / "one").write_bytes(_gnu_tar(tree))
    (tmp_path / "other").write_bytes(pack(tree))
    found = diff_images(tmp_path / "one", tmp_path / "other", ignore=())
    assert found.members == ()


@pytest.mark.parametrize("name", PACKERS)
def test_a_tree_that_changed_is_another_root_whoever_packs_it(name: str, tree: Path, tmp_path: Path) -> None:
    program, pack = PACKERS[name]
    need("tar", program)
    (tmp_path / "one").write_bytes(_gnu_tar(tree))
    (tree / "a/b/file").write_bytes(b"changed" * 1000)
    (tree / "empty").chmod(0o600)
    (tree / "z last").unlink()
    (tree / "new").mkdir()
    (tmp_path / "other").write_bytes(pack(tree))
    found = diff_images(tmp_path / "one", tmp_path / "other")
    assert {
        "0 first": ["content"],
        "a/b/file": ["content"],
        "empty": ["mode"],
        "new": [],
        "z last": [],
    }.items() <= {change.path: [field.value for field in change.fields] for change in found.members}.items()
    assert len(found.members) == 5
