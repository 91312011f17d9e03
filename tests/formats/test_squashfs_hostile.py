"""Damaged and hostile SquashFS files: typed errors that name the place, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import zstandard

from lxdimage.archive import EntryType
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError, LimitExceededError, LXDImageError
from lxdimage.formats._squashfs import (
    Compressor,
    Flags,
    Order,
    Superblock,
    check_squashfs,
    members_at_creation,
    members_at_import,
    open_squashfs,
    read_squashfs,
)
from lxdimage.formats._squashfs._superblock import MISSING, dump_superblock
from lxdimage.formats._squashfs._xattrs import is_settable
from lxdimage.limits import Limits

CORPUS = Path(__file__).parent.parent / "corpus" / "squashfs"
RAW = 1 << 24
NOTHING = 0xFFFFFFFF


# A forge: file systems of a few inodes with uncompressed tables, in which anything can lie.


def blocks(data: bytes) -> bytes:
    """Return *data* as uncompressed metadata blocks."""
    pieces = [data[start : start + 8192] for start in range(0, len(data), 8192)] or [b"\0"]
    return b"".join(struct.pack("<H", len(piece) | 0x8000) + piece for piece in pieces)


def head(code: int, number: int, *, uid: int = 0) -> bytes:
    """Return what all inodes begin with."""
    return struct.pack("<HHHHII", code, 0o755, uid, 0, 0, number)


def directory(number: int, size: int, *, start: int = 0, offset: int = 0) -> bytes:
    """Return the inode of a directory whose listing has *size* bytes."""
    return head(1, number) + struct.pack("<IIHHI", start, 2, size + 3, offset, 0)


def file(
    number: int, size: int, sizes: Iterable[int] = (), *, fragment: int = NOTHING, offset: int = 0
) -> bytes:
    """Return the inode of a file whose blocks begin behind the superblock."""
    sizes = list(sizes)
    return head(2, number) + struct.pack(f"<IIII{len(sizes)}I", 96, fragment, offset, size, *sizes)


def fifo(number: int, links: int = 1) -> bytes:
    """Return the inode of a FIFO: 20 bytes, the smallest there is."""
    return head(6, number) + struct.pack("<I", links)


def long_fifo(number: int, xattrs: int) -> bytes:
    """Return the inode of a FIFO with extended attributes."""
    return head(13, number) + struct.pack("<II", 1, xattrs)


def symlink(number: int, target: bytes) -> bytes:
    """Return the inode of a symbolic link."""
    return head(3, number) + struct.pack("<II", 1, len(target)) + target


def listing(*entries: tuple[bytes, int], block: int = 0, kind: int = 6) -> bytes:
    """Return one group of names and offsets of inodes in *block*, all listed as of one *kind*."""
    group = struct.pack("<III", len(entries) - 1, block, 1)
    return group + b"".join(
        struct.pack("<HhHH", offset, 0, kind, len(name) - 1) + name for name, offset in entries
    )


def forge(
    inodes: bytes,
    listings: bytes,
    root: int,
    *,
    data: bytes = b"",
    fragments: Iterable[tuple[int, int]] = (),
    lies: Mapping[str, Any] | None = None,
) -> bytes:
    """
    Return a file system.

    Args:
        inodes: The inode table.
        listings: The directory table, without blocks.
        root: Where in the inode table the root is.
        data: What lies behind the superblock.
        fragments: Place and stored size of fragment blocks.
        lies: Values that the superblock has instead of the right ones.
    """
    body = data + blocks(inodes)
    inode_table, directory_table = 96 + len(data), 96 + len(body)
    body += blocks(listings)
    rows = b"".join(struct.pack("<QII", place, stored, 0) for place, stored in fragments)
    place, body = 96 + len(body), body + (blocks(rows) if rows else b"")
    fragment_table = 96 + len(body) if rows else MISSING
    body += struct.pack("<Q", place) if rows else b""
    place, body = 96 + len(body), body + blocks(bytes(4))
    superblock = Superblock(
        inode_count=100,
        mkfs_time=0,
        block_size=4096,
        fragment_count=len(rows) // 16,
        compressor=Compressor.GZIP,
        flags=Flags.NO_XATTRS,
        id_count=1,
        root_inode=root // 8192 * 8194 << 16 | root % 8192,
        used_bytes=96 + len(body) + 8,
        id_table=96 + len(body),
        xattr_table=MISSING,
        inode_table=inode_table,
        directory_table=directory_table,
        fragment_table=fragment_table,
        export_table=MISSING,
    )
    return dump_superblock(_evolve(superblock, lies or {})) + body + struct.pack("<Q", place)


def _evolve(superblock: Superblock, lies: Mapping[str, Any]) -> Superblock:
    return attrs.evolve(superblock, **lies)


def with_names(*names: bytes, inode: bytes = fifo(1), **lies: Any) -> bytes:
    """Return a file system whose root holds *inode* under *names*."""
    group = listing(*((name, 0) for name in names))
    return forge(inode + directory(2, len(group)), group, len(inode), lies=lies)


def with_file(inode: bytes, data: bytes = b"", fragments: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return a file system with one file called ``a``."""
    name = listing((b"a", 0))
    return forge(inode + directory(2, len(name)), name, len(inode), data=data, fragments=fragments)


