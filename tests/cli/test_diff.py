"""Rules of ``lxdimage diff``: operands, output for people and for programs, and exit statuses."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import commands
from lxdimage import Layout, TemplateChange, convert_image, diff_images
from lxdimage.cli import main
from lxdimage.cli._diff_text import template_hunks
from making import CODECS, METADATA, TEMPLATED, container, member, pack

OLD = container(
    TEMPLATED + b"  /gone:\n    when: [start]\n    template: gone.tpl\n",
    member("templates/gone.tpl", b"x\n"),
    member("templates/raw.tpl", b"\0"),
    member("rootfs/a", b"1"),
    member("rootfs/b", type=tarfile.LNKTYPE, linkname="rootfs/a"),
    member("rootfs/content", b"abc"),
    member("rootfs/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("rootfs/evil\x1b[31m", b"abc"),
    member("rootfs/link", type=tarfile.SYMTYPE, linkname="a"),
    member("rootfs/owned", b"abc", uid=1),
)
NEW = container(
    b"architecture: x86_64\ncreation_date: 1700000000\nexpiry_date: 1800000000\n"
    b'properties: {os: "te\'st\\x1b", serial: 7}\n'
    b"templates:\n  /etc/hostname:\n    when: [create, copy, start]\n    template: hostname.tpl\n",
    member("templates/hostname.tpl", b"{{ container.name }}\n{{ more }}"),
    member("templates/raw.tpl", b"\0\0"),
    member("rootfs/a", b"1"),
    member("rootfs/b", b"1"),
    member("rootfs/content", b"abcdef"),
    member("rootfs/device", b"now a file"),
    member("rootfs/link", type=tarfile.SYMTYPE, linkname="b"),
    member("rootfs/new/", type=tarfile.DIRTYPE, mode=0o755),
    member("rootfs/new/link", type=tarfile.SYMTYPE, linkname="/x"),
    member("rootfs/owned", b"abd", gid=1, mode=0o600),
)
TEXT = """\
--- old.tar  (container, unified, tar)
+++ new.tar  (container, unified, tar)
metadata
  ~ creation_date                    2020-09-13 12:26:40 UTC -> 2023-11-14 22:13:20 UTC
  ~ expiry_date                      never -> 2027-01-15 08:00:00 UTC
  ~ property os                      'test' -> "te'st\\x1b"
  + property serial                  '7'
  ~ template of /etc/hostname: when  copy, create -> copy, create, start
  - template of /gone                gone.tpl  (start)

templates
  - gone.tpl      2 bytes
      @@ -1 +0,0 @@
      -x
  ~ hostname.tpl  21 -> 31 bytes
      @@ -1 +1,3 @@
       {{ container.name }}
      +{{ more }}
      +\\ no newline at the end
  ~ raw.tpl       1 -> 2 bytes, not shown as text

