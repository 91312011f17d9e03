"""Rules of ``lxdimage build``: the fingerprint on standard output, words on standard error, exit statuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lxdimage import Architecture, ImageType, Layout, TemplateRule, fingerprint_files, open_image, scan_image
from lxdimage.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal"
QCOW2 = Path(__file__).parent.parent / "corpus" / "qcow2" / "version3.qcow2"
GIVEN = ["--architecture", "arm64", "--creation-date", "2024-01-31", "--compression", "none"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "etc").mkdir(parents=True)
    (top / "etc/hostname").write_text("h")
    (top / "etc/secret").write_text("s")
    return top


def _printed(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def _build(*words: object) -> int:
    return main(["build", *map(str, words)])


def test_the_example_is_built_and_has_nothing_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "image.tar.xz"
    assert _build(EXAMPLE, "-o", output) == 0
    out, err = _printed(capsys)
    assert out == f"{fingerprint_files(output)}\n"
    assert "error" not in err
    scan = scan_image(output)
    assert scan.ok
    assert scan.image is not None
    assert scan.image.metadata.properties["os"] == "Example"
    assert sorted(scan.image.templates) == ["hostname.tpl", "motd.tpl"]


def test_options_make_the_metadata(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "-p",
        "os=Debian",
        "-p",
        "note=a=b",
        "--expiry",
        "2030-01-01T00:00:00+01:00",
        "--output",
        tmp_path / "i",
    ]
    assert _build(*GIVEN, tree, *words) == 0
    metadata = open_image(tmp_path / "i").metadata
    assert metadata.architecture is Architecture.AARCH64
    assert (metadata.creation_timestamp, metadata.expiry_timestamp) == (1_706_659_200, 1_893_452_400)
    assert dict(metadata.properties) == {"os": "Debian", "note": "a=b"}
    assert _printed(capsys)[1].count("info:") == 0


def test_a_file_and_templates_are_taken(tree: Path, tmp_path: Path) -> None:
    words = ["--metadata", EXAMPLE / "metadata.yaml", "--templates", EXAMPLE / "templates", "-p", "release=2"]
    assert (
        _build(tree, *words, "-o", tmp_path / "i", "--compression", "gzip", "--level", "1", "--threads", "1")
        == 0
    )
    image = open_image(tmp_path / "i")
    assert image.metadata.properties["release"] == "2"
    assert image.templates["hostname.tpl"] == (EXAMPLE / "templates/hostname.tpl").read_bytes()


def test_options_make_rules_and_change_those_of_the_file(tree: Path, tmp_path: Path) -> None:
    words = [
        "--templates",
        EXAMPLE / "templates",
        "--rule",
        "/x,template=motd.tpl,when=start",
        "--compression",
        "none",
    ]
    assert _build(tree, *GIVEN, *words, "-o", tmp_path / "i") == 0
    rules = open_image(tmp_path / "i").metadata.templates
    assert rules == {"/x": TemplateRule(template="motd.tpl", when=("start",))}
    words += ["--metadata", EXAMPLE / "metadata.yaml", "--rule", "/etc/motd,create_only=true"]
    assert _build(tree, *words, "-o", tmp_path / "i") == 0
    rules = open_image(tmp_path / "i").metadata.templates
    assert sorted(rules) == ["/etc/hostname", "/etc/motd", "/x"]
    assert rules["/etc/motd"].create_only
    assert rules["/etc/motd"].template == "motd.tpl"


@pytest.mark.parametrize("form", ["tar", "squashfs"])
def test_two_files_are_written_when_asked_for(tree: Path, tmp_path: Path, form: str) -> None:
    assert _build(tree, *GIVEN, "--split", "--rootfs-format", form, "-o", tmp_path / "i") == 0
    scan = scan_image(tmp_path / "i", tmp_path / "i.root")
    assert scan.accepted
    assert scan.layout is Layout.SPLIT
    assert _build(tree, *GIVEN, "--layout", "split", "-o", tmp_path / "s") == 0
    assert scan_image(tmp_path / "s", tmp_path / "s.root").accepted
    assert _build(tree, *GIVEN, "--output-rootfs", tmp_path / "r", "-o", tmp_path / "m") == 0
    assert scan_image(tmp_path / "m", tmp_path / "r").accepted


def test_standard_output_may_be_the_image(tree: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lxdimage", "build", str(tree), *GIVEN, "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    (tmp_path / "i").write_bytes(done.stdout)
    assert scan_image(tmp_path / "i").accepted
    assert str(fingerprint_files(tmp_path / "i")) in done.stderr.decode()


def test_standard_input_may_be_the_root(tree: Path, tmp_path: Path) -> None:
    packed = subprocess.run(
        ["tar", "-C", str(tree), "-cz", "."], stdout=subprocess.PIPE, check=True, timeout=60
    )
    command = [sys.executable, "-m", "lxdimage", "build", "-", *GIVEN, "-o", str(tmp_path / "i")]
    done = subprocess.run(command, input=packed.stdout, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().strip() == str(fingerprint_files(tmp_path / "i"))
    assert b"rootfs/etc/hostname" in (tmp_path / "i").read_bytes()


def test_patterns_and_prefixes_change_what_is_packed(tree: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(tmp_path / "t"), "tree"], check=True, timeout=60)
    assert (
        _build(tmp_path / "t", *GIVEN, "--strip-prefix", 1, "--exclude", "secret", "-o", tmp_path / "i") == 0
    )
    content = (tmp_path / "i").read_bytes()
    assert b"rootfs/etc/hostname" in content
    assert b"secret" not in content
    assert b"tree" not in content


def test_owners_are_mapped(tree: Path, tmp_path: Path) -> None:
    status = tree.stat()
    mapping = f"u:7:{status.st_uid},g:8:{status.st_gid}"
    assert _build(tree, *GIVEN, "--map-owner", mapping, "-o", tmp_path / "i") == 0
    listed = subprocess.run(
        ["tar", "--numeric-owner", "-tvf", str(tmp_path / "i")], stdout=subprocess.PIPE, text=True, check=True
    )
    assert len(re.findall(r" 7/8 .* rootfs/", listed.stdout)) == 4


def test_a_disk_makes_a_virtual_machine(tmp_path: Path) -> None:
    assert _build(QCOW2, *GIVEN, "--vm", "-o", tmp_path / "i") == 0
    assert open_image(tmp_path / "i").type is ImageType.VIRTUAL_MACHINE


def test_the_source_date_epoch_comes_from_the_environment(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000")
    words = [tree, "--architecture", "x86_64", "--compression", "none"]
    assert _build(*words, "-o", tmp_path / "one") == 0
    os.utime(tree / "etc/hostname", (2000, 2000))
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert _build(*words, "--source-date-epoch", 1000, "-o", tmp_path / "two") == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert open_image(tmp_path / "one").metadata.creation_timestamp == 1000


def test_a_useless_epoch_in_the_environment_is_an_error(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    assert _build(tree, *GIVEN, "-o", tmp_path / "i") == 2
    assert "SOURCE_DATE_EPOCH" in _printed(capsys)[1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--map-owner", "x"], "bad-id-map"),
        (["--level", "99"], "unknown-level"),
        (["--vm"], "wrong-type-of-root"),
        (["--strip-prefix", "1"], "option-without-use"),
        (["--metadata", "/no/such/file"], "No such file"),
        (["--output", "/no/such/directory/i"], "No such file"),
        (["--architecture", "zorg"], "unknown-architecture"),
    ],
)
def test_what_cannot_be_built_is_said_on_standard_error(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], found: str
) -> None:
    assert _build(tree, *GIVEN, "-o", tmp_path / "i", *words) == 2
    out, err = _printed(capsys)
    assert out == ""
    assert found in err
    assert [tree] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [[], ["-p", "novalue"], ["--creation-date", "soon"], ["--compression", "squashfs"]]
)
def test_usage_errors_end_in_2(tree: Path, tmp_path: Path, words: list[str]) -> None:
    output = ["-o", tmp_path / "i"] if words else []
    with pytest.raises(SystemExit) as end:
        _build(tree, *words, *output)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("--property", "os", "KEY=VALUE"),
        ("--creation-date", "0", "a date other than 0 seconds since 1970, which counts as none"),
        ("--creation-date", "1970-01-01", "a date other than 0 seconds since 1970, which counts as none"),
        ("--creation-date", "soon", "seconds since 1970 or a date such as 2024-01-31"),
        ("--expiry", "2030", "seconds since 1970 or a date such as 2030-01-31"),
        ("--expiry", "later", "seconds since 1970 or a date such as 2024-01-31"),
        ("--level", "best", "a whole number"),
        ("--threads", "-1", "a whole number, 0 or more"),
        ("--strip-prefix", "-1", "a whole number, 0 or more"),
        ("--source-date-epoch", "now", "a whole number, 0 or more"),
        ("--memory", "much", "a size such as 500M or 2G"),
        ("--max-size", "much", "a size such as 500M or 2G"),
        ("--max-ratio", "0.5", "a whole number such as 5000 or 20M"),
        ("--max-members", "-1", "a whole number such as 5000 or 20M"),
        ("--rule", "/etc/motd", "TARGET,KEY=VALUE"),
    ],
)
def test_a_wrong_argument_is_named_with_its_option_and_what_is_expected(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, given: str, expected: str
) -> None:
    with pytest.raises(SystemExit):
        _build(tree, f"{option}={given}", "-o", tmp_path / "i")
    last = _printed(capsys)[1].splitlines()[-1]
    assert last.startswith("lxdimage build: error: argument ")
    assert f"{option}: expected {expected}, found '{given}'" in last


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5),
        ("-5", -5),
        ("20240131", 1_706_659_200),
        ("2024-01-31T00:00", 1_706_659_200),
        ("1706659200", 1_706_659_200),
    ],
)
def test_dates_are_seconds_or_days(tree: Path, tmp_path: Path, text: str, seconds: int) -> None:
    words = ["--architecture", "x86_64", f"--creation-date={text}", "--compression", "none"]
    assert _build(tree, *words, "-o", tmp_path / "i") == 0
    assert open_image(tmp_path / "i").metadata.creation_timestamp == seconds


def test_quiet_prints_the_fingerprint_alone(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _build(tree, *GIVEN, "--quiet", "-o", tmp_path / "i") == 0
    assert _printed(capsys) == (f"{fingerprint_files(tmp_path / 'i')}\n", "")


def test_an_archive_may_not_decompress_to_more_than_allowed(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["tar", "-C", str(tree), "-czf", str(tmp_path / "t"), "."], check=True, timeout=60)
    assert _build(tmp_path / "t", *GIVEN, "--max-size", "1K", "-o", tmp_path / "i") == 2
    assert "decompression-limit" in _printed(capsys)[1]


def test_notes_are_printed(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "etc/os-release").write_text("ID=found\n")
    assert _build(tree, *GIVEN, "-o", tmp_path / "i") == 0
    assert "os='found'" in _printed(capsys)[1]
