"""Writing a SquashFS: what is written is read again, and depends on nothing but the members and the options."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, repeat

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage.archive import Entry, EntryType
from lxdimage.errors import BuildError
from lxdimage.formats._squashfs import (
    Compressor,
    Flags,
    Order,
    Superblock,
    WrittenSquashfs,
    check_squashfs,
    open_squashfs,
    read_squashfs,
    write_squashfs,
)

WRITABLE = [Compressor.GZIP, Compressor.XZ, Compressor.ZSTD]


def directory(path: str, **fields: object) -> tuple[Entry, bytes]:
    return _evolve(Entry(path=path, type=EntryType.DIRECTORY, mode=0o755), fields), b""


def file(path: str, content: bytes = b"", **fields: object) -> tuple[Entry, bytes]:
    return _evolve(Entry(path=path, type=EntryType.FILE, size=len(content)), fields), content


def other(path: str, kind: EntryType, **fields: object) -> tuple[Entry, bytes]:
    return _evolve(Entry(path=path, type=kind), fields), b""


def _evolve(entry: Entry, fields: Mapping[str, object]) -> Entry:
    return attrs.evolve(entry, **fields)  # type: ignore[arg-type]


def write(
    members: Iterable[tuple[Entry, bytes]],
    *,
    compressor: Compressor = Compressor.ZSTD,
    level: int | None = 1,
    block_size: int = 4096,
    threads: int = 1,
    exportable: bool = False,
    mtime: int = 0,
) -> tuple[bytes, WrittenSquashfs]:
    """Return the bytes of a file with *members*, and what the writer says about it."""
    output = io.BytesIO()
    written = write_squashfs(
        ((entry, iter([content])) for entry, content in members),
        output,
        compressor=compressor,
        level=level,
        block_size=block_size,
        threads=threads,
        exportable=exportable,
        mtime=mtime,
    )
    return output.getvalue(), written


def read(data: bytes) -> dict[str, tuple[Entry, bytes]]:
    """Return all that is in a file, which must be one that unsquashfs takes."""
    assert check_squashfs(io.BytesIO(data)) == ()
    members = read_squashfs(io.BytesIO(data), order=Order.DATA, threads=1)
    return {member.entry.path: (member.entry, b"".join(member.chunks())) for member in members}


NOISE = random.Random(1).randbytes(30_000)

MEMBERS = [
    directory("./", mode=0o700, uid=5, mtime_ns=7_000_000_000),
    directory("etc/", mode=0o1777, xattrs={"user.note": b"x", "trusted.t": b"y" * 70}),
    file("etc/hosts", b"127.0.0.1 localhost\n", mode=0o4755, uid=1000, gid=4_000_000_000),
    other("etc/same", EntryType.HARD_LINK, target="etc/hosts"),
    other("etc/link", EntryType.SYMLINK, mode=0o777, target="../h\u00e9 \udcff", xattrs={"trusted.t": b"z"}),
    file("noise", NOISE, xattrs={"security.capability": bytes(20), "user.note": b"x"}),
    file("hole", bytes(8192) + b"end" + bytes(9000)),
    file("empty"),
    file("exact", b"a" * 4096),
    file("tail", b"b" * 4097),
    other("dev/console", EntryType.CHARACTER_DEVICE, device=(4095, 1048575), xattrs={"trusted.t": b"x"}),
    other("dev/sda", EntryType.BLOCK_DEVICE, device=(8, 0)),
    other("dev/pipe", EntryType.FIFO),
    other("dev/socket", EntryType.SOCKET, mtime_ns=4_294_967_295 * 10**9),
    other("dev/pipe2", EntryType.HARD_LINK, target="dev/pipe"),
]


@pytest.mark.parametrize("block_size", [4096, 1 << 20])
@pytest.mark.parametrize("compressor", WRITABLE)
def test_everything_that_is_written_is_read_again(compressor: Compressor, block_size: int) -> None:
    data, written = write(MEMBERS, compressor=compressor, block_size=block_size)
    found = read(data)
    assert sorted(found) == sorted(["dev/", *(entry.path for entry, _ in MEMBERS)])
    for entry, content in MEMBERS:
        stored, again = found[entry.path]
        if entry.type is EntryType.HARD_LINK:
            assert stored.target == entry.target
        else:
            assert attrs.evolve(stored, data=None) == entry
            assert again == content
    assert written.diagnostics == ()
    assert written.size == len(data) == written.superblock.padded_bytes
    assert written.size % 4096 == 0


def test_holes_are_not_stored() -> None:
    found = read(write(MEMBERS)[0])
    assert found["hole"][0].data == ((8192, 4096),)
    assert found["noise"][0].data is None
    empty, _ = write([file("zeros", bytes(1 << 20))])
    assert len(empty) == 4096


@pytest.mark.parametrize("compressor", WRITABLE)
def test_the_bytes_do_not_depend_on_threads(compressor: Compressor) -> None:
    members = [*MEMBERS, *(file(f"many/{index}", NOISE[: index * 37]) for index in range(300))]
    one, _ = write(members, compressor=compressor, threads=1)
    assert write(members, compressor=compressor, threads=4)[0] == one
    assert write(members, compressor=compressor, threads=2)[0] == one


def test_the_bytes_do_not_depend_on_how_content_is_cut() -> None:
    def pieces() -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for entry, content in MEMBERS:
            yield entry, iter([content[start : start + 1000] for start in range(0, len(content), 1000)])

    output = io.BytesIO()
    write_squashfs(pieces(), output, level=1, block_size=4096, threads=1)
    assert output.getvalue() == write(MEMBERS)[0]


def test_equal_content_is_stored_once() -> None:
    large, small = NOISE, NOISE[:1000]
    members = [file("a", large), file("b", small)]
    once, written = write(members)
    assert written.duplicates == 0
    copies = [file("c", large), file("d", small), file("e", large), file("f", small[:-1] + b"x")]
    twice, written = write([*members, *copies])
    assert written.duplicates == 3
    assert len(twice) - len(once) <= 4096
    found = read(twice)
    assert [found[name][1] for name in "acebdf"] == [large] * 3 + [small] * 2 + [small[:-1] + b"x"]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_follows_a_repeated_file_takes_its_place(threads: int) -> None:
    unlike = NOISE[::-1]
    members = [file("a", NOISE), file("b", NOISE), file("c", unlike)]
    data, written = write(members, threads=threads)
    assert written.superblock.inode_table < 96 + 2 * len(NOISE) + 200
    assert read(data)["c"][1] == unlike


def test_a_repeated_file_at_the_end_leaves_nothing_behind() -> None:
    one, _ = write([file("a", NOISE)])
    two, _ = write([file("a", NOISE), file("b", NOISE)])
    assert len(one) == len(two)


def test_fragments_are_shared_and_read_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten to a block; the cache holds two blocks."""
    monkeypatch.setattr("lxdimage.formats._squashfs._pipeline._CACHED_BYTES", 0)
    members = [file(f"{index * 37 % 100:02}", NOISE[index * 9 : index * 9 + 400]) for index in range(100)]
    data, written = write(members)
    assert written.superblock.fragment_count == 10
    assert {path: content for path, (_, content) in read(data).items() if content} == {
        entry.path: content for entry, content in members
    }
    for member in read_squashfs(io.BytesIO(data), threads=2):
        assert len(b"".join(member.chunks())) == member.size


