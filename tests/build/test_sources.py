"""Rules about what is written from, and about what is written over."""

from __future__ import annotations

import gzip
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lxdimage import (
    BuildError,
    Compression,
    InvalidMetadataError,
    Layout,
    build_image,
    convert_image,
    edit_image,
    scan_image,
)
from lxdimage.archive import read_archive
from lxdimage.build import OutputTarget
from making import METADATA, container, member, pack

CORPUS = Path(__file__).parent.parent / "corpus" / "qcow2"
SIZE = 12 << 20
LATE = 99_999_999_999_999


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(SIZE - 1000)
        file.write(b"x")
    os.utime(path, ns=(1, 1))


def _shrink(path: Path) -> None:
    os.truncate(path, SIZE - (2 << 20))


def _tar(path: Path) -> None:
    path.write_bytes(pack([member("f", b"y" * SIZE)]))


def _disk(path: Path) -> None:
    path.write_bytes((CORPUS / "version3.qcow2").read_bytes())
    os.truncate(path, SIZE)


@pytest.mark.parametrize("make", [_tar, _disk])
@pytest.mark.parametrize("change", [_overwrite, _shrink])
@pytest.mark.parametrize("split", [False, True])
def test_a_source_that_changes_while_it_is_read_is_named(
    make: Callable[[Path], None], change: Callable[[Path], None], split: bool, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    output: OutputTarget = (tmp_path / "meta", tmp_path / "root") if split else tmp_path / "image"
    make(source)
    changed = False

    def meddle(done: int, _total: int | None) -> None:
        nonlocal changed
        if not changed and done > 4 << 20:
            changed = True
            change(source)

    with pytest.raises(BuildError) as refused:
        build_image(
            source,
            output,
            metadata=io.BytesIO(METADATA),
            layout=Layout.SPLIT if split else Layout.UNIFIED,
            compression=Compression.NONE,
            progress=meddle,
        )
    assert changed
    assert [(found.code, found.source) for found in refused.value.diagnostics] == [
        ("file-changed", str(source))
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_disk_that_is_cut_becomes_no_image(tmp_path: Path) -> None:
    disk = (CORPUS / "version3.qcow2").read_bytes()[:15_000]
    with pytest.raises(BuildError) as refused:
        build_image(io.BytesIO(disk), tmp_path / "image", metadata=io.BytesIO(METADATA))
    assert [found.code for found in refused.value.diagnostics] == ["qcow2-truncated"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["creation_date", "expiry_date"])
def test_a_date_that_daemons_refuse_is_refused(field: str, tmp_path: Path) -> None:
    root = io.BytesIO(pack([member("f", b"x")]))
    created, expires = (LATE, None) if field == "creation_date" else (5, LATE)
    with pytest.raises(InvalidMetadataError) as refused:
        build_image(
            root, tmp_path / "image", architecture="x86_64", creation_date=created, expiry_date=expires
        )
    assert [found.code for found in refused.value.diagnostics] == ["date-out-of-range"]


def test_an_edit_makes_no_image_that_daemons_refuse(tmp_path: Path) -> None:
    with pytest.raises(InvalidMetadataError) as refused:
        edit_image(io.BytesIO(container()), output=tmp_path / "image", expiry=LATE)
    assert [found.code for found in refused.value.diagnostics] == ["date-out-of-range"]
    assert list(tmp_path.iterdir()) == []


def test_what_replaces_a_file_has_its_mode_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(container())
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 7, 8)
    before = path.stat()
    edit_image(path, output=path, properties={"os": "other"})
    after = path.stat()
    assert before.st_ino != after.st_ino
    assert (before.st_uid, before.st_gid) == (after.st_uid, after.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640


def test_the_stripped_directory_becomes_the_root(tmp_path: Path) -> None:
    data = pack([member("top/", type=b"5", mode=0o711, uid=5, gid=6), member("top/etc/f", b"x")])
    metadata = scan_image(io.BytesIO(container())).image
    assert metadata
    convert_image(
        io.BytesIO(data), output=tmp_path / "image", metadata=metadata.metadata, strip_prefix=1,
        compression=Compression.NONE,
    )  # fmt: skip
    members = {found.name: found.entry for found in read_archive(iter([(tmp_path / "image").read_bytes()]))}
    root = members[b"rootfs/"]
    assert (root.mode, root.uid, root.gid) == (0o711, 5, 6)
    assert b"rootfs/etc/f" in members


def test_metadata_of_an_old_tar_gets_a_header_that_daemons_know(tmp_path: Path) -> None:
    data = bytearray(pack([member("metadata.yaml", METADATA), member("rootfs/f", b"x")]))
    for at in (0, 1024):
        data[at + 257 : at + 265] = bytes(8)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    packed = tmp_path / "packed"
    convert_image(io.BytesIO(gzip.compress(data)), output=packed, compression=Compression.GZIP)
    convert_image(packed, output=tmp_path / "plain", compression=Compression.NONE)
    assert scan_image(tmp_path / "plain").accepted


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        (b"architecture: foo\ncreation_date: 5\nproperties: {os: x}\n", {"architecture": "x86_64"}),
        (b"architecture: x86_64\ncreation_date: 99999999999999\nproperties: {os: x}\n", {"creation_date": 5}),
    ],
)
def test_what_is_asked_for_takes_the_place_of_what_cannot_be_used(
    text: bytes, wishes: dict[str, Any], tmp_path: Path
) -> None:
    root = io.BytesIO(pack([member("f", b"x")]))
    with pytest.raises(InvalidMetadataError):
        build_image(root, tmp_path / "image", metadata=io.BytesIO(text))
    root.seek(0)
    built = build_image(root, tmp_path / "image", metadata=io.BytesIO(text), **wishes)
    assert (built.metadata.architecture.value, built.metadata.creation_timestamp) == ("x86_64", 5)
    assert dict(built.metadata.properties) == {"os": "x"}


def test_a_disk_has_no_other_root_format(tmp_path: Path) -> None:
    meta = pack([member("metadata.yaml", METADATA)])
    disk = (CORPUS / "version3.qcow2").read_bytes()
    with pytest.raises(BuildError) as refused:
        convert_image(
            io.BytesIO(meta), io.BytesIO(disk), output=(tmp_path / "m", tmp_path / "r"), rootfs_format="tar"
        )
    assert [found.code for found in refused.value.diagnostics] == ["option-without-use"]
