"""Rules of unpacking: what GNU tar refuses when an instance is created, measured with GNU tar 1.34 under LXD."""

from __future__ import annotations

import io
import tarfile
import time

import pytest

from lxdimage import Diagnostic, Stage, Target, scan_image
from lxdimage._tar import sealed
from lxdimage.archive import Batch, TarReader
from lxdimage.checks import UnpackCheck
from making import METADATA, member, pack

LINK, HARD, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """Return a symbolic link."""
    return member(name, type=LINK, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """Return a hard link."""
    return member(name, type=HARD, linkname=target)


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    """Return a directory."""
    return member(name, type=DIRECTORY, mode=0o755)


FILE = member("rootfs/f", b"content")
GOOD = {
    "a plain tree": [folder("rootfs/"), folder("rootfs/a/"), member("rootfs/a/b")],
    "parents that are no members": [member("rootfs/a/b/c/d")],
    "three dots": [member("rootfs/..."), member("rootfs/..x")],
    "an absolute name": [member("/rootfs/f")],
    "dots and doubled slashes": [member("rootfs//a/./b")],
    "the same file twice": [FILE, FILE],
    "a directory over a file": [member("rootfs/a"), folder("rootfs/a/"), member("rootfs/a/b")],
    "a file over an empty directory": [folder("rootfs/a/"), member("rootfs/a")],
    "a link over a file": [FILE, link("rootfs/f", "g")],
    "a file over a link": [link("rootfs/l", "f"), member("rootfs/l")],
    "a member through a link within the tree": [
        folder("rootfs/usr/bin/"), link("rootfs/bin", "usr/bin"), member("rootfs/bin/sh")
    ],
    "a link that leads nowhere": [link("rootfs/l", "nothing")],
    "an absolute link": [link("rootfs/etc/l", "/etc/passwd")],
    "a hard link": [FILE, hard("rootfs/g", "rootfs/f")],
    "a hard link with a leading slash": [FILE, hard("rootfs/g", "/rootfs/f")],
    "a hard link with a leading dot": [FILE, hard("rootfs/g", "./rootfs/f")],
    "a hard link to a symbolic link": [link("rootfs/l", "f"), hard("rootfs/g", "rootfs/l")],
    "a hard link to an absolute link": [link("rootfs/l", "/f"), hard("rootfs/g", "rootfs/l")],
    "a component of 255 bytes": [member("rootfs/" + "n" * 255)],
    "a device": [member("rootfs/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "an empty directory name": [folder("./")],
    "a directory over a link that leads nowhere": [link("rootfs/l", "none"), folder("rootfs/l/"), member("rootfs/l/x")],
    "a link within the tree over one out of it": [
        folder("rootfs/etc/"), link("rootfs/l", "/etc"), link("rootfs/l", "etc"), member("rootfs/l/x")
    ],
    "a file over a link that a directory was made through": [
        folder("rootfs/etc/"), link("rootfs/a", "etc"), folder("rootfs/a/l/"), member("rootfs/a")
    ],
    "an unknown type with a slash behind its name": [member("rootfs/d/", b"content", type=b"A")],
    "a directory as GNU dumps them": [member("rootfs/d", b"Nx\0\0", type=b"D"), member("rootfs/d/x")],
    "a hard link through a link": [
        folder("rootfs/etc/"), member("rootfs/etc/f"), link("rootfs/s", "etc"), hard("rootfs/h", "rootfs/s/f")
    ],
    "a hard link through links to oddly spelled directories": [
        member("rootfs/a/b/f"), link("rootfs/a/s", ".//b/."), link("rootfs/t", "./a/"), link("rootfs/a/u", "."),
        hard("rootfs/h", "rootfs/t/u/s/f"),
    ],
    "a member through links to oddly spelled directories": [
        member("rootfs/a/b/f"), link("rootfs/a/s", ".//b/"), member("rootfs/a/s/x"),
    ],
}  # fmt: skip
BAD = {
    "dots upwards at the start": ("dotdot-member", [member("rootfs/../../x")]),
    "dots upwards that stay inside": ("dotdot-member", [member("rootfs/etc/../etc/x")]),
    "dots upwards at the end": ("dotdot-member", [folder("rootfs/a/..")]),
    "a component of 256 bytes": ("name-too-long", [member("rootfs/" + "n" * 256)]),
    "a path of 5000 bytes": ("name-too-long", [member("rootfs/" + "d/" * 2500 + "f")]),
    "a member below a file": ("member-inside-file", [FILE, member("rootfs/f/x")]),
    "a member below an absolute link": ("member-inside-file", [link("rootfs/l", "/etc"), member("rootfs/l/x")]),
    "a member below a link upwards": (
        "member-inside-file", [folder("rootfs/a/"), link("rootfs/l", "../rootfs/a"), member("rootfs/l/x")]
    ),
    "a member below a link to nothing": ("member-inside-file", [link("rootfs/l", "nothing"), member("rootfs/l/x")]),
    "a member below a link to a file": ("member-inside-file", [FILE, link("rootfs/l", "f"), member("rootfs/l/x")]),
    "links in a circle": ("member-inside-file", [link("rootfs/a", "b"), link("rootfs/b", "a"), member("rootfs/a/x")]),
    "a file over a directory with content": ("member-over-directory", [member("rootfs/a/b"), member("rootfs/a")]),
    "a link over a directory with content": ("member-over-directory", [member("rootfs/a/b"), link("rootfs/a", "b")]),
    "a file over a directory that took the place of a link": (
        "member-over-directory",
        [folder("rootfs/b/"), link("rootfs/a", "b"), folder("rootfs/a/"), member("rootfs/a/c"), member("rootfs/a")],
    ),
    "a directory over an absolute link": ("member-over-directory", [link("rootfs/a", "/x"), folder("rootfs/a/")]),
    "a file with an empty name": ("member-over-directory", [member(".")]),
    "a hard link to nothing": ("dangling-hard-link", [hard("rootfs/g", "rootfs/f")]),
    "a hard link to a later member": ("dangling-hard-link", [hard("rootfs/g", "rootfs/f"), FILE]),
    "a hard link to a directory": ("dangling-hard-link", [folder("rootfs/a/"), hard("rootfs/g", "rootfs/a")]),
    "a hard link upwards": ("dangling-hard-link", [FILE, hard("rootfs/g", "rootfs/x/../f")]),
    "a hard link through links in a circle": (
        "dangling-hard-link", [FILE, link("rootfs/l", "l/l"), hard("rootfs/g", "rootfs/l/f")]
    ),
    "a hard link through more links than are followed": (
        "dangling-hard-link", [FILE, link("rootfs/l", "."), hard("rootfs/g", "rootfs/" + "l/" * 41 + "f")]
    ),
    "a hard link to a path of 5000 bytes": (
        "dangling-hard-link", [FILE, link("rootfs/l", "."), hard("rootfs/g", "rootfs/" + "l/" * 2500 + "f")]
    ),
    "a hard link to nothing in a deep directory": ("dangling-hard-link", [hard("rootfs/g", "d/" * 300 + "f")]),
    "a link to nothing at all": ("bad-symlink", [link("rootfs/l", "")]),
    "a device no kernel has": ("bad-header", [member("rootfs/d", type=tarfile.BLKTYPE, devmajor=5000, devminor=1)]),
    "a file with a slash behind its name": ("directory-with-content", [member("rootfs/f/", b"content")]),
    "a member of several volumes": ("multi-volume-member", [member("rootfs/f", type=b"M")]),
    "a hard link with a slash behind its target": ("dangling-hard-link", [FILE, hard("rootfs/g", "rootfs/f/")]),
    "a member below an unknown type with a slash behind its name": (
        "member-inside-file", [member("rootfs/d/", type=b"A"), member("rootfs/d/x")]
    ),
    "a file called like the directory itself": ("member-over-directory", [member("rootfs/d/.")]),
    "a directory within a file by its name": ("member-inside-file", [FILE, folder("rootfs/f/.")]),
    "an owner beyond 32 bits": ("bad-header", [member("rootfs/f", uid=1 << 33)]),
}  # fmt: skip


def found_in(data: bytes, *, together: bool) -> UnpackCheck:
    """Return what was shown the members of *data*, ordinary files one by one or together."""
    check = UnpackCheck("image.tar")
    reader = TarReader(iter([data]))
    for found in reader.batches() if together else reader:
        if isinstance(found, Batch):
            check.see_batch(found)
        else:
            check.see(found)
    return check


def findings_in(data: bytes, *, unpacks_dev: bool = True) -> tuple[Diagnostic, ...]:
    """Return the findings in *data*: the same ones whichever way its files come."""
    alone, together = (
        found_in(data, together=way).findings(unpacks_dev=unpacks_dev) for way in (False, True)
    )
    assert alone == together
    return together


def codes(members: list[tuple[tarfile.TarInfo, bytes]], *, unpacks_dev: bool = True) -> list[str]:
    """Return the codes that creating an instance from *members* ends in."""
    findings = findings_in(pack(members), unpacks_dev=unpacks_dev)
    assert all(finding.stage is Stage.CREATE for finding in findings)
    return [finding.code for finding in findings]


@pytest.mark.parametrize("what", GOOD)
def test_what_tar_unpacks_is_not_reported(what: str) -> None:
    assert [] == codes(GOOD[what])


@pytest.mark.parametrize("what", BAD)
def test_what_tar_refuses_is_reported(what: str) -> None:
    code, members = BAD[what]
    assert [code] == codes(members)


def test_members_below_dev_matter_only_to_who_unpacks_them() -> None:
    members = [member("rootfs/dev/" + "n" * 256)]
    assert ["name-too-long"] == codes(members)
    assert [] == codes(members, unpacks_dev=False)


def test_a_header_that_tar_cannot_read_matters_below_dev_too() -> None:
    members = [member("rootfs/dev/x", type=b"M")]
    assert ["multi-volume-member"] == codes(members, unpacks_dev=False)


@pytest.mark.parametrize("name", ["rootfs//dev/", "rootfs/./dev/"])
def test_only_the_usual_spellings_of_dev_are_left_out(name: str) -> None:
    assert ["dangling-hard-link"] == codes([hard(f"{name}h", "rootfs/none")], unpacks_dev=False)


@pytest.mark.parametrize("record", [{"uid": "4294967296"}, {"gid": "x"}, {"mtime": "x"}])
def test_what_tar_refuses_of_global_headers_is_reported(record: dict[str, str]) -> None:
    data = tarfile.TarInfo.create_pax_global_header(record) + pack([FILE])
    assert ["bad-pax-record"] == [finding.code for finding in findings_in(data)]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (b"13 linkpath=\n", []),
        (b"29 mtime=9223372036854775807\n", []),
        (b"29 mtime=9223372036854775808\n", ["bad-pax-record"]),
        (b"8 path=\n", ["member-over-directory"]),
    ],
)
def test_records_are_judged_as_tar_judges_them(record: bytes, found: list[str]) -> None:
    header = member("x", record, type=tarfile.XHDTYPE)
    assert found == codes([header, FILE])


def test_directories_too_deep_to_be_remembered_are_passed_over() -> None:
    assert [] == codes([member("rootfs/" + "d/" * 300 + "x")])


@pytest.mark.parametrize(
    ("first", "target"),
    [
        (link("rootfs/a", "a/" * 2000), "rootfs/a/x"),
        (link("rootfs/" + "b/" * 200 + "l", "l"), "rootfs/" + "b/" * 200 + "l/x"),
        (link("rootfs/a", "b"), "b/" * 2000 + "x"),
        (link("rootfs/a", "b"), "b/" * 100_000 + "x"),
    ],
    ids=["growing", "in place", "deep", "too long"],
)
def test_hard_links_take_little_time_wherever_they_lead(
    first: tuple[tarfile.TarInfo, bytes], target: str
) -> None:
    count = 400 if len(target) < 10_000 else 5
    data = pack([first, *(hard(f"rootfs/h{number}", target) for number in range(count))])
    start = time.process_time()

    found_in(data, together=True)
    assert time.process_time() - start < 2


def test_a_refused_member_is_named_with_its_place() -> None:
    data = pack([member("metadata.yaml", METADATA), FILE, hard("rootfs/g", "rootfs/none")])
    (finding,) = [d for d in scan_image(io.BytesIO(data), target=Target.LXD_5_0).diagnostics if d.stage]
    assert "'rootfs/g' is a hard link to 'rootfs/none', which is no file before it" == finding.message
    assert 2048 == finding.offset


def test_beyond_the_names_that_are_remembered_no_link_is_called_dangling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    members = [*(member(f"rootfs/{number}") for number in range(20)), hard("rootfs/g", "rootfs/none")]
    assert ["dangling-hard-link"] == codes(members)
    monkeypatch.setattr("lxdimage.checks._unpack._REMEMBERED", 10)
    assert [] == codes(members)


def test_a_time_that_is_not_octal_is_reported_beside_files_that_are_in_order() -> None:
    odd = bytearray(member("rootfs/g")[0].tobuf())
    odd[136:147] = b"00000000009"
    data = b"".join(member(name)[0].tobuf() for name in ("rootfs/e", "rootfs/f")) + sealed(bytes(odd))
    (finding,) = findings_in(data + bytes(1024))
    assert ("bad-header", 1024) == (finding.code, finding.offset)


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("prefix", ["rootfs/", "./rootfs/", "rootfs//"])
def test_what_comes_behind_ordinary_files_of_the_same_directory_is_reported(what: str, prefix: str) -> None:
    code, members = BAD[what]
    assert [code] == codes([*(member(f"{prefix}{name}") for name in "xyz"), *members])


def test_a_file_in_the_place_of_a_directory_is_not_noticed_beyond_the_names_that_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lxdimage.checks._unpack._REMEMBERED", 0)
    members = [
        *(member(f"rootfs/a/{number}") for number in range(3)),
        member("rootfs/b/c"),
        member("rootfs/a"),
    ]
    assert [] == codes(members)
    monkeypatch.undo()
    assert ["member-over-directory"] == codes(members)
