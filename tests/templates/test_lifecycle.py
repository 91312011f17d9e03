"""What becomes of template rules is what real daemons made of them."""

from __future__ import annotations

import base64
import io
import json
import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

from lxdimage.archive import Entry, EntryType
from lxdimage.diagnostics import Stage
from lxdimage.errors import LimitExceededError, TemplateError, TemplateRenderError, TemplateSyntaxError
from lxdimage.image import Image, open_image
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata, TemplateRule, Trigger
from lxdimage.targets import Target
from lxdimage.templates import (
    Action,
    Instance,
    RenderedFile,
    TemplateContext,
    check_rules,
    render_start,
    render_template,
    render_trigger,
    settle,
)

CORPUS = Path(__file__).parent.parent / "corpus" / "templates" / "lifecycle.json"
CASES: list[dict[str, Any]] = json.loads(CORPUS.read_text(encoding="utf-8"))
RECORDED = [
    pytest.param(case, Target(target), id=f"{case['id']}-{target}")
    for case in CASES
    for target in case["recorded"]
]

KINDS = {
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hard_link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
}
BASE = [
    {"name": f"rootfs/{name}", "type": "directory"} for name in ("", "dev/", "etc/", "proc/", "sbin/", "sys/")
]
# Templates that loop over a map without 'sorted': the daemons take the keys in another order each time.
UNORDERED = {"tpl-config-raw", "tpl-instance-keys"}

Root: TypeAlias = dict[str, Any]
"""What a root holds, by path: each a mapping as in the corpus, with the type's name for what is no file."""


# ── the recorded cases ──


def content_of(member: Mapping[str, Any]) -> bytes:
    if "base64" in member:
        return base64.b64decode(member["base64"])
    return str(member.get("content", "")).encode()


def write_image(case: Mapping[str, Any], path: Path) -> Path:
    """Write the image of a case."""
    with tarfile.open(path, "w") as archive:
        for member in [*case["members"], *BASE]:
            info = tarfile.TarInfo(member["name"])
            kind = member.get("type", "file")
            content = content_of(member)
            info.type = KINDS.get(kind, tarfile.REGTYPE)
            info.mode = int(member.get("mode", "0755" if kind == "directory" else "0644"), 8)
            info.linkname, info.size = member.get("target", ""), len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def root_of(case: Mapping[str, Any], target: Target) -> Root:
    """Return what the root of a case holds before anything starts."""
    root: Root = {}
    for member in [*BASE, *case["members"]]:
        path = str(member["name"]).removeprefix("./").removeprefix("rootfs/").strip("/")
        if not str(member["name"]).removeprefix("./").startswith("rootfs/"):
            continue
        if path.startswith("dev/") and not target.traits.unpacks_dev:
            continue
        known = {
            "mode": "0644",
            "uid": 0,
            "gid": 0,
            "content": content_of(member).decode("utf-8", "backslashreplace"),
        }
        root[path] = {**known, **member}
        if member.get("type") == "hard_link":
            root[path] = root[str(member["target"]).removeprefix("rootfs/")]
    return root


def entries(root: Root) -> dict[str, Entry]:
    return {
        path: Entry(
            path=path, type=EntryType[found.get("type", "file").upper()], target=found.get("target", "")
        )
        for path, found in root.items()
    }


def start(root: Root, files: Iterator[RenderedFile]) -> None:
    """Write *files* into a root as a daemon does."""
    for path, file in settle(files).items():
        if file.action is Action.KEEP:
            continue
        content = file.content.decode("utf-8", "backslashreplace")
        found = root.get(file.leads_to or path)
        if found is None:
            mode = "0644" if file.mode is None else f"{file.mode:04o}"
            root[file.leads_to or path] = {"content": content, "mode": mode, "uid": file.uid, "gid": file.gid}
        else:
            found["content"] = content


