"""``render`` shows, writes and compares the files that an instance would get."""

from __future__ import annotations

import base64
import io
import json
import stat
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import commands
from making import CODECS, member, pack

HEAD = b"architecture: x86_64\ncreation_date: 1600000000\nproperties: {os: test, empty: ''}\ntemplates:\n"
RULES = b"""\
  /etc/hostname: {when: [create, copy], template: name.tpl}
  /etc/hosts: {when: [start], template: hosts.tpl, properties: {domain: example}, mode: '600', uid: '5'}
  /etc/kept: {when: [create], template: name.tpl, create_only: true}
  /etc/renamed: {when: [rename], template: name.tpl}
"""
TEMPLATES = {
    "name.tpl": b"{{ instance.name }}\n",
    "hosts.tpl": b"{{ instance.name }}.{{ properties.domain }} {{ config_get('user.a', 'none') }}",
}
NAME = "==> etc/hostname (create: overwrite)\n"


def directory(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, mode=0o755)


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=to)


def image(
    rules: bytes = RULES,
    *more: tuple[tarfile.TarInfo, bytes],
    templates: Mapping[str, bytes] = TEMPLATES,
) -> str:
    """Write an image, its root in the end, and return its name."""
    members = [member("metadata.yaml", HEAD + rules)]
    members += [member(f"templates/{name}", content) for name, content in templates.items()]
    members += [directory("rootfs/"), directory("rootfs/etc/")]
    members += [member("rootfs/etc/hostname", b"old"), member("rootfs/etc/kept", b"old"), *more]
    Path("image.tar.gz").write_bytes(CODECS["gzip"](pack(members)))
    return "image.tar.gz"


@pytest.fixture(autouse=True)
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the verb; return status, output and words."""
    return commands.run(capsys, "render", *arguments)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status, out, err = run(capsys, *arguments)
    assert (0, "") == (status, err)
    return out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    return {file["path"]: file for file in json.loads(printed(capsys, *arguments, "--json"))}


# ── what is shown ──


def test_without_options_the_files_of_the_first_start_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    expected = (
        f"{NAME}instance\n"
        "==> etc/hosts (start: create, mode 0644, owner 0:0)\ninstance.example none\n\\ no newline at the end\n"
        "==> etc/kept (create: keep)\n"
    )
    assert expected == printed(capsys, image())


def test_triggers_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    name = image()
    assert "==> etc/renamed (rename: create, mode 0644, owner 0:0)\nc1\n" == printed(
        capsys, name, "--trigger", "rename", "--name", "c1"
    )
    both = as_json(capsys, name, "--trigger", "copy", "--trigger", "start")
    assert {"etc/hostname": "copy", "etc/hosts": "start"} == {path: both[path]["trigger"] for path in both}


def test_where_no_rule_fires_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    name = image(b"  /etc/x: {when: [copy], template: name.tpl}\n")
    assert (0, "", "lxdimage: no rule fires\n") == run(capsys, name)
    assert (0, "[]\n", "lxdimage: no rule fires\n") == run(capsys, name, "--json")


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    files = as_json(capsys, image(), "--target", "incus")
    assert files["etc/hosts"] == {
        "path": "etc/hosts",
        "content": "instance.example none",
        "mode": "0600",
        "uid": 5,
        "gid": 0,
        "rule": "/etc/hosts",
        "trigger": "start",
        "action": "create",
        "leads_to": None,
    }
    kept = files["etc/kept"]
    assert ("keep", "", None, None) == (kept["action"], kept["content"], kept["mode"], kept["uid"])


def test_content_that_is_no_text_is_in_base64(capsys: pytest.CaptureFixture[str]) -> None:
    name = image(b"  /x: {when: [create], template: b}\n", templates={"b": b"\xff{{ trigger }}"})
    file = as_json(capsys, name)["x"]
    assert (None, b"\xffcreate") == (file["content"], base64.b64decode(file["content_base64"]))


def test_nothing_that_a_terminal_obeys_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    name = image(b'  "/\\e[31m": {when: [create], template: b}\n', templates={"b": b"\x1b[2J\r\tok\n"})
    out = printed(capsys, name)
    assert not {"\x1b", "\r"} & set(out)
    assert "\\x1b[31m" in out
    assert "\\x1b[2J" in out


# ── the instance ──


def test_options_describe_the_instance(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        b"{{ instance.name }} {{ instance.architecture }} {{ instance.type }} {{ instance.privileged }} "
        b"{{ instance.ephemeral }} {{ config_get('user.a', '-') }} {{ config_get('image.os', '-') }} "
        b"{{ config_get('image.empty', '-') }} {{ config_get('security.privileged', '-') }} "
        b"{{ devices.root.path }} {{ devices.root.size }} {{ devices.eth0.name }} {{ devices.eth0.ips }}"
    )
    name = image(b"  /x: {when: [create], template: t}\n", templates={"t": text})
    assert as_json(capsys, name)["x"]["content"] == "instance x86_64 container false false - test - - /   "
    options = ["--name", "c1", "--architecture", "arm64", "--privileged", "--ephemeral", "-c", "user.a=b=c"]
    options += ["-d", "root,size=1GiB", "-d", "eth0,name=e0,ips=1,2", "-c", "image.os=other"]
    found = as_json(capsys, name, *options)["x"]["content"]
    assert found == "c1 aarch64 container true true b=c other - true / 1GiB e0 1,2"


def test_a_virtual_machine_gets_files_named_after_templates(capsys: pytest.CaptureFixture[str]) -> None:
    files = as_json(capsys, image(), "--vm")
    assert {"files/name.tpl.out", "files/hosts.tpl.out"} == set(files)
    assert {"create"} == {file["action"] for file in files.values()}


SHOWN = """\
architecture: aarch64
config:
  image.os: real
  user.a: 'yes'
  limits.cpu: 2
  volatile.base_image: abc
