"""Template rules are judged by what the archive holds: files, targets in the root, and the text of templates."""

from __future__ import annotations

import json
import tarfile
import time
from pathlib import Path

import pytest

from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.image import scan_image, scan_targets
from lxdimage.targets import Target
from making import member, pack

HEAD = "architecture: x86_64\ncreation_date: 1600000000\nproperties: {os: test}\ntemplates:\n"
INIT = member("rootfs/sbin/init", b"x", mode=0o755)
Member = tuple[tarfile.TarInfo, bytes]


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return member(name, type=kind, linkname=to)


def scan(
    tmp_path: Path, rules: str, *members: Member, target: Target = Target.LXD, **templates: bytes
) -> list[Diagnostic]:
    """Return what is found in an image with these rules; a template file for each keyword."""
    files = [member(f"templates/{name}", content) for name, content in templates.items()]
    path = tmp_path / "image"
    path.write_bytes(pack([member("metadata.yaml", (HEAD + rules).encode()), *files, *members, INIT]))
    return list(scan_image(path, target=target).diagnostics)


def codes(found: list[Diagnostic], stage: Stage | None = Stage.START) -> list[str]:
    return [finding.code for finding in found if finding.stage is stage]


@pytest.mark.parametrize("target", list(Target))
def test_what_works_is_not_mentioned(target: Target, tmp_path: Path) -> None:
    rules = "  /etc/a: {when: [create, copy], template: t}\n"
    assert [] == scan(tmp_path, rules, target=target, t=b"{{ instance.name }}\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{{ a", "template-syntax"),
        (b"{% frobnicate %}", "unknown-tag"),
        (b"{{ path|frobnicate }}", "unknown-filter"),
        (b"{% if 0 %}{% include 't' %}{% endif %}", "banned-tag"),
        (b"{{ config_get('a') }}", "config-get-arguments"),
        (b"{{ 1 / 0 }}", "template-panic"),
        (b"{% if config_get('user.x', '') == '' %}{{ 1/0 }}{% endif %}", "template-panic"),
    ],
)
def test_a_template_that_fails_is_refused_at_start(text: bytes, code: str, tmp_path: Path) -> None:
    """Also one that parses: it is rendered for an instance without configuration."""
    (finding,) = (f for f in scan(tmp_path, "  /a: {when: [start], template: t}\n", t=text) if f.stage)
    assert (code, Stage.START, Severity.ERROR) == (finding.code, finding.stage, finding.severity)
    assert finding.source == f"{tmp_path / 'image'}:templates/t"
    assert finding.span


@pytest.mark.parametrize("more", ["when: [copy, rename]", "when: [create], create_only: true"])
def test_a_template_that_the_first_start_does_not_render_fails_nothing(more: str, tmp_path: Path) -> None:
    existing = member("rootfs/etc/a", b"old")
    found = scan(tmp_path, f"  /etc/a: {{{more}, template: t}}\n", existing, t=b"{{ config_get('a') }}{{")
    assert [] == codes(found)
    assert ["template-syntax"] == codes(found, None)
    warned = scan(tmp_path, f"  /etc/a: {{{more}, template: t}}\n", existing, t=b"{{ config_get('a') }}")
    assert [Severity.WARNING] == [f.severity for f in warned if f.code == "config-get-arguments"]


def test_mistakes_are_told_once_for_a_file_that_two_rules_name(tmp_path: Path) -> None:
    rules = "  /a: {when: [create], template: t}\n  /b: {when: [start], template: t}\n"
    found = scan(tmp_path, rules, t=b"{{ config.user.foo }}")
    assert ["dotted-key"] == codes(found, None)
    assert found[0].source.endswith(":templates/t")


def test_a_template_that_nothing_renders_is_not_read(tmp_path: Path) -> None:
    rules = "  /a: {when: [never], template: t}\n"
    found = scan(tmp_path, rules, t=b"{{", u=b"{{")
    assert {"unknown-trigger", "template-unused"} == set(codes(found, None))


@pytest.mark.parametrize(
    ("target", "members"),
    [
        ("/etc", [member("rootfs/etc/", type=tarfile.DIRTYPE)]),
        ("/etc/a/b", [member("rootfs/etc/a", b"x")]),
        ("/etc/a", [link("rootfs/etc/a", "/etc/b")]),
        ("/etc/a", [link("./rootfs/etc/a", "../../b")]),
        ("/etc/a/b", [link("rootfs/etc/a", "/srv")]),
    ],
)
@pytest.mark.parametrize("daemon", list(Target))
def test_a_target_that_cannot_be_written_is_refused_at_start(
    target: str, members: list[Member], daemon: Target, tmp_path: Path
) -> None:
    found = scan(tmp_path, f"  {target}: {{when: [create], template: t}}\n", *members, target=daemon, t=b"x")
    (finding,) = (f for f in found if f.stage)
    assert ("rule-fails", Stage.START) == (finding.code, finding.stage)
    assert finding.source.endswith(":metadata.yaml")
    assert finding.span
    later = scan(tmp_path, f"  {target}: {{when: [copy], template: t}}\n", *members, target=daemon, t=b"x")
    assert ["rule-fails"] == codes(later, None)


def test_where_a_link_leads_in_the_root_is_given_the_benefit_of_the_doubt(tmp_path: Path) -> None:
    rules = "  /etc/a: {when: [create], template: t}\n"
    assert [] == scan(tmp_path, rules, link("rootfs/etc/a", "../run/none/b"), t=b"x")


