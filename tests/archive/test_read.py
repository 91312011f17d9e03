"""Rules of reading tars: equal to tarfile, independent of how the stream is cut, and only our errors for damage."""

from __future__ import annotations

import io
import random
import tarfile
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import LimitExceededError, Limits, LXDImageError, TruncatedImageError
from lxdimage._tar import sealed
from lxdimage.archive import Batch, EntryType, TarMember, TarReader, dump_member, read_archive
from making import member

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "d" * 90 + "/" + "n" * 95


def pack(members: list[tuple[tarfile.TarInfo, bytes]], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of *members* as Python's tarfile writes it, with padding to a whole record."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tar_format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return output.getvalue()


MEMBERS = [
    member("metadata.yaml", b"architecture: x86_64\n"),
    member("rootfs/", type=tarfile.DIRTYPE, mode=0o755),
    member("rootfs/etc/hostname", b"x" * 512, uid=1000, gid=100, mode=0o4755),
    member("rootfs/" + LONG, b"y" * 1300),
    member("rootfs/link", type=tarfile.SYMTYPE, linkname="etc/hostname"),
    member("rootfs/hard", type=tarfile.LNKTYPE, linkname="rootfs/etc/hostname"),
    member("rootfs/dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("rootfs/dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    member("rootfs/pipe", type=tarfile.FIFOTYPE),
    member("rootfs/empty"),
]


def split(data: bytes, size: int) -> Iterator[bytes]:
    """Yield *data* in pieces of *size* bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def facts(data: bytes, size: int, *, strict: bool) -> list[tuple[object, ...]]:
    """Return what the reader says of every member, content included."""
    found: list[tuple[object, ...]] = []
    for item in TarReader(split(data, size), strict=strict):
        entry = item.entry
        found.append(
            (entry.path.rstrip("/"), entry.type.value, entry.mode, entry.uid, entry.gid, entry.mtime_ns // 10**9,
             entry.size, entry.target, entry.device, b"".join(item.chunks()))
        )  # fmt: skip
    return found


def facts_by_tarfile(data: bytes) -> list[tuple[object, ...]]:
    """Return the same from Python's tarfile."""
    found: list[tuple[object, ...]] = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            device = (info.devmajor, info.devminor) if info.ischr() or info.isblk() else None
            source = archive.extractfile(info) if info.isreg() else None
            found.append(
                (info.name, info.type.decode(), info.mode, info.uid, info.gid, int(info.mtime), info.size,
                 info.linkname, device, source.read() if source else b"")
            )  # fmt: skip
    return found


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 1000, 1 << 20])
@pytest.mark.parametrize("tar_format", FORMATS.values(), ids=FORMATS.keys())
def test_every_member_is_what_tarfile_says_however_the_stream_is_cut(
    tar_format: int, size: int, *, strict: bool
) -> None:
    data = pack(MEMBERS, tar_format)
    assert facts_by_tarfile(data) == facts(data, size, strict=strict)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("size", [1, 511, 512, 513, 1000, 3000, 1 << 20])
@pytest.mark.parametrize("tar_format", FORMATS.values(), ids=FORMATS.keys())
def test_files_that_come_together_are_those_that_come_one_by_one(
    tar_format: int, size: int, *, strict: bool
) -> None:
    data = pack([*(member(f"a/{number}", bytes(number * 300)) for number in range(9)), *MEMBERS], tar_format)
    together: list[TarMember] = []
    for found in TarReader(split(data, size), strict=strict).batches(b"a/"):
        files = [found[place] for place in range(len(found))] if isinstance(found, Batch) else [found]
        assert isinstance(found, TarMember) or all(file.name.startswith(b"a/") for file in files)
        together += files
    alone = list(TarReader(split(data, size), strict=strict))
    assert [_described(file) for file in alone] == [_described(file) for file in together]


def _described(file: TarMember) -> tuple[object, ...]:
    return file.name, file.offset, file.size, file.header, file.lead, file.plain, file.entry


@pytest.mark.parametrize("size", [1, 512, 700, 1 << 20])
def test_content_that_nobody_asks_for_is_skipped(size: int) -> None:
    names = [item.name for item in TarReader(split(pack(MEMBERS), size))]
    assert [info.name.rstrip("/").encode() for info, _ in MEMBERS] == [name.rstrip(b"/") for name in names]


def test_offsets_are_those_of_the_first_block_of_a_member() -> None:
    data = pack(MEMBERS, tarfile.PAX_FORMAT)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [info.offset for info in archive]
    for size in (100, 1 << 20):
        assert expected == [item.offset for item in TarReader(split(data, size))]


def test_the_blocks_of_all_members_together_are_the_archive() -> None:
    data = pack(MEMBERS, tarfile.PAX_FORMAT)
    rebuilt = b""
    for item in TarReader(split(data, 777)):
        content = b"".join(item.chunks())
        rebuilt += item.lead + item.header + content + bytes(-len(content) % 512)
    assert data[: len(rebuilt)] == rebuilt
    assert not any(data[len(rebuilt) :])


