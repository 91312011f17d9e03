"""Rules of the verbs that read: what goes where, exit statuses, and output that programs rely on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from commands import run
from lxdimage.cli import VERBS, main
from making import CODECS, METADATA, TEMPLATED, container, member, pack

GOOD = CODECS["gzip"](container())


@pytest.fixture(autouse=True)
def quiet_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a directory of one's own, with an image in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("image.tar.gz").write_bytes(GOOD)
    Path("meta.tar").write_bytes(pack([member("metadata.yaml", METADATA)]))
    Path("root.tar").write_bytes(
        pack([member("sbin/init", b"x", mode=0o755), member("etc/motd", b"hello\n")])
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"usage: lxdimage {verb}" in capsys.readouterr().out


def test_the_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert all(f"\n  {verb} " in out for verb in VERBS)


def test_help_of_a_verb_is_what_the_verb_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for arguments in (["help", "cat"], ["cat", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert run(capsys, "help", "cta")[0] == 2


def test_without_arguments_the_overview_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys)
    assert (2, "") == (status, out)
    assert "usage:" in err


def test_an_unknown_verb_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "lxdimage: error: unknown verb 'valdate', did you mean 'validate'?\n") == run(
        capsys, "valdate"
    )


@pytest.mark.parametrize("verb", ["info", "validate", "fingerprint", "show", "ls"])
def test_a_file_that_is_not_there_is_named(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "lxdimage: error: 'none': No such file or directory\n") == run(capsys, verb, "none")


@pytest.mark.parametrize("verb", ["info", "show", "ls"])
def test_what_is_no_image_is_an_error_and_no_traceback(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("junk").write_bytes(b"junk" * 500)
    status, out, err = run(capsys, verb, "junk")
    assert (2, "") == (status, out)
    assert err.startswith("junk: error: ")
    assert "[unsupported-compression]" in err


def test_a_directory_in_the_place_of_an_image_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    status, _, err = run(capsys, "info", "folder")
    assert (2, "lxdimage: error: 'folder': Is a directory\n") == (status, err)


def test_fingerprint_prints_the_sha256_of_metadata_and_root(capsys: pytest.CaptureFixture[str]) -> None:
    expected = hashlib.sha256(Path("meta.tar").read_bytes() + Path("root.tar").read_bytes()).hexdigest()
    for files in (["meta.tar", "root.tar"], ["root.tar", "meta.tar"]):
        assert (0, f"{expected}\n", "") == run(capsys, "fingerprint", *files)


def test_fingerprint_check_compares_a_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    prefix = hashlib.sha256(GOOD).hexdigest()[:12]
    assert run(capsys, "fingerprint", "image.tar.gz", "--check", prefix)[0] == 0
    status, out, err = run(capsys, "fingerprint", "image.tar.gz", "--check", "0" * 12)
    assert (status, out) == (1, "")
    assert "[fingerprint-mismatch]" in err


@pytest.mark.parametrize(
    ("option", "least"), [(("fingerprint", "--check"), 1), (("validate", "--expect"), 12)], ids=["1", "12"]
)
def test_what_is_no_beginning_of_a_fingerprint_is_wrong_usage(
    option: tuple[str, str], least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, name = option
    for text in ("", "z" * 12, "0" * 65, "0" * (least - 1), f"sha256:{'0' * 12}"):
        with pytest.raises(SystemExit) as caught:
            run(capsys, verb, "image.tar.gz", name, text)
        assert caught.value.code == 2
        assert f"{name}: expected {least} to 64 hexadecimal digits, found {text!r}" in capsys.readouterr().err
    assert run(capsys, verb, "image.tar.gz", name, hashlib.sha256(GOOD).hexdigest()[:least].upper())[0] == 0


def test_standard_input_is_a_dash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    assert hashlib.sha256(GOOD).hexdigest() + "\n" == run(capsys, "fingerprint", "-")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            [verb, "-", "-"]
            for verb in ("info", "validate", "fingerprint", "show", "ls", "render", "diff", "validate --each")
        ),
        ["build", "-", "--metadata", "-", "-o", "new"],
        ["convert", "-", "--metadata", "-", "-o", "new"],
        ["edit", "-", "--metadata", "-", "-o", "new"],
    ],
    ids=" ".join,
)
def test_standard_input_is_one_of_the_files_at_most(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    verb, *rest = arguments
    status, out, err = run(capsys, *verb.split(), *rest)
    assert (2, "", "lxdimage: error: standard input can be read only once\n") == (status, out, err)
    assert not Path("new").exists()


def test_validate_tells_how_to_give_more_than_one_image(capsys: pytest.CaptureFixture[str]) -> None:
    images = ["image.tar.gz"] * 3
    assert run(capsys, "validate", *images) == (
        2,
        "",
        "lxdimage: error: an image is one file or two, 3 given; --each takes each for an image of its own\n",
    )
    assert run(capsys, "validate", "--each", *images)[0] == 0


def test_info_shows_what_the_image_is(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "info", "image.tar.gz")
    assert status == 0
    for line in (
        "  type          container",
        "  created       2020-09-13 12:26:40 UTC",
        "  expires       never",
        "    os  test",
    ):
        assert line in out.splitlines()
    assert hashlib.sha256(GOOD).hexdigest() in out


def test_info_puts_the_facts_of_a_file_below_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "image.tar.gz", "-q", "--rootfs-format", "squashfs", "-o", "new"]) == 0
    capsys.readouterr()
    lines = run(capsys, "info", "new", "new.root")[1].splitlines()
    where = lines.index("  new.root")
    assert lines[where + 1].startswith("    compressor ")
    assert all(line.startswith("  ") for line in lines[1:])


def test_info_takes_split_files_in_either_order(capsys: pytest.CaptureFixture[str]) -> None:
    one = run(capsys, "info", "meta.tar", "root.tar", "--json")
    other = run(capsys, "info", "root.tar", "meta.tar", "--json")
    assert one == other
    found = json.loads(one[1])
    assert ("split", "container", "x86_64") == (
        found["layout"],
        found["type"],
        found["metadata"]["architecture"],
    )


def test_validate_is_silent_about_a_good_image_but_for_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "validate", "image.tar.gz")
    assert (0, "") == (status, err)
    assert out.startswith("image.tar.gz: ")
    assert "accepted (container, x86_64)" in out
    assert run(capsys, "validate", "-q", "image.tar.gz", "--ignore", "metadata-missing")[0] == 0


def test_validate_fails_for_an_image_that_the_daemon_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.tar").write_bytes(pack([member("rootfs/x")]))
    status, out, _ = run(capsys, "validate", "bad.tar")
    assert status == 1
    assert "bad.tar: error: no member is called 'metadata.yaml' [metadata-missing] refused at import" in out
    assert "refused at import" in out.splitlines()[-2]


@pytest.mark.parametrize(("threshold", "status"), [("error", 0), ("warning", 1), ("never", 0)])
def test_fail_on_sets_the_severity_that_counts(
    threshold: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cut.tar").write_bytes(container()[:-1024])
    assert (
        status
        == run(capsys, "validate", "cut.tar", "--select", "no-end-of-archive", "--fail-on", threshold)[0]
    )


def test_select_and_ignore_take_codes_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "validate", "image.tar.gz", "--select", "nonsense")[0] == 2


def test_an_unexpected_fingerprint_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "validate", "image.tar.gz", "--expect", "0" * 64)
    assert status == 1
    assert "[fingerprint-mismatch]" in out


def test_validate_json_is_one_object_of_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.tar").write_bytes(container()[:-1024])
    status, out, _ = run(capsys, "validate", "cut.tar", "--target", "all", "--output-format", "json")
    assert status == 0
    (image,) = json.loads(out)["images"]
    assert [
        "accepted",
        "diagnostics",
        "files",
        "fingerprint",
        "layout",
        "metadata",
        "size",
        "type",
    ] == sorted(image)
    assert {"lxd-5.0": True, "lxd": True, "incus-6.0": True, "incus": True} == image["accepted"]
    keys = ["code", "column", "hint", "line", "message", "offset", "severity", "source", "stage", "targets"]
    found: list[dict[str, Any]] = image["diagnostics"]
    assert all(keys == sorted(diagnostic) for diagnostic in found)
    assert "no-end-of-archive" in [diagnostic["code"] for diagnostic in found]


def test_validate_json_of_a_refused_image_has_no_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.tar").write_bytes(pack([member("rootfs/x")]))
    _, out, _ = run(capsys, "validate", "bad.tar", "--output-format", "json")
    (image,) = json.loads(out)["images"]
    assert (None, None, {"lxd": False}) == (image["metadata"], image["type"], image["accepted"])


def test_github_annotations_are_workflow_commands(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.tar").write_bytes(pack([member("rootfs/x")]))
    _, out, _ = run(capsys, "validate", "bad.tar", "--output-format", "github")
    assert out.startswith("::error file=bad.tar,title=metadata-missing::bad.tar: error: no member")
    assert out.count("\n") == 1


def test_github_annotations_have_no_control_character_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "bad\x1b[31m\u202e\n.tar"
    Path(name).write_bytes(pack([member("rootfs/x")]))
    _, out, _ = run(capsys, "validate", name, "--output-format", "github")
    assert out.startswith(r"::error file=bad\x1b[31m\u202e\x0a.tar,title=")
    assert out.strip("\n").isprintable()


def test_each_validates_every_file_as_an_image_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "validate", "--each", "image.tar.gz", "image.tar.gz", "--output-format", "json")
    assert len(json.loads(out)["images"]) == 2


def test_json_is_short_for_its_output_format(capsys: pytest.CaptureFixture[str]) -> None:
    long = run(capsys, "validate", "image.tar.gz", "--output-format", "json")
    assert long == run(capsys, "validate", "image.tar.gz", "--json")


def test_each_reports_the_others_where_a_file_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "validate", "--each", "image.tar.gz", "nowhere", "image.tar.gz")
    assert (status, err) == (2, "lxdimage: error: 'nowhere': No such file or directory\n")
    assert out.count("accepted") == 2


def test_a_code_that_nearly_is_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["rule", "template-missin"], ["validate", "image.tar.gz", "--ignore", "template-missin"]):
        status, _, err = run(capsys, *words)
        assert status == 2
        assert "did you mean 'template-missing'?" in err


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "bad.tar"],
        ["validate", "bad.tar", "--json"],
        ["diff", "image.tar.gz", "other.tar"],
        ["diff", "image.tar.gz", "other.tar", "--json"],
        ["render", "image.tar.gz", "--diff", "expected"],
    ],
)
def test_the_verdict_stands_though_nobody_reads_the_output(words: list[str]) -> None:
    Path("bad.tar").write_bytes(pack([member("rootfs/x")]))
    Path("other.tar").write_bytes(container(METADATA))
    Path("expected").mkdir()
    command = [sys.executable, "-m", "lxdimage", *words]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_swapped_files_are_put_in_order_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "validate", "root.tar", "meta.tar")
    assert status == 0
    assert "[swapped-parts]" in out


def test_show_prints_metadata_that_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "image.tar.gz")
    Path("again.tar").write_bytes(container(out.encode()))
    assert run(capsys, "show", "image.tar.gz", "--json") == run(capsys, "show", "again.tar", "--json")


def test_show_prints_a_template_as_it_is(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", "image.tar.gz", "--template", "hostname.tpl"]) == 0
    assert b"{{ container.name }}\n" == capfdbinary.readouterr().out


def test_a_template_that_is_larger_than_the_limits_is_not_called_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    large = member("templates/hostname.tpl", bytes(1 << 20) + b"x")
    Path("large.tar").write_bytes(pack([member("metadata.yaml", TEMPLATED), large, member("rootfs/a")]))
    for words in (["show", "large.tar", "--template", "hostname.tpl"], ["render", "large.tar"]):
        status, out, err = run(capsys, *words)
        assert (status, out) == (2, "")
        assert "template 'hostname.tpl'" in err
        assert "is larger than the limits allow" in err
        assert "[template-too-large]" in err


def test_ls_lists_the_root_of_a_split_image_below_rootfs(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        "metadata.yaml\nrootfs/sbin/init\nrootfs/etc/motd\n" == run(capsys, "ls", "meta.tar", "root.tar")[1]
    )


@pytest.mark.parametrize("root", [["--rootfs-format", "squashfs"], []], ids=["squashfs", "tar"])
def test_ls_ends_every_directory_in_a_slash_the_root_as_well(
    root: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("top/etc").mkdir(parents=True)
    made = ["build", "top", "--architecture", "arm64", "--split", "-q", "-o", "new", *root]
    assert main(made) == 0
    capsys.readouterr()
    assert run(capsys, "ls", "new", "new.root")[1] == "metadata.yaml\nrootfs/\nrootfs/etc/\n"


def test_ls_long_reads_like_tar(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "ls", "-l", "meta.tar", "root.tar")[1].splitlines()
    assert lines[1].split() == ["-rwxr-xr-x", "0/0", "1", "2020-09-13", "12:26", "rootfs/sbin/init"]


def test_ls_long_tells_kinds_special_bits_devices_links_and_times_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = [
        ("-rwsr-xr-x", member("suid", b"x", mode=0o4755, uid=1000, gid=100)),
        ("-rw-r-S---", member("sgid", mode=0o2640)),
        ("drwxrwxrwt", member("sticky", mode=0o1777, type=tarfile.DIRTYPE)),
        ("drwxrwxrwT", member("tmp", mode=0o1776, type=tarfile.DIRTYPE)),
        ("crw-rw-rw-", member("null", mode=0o666, type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
        ("brw-rw----", member("sda", mode=0o660, type=tarfile.BLKTYPE, devmajor=8)),
        ("prw-------", member("pipe", mode=0o600, type=tarfile.FIFOTYPE)),
        ("lrwxrwxrwx", member("link", mode=0o777, type=tarfile.SYMTYPE, linkname="a\nb")),
        ("hrw-r--r--", member("hard", type=tarfile.LNKTYPE, linkname="suid")),
        ("-rw-r--r--", member("old", mtime=-61)),
        ("-rw-r--r--", member("late", mtime=1 << 40)),
    ]
    Path("kinds.tar").write_bytes(pack([found for _, found in shown]))
    lines = run(capsys, "ls", "-l", "kinds.tar")[1].splitlines()
    assert [line.split()[0] for line in lines] == [text for text, _ in shown]
    assert lines[0] == "-rwsr-xr-x    1000/100           1 2020-09-13 12:26 suid"
    assert [line.split()[2] for line in lines[4:6]] == ["1,3", "8,0"]
    assert lines[7].endswith(" link -> a\\x0ab")
    assert lines[8].endswith(" hard link to suid")
    assert lines[9].endswith(" 1969-12-31 23:58 old")
    assert lines[10].endswith("    1099511627776 late")


def test_cat_writes_members_of_any_layout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["cat", "meta.tar", "root.tar", "rootfs/etc/motd"]) == 0
    assert b"hello\n" == capfdbinary.readouterr().out


def test_cat_takes_a_metadata_yaml_on_disk_for_a_name_and_not_for_a_root(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    Path("metadata.yaml").write_text("this is not it")
    assert main(["cat", "image.tar.gz", "metadata.yaml", "rootfs/etc/hostname"]) == 0
    assert TEMPLATED + b"old\n" == capfdbinary.readouterr().out


def test_members_that_are_not_there_are_named_and_the_others_written(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for verb in (["cat"], ["extract", "-o", "to"]):
        assert main([verb[0], "image.tar.gz", "nothing", "rootfs/etc/hostname", *verb[1:]]) == 1
        out, err = capfd.readouterr()
        assert "'nothing'" in err
        assert "[member-not-found]" in err
        assert "'lxdimage ls' lists the members" in err
        assert out == ("old\n" if verb == ["cat"] else "")
    assert Path("to/rootfs/etc/hostname").read_bytes() == b"old\n"


@pytest.mark.parametrize("name", ["./rootfs/etc/hostname", "/rootfs//etc/hostname", "rootfs/etc/hostname/"])
def test_members_are_found_however_they_are_spelled(capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["cat", "image.tar.gz", name]) == 0
    assert capfd.readouterr().out == "old\n"
    assert main(["extract", "-q", "image.tar.gz", name, "-o", "to"]) == 0
    assert Path("to/rootfs/etc/hostname").read_bytes() == b"old\n"


@pytest.mark.parametrize("verb", ["fingerprint", "info", "ls", "show"])
def test_three_files_are_no_image(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    status, out, err = run(capsys, verb, "image.tar.gz", "meta.tar", "root.tar")
    assert (status, out) == (2, "")
    assert "an image is one file or two, 3 given [file-count]" in err


def test_show_names_the_templates_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "show", "image.tar.gz", "--template", "nothing")
    assert (status, out) == (1, "")
    assert "image.tar.gz: error: no template has the name 'nothing'; there are: 'hostname.tpl' [" in err


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ({"type": tarfile.LNKTYPE, "linkname": "rootfs/a"}, "a hard link to 'rootfs/a'"),
        ({"type": tarfile.SYMTYPE, "linkname": "a"}, "a symlink to 'a'"),
        ({"type": tarfile.DIRTYPE}, "a directory"),
        ({"type": tarfile.FIFOTYPE}, "a fifo"),
    ],
    ids=["hard link", "symlink", "directory", "fifo"],
)
def test_cat_fails_for_a_member_without_content_of_its_own(
    kind: dict[str, Any], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [member("rootfs/a"), member("rootfs/b", **kind)]
    Path("b.tar").write_bytes(container(METADATA, *more))
    status, out, err = run(capsys, "cat", "b.tar", "rootfs/b")
    assert (1, "") == (status, out)
    assert found in err
    assert run(capsys, "cat", "b.tar", "rootfs/a") == (0, "", "")


def test_render_prints_the_files_of_a_first_start(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["render", "image.tar.gz", "--name", "c1"]) == 0
    assert b"==> etc/hostname (create: overwrite)\nc1\n" == capfdbinary.readouterr().out


def test_render_compares_with_a_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "image.tar.gz", "--name", "c1", "-o", "golden")[0] == 0
    assert (0, "") == run(capsys, "render", "image.tar.gz", "--name", "c1", "--diff", "golden")[:2]
    status, out, _ = run(capsys, "render", "image.tar.gz", "--name", "c2", "--diff", "golden")
    assert status == 1
    assert "-c1" in out.splitlines()
    assert "+c2" in out.splitlines()


def test_render_does_not_write_into_a_directory_with_content(capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/file").touch()
    assert run(capsys, "render", "image.tar.gz", "-o", "full")[0] == 2


def test_ls_json_is_one_array_with_a_line_for_each_member(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "ls", "--json", "image.tar.gz")
    names = [line for line in run(capsys, "ls", "image.tar.gz")[1].splitlines() if line]
    assert status == 0
    assert names == [item["path"] for item in json.loads(out)]
    assert len(names) + 2 == len(out.splitlines())


def test_ls_json_of_an_archive_without_members_is_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    Path("none.tar.gz").write_bytes(gzip.compress(bytes(10240)))
    assert (0, "[]\n", "") == run(capsys, "ls", "--json", "none.tar.gz")