def compare(root: Root, recorded: Mapping[str, Any], case: str) -> None:
    for path, expected in recorded.items():
        found = root.get(path)
        match expected:
            case None:
                assert found is None, path
            case {"directory": True}:
                # A directory above a file that was written; it has the recorded mode and owner always.
                made = any(posixpath.dirname(file).startswith(path) for file in root)
                assert made
                assert found or (expected["mode"], expected["uid"]) == ("0755", 0)
            case {"target": target}:
                assert found is not None
                assert target == found["target"], path
            case _:
                assert found is not None, path
                assert ordered(expected["content"], case) == ordered(found["content"], case)
                assert expected["mode"] == found["mode"], path
                # Who owns a file made through a dangling link depends on the storage, so that nothing is told of it.
                assert found["uid"] in {expected["uid"], None}, path
                assert found["gid"] in {expected["gid"], None}, path


def ordered(content: str, case: str) -> object:
    """Return *content*, in a fixed order where the daemons have none."""
    if case not in UNORDERED:
        return content
    return [sorted(re.split(r"[;\[\]]", line)) for line in content.splitlines()]


@pytest.mark.parametrize(("case", "target"), RECORDED)
def test_files_are_those_that_a_daemon_wrote(case: dict[str, Any], target: Target, tmp_path: Path) -> None:
    """At the first start, then at that of a copy and after a rename: content, mode and owner of each file."""
    image = open_image(write_image(case, tmp_path / "image"), target=target)
    steps = case["recorded"][target.value]
    root = root_of(case, target)
    for step, recorded, name in (
        ("start", Trigger.CREATE, "a1-j"),
        ("copy", Trigger.COPY, "a1-j-copy"),
        ("rename", Trigger.RENAME, "a1-j-ren"),
    ):
        if step not in steps:
            continue
        now = {path: dict(found) for path, found in root.items()} if step == "copy" else root
        instance = instance_of(image, name, case["config"])
        files = render_start(image, instance, recorded=recorded, exists=entries(now).get, target=target)
        if steps[step]["ok"]:
            start(now, files)
            compare(now, steps[step]["files"], case["id"])
        else:
            with pytest.raises(TemplateError) as failure:
                start(now, files)
            assert {Stage.START} == {finding.stage for finding in failure.value.diagnostics}


def instance_of(image: Image, name: str, config: Mapping[str, str]) -> Instance:
    plain = Instance.of(image.metadata, name=name)
    volatile = {"volatile.apply_template": "create", "volatile.base_image": "0" * 64}
    given = {key: value for key, value in config.items() if value}
    return Instance(
        name=name,
        config={**plain.config, **volatile, **given},
        devices=plain.devices,
        architecture=plain.architecture,
    )


# ── rules ──


@attrs.frozen
class Rules:
    """Rules and templates without an image."""

    metadata: Metadata
    templates: Mapping[str, bytes]


def rules(templates: Mapping[str, bytes] | None = None, **targets: TemplateRule) -> Rules:
    """Return rules by target, ``__`` being a slash; the template `t` prints what it is rendered for."""
    named = {name.replace("__", "/"): rule for name, rule in targets.items()}
    metadata = Metadata(architecture="x86_64", creation_date=1, templates=named)
    text = b"{{ trigger }} {{ path }} {{ instance.name }}"
    return Rules(metadata, {"t": text, **(templates or {})})


def rule(*when: str, template: str = "t", **more: Any) -> TemplateRule:
    return TemplateRule(when=when or ("create",), template=template, **more)


ONE = Instance(name="c1")
MACHINE = Instance(name="v1", type="virtual-machine")
ALL = list(Target)


def only(files: Iterator[RenderedFile]) -> RenderedFile:
    (file,) = files
    return file