def test_fractions_of_seconds_and_extended_attributes_come_from_pax_records() -> None:
    attribute = {"SCHILY.xattr.user.note": "value", "mtime": "1600000000.25"}
    data = pack([member("f", b"x", pax_headers=attribute)], tarfile.PAX_FORMAT)
    (entry,) = [item.entry for item in read_archive(iter([data]))]
    assert entry.mtime_ns == 1_600_000_000_250_000_000
    assert entry.xattrs == {"user.note": b"value"}


def test_names_that_are_not_utf8_survive() -> None:
    data = bytearray(pack([member("caf\xe9.txt")]))
    at = data.index(b"caf\xc3\xa9")
    data[at : at + 9] = b"caf\xe9.txt\0"
    header = sealed(bytes(data[:512]))
    (item,) = TarReader(iter([header + bytes(data[512:])]))
    assert item.name == b"caf\xe9.txt"
    assert item.entry.path == "caf\udce9.txt"


def sparse_archives() -> dict[str, bytes]:
    """Return archives of one sparse file, 'AB' at 4096 in 10,000 bytes, in the formats of GNU tar."""
    block = b"AB" + bytes(510)
    old = bytearray(pack([member("s", b"AB")], tarfile.GNU_FORMAT)[:512])
    old[156] = 0x53
    old[386:410] = b"%011o\0%011o\0" % (4096, 2)
    old[483:495] = b"%011o\0" % 10000
    tail = bytes(1024)
    headers = {"GNU.sparse.size": "10000", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "4096,2"}
    map01 = pack(
        [member("s", b"AB", pax_headers=headers | {"GNU.sparse.major": "0", "GNU.sparse.minor": "1"})],
        tarfile.PAX_FORMAT,
    )
    text = b"1\n4096\n2\n".ljust(512, b"\0")
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": "10000",
    }
    map10 = pack([member("GNUSparseFile.1/s", text + b"AB", pax_headers=headers)], tarfile.PAX_FORMAT)
    return {"old": sealed(bytes(old)) + block + tail, "0.1": map01, "1.0": map10}


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
@pytest.mark.parametrize("kind", ["old", "0.1", "1.0"])
@pytest.mark.parametrize("strict", [True, False])
def test_holes_of_sparse_files_read_as_zeros(kind: str, size: int, *, strict: bool) -> None:
    data = sparse_archives()[kind]
    (found,) = [
        (item.name, item.size, b"".join(item.chunks()), item.entry.data)
        for item in TarReader(split(data, size), strict=strict)
    ]
    assert (b"s", 10000, bytes(4096) + b"AB" + bytes(5902), ((4096, 2),)) == found


@pytest.mark.parametrize("tar_format", FORMATS.values(), ids=FORMATS.keys())
def test_a_cut_anywhere_ends_in_members_and_at_most_our_error(tar_format: int) -> None:
    data = pack(MEMBERS[:5], tar_format)
    for end in range(0, len(data), 7):
        reader = TarReader(iter([data[:end]]), strict=True)
        try:
            for item in reader:
                for _ in item.chunks():
                    pass
        except TruncatedImageError as error:
            assert error.diagnostics[0].offset is not None
            assert not reader.ended


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bytes_end_in_members_or_our_error(data: st.DataObject) -> None:
    archive = bytearray(pack(MEMBERS, data.draw(st.sampled_from(sorted(FORMATS.values())))))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        for item in TarReader(iter([bytes(archive)]), strict=data.draw(st.booleans())):
            _ = item.entry
            for _chunk in item.chunks():
                pass
    except LXDImageError:
        pass


@settings(deadline=None)
@given(st.binary(max_size=3000), st.booleans())
def test_arbitrary_bytes_end_in_our_error_or_nothing(data: bytes, strict: bool) -> None:
    try:
        for item in TarReader(split(data, 700), strict=strict):
            _ = item.entry
    except LXDImageError:
        pass


def test_a_wrong_checksum_names_both_sums_and_the_place() -> None:
    data = bytearray(pack(MEMBERS[:3]))
    data[1024] ^= 1
    with pytest.raises(
        LXDImageError, match=r"header checksum after 'metadata.yaml' is \d+, computed \d+, at byte 1024"
    ):
        list(TarReader(iter([bytes(data)]), strict=True))


@pytest.mark.parametrize("strict", [True, False])
def test_a_signed_checksum_is_a_checksum(*, strict: bool) -> None:
    header = bytearray(pack([member("f")])[:512])
    header[0] = 0xE9
    unsigned = sum(header) - sum(header[148:156]) + 256
    header[148:156] = b"%06o\0 " % (unsigned - 256)
    assert [item.name for item in TarReader(iter([bytes(header) + bytes(1024)]), strict=strict)] == [b"\xe9"]


