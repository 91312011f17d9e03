"""Extraction: everything that the image has, and nothing outside the directory."""

from __future__ import annotations

import errno
import io
import os
import resource
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError, LXDImageError
from lxdimage.extract import Extraction, extract_image
from lxdimage.extract._extract import extract_members
from lxdimage.extract._tree import Tree
from lxdimage.image import open_members
from making import METADATA, container, member, pack

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may set owners and make devices")

Made = tuple[tarfile.TarInfo, bytes]


def directory(name: str, *, mode: int = 0o755, **fields: object) -> Made:
    return member(name, b"", type=tarfile.DIRTYPE, mode=mode, **fields)


def symlink(name: str, target: str, **fields: object) -> Made:
    return member(name, b"", type=tarfile.SYMTYPE, linkname=target, **fields)


def hard_link(name: str, target: str) -> Made:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def extract(to: Path, *members: Made, form: int = tarfile.PAX_FORMAT, overwrite: bool = False) -> Extraction:
    return extract_image(io.BytesIO(pack(members, form)), to=to, overwrite=overwrite)


def findings(extraction: Extraction) -> list[Diagnostic]:
    """Return what was found, but not that only root may set owners."""
    return [found for found in extraction.diagnostics if IS_ROOT or found.code != "owner-not-applied"]


def codes(extraction: Extraction) -> list[str]:
    return [found.code for found in findings(extraction)]


