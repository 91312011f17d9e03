"""Rules of copied members: nothing changes but what is asked to, wherever an archive keeps it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from lxdimage.archive import (
    Entry,
    EntryType,
    Item,
    TarMember,
    TarReader,
    dump_global,
    dump_member,
    write_archive,
)

LONG = "directory/" * 30 + "file"
NAMES = ["a", "n" * 95, "d/" * 60 + "f", LONG, "\u00e4", "raw-\udcff", "n" * 140]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def _archive(format_: int) -> bytes:
    """Return an archive with every name that the format can hold, links to all of them, and other attributes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_, errors="surrogateescape") as archive:
        for number, name in enumerate(NAMES):
            file, link = tarfile.TarInfo(name), tarfile.TarInfo(f"link{number}")
            file.size, file.mode, file.uid, file.mtime = number * 300, 0o4755, 1000 + number, 1_600_000_000
            file.uname, file.gname = "somebody", "users"
            link.type, link.linkname = tarfile.LNKTYPE, name
            if format_ == tarfile.PAX_FORMAT:
                file.pax_headers = {"comment": "kept", "SCHILY.xattr.user.x": "y"}
            try:
                for header in (file, link):
                    header.tobuf(format_, "utf-8", "surrogateescape")  # type: ignore[arg-type]
            except ValueError:
                continue
            archive.addfile(file, io.BytesIO(b"x" * file.size))
            archive.addfile(link)
    return stream.getvalue()


def _copied(data: bytes, head: Callable[[TarMember], bytes]) -> bytes:
    items = ((head(member), member.stored_chunks()) for member in TarReader(iter([data])))
    return b"".join(write_archive(items))


def _entries(data: bytes) -> list[tuple[Entry, bytes]]:
    return [(member.entry, b"".join(member.chunks())) for member in TarReader(iter([data]), strict=True)]


def _names_in_python(data: bytes) -> list[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return [(found.name, found.linkname) for found in archive]


@pytest.fixture(params=FORMATS)
def source(request: pytest.FixtureRequest) -> bytes:
    return _archive(FORMATS[request.param])


def test_members_that_nothing_is_asked_of_keep_every_byte(source: bytes) -> None:
    copy = _copied(source, dump_member)
    assert source[: len(copy)] == copy
    assert not source[len(copy) :].strip(b"\0")


PREFIXES = [b"rootfs/", b"p" * 60 + b"/", b"p" * 160 + b"/", b"\xff/"]


@pytest.mark.parametrize("prefix", PREFIXES, ids=[ascii(prefix[:10]) for prefix in PREFIXES])
def test_new_names_are_read_back(source: bytes, prefix: bytes) -> None:
    def renamed(member: TarMember) -> bytes:
        target = prefix + member.target if member.target else None
        return dump_member(member, name=prefix + member.name, target=target)

    copy = _copied(source, renamed)
    text = prefix.decode("utf-8", "surrogateescape")
    expected = [
        (attrs.evolve(entry, path=text + entry.path, target=entry.target and text + entry.target), content)
        for entry, content in _entries(source)
    ]
    assert expected == _entries(copy)
    assert [(entry.path, entry.target) for entry, _ in expected] == _names_in_python(copy)


def test_a_name_taken_away_and_given_back_restores_all_entries(source: bytes) -> None:
    longer = _copied(source, lambda member: dump_member(member, name=b"rootfs/" + member.name))
    back = _copied(longer, lambda member: dump_member(member, name=member.name.removeprefix(b"rootfs/")))
    assert _entries(source) == _entries(back)


@pytest.mark.parametrize("number", [0, 0o7777777, 0o7777777 + 1, 4_000_000_000])
def test_new_owners_are_read_back_and_old_names_of_owners_go(source: bytes, number: int) -> None:
    copy = _copied(source, lambda member: dump_member(member, uid=number, gid=number))
    expected = [(attrs.evolve(entry, uid=number, gid=number), content) for entry, content in _entries(source)]
    assert expected == _entries(copy)
    with tarfile.open(fileobj=io.BytesIO(copy), errors="surrogateescape") as archive:
        assert {("", "", number, number)} == {(m.uname, m.gname, m.uid, m.gid) for m in archive}


def test_other_records_and_fields_stay() -> None:
    source = _archive(tarfile.PAX_FORMAT)
    copy = _copied(source, lambda member: dump_member(member, name=b"rootfs/" + member.name))
    assert source.count(b"comment=kept\n") == copy.count(b"comment=kept\n") == len(NAMES)
    assert source.count(b"somebody") == copy.count(b"somebody")


def test_a_record_of_the_owner_is_replaced() -> None:
    entry = Entry(path="a", type=EntryType.FILE, uid=4_000_000_000)
    copy = _copied(b"".join(write_archive([(entry, ())])), lambda member: dump_member(member, uid=5))
    assert [(attrs.evolve(entry, uid=5), b"")] == _entries(copy)


def _field(data: bytes, name: str) -> list[object]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return [getattr(found, name) for found in archive]


def test_later_times_are_changed_and_nothing_else(source: bytes) -> None:
    latest = 1_000
    copy = _copied(source, lambda member: dump_member(member, latest=latest))
    expected = [
        (attrs.evolve(entry, mtime_ns=min(entry.mtime_ns, latest * 10**9)), content)
        for entry, content in _entries(source)
    ]
    assert expected == _entries(copy)
    for kept in ("uname", "gname", "devmajor", "linkname", "mode"):
        assert _field(source, kept) == _field(copy, kept)
    assert source.count(b"comment=kept\n") == copy.count(b"comment=kept\n")
    later = max(entry.mtime_ns for entry, _ in _entries(source)) // 10**9 + 1
    unchanged = _copied(source, lambda member: dump_member(member, latest=later))
    assert source[: len(unchanged)] == unchanged


def test_times_in_records_are_changed_where_they_are() -> None:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"mtime": "2000.5", "atime": "3000.25", "ctime": "900.5", "comment": "kept"}
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    copy = _copied(output.getvalue(), lambda member: dump_member(member, latest=1000))
    with tarfile.open(fileobj=io.BytesIO(copy)) as archive:
        (found,) = archive
    assert found.pax_headers == {"mtime": "1000", "atime": "1000", "ctime": "900.5", "comment": "kept"}


