"""The tables of a qcow2 disk: what the guest reads, what is allocated, and what contradicts itself."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import uuid
import zlib
from pathlib import Path

import pytest

from lxdimage.diagnostics import Stage
from lxdimage.errors import InvalidImageError, LXDImageError, UnsupportedFormatError
from lxdimage.formats._qcow2 import (
    Partition,
    PartitionTable,
    PassingDisk,
    check_qcow2,
    open_disk,
    read_partitions,
    scan_qcow2,
)
from lxdimage.formats._seekable import SeekableFile

CORPUS = Path(__file__).parent.parent / "corpus" / "qcow2"
DISKS = ["version2", "version3", "large-clusters", "zlib", "zstd", "snapshot"]
COPIED = 1 << 63
SIZE = 512


def _guest() -> bytes:
    """Return the guest's disk that the corpus was made from."""
    disk = bytearray(1 << 20)
    disk[446:462] = struct.pack("<B3xB3xII", 0x80, 0x83, 8, 2040)
    disk[510:512] = b"\x55\xaa"
    for offset, text, size in json.loads((CORPUS / "contents.json").read_text()):
        disk[offset : offset + size] = (text.encode() * size)[:size]
    return bytes(disk)


GUEST = _guest()


def _open(name: str) -> io.BytesIO:
    return io.BytesIO((CORPUS / f"{name}.qcow2").read_bytes())


@pytest.mark.parametrize("name", DISKS)
def test_the_guest_is_read_at_any_place(name: str) -> None:
    disk = open_disk(SeekableFile(_open(name)))
    assert disk.size == len(GUEST)
    assert disk.read(0, disk.size) == GUEST
    for offset, size in ((0, 1), (440, 80), (4095, 2), (699_999, 6000), (1_048_570, 100), (1 << 20, 5)):
        assert disk.read(offset, size) == GUEST[offset : offset + size]


@pytest.mark.parametrize("name", DISKS)
def test_disks_by_qemu_have_nothing_wrong(name: str) -> None:
    usage = scan_qcow2(SeekableFile(_open(name)))
    assert {found.code for found in usage.diagnostics} == (
        {"qcow2-snapshots"} if name == "snapshot" else set()
    )
    assert (usage.leaks, usage.corruptions) == ((None, None) if name == "snapshot" else (0, 0))
    assert usage.allocated > 0
    assert usage.compressed == (usage.allocated if name in {"zlib", "zstd"} else 0)


@pytest.mark.parametrize("name", DISKS)
def test_the_partition_table_is_shown(name: str) -> None:
    table = read_partitions(open_disk(SeekableFile(_open(name))).read)
    partition = Partition(number=1, start=4096, size=2040 * 512, type="83", kind="Linux", bootable=True)
    assert table == PartitionTable(scheme="mbr", sector_size=512, partitions=(partition,))


# A disk of sixteen clusters of 512 bytes: header, L1 table, refcount table, refcount block, L2 table, data.

L1, REFCOUNTS, BLOCK, L2, DATA = (SIZE * number for number in range(1, 6))


def disk(
    l2: list[int],
    data: bytes = b"",
    *,
    l1: int = L2 | COPIED,
    counts: list[int] | None = None,
    features: int = 0,
    compression: int = 0,
    order: int = 4,
    backing: bytes = b"",
) -> bytes:
    """Return a disk whose first clusters are where *l2* says; *counts* replace its right reference counts."""
    fields = (3, 112 if backing else 0, len(backing), 9, 16 * SIZE, 0, 1, L1, REFCOUNTS, 1, 0, 0)
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", *fields)
    head += struct.pack(">QQQIIB7x", features, 0, 0, order, 112, compression) + backing
    used = (DATA + len(data) + SIZE - 1) // SIZE
    counts = [1] * used if counts is None else counts
    parts = [
        head,
        struct.pack(">Q", l1),
        struct.pack(">Q", BLOCK),
        struct.pack(f">{len(counts)}H", *counts),
        struct.pack(f">{len(l2)}Q", *l2),
    ]
    return b"".join(part.ljust(SIZE, b"\0") for part in parts) + data


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-12)
    return packer.compress(data) + packer.flush()