def test_missing_directories_are_made() -> None:
    found = read(write([file("/a/./b//c", b"x")], mtime=77)[0])
    assert sorted(found) == ["./", "a/", "a/b/", "a/b/c"]
    made = found["a/b/"][0]
    assert (made.mode, made.uid, made.gid, made.mtime_ns) == (0o755, 0, 0, 77 * 10**9)


def test_a_later_member_replaces_an_earlier_one() -> None:
    members = [
        file("a", b"old"),
        file("dir/kept", b"kept"),
        other("link", EntryType.HARD_LINK, target="a"),
        file("a", b"new"),
        directory("dir/", mode=0o711),
        directory("empty/"),
        other("empty", EntryType.FIFO),
    ]
    found = read(write(members)[0])
    assert found["a"][1] == b"new"
    assert found["link"][0].type is EntryType.FILE
    assert found["link"][1] == b"old"
    assert found["dir/"][0].mode == 0o711
    assert found["dir/kept"][1] == b"kept"
    assert found["empty"][0].type is EntryType.FIFO


def test_directories_of_many_names_are_indexed_and_complete() -> None:
    names = [f"d/{index * 7919 % 3001:05}-{'x' * (index % 40)}" for index in range(3000)]
    data, written = write([file(name, name[:7].encode()) for name in names])
    found = read(data)
    assert {name for name, (entry, _) in found.items() if entry.type is EntryType.FILE} == set(names)
    assert all(found[name][1] == name[:7].encode() for name in names[::9])
    assert written.superblock.inode_count == 3002
    with open_squashfs(io.BytesIO(data)) as squashfs:
        assert all(squashfs.lookup(name) for name in names[::97])