def test_what_metadata_tells_is_not_said_again(tmp_path: Path) -> None:
    rules = "  /../a: {when: [create], template: t}\n  /b: {when: [create], template: sub/t}\n  /c: ~\n"
    found = scan(tmp_path, rules, target=Target.INCUS, t=b"x")
    assert ["null-template-rule", "template-outside", "template-target"] == sorted(codes(found))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("/etc/a: {mode: rwx", "bad-mode"),
        ("/etc/a: {uid: root", "bad-owner"),
        ("/etc/a: {gid: root, create_only: true", "bad-owner"),
    ],
)
def test_a_bad_mode_fails_only_the_start_that_makes_the_file(rule: str, code: str, tmp_path: Path) -> None:
    rules = f"  {rule}, when: [create], template: t}}\n"
    for target in (Target.INCUS_6_0, Target.INCUS):
        assert [code] == codes(scan(tmp_path, rules, target=target, t=b"x"))
        existing = scan(tmp_path, rules, member("rootfs/etc/a", b"old"), target=target, t=b"x")
        (finding,) = existing
        assert (code, None, Severity.WARNING) == (finding.code, finding.stage, finding.severity)
        assert finding.message.endswith("the rule fails on create, but not in this image")
        failing = scan(tmp_path, rules, member("rootfs/etc/a", b"old"), target=target, t=b"{{")
        assert codes(failing) == ([] if "create_only" in rule else ["template-syntax"])


@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("path", ["/", "''", f"/{'n' * 300}"])
def test_what_create_only_leaves_alone_fails_nothing(path: str, target: Target, tmp_path: Path) -> None:
    rules = f"  {path}: {{create_only: true, when: [create], template: t}}\n"
    fails = path.startswith("/n") and target is Target.INCUS
    found = scan(tmp_path, rules, target=target, t=b"x")
    assert [("template-target", Stage.START if fails else None)] == [(f.code, f.stage) for f in found]
    always = scan(tmp_path, rules.replace("create_only: true, ", ""), target=target, t=b"x")
    assert ["template-target"] == codes(always)


@pytest.mark.parametrize(("when", "stage"), [("create", Stage.START), ("start", Stage.START), ("copy", None)])
def test_a_missing_file_fails_the_start_that_needs_it(when: str, stage: Stage | None, tmp_path: Path) -> None:
    rules = f"  /a: {{when: [{when}], template: hostname}}\n"
    (missing,) = (f for f in scan(tmp_path, rules, hostnam=b"") if f.code != "template-unused")
    assert ("template-missing", stage, "did you mean 'hostnam'?") == (
        missing.code,
        missing.stage,
        missing.hint,
    )
    (special,) = scan(tmp_path, rules, link("templates/hostname", "x"))
    assert ("template-not-regular", stage) == (special.code, special.stage)


def test_a_hard_link_is_the_file_that_it_repeats(tmp_path: Path) -> None:
    rules = "  /a: {when: [create], template: u}\n  /b: {when: [create], template: m}\n"
    links = [
        link("templates/u", "./templates/t", tarfile.LNKTYPE),
        link("templates/m", "metadata.yaml", tarfile.LNKTYPE),
    ]
    assert ["template-syntax"] == codes(scan(tmp_path, rules, *links, t=b"{{"))


def test_a_virtual_machine_has_no_targets_that_matter(tmp_path: Path) -> None:
    """Its templates do."""
    path = tmp_path / "image"
    rules = "  /etc/a: {when: [create], template: t}\n"
    disk = member("rootfs.img", b"QFI\xfb" + bytes(600))
    for text, expected in ((b"x", []), (b"{{", ["template-syntax"])):
        members = [member("metadata.yaml", (HEAD + rules).encode()), member("templates/t", text), disk]
        path.write_bytes(pack([*members, link("rootfs/etc/a", "/x")]))
        found = [f for f in scan_image(path).diagnostics if f.code in {"rule-fails", "template-syntax"}]
        assert expected == codes(found)
    bad = "  /../a: {when: [create], template: t, mode: rwx, uid: x}\n"
    path.write_bytes(
        pack([member("metadata.yaml", (HEAD + bad).encode()), member("templates/t", b"x"), disk])
    )
    for target in Target:
        assert codes(list(scan_image(path, target=target).diagnostics)) == []


def test_daemons_differ_in_what_they_unpack(tmp_path: Path) -> None:
    path = tmp_path / "image"
    rules = "  /dev/a: {when: [create], template: t}\n"
    members = [member("metadata.yaml", (HEAD + rules).encode()), member("templates/t", b"x")]
    path.write_bytes(pack([*members, link("rootfs/dev/a", "/x"), INIT]))
    scans = scan_targets(path, targets=list(Target))
    refused = {target for target, found in scans.items() if "rule-fails" in codes(list(found.diagnostics))}
    assert {Target.LXD_5_0, Target.LXD} == refused


def test_hostile_rules_are_judged_in_bounded_time(tmp_path: Path) -> None:
    """Many rules, deep targets, expensive templates, many misspelt names: all stay cheap."""
    began = time.perf_counter()
    loop = b"{% for a in 'aaaaaaaaaa' %}" * 12 + b"x" + b"{% endfor %}" * 12
    many = "".join(f"  /{number}: {{when: [create], template: t{number}}}\n" for number in range(3000))
    similar = [member(f"templates/t{number:06}", b"") for number in range(500)]
    scan(tmp_path, many, *similar)
    slow = "".join(f"  /{number}: {{when: [create], template: t}}\n" for number in range(2000))
    scan(tmp_path, slow, t=loop)
    deep = "".join(
        f"  {json.dumps('/a' * 2000 + str(n))}: {{when: [create], template: t}}\n" for n in range(100)
    )
    found = scan(tmp_path, deep, t=b"{{ config.user.foo }}" * 1500)
    assert len(found) < 200
    assert time.perf_counter() - began < 30
