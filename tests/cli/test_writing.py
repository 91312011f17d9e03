"""Rules of the verbs that convert, edit, publish and extract: what goes where, and exit statuses."""

from __future__ import annotations

import io
import os
import stat
import sys
import tarfile
from pathlib import Path

import attrs
import pytest

from commands import run
from lxdimage import Compression, TemplateRule, fingerprint_files, open_image, scan_image
from lxdimage.cli import main
from making import CODECS, METADATA, container, member, pack

BACKUP = Path(__file__).parents[1] / "corpus" / "backups" / "lxd.tar.gz"


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a directory of one's own, with images in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    Path("image.tar.gz").write_bytes(CODECS["gzip"](container()))
    Path("meta.tar").write_bytes(pack([member("metadata.yaml", METADATA)]))
    Path("root.tar").write_bytes(
        pack([member("sbin/init", b"x", mode=0o755), member("etc/motd", b"hello\n")])
    )


# ── convert ──


def test_convert_prints_the_new_fingerprint_and_the_old(capsys: pytest.CaptureFixture[str]) -> None:
    old = fingerprint_files("image.tar.gz").hex
    status, out, words = run(capsys, "convert", "image.tar.gz", "-o", "new", "--compression", "zstd")
    assert (status, out) == (0, f"{fingerprint_files('new').hex}\n")
    assert f"old fingerprint: {old}\n" in words
    status, out, words = run(capsys, "convert", "-q", "image.tar.gz", "-o", "new", "--compression", "xz")
    assert (status, words) == (0, "")


def test_convert_takes_split_images_in_either_order(capsys: pytest.CaptureFixture[str]) -> None:
    for files in (("meta.tar", "root.tar"), ("root.tar", "meta.tar")):
        assert run(capsys, "convert", *files, "-o", "one", "--layout", "unified")[0] == 0
        assert open_image("one").metadata.properties == {"os": "test"}


def test_options_for_the_root_file_make_the_image_split(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "convert", "image.tar.gz", "-o", "m", "--output-rootfs", "r")[0] == 0
    assert scan_image("m", "r").accepted
    assert run(capsys, "convert", "image.tar.gz", "-o", "s", "--rootfs-format", "squashfs")[0] == 0
    assert scan_image("s", "s.root").files[1].compression is Compression.SQUASHFS


def test_convert_makes_an_image_of_a_root(capsys: pytest.CaptureFixture[str]) -> None:
    Path("metadata.yaml").write_bytes(METADATA)
    status, *_ = run(capsys, "convert", "root.tar", "--metadata", "metadata.yaml", "-o", "new")
    assert status == 0
    with tarfile.open("new") as archive:
        assert archive.getnames() == ["metadata.yaml", "rootfs/sbin/init", "rootfs/etc/motd"]