devices:
  eth0:
    name: eth0
    type: nic
ephemeral: true
profiles:
- default
stateful: false
description: ""
"""


def test_a_configuration_file_is_what_the_client_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Values stay texts as they are written; options go first."""
    text = (
        b"{{ instance.name }} {{ instance.architecture }} {{ instance.ephemeral }} {{ config_get('user.a', '-') }} "
        b"{{ config_get('image.os', '-') }} {{ config_get('limits.cpu', '-') }} {{ devices.eth0.name }} "
        b"{{ devices.root.path }}"
    )
    name = image(b"  /x: {when: [create], template: t}\n", templates={"t": text})
    Path("config.yaml").write_text(SHOWN, encoding="utf-8")
    found = as_json(capsys, name, "--config-file", "config.yaml")["x"]["content"]
    assert found == "instance aarch64 true yes real 2 eth0 "
    options = ["--config-file", "config.yaml", "--name", "c2", "-c", "user.a=no", "-d", "eth0,name=e1"]
    assert as_json(capsys, name, *options)["x"]["content"] == "c2 aarch64 true no real 2 e1 "


def test_a_record_of_the_api_is_read_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    record = {
        "name": "c3",
        "type": "virtual-machine",
        "config": {"user.a": "own"},
        "expanded_config": {"user.a": "merged"},
        "expanded_devices": {"root": {"path": "/"}},
        "ephemeral": False,
    }
    Path("record.json").write_text(json.dumps(record), encoding="utf-8")
    files = as_json(capsys, image(), "--config-file", "record.json")
    assert files["files/hosts.tpl.out"]["content"] == "c3.example merged"


def test_a_key_without_a_value_is_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    """No daemon stores an empty value."""
    text = (
        b"{{ config_get('image.os', '-') }} {{ config_get('user.a', '-') }} {{ config_get('user.b', '-') }}"
    )
    name = image(b"  /x: {when: [create], template: t}\n", templates={"t": text})
    Path("config.yaml").write_text("config: {user.a: from file, user.b: ''}\n", encoding="utf-8")
    options = ["--config-file", "config.yaml"]
    assert as_json(capsys, name, *options)["x"]["content"] == "test from file -"
    cleared = as_json(capsys, name, *options, "-c", "user.a=", "-c", "image.os=")
    assert cleared["x"]["content"] == "- - -"


def test_a_mistake_in_a_configuration_file_has_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text("config:\n  a: [\n", encoding="utf-8")
    _, _, err = run(capsys, image(), "--config-file", "config.yaml")
    assert err.endswith(
        "is no YAML: expected the node content, but found '<stream end>' in line 3, column 1\n"
    )