members
  ~ rootfs/b             no longer the same file as rootfs/a
  ~ rootfs/content       content 3 -> 6 bytes
  ~ rootfs/device        character device 1:3, mode 0644, owner 0:0 -> file, mode 0644, owner 0:0, 10 bytes
  - rootfs/evil\\x1b[31m  file, mode 0644, owner 0:0, 3 bytes
  ~ rootfs/link          target a -> b
  + rootfs/new/          directory, mode 0755, owner 0:0
  + rootfs/new/link      symlink to /x, owner 0:0
  ~ rootfs/owned         mode 0644 -> 0600, owner 1:0 -> 0:1, content (3 bytes in both)

metadata: 1 added, 1 removed, 4 changed; templates: 1 removed, 2 changed; members: 2 added, 1 removed, 5 changed
"""


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a directory of one's own, with images in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("old.tar").write_bytes(OLD)
    Path("new.tar").write_bytes(NEW)
    output = Path("meta"), Path("root")
    convert_image("new.tar", output=output, layout=Layout.SPLIT, rootfs_format="squashfs")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the verb; return status, output and words."""
    return commands.run(capsys, "diff", *arguments)


def test_differences_are_printed_by_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert (1, TEXT, "") == run(capsys, "old.tar", "new.tar")


def test_images_of_one_content_have_no_differences(capsys: pytest.CaptureFixture[str]) -> None:
    assert (0, "new.tar and meta + root: no differences\n", "") == run(capsys, "new.tar", "meta", "root")


@pytest.mark.parametrize(
    "files", ["old.tar meta root", "old.tar root meta", "meta root old.tar", "root meta old.tar"]
)
def test_a_split_image_is_two_files_side_by_side(files: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *files.split())
    assert (1, "") == (status, err)
    assert [" ".join(line.split()[1:4]) for line in out.splitlines()[:2]] == (
        ["old.tar (container, unified,", "meta + root"]
        if files.startswith("old")
        else ["meta + root", "old.tar (container, unified,"]
    )
    assert "rootfs/new/link" in out


@pytest.mark.parametrize(
    ("files", "piped"),
    [
        ("old.tar -", "new.tar"),
        ("- new.tar", "old.tar"),
        ("old.tar meta -", "root"),
        ("old.tar - meta", "root"),
        ("old.tar - root", "meta"),
        ("- meta root", "old.tar"),
    ],
)
def test_one_file_may_be_standard_input(files: str, piped: str) -> None:
    done = subprocess.run(
        ["sh", "-c", 'cat "$0" | "$@"', piped, sys.executable, "-m", "lxdimage", "diff", *files.split()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (1, "") == (done.returncode, done.stderr)
    assert TEXT.splitlines()[2:] == done.stdout.splitlines()[2:]


def test_standard_input_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "lxdimage: error: standard input can be read only once\n") == run(capsys, "-", "-")


@pytest.mark.parametrize(
    "files", ["old.tar", "meta root", "old.tar meta", "old.tar old.tar old.tar", "a b c d e"]
)
def test_files_that_are_not_two_images_are_an_error(files: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcde":
        Path(name).write_bytes(OLD)
    status, out, err = run(capsys, *files.split())
    assert (2, "") == (status, out)
    assert "[not-two-images]" in err


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (1, "", "") == run(capsys, "-q", "old.tar", "new.tar")
    assert (0, "", "") == run(capsys, "-q", "new.tar", "new.tar")


def test_a_terminal_gets_colours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    coloured = run(capsys, "old.tar", "new.tar")[1]
    assert "\x1b[32m  + rootfs/new/link      symlink to /x, owner 0:0\x1b[0m\n" in coloured
    assert "\x1b[31m      -x\x1b[0m\n" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert TEXT == run(capsys, "old.tar", "new.tar")[1]


def test_times_count_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("older.tar").write_bytes(container(TEMPLATED, member("rootfs/f", mtime=0)))
    Path("newer.tar").write_bytes(container(TEMPLATED, member("rootfs/f", mtime=61)))
    assert run(capsys, "older.tar", "newer.tar")[0] == 0
    status, out, _ = run(capsys, "--mtime", "older.tar", "newer.tar")
    assert status == 1
    assert "  ~ rootfs/f  mtime 1970-01-01 00:00:00 UTC -> 1970-01-01 00:01:01 UTC\n" in out


def test_what_is_ignored_is_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.tar").write_bytes(container(TEMPLATED, member("rootfs/f", b"1", uid=1, mode=0o600)))
    Path("two.tar").write_bytes(container(TEMPLATED, member("rootfs/f", b"2")))
    options = ["--ignore", "owner", "--ignore", "mode"]
    assert "  ~ rootfs/f  content (1 bytes in both)\n" in run(capsys, *options, "one.tar", "two.tar")[1]
    assert run(capsys, *options, "--ignore", "content", "one.tar", "two.tar")[0] == 0


@pytest.mark.parametrize("wrong", ["type", "mtime", "nonsense"])
def test_only_what_can_be_ignored_is_taken(wrong: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["diff", "--ignore", wrong, "old.tar", "new.tar"])
    assert stopped.value.code == 2


# ---- for programs --------------------------------------------------------------------------------------------------


def differences(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(capsys, "--json", *arguments)[1])
    return found


def test_json_is_one_object_of_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = differences(capsys, "old.tar", "meta", "root")
    assert ["after", "before", "disk", "members", "metadata", "same", "templates"] == sorted(found)
    assert found["same"] is False
    assert {
        "files": [{"name": "old.tar", "format": "tar", "size": len(OLD)}],
        "layout": "unified",
        "type": "container",
    } == found["before"]
    assert ["tar", "squashfs"] == [file["format"] for file in found["after"]["files"]]
    assert {"path": ["properties", "serial"], "change": "added", "before": None, "after": "7"} in found[
        "metadata"
    ]
    assert {
        "path": ["templates", "/gone"],
        "change": "removed",
        "before": {
            "when": ["start"],
            "create_only": False,
            "template": "gone.tpl",
            "properties": {},
            "uid": None,
            "gid": None,
            "mode": None,
        },
        "after": None,
    } in found["metadata"]


def test_json_has_templates_with_their_hunks(capsys: pytest.CaptureFixture[str]) -> None:
    gone, hostname, raw = differences(capsys, "old.tar", "new.tar")["templates"]
    assert ("gone.tpl", "removed", None) == (gone["name"], gone["change"], gone["after"])
    assert ["@@ -1 +1,3 @@", " {{ container.name }}", "+{{ more }}", "+\\ no newline at the end"] == hostname[
        "diff"
    ]
    assert {
        "size": 21,
        "sha256": "8691c4ff0a354e9d1740caeca108e130b5df0c81b91a0966f4a053aa90b90c99",
    } == hostname["before"]
    assert raw["diff"] is None


def test_json_has_members_as_they_were_and_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    members = {change["path"]: change for change in differences(capsys, "old.tar", "new.tar")["members"]}
    owned = members["rootfs/owned"]
    assert ["mode", "owner", "content"] == owned["fields"]
    assert {
        "type": "file",
        "mode": "0600",
        "uid": 0,
        "gid": 1,
        "mtime": 1_600_000_000,
        "size": 3,
        "sha256": "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9",
        "target": None,
        "link": None,
        "device": None,
        "xattrs": {},
    } == owned["after"]
    assert ("removed", None) == (
        members["rootfs/evil\x1b[31m"]["change"],
        members["rootfs/evil\x1b[31m"]["after"],
    )
    assert [1, 3] == members["rootfs/device"]["before"]["device"]
    assert "/x" == members["rootfs/new/link"]["after"]["target"]
    assert "rootfs/a" == members["rootfs/b"]["before"]["link"]


def test_json_of_equal_images_has_empty_lists(capsys: pytest.CaptureFixture[str]) -> None:
    found = differences(capsys, "new.tar", "meta", "root")
    assert found["same"] is True
    assert [] == found["metadata"] == found["templates"] == found["disk"] == found["members"]


# ---- what cannot be read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (CODECS["gzip"](OLD)[:-20], "truncated-stream"),
        (OLD[:2000], "truncated-header"),
        (b"junk" * 100, "unsupported-compression"),
        (b"", "unsupported-compression"),
        (container(b"architecture: x86_64\n"), "missing-creation-date"),
    ],
)
def test_a_second_image_that_cannot_be_read_is_an_error(
    data: bytes, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad").write_bytes(data)
    for files in (["old.tar", "bad"], ["bad", "old.tar"]):
        status, out, err = run(capsys, *files)
        assert (2, "") == (status, out)
        assert err.startswith("bad")
        assert f"[{code}]" in err


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "lxdimage: error: 'none': No such file or directory\n") == run(capsys, "old.tar", "none")


def test_what_is_wrong_without_keeping_from_reading_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("cut.tar").write_bytes(OLD[:-1024])
    status, out, err = run(capsys, "old.tar", "cut.tar")
    assert (0, "old.tar and cut.tar: no differences\n") == (status, out)
    assert err.startswith("cut.tar: warning:")
    assert "[no-end-of-archive]" in err


def test_limits_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "--max-members", "3", "old.tar", "new.tar")
    assert status == 2
    assert "[member-limit]" in err


