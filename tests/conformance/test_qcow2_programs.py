"""qcow2 disks by qemu: the library says of them what ``qemu-img`` says."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance.programs import need
from lxdimage.formats._qcow2 import Features, PassingDisk, check_qcow2, open_disk, scan_qcow2
from lxdimage.formats._seekable import SeekableFile

# Options of the disk, and whether it is written a second time with compressed clusters.
KINDS = [
    ("compat=0.10", True),
    ("compat=1.1", True),
    ("cluster_size=512", True),
    ("cluster_size=2M", False),
    ("refcount_bits=1", False),
    ("refcount_bits=8", False),
    ("refcount_bits=64", False),
    ("extended_l2=on", True),
    ("compression_type=zstd", True),
    ("compression_type=zstd,cluster_size=4k", True),
    ("preallocation=metadata", False),
    ("lazy_refcounts=on", False),
]
WRITES = [
    "write -P 17 0 100k",
    "write -P 34 1M 65k",
    "write -P 51 3000k 8k",
    "discard 1M 16k",
    "write -z 2M 128k",
]


def _json(*command: object) -> dict[str, Any]:
    process = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=False, timeout=60)
    found = json.loads(process.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(
    params=[f"{options}{'+compressed' * again}" for options, more in KINDS for again in range(1 + more)]
)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a disk of 7 MiB with data, zeros and holes."""
    need("qemu-img", "qemu-io")
    options, plus, _ = request.param.partition("+")
    path, copy = tmp_path / "disk", tmp_path / "copy"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "7M"], check=True)
    commands = [word for text in WRITES for word in ("-c", text)]
    subprocess.run(["qemu-io", "-f", "qcow2", *commands, path], check=True, stdout=subprocess.DEVNULL)
    if not plus:
        return path
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", options, path, copy], check=True)
    return copy


def test_the_guest_reads_what_qemu_converts(disk: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    with disk.open("rb") as file:
        opened = open_disk(SeekableFile(file))
        assert opened.read(0, opened.size) == raw.read_bytes()


def test_usage_is_what_qemu_counts(disk: Path) -> None:
    checked = _json("qemu-img", "check", "--output=json", disk)
    with disk.open("rb") as file:
        usage = scan_qcow2(SeekableFile(file))
    assert usage.diagnostics == ()
    assert (usage.leaks, usage.corruptions) == (0, 0)
    assert usage.end == checked["image-end-offset"]
    assert usage.allocated == checked.get("allocated-clusters", 0)
    assert usage.compressed == checked.get("compressed-clusters", 0)


def test_the_header_says_what_qemu_says(disk: Path) -> None:
    info = _json("qemu-img", "info", "--output=json", disk)
    data = info["format-specific"]["data"]
    with disk.open("rb") as file:
        header = scan_qcow2(SeekableFile(file)).header
    assert (header.virtual_size, header.cluster_size) == (info["virtual-size"], info["cluster-size"])
    assert header.version == {"0.10": 2, "1.1": 3}[data["compat"]]
    assert header.compression.name.lower() == data["compression-type"]
    assert header.refcount_bits == data["refcount-bits"]
    if header.version == 3:
        assert header.lazy_refcounts == data["lazy-refcounts"]
        assert (Features.EXTENDED_L2 in header.features) == data["extended-l2"]


@pytest.mark.parametrize("offset", [4, 8, 20, 24, 32, 36, 40, 48, 56, 60, 64, 72, 88, 96, 100, 104])
@pytest.mark.parametrize("value", [0, 1, 2, 3, 5, 8, 22, 64, 512, 65536, 1 << 24, (1 << 32) - 1])
def test_qemu_refuses_the_headers_that_are_refused(offset: int, value: int, tmp_path: Path) -> None:
    """Each number of the header, replaced."""
    need("qemu-img")
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "10M"], check=True)
    data = bytearray(path.read_bytes())
    width = 8 if offset in {8, 24, 40, 48, 64, 72, 88} else 1 if offset == 104 else 4
    data[offset : offset + width] = (value % (1 << 8 * width)).to_bytes(width, "big")
    path.write_bytes(data)
    command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(tmp_path / "raw")]
    refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
    with path.open("rb") as file:
        found = any(finding.stage for finding in check_qcow2(SeekableFile(file))[0])
    assert found == refused