def test_more_members_than_the_limit_are_an_error() -> None:
    data = pack([member(f"f{number}") for number in range(11)])
    with pytest.raises(LimitExceededError):
        list(TarReader(iter([data]), limits=Limits(members=10)))
    assert 11 == len(list(TarReader(iter([data]), limits=Limits(members=11))))


def test_a_size_that_no_archive_has_is_truncation_and_takes_no_memory() -> None:
    header = bytearray(pack([member("f")])[:512])
    header[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    with pytest.raises(TruncatedImageError):
        list(TarReader(iter([sealed(bytes(header)) + bytes(5000)])))


def test_extension_headers_are_bounded() -> None:
    header = bytearray(pack([member("f")])[:512])
    header[124:136] = b"%011o\0" % (1 << 30)
    header[156] = ord("x")
    with pytest.raises(LXDImageError):
        list(TarReader(iter([sealed(bytes(header)) + bytes(5000)])))


def test_many_members_take_no_memory() -> None:
    block = pack([member("rootfs/f", b"x" * 100)])[:1024]
    tracemalloc.start()
    started = time.monotonic()
    chunks = (block * 1000 for _ in range(50))
    assert sum(1 for _ in TarReader(chunks)) == 50_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert time.monotonic() - started < 60


def test_unknown_type_flags_are_files_and_carry_content() -> None:
    header = bytearray(pack([member("odd", b"abc")])[:512])
    header[156] = ord("Z")
    data = sealed(bytes(header)) + b"abc".ljust(512, b"\0") + bytes(1024)
    ((kind, content),) = [(item.type, b"".join(item.chunks())) for item in TarReader(iter([data]))]
    assert (kind, content) == (EntryType.FILE, b"abc")


def test_reading_is_the_same_for_random_pieces() -> None:
    generator = random.Random(7)
    data = pack(MEMBERS, tarfile.PAX_FORMAT)
    expected = facts(data, len(data), strict=True)
    for _ in range(20):
        cuts = sorted(generator.sample(range(1, len(data)), 12))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        found = [item.entry.path.rstrip("/") for item in TarReader(iter(pieces))]
        assert [fact[0] for fact in expected] == found


@pytest.mark.parametrize("digits", [b"00000000009", b"00000000800", b"8" * 11])
@pytest.mark.parametrize("flag", [tarfile.REGTYPE, tarfile.XHDTYPE])
@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_digits_that_are_not_octal_are_no_size(digits: bytes, flag: bytes, size: int) -> None:
    """GNU tar and Go refuse such a header."""
    odd = bytearray(member("odd", type=flag)[0].tobuf())
    odd[124:135] = digits
    data = member("first")[0].tobuf() + sealed(bytes(odd)) + bytes(2048)
    with pytest.raises(
        LXDImageError, match=f"size is .*{digits.decode()}.*, expected octal digits, at byte 512"
    ):
        list(read_archive(split(data, size)))


def test_an_owner_that_only_tar_reads_is_the_owner() -> None:
    odd = bytearray(member("odd")[0].tobuf())
    odd[108:116] = b"17 x\0\0\0\0"
    (found,) = read_archive(iter([sealed(bytes(odd)) + bytes(1024)]))
    assert 0o17 == found.entry.uid


@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_pieces_that_do_not_fill_blocks_lie_in_blocks_of_their_own(size: int) -> None:
    """GNU tar unpacks the same content."""
    records = {"GNU.sparse.numblocks": "2", "GNU.sparse.map": "3,2,10,3", "GNU.sparse.size": "20"}
    content = b"ab".ljust(512, b"?") + b"cde"
    data = pack([member("sparse", content, pax_headers=records), member("next")], tarfile.PAX_FORMAT)
    sparse, following = ((found.name, b"".join(found.chunks())) for found in read_archive(split(data, size)))
    assert (b"sparse", bytes(3) + b"ab" + bytes(5) + b"cde" + bytes(7)) == sparse
    assert (b"next", b"") == following


def test_members_that_only_tar_reads_are_copied() -> None:
    lead = bytearray(member("x", b"6 a=b\n", type=tarfile.XHDTYPE)[0].tobuf())
    lead[124:136] = b"6 x\0\0\0\0\0\0\0\0\0"
    version = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "512"}
    records = version | {"size": "1024\0x"}
    content = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
    sparse = pack([member("sparse", content, pax_headers=records)], tarfile.PAX_FORMAT)
    data = sealed(bytes(lead)) + b"6 a=b\n".ljust(512, b"\0") + pack([member("plain")])[:512] + sparse
    copies = [dump_member(found) + b"".join(found.stored_chunks()) for found in read_archive(iter([data]))]
    assert data.startswith(copies[0])
    (copy,) = read_archive(iter([copies[1] + bytes(1024)]))
    assert b"x" * 512 == b"".join(copy.chunks())
