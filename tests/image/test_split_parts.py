"""Split images whose metadata archive has members below rootfs/, where the root is unpacked on top of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

import pytest

from lxdimage import Scan, Stage, Target, scan_image
from lxdimage.archive import Entry, EntryType
from lxdimage.formats._squashfs import write_squashfs
from making import METADATA, member, pack

Packed = tuple[tarfile.TarInfo, bytes]


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Packed:
    return member(name, type=kind, linkname=target)


def _directory(name: str) -> Packed:
    return member(name, type=tarfile.DIRTYPE)


def _codes(scan: Scan) -> list[str]:
    return [finding.code for finding in scan.diagnostics if finding.stage is Stage.CREATE]


def _scan(before: Iterable[Packed], root: bytes) -> Scan:
    metadata = pack([member("metadata.yaml", METADATA), *before])
    return scan_image(io.BytesIO(metadata), io.BytesIO(root))


@pytest.mark.parametrize(
    ("before", "root", "code"),
    [
        pytest.param(
            [member("rootfs/a/x")], [member("a")], "member-over-directory", id="a file over a directory"
        ),
        pytest.param([_directory("rootfs/a")], [member("a")], None, id="a file over an empty directory"),
        pytest.param(
            [member("rootfs/a/x")], [_link("a", "b")], "member-over-directory", id="a link over one"
        ),
        pytest.param(
            [member("rootfs/a")], [_directory("a"), member("a/x")], None, id="a directory over a file"
        ),
        pytest.param([member("rootfs/a")], [member("a/x")], "member-inside-file", id="a member below a file"),
        pytest.param([member("./rootfs/a")], [member("a")], None, id="a file over a file"),
        pytest.param(
            [_link("rootfs/a", "b")], [member("a/x")], "member-inside-file", id="one below a dangling link"
        ),
        pytest.param(
            [_link("rootfs/a", "b"), _directory("rootfs/b")], [member("a/x")], None, id="one below a link"
        ),
        pytest.param([_link("rootfs/a", "/b")], [member("a/x")], None, id="one below a link that leads out"),
        pytest.param([member("rootfs/a")], [_link("b", "a", tarfile.LNKTYPE)], None, id="a hard link"),
        pytest.param(
            [_directory("rootfs/a")],
            [_link("b", "a", tarfile.LNKTYPE)],
            "dangling-hard-link",
            id="one to a directory",
        ),
    ],
)
def test_a_root_archive_meets_what_the_metadata_archive_has_put_there(
    before: list[Packed], root: list[Packed], code: str | None
) -> None:
    assert ([code] if code else []) == _codes(_scan(before, pack([member("init"), *root])))


def _squashfs(*paths: str) -> bytes:
    output = io.BytesIO()
    members = [
        (
            Entry(path=path.rstrip("/"), type=EntryType.DIRECTORY if path.endswith("/") else EntryType.FILE),
            iter([b""]),
        )
        for path in paths
    ]
    write_squashfs(iter(members), output, level=1, block_size=4096, threads=1)
    return output.getvalue()


@pytest.mark.parametrize(
    ("before", "root", "code"),
    [
        ([member("rootfs/a/x")], "a", "member-over-directory"),
        ([_directory("rootfs/a")], "a", "member-over-directory"),
        ([member("rootfs/a")], "a/x", "member-inside-file"),
        ([member("rootfs/a")], "a/", None),
        ([member("rootfs/a")], "a", None),
        ([_link("rootfs/a", "b")], "a/", "member-over-directory"),
        ([_link("rootfs/a", "b"), _directory("rootfs/b")], "a/x", None),
    ],
)
def test_a_root_in_squashfs_replaces_files_only(before: list[Packed], root: str, code: str | None) -> None:
    assert ([code] if code else []) == _codes(_scan(before, _squashfs("init", root)))


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ([_link("rootfs", "nothing")], "root-not-directory"),
        ([_link("rootfs", "rootfs")], "root-not-directory"),
        ([member("file"), _link("rootfs", "file")], "root-not-directory"),
        ([_link("rootfs", "real"), _directory("real")], None),
        ([_directory("templates"), _link("backup.yaml", "templates")], "control-file-directory"),
        ([member("backup.yaml", type=tarfile.BLKTYPE)], "control-file-link"),
    ],
)
@pytest.mark.parametrize("target", ["lxd-5.0", "incus-6.0"])
def test_what_stands_in_the_place_of_the_daemons_own(
    before: list[Packed], code: str | None, target: str
) -> None:
    metadata = pack([member("metadata.yaml", METADATA), *before])
    found = scan_image(io.BytesIO(metadata), io.BytesIO(pack([member("init")])), target=Target(target))
    assert ([code] if code else []) == _codes(found)