def test_records_for_all_members_are_overridden() -> None:
    shared = dump_global({b"uid": b"7", b"mtime": b"5000"})
    entries: list[Item] = [(shared, ()), (Entry(path="a", type=EntryType.FILE), ())]
    source = b"".join(write_archive(entries))
    copy = _copied(source, lambda member: dump_member(member, uid=9, latest=1000))
    (entry,) = [member.entry for member in TarReader(iter([shared + copy]))]
    assert (entry.uid, entry.mtime_ns) == (9, 1000 * 10**9)


def test_records_get_new_values() -> None:
    entry = Entry(path="a", type=EntryType.FILE, xattrs={"user.a": b"1", "user.b": b"2"})
    changes = {b"SCHILY.xattr.user.a": b"3", b"SCHILY.xattr.user.c": b"4"}
    copy = _copied(
        b"".join(write_archive([(entry, ())])), lambda member: dump_member(member, records=changes)
    )
    assert {"user.a": b"3", "user.b": b"2", "user.c": b"4"} == _entries(copy)[0][0].xattrs


SPARSE = {
    "old": ["--format=gnu"],
    "0.0": ["--format=posix", "--sparse-version=0.0"],
    "0.1": ["--format=posix", "--sparse-version=0.1"],
    "1.0": ["--format=posix", "--sparse-version=1.0"],
}


@pytest.mark.conformance
@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
@pytest.mark.parametrize("version", SPARSE)
@pytest.mark.parametrize("stretches", [0, 1, 3, 4, 5, 25, 26, 60])
def test_sparse_files_stay_sparse(tmp_path: Path, version: str, stretches: int) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for number in range(stretches):
            file.seek(number << 17)
            file.write(b"%d" % number * 100)
        file.truncate(64 << 17)
    archive = tmp_path / "archive.tar"
    command = ["tar", "-C", str(tmp_path), *SPARSE[version], "--sparse", "-cf", str(archive), "sparse"]
    subprocess.run(command, check=True, timeout=60)
    source = archive.read_bytes()
    copy = _copied(source, dump_member)
    assert source[: len(copy)] == copy
    renamed = _copied(source, lambda member: dump_member(member, name=b"rootfs/" + b"n" * 120))
    ((entry, content),) = _entries(renamed)
    assert path.read_bytes() == content
    assert entry.path == "rootfs/" + "n" * 120
    assert entry.data == _entries(source)[0][0].data is not None
    with tarfile.open(fileobj=io.BytesIO(renamed)) as found:
        assert [entry.path] == found.getnames()
