"""Rules of images built from an archive of the root: attributes pass through, names change, damage is noticed."""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest

from lxdimage import Compression, Layout, Metadata, build_image, scan_image
from lxdimage.archive import Entry, EntryType, Item, dump_global, write_archive
from lxdimage.build import BuiltImage
from lxdimage.errors import BuildError, InvalidImageError, LXDImageError, TruncatedImageError
from lxdimage.formats._squashfs import write_squashfs
from lxdimage.image import open_members
from piping import pipe

METADATA = Metadata(architecture="x86_64", creation_date=1_700_000_000)
DIRECTORY, FILE, HARD_LINK, SYMLINK = (
    EntryType.DIRECTORY,
    EntryType.FILE,
    EntryType.HARD_LINK,
    EntryType.SYMLINK,
)
ELF = (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0" + (62).to_bytes(2, "little")).ljust(64, b"\0")
HOLE = bytes(65536)


def _file(path: str, content: bytes = b"", **changes: Any) -> Item:
    return Entry(path=path, type=FILE, size=len(content), **changes), [content]


def _node(path: str, kind: EntryType, **changes: Any) -> Item:
    return Entry(path=path, type=kind, **changes), []


def _items(lead: str = "./") -> list[Item]:
    return [
        _node(lead, DIRECTORY, mode=0o700, uid=100_001, gid=100_002, mtime_ns=5 * 10**9),
        _node(lead + "bin/", DIRECTORY, mode=0o755, uid=100_000, gid=100_000),
        _file(lead + "bin/sh", ELF, mode=0o4755, uid=100_000, gid=100_000),
        _file(lead + "n" * 98, b"long", uid=100_005, gid=100_006, mtime_ns=7_500_000_000),
        _file(lead + "\udcff", b"odd", xattrs={"user.x": b"\0"}, uid=100_000, gid=100_000),
        _node(lead + "hard", HARD_LINK, target=lead + "bin/sh", uid=100_000, gid=100_000, mode=0o4755),
        _node(lead + "soft", SYMLINK, target="/bin/sh", mode=0o777, uid=100_000, gid=100_000),
        _node(lead + "null", EntryType.CHARACTER_DEVICE, device=(1, 3), uid=100_000, gid=100_000),
        _file(lead + "sparse", HOLE * 2 + b"x", data=((131_072, 1),), uid=100_000, gid=100_000),
        _file(lead + "etc/os-release", b"ID=found\n", uid=100_000, gid=100_000),
    ]


def _tar(items: Iterable[Item], **options: bool) -> bytes:
    return b"".join(write_archive(items, **options))


def _build(rootfs: Any, to: Path, **options: Any) -> BuiltImage:
    return build_image(rootfs, to, **{"metadata": METADATA, "compression": Compression.NONE, **options})


def _given(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "given"
    path.write_bytes(content)
    return path


def _root(*files: Any) -> dict[str, tuple[Entry, bytes]]:
    """Return the members of the root as stored, but for where they are."""
    found = {}
    with open_members(*files) as members:
        for image_member in members:
            entry, content = image_member.member.entry, b"".join(image_member.member.chunks())
            path = image_member.path
            if path.startswith("rootfs"):
                place = path.removeprefix("rootfs").lstrip("/")
                target = entry.target.removeprefix("rootfs/") if entry.type is HARD_LINK else entry.target
                found[place] = attrs.evolve(entry, path=f"rootfs/{place}", target=target), content
    return found


def _expected(items: Iterable[Item], lead: str) -> dict[str, tuple[Entry, bytes]]:
    found = {}
    for entry, content in items:
        assert isinstance(entry, Entry)
        path = entry.path.removeprefix(lead)
        target = entry.target.removeprefix(lead) if entry.type is HARD_LINK else entry.target
        whole = entry.mtime_ns // 10**9 * 10**9
        entry = attrs.evolve(entry, path=f"rootfs/{path}", target=target, mtime_ns=whole)  # noqa: PLW2901
        found[path] = entry, b"".join(content)
    return found


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
}


@pytest.mark.parametrize("lead", ["./", "", "/", ".//./"])
@pytest.mark.parametrize("packed", PACKED)
def test_every_attribute_passes_through(tmp_path: Path, lead: str, packed: str) -> None:
    items = _items(lead)[0 if lead in {"./", ".//./"} else 1 :]
    rootfs = _given(tmp_path, PACKED[packed](_tar(items)))
    built = _build(rootfs, tmp_path / "image")
    scan = scan_image(tmp_path / "image", expected=built.fingerprint.hex)
    assert scan.accepted, scan.diagnostics
    found = _root(tmp_path / "image")
    if lead in {"", "/"}:
        top, _ = found.pop("")
        assert (top.path, top.type, top.mode) == ("rootfs/", DIRECTORY, 0o755)
        assert top.mtime_ns == METADATA.creation_timestamp * 10**9
    assert _expected(items, lead) == found
    with open_members(tmp_path / "image") as members:
        names = [member.member.name for member in members]
    assert names[:2] == [b"metadata.yaml", b"rootfs/"]


@pytest.mark.parametrize("metadata", [METADATA, None], ids=["given", "derived"])
def test_streams_need_not_seek(tmp_path: Path, metadata: Metadata | None) -> None:
    data = gzip.compress(_tar(_items()))
    built = _build(pipe(data), tmp_path / "one", metadata=metadata, creation_date=5)
    again = _build(_given(tmp_path, data), tmp_path / "two", metadata=metadata, creation_date=5)
    assert built.fingerprint == again.fingerprint
    if metadata is None:
        assert dict(built.metadata.properties) == {"os": "found"}


def test_a_stream_is_read_from_where_it_stands(tmp_path: Path) -> None:
    stream = io.BytesIO(b"before" + _tar(_items()))
    stream.seek(6)
    built = _build(stream, tmp_path / "one", metadata=None, creation_date=5)
    again = _build(_given(tmp_path, _tar(_items())), tmp_path / "two", metadata=None, creation_date=5)
    assert built.fingerprint == again.fingerprint


def test_a_squashfs_is_a_root_too(tmp_path: Path) -> None:
    items = [
        (
            attrs.evolve(entry, path=entry.path.removesuffix("./") or ".") if entry.path == "./" else entry,
            iter(content),
        )
        for entry, content in _items()
        if isinstance(entry, Entry)
    ]
    items[5] = attrs.evolve(items[5][0], target="bin/sh"), items[5][1]
    with (tmp_path / "given").open("wb+") as file:
        write_squashfs(items, file)
    data = (tmp_path / "given").read_bytes()
    behind_something = io.BytesIO(b"before" + data)
    behind_something.seek(6)
    for rootfs in (tmp_path / "given", pipe(data), behind_something):
        _build(rootfs, tmp_path / "image")
        found = _root(tmp_path / "image")
        assert found["bin/sh"][1] == ELF
        assert (found[""][0].mode, found[""][0].uid) == (0o700, 100_001)
        assert found["sparse"][1] == HOLE * 2 + b"x"


@pytest.mark.parametrize("form", ["tar", "squashfs"])
def test_the_root_of_a_split_image_has_its_own_names(tmp_path: Path, form: str) -> None:
    items = _items()
    rootfs = _given(tmp_path, _tar(items))
    built = _build(rootfs, tmp_path / "image", layout=Layout.SPLIT, rootfs_format=form)
    files = [file.path for file in built.files]
    scan = scan_image(*files)
    assert scan.accepted, scan.diagnostics
    if form == "tar":
        assert _expected(items, "./") == _root(*files)
        with tarfile.open(files[1]) as archive:
            assert archive.getnames()[:3] == [".", "bin", "bin/sh"]


def test_owners_are_mapped(tmp_path: Path) -> None:
    _build(_given(tmp_path, _tar(_items())), tmp_path / "image", map_owner="0:100000:65536")
    found = _root(tmp_path / "image")
    owners = {path: (entry.uid, entry.gid) for path, (entry, _) in found.items()}
    assert (owners[""], owners["bin/sh"], owners["n" * 98]) == ((1, 2), (0, 0), (5, 6))
    assert found["sparse"][0].data == ((131_072, 1),)


def test_times_after_the_source_date_epoch_become_it(tmp_path: Path) -> None:
    _build(_given(tmp_path, _tar(_items())), tmp_path / "image", source_date_epoch=6)
    found = _root(tmp_path / "image")
    assert (found[""][0].mtime_ns, found["n" * 98][0].mtime_ns) == (5 * 10**9, 6 * 10**9)


_CAPABILITY = bytes.fromhex("0100000300200000000000000000000000000000") + (100_000).to_bytes(4, "little")


def test_what_is_not_asked_to_change_passes_through(tmp_path: Path) -> None:
    """Whatever else is asked, such as earlier times and other owners."""
    info = tarfile.TarInfo("bin/su")
    info.uid, info.gid, info.mtime = 100_000, 100_007, 5000
    info.pax_headers = {
        "comment": "kept",
        "SCHILY.acl.access": "user::rw-",
        "atime": "6000.5",
        "ctime": "1.5",
    }
    info.pax_headers["SCHILY.xattr.user.x"] = "kept"
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
        info.name, info.uname, info.gname = "named", "somebody", "users"
        archive.addfile(info)
    rootfs = _given(tmp_path, output.getvalue())
    _build(rootfs, tmp_path / "image", source_date_epoch=1000)
    kept = {**info.pax_headers, "atime": "1000"}
    with tarfile.open(tmp_path / "image") as made:
        found = made.getmember("rootfs/named")
        assert (found.uid, found.mtime, found.uname, found.gname) == (100_000, 1000, "somebody", "users")
        assert found.pax_headers == kept
    _build(rootfs, tmp_path / "image", source_date_epoch=1000, map_owner="0:100000:65536")
    with tarfile.open(tmp_path / "image") as made:
        found = made.getmember("rootfs/named")
        assert (found.uid, found.gid, found.mtime, found.uname, found.gname) == (0, 7, 1000, "", "")
        assert found.pax_headers == kept


def test_owners_in_attributes_are_mapped_too(tmp_path: Path) -> None:
    items = [
        _file("ping", xattrs={"security.capability": _CAPABILITY, "user.x": b"1"}, uid=100_000, gid=100_000)
    ]
    _build(_given(tmp_path, _tar(items)), tmp_path / "image", map_owner="0:100000:65536")
    mapped = _CAPABILITY[:3] + b"\2" + _CAPABILITY[4:20]
    assert _root(tmp_path / "image")["ping"][0].xattrs == {"security.capability": mapped, "user.x": b"1"}


def test_sockets_are_left_out_with_a_note(tmp_path: Path) -> None:
    items = [(Entry(path="run/s", type=EntryType.SOCKET), iter(())), (Entry(path="f", type=FILE), iter(()))]
    with (tmp_path / "given").open("wb+") as file:
        write_squashfs(items, file)
    built = _build(tmp_path / "given", tmp_path / "image")
    assert [note.code for note in built.notes] == ["socket-skipped"]
    assert "run/s" not in _root(tmp_path / "image")


def test_excluded_members_stay_out(tmp_path: Path) -> None:
    _build(_given(tmp_path, _tar(_items())), tmp_path / "image", exclude=["/bin", "hard", "n*"])
    assert sorted(_root(tmp_path / "image")) == ["", "etc/os-release", "soft", "sparse", "\udcff"]


@pytest.mark.parametrize("strip", [1, 2])
def test_leading_components_are_stripped(tmp_path: Path, strip: int) -> None:
    lead = "one/" if strip == 1 else "one/two/"
    items = [*([_node("one/", DIRECTORY)] if strip == 2 else []), *_items(lead)]
    _build(_given(tmp_path, _tar(items)), tmp_path / "image", strip_prefix=strip)
    assert _expected(items[strip - 1 :], lead) == _root(tmp_path / "image")


def test_what_is_above_the_stripped_names_is_left_out(tmp_path: Path) -> None:
    items = [_file("readme"), _node("one/", DIRECTORY, mode=0o711), _file("one/f"), _file("two/g")]
    _build(_given(tmp_path, _tar(items)), tmp_path / "image", strip_prefix=1)
    found = _root(tmp_path / "image")
    assert sorted(found) == ["", "f", "g"]
    assert found[""][0].mode == 0o711


def test_records_for_all_members_stay_with_them(tmp_path: Path) -> None:
    items: list[Item] = [(dump_global({b"SCHILY.xattr.user.g": b"1"}), ()), _file("a"), _file("b")]
    _build(_given(tmp_path, _tar(items)), tmp_path / "image")
    found = _root(tmp_path / "image")
    assert [dict(found[path][0].xattrs) for path in ("a", "b")] == [{"user.g": b"1"}] * 2


@pytest.mark.parametrize("format_", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_every_kind_of_tar_is_a_root(tmp_path: Path, format_: str) -> None:
    """Also the oldest, which no daemon takes for a tar."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(b"x")
    command = [
        "tar",
        "-C",
        str(tmp_path / "tree"),
        f"--format={format_}",
        "-cf",
        str(tmp_path / "given"),
        ".",
    ]
    subprocess.run(command, check=True, timeout=60)
    _build(tmp_path / "given", tmp_path / "image")
    found = _root(tmp_path / "image")
    assert [(path, content) for path, (_, content) in found.items()] == [("", b""), ("f", b"x")]


def test_labels_of_volumes_are_no_members(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(b"x")
    command = [
        "tar",
        "-C",
        str(tmp_path / "tree"),
        "--format=gnu",
        "--label=Label",
        "-cf",
        str(tmp_path / "given"),
        ".",
    ]
    subprocess.run(command, check=True, timeout=60)
    _build(tmp_path / "given", tmp_path / "image")
    assert sorted(_root(tmp_path / "image")) == ["", "f"]


def test_directories_of_incremental_backups_are_directories(tmp_path: Path) -> None:
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "d" / "f").write_bytes(b"x")
    options = ["--format=gnu", f"--listed-incremental={tmp_path}/snapshot"]
    command = ["tar", "-C", str(tmp_path / "tree"), *options, "-cf", str(tmp_path / "given"), "."]
    subprocess.run(command, check=True, timeout=60)
    _build(tmp_path / "given", tmp_path / "image")
    found = _root(tmp_path / "image")
    assert {path: entry.type for path, (entry, _) in found.items()} == {
        "": DIRECTORY,
        "d/": DIRECTORY,
        "d/f": FILE,
    }
    assert found["d/f"][1] == b"x"
    assert scan_image(tmp_path / "image").ok


def test_an_archive_without_its_end_is_worth_a_note(tmp_path: Path) -> None:
    built = _build(_given(tmp_path, _tar(_items(), end=False)), tmp_path / "image")
    assert [note.code for note in built.notes] == ["no-end-of-archive"]


def _flipped(data: bytes) -> bytes:
    return data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]


def _with_record(key: str, value: str) -> bytes:
    """Return a tar with a member that has a PAX record."""
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.pax_headers = {key: value}
        tar.addfile(info)
    return to.getvalue()


REFUSALS: list[tuple[str, type[LXDImageError], Callable[[], bytes], dict[str, Any]]] = [
    ("dotdot-member", BuildError, lambda: _tar([_file("a/../b")]), {}),
    ("dotdot-member", BuildError, lambda: _tar([_file("a"), _node("h", HARD_LINK, target="../a")]), {}),
    ("dangling-hard-link", BuildError, lambda: _tar(_items()), {"exclude": ["bin/sh"]}),
    ("unmapped-owner", BuildError, lambda: _tar(_items()), {"map_owner": "0:0:5"}),
    ("root-is-image", BuildError, lambda: _tar([_file("metadata.yaml"), *_items("rootfs/")]), {}),
    # Looking for what the metadata is to say comes first, and finds nothing below rootfs.
    (
        "root-is-image",
        BuildError,
        lambda: _tar([_file("metadata.yaml"), *_items("rootfs/")]),
        {"metadata": None},
    ),
    (
        "root-is-image",
        BuildError,
        lambda: _tar([*_items("x/rootfs/"), _file("x/metadata.yaml")]),
        {"strip_prefix": 1},
    ),
    ("root-empty", BuildError, lambda: gzip.compress(_tar([])), {}),
    ("root-empty", BuildError, lambda: _tar(_items()), {"strip_prefix": 5}),
    ("truncated-archive", TruncatedImageError, lambda: _tar(_items())[:-1534], {}),
    ("bad-checksum", InvalidImageError, lambda: _tar([_file("a")], end=False) + b"x" * 512, {}),
    ("bad-header", InvalidImageError, lambda: _with_record("atime", "soon"), {"source_date_epoch": 6}),
    ("bad-header", InvalidImageError, lambda: _with_record("mtime", "soon"), {"source_date_epoch": 6}),
    ("truncated-stream", TruncatedImageError, lambda: gzip.compress(_tar(_items()))[:-9], {}),
    ("checksum-mismatch", InvalidImageError, lambda: _flipped(gzip.compress(_tar(_items()))), {}),
]


@pytest.mark.parametrize(("code", "error", "content", "options"), REFUSALS)
def test_refusals_have_a_code_and_leave_nothing(
    tmp_path: Path,
    code: str,
    error: type[LXDImageError],
    content: Callable[[], bytes],
    options: dict[str, Any],
) -> None:
    rootfs = _given(tmp_path, content())
    with pytest.raises(LXDImageError) as caught:
        _build(rootfs, tmp_path / "image", **options)
    assert (code, error) == (caught.value.diagnostics[0].code, type(caught.value)), caught.value
    assert caught.value.diagnostics[0].source == str(rootfs)
    assert [rootfs] == list(tmp_path.iterdir())


def test_an_archive_may_be_replaced_by_its_own_image(tmp_path: Path) -> None:
    rootfs = _given(tmp_path, _tar(_items()))
    built = _build(rootfs, rootfs)
    assert scan_image(rootfs, expected=built.fingerprint.hex).accepted
    assert [rootfs] == list(tmp_path.iterdir())


def test_progress_tells_how_much_is_left(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    data = _tar([_file("a", bytes(3 << 20))])
    _build(
        _given(tmp_path, data), tmp_path / "image", progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (len(data), len(data))
