"""Rules of written tars: what is written is read back alike by this package, by Python and by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage import _tar
from lxdimage.archive import (
    END_OF_ARCHIVE,
    Entry,
    EntryType,
    SparseContent,
    dump_entry,
    dump_global,
    find_data,
    read_archive,
    write_archive,
)
from lxdimage.errors import BuildError

FILE, HARD_LINK, SYMLINK = EntryType.FILE, EntryType.HARD_LINK, EntryType.SYMLINK
SECOND = 1_000_000_000


def _file(path: str, content: bytes = b"", **changes: object) -> tuple[Entry, list[bytes]]:
    entry = Entry(path=path, type=FILE, size=len(content))
    return attrs.evolve(entry, **changes), [content]  # type: ignore[arg-type]


def _node(path: str, kind: EntryType, **changes: object) -> tuple[Entry, list[bytes]]:
    return attrs.evolve(Entry(path=path, type=kind), **changes), []  # type: ignore[arg-type]


PLAIN = [
    _file("a", b"abc"),
    _file("block", b"x" * 512),
    _file("n" * 100),
    _file("mode", mode=0o7777),
    _file("ids", uid=0o7777777, gid=0o7777777),
    _file("late", mtime_ns=0o77777777777 * SECOND),
    _file("p" * 155 + "/" + "n" * 100, b"y"),
    _file("d/" * 60 + "f"),
    _node("d/", EntryType.DIRECTORY, mode=0o1777),
    _node("d/" * 60, EntryType.DIRECTORY),
    _node("l", SYMLINK, target="t" * 100, mode=0o777),
    _node("h", HARD_LINK, target="a"),
    _node("c", EntryType.CHARACTER_DEVICE, device=(5, 1_048_575)),
    _node("b", EntryType.BLOCK_DEVICE, device=(8, 1)),
    _node("p", EntryType.FIFO),
]
EXTENDED = [
    _file("n" * 101, b"abc"),
    _file("p" * 156 + "/f"),
    _file("d/" + "n" * 101),
    _node("d" * 120 + "/", EntryType.DIRECTORY),
    _file("\u00e4\u20ac"),
    _file("not-utf-8-\udcff\udc80"),
    _file("new\nline"),
    _file("large-ids", uid=0o7777777 + 1, gid=4_000_000_000),
    _file("early", mtime_ns=-5 * SECOND),
    _file("later", mtime_ns=(0o77777777777 + 1) * SECOND),
    _node("l", SYMLINK, target="t" * 101),
    _node("l2", SYMLINK, target="\udcff"),
    _node("h2", HARD_LINK, target="n" * 300),
    _file("x", b"1", xattrs={"user.a": b"\0\xff\n=", "security.capability": b"\1\0\0\2" + bytes(16)}),
    _file("x2", xattrs={"user.a%b=c%3D": b""}),
    _node("xd/", EntryType.DIRECTORY, xattrs={"system.posix_acl_default": b"\2\0\0\0"}),
]
HOLE = bytes(65536)
SPARSE = [
    _file("s1", HOLE + b"abcd" + HOLE, data=((65536, 4),)),
    _file("s2", b"abcd" + HOLE, data=((0, 4),)),
    _file("s3", HOLE + b"abcd", data=((65536, 4),)),
    _file("s4", HOLE * 2, data=()),
    _file("s5", (HOLE + b"x" * 65536) * 100, data=tuple((65536 * at, 65536) for at in range(1, 200, 2))),
    _file("d/" + "s" * 120, HOLE + b"\xff", data=((65536, 1),), xattrs={"user.x": b"y"}),
    _file("\u00e4\udcff", HOLE + b"\xff", data=((65536, 1),)),
]
ALL = [*PLAIN, *EXTENDED, *SPARSE]
IDS = [repr(entry.path[:12]) + entry.type.name for entry, _ in ALL]


def _archive(items: Iterable[tuple[Entry | bytes, Iterable[bytes]]], **options: bool) -> bytes:
    return b"".join(write_archive(items, **options))


@pytest.mark.parametrize(("entry", "content"), ALL, ids=IDS)
def test_an_entry_reads_back_as_written(entry: Entry, content: list[bytes]) -> None:
    (member,) = read_archive(iter([_archive([(entry, content)])]))
    assert b"".join(content) == b"".join(member.chunks())
    assert entry == member.entry


@pytest.mark.parametrize(("entry", "content"), ALL, ids=IDS)
def test_python_reads_what_is_written(entry: Entry, content: list[bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(_archive([(entry, content)]))) as archive:
        (found,) = archive.getmembers()
        read = archive.extractfile(found) if found.isreg() else None
        assert (read.read() if read else b"") == b"".join(content)
    assert entry.path.rstrip("/") == found.name
    assert (entry.mode, entry.uid, entry.gid) == (found.mode, found.uid, found.gid)
    assert (entry.mtime_ns // SECOND, entry.target) == (found.mtime, found.linkname)
    assert entry.type.value == ("0" if found.issparse() else found.type.decode())
    assert (entry.data is not None) == found.issparse()
    if entry.device:
        assert entry.device == (found.devmajor, found.devminor)


@pytest.mark.parametrize(("entry", "content"), PLAIN, ids=[entry.path[:12] for entry, _ in PLAIN])
def test_what_ustar_can_say_needs_one_header(entry: Entry, content: list[bytes]) -> None:
    size = len(b"".join(content))
    data = _archive([(entry, content)])
    assert len(data) == 512 + _tar.padded(size) + 1024
    assert data[257:265] == b"ustar\x0000"


@pytest.mark.parametrize(("entry", "content"), ALL, ids=IDS)
def test_neither_base_256_nor_gnu_extensions_are_written(entry: Entry, content: list[bytes]) -> None:
    data = _archive([(entry, content)])
    assert b"././@LongLink" not in data
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        header = data[archive.getmembers()[0].offset_data - 512 :]
    assert not any(header[at] & 0x80 for at in (100, 108, 116, 124, 136, 148))


def test_sizes_beyond_8_gib_are_in_a_record() -> None:
    for size, record in ((0o77777777777, False), (0o77777777777 + 1, True)):
        blocks = dump_entry(Entry(path="big", type=FILE, size=size))
        assert record == (b"size=%d\n" % size in blocks)
        assert len(blocks) == (3 if record else 1) * 512


def test_fractions_of_a_second_are_kept_when_asked_for() -> None:
    entries = [
        _file("a", mtime_ns=1_500_000_001),
        _file("b", mtime_ns=-1_500_000_000),
        _file("c", mtime_ns=SECOND),
    ]
    times = [member.entry.mtime_ns for member in read_archive(iter([_archive(entries, fractions=True)]))]
    assert times == [1_500_000_001, -1_500_000_000, SECOND]
    times = [member.entry.mtime_ns for member in read_archive(iter([_archive(entries)]))]
    assert times == [SECOND, -2 * SECOND, SECOND]


def test_the_archive_ends_in_two_blocks_of_zeros() -> None:
    assert _archive([]) == END_OF_ARCHIVE == bytes(1024)
    assert _archive([], end=False) == b""
    assert _archive(PLAIN) == _archive(PLAIN, end=False) + bytes(1024)


def test_headers_given_as_bytes_are_copied() -> None:
    entry, content = ALL[-1]
    assert _archive([(entry, content)]) == _archive([(dump_entry(entry), [b"\xff"])])


def test_global_records_are_read_back() -> None:
    data = _archive([(dump_global({b"comment": b"x"}), ()), _file("a", b"abc")])
    assert [member.name for member in read_archive(iter([data]))] == [b"a"]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["a"]
        assert archive.pax_headers == {"comment": "x"}


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd"])
def test_content_of_another_size_is_refused(content: bytes) -> None:
    with pytest.raises(BuildError, match="content-size"):
        _archive([(Entry(path="a", type=FILE, size=3), [content])])


@pytest.mark.parametrize("size", [0, 65536 * 2, 65536 * 2 + 5])
def test_sparse_content_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BuildError, match="content-size"):
        _archive([(Entry(path="a", type=FILE, size=65540, data=((65536, 4),)), [bytes(size)])])


@pytest.mark.parametrize(
    "changes",
    [
        {"path": ""},
        {"path": "a\0b"},
        {"type": SYMLINK, "target": "a\0"},
        {"type": EntryType.SOCKET},
        {"uid": -1},
        {"gid": -1},
        {"size": -1},
        {"mode": 0o10000},
        {"type": EntryType.CHARACTER_DEVICE, "device": (1 << 21, 0)},
        {"xattrs": {"": b""}},
        {"xattrs": {"user.\0": b""}},
    ],
    ids=str,
)
def test_what_no_tar_can_say_is_refused(changes: dict[str, object]) -> None:
    entry = attrs.evolve(Entry(path="a", type=FILE), **changes)  # type: ignore[arg-type]
    with pytest.raises(BuildError, match="unstorable-entry"):
        dump_entry(entry)


@given(st.lists(st.integers(1, 2000), max_size=20), st.integers(0, 9))
def test_the_bytes_do_not_depend_on_the_chunks(cuts: list[int], seed: int) -> None:
    content = bytes(range(256)) * 60
    pieces = []
    rest = content
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    pieces.append(rest)
    data = ((seed * 100, 3000), (9000, len(content) - 9000))
    sparse = Entry(path="s", type=FILE, size=len(content), data=data)
    plain = Entry(path="f", type=FILE, size=len(content))
    for entry in (plain, sparse):
        assert _archive([(entry, [content])]) == _archive([(entry, pieces)])


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 70_000)), max_size=8))
def test_holes_and_data_together_are_the_content(runs: list[tuple[bool, int]]) -> None:
    content = b"".join((b"x" if full else b"\0") * length for full, length in runs)
    data = find_data(content) if content else None
    if data is None:
        assert HOLE not in (content[at : at + 65536] for at in range(0, len(content) - 65535, 65536))
        return
    stored = [content[offset : offset + length] for offset, length in data]
    assert content == b"".join(SparseContent(iter(stored), data, len(content)))
    entry = Entry(path="s", type=FILE, size=len(content), data=data)
    assert _archive([(entry, [content])]) == _archive(
        [(entry, SparseContent(iter(stored), data, len(content)))]
    )


def test_large_content_passes_without_being_collected() -> None:
    """Whatever the size of a file, no more than some chunks are held."""
    pieces = 0

    def content() -> Iterator[bytes]:
        nonlocal pieces
        for _ in range(64):
            pieces += 1
            yield bytes(1 << 18)

    chunks = write_archive([(Entry(path="a", type=FILE, size=64 << 18), content())])
    for _ in range(4):
        assert len(next(chunks)) <= 1 << 19
    assert pieces <= 5


@pytest.mark.conformance
@pytest.mark.skipif(not shutil.which("tar") or os.geteuid() != 0, reason="needs GNU tar and root")
def test_gnu_tar_unpacks_what_is_written(tmp_path: Path) -> None:
    items = [item for item in ALL if item[0].type is not HARD_LINK and "p" * 155 not in item[0].path]
    items = [item for item in items if all(len(name) <= 255 for name in item[0].path.split("/"))]
    items += [_node("link", HARD_LINK, target="a")]
    archive = tmp_path / "archive.tar"
    archive.write_bytes(_archive(items))
    tree = tmp_path / "tree"
    tree.mkdir()
    command = [
        "tar",
        "-C",
        str(tree),
        "--numeric-owner",
        "--xattrs-include=*",
        "--delay-directory-restore",
        "-xpf",
    ]
    subprocess.run([*command, str(archive)], check=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
    for entry, content in items:
        path = tree / entry.path
        status = path.lstat()
        if entry.type is FILE:
            assert b"".join(content) == path.read_bytes()
        if entry.data is not None:
            assert status.st_blocks * 512 < entry.size
        if entry.type is not HARD_LINK:
            assert (entry.uid, entry.gid) == (status.st_uid, status.st_gid)
            if entry.type is not SYMLINK:
                assert entry.mode == status.st_mode & 0o7777
        for name, value in entry.xattrs.items():
            if name.startswith(("user.", "security.")):
                assert value == os.getxattr(path, name)
    assert (tree / "link").samefile(tree / "a")