def test_deep_trees_are_written_without_recursion() -> None:
    path = "/".join(["d"] * 1900)
    assert f"{path}/file" in read(write([file(f"{path}/file", b"deep")])[0])


def test_the_export_table_finds_every_inode() -> None:
    plain, exported = write(MEMBERS)[1].superblock, write(MEMBERS, exportable=True)[1].superblock
    assert Flags.EXPORTABLE in exported.flags
    assert Flags.EXPORTABLE not in plain.flags
    assert read(write(MEMBERS, exportable=True)[0]).keys() == read(write(MEMBERS)[0]).keys()


def test_nothing_at_all_is_a_file_system() -> None:
    data, written = write([], mtime=12)
    assert list(read(data)) == ["./"]
    assert isinstance(written.superblock, Superblock)
    assert (written.superblock.mkfs_time, written.superblock.inode_count) == (12, 1)


def test_what_has_no_place_is_left_out_and_told() -> None:
    acl = {"system.posix_acl_access": b"acl", "user.note": b"kept", "user.huge": bytes(65537), "odd": b""}
    data, written = write([file("a", xattrs=acl, mtime_ns=-1), file("b", xattrs=acl, mtime_ns=2**32 * 10**9)])
    assert [(found.code, found.source) for found in written.diagnostics] == [
        (code, path) for path in "ab" for code in ("squashfs-lost-time", *["squashfs-lost-xattr"] * 3)
    ]
    found = read(data)
    assert dict(found["a"][0].xattrs) == {"user.note": b"kept"}
    assert (found["a"][0].mtime_ns, found["b"][0].mtime_ns) == (0, (2**32 - 1) * 10**9)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ([file("a/../b")], "b'..'"),
        ([file("a\0b")], "b'a\\x00b'"),
        ([file("n" * 257)], "at most 255 bytes"),
        ([file("\ud800")], "as os.fsdecode gives it"),
        ([file(".")], "expected a directory"),
        ([file("./")], "expected a directory, found a FILE"),
        ([file("a"), file("a/b")], "expected b'a' to be a directory"),
        ([file("a/b"), file("a")], "found a full one"),
        ([other("b", EntryType.HARD_LINK, target="a")], "a hard link to an earlier file"),
        ([directory("a"), other("b", EntryType.HARD_LINK, target="a")], "a hard link to an earlier file"),
        ([other("l", EntryType.SYMLINK, target="")], "a target of 1 to 65535 bytes, found 0"),
        ([other("l", EntryType.SYMLINK, target="a\0b")], "found 3"),
        ([other("d", EntryType.BLOCK_DEVICE, device=(4096, 0))], "found (4096, 0)"),
        ([file("a", uid=1 << 32)], "found 4294967296"),
        ([file("a", b"abc", size=4)], "expected 4 bytes of content, found 3"),
    ],
)
def test_what_squashfs_cannot_hold_is_refused(members: list[tuple[Entry, bytes]], text: str) -> None:
    with pytest.raises(BuildError) as caught:
        write(members)
    (finding,) = caught.value.diagnostics
    assert finding.code == "squashfs-unwritable"
    assert text in finding.message


def test_there_are_only_so_many_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxdimage.formats._squashfs._dump_tree._MOST_IDS", 10)
    write([file(f"{number}", uid=number) for number in range(10)])
    with pytest.raises(BuildError, match="at most 10 different owners"):
        write([file(f"{number}", uid=number) for number in range(11)])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"compressor": Compressor.LZ4}, "zstd, xz or gzip, found lz4"),
        ({"level": 23}, "1 to 22 for zstd, found 23"),
        ({"compressor": Compressor.GZIP, "level": 0}, "1 to 9 for gzip, found 0"),
        ({"block_size": 5000}, "found 5000"),
        ({"block_size": 1 << 21}, "found 2097152"),
        ({"mtime": -1}, "found -1"),
    ],
)
def test_options_that_are_not_possible_are_refused(options: dict[str, int], text: str) -> None:
    with pytest.raises(BuildError, match="expected") as caught:
        write([], **options)  # type: ignore[arg-type]
    assert text in caught.value.diagnostics[0].message


