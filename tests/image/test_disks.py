"""Rules of the disks of virtual machines: looked into wherever they are, and never in the way of the fingerprint."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from lxdimage import ImageType, Scan, Stage, open_image, scan_image
from making import CODECS, METADATA, member, pack
from piping import pipe

CORPUS = Path(__file__).parent.parent / "corpus" / "qcow2"
DISK = (CORPUS / "version3.qcow2").read_bytes()
META = pack([member("metadata.yaml", METADATA)])
FACTS = {"partition table": "mbr", "partition 1": "Linux, 1044480 B at byte 4096"}


def unified(disk: bytes, codec: str = "none") -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for info, content in (member("metadata.yaml", METADATA), member("rootfs.img", disk)):
            archive.addfile(info, io.BytesIO(content))
    return CODECS[codec](output.getvalue())


def scans(disk: bytes) -> list[Scan]:
    """Scan a disk as a file, as what comes through a pipe, and in an archive."""
    return [
        scan_image(io.BytesIO(META), io.BytesIO(disk)),
        scan_image(io.BytesIO(META), pipe(disk)),
        scan_image(io.BytesIO(unified(disk))),
        scan_image(io.BytesIO(unified(disk, "zstd"))),
    ]


@pytest.mark.parametrize("name", ["version2", "version3", "large-clusters", "zlib", "zstd"])
def test_a_good_disk_has_no_findings_wherever_it_is(name: str) -> None:
    disk = (CORPUS / f"{name}.qcow2").read_bytes()
    for found in scans(disk):
        assert found.diagnostics == ()
        assert found.image
        assert found.image.type is ImageType.VIRTUAL_MACHINE
        assert found.files[-1].facts.items() >= {**FACTS, "virtual size": "1048576 B"}.items()
        assert int(found.files[-1].facts["allocated"].split()[0]) > 0


def test_the_fingerprint_is_that_of_all_bytes() -> None:
    by_file, by_pipe, *_ = scans(DISK)
    assert hashlib.sha256(META + DISK).hexdigest() == by_file.fingerprint.hex == by_pipe.fingerprint.hex
    assert by_file.files == by_pipe.files[:1] + by_file.files[1:]
    assert by_file.files[1].sha256 == by_pipe.files[1].sha256 == hashlib.sha256(DISK).hexdigest()


def test_a_disk_whose_clusters_are_cut_off_is_truncated_and_imported() -> None:
    for found in scans(DISK[:15_000]):
        assert [(finding.code, finding.stage) for finding in found.diagnostics] == [("qcow2-truncated", None)]
        assert not found.ok
        assert found.creates


def test_a_cut_compressed_cluster_refuses_creation() -> None:
    disk = (CORPUS / "zlib.qcow2").read_bytes()
    for found in scans(disk[:6500]):
        assert ("qcow2-truncated", Stage.CREATE) in {
            (finding.code, finding.stage) for finding in found.diagnostics
        }
        assert found.accepted
        assert not found.creates


@pytest.mark.parametrize("disk", [b"QFI\xfb", b"QFI\xfb" + bytes(200), DISK[:100]])
def test_a_disk_without_a_header_refuses_creation_only(disk: bytes) -> None:
    for found in scans(disk):
        assert found.accepted
        assert [finding.stage for finding in found.diagnostics if finding.code.startswith("qcow2")] == [
            Stage.CREATE
        ]


def test_opening_tells_the_partitions() -> None:
    for files in ((META, DISK), (unified(DISK),), (unified(DISK, "gzip"),)):
        image = open_image(*map(io.BytesIO, files))
        facts = image.files[-1].facts
        assert facts.items() >= FACTS.items()
        assert "allocated" not in facts


def test_a_disk_beside_the_root_of_a_container_matters_to_nobody() -> None:
    members = [member("metadata.yaml", METADATA), member("rootfs/f"), member("rootfs.img", b"junk")]
    found = scan_image(io.BytesIO(pack(members)))
    assert found.image is not None
    assert found.image.type is ImageType.CONTAINER
    assert not [finding for finding in found.diagnostics if finding.code.startswith("qcow2")]