def _compressed(place: int, size: int) -> int:
    return 1 << 62 | ((place % 512 + size - 1) // 512) << 61 | place


def _codes(data: bytes) -> list[tuple[str, Stage | None]]:
    return [(found.code, found.stage) for found in check_qcow2(SeekableFile(io.BytesIO(data)))[0]]


def test_a_small_disk_is_right() -> None:
    data = disk([DATA | COPIED, 0, 1], b"x" * SIZE)
    assert _codes(data) == []
    opened = open_disk(SeekableFile(io.BytesIO(data)))
    assert opened.read(0, 2 * SIZE) == b"x" * SIZE + bytes(SIZE)
    assert opened.read(2 * SIZE, 99999) == bytes(14 * SIZE)


def test_a_compressed_cluster_is_read() -> None:
    packed = _raw_deflate(b"y" * SIZE)
    data = disk([0, _compressed(DATA, len(packed))], packed)
    assert _codes(data) == []
    assert open_disk(SeekableFile(io.BytesIO(data))).read(SIZE - 1, 3) == b"\0yy"


@pytest.mark.parametrize("features", [0, 8])
def test_a_compressed_cluster_that_is_no_cluster_is_damaged(features: int) -> None:
    data = disk([_compressed(DATA, 20)], b"\xff" * 20, features=features, compression=features // 8)
    with pytest.raises(InvalidImageError) as caught:
        open_disk(SeekableFile(io.BytesIO(data))).read(0, 1)
    assert caught.value.diagnostics[0].code == "qcow2-cluster"


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        # Behind the end: qemu reads zeros, except for compressed clusters.
        (disk([DATA | COPIED]), [("qcow2-truncated", None)]),
        (disk([DATA | COPIED], b"x" * 511), [("qcow2-truncated", None)]),
        (disk([_compressed(DATA, 9)]), [("qcow2-truncated", Stage.CREATE)]),
        (disk([_compressed(DATA, 9)], _raw_deflate(GUEST[:512])[:5]), [("qcow2-truncated", Stage.CREATE)]),
        (disk([], l1=DATA * 4), [("qcow2-truncated", None), ("qcow2-leak", None)]),
        # Reference counts.
        (disk([DATA | COPIED], bytes(SIZE), counts=[1] * 5), [("qcow2-corruption", None)]),
        (disk([DATA, DATA], bytes(SIZE)), [("qcow2-corruption", None)]),
        (disk([], bytes(SIZE)), [("qcow2-leak", None)]),
        (disk([], bytes(SIZE), counts=[1] * 5), []),
    ],
)
def test_what_the_tables_say_is_compared(data: bytes, codes: list[tuple[str, Stage | None]]) -> None:
    assert _codes(data) == codes


def test_large_clusters_must_be_aligned() -> None:
    good = bytearray((CORPUS / "large-clusters.qcow2").read_bytes())
    l1 = struct.unpack_from(">Q", good, 40)[0]
    table = struct.unpack_from(">Q", good, l1)[0]
    good[l1 : l1 + 8] = struct.pack(">Q", table + 512)
    assert ("qcow2-corruption", Stage.CREATE) in _codes(bytes(good))
    with pytest.raises(InvalidImageError, match="L2 table at a multiple of 8192"):
        open_disk(SeekableFile(io.BytesIO(bytes(good)))).read(0, 1)
    good[l1 : l1 + 8] = struct.pack(">Q", table)
    place = table & 0xFFFFFFFFFFFE00
    entry = struct.unpack_from(">Q", good, place)[0]
    good[place : place + 8] = struct.pack(">Q", entry + 512)
    assert ("qcow2-corruption", Stage.CREATE) in _codes(bytes(good))
    with pytest.raises(InvalidImageError, match="cluster at a multiple of 8192"):
        open_disk(SeekableFile(io.BytesIO(bytes(good)))).read(0, 1)


def test_an_l2_table_that_is_used_twice_is_walked_once() -> None:
    data = bytearray(disk([DATA | COPIED], bytes(SIZE)))
    data[36:40] = struct.pack(">I", 64)
    data[L1 : L1 + SIZE] = struct.pack(">Q", L2) * 64
    usage = scan_qcow2(SeekableFile(io.BytesIO(bytes(data))))
    assert usage.allocated == 1
    assert usage.corruptions == 1
    assert usage.diagnostics[0].message == "63 clusters are L2 tables that are used twice"


@pytest.mark.parametrize("order", [0, 1, 2, 3, 5, 6])
def test_reference_counts_of_every_width_are_read(order: int) -> None:
    """Zero in all of them: every cluster of the file is used more often."""
    usage = scan_qcow2(SeekableFile(io.BytesIO(disk([], order=order, counts=[]))))
    assert usage.corruptions == 5