def test_options_say_what_a_root_alone_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("metadata.yaml").write_bytes(METADATA)
    verb = ["convert", "root.tar", "-o", "new"]
    given = [
        "--architecture",
        "arm64",
        "--creation-date",
        "2024-01-31",
        "-p",
        "os=Alpine",
        "--expiry",
        "2030-01-01",
    ]
    assert run(capsys, *verb, *given)[0] == 0
    made = open_image("new").metadata
    assert (made.architecture.value, made.creation_timestamp) == ("aarch64", 1_706_659_200)
    assert (made.properties, made.expiry_timestamp) == ({"os": "Alpine"}, 1_893_456_000)
    assert run(capsys, *verb, "--metadata", "metadata.yaml", "-p", "a=b")[0] == 0
    assert open_image("new").metadata.properties == {"os": "test", "a": "b"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    status, _, words = run(capsys, *verb, "--architecture", "arm64")
    assert (status, open_image("new").metadata.creation_timestamp) == (0, 1_700_000_000)
    assert "[derived-metadata]" in words


def test_convert_says_what_is_missing_of_the_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    Path("metadata.yaml").write_text("properties: {a: b}")
    for options, codes in (
        (["-p", "a=b"], ["missing-architecture"]),
        (["--metadata", "metadata.yaml"], ["missing-architecture", "missing-creation-date"]),
        (["--metadata", "metadata.yaml", "--architecture", "arm64"], ["missing-creation-date"]),
    ):
        status, _, words = run(capsys, "convert", "root.tar", "-o", "new", *options)
        assert status == 2
        assert codes == [
            code for code in ("missing-architecture", "missing-creation-date") if f"[{code}]" in words
        ]
        assert not Path("new").exists()


def test_convert_writes_to_standard_output(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["convert", "image.tar.gz", "-o", "-", "--compression", "none"]) == 0
    sys.stdout.flush()
    captured = capfdbinary.readouterr()
    assert captured.out.startswith(b"metadata.yaml\0")
    assert captured.err.splitlines()[-1].decode() == fingerprint_files(io.BytesIO(captured.out)).hex


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("image.tar.gz", "-o", "new", "--layout", "unified", "--rootfs-format", "squashfs"), "root-format"),
        (("image.tar.gz", "-o", "new", "--level", "99"), "unknown-level"),
        (("meta.tar", "-o", "new"), "root-missing"),
        (("image.tar.gz", "-o", "-", "--layout", "split"), "output-count"),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_written(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str
) -> None:
    status, out, words = run(capsys, "convert", *arguments)
    assert (status, out) == (2, "")
    assert f"[{code}]" in words
    assert not Path("new").exists()


@pytest.mark.parametrize("file", ["image.tar.gz", "root.tar"])
def test_metadata_of_a_root_alone_cannot_be_without_an_architecture(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, words = run(capsys, "convert", file, "-o", "new", "-p", "os=test")
    assert (status, out) == (2, "")
    assert "metadata makes an image of a root alone [missing-architecture]" in words
    assert "--architecture, or change the metadata of an image with 'lxdimage edit'" in words
    assert not Path("new").exists()


# ── edit ──


def test_edit_changes_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t").write_bytes(b"text")
    changes = ["-p", "a=b=c", "--unset", "os", "--expiry", "2030-01-02", "--template", "new.tpl=t"]
    status, out, words = run(capsys, "edit", "image.tar.gz", "-o", "new", *changes)
    image = open_image("new")
    assert (status, out) == (0, f"{fingerprint_files('new').hex}\n")
    assert (image.metadata.properties, image.metadata.expiry_timestamp) == ({"a": "b=c"}, 1893542400)
    assert b"text" in CODECS["none"](b"".join(_contents("new").values()))
    assert "[root-restreamed]" in words
    status, _, words = run(capsys, "edit", "-i", "new", "--expiry", "never", "--remove-template", "new.tpl")
    assert (status, open_image("new").metadata.expiry_timestamp) == (0, 0)
    assert "[root-copied]" in words
    assert "templates/new.tpl" not in _contents("new")


def _contents(path: str) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = [
            (name, archive.extractfile(name))
            for name in archive.getnames()
            if archive.getmember(name).isfile()
        ]
        return {name: file.read() for name, file in files if file}


def test_edit_changes_rules(capsys: pytest.CaptureFixture[str]) -> None:
    Path("motd").write_bytes(b"hi")
    verb = ["edit", "-i", "image.tar.gz"]
    motd = "/etc/motd,template=motd.tpl,when=create+copy,create_only=true,uid=5,properties.a=b,c"
    assert run(capsys, *verb, "--template", "motd.tpl=motd", "--rule", motd)[0] == 0
    made = TemplateRule(
        template="motd.tpl", when=("create", "copy"), create_only=True, uid="5", properties={"a": "b,c"}
    )
    assert open_image("image.tar.gz").metadata.templates["/etc/motd"] == made
    changes = [
        "--rule",
        "/etc/motd,when=start,create_only=false",
        "--rule",
        "/etc/motd,properties.d=e,mode=0600",
    ]
    assert run(capsys, *verb, *changes, "--remove-rule", "/etc/hostname")[0] == 0
    changed = attrs.evolve(
        made, when=("start",), create_only=False, mode="0600", properties={"a": "b,c", "d": "e"}
    )
    assert open_image("image.tar.gz").metadata.templates == {"/etc/motd": changed}


def test_edit_says_what_was_not_there_to_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    gone = ["--unset", "oss", "--remove-rule", "/etc/hosts", "--remove-template", "motd.tpl"]
    status, _, words = run(capsys, "edit", "-i", "image.tar.gz", *gone)
    assert status == 0
    for what in ("property 'oss'", "rule '/etc/hosts'", "template 'motd.tpl'"):
        assert f"warning: there is no {what} to be removed [nothing-to-remove]" in words


@pytest.mark.parametrize(
    "changes",
    [
        ("-p", "os=a", "--unset", "os"),
        ("--rule", "os,when=start", "--remove-rule", "os"),
        ("--template", "os=image.tar.gz", "--remove-template", "os"),
    ],
)
def test_edit_does_not_set_and_remove_the_same(
    capsys: pytest.CaptureFixture[str], changes: tuple[str, ...]
) -> None:
    status, _, words = run(capsys, "edit", "-i", "image.tar.gz", *changes)
    assert status == 2
    assert f"and {changes[2]} both name 'os'" in words


@pytest.mark.parametrize("template", ["motd.tpl", "=motd", "./motd.tpl"])
def test_a_template_is_a_name_and_a_file(capsys: pytest.CaptureFixture[str], template: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, "edit", "-i", "image.tar.gz", "--template", template)
    assert ended.value.code == 2
    assert f"argument --template: expected NAME=FILE, found '{template}'" in capsys.readouterr().err


def test_a_new_rule_says_what_it_renders_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    for rule in ("/x,template=hostname.tpl", "/x,when=create", "/x,uid=0"):
        status, _, words = run(capsys, "edit", "image.tar.gz", "-o", "new", "--rule", rule)
        assert status == 2
        assert "[incomplete-template-rule]" in words
    status, _, words = run(capsys, "edit", "image.tar.gz", "-o", "new", "--rule", "/x,template=x,when=start")
    assert status == 2
    assert "[template-missing]" in words
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "rule",
    ["/x", "/x,", ",when=start", "/x,when=never", "/x,when=", "/x,create_only=1", "/x,color=red", "/x,=1"],
)
def test_nonsense_is_no_rule(capsys: pytest.CaptureFixture[str], rule: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, "edit", "image.tar.gz", "-o", "new", "--rule", rule)
    assert ended.value.code == 2