CORPUS = Path(__file__).parent.parent / "corpus" / "qcow2"


@pytest.mark.parametrize("name", ["version3", "zlib", "zstd", "snapshot"])
def test_qemu_refuses_the_cuts_that_are_refused(name: str, tmp_path: Path) -> None:
    """A disk cut anywhere, read as a file and as what passes by."""
    need("qemu-img")
    data, path = (CORPUS / f"{name}.qcow2").read_bytes(), tmp_path / "disk"
    for size in range(150, len(data), 37):
        path.write_bytes(data[:size])
        command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(tmp_path / "raw")]
        refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
        passing = PassingDisk()
        passing.take(data[:size])
        with path.open("rb") as file:
            for disk in (SeekableFile(file), passing):
                assert refused == any(finding.stage for finding in check_qcow2(disk)[0]), size


@pytest.mark.parametrize("name", ["version3", "zlib", "zstd", "snapshot"])
def test_qemu_refuses_the_flips_that_are_refused(name: str, tmp_path: Path) -> None:
    """A disk with one bit flipped: tables that point elsewhere, and compressed clusters that do not decompress."""
    need("qemu-img")
    rng = random.Random(name)
    data, path = (CORPUS / f"{name}.qcow2").read_bytes(), tmp_path / "disk"
    used = [place for place, byte in enumerate(data) if byte]
    for place in rng.sample(used, 60) + rng.sample(range(len(data)), 40):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(tmp_path / "raw")]
        refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
        passing = PassingDisk()
        passing.take(bytes(damaged))
        with path.open("rb") as file:
            for disk in (SeekableFile(file), passing):
                assert refused == any(finding.stage for finding in check_qcow2(disk)[0]), place


_ENTRIES = (0, 1, 512, 1 << 16, 1 << 32, 1 << 62, 1 << 62 | 512, 1 << 63 | 1, (1 << 55) - 512, (1 << 64) - 1)


@pytest.mark.parametrize("options", ["compat=0.10", "compat=1.1", "cluster_size=16k,extended_l2=on"])
def test_qemu_refuses_the_entries_that_are_refused(options: str, tmp_path: Path) -> None:
    """Entries of an L2 table replaced, and the bitmaps of subclusters with them."""
    need("qemu-img", "qemu-io")
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "1M"], check=True)
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 17 0 100k", str(path)]
    subprocess.run(write, check=True, stdout=subprocess.DEVNULL)
    data = path.read_bytes()
    table = int.from_bytes(data[int.from_bytes(data[40:48], "big") :][:8], "big") & ((1 << 56) - 512)
    for number in range(6):
        for value in _ENTRIES:
            place = table + 8 * number
            damaged = data[:place] + value.to_bytes(8, "big") + data[place + 8 :]
            path.write_bytes(damaged)
            command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(tmp_path / "raw")]
            refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
            passing = PassingDisk()
            passing.take(damaged)
            with path.open("rb") as file:
                for disk in (SeekableFile(file), passing):
                    assert refused == any(finding.stage for finding in check_qcow2(disk)[0]), (number, value)


_EXTENSIONS = (0, 0xE2792ACA, 0x0537BE77, 0x23852875, 0x6803F857, 0x12345678)


@pytest.mark.parametrize("kind", _EXTENSIONS)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 24, 400, 1 << 20])
def test_qemu_refuses_the_extensions_that_are_refused(kind: int, size: int, tmp_path: Path) -> None:
    need("qemu-img")
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    data = bytearray(path.read_bytes())
    data[112:120] = kind.to_bytes(4, "big") + size.to_bytes(4, "big")
    data[120:1000] = bytes(880)
    path.write_bytes(data)
    command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(tmp_path / "raw")]
    refused = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0
    with path.open("rb") as file:
        assert refused == any(finding.stage for finding in check_qcow2(SeekableFile(file))[0])