def test_a_cluster_of_the_backing_file_is_not_zero() -> None:
    data = disk([DATA | COPIED], b"x" * SIZE, backing=b"/etc/shadow")
    opened = open_disk(SeekableFile(io.BytesIO(data)))
    assert opened.read(0, 1) == b"x"
    with pytest.raises(InvalidImageError, match="'/etc/shadow'"):
        opened.read(SIZE, 1)


def test_what_is_in_another_file_or_encrypted_is_not_opened() -> None:
    encrypted = bytearray(disk([]))
    encrypted[35] = 2
    for data in (bytes(encrypted), disk([], features=4)):
        with pytest.raises(UnsupportedFormatError):
            open_disk(SeekableFile(io.BytesIO(data)))


def test_subclusters_are_allocated_zero_or_neither() -> None:
    size = 16384
    bitmap = 0b0101 | 0b0010 << 32
    head = struct.pack(">IQIIQIIQQIIQ", 3, 0, 0, 14, size, 0, 1, size, 2 * size, 1, 0, 0)
    head += struct.pack(">QQQIIB7x", 16, 0, 0, 4, 112, 0)
    parts = [
        b"QFI\xfb" + head,
        struct.pack(">Q", 4 * size),
        struct.pack(">Q", 3 * size),
        struct.pack(">6H", *[1] * 6),
        struct.pack(">QQ", 5 * size | COPIED, bitmap),
        b"".join(bytes([65 + index]) * 512 for index in range(32)),
    ]
    data = b"".join(part.ljust(size, b"\0") for part in parts)
    assert _codes(data) == []
    opened = open_disk(SeekableFile(io.BytesIO(data)))
    assert opened.read(0, 2048) == b"A" * 512 + bytes(512) + b"C" * 512 + bytes(512)
    assert opened.read(500, 24) == b"A" * 12 + bytes(12)
    # qemu writes no further than the last subcluster that is allocated.
    assert _codes(data[: 5 * size + 3 * 512]) == []
    assert _codes(data[: 5 * size + 3 * 512 - 1]) == [("qcow2-truncated", None)]

    # A subcluster is not stored and zero, and nothing is stored where no cluster is.
    for entry in ((5 * size | COPIED, bitmap | 1 << 32), (0, 1), (0, 1 | 1 << 33)):
        parts[4] = struct.pack(">QQ", *entry)
        found = _codes(b"".join(part.ljust(size, b"\0") for part in parts))
        assert ("qcow2-corruption", Stage.CREATE) in found


def test_what_the_guest_has_less_than_a_sector_of_is_not_read() -> None:
    broken = bytearray(disk([1 << 62 | DATA], b"\xff" * SIZE))
    assert ("qcow2-cluster", Stage.CREATE) in _codes(bytes(broken))
    broken[24:32] = struct.pack(">Q", 511)
    assert not any(stage for _, stage in _codes(bytes(broken)))


def test_version_2_has_no_clusters_of_zeros() -> None:
    """The bit that says so is one of version 3."""
    data = bytearray(disk([0, 1]))
    assert _codes(bytes(data)) == []
    data[4:8] = struct.pack(">I", 2)
    assert _codes(bytes(data)) == [("qcow2-corruption", Stage.CREATE)]
    beyond = bytearray(disk([0] * 16 + [1]))  # which nobody reads
    beyond[4:8] = struct.pack(">I", 2)
    assert _codes(bytes(beyond)) == []


def _with_bitmap(entry: bytes, *, count: int = 1, size: int = 32) -> list[tuple[str, Stage | None]]:
    """Return what is found in a disk whose directory of bitmaps is *entry*, as a file and as it passes."""
    data = bytearray(disk([], counts=[1] * 5) + entry)
    data[88:96] = struct.pack(">Q", 1)
    data[112:144] = struct.pack(">IIIIQQ", 0x23852875, 24, count, 0, size, DATA)
    passing = PassingDisk()
    passing.take(bytes(data))
    found = _codes(bytes(data))
    assert found == [(finding.code, finding.stage) for finding in check_qcow2(passing)[0]]
    return found