def test_edit_takes_a_level_for_what_is_compressed_again(capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("1", "9"):
        change = ["-p", "a=b", "--level", level, "--threads", "1"]
        assert run(capsys, "edit", "image.tar.gz", "-o", level, *change)[0] == 0
    assert Path("1").read_bytes() != Path("9").read_bytes()
    assert run(capsys, "edit", "image.tar.gz", "-o", "new", "-p", "a=b", "--level", "77")[0] == 2


def test_edit_writes_to_the_files_themselves_only_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("image.tar.gz").read_bytes()
    assert run(capsys, "edit", "image.tar.gz", "-p", "a=b")[0] == 2
    assert run(capsys, "edit", "image.tar.gz", "-p", "a=b", "-i", "-o", "x")[0] == 2
    assert run(capsys, "edit", "image.tar.gz", "-p", "a=b", "-i", "--output-rootfs", "x")[0] == 2
    assert Path("image.tar.gz").read_bytes() == before
    assert run(capsys, "edit", "-i", "meta.tar", "root.tar", "-p", "a=b")[0] == 0
    assert open_image("meta.tar", "root.tar").metadata.properties == {"os": "test", "a": "b"}


def test_edit_keeps_architecture_and_creation_date(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.yaml").write_bytes(METADATA.replace(b"x86_64", b"aarch64"))
    status, _, words = run(capsys, "edit", "-i", "image.tar.gz", "--metadata", "new.yaml")
    assert status == 2
    assert "[immutable-field]" in words
    change = ["edit", "-i", "image.tar.gz", "--metadata", "new.yaml", "--allow-immutable"]
    assert run(capsys, *change)[0] == 0
    assert str(open_image("image.tar.gz").metadata.architecture) == "aarch64"


def test_edit_opens_an_editor(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path("editor").absolute()
    script.write_text('#!/bin/sh\necho "# seen" >> "$2"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", f"{script} --wait")
    assert main(["edit", "-i", "image.tar.gz"]) == 0
    assert _contents("image.tar.gz")["metadata.yaml"].endswith(b"# seen\n")
    monkeypatch.setenv("VISUAL", "true")
    before = Path("image.tar.gz").stat().st_mtime_ns
    assert main(["edit", "-i", "image.tar.gz"]) == 0
    assert Path("image.tar.gz").stat().st_mtime_ns == before
    assert "nothing was changed" in capfd.readouterr().err
    monkeypatch.setenv("VISUAL", "false")
    assert main(["edit", "-i", "image.tar.gz"]) == 2


def test_no_editor_is_opened_where_nobody_sits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, _, words = run(capsys, "edit", "-i", "image.tar.gz")
    assert status == 2
    assert words == "lxdimage: error: no option says what to change, and an editor needs a terminal\n"


def test_what_an_editor_leaves_has_to_be_metadata(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "truncate -s 10")
    monkeypatch.setattr("tempfile.tempdir", str(Path.cwd()))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    before = Path("image.tar.gz").read_bytes()
    assert main(["edit", "-i", "image.tar.gz"]) == 2
    assert Path("image.tar.gz").read_bytes() == before


# ── publish ──


def test_publish_makes_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, words = run(
        capsys, "publish", str(BACKUP), "-o", "new", "-p", "a=b", "--expiry", "2030-01-02"
    )
    assert (status, out) == (0, f"{fingerprint_files('new').hex}\n")
    assert open_image("new").metadata.properties == {"a": "b"}
    assert scan_image("new").files[0].compression is Compression.XZ
    assert "[owner-outside-map]" in words


def test_publish_repeats_itself_with_a_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    verb = ["publish", "--target", "incus", "--compression", "gzip", str(BACKUP)]
    run(capsys, *verb, "-o", "one")
    run(capsys, *verb, "-o", "two", "--creation-date", "1700000000")
    assert Path("one").read_bytes() == Path("two").read_bytes()
    assert open_image("one").metadata.creation_timestamp == 1700000000


@pytest.mark.parametrize(
    "verb",
    [
        ["publish", "--target", "incus", str(BACKUP)],
        ["convert", "root.tar", "--architecture", "arm64"],
        ["build", "root.tar", "--architecture", "arm64"],
    ],
)
def test_a_useless_epoch_in_the_environment_is_an_error(
    verb: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    text = "the variable SOURCE_DATE_EPOCH is 'today', expected seconds since 1970"
    assert run(capsys, *verb, "-o", "new") == (2, "", f"lxdimage: error: {text}\n")
    assert not Path("new").exists()


def test_what_is_wrong_with_given_metadata_is_found_in_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text("architecture: x86_64\ncreation_date: soon\n")
    status, _, words = run(capsys, "edit", "image.tar.gz", "-i", "--metadata", "bad.yaml")
    assert status == 2
    assert words.startswith("bad.yaml:2:16: error: ")


def test_edit_takes_metadata_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = METADATA.replace(b"os: test", b"os: other")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert run(capsys, "edit", "image.tar.gz", "-i", "--metadata", "-")[0] == 0
    assert open_image("image.tar.gz").metadata.properties == {"os": "other"}


def test_publish_says_what_is_no_backup(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, words = run(capsys, "publish", "image.tar.gz", "-o", "new")
    assert status == 2
    assert "[backup-index]" in words


# ── one spelling ──


@pytest.mark.parametrize("words", [["--layout", "split"], ["--split"], ["--output-rootfs", "new.root"]])
@pytest.mark.parametrize("verb", ["build", "convert", "publish"])
def test_every_verb_that_writes_two_files_is_told_so_alike(
    capsys: pytest.CaptureFixture[str], verb: str, words: list[str]
) -> None:
    given = {
        "build": ["root.tar", "--architecture", "arm64"],
        "convert": ["image.tar.gz"],
        "publish": [str(BACKUP)],
    }
    assert run(capsys, verb, *given[verb], "-o", "new", "--compression", "gzip", *words)[0] == 0
    assert scan_image("new", "new.root").accepted
    assert (
        run(capsys, verb, *given[verb], "-o", "one", "--compression", "gzip", "--layout", "unified")[0] == 0
    )
    assert scan_image("one").accepted


# ── extract ──


def _without_owners(words: str) -> str:
    """Return words; whoever is not root is told of owners first."""
    return words if os.geteuid() == 0 else words.splitlines(keepends=True)[-1]


def test_extract_writes_members(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, words = run(capsys, "extract", "image.tar.gz", "-o", "to")
    assert (status, out) == (0, "")
    assert _without_owners(words) == "8 members extracted to to\n"
    assert Path("to/rootfs/etc/hostname").read_text() == "old\n"
    status, _, words = run(capsys, "extract", "root.tar", "meta.tar", "rootfs/etc", "-o", "two")
    assert (status, _without_owners(words)) == (0, "1 member extracted to two\n")
    assert [str(path) for path in Path("two").rglob("*")] == [
        "two/rootfs",
        "two/rootfs/etc",
        "two/rootfs/etc/motd",
    ]


def test_extract_leaves_a_directory_alone_that_is_not_empty(capsys: pytest.CaptureFixture[str]) -> None:
    Path("to").mkdir()
    Path("to/mine").touch()
    status, _, words = run(capsys, "extract", "image.tar.gz", "-o", "to")
    assert (status, words) == (2, "lxdimage: error: 'to': Directory not empty\n")
    assert run(capsys, "extract", "-q", "image.tar.gz", "-o", "to", "--overwrite") == (0, "", "")


def test_extract_fails_when_a_member_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.tar").write_bytes(pack([member("../x", b"x"), member("y", b"y")]))
    status, _, words = run(capsys, "extract", "bad.tar", "-o", "to")
    assert status == 1
    assert "[dotdot-member]" in words
    assert [path.name for path in Path("to").iterdir()] == ["y"]
    status, _, words = run(capsys, "extract", "image.tar.gz", "nothing", "-o", "new")
    assert status == 1
    assert "[member-not-found]" in words


# ── how mistakes are said ──


def test_why_nothing_was_written_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the finding is of an image that exists, here it is what stopped the verb."""
    status, _, words = run(
        capsys, "build", "root.tar", "-o", "new", "--architecture", "x86_64", "--creation-date", "5",
        "--rule", "/a,template=none.tpl,when=create",
    )  # fmt: skip
    assert status == 2
    assert "error:" in words
    assert "warning:" not in words


def test_names_of_members_may_follow_options(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "extract", "image.tar.gz", "-o", "out", "rootfs/etc")
    assert (status, out) == (0, "")
    assert sorted(str(path) for path in Path("out").rglob("*") if path.is_file()) == [
        "out/rootfs/etc/hostname"
    ]


@pytest.mark.parametrize(
    "command", ["s/architecture: .*/architecture: none/", "s/architecture: .*/architecture: i686/"]
)
def test_what_was_written_in_an_editor_is_not_lost(
    command: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where nobody can use it, nor where it would change what cannot be changed."""
    monkeypatch.setenv("VISUAL", f"sed -i '{command}'")
    monkeypatch.setattr("tempfile.tempdir", str(Path.cwd()))
    assert main(["edit", "-i", "image.tar.gz"]) == 2
    (kept,) = Path.cwd().glob("metadata-*.yaml")
    assert repr(str(kept)) in capfd.readouterr().err
    assert command.split("/")[2].encode() in kept.read_bytes()