def names(path: Path) -> list[str]:
    return sorted(inner.name for inner in path.iterdir())


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is below *root*, with types, modes, owners, times and contents."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = path.readlink()
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        changed = None if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        found[str(path.relative_to(root))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_nlink,
            changed,
            content,
        )
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory beside the destination that must look the same after the test."""
    path = tmp_path / "outside"
    (path / "inner").mkdir(parents=True)
    (path / "canary").write_text("alive")
    (path / "inner" / "canary").write_text("alive")
    before = tree(path)
    yield path
    assert before == tree(path)
    assert {"outside", "to"} >= set(names(tmp_path))


@contextmanager
def unprivileged(to: Path) -> Iterator[None]:
    """Be nobody, and let nobody write to *to*."""
    if not IS_ROOT:
        yield
        return
    for parent in (to.parent, *to.parent.parents[:3]):
        if not stat.S_IMODE(parent.stat().st_mode) & 0o001:
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o711)
    to.mkdir()
    os.chown(to, NOBODY, NOBODY)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


# ── what an image has ──


def test_a_unified_image_is_extracted_as_it_is_stored(tmp_path: Path) -> None:
    to = tmp_path / "to"
    done = extract_image(io.BytesIO(container()), to=to)
    assert METADATA == (to / "metadata.yaml").read_bytes()[: len(METADATA)]
    assert (to / "rootfs/etc/hostname").read_text() == "old\n"
    assert stat.S_IMODE((to / "rootfs/sbin/init").stat().st_mode) == 0o755
    assert (done.members, done.path) == (8, str(to))


def test_the_root_of_a_split_image_goes_to_rootfs(tmp_path: Path) -> None:
    metadata = pack([member("metadata.yaml", METADATA)])
    root = pack(
        [directory("./"), directory("./etc/"), member("./etc/x", b"1"), hard_link("./etc/y", "./etc/x")]
    )
    extract_image(io.BytesIO(metadata), io.BytesIO(root), to=tmp_path / "to")
    assert (tmp_path / "to/rootfs/etc/x").read_bytes() == b"1"
    assert (tmp_path / "to/rootfs/etc/y").stat().st_nlink == 2


def test_the_disk_of_a_split_image_becomes_rootfs_img(tmp_path: Path) -> None:
    metadata = pack([member("metadata.yaml", METADATA)])
    disk = b"QFI\xfb" + struct.pack(">I", 3) + bytes(3000)
    extract_image(io.BytesIO(metadata), io.BytesIO(disk), to=tmp_path / "to")
    assert (tmp_path / "to/rootfs.img").read_bytes() == disk


def test_times_are_kept_those_of_directories_too(tmp_path: Path) -> None:
    precise = {"mtime": "1234567890.123456789"}
    extract(
        tmp_path / "to",
        directory("d/", mtime=1_000_000_000),
        member("d/f", b"x", pax_headers=precise),
        symlink("d/l", "f", mtime=1_100_000_000),
    )
    assert (tmp_path / "to/d").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "to/d/f").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (tmp_path / "to/d/l").lstat().st_mtime == 1_100_000_000


def test_a_directory_that_nobody_may_write_to_is_filled_first(tmp_path: Path) -> None:
    with unprivileged(tmp_path / "to"):
        extract(
            tmp_path / "to", directory("d/", mode=0o500), directory("d/e/", mode=0), member("d/e/f", b"x")
        )
        assert stat.S_IMODE((tmp_path / "to/d").stat().st_mode) == 0o500
        assert stat.S_IMODE((tmp_path / "to/d/e").stat().st_mode) == 0
        (tmp_path / "to/d/e").chmod(0o700)
        assert (tmp_path / "to/d/e/f").read_bytes() == b"x"
        (tmp_path / "to/d").chmod(0o700)


def test_of_two_members_with_one_name_the_last_stays(tmp_path: Path) -> None:
    extract(
        tmp_path / "to",
        member("f", b"first, longer"),
        member("./f", b"last"),
        directory("d"),
        member("d", b"file"),
    )
    assert (tmp_path / "to/f").read_bytes() == b"last"
    assert (tmp_path / "to/d").read_bytes() == b"file"


def test_rewriting_one_name_of_a_file_leaves_the_other(tmp_path: Path) -> None:
    extract(tmp_path / "to", member("a", b"1"), hard_link("b", "a"), member("b", b"2"))
    assert (tmp_path / "to/a").read_bytes() == b"1"
    assert (tmp_path / "to/b").read_bytes() == b"2"


def test_a_link_to_itself_leaves_the_file(tmp_path: Path) -> None:
    done = extract(tmp_path / "to", member("a", b"1"), hard_link("a", "a"), hard_link("b", "b"))
    assert (tmp_path / "to/a").read_bytes() == b"1"
    assert codes(done) == ["dangling-hard-link"]


def test_the_same_hard_link_twice_leaves_nothing_behind(tmp_path: Path) -> None:
    extract(tmp_path / "to", member("a", b"1"), hard_link("b", "a"), hard_link("b", "a"))
    assert names(tmp_path / "to") == ["a", "b"]


@pytest.mark.parametrize("form", ["1.0", "0.1", "0.0"])
def test_a_sparse_file_stays_sparse(tmp_path: Path, form: str) -> None:
    size, data = 64 << 20, b"x" * 4096
    stretches = [(1 << 20, 4096), (32 << 20, 4096), (size, 0)]
    records = {"GNU.sparse.name": "sparse", "GNU.sparse.realsize": str(size), "GNU.sparse.size": str(size)}
    content = data + data
    if form == "1.0":
        records |= {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        text = "".join(f"{number}\n" for number in (3, *(n for pair in stretches for n in pair)))
        content = text.encode().ljust(512, b"\0") + content
    else:
        records |= {"GNU.sparse.numblocks": "3", "GNU.sparse.map": ",".join(f"{a},{b}" for a, b in stretches)}
        if form == "0.1":
            records |= {"GNU.sparse.major": "0", "GNU.sparse.minor": "1"}
    extract(tmp_path / "to", member("GNUSparseFile.1/sparse", content, pax_headers=records))
    status = (tmp_path / "to/sparse").stat()
    assert status.st_size == size
    assert status.st_blocks * 512 < 1 << 20
    with (tmp_path / "to/sparse").open("rb") as file:
        for offset, length in stretches:
            file.seek(offset)
            assert file.read(length) == data[:length]
        file.seek((1 << 20) + 4096)
        assert file.read(4096) == bytes(4096)


def test_a_sparse_file_of_an_impossible_size_is_left_out_at_once(tmp_path: Path) -> None:
    records = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.numblocks": "1"}
    for size in (1 << 62, (1 << 63) - 1):
        more = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(size)}
        done = extract(tmp_path / str(size), member("f", b"x", pax_headers=records | more))
        assert codes(done) == ["file-too-large"]
        assert names(tmp_path / str(size)) == []


@needs_root
def test_owners_modes_and_devices_are_set_by_root(tmp_path: Path) -> None:
    done = extract(
        tmp_path / "to",
        member("suid", b"x", mode=0o6755, uid=1000, gid=1001),
        symlink("link", "nowhere", uid=1002, gid=1003),
        member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("fifo", type=tarfile.FIFOTYPE, mode=0o640, uid=7),
        directory("d/", mode=0o2750, gid=42),
    )
    to = tmp_path / "to"
    assert codes(done) == []
    status = (to / "suid").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 1001, 0o6755)
    assert ((to / "link").lstat().st_uid, (to / "link").lstat().st_gid) == (1002, 1003)
    assert stat.S_ISCHR((to / "null").stat().st_mode)
    assert (to / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_IMODE((to / "null").stat().st_mode) == 0o666
    assert stat.S_ISFIFO((to / "fifo").stat().st_mode)
    assert ((to / "fifo").stat().st_uid, stat.S_IMODE((to / "fifo").stat().st_mode)) == (7, 0o640)
    assert ((to / "d").stat().st_gid, stat.S_IMODE((to / "d").stat().st_mode)) == (42, 0o2750)


CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
_ANY = 0xFFFF_FFFF
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, number)
    for tag, bits, number in ((1, 6, _ANY), (2, 4, 1000), (4, 4, _ANY), (16, 4, _ANY), (32, 4, _ANY))
)


def _attributed(name: str, attributes: dict[str, bytes], **fields: object) -> Made:
    headers = {
        f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in attributes.items()
    }
    return member(name, b"x", pax_headers=headers, **fields)


@needs_root
def test_attributes_survive_the_owner_and_the_mode(tmp_path: Path) -> None:
    given = {"security.capability": CAPABILITY, "user.note": b"hi", "system.posix_acl_access": ACL}
    done = extract(tmp_path / "to", _attributed("f", given, uid=5, mode=0o644))
    kept = {name: os.getxattr(tmp_path / "to/f", name) for name in os.listxattr(tmp_path / "to/f")}
    if "user.note" not in kept:
        pytest.skip("the file system of the test has no extended attributes")
    assert given == kept
    assert codes(done) == []


def test_what_only_root_may_do_is_reported_and_the_rest_is_done(tmp_path: Path) -> None:
    with unprivileged(tmp_path / "to"):
        done = extract(
            tmp_path / "to",
            member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("suid", b"x", mode=0o6755, uid=0, gid=0),
            _attributed("capable", {"security.capability": CAPABILITY}),
            *(member(f"more{number}", b"x") for number in range(50)),
        )
    assert not (tmp_path / "to/null").exists()
    assert stat.S_IMODE((tmp_path / "to/suid").stat().st_mode) == 0o755
    expected = {"device-not-created", "owner-not-applied", "mode-not-applied", "xattr-not-applied"}
    assert expected == {finding.code for finding in done.diagnostics}
    (owners,) = [finding for finding in done.diagnostics if finding.code == "owner-not-applied"]
    assert owners.message.startswith("'suid' and 51 more members: ")
    assert done.members == 52


@needs_root
def test_impossible_owners_are_reported(tmp_path: Path) -> None:
    headers = {"uid": str((1 << 32) - 1)}
    done = extract(tmp_path / "to", member("f", b"x", pax_headers=headers, mode=0o4755))
    assert codes(done) == ["owner-not-applied", "mode-not-applied"]
    assert (tmp_path / "to/f").stat().st_uid == 0


# ── nothing outside ──


def test_dotdot_leads_nowhere(tmp_path: Path, outside: Path) -> None:
    done = extract(
        tmp_path / "to",
        member("../outside/canary", b"x"),
        member("d/../../outside/new", b"x"),
        member("ok", b"x"),
    )
    assert codes(done) == ["dotdot-member"]
    assert names(tmp_path / "to") == ["ok"]


def test_an_absolute_name_stays_inside(tmp_path: Path, outside: Path) -> None:
    extract(tmp_path / "to", member(f"{outside}/canary", b"x"), member("//etc/x", b"x"))
    assert (tmp_path / f"to/{outside}/canary").read_bytes() == b"x"
    assert (tmp_path / "to/etc/x").exists()


@pytest.mark.parametrize("target", ["../outside", "{outside}", "inner"])
def test_no_member_goes_through_a_symbolic_link(tmp_path: Path, outside: Path, target: str) -> None:
    done = extract(
        tmp_path / "to",
        directory("inner/"),
        symlink("link", target.format(outside=outside)),
        member("link/canary", b"x"),
        directory("link/new/"),
        member("link/inner/canary", b"x"),
        hard_link("stolen", "link/canary"),
        hard_link("link/planted", "inner"),
    )
    assert set(codes(done)) == {"member-inside-file"}
    assert names(tmp_path / "to") == ["inner", "link"]
    assert names(tmp_path / "to/inner") == []


def test_no_member_goes_through_a_link_that_was_there(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to/link").symlink_to(outside)
    (tmp_path / "to/file").symlink_to(outside / "canary")
    done = extract(tmp_path / "to", member("link/canary", b"x"), member("file", b"new"), overwrite=True)
    assert codes(done) == ["member-inside-file"]
    assert (tmp_path / "to/file").read_bytes() == b"new"
    assert not (tmp_path / "to/file").is_symlink()


def test_a_file_replaces_a_link_instead_of_writing_through_it(tmp_path: Path, outside: Path) -> None:
    extract(tmp_path / "to", symlink("f", str(outside / "canary")), member("f", b"x"))
    assert (tmp_path / "to/f").read_bytes() == b"x"


def test_a_directory_replaces_a_link_instead_of_following_it(tmp_path: Path, outside: Path) -> None:
    extract(
        tmp_path / "to", symlink("d", str(outside)), directory("d/", mode=0o700), member("d/canary", b"x")
    )
    assert (tmp_path / "to/d/canary").read_bytes() == b"x"


def test_a_directory_replaced_by_a_link_gets_no_attributes(tmp_path: Path, outside: Path) -> None:
    extract(tmp_path / "to", directory("d/", mode=0o777, mtime=1, uid=3), symlink("d", str(outside)))
    assert (tmp_path / "to/d").is_symlink()


def test_a_hard_link_to_a_symbolic_link_is_not_followed(tmp_path: Path, outside: Path) -> None:
    extract(tmp_path / "to", symlink("s", str(outside / "canary")), hard_link("h", "s"), member("h", b"x"))
    assert (tmp_path / "to/s").is_symlink()
    assert (tmp_path / "to/h").read_bytes() == b"x"


def test_hard_links_lead_nowhere(tmp_path: Path, outside: Path) -> None:
    done = extract(
        tmp_path / "to",
        hard_link("a", "../outside/canary"),
        hard_link("b", str(outside / "canary")),
        hard_link("c", "."),
    )
    assert codes(done) == ["dotdot-member", "dangling-hard-link", "dangling-hard-link"]
    assert names(tmp_path / "to") == []


def test_a_fifo_or_device_that_is_there_is_replaced_and_never_opened(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "to").mkdir()
    os.mkfifo(tmp_path / "to/f")
    extract(tmp_path / "to", member("f", b"x"), overwrite=True)
    assert (tmp_path / "to/f").read_bytes() == b"x"


def test_a_directory_with_content_is_not_replaced(tmp_path: Path) -> None:
    done = extract(
        tmp_path / "to", member("d/f", b"x"), member("d", b"file"), symlink("d", "x"), member(".", b"root")
    )
    assert codes(done) == ["member-over-directory", "member-over-directory"]
    assert (tmp_path / "to/d/f").exists()
    assert names(tmp_path / "to") == ["d"]


def test_a_member_below_a_file_is_left_out(tmp_path: Path) -> None:
    done = extract(tmp_path / "to", member("f", b"x"), member("f/g", b"y"))
    assert [str(finding) for finding in findings(done)] == [
        f"{tmp_path / 'to'}: error: 'f/g': not extracted, it lies below 'f', which is no directory [member-inside-file]"
    ]


def test_odd_names_are_kept_or_left_out(tmp_path: Path) -> None:
    done = extract(
        tmp_path / "to",
        member("n" * 256, b"x"),
        member("d/" * 2100 + "f", b"x"),
        member("\udcff\udcfe\n\x1b[31m", b"x"),
        symlink("empty", ""),
    )
    assert codes(done) == ["name-too-long", "name-too-long", "bad-symlink"]
    assert names(tmp_path / "to") == ["\udcff\udcfe\n\x1b[31m"]


def test_paths_deeper_than_descriptors_may_be_open_are_extracted(tmp_path: Path) -> None:
    name = "d/" * 400
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        done = extract(
            tmp_path / "to",
            member(name + "f", b"x"),
            hard_link(name + "g", name + "f"),
            directory(name + "e"),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert codes(done) == []
    names = {name for _, directories, files in os.walk(tmp_path / "to") for name in (*directories, *files)}
    assert names == {"d", "e", "f", "g"}


def test_what_no_program_could_open_by_its_whole_path_is_left_out(tmp_path: Path) -> None:
    """So whoever extracts a tree can look at it, move it and remove it again."""
    to = tmp_path / "to"
    room = 4095 - len(os.fsencode(to))
    fits = "d/" * (room // 2 - 1) + "f" * (1 + room % 2)
    assert len(f"{to}/{fits}") == 4095
    done = extract(to, member(f"{fits}f", b"x"), member(fits, b"x"), hard_link(f"{fits}g", fits))
    assert codes(done) == ["name-too-long"]
    assert done.members == 1
    assert (to / fits).read_bytes() == b"x"
    subprocess.run(["rm", "-r", str(to)], check=True, timeout=60)


def test_names_that_differ_only_in_case_clash_where_the_file_system_folds(tmp_path: Path) -> None:
    members = [
        member("Readme", b"first"),
        member("README", b"second"),
        directory("Dir/"),
        member("dir/x", b"x"),
        member("Readme", b"again"),
        member("café", b"x"),
        member("cafe\u0301", b"y"),
    ]
    (tmp_path / "to").mkdir()
    folding = Tree(str(tmp_path / "to"), folds=True)
    with open_members(io.BytesIO(pack(members, tarfile.PAX_FORMAT))) as found:
        done = extract_members(found, folding)
    folding.close()
    assert codes(done) == ["name-clash"] * 3
    assert "the file system takes it for 'Readme'" in findings(done)[0].message
    assert names(tmp_path / "to") == ["Dir", "Readme", "café"]
    assert (tmp_path / "to/Readme").read_bytes() == b"again"


# ── selection, destination, failure ──


def test_a_directory_stands_for_what_is_below_it(tmp_path: Path) -> None:
    image = container()
    done = extract_image(
        io.BytesIO(image), to=tmp_path / "to", members=["./rootfs/etc/", "metadata.yaml", "nothing"]
    )
    names = {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*")}
    assert names == {"metadata.yaml", "rootfs", "rootfs/etc", "rootfs/etc/hostname"}
    assert codes(done) == ["member-not-found"]


def test_a_directory_with_something_in_it_is_refused_unless_told(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OSError, match="not empty") as raised:
        extract(tmp_path, member("f", b"x"))
    assert (raised.value.errno, raised.value.filename) == (errno.ENOTEMPTY, str(tmp_path))
    extract(tmp_path, member("f", b"x"), overwrite=True)
    assert names(tmp_path) == ["f", "mine"]


def test_nothing_is_made_for_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InvalidImageError):
        extract_image(io.BytesIO(b"no image"), to=tmp_path / "to")
    with pytest.raises(FileNotFoundError):
        extract_image(tmp_path / "missing", to=tmp_path / "to")
    assert names(tmp_path) == []


def test_a_cut_image_leaves_whole_files_only(tmp_path: Path) -> None:
    data = pack([directory("d/", mode=0o755, mtime=5), member("d/whole", b"x"), member("d/cut", bytes(4096))])
    with pytest.raises(InvalidImageError):
        extract_image(io.BytesIO(data[:3000]), to=tmp_path / "to")
    assert names(tmp_path / "to/d") == ["whole"]
    assert (tmp_path / "to/d").stat().st_mtime == 5


def test_an_error_of_the_system_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as raised:
        extract(tmp_path / "to", directory("d"), member("d/f", b"x"))
    assert raised.value.filename == str(tmp_path / "to/d/f")
    assert names(tmp_path / "to/d") == []


# ── any archive ──

_NAMES = st.sampled_from(
    [
        "a",
        "b",
        "a/b",
        "a/b/c",
        "../outside/canary",
        "/a",
        "a/../../outside/canary",
        "./a/",
        ".",
        "a//b",
        "b/canary",
    ]
)
_TARGETS = st.sampled_from(
    ["a", "b", "a/b", "../outside", "../../outside", "../outside/canary", "/etc/passwd", "", ".", "b/canary"]
)
_KINDS = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        b"Z",
    ]
)


@st.composite
def _members(draw: st.DrawFn) -> Made:
    kind = draw(_KINDS)
    content = b"evil" if kind in {tarfile.REGTYPE, b"Z"} else b""
    return member(
        draw(_NAMES),
        content,
        type=kind,
        linkname=draw(_TARGETS),
        mode=draw(st.sampled_from([0, 0o777, 0o4755, 0o1777])),
        uid=draw(st.sampled_from([0, 1000, (1 << 32) - 1])),
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_members(), max_size=12))
def test_no_archive_changes_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, members: Sequence[Made]
) -> None:
    base = tmp_path_factory.mktemp("any")
    (base / "outside").mkdir()
    (base / "outside/canary").write_text("alive")
    before = tree(base / "outside")
    (base / "to").mkdir(mode=0o755)
    with suppress(LXDImageError):
        extract(base / "to", *members, overwrite=True)
    assert before == tree(base / "outside")
    assert names(base) == ["outside", "to"]
    left = [name for _, directories, files in os.walk(base / "to") for name in (*directories, *files)]
    assert not [name for name in left if name.startswith(".lxdimage")]