def test_the_directory_of_bitmaps_is_read_as_qemu_reads_it() -> None:
    fields = (L2, 1, 2, 1, 16, 4, 0)
    good = struct.pack(">QIIBBHI", *fields) + b"name\0\0\0\0"
    assert _with_bitmap(good) == []
    refused = [("qcow2-header", Stage.CREATE)]
    for index, value in (
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1 << 24),
        (2, 4),
        (3, 2),
        (4, 8),
        (4, 32),
        (5, 0),
        (6, 1),
    ):
        wrong = [value if number == index else field for number, field in enumerate(fields)]
        assert _with_bitmap(struct.pack(">QIIBBHI", *wrong) + b"name\0\0\0\0") == refused, (index, value)
    assert _with_bitmap(b"") == _with_bitmap(good[:17]) == refused
    assert _with_bitmap(good, size=31) == _with_bitmap(good, count=2) == refused
    assert _with_bitmap(good * 2, size=64) == refused


def test_places_in_another_file_are_not_looked_for_in_this_one() -> None:
    assert {code for code, _ in _codes(disk([1 << 30 | COPIED], features=4))} == {"qcow2-data-file"}


def test_more_tables_than_any_disk_has_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.formats._qcow2._walk._MOST_ENTRIES", 10)
    assert _codes(disk([])) == [("qcow2-limit", None)]
    monkeypatch.setattr("lxdimage.formats._qcow2._walk.MOST_CLUSTERS", 2)
    assert _codes(disk([])) == [("qcow2-limit", None)]


@pytest.mark.parametrize("name", ["zlib", "backing"])
def test_no_flip_and_no_cut_breaks_the_reader(name: str) -> None:
    good = (CORPUS / f"{name}.qcow2").read_bytes()
    images = [good[:size] for size in range(0, len(good), 61)]
    for place in [*range(120), *range(120, len(good), 5)]:
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        images.append(bytes(damaged))
    for image in images:
        check_qcow2(SeekableFile(io.BytesIO(image)))
        with contextlib.suppress(LXDImageError):
            opened = open_disk(SeekableFile(io.BytesIO(image)))
            opened.read(0, 3000)
            opened.read(opened.size - 10, 10)


# Partition tables.


def _partitions(disk: bytes) -> PartitionTable | None:
    return read_partitions(lambda offset, size: disk[offset : offset + size])


def _gpt(sector: int, entries: list[tuple[str, int, int, str]]) -> bytes:
    table = b"".join(
        uuid.UUID(kind).bytes_le
        + bytes(16)
        + struct.pack("<QQQ", first, last, 0)
        + name.encode("utf-16-le").ljust(72, b"\0")
        for kind, first, last, name in entries
    ).ljust(128 * 128, b"\0")
    fields = (1 << 16, 92, 0, 0, 1, 99, 34, 90, bytes(16), 2, 128, 128, zlib.crc32(table))
    head = bytearray(b"EFI PART" + struct.pack("<IIIIQQQQ16sQIII", *fields))
    head[16:20] = struct.pack("<I", zlib.crc32(head))
    protective = bytes(446) + struct.pack("<B3xB3xII", 0, 0xEE, 1, 999) + bytes(48) + b"\x55\xaa"
    return protective.ljust(sector, b"\0") + bytes(head).ljust(sector, b"\0") + table


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_gpt_is_read_in_both_sector_sizes(sector: int) -> None:
    linux, other = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "01234567-89ab-cdef-0123-456789abcdef"
    data = _gpt(
        sector, [(linux, 34, 50, "cloudimg-rootfs"), (str(uuid.UUID(int=0)), 0, 0, ""), (other, 51, 51, "")]
    )
    table = _partitions(data)
    assert table is not None
    assert (table.scheme, table.sector_size) == ("gpt", sector)
    assert table.partitions == (
        Partition(
            number=1,
            start=34 * sector,
            size=17 * sector,
            type=linux,
            kind="Linux root (x86-64)",
            name="cloudimg-rootfs",
        ),
        Partition(number=3, start=51 * sector, size=sector, type=other, kind=""),
    )


def test_a_gpt_with_a_wrong_checksum_leaves_the_protective_record() -> None:
    for place in (600, 1100):
        data = bytearray(_gpt(512, [("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", 34, 50, "root")]))
        data[place] ^= 1
        table = _partitions(bytes(data))
        assert table is not None
        assert (table.scheme, table.partitions[0].kind) == ("mbr", "GPT protective")


@pytest.mark.parametrize("data", [b"", bytes(512), bytes(510) + b"\x55\xaa", b"\xeb\x58" * 255 + b"\x55\xaa"])
def test_a_disk_without_partitions_has_no_table(data: bytes) -> None:
    assert _partitions(data) is None