@pytest.mark.parametrize("text", ["[1, 2]", "text", "a: b: c", "\0", "{" * 5000, ""])
def test_a_configuration_file_that_is_none_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text(text, encoding="utf-8")
    status, out, err = run(capsys, image(), "--config-file", "config.yaml")
    assert (2, "") == (status, out)
    assert err.startswith("lxdimage: error: 'config.yaml' is no")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "found"),
    [
        (["-c", "novalue"], "novalue"),
        (["-c", "=x"], "=x"),
        (["-d", "eth0"], "eth0"),
        (["-d", ",a=b"], ",a=b"),
        (["-d", "eth0,x"], "x"),
        (["--architecture", "pdp11"], "pdp11"),
    ],
)
def test_an_option_that_says_nothing_is_an_error(
    option: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(capsys, image(), *option)
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert option[0] in error
    assert error.endswith(repr(found))


# ── what the root has ──


def test_links_in_the_root_are_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """However the image is laid out: the root is read again until it is known where links lead."""
    rules = (
        b"  /etc/a: {when: [create], template: name.tpl}\n  /srv/x/y: {when: [start], template: name.tpl}\n"
    )
    members = [
        link("rootfs/etc/a", "../run/b"),
        link("rootfs/run/b", "c/d"),
        member("rootfs/run/c/d", b"old"),
        link("rootfs/srv", "run"),
    ]
    files = as_json(capsys, image(rules, *members))
    assert ("run/c/d", "overwrite") == (files["etc/a"]["leads_to"], files["etc/a"]["action"])
    assert ("run/x/y", "create") == (files["srv/x/y"]["leads_to"], files["srv/x/y"]["action"])


def test_a_split_image_has_a_root_too(capsys: pytest.CaptureFixture[str]) -> None:
    Path("meta.tar").write_bytes(
        pack(
            [
                member("metadata.yaml", HEAD + RULES),
                *(member(f"templates/{n}", t) for n, t in TEMPLATES.items()),
            ]
        )
    )
    Path("root.tar").write_bytes(
        pack([directory("./"), member("./etc/hostname", b"x"), member("./etc/kept", b"x")])
    )
    assert printed(capsys, "meta.tar", "root.tar").startswith(NAME)
    assert printed(capsys, "root.tar", "meta.tar").startswith(NAME)


def test_incus_leaves_out_what_lies_below_dev(capsys: pytest.CaptureFixture[str]) -> None:
    name = image(b"  /dev/x: {when: [create], template: name.tpl}\n", member("rootfs/dev/x", b"old"))
    assert as_json(capsys, name, "--target", "lxd")["dev/x"]["action"] == "overwrite"
    assert as_json(capsys, name, "--target", "incus")["dev/x"]["action"] == "create"


def test_standard_input_has_no_root(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(image()).read_bytes())))
    status, out, err = run(capsys, "-", "--trigger", "create")
    assert status == 0
    assert "==> etc/kept (create: create" in out
    assert "standard input is read once" in err


# ── what fails ──


@pytest.mark.parametrize(
    ("rule", "template", "words"),
    [
        (
            "/x: {when: [create], template: t}",
            b"{{ a",
            "image.tar.gz:templates/t:1:4: error: the template ends",
        ),
        ("/x: {when: [start], template: t}", b"{{ 1/0 }}", "image.tar.gz:templates/t:1:"),
        (
            "/x: {when: [create], template: u}",
            b"",
            "image.tar.gz:metadata.yaml: error: the rule for '/x' names",
        ),
        ("/etc: {when: [create], template: t}", b"", "the target '/etc' is a directory [rule-fails]"),
        ("/x: ~", b"", "is null"),
    ],
)
def test_what_keeps_an_instance_from_starting_is_a_finding(
    rule: str, template: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, image(f"  {rule}\n".encode(), templates={"t": template}))
    assert (1, "") == (status, out)
    assert words in err
    assert "refused at start" in err


def test_a_template_that_takes_too_much_is_unusable(capsys: pytest.CaptureFixture[str]) -> None:
    loop = b"{% for a in 'aaaaaaaaaa' %}" * 8 + b"x" + b"{% endfor %}" * 8
    status, _, err = run(capsys, image(b"  /x: {when: [create], template: t}\n", templates={"t": loop}))
    assert status == 2
    assert err.startswith("image.tar.gz:templates/t: error: rendering takes more than")
    assert "template-limit" in err