# ---- text of templates ---------------------------------------------------------------------------------------------


def hunks(*pairs: tuple[bytes | None, bytes | None]) -> list[list[str] | None]:
    """Return the hunks of templates, as images have them."""
    found: list[TemplateChange] = []
    for before, after in pairs:
        both = [
            io.BytesIO(container(TEMPLATED, *([] if text is None else [member("templates/t", text)])))
            for text in (before, after)
        ]
        found += diff_images(*both).templates
    return list(template_hunks(found))


def test_hunks_are_counted_from_the_beginning_of_the_template() -> None:
    lines = [b"%d\n" % number for number in range(1, 31)]
    changed = [*lines[:19], b"changed\n", *lines[20:]]
    assert hunks((b"".join(lines), b"".join(changed))) == [
        ["@@ -17,7 +17,7 @@", " 17", " 18", " 19", "-20", "+changed", " 21", " 22", " 23"]
    ]


def test_hunks_turn_one_text_into_the_other() -> None:
    choose = random.Random(5)
    for _ in range(60):
        old = [choose.choice("abcd") for _ in range(choose.randrange(40))]
        new = [line for line in old if choose.random() < 0.9] + ["e"]
        texts = ["".join(f"{line}\n" for line in lines).encode() for lines in (old, new)]
        (found,) = hunks((texts[0], texts[1]))
        assert found is not None
        assert new == patched(old, found)


def patched(old: list[str], lines: list[str]) -> list[str]:
    """Return *old* with hunks applied, each line checked at its place."""
    result: list[str] = []
    at = 0
    for line in lines:
        if line.startswith("@@"):
            first, _, length = line.split()[1][1:].partition(",")
            start = int(first) - (length != "0")
            result += old[at:start]
            at = start
        elif line[0] == "+":
            result.append(line[1:])
        else:
            assert old[at] == line[1:]
            at += 1
            if line[0] == " ":
                result.append(line[1:])
    return result + old[at:]


