"""A disk that passes by once says what the same disk says as a file."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest

from lxdimage.diagnostics import Stage
from lxdimage.formats._qcow2 import (
    NotKeptError,
    PassingDisk,
    check_qcow2,
    open_disk,
    read_partitions,
)
from lxdimage.formats._seekable import SeekableFile

BITS = 12
SIZE = 1 << BITS
TABLES = 4  # L2 tables, each of 512 clusters
COPIED = 1 << 63
STORED = 1000  # guest clusters
UNUSED = 32  # clusters that move the rest away from the beginning
# Where each kind of cluster is, in the order of the file.
USUAL = ("refcount table", "refcount blocks", "L1", "L2", "data")
GUEST = b"\0" * 446 + struct.pack("<B3xB3xII", 0x80, 0x83, 8, 2040) + bytes(48) + b"\x55\xaa"


def large_disk(order: tuple[str, ...] = USUAL) -> bytes:
    """Return a disk of 4 MiB whose parts are in that order, all reference counts right; ``unused`` is one as well."""
    counts = {
        "refcount table": 1,
        "refcount blocks": 1,
        "L1": 1,
        "L2": TABLES,
        "data": STORED,
        "unused": UNUSED,
    }
    places: dict[str, int] = {}
    at = 1
    for kind in order:
        places[kind] = at
        at += counts[kind]
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, 0, 0, BITS, TABLES * 512 * SIZE, 0, TABLES, places["L1"] * SIZE,
        places["refcount table"] * SIZE, 1, 0, 0, 0, 0, 0, 4, 104,
    )  # fmt: skip
    entries = [0] * (TABLES * 512)
    for number in range(STORED):  # every other cluster, so that all tables are used
        entries[number * 2] = (places["data"] + number) * SIZE | COPIED
    parts = {
        "refcount table": struct.pack(">Q", places["refcount blocks"] * SIZE),
        "refcount blocks": struct.pack(f">{at}H", *_counts(order, counts)),
        "L1": struct.pack(
            f">{TABLES}Q", *((places["L2"] + number) * SIZE | COPIED for number in range(TABLES))
        ),
        "L2": struct.pack(f">{len(entries)}Q", *entries),
        "data": GUEST.ljust(SIZE, b"\0") + b"x" * SIZE * (STORED - 1),
        "unused": b"",
    }
    return header.ljust(SIZE, b"\0") + b"".join(
        parts[kind].ljust(counts[kind] * SIZE, b"\0") for kind in order
    )


def _counts(order: tuple[str, ...], counts: dict[str, int]) -> list[int]:
    return [1, *(int(kind != "unused") for kind in order for _ in range(counts[kind]))]


def passed(data: bytes, size: int) -> PassingDisk:
    """Let *data* pass in chunks of *size* bytes."""
    disk = PassingDisk()
    for start in range(0, len(data), size):
        disk.take(data[start : start + size])
    return disk


@pytest.mark.parametrize("size", [97, 512, SIZE, 65_536, 100_000, 1 << 20, 1 << 23])
@pytest.mark.parametrize("cut", [0, 1, 300, 5000, 2_000_000, 4_000_000])
def test_a_passing_disk_says_what_a_file_says(size: int, cut: int) -> None:
    data = large_disk()
    data = data[: len(data) - cut]
    by_file = check_qcow2(SeekableFile(io.BytesIO(data)))
    assert check_qcow2(passed(data, size)) == by_file
    assert {found.code for found in by_file[0]} <= {"qcow2-truncated", "qcow2-corruption"}
    assert bool(by_file[0]) == (cut > 0)


def test_reference_counts_are_compared_where_a_disk_passes() -> None:
    data = bytearray(large_disk())
    data[2 * SIZE + 2 * 50 : 2 * SIZE + 2 * 50 + 2] = b"\0\0"  # the count of a cluster of data
    findings, usage = check_qcow2(passed(bytes(data), 1 << 16))
    assert [found.code for found in findings] == ["qcow2-corruption"]
    assert usage
    assert (usage.leaks, usage.corruptions, usage.allocated) == (0, 1, STORED)


@pytest.mark.parametrize("size", [512, 100_000])
def test_tables_may_come_shortly_before_what_names_them(size: int) -> None:
    data = large_disk(("L2", "L1", "refcount blocks", "refcount table", "data"))
    assert check_qcow2(passed(data, size)) == check_qcow2(SeekableFile(io.BytesIO(data)))


@pytest.mark.parametrize(
    "order",
    [
        ("unused", "L2", "data", "L1", "refcount blocks", "refcount table"),
        ("L1", "unused", "L2", "refcount blocks", "data", "refcount table"),
    ],
)
def test_tables_that_came_too_early_are_not_compared(order: tuple[str, ...]) -> None:
    data = large_disk(order)
    assert check_qcow2(SeekableFile(io.BytesIO(data)))[0] == ()
    findings, usage = check_qcow2(passed(data, 1 << 16))
    assert [(found.code, found.stage) for found in findings] == [("qcow2-not-compared", None)]
    assert usage is None


def test_tables_of_more_than_the_limit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.formats._qcow2._passing._MOST_KEPT", 3 * SIZE)
    findings, _ = check_qcow2(passed(large_disk(("unused", *USUAL)), 1 << 16))
    assert [found.code for found in findings] == ["qcow2-not-compared"]


@pytest.mark.parametrize("order", [USUAL, ("L1", "data", "L2", "refcount table", "refcount blocks")])
def test_the_partition_table_is_kept(order: tuple[str, ...]) -> None:
    data = large_disk(order)
    table = read_partitions(open_disk(passed(data, 4096)).read)
    if order == USUAL:
        assert table == read_partitions(open_disk(SeekableFile(io.BytesIO(data))).read)
        assert table
        assert [partition.start for partition in table.partitions] == [4096]


def test_what_was_not_waited_for_is_not_taken_for_zeros() -> None:
    disk = passed(large_disk()[: 2 << 20], 4096)
    disk.cut = True
    table = read_partitions(open_disk(disk).read)
    assert table
    with pytest.raises(NotKeptError):
        disk.read((2 << 20) - 10, 20)


def test_no_more_is_kept_than_the_limit_and_the_last_bytes() -> None:
    header = bytearray(large_disk()[: 1 << 16])
    header[36:40] = (1 << 19).to_bytes(4, "big")  # an L1 table of 4 MiB, every entry another place
    disk = passed(bytes(header), 1 << 16)
    entry = 0
    for _ in range(64):
        numbers = range(entry, entry + (1 << 17))
        disk.take(struct.pack(f">{1 << 17}Q", *(number * SIZE for number in numbers)))
        entry += 1 << 17
    kept = sum(len(data) for data in disk._kept.values())
    assert kept + disk._last_size < 12 << 20


def test_no_flip_and_no_cut_breaks_the_reader() -> None:
    good = large_disk()[: 12 * SIZE]
    places = [*range(104), *range(SIZE, len(good), 97)]
    for place in places:
        data = bytearray(good)
        data[place] ^= 0xFF
        by_file, _ = check_qcow2(SeekableFile(io.BytesIO(bytes(data))))
        findings, _ = check_qcow2(passed(bytes(data), 1000))
        codes = [found.code for found in findings]
        assert codes == [found.code for found in by_file] or codes[-1] == "qcow2-not-compared"


# ---- compressed clusters

FIRST = (4 + TABLES) * SIZE  # place of the first one


def compressed_disk(*, overlapping: bool = False) -> bytes:
    """Return a disk of compressed clusters that nothing compresses well, one behind the other."""
    rng = random.Random(1)
    contents = [rng.randbytes(3000).ljust(SIZE, b"x") for _ in range(STORED)]
    data, entries = bytearray(), [0] * (TABLES * 512)
    for number, content in enumerate(contents):
        encoder = zlib.compressobj(wbits=-12)
        stream = encoder.compress(content) + encoder.flush()
        place = FIRST + (0 if overlapping else len(data))
        sectors = (place + len(stream) - 1) // 512 - place // 512
        entries[number * 2] = 1 << 62 | sectors << 58 | place
        data += stream
    usual = large_disk()
    tables = struct.pack(f">{len(entries)}Q", *entries)
    l2 = 4 * SIZE
    return usual[:l2] + tables + bytes(data) + bytes(512)


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 22])
def test_compressed_clusters_are_looked_at_while_they_pass(size: int) -> None:
    data = bytearray(compressed_disk())
    assert not any(found.stage for found in check_qcow2(passed(bytes(data), size))[0])
    entry = int.from_bytes(data[4 * SIZE + 8 * 1000 : 4 * SIZE + 8 * 1001], "big")
    place = entry & ((1 << 58) - 1)
    data[place] |= 6  # a kind of block that does not exist
    by_file = check_qcow2(SeekableFile(io.BytesIO(bytes(data))))
    assert check_qcow2(passed(bytes(data), size)) == by_file
    (found,) = (finding for finding in by_file[0] if finding.code == "qcow2-cluster")
    assert (found.stage, found.offset) == (Stage.CREATE, place)


def _cut_table(data: bytes) -> bytes:
    """Return *data* with its first L2 table moved to its end, and cut there behind the last entry that is used."""
    moved = bytearray(data)
    moved += bytes(-len(moved) % SIZE)
    (l1,) = struct.unpack_from(">Q", data, 40)
    (table,) = struct.unpack_from(">Q", data, l1)
    at = table & ~COPIED
    struct.pack_into(">Q", moved, l1, len(moved) | COPIED)
    return bytes(moved + data[at : at + SIZE]).rstrip(b"\0")


def test_a_table_that_is_cut_counts_as_far_as_it_goes() -> None:
    data = bytearray(compressed_disk())
    (l1,) = struct.unpack_from(">Q", data, 40)
    table = struct.unpack_from(">Q", data, l1)[0] & ~COPIED
    place = struct.unpack_from(">Q", data, table)[0] & ((1 << 58) - 1)
    data[place] |= 6
    cut = _cut_table(bytes(data))
    by_file = check_qcow2(SeekableFile(io.BytesIO(cut)))
    assert ("qcow2-cluster", Stage.CREATE) in {(found.code, found.stage) for found in by_file[0]}
    assert check_qcow2(passed(cut, 1 << 22)) == by_file


def test_an_l2_table_in_the_place_of_another_table_counts() -> None:
    data = bytearray(compressed_disk())
    (l1, refcounts) = struct.unpack_from(">QQ", data, 40)
    (block,) = struct.unpack_from(">Q", data, refcounts)
    struct.pack_into(">Q", data, l1 + 24, block | COPIED)
    struct.pack_into(">Q", data, block, 1 << 62 | block)  # which does not decompress
    by_file = check_qcow2(SeekableFile(io.BytesIO(bytes(data))))
    assert ("qcow2-cluster", Stage.CREATE) in {(found.code, found.stage) for found in by_file[0]}
    assert check_qcow2(passed(bytes(data), 1 << 16)) == by_file


def test_more_compressed_clusters_than_wait_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.formats._qcow2._passing._MOST_WAITING", 100)
    assert [found.code for found in check_qcow2(passed(compressed_disk(), 1 << 16))[0]] == [
        "qcow2-not-compared"
    ]


def test_a_cluster_that_many_entries_name_is_decompressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = compressed_disk(overlapping=True), 0

    def count(*_: object) -> bool:
        nonlocal calls
        calls += 1
        return True

    for module in ("_check", "_passing"):
        monkeypatch.setattr(f"lxdimage.formats._qcow2.{module}.decompresses", count)
    check_qcow2(SeekableFile(io.BytesIO(data)))
    check_qcow2(passed(data, 1 << 16))
    assert calls == 2


def test_what_is_too_much_to_decompress_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    data = compressed_disk()
    for module in ("_check", "_passing"):
        monkeypatch.setattr(f"lxdimage.formats._qcow2.{module}.most_decompressed", lambda _: 10 * SIZE)
    by_file, _ = check_qcow2(SeekableFile(io.BytesIO(data)))
    assert "qcow2-limit" in {found.code for found in by_file}
    passing, _ = check_qcow2(passed(data, 1 << 16))
    assert [found.code for found in passing] == ["qcow2-not-compared"]