@pytest.mark.parametrize(
    ("first", "second", "when", "words"),
    [
        ("/etc/a", "/etc/a/b", "create", "lies below 'etc/a'"),
        ("/etc/a", "/etc/a/b", "start", "lies below 'etc/a'"),
        ("/etc/z/b", "/etc/z", "start", "is a directory"),
    ],
)
def test_what_one_rule_writes_is_in_the_way_of_another(
    first: str, second: str, when: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At one trigger, and at the next."""
    rules = f"  {first}: {{when: [create], template: t}}\n  {second}: {{when: [{when}], template: t}}\n"
    status, out, err = run(capsys, image(rules.encode(), templates={"t": b"x"}))
    assert (1, "") == (status, out)
    assert words in err


# ── directories ──


@pytest.mark.parametrize("option", ["-o", "--diff"])
def test_an_empty_name_is_no_directory(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(capsys, image(), option, "")
    assert "expected a directory, found ''" in capsys.readouterr().err


def test_files_are_written_with_their_modes(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are kept are not among them."""
    assert printed(capsys, image(), "-o", "out/deep", "--target", "incus") == ""
    files = {str(path.relative_to("out/deep")) for path in Path("out/deep").rglob("*") if path.is_file()}
    assert files == {"etc/hostname", "etc/hosts"}
    assert stat.S_IMODE(Path("out/deep/etc/hosts").stat().st_mode) == 0o600
    assert Path("out/deep/etc/hostname").read_bytes() == b"instance\n"


def test_a_directory_with_something_in_it_is_not_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A link in it could lead anywhere."""
    Path("out").mkdir()
    Path("elsewhere").mkdir()
    Path("out/etc").symlink_to("../elsewhere")
    assert (2, "", "lxdimage: error: 'out': the directory is not empty\n") == run(
        capsys, image(), "-o", "out"
    )
    assert not list(Path("elsewhere").iterdir())


def test_where_one_file_cannot_be_written_none_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    rules = "".join(
        f"  ? {target}\n  : {{when: [create], template: t}}\n"
        for target in ("/a/b", "/m" * 1100, "/n" * 2047)
    )
    name = image(rules.encode(), templates={"t": b"x"})
    status, out, err = run(capsys, name, "-o", "out")
    assert (2, "") == (status, out)
    assert "File name too long" in err
    assert list(Path("out").iterdir()) == []


def test_what_was_written_is_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    name = image()
    printed(capsys, name, "-o", "golden")
    assert printed(capsys, name, "--diff", "golden") == ""
    Path("golden/etc/kept").write_bytes(b"what a rule leaves alone")
    assert printed(capsys, name, "--diff", "golden") == ""


def test_targets_may_be_deeper_than_python_recurses(capsys: pytest.CaptureFixture[str]) -> None:
    rules = f"  ? {'/n' * 1100}\n  : {{when: [create], template: t}}\n"
    name = image(rules.encode(), templates={"t": b"x\n"})
    printed(capsys, name, "-o", "out")
    assert printed(capsys, name, "--diff", "out") == ""
    assert run(capsys, name, "--diff", "out", "--trigger", "start")[0] == 1
    # Nor does pytest clean up so deep.
    subprocess.run(["rm", "-r", "out"], check=True)


def test_differences_are_shown_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    name = image()
    printed(capsys, name, "-o", "golden")
    Path("golden/etc/hosts").unlink()
    Path("golden/etc/more").write_bytes(b"")
    status, out, err = run(capsys, name, "--name", "c9", "--diff", "golden")
    assert (1, "") == (status, err)
    assert out.splitlines() == [
        "--- expected/etc/hostname",
        "+++ rendered/etc/hostname",
        "@@ -1 +1 @@",
        "-instance",
        "+c9",
        "--- /dev/null",
        "+++ rendered/etc/hosts",
        "@@ -0,0 +1,2 @@",
        "+c9.example none",
        "+\\ no newline at the end",
        "--- expected/etc/more",
        "+++ /dev/null",
    ]


def test_a_directory_to_compare_with_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "lxdimage: error: 'nowhere': no such directory\n") == run(
        capsys, image(), "--diff", "nowhere"
    )