def test_texts_that_would_take_too_long_to_compare_are_not() -> None:
    long = b"".join(b"%d\n" % (number % 7) for number in range(1500))
    assert hunks((long, long[::-1]), (b"a\n", b"b\n")) == [None, ["@@ -1 +1 @@", "-a", "+b"]]


def test_bytes_that_are_no_text_are_not_shown_as_text() -> None:
    assert hunks((b"\xff\n", b"a\n"), (b"a\0\n", b"a\n")) == [None, None]


def test_a_template_without_bytes_is_told_from_none() -> None:
    assert hunks((None, b"")) == [[]]
    Path("one").write_bytes(pack([member("metadata.yaml", METADATA)]))
    Path("two").write_bytes(pack([member("metadata.yaml", METADATA), member("templates/t")]))
    assert main(["diff", "one", "two"]) == 1


# ---- words ---------------------------------------------------------------------------------------------------------

RULE = METADATA + b"templates:\n  /f:\n    template: hostname.tpl\n"
USER = {"SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.b": "1"}
OTHER = {"SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.c": "1"}


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (RULE, RULE + b"    create_only: true", "~ template of /f: create_only  false -> true"),
        (RULE + b"    uid: '5'", RULE, "- template of /f: uid  5"),
        (RULE + b"    properties: {a: b}", RULE, "- template of /f: properties: a  'b'"),
        (RULE, METADATA + b"templates: {/f: }", "~ template of /f  hostname.tpl  (never) -> null"),
        (RULE + b"    when: [copy]", RULE, "~ template of /f: when  copy -> never"),
        (METADATA + b"  a: ''", METADATA, "- property a  ''"),
    ],
)
def test_values_of_metadata_have_words(
    before: bytes, after: bytes, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("one").write_bytes(container(before))
    Path("two").write_bytes(container(after))
    assert line in run(capsys, "one", "two")[1]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            {"pax_headers": USER},
            {"pax_headers": OTHER},
            "xattr user.a removed, xattr user.b changed, xattr user.c added",
        ),
        ({"pax_headers": USER}, None, "file, mode 0644, owner 0:0, 0 bytes, xattr user.a, xattr user.b"),
        ({}, {"type": tarfile.LNKTYPE, "linkname": "rootfs/a"}, "now the same file as rootfs/a"),
        (
            {"type": tarfile.LNKTYPE, "linkname": "rootfs/a"},
            None,
            "file, mode 0644, owner 0:0, 0 bytes, the same file as rootfs/a",
        ),
        ({"type": tarfile.LNKTYPE, "linkname": "rootfs/x"}, None, "hard link to rootfs/x"),
        (
            {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 1},
            {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 2},
            "device 8:1 -> 8:2",
        ),
        ({"type": tarfile.FIFOTYPE}, None, "fifo, mode 0644, owner 0:0"),
    ],
)
def test_members_have_words(
    before: dict[str, Any], after: dict[str, Any] | None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, fields in (("one", before), ("two", after)):
        made = [] if fields is None else [member("rootfs/m", **fields)]
        Path(name).write_bytes(
            pack([member("metadata.yaml", METADATA), member("rootfs/a"), *made], tarfile.PAX_FORMAT)
        )
    assert f"  {'-' if after is None else '~'} rootfs/m  {text}\n" in run(capsys, "one", "two")[1]


def test_a_size_alone_has_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one").write_bytes(container(TEMPLATED, member("rootfs/m", b"1")))
    Path("two").write_bytes(container(TEMPLATED, member("rootfs/m", b"22")))
    assert "  ~ rootfs/m  size 1 -> 2 bytes\n" in run(capsys, "--ignore", "content", "one", "two")[1]


def test_facts_about_disks_have_words(capsys: pytest.CaptureFixture[str]) -> None:
    for name, size in (("one", 1 << 20), ("two", 1 << 21)):
        header = 2, 0, 0, 16, size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
        disk = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", *header).ljust(1 << 16, b"\0")
        Path(name).write_bytes(disk)
    Path("m").write_bytes(pack([member("metadata.yaml", METADATA)]))
    out = run(capsys, "m", "one", "m", "two")[1]
    assert "--- m + one  (virtual-machine, split, tar + qcow2)\n" in out
    assert "disk\n  ~ virtual size  1048576 B -> 2097152 B\n" in out
    assert "  ~ rootfs.img  content (65536 bytes in both)\n" in out
    assert out.endswith("disk: 1 changed; members: 1 changed\n")