def test_levels_are_those_of_mksquashfs_unless_given() -> None:
    assert write(MEMBERS, level=None)[0] == write(MEMBERS, level=15)[0]
    assert write(MEMBERS, level=None)[0] != write(MEMBERS, level=1)[0]


NAMES = st.binary(min_size=1, max_size=6).filter(lambda name: not {0, 47} & set(name) and name.strip(b"."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(
    lambda names: b"/".join(names).decode("utf-8", "surrogateescape")
)
CONTENT = st.one_of(
    st.binary(max_size=50),
    st.builds(lambda data, times: data * times, st.binary(min_size=1, max_size=9), st.integers(0, 3000)),
    st.builds(lambda before, data: bytes(before) + data, st.integers(0, 20000), st.binary(max_size=9)),
)
XATTRS = st.dictionaries(
    st.sampled_from(["user.a", "user.b", "trusted.c", "security.d"]), st.binary(max_size=99), max_size=3
)


@settings(max_examples=40, deadline=None)
@given(
    tree=st.dictionaries(PATHS, st.tuples(CONTENT, XATTRS, st.integers(0, 2**32 - 1)), max_size=12),
    compressor=st.sampled_from(WRITABLE),
)
def test_reading_is_the_inverse_of_writing(
    tree: dict[str, tuple[bytes, dict[str, bytes], int]], compressor: Compressor
) -> None:
    """Of paths that need a directory and a file in one place only the first is kept."""
    parents = {path.rsplit("/", depth)[0] for path in tree for depth in range(1, path.count("/") + 1)}
    members = [
        file(path, content, xattrs=xattrs, mode=number & 0o7777, uid=number, mtime_ns=number * 10**9)
        for path, (content, xattrs, number) in tree.items()
        if path not in parents
    ]
    found = read(write(members, compressor=compressor)[0])
    for entry, content in members:
        stored, again = found[entry.path]
        assert attrs.evolve(stored, data=None) == entry
        assert again == content
    assert {path for path, (entry, _) in found.items() if entry.type is EntryType.FILE} == {
        entry.path for entry, _ in members
    }


def test_a_hole_takes_no_memory_however_long_it_is() -> None:
    """Behind a block that is still being compressed, holes are counted and not kept."""
    block = bytes(1 << 17)
    entry = attrs.evolve(file("a")[0], size=4001 * len(block))
    output = io.BytesIO()
    tracemalloc.start()
    try:
        chunks = chain((b"x" * len(block),), repeat(block, 4000))
        write_squashfs(
            [(entry, chunks)], output, compressor=Compressor.ZSTD, block_size=len(block), threads=2
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (found,) = (member for member in read_squashfs(output) if member.name == b"a")
    assert found.size == entry.size
    assert peak < 16 << 20


def nested(levels: int, files: int) -> Iterator[tuple[Entry, bytes]]:
    """Yield directories in each other, each with *files* besides, of which half come before the next directory."""
    path = ""
    for _ in range(levels):
        path += "d/"
        yield directory(path)
        yield from (file(f"{path}{'ce'[number % 2]}{number}") for number in range(files))


def test_directories_below_many_others_are_read() -> None:
    data, _ = write(nested(100, 3))
    found = [member.entry.path for member in read_squashfs(io.BytesIO(data))]
    assert sorted(found) == sorted(["./", *(entry.path for entry, _ in nested(100, 3))])


def test_reading_does_not_hold_what_directories_hold_besides_the_one_that_is_read() -> None:
    data, _ = write(nested(15, 1500))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_squashfs(io.BytesIO(data), threads=1)) == 1 + 15 * 1501
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("path", ["n" * 256, "/".join(["d" * 255] * 16) + "/x"])
def test_what_no_system_unpacks_is_not_written(path: str) -> None:
    with pytest.raises(BuildError, match=r"255|4095") as refused:
        write([file(path)])
    assert [found.code for found in refused.value.diagnostics] == ["squashfs-unwritable"]