def use(data: bytes, limits: Limits | None = None) -> list[LXDImageError]:
    """Read everything in every way, and return the errors; any other exception fails the test."""
    errors: list[LXDImageError] = []
    for order in Order:
        try:
            with open_squashfs(io.BytesIO(data), limits=limits, threads=1) as squashfs:
                for member in squashfs.members(order):
                    try:
                        _ = member.entry
                        assert sum(map(len, member.chunks())) == member.size
                    except LXDImageError as error:
                        errors.append(error)
        except LXDImageError as error:
            errors.append(error)
        try:
            with open_squashfs(io.BytesIO(data), limits=limits, threads=1) as squashfs:
                squashfs.lookup("dir/a")
        except LXDImageError as error:
            errors.append(error)
    assert all(map(str, errors))
    return errors


def first(data: bytes) -> Diagnostic:
    """Return the first finding of reading everything."""
    return use(data)[0].diagnostics[0]


def test_the_forge_makes_good_file_systems() -> None:
    packed = zlib.compress(b"a" * 4096)
    for data in (
        with_names(b"a", b"b"),
        with_file(file(1, 9, [9 | RAW]), b"123456789"),
        with_file(file(1, 4096, [len(packed)]), packed),
        with_file(file(1, 2, fragment=0, offset=5), b"0123456789", [(96, 10 | RAW)]),
    ):
        assert use(data) == []
        assert check_squashfs(io.BytesIO(data)) == ()