@pytest.mark.parametrize("trigger", list(Trigger))
def test_a_rule_fires_on_the_triggers_it_names(trigger: Trigger) -> None:
    image = rules(__a=rule("create", "rename"), __b=rule("copy", "start", "Create", ""))
    fired = {Trigger.CREATE: "/a", Trigger.RENAME: "/a", Trigger.COPY: "/b", Trigger.START: "/b"}[trigger]
    file = only(render_trigger(image, trigger, ONE))
    assert file.rule == fired
    assert file.content == f"{trigger.value} {fired} c1".encode()
    assert [file] == list(render_trigger(image, trigger.value, ONE))


def test_an_unknown_trigger_is_refused() -> None:
    with pytest.raises(ValueError, match="reboot"):
        list(render_trigger(rules(), "reboot", ONE))


def test_rules_run_in_the_order_of_their_targets() -> None:
    image = rules(b=rule(), __c=rule(), __a=rule())
    assert ["/a", "/c", "b"] == [file.rule for file in render_trigger(image, "create", ONE)]


def test_the_recorded_trigger_runs_before_start() -> None:
    image = rules(__a=rule("start", "create"), __b=rule("start"), __c=rule("copy"))
    order = [("/a", "create"), ("/a", "start"), ("/b", "start")]
    assert order == [(file.rule, file.trigger.value) for file in render_start(image, ONE)]
    assert ["/a", "/b"] == [file.rule for file in render_start(image, ONE, recorded=None)]
    assert ["/c", "/a", "/b"] == [file.rule for file in render_start(image, ONE, recorded="copy")]


@pytest.mark.parametrize("target", ALL)
def test_a_new_file_has_mode_and_owner_and_an_old_one_keeps_its_own(target: Target) -> None:
    image = rules(__a=rule(mode="600", uid="7", gid="8"))
    new = only(render_trigger(image, "create", ONE, target=target))
    expected = (0o600, 7, 8) if target.traits.file_permissions else (0o644, 0, 0)
    assert (Action.CREATE, *expected) == (new.action, new.mode, new.uid, new.gid)
    old = only(render_trigger(image, "create", ONE, target=target, exists=lambda _path: True))
    assert (Action.OVERWRITE, None, None, None) == (old.action, old.mode, old.uid, old.gid)
    assert new.content == old.content


@pytest.mark.parametrize("target", ALL)
def test_create_only_leaves_alone_what_is_there(target: Target) -> None:
    """The template is not even parsed then, but its file must be there."""
    image = rules({"bad": b"{{"}, __a=rule(template="bad", create_only=True, mode="rwx"))
    kept = only(render_trigger(image, "create", ONE, target=target, exists=lambda _path: True))
    assert (Action.KEEP, b"", None) == (kept.action, kept.content, kept.mode)
    missing = rules(__a=rule(template="nope", create_only=True))
    with pytest.raises(TemplateRenderError, match="no such file"):
        list(render_trigger(missing, "create", ONE, target=target, exists=lambda _path: True))


def test_what_a_rule_wrote_is_there_for_the_next() -> None:
    image = rules({"u": b"second"}, __x=rule(), x=rule(template="u"))
    first, second = render_trigger(image, "create", ONE)
    assert [Action.CREATE, Action.OVERWRITE] == [first.action, second.action]
    twice = rules(__x=rule("create", "start", create_only=True))
    assert [Action.CREATE, Action.KEEP] == [file.action for file in render_start(twice, ONE)]


def test_nothing_is_written_below_what_a_rule_wrote() -> None:
    with pytest.raises(TemplateRenderError, match="lies below 'etc/a'"):
        list(render_trigger(rules(__etc__a=rule(), __etc__a__b=rule()), "create", ONE))


def test_settled_files_have_the_last_content_and_the_first_mode() -> None:
    image = rules(__a=rule("create", "start", mode="600"), __b=rule("create", "start", create_only=True))
    files = settle(render_start(image, ONE, target=Target.INCUS))
    assert {"a", "b"} == set(files)
    assert (b"start /a c1", 0o600, Action.CREATE) == (files["a"].content, files["a"].mode, files["a"].action)
    assert (b"create /b c1", 0o644, Action.CREATE) == (files["b"].content, files["b"].mode, files["b"].action)
    over = settle(render_start(image, ONE, exists=lambda _path: True))
    assert (Action.OVERWRITE, None) == (over["a"].action, over["a"].mode)
    assert Action.KEEP is over["b"].action


