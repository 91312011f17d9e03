"""A disk that is full is an error that names the file, and leaves what was there."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lxdimage import Compression, Layout, Metadata
from lxdimage.build import build_image, convert_image, edit_image
from lxdimage.extract import extract_image
from making import METADATA, member, pack

SIZE = 3 << 20
NOISE = random.Random(8).randbytes(2 * SIZE)
MADE = Metadata(architecture="x86_64", creation_date=5)
IMAGE = pack([member("metadata.yaml", METADATA), member("rootfs/noise", NOISE)])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a small file system with a file on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        (place / "image").write_bytes(b"old")
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _build(given: Path, output: Path, **options: object) -> None:
    (given / "tree").mkdir()
    (given / "tree/noise").write_bytes(NOISE)
    build_image(given / "tree", output, metadata=MADE, **options)  # type: ignore[arg-type]


def _convert(given: Path, output: Path, **options: object) -> None:
    (given / "source").write_bytes(IMAGE)
    convert_image(given / "source", output=output, **options)  # type: ignore[arg-type]


def _edit(given: Path, output: Path, **options: object) -> None:
    (given / "source").write_bytes(IMAGE)
    edit_image(given / "source", output=output, properties={"a": "b"}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (_build, {"compression": Compression.NONE}),
        (_build, {"compression": Compression.ZSTD, "layout": Layout.SPLIT}),
        (_build, {"rootfs_format": "squashfs", "layout": Layout.SPLIT}),
        (_convert, {"compression": Compression.GZIP}),
        (_convert, {"compression": Compression.NONE, "layout": Layout.SPLIT}),
        (_edit, {}),
    ],
)
def test_what_was_there_stays(
    disk: Path, tmp_path: Path, write: Callable[..., None], options: dict[str, object]
) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path, disk / "image", **options)
    names = [thread.name for thread in threading.enumerate() if "digest" in thread.name]
    assert names == []
    assert caught.value.filename in {str(disk / "image"), str(disk / "image.root")}
    assert [path.name for path in disk.iterdir()] == ["image"]
    assert (disk / "image").read_bytes() == b"old"
    assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > SIZE // 2


def test_what_is_extracted_is_whole(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(IMAGE)
    with pytest.raises(OSError, match="No space left") as caught:
        extract_image(tmp_path / "source", to=disk / "to")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(disk / "to/rootfs/noise")
    assert str(caught.value).endswith("/to/rootfs/noise'")
    found = sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file())
    assert found == ["image", "to/metadata.yaml"]