def test_no_flipped_bit_of_a_small_file_system_breaks_the_reader() -> None:
    name = listing((b"a", 0), (b"l", 44))
    inodes = file(1, 5000, [9 | RAW, 0], fragment=NOTHING)[:40] + fifo(2)[:4] + symlink(3, b"target")
    inodes += directory(4, len(name))
    good = forge(inodes, name, len(inodes) - 32, data=b"0123456789", fragments=[(96, 10 | RAW)])
    for place in range(len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[place] ^= 1 << bit
            use(bytes(damaged))


@pytest.mark.parametrize(
    "name", ["mksquashfs-gzip", "mksquashfs-lz4", "mksquashfs-plain", "mksquashfs-zstd", "tar2sqfs-lzo"]
)
def test_no_flipped_byte_of_an_image_breaks_the_reader(name: str) -> None:
    """The superblock and the tables; of the data every 97th byte."""
    good = (CORPUS / f"{name}.squashfs").read_bytes()
    tables = struct.unpack_from("<Q", good, 64)[0]
    end = struct.unpack_from("<Q", good, 40)[0]
    for place in [*range(96), *range(96, tables, 97), *range(tables, end, 5)]:
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        use(bytes(damaged))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mksquashfs-lzma", "mksquashfs-xz"])
def test_not_even_one_flipped_byte_of_an_image_breaks_the_reader(name: str) -> None:
    """All bytes of the smallest images, data too."""
    good = (CORPUS / f"{name}.squashfs").read_bytes()
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        use(bytes(damaged))


def test_every_cut_is_found() -> None:
    good = (CORPUS / "mksquashfs-xz.squashfs").read_bytes()
    for size in range(0, len(good), 7):
        assert use(good[:size])
        assert [found.stage for found in check_squashfs(io.BytesIO(good[:size]))] == [Stage.CREATE]


@pytest.mark.parametrize("name", [b"a/b", b"/", b"..", b"."])
def test_a_name_that_is_no_component_is_refused(name: bytes) -> None:
    finding = first(with_names(name))
    assert finding.code == "squashfs-name"
    assert repr(name) in finding.message
    assert finding.offset == 96 + 2 + 52


def test_a_directory_that_holds_itself_is_a_loop() -> None:
    names = listing((b"me", 0))
    assert first(forge(directory(1, len(names)), names, 0)).code == "squashfs-loop"


def test_two_directories_that_hold_each_other_are_a_loop() -> None:
    there, back = listing((b"b", 32)), listing((b"a", 0))
    inodes = directory(1, len(there)) + directory(2, len(back), offset=len(there))
    finding = first(forge(inodes, there + back, 0))
    assert finding.code == "squashfs-loop"
    assert "b'b/a'" in finding.message


def test_a_directory_of_two_names_is_a_loop() -> None:
    """Some directories that hold each other twice could be listed forever."""
    names = listing((b"x", 0), (b"y", 0), kind=1)
    assert first(forge(directory(1, 0) + directory(2, len(names)), names, 32)).code == "squashfs-loop"


def test_a_name_ends_at_its_first_nul() -> None:
    with open_squashfs(io.BytesIO(with_names(b"a\0b")), threads=1) as squashfs:
        assert [member.name for member in squashfs.members()] == [b"./", b"a"]
    assert first(with_names(b"\0")).code == "squashfs-name"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (with_names(b"a", inode=head(15, 1) + bytes(4)), "type 1 to 14, found 15"),
        (with_names(b"a", inode=head(3, 1) + struct.pack("<II", 1, 1 << 31)), "found 2147483648"),
        (with_names(b"a" * 257), "at most 256 bytes, found 257"),
        (with_names(b"a" * 300), "at most 256 bytes, found 300"),
        (with_names(*[b"a"] * 257), "at most 256 entries, found 257"),
        (forge(fifo(1), b"", 0), "expected the root to be a directory, found type 6"),
        (forge(directory(1, 20), struct.pack("<III", 0, 0, 1), 0), "directory table: expected a block"),
        (forge(directory(1, 60), listing((b"a", 0)), 0), "directory table: expected a block"),
        (forge(directory(1, 21), listing((b"a", 40)), 0), "expected an inode below 32, found one at 40"),
        (forge(directory(1, 21), listing((b"a", 0), block=99), 0), "inode table: expected a block"),
        (with_file(file(1, NOTHING, [0, 0])), "inode table: expected a block of 1 to 8192 bytes"),
        (
            with_file(file(1, 2, fragment=3), b"01", [(96, 2 | RAW)]),
            "fragment table: expected a number below 1",
        ),
        (with_file(file(1, 9, fragment=0, offset=1 << 21), b"01", [(96, 2 | RAW)]), "found them at 2097152"),
        (with_file(file(1, 9, fragment=0, offset=4090), b"01", [(96, 2 | RAW)]), "expected 9 bytes at 4090"),
        (with_names(b"a", id_table=3), "id table: expected a place"),
        (with_names(b"a", id_count=9), "id table: expected a block of 36 bytes, found 4"),
        (with_names(b"a", id_count=60000), "id table: expected an index of 30 blocks"),
        (with_names(b"a", inode=long_fifo(1, 0), xattr_table=160), "extended attributes"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, text: str) -> None:
    assert text in first(data).message
    assert first(data).offset is not None


@pytest.mark.parametrize(
    ("sizes", "data", "text"),
    [
        ([20], b"x" * 20, "does not decompress"),
        ([200], zlib.compress(bytes(5000)) + bytes(200), "more than 4096 bytes come out"),
        ([8000], bytes(8000), "at most 4096 bytes, found 8000"),
    ],
)
def test_a_damaged_block_spoils_its_file_only(sizes: list[int], data: bytes, text: str) -> None:
    names = listing((b"bad", 0), (b"good", 36))
    inodes = file(1, 4096, sizes) + file(2, 9, [9 | RAW]) + directory(3, len(names))
    image = forge(inodes, names, len(inodes) - 32, data=data)
    with open_squashfs(io.BytesIO(image), threads=2) as squashfs:
        members = {member.name: member for member in squashfs.members(Order.DATA)}
        with pytest.raises(InvalidImageError, match=text) as caught:
            list(members[b"bad"].chunks())
        assert caught.value.diagnostics[0].code == "squashfs-block"
        assert caught.value.diagnostics[0].offset == 96
        assert b"".join(members[b"good"].chunks()) == data[:9]


def in_two_directories() -> bytes:
    """Return a file system with two directories of one number."""
    names = listing((b"x", 0), (b"y", 32), kind=1)
    return forge(directory(1, 0) + directory(1, 0) + directory(2, len(names)), names, 64)


def cut_listing(size: int) -> bytes:
    """Return a file system whose root says that its listing, of one name, has *size* bytes more than it has."""
    names = listing((b"a", 0))
    return forge(fifo(1) + directory(2, len(names) + size), names + bytes(12), 20)


def with_rest(rest: bytes) -> bytes:
    """Return a file system with *rest* behind the one group of its root, and counted in its size."""
    names = listing((b"a", 0)) + rest
    return forge(fifo(1) + directory(2, len(names)), names, 20)


def with_extended_kind() -> bytes:
    """Return a file system with a directory that is listed as of the type that its inode is."""
    below = head(8, 1) + struct.pack("<IIIIHHI", 2, 3, 0, 0, 0, 0, NOTHING)
    return forge(below + directory(2, 21), listing((b"d", 0), kind=8), len(below))


def without_options() -> bytes:
    """Return a file system that says that options follow the superblock, which do not."""
    names = listing((b"a", 0))
    lies = {"flags": Flags.COMPRESSOR_OPTIONS}
    return forge(fifo(1) + directory(2, len(names)), names, 20, data=b"\4\0junk", lies=lies)


ALONE = {
    "order": (with_names(b"b", b"a"), "ascending order"),
    "twice": (with_names(b"a", b"a"), "ascending order"),
    "number": (with_names(b"a", inode=fifo(101)), "above the superblock's count: 101 to 101 of 100"),
    "zero": (with_names(b"a", inode=fifo(0)), "0 to 0 of 100"),
    "name": (with_names(b"a" * 256), "longer than 255 bytes"),
    "nul": (with_names(b"a\0b"), "a name holds a NUL"),
    "target": (with_names(b"a", inode=symlink(1, b"t" * 4096)), "longer than 4095 bytes"),
    "no-target": (with_names(b"a", inode=symlink(1, b"")), "empty or longer"),
    "nul-target": (with_names(b"a", inode=symlink(1, b"\0t")), "empty or longer"),
    "owner": (with_names(b"a", inode=head(6, 1, uid=5) + bytes(4)), "row 5 of 1"),
    "kind": (
        forge(fifo(1) + directory(2, 21), listing((b"a", 0), kind=1), 20),
        "'a' has type 1, its inode 6",
    ),
    "extended-kind": (with_extended_kind(), "'d' has type 8, its inode 8"),
    "rest": (with_rest(struct.pack("<III", 0, 1 << 24, 1)), "12 too many"),
    "again": (in_two_directories(), "two directories have one inode number: b'y'"),
    "listing": (cut_listing(5), "in the middle of a group: 29 bytes, 5 too many"),
    "count": (with_names(b"a", inode_count=1), "2 of 1"),
    "ids": (with_names(b"a", inode_count=0), "there are more owners or fragments"),
    "export": (with_names(b"a", export_table=5), "does not end where the next table begins: export table"),
    "used": (with_names(b"a", used_bytes=200) + bytes(60), "id table ends at byte"),
    "check": (with_names(b"a", flags=Flags.CHECK), "the superblock says that blocks have check bytes"),
    "options": (without_options(), "the options of the compressor"),
    "lz4": (with_names(b"a", compressor=Compressor.LZ4), "LZ4 needs version 1, found b''"),
    "xattrs": (with_names(b"a", xattr_table=96), "the extended attributes cannot be read"),
    "fragments": (with_names(b"a", fragment_count=1), "does not end where the next table begins"),
}


# What mksquashfs makes of an empty directory: its listing begins where the directory table ends.
EMPTY = bytes.fromhex(
    "6873717301000000e4800a6b000002000000000001001100c00001000400000000000000000000009d00000000000000"
    "9500000000000000ffffffffffffffff60000000000000007d000000000000007d000000000000008700000000000000"
    "1b0078da636478cbc8000482b55cd96006103001313394060032e501fb088000000000000000007d0000000000000004"
    "80000000008f00000000000000"
)


def test_nothing_is_read_of_an_empty_directory() -> None:
    assert use(EMPTY) == []
    assert check_squashfs(io.BytesIO(EMPTY), stage=Stage.IMPORT) == ()


def test_no_name_is_longer_than_the_format_allows() -> None:
    with pytest.raises(InvalidImageError, match="at most 256 bytes, found 257"):
        list(read_squashfs(io.BytesIO(with_names(b"a" * 257)), threads=1))


def test_what_was_met_in_a_group_that_is_not_taken_does_not_count() -> None:
    outside = struct.pack("<III", 0, 2 + 52, 1) + bytes(5)  # the block behind that of the inodes
    with open_squashfs(io.BytesIO(with_rest(outside)), threads=1) as squashfs:
        assert [member.name for member in members_at_import(squashfs)] == [b"./", b"a"]


@pytest.mark.parametrize(("data", "text"), ALONE.values(), ids=ALONE)
def test_what_unsquashfs_alone_refuses_is_readable_and_found_at_creation(data: bytes, text: str) -> None:
    """The daemons import such an image, since ``sqfs2tar`` takes it, and cannot unpack it."""
    assert use(data) == []
    found = check_squashfs(io.BytesIO(data))
    assert {(finding.code, finding.stage) for finding in found} == {("squashfs-refused-layout", Stage.CREATE)}
    assert text in " ".join(finding.message for finding in found)


AT_IMPORT = {
    "exports": (
        with_names(b"a", export_table=160),
        "directory table, which ends at byte 160",
    ),
    "parent": (with_names(b"a", inode=fifo(2)), "an inode has the number of a directory that it is in"),
}


@pytest.mark.parametrize(("data", "text"), AT_IMPORT.values(), ids=AT_IMPORT)
def test_what_sqfs2tar_alone_refuses_is_readable_and_found_at_import(data: bytes, text: str) -> None:
    """Only of a file with metadata.yaml: nothing else is read through it."""
    assert use(data) == []
    with (
        open_squashfs(io.BytesIO(data), threads=1) as squashfs,
        pytest.raises(InvalidImageError, match=text) as caught,
    ):
        list(members_at_import(squashfs))
    assert caught.value.diagnostics[0].code == "squashfs-refused-import"
    assert Stage.IMPORT in {found.stage for found in check_squashfs(io.BytesIO(data), stage=Stage.IMPORT)}
    assert Stage.IMPORT not in {found.stage for found in check_squashfs(io.BytesIO(data))}


@pytest.mark.parametrize(
    ("sizes", "data", "text"),
    [
        ([200], zlib.compress(bytes(4000)) + bytes(200), "expected 4096 bytes at 0, found 4000"),
        ([100 | RAW], bytes(100), "expected 4096 bytes at 0, found 100"),
        ([RAW], b"", "expected 4096 bytes at 0, found 0"),
    ],
)
def test_unsquashfs_does_not_notice_that_a_block_has_another_size(
    sizes: list[int], data: bytes, text: str
) -> None:
    """It writes what its memory holds: the content is lost, and the instance is created."""
    image = with_file(file(1, 4096, sizes), data)
    assert first(image).code == "squashfs-content"
    assert text in first(image).message
    with open_squashfs(io.BytesIO(image), threads=1) as squashfs:
        assert [member.name for member in members_at_creation(squashfs)] == [b"./", b"a"]
        assert [(found.code, found.stage) for found in squashfs.refusals(Stage.CREATE)] == [
            ("squashfs-content", None)
        ]


def test_what_cannot_be_read_is_found_where_the_daemon_reads_it() -> None:
    """A file with metadata.yaml is read when it is imported, the root of a split image at creation."""
    names = listing((b"me", 0))
    data = forge(directory(1, len(names)), names, 0)
    for stage in (Stage.IMPORT, Stage.CREATE):
        (finding,) = check_squashfs(io.BytesIO(data), stage=stage)
        assert (finding.code, finding.stage) == ("squashfs-loop", stage)


def test_a_zstd_frame_that_claims_too_much_is_not_allocated() -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    image = with_file(file(1, 4096, [len(frame)]), frame)
    claimed = bytearray(image)
    claimed[20] = Compressor.ZSTD.value
    assert "the frame claims 1048576 bytes, more than 4096" in first(bytes(claimed)).message


def test_an_inode_with_several_names_is_hard_linked() -> None:
    members = list(read_squashfs(io.BytesIO(with_names(b"a", b"b", b"c", inode=fifo(1, links=3)))))
    assert [(member.name, member.type, member.entry.target) for member in members[1:]] == [
        (b"a", EntryType.FIFO, ""),
        (b"b", EntryType.HARD_LINK, "a"),
        (b"c", EntryType.HARD_LINK, "a"),
    ]


def test_deep_directories_end_at_the_longest_path() -> None:
    """Each level costs its whole path: without a bound the work would be quadratic."""
    listings = inodes = b""
    for number in range(1, 30):
        name = listing((b"d" * 255, len(inodes) - 32)) if inodes else b""
        inodes += directory(number, len(name), offset=len(listings))
        listings += name
    (error, *_) = use(forge(inodes, listings, len(inodes) - 32))
    assert isinstance(error, LimitExceededError)
    assert "a path of" in str(error)


def test_a_listing_that_is_shared_many_times_ends_at_the_limit_of_members() -> None:
    wide = listing(*((b"%03d" % number, 0) for number in range(200)))
    top = listing(*((b"%03d" % number, 20 + 32 * number) for number in range(200)))
    inodes = fifo(1, links=1000)
    inodes += b"".join(directory(2 + number, len(wide)) for number in range(200))
    inodes += directory(300, len(top), offset=len(wide))
    errors = use(forge(inodes, wide + top, len(inodes) - 32), Limits(members=30_000))
    assert all(isinstance(error, LimitExceededError) for error in errors)
    assert errors


def test_a_file_of_holes_is_read_without_holding_it() -> None:
    image = with_file(file(1, 40 << 20, [0] * (40 << 8)))
    tracemalloc.start()
    assert use(image) == []
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_size_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    sparse = head(9, 1) + struct.pack("<QQQIIII", 96, 1 << 62, 0, 1, NOTHING, 0, NOTHING)
    errors = use(with_file(sparse))
    assert any("a file of 4611686018427387904 bytes" in str(error) for error in errors)


def test_more_content_than_the_ratio_allows_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.formats._squashfs._content.RATIO_COUNTS_FROM", 1 << 16)
    packed = zlib.compress(bytes(4096))
    image = with_file(file(1, 4096 * 500, [len(packed)] + [0] * 499), packed)
    assert use(image, Limits(ratio=10)) == []
    repeated = with_file(file(1, 4096 * 500, [len(packed)] * 500), packed * 500)
    assert any("come out of each" in str(error) for error in use(repeated, Limits(ratio=10)))


@pytest.mark.parametrize(
    ("name", "kind", "settable"),
    [
        ("user.a", EntryType.FILE, True),
        ("user.a", EntryType.DIRECTORY, True),
        ("user.a", EntryType.SYMLINK, False),
        ("user.a", EntryType.CHARACTER_DEVICE, False),
        ("trusted.a", EntryType.FIFO, True),
        ("user.", EntryType.FILE, False),
        ("user.\0a", EntryType.FILE, False),
        ("user." + "a" * 250, EntryType.FILE, True),
        ("user." + "a" * 251, EntryType.FILE, False),
    ],
)
def test_no_kernel_takes_some_attributes(name: str, kind: EntryType, settable: bool) -> None:
    assert is_settable(name, kind) == settable
