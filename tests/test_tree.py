"""Rules of directories as members."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from lxdimage._tree import TreeOptions, read_tree, read_tree_items
from lxdimage.archive import Entry, EntryType, write_archive
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
AS_USER = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def _members(directory: Path, **options: Any) -> dict[str, Entry]:
    return {entry.path: entry for entry, _ in read_tree(directory, TreeOptions(**options))}


def _contents(top: Path) -> dict[str, bytes]:
    return {entry.path: b"".join(content) for entry, content in read_tree(top)}


def _archive(directory: Path, **options: Any) -> bytes:
    return b"".join(write_archive(read_tree(directory, TreeOptions(**options))))


def _settle(top: Path) -> None:
    """Give everything the same time, so that two trees are equal."""
    for path in sorted(top.rglob("*"), reverse=True):
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
    os.utime(top, ns=(10**18, 10**18))


def test_members_come_depth_first_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = ["a", "a.txt", "a/b", "B", "\u00e4", "z", "\uffff", "\U00010000", "\udc80", "\udcff", "~"]
    for name in names:
        path = tmp_path / name
        if name == "a/b":
            path = tmp_path / "a-directory" / "b"
            path.parent.mkdir()
        path.write_bytes(b"")
    expected = sorted(os.fsencode(path.name) for path in tmp_path.iterdir())
    found = [os.fsencode(path.rstrip("/")) for path in _members(tmp_path) if not path.endswith("/b")]
    assert expected == found
    assert (
        list(_members(tmp_path)).index("a-directory/b") == list(_members(tmp_path)).index("a-directory/") + 1
    )


def test_directories_end_in_a_slash_and_paths_in_their_prefix(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "f").write_bytes(b"")
    assert list(_members(tmp_path)) == ["d/", "d/e/", "d/f"]
    found = _members(tmp_path, prefix="rootfs/", top="rootfs/")
    assert list(found) == ["rootfs/", "rootfs/d/", "rootfs/d/e/", "rootfs/d/f"]
    assert found["rootfs/"].type is EntryType.DIRECTORY


SIZES = [0, 1, 511, 512, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 70_000]


@pytest.mark.parametrize("size", SIZES)
def test_content_is_what_the_file_holds(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "f").write_bytes(content)
    assert {"f": content} == _contents(tmp_path)
    assert _members(tmp_path)["f"].size == size


def test_modes_and_times_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"")
    path.chmod(0o6751)
    os.utime(path, ns=(0, 1_234_567_891))
    entry = _members(tmp_path)["f"]
    assert (entry.mode, entry.mtime_ns) == (0o6751, 1_234_567_891)
    assert (entry.uid, entry.gid) == (os.geteuid(), path.stat().st_gid)


def test_later_times_become_the_latest_and_earlier_ones_stay(tmp_path: Path) -> None:
    for name, second in (("early", 5), ("late", 50)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (second, second))
    found = _members(tmp_path, latest=10)
    assert [entry.mtime_ns for entry in found.values()] == [5_000_000_000, 10_000_000_000]


def test_further_names_of_a_file_are_hard_links_to_the_first(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"content")
    for name in ("a/x", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).hardlink_to(tmp_path / "b")
    found = _members(tmp_path, prefix="rootfs/")
    assert [(entry.type, entry.target) for path, entry in found.items() if path != "rootfs/a/"] == [
        (EntryType.FILE, ""),
        (EntryType.HARD_LINK, "rootfs/a/x"),
        (EntryType.HARD_LINK, "rootfs/a/x"),
    ]


def test_of_a_file_whose_first_name_is_excluded_the_next_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").hardlink_to(tmp_path / "a")
    found = _members(tmp_path, excluded=lambda path: path == "a")
    assert [(entry.path, entry.type, entry.target) for entry in found.values()] == [
        ("b", EntryType.FILE, ""),
        ("c", EntryType.HARD_LINK, "b"),
    ]


def test_symbolic_links_are_kept_as_they_are(tmp_path: Path) -> None:
    for name, target in (
        ("dangling", "../nowhere"),
        ("absolute", "/etc"),
        ("loop", "loop"),
        ("raw", "\udcff"),
    ):
        (tmp_path / name).symlink_to(target)
    found = _members(tmp_path)
    assert {path: (entry.type, entry.target) for path, entry in found.items()} == {
        "absolute": (EntryType.SYMLINK, "/etc"),
        "dangling": (EntryType.SYMLINK, "../nowhere"),
        "loop": (EntryType.SYMLINK, "loop"),
        "raw": (EntryType.SYMLINK, "\udcff"),
    }


def test_fifos_are_members_and_sockets_are_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo", 0o640)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        notes: list[Diagnostic] = []
        found = _members(tmp_path, note=notes.append)
    assert [(entry.path, entry.type, entry.mode) for entry in found.values()] == [
        ("fifo", EntryType.FIFO, 0o640)
    ]
    assert [note.code for note in notes] == ["socket-skipped"]


@AS_ROOT
def test_devices_keep_their_numbers(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o600, os.makedev(8, 1_000_000))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    found = _members(tmp_path)
    assert (found["null"].type, found["null"].device) == (EntryType.CHARACTER_DEVICE, (1, 3))
    assert (found["disk"].type, found["disk"].device) == (EntryType.BLOCK_DEVICE, (8, 1_000_000))


def _set(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"{name} cannot be set here: {error}")


def test_extended_attributes_come_along(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"")
    for path in ("d", "f"):
        _set(tmp_path / path, "user.b", b"\0\xff")
        _set(tmp_path / path, "user.a", b"")
    found = _members(tmp_path)
    assert {"user.a": b"", "user.b": b"\0\xff"} == found["d/"].xattrs == found["f"].xattrs
    assert ["user.a", "user.b"] == list(found["f"].xattrs)


@AS_ROOT
def test_what_the_machine_sets_for_itself_stays_behind(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    (tmp_path / "f").write_bytes(b"")
    _set(tmp_path / "f", "security.capability", capability)
    _set(tmp_path / "f", "trusted.overlay.opaque", b"y")
    _set(tmp_path / "f", "trusted.kept", b"1")
    assert {"security.capability": capability, "trusted.kept": b"1"} == _members(tmp_path)["f"].xattrs


@AS_ROOT
def test_attributes_of_symbolic_links_are_those_of_the_link(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    _set(tmp_path / "f", "trusted.file", b"1")
    (tmp_path / "l").symlink_to("f")
    os.setxattr(tmp_path / "l", "trusted.link", b"2", follow_symlinks=False)
    assert {"trusted.link": b"2"} == _members(tmp_path)["l"].xattrs


def test_owners_and_attributes_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    _set(tmp_path / "f", "user.a", b"1")

    def xattrs(found: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {name: value + b"!" for name, value in found.items()}

    found = _members(tmp_path, map_owner=lambda _, __: (7, 8), map_xattrs=xattrs)["f"]
    assert (found.uid, found.gid, dict(found.xattrs)) == (7, 8, {"user.a": b"1!"})


def test_an_owner_outside_the_map_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")

    def nobody(uid: int, gid: int) -> tuple[int, int]:
        raise LookupError(uid, gid)

    with pytest.raises(BuildError, match=r"is outside the id map.*unmapped-owner"):
        _members(tmp_path, map_owner=nobody)


def test_the_top_is_called_a_dot_where_something_is_wrong_with_it(tmp_path: Path) -> None:
    def nobody(uid: int, gid: int) -> tuple[int, int]:
        raise LookupError(uid, gid)

    with pytest.raises(BuildError, match=r"'\.' is outside the id map"):
        _members(tmp_path, map_owner=nobody)


# ---- holes ----------------------------------------------------------------------------------------------------------

BLOCK = 1 << 16
MAPS: list[tuple[int, list[tuple[int, bytes]], tuple[tuple[int, int], ...] | None]] = [
    (2 * BLOCK - 1, [], None),
    (2 * BLOCK, [], ()),
    (2 * BLOCK, [(0, b"x")], ((0, BLOCK),)),
    (2 * BLOCK, [(BLOCK - 1, b"xx")], None),
    (3 * BLOCK + 5, [(2 * BLOCK, b"x")], ((2 * BLOCK, BLOCK),)),
    (3 * BLOCK + 5, [(3 * BLOCK + 4, b"x")], ((3 * BLOCK, 5),)),
    (40 * BLOCK, [(20 * BLOCK + 7, b"x")], ((20 * BLOCK, BLOCK),)),
    (40 * BLOCK, [], ()),
    (40 * BLOCK + 9, [(0, b"x" * 5 * BLOCK), (40 * BLOCK, b"y")], ((0, 5 * BLOCK), (40 * BLOCK, 9))),
]


@pytest.mark.parametrize(("size", "writes", "data"), MAPS)
@pytest.mark.parametrize("dense", ["", "dense"])
def test_holes_are_stretches_of_zeros_whether_or_not_the_file_system_has_them(
    tmp_path: Path,
    size: int,
    writes: list[tuple[int, bytes]],
    data: tuple[tuple[int, int], ...] | None,
    dense: str,
) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        if dense:
            file.write(bytes(size))
        for offset, content in writes:
            file.seek(offset)
            file.write(content)
        file.truncate(size)
    assert data == _members(tmp_path)["f"].data
    assert {"f": path.read_bytes()} == _contents(tmp_path)


def test_huge_holes_cost_nothing(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"x")
    assert len(_archive(tmp_path)) < 1 << 20


# ---- trees that change, and what cannot be read --------------------------------------------------------------------


def test_a_file_that_shrinks_while_it_is_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (3 << 20))
    members = read_tree(tmp_path)
    _, content = next(members)
    chunks = iter(content)
    next(chunks)
    path.write_bytes(b"x" * 1000)
    with pytest.raises(BuildError, match=r"'log'.*only 1000.*file-changed"):
        list(chunks)


def test_a_file_that_grows_while_it_is_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (3 << 20))
    members = read_tree(tmp_path)
    _, content = next(members)
    with path.open("ab") as file:
        file.write(b"y")
    with pytest.raises(BuildError, match=r"'log'.*more than 3145728.*file-changed"):
        list(content)


def test_a_file_that_is_rewritten_while_it_is_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (3 << 20))
    members = read_tree(tmp_path)
    _, content = next(members)
    with path.open("r+b") as file:
        file.write(b"y")
    os.utime(path, (1, 1))
    with pytest.raises(BuildError, match=r"'log'.*file-changed"):
        list(content)


def test_a_small_file_that_grows_between_looking_and_reading_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    monkeypatch.setattr(os, "read", lambda _, size: b"x" * size)
    with pytest.raises(BuildError, match=r"'f'.*file-changed"):
        _members(tmp_path)


def _replace(path: Path, kind: str, outside: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    match kind:
        case "gone":
            pass
        case "link":
            path.symlink_to(outside)
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "file":
            path.write_bytes(b"")


@pytest.mark.parametrize("kind", ["gone", "link", "fifo", "directory"])
@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_is_replaced_after_it_was_listed_is_an_error_and_never_followed(
    tmp_path: Path, kind: str, what: str
) -> None:
    if kind == what:
        pytest.skip("that is no replacement")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    victim = top / "b"
    if what == "directory":
        victim.mkdir()
    else:
        victim.write_bytes(b"x")
    members = read_tree(top)
    assert next(members)[0].path == "a/"
    _replace(victim, kind, outside / "secret" if what == "file" else outside)
    with pytest.raises(BuildError, match=r"'b/?'.*file-changed"):
        list(members)


@AS_USER
def test_unreadable_files_are_errors_that_name_them(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "f").chmod(0)
    with pytest.raises(BuildError, match=r"'f' cannot be read.*unreadable-file"):
        _members(tmp_path)


@pytest.mark.parametrize(
    ("call", "argument"), [("open", "f"), ("open", "d"), ("read", None), ("readlink", "l")]
)
def test_errors_of_the_disk_name_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, argument: str | None
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x")
    (tmp_path / "l").symlink_to("d")
    real = getattr(os, call)

    def broken(first: object, *rest: object, **named: object) -> object:
        if argument in (first, None):
            raise OSError(5, "Input/output error")
        return real(first, *rest, **named)

    monkeypatch.setattr(os, call, broken)
    with pytest.raises(BuildError, match=r"'(d/|d/f|l)' cannot be read: Input/output error.*unreadable-file"):
        _members(tmp_path)


def test_other_errors_of_the_system_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def full(*_: object) -> bytes:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "read", full)
    with pytest.raises(OSError, match="Cannot allocate") as caught:
        _members(tmp_path)
    assert caught.value.filename == f"{tmp_path}/f"


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_stays_open_when_reading_stops_early(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "large").write_bytes(bytes(range(256)) * 8192)
    before = _descriptors()
    for steps in range(1, 4):
        members: Iterator[tuple[Entry, Iterable[bytes]]] = read_tree(tmp_path)
        for _ in range(steps):
            next(members)
        members.close()  # type: ignore[attr-defined]
        assert before == _descriptors()


def test_a_missing_directory_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_tree(tmp_path / "no"))


# ---- the same bytes everywhere ---------------------------------------------------------------------------------------


def _tree_of_many(top: Path, seed: int) -> None:
    """Make always the same tree, in an order of its own."""
    names = [f"{directory}/{name}" for directory in ("x", "y", "x/\u00e4") for name in map(str, range(40))]
    random.Random(seed).shuffle(names)
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o644)
    for directory in ("x", "y", "x/\u00e4"):
        (top / directory).chmod(0o755)
    top.chmod(0o755)
    with (top / "sparse").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"x")
    (top / "sparse").chmod(0o600)
    _settle(top)


def test_the_order_of_creation_and_the_file_system_do_not_matter(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    places = [tmp_path / "one", tmp_path / "two"]
    if memory.is_dir() and os.access(memory, os.W_OK):
        places.append(memory / f"lxdimage-{os.getpid()}")
    try:
        for seed, place in enumerate(places):
            place.mkdir()
            _tree_of_many(place, seed)
        assert len({_archive(place, top="rootfs/", prefix="rootfs/") for place in places}) == 1
    finally:
        for place in places:
            shutil.rmtree(place)


@pytest.mark.parametrize("options", [{}, {"latest": 5}, {"map_owner": lambda uid, gid: (uid + 1, gid + 2)}])
def test_headers_made_at_once_are_those_of_the_entries(tmp_path: Path, options: dict[str, Any]) -> None:
    top = tmp_path / "tree"
    _tree_of_many(top, 1)
    (top / ("n" * 99)).write_bytes(b"x" * 512)
    (top / ("n" * 101)).write_bytes(b"long")
    (top / "link").hardlink_to(top / "x/1")
    (top / "setuid").touch()
    (top / "setuid").chmod(0o4711)
    with suppress(OSError):
        os.setxattr(top / "setuid", "user.x", b"1")
    for prefix in ("", "rootfs/"):
        given = TreeOptions(prefix=prefix, top="./", **options)
        expected = b"".join(write_archive(read_tree(top, given)))
        assert expected == b"".join(write_archive(read_tree_items(top, given)))


def test_options_are_values() -> None:
    assert attrs.evolve(TreeOptions(), prefix="x/") == TreeOptions(prefix="x/")