def test_a_link_tells_which_file_is_written() -> None:
    link = Entry(path="etc/a", type=EntryType.SYMLINK, target="../run/b")
    image = rules(__etc__a=rule(), __run__b=rule())
    run = Entry(path="run", type=EntryType.DIRECTORY)
    first, second = render_trigger(image, "create", ONE, exists={"etc/a": link, "run": run}.get)
    assert ("etc/a", "run/b", Action.OVERWRITE) == (first.path, first.leads_to, first.action)
    assert ("run/b", None, Action.OVERWRITE) == (second.path, second.leads_to, second.action)
    assert ["run/b"] == list(settle([first, second]))


@pytest.mark.parametrize("target", ALL)
def test_a_null_rule_makes_every_start_fail(target: Target) -> None:
    image = rules(__a=rule("rename"), __b=TemplateRule(null=True))
    for trigger in Trigger:
        with pytest.raises(TemplateRenderError, match="is null"):
            list(render_trigger(image, trigger, ONE, target=target))


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("name", ["", ".", "..", "../t", "/t", "t/", "sub/../../t", "nope"])
def test_a_template_is_a_file_below_templates(target: Target, name: str) -> None:
    with pytest.raises(TemplateRenderError, match="names the template"):
        list(render_trigger(rules(__a=rule(template=name)), "create", ONE, target=target))


@pytest.mark.parametrize("name", ["sub/t", "sub//t", "./sub/t"])
def test_only_todays_lxd_has_templates_in_directories(name: str) -> None:
    image = rules({"sub/t": b"deep"}, __a=rule(template=name))
    assert only(render_trigger(image, "create", ONE, target=Target.LXD)).content == b"deep"
    for target in (Target.LXD_5_0, Target.INCUS_6_0, Target.INCUS):
        with pytest.raises(TemplateRenderError, match="names the template"):
            list(render_trigger(image, "create", ONE, target=target))
    with pytest.raises(TemplateRenderError, match="no directories"):
        list(render_trigger(image, "create", MACHINE, target=Target.LXD))


@pytest.mark.parametrize("target", ALL)
def test_a_virtual_machine_gets_its_files_on_the_config_drive(target: Target) -> None:
    """Named after the template; whatever the target is, and whether it exists, is the agent's business."""
    text = b"{{ instance.type }}:{{ instance.privileged }}:{{ path }}"
    image = rules({"v.tpl": text}, **{"../..": rule(template="v.tpl", create_only=True, mode="rwx")})
    file = only(render_trigger(image, "create", MACHINE, target=target, exists=lambda _path: True))
    assert ("files/v.tpl.out", b"virtual-machine::../..") == (file.path, file.content)
    assert (0o644, 0, 0, Action.CREATE) == (file.mode, file.uid, file.gid, file.action)


def test_rules_of_a_virtual_machine_share_the_file_of_their_template() -> None:
    image = rules(__a=rule(), __b=rule("create", "start", create_only=True))
    (file,) = settle(render_start(image, MACHINE)).values()
    assert ("files/t.out", b"start /b v1", "/b") == (file.path, file.content, file.rule)


def test_a_file_on_the_config_drive_has_a_name_of_255_bytes_at_most() -> None:
    names = ["t" * 251, "t" * 252]
    image = rules(dict.fromkeys(names, b""), __a=rule("create", template=names[0]))
    assert len(only(render_trigger(image, "create", MACHINE)).path) == len("files/") + 255
    longer = rules(dict.fromkeys(names, b""), __a=rule("create", template=names[1]))
    with pytest.raises(TemplateRenderError, match="more than 255 bytes"):
        list(render_trigger(longer, "create", MACHINE))
    assert only(render_trigger(longer, "create", ONE)).path == "a"


