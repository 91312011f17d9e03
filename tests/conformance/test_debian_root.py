"""A real Debian root, packed by plain tar: the library tells of it what the daemons tell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance.daemons import Daemon
from conformance.programs import debian_release, need, need_root
from lxdimage import Compression, Layout, fingerprint_files, open_image, scan_image

METADATA = """\
architecture: amd64
creation_date: 1700000000
expiry_date: 1900000000
properties:
  description: Debian, as debootstrap makes it
  os: debian
  release: "12"
templates:
  /etc/hostname:
    when: [create, copy]
    template: hostname.tpl
"""

# Fast settings: what is compared does not depend on how well a file is compressed.
CODECS = {"gzip": ["gzip", "-1"], "xz": ["xz", "-0", "-T2"], "zstd": ["zstd", "-q", "-3"]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with metadata.yaml, templates and a rootfs made by debootstrap."""
    need_root()
    need("debootstrap", "tar", "gzip", "xz", "zstd")
    codename, mirror = debian_release()
    directory = tmp_path_factory.mktemp("debian")
    (directory / "metadata.yaml").write_text(METADATA)
    (directory / "templates").mkdir()
    (directory / "templates/hostname.tpl").write_text("{{ instance.name }}\n")
    root = directory / "rootfs"
    command = ["debootstrap", "--variant=minbase", codename, str(root), mirror]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=500)
    shutil.rmtree(root / "var/cache/apt/archives")
    return directory


def _pack(tree: Path, to: Path, codec: str, *members: str) -> Path:
    """Pack members of the tree with GNU tar."""
    tar = ["tar", "--xattrs", "--numeric-owner", "-C", str(tree), "-c", *members]
    with to.open("wb") as out, subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
        subprocess.run([*CODECS[codec], "-c"], stdin=packing.stdout, stdout=out, check=True)
    assert packing.returncode == 0
    return to


@pytest.fixture(scope="module", params=[f"{layout.value}-{codec}" for layout in Layout for codec in CODECS])
def files(request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the image in each layout and compression."""
    layout, codec = request.param.split("-")
    to = tmp_path_factory.mktemp(request.param)
    if layout == Layout.UNIFIED.value:
        return [_pack(tree, to / "image", codec, "metadata.yaml", "templates", "rootfs")]
    metadata = _pack(tree, to / "metadata", codec, "metadata.yaml", "templates")
    return [metadata, _pack(tree / "rootfs", to / "root", codec, ".")]


def _verb(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lxdimage", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=120)


def test_library_and_daemon_tell_the_same(daemon: Daemon, files: list[Path]) -> None:
    """Fingerprint, type, architecture, dates, properties and size; and an instance can be created."""
    scan = scan_image(*files, target=daemon.target)
    assert scan.ok, "\n".join(map(str, scan.diagnostics))
    assert scan.image is not None
    told = daemon.import_image(*files)
    try:
        assert told.fingerprint == scan.fingerprint.hex == fingerprint_files(*files).hex
        record = told.record
        image = open_image(*files, target=daemon.target)
        assert image.metadata == scan.image.metadata
        assert record["type"] == image.type.value
        assert record["architecture"] == str(image.metadata.architecture)
        assert record["properties"] == dict(image.metadata.properties)
        assert record["size"] == scan.size == sum(path.stat().st_size for path in files)
        for key, date in (
            ("created_at", image.metadata.creation_date),
            ("expires_at", image.metadata.expiry_date),
        ):
            assert datetime.fromisoformat(record[key]).astimezone(UTC) == date
        if (
            scan.files[0].compression is Compression.ZSTD
        ):  # unpacking takes long, and one compression is enough
            daemon.create("debian", scan.fingerprint.hex)
            assert (daemon.root("debian") / "rootfs/etc/debian_version").is_file()
            daemon.delete("debian")
    finally:
        if told.fingerprint:
            daemon.delete_image(told.fingerprint)


def test_the_command_line_tells_the_same(files: list[Path]) -> None:
    """`fingerprint`, `info` and `validate` agree with the library, in whatever order the files are named."""
    fingerprint = fingerprint_files(*files).hex
    assert fingerprint in _verb("fingerprint", *files).stdout
    info = _verb("info", *reversed(files))
    assert info.returncode == 0
    assert "debian" in info.stdout
    validated = _verb("validate", "--output-format", "json", *files)
    assert validated.returncode == 0, validated.stdout
    (image,) = json.loads(validated.stdout)["images"]
    assert image["fingerprint"] == fingerprint
    assert set(image["accepted"].values()) == {True}