@pytest.mark.parametrize("target", ALL)
def test_what_fails_says_that_the_start_fails(target: Target) -> None:
    for text, error in (
        (b"{{", TemplateSyntaxError),
        (b"{% include 'a' %}", TemplateSyntaxError),
        (b"{{ config_get() }}", TemplateRenderError),
        (b"{{ 1/0 }}", TemplateRenderError),
    ):
        with pytest.raises(error) as failure:
            list(render_trigger(rules({"t": text}, __a=rule()), "create", ONE, target=target))
        (finding,) = failure.value.diagnostics
        assert (Stage.START, "templates/t") == (finding.stage, finding.source)


def test_limits_are_no_matter_of_the_daemon() -> None:
    loop = b"{% for a in 'aaaaaaaaaa' %}{% for b in 'aaaaaaaaaa' %}{{ b }}{% endfor %}{% endfor %}"
    with pytest.raises(LimitExceededError) as failure:
        list(render_trigger(rules({"t": loop}, __a=rule()), "create", ONE, limits=Limits(steps=50)))
    assert failure.value.diagnostics[0].stage is None


# ── what templates see ──


def test_a_container_is_privileged_as_its_configuration_says() -> None:
    for value, privileged in {
        "true": True,
        "YES": True,
        "1": True,
        "on": True,
        "false": False,
        "": False,
    }.items():
        assert Instance(config={"security.privileged": value}).privileged is privileged
    assert not Instance(config={"security.privileged": "true"}, privileged=False).privileged
    assert Instance().variables["privileged"] == "false"
    assert "privileged" not in MACHINE.variables


def test_a_new_instance_knows_the_properties_of_its_image() -> None:
    metadata = Metadata(architecture="arm64", creation_date=1, properties={"os": "debian", "empty": ""})
    instance = Instance.of(metadata, name="c1")
    assert (instance.name, instance.architecture) == ("c1", "aarch64")
    assert dict(instance.config) == {"image.os": "debian"}
    assert instance.devices["root"]["path"] == "/"


def test_a_template_sees_the_variables_of_its_context() -> None:
    source = b"{{ trigger }} {{ path }} {{ container.a }} {{ properties.p }} {{ config_get('user.a', '') }}|"
    context = TemplateContext(
        trigger=Trigger.COPY.value,
        instance={"a": "A"},
        properties={"p": "P"},
        config={"user.a": "x\ny\r\n\n"},
    )
    assert render_template(source, context) == b"copy /etc/hostname A P x\ny|"
    assert render_template("{{ container.a }}", attrs.evolve(context, container={"a": "B"})) == b"B"


def test_the_language_is_that_of_the_target() -> None:
    for target, expected in ((Target.LXD, b"0"), (Target.INCUS_6_0, b"0"), (Target.INCUS, b"ab")):
        assert render_template('{{ "a" + "b" }}', TemplateContext(), target=target) == expected


# ── checking ──


def test_checking_tells_of_each_rule_by_itself() -> None:
    image = rules(
        {"bad": b"{{"},
        __ok=rule(),
        __a=rule(template="bad"),
        __b=rule("rename", template="bad"),
        __etc=rule("copy"),
        __c=rule("start", template="nope"),
        __d=TemplateRule(null=True),
        __e=rule("never", template="bad"),
    )
    directory = Entry(path="etc", type=EntryType.DIRECTORY)
    found = {
        path: (finding.code, finding.stage)
        for path, finding in check_rules(image, ONE, exists={"etc": directory}.get)
    }
    assert found == {"/a": ("template-syntax", Stage.START), "/etc": ("rule-fails", None)}


def test_checking_passes_over_what_takes_too_long() -> None:
    image = rules({"t": b"{% for a in 'aaaaaaaa' %}{{ a }}{% endfor %}"}, __a=rule())
    assert list(check_rules(image, ONE, limits=Limits(steps=3))) == []
