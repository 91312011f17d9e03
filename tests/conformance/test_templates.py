"""
What `render` tells of an image is what becomes of its instances.

Every file below an instance's root is compared before and after a start, so that nothing else is written either.
Beside the triggers these are the ways of saying where a file goes: links, dots, what is in the way, permissions.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest

from conformance.daemons import Daemon, DaemonError
from conformance.programs import need
from conformance.samples import archive, directory, file, header, metadata
from lxdimage import Image, Instance, TemplateError, Trigger, open_image
from lxdimage.archive import Entry
from lxdimage.image import open_members
from lxdimage.templates import Action, RenderedFile, render_start, settle

_NUMBERS = count()

_TEMPLATES = {
    "a.tpl": b"{{ trigger }} {{ path }} {{ instance.name }} {{ instance.privileged }}\n",
    "bytes.tpl": b"\xff\xfe {{ instance.name }}\r\n\0",
    # What is volatile changes while the instance starts, before templates are rendered.
    "config.tpl": b"""\
{% for key, value in config sorted %}{% if not ("volatile." in key) %}{{ key }}={{ value }};{% endif %}{% endfor %}
{% for name, device in devices sorted %}{{ name }}:{% for key, value in device sorted %}{{ key }}={{ value }};
{% endfor %}{% endfor %}
{{ config_get("user.text", "") }}|{{ config_get("user.text", "")|length }}|{{ config_get("image.os", "") }}
""",
}

# Targets that work, each with more of the rule; what the root has for them follows.
_RULES = {
    "/etc/config": "template: config.tpl",
    "/etc/bytes": "template: bytes.tpl",
    "/etc/always": "when: [create, copy, rename, start]",
    "/etc/created": "when: [create]",
    "/etc/started": "when: [start]",
    "/etc/copied": "when: [copy]",
    "/etc/renamed": "when: [rename]",
    "/etc/once": "create_only: true",
    "///opt//new/./file": "",
    "var/deep/er/file": "",
    "/etc/file/../cleaned": "",
    "/etc/slash/": "",
    "/etc/dir-link/../beside": "",
    "/etc/with blank\\nand more \\u00e9": "",
    "/etc/existing": "mode: rwx, uid: nobody",
    "/etc/setuid": "",
    "/etc/second-name": "",
    "/etc/link": "",
    "/etc/chain": "",
    "/etc/dangling": "",
    "/etc/dir-link/new": "",
    "/etc/dir-link/deep/new": "",
    "/etc/kept": "create_only: true",
    "/etc/kept-dangling": "create_only: true",
    "/etc/circle": "create_only: true",
    "/etc/file/below": "create_only: true",
    "/etc": "create_only: true",
    "/": "create_only: true",
    "/etc/mode-three": "mode: '640', uid: '7', gid: '8'",
    "/etc/mode-decimal": "mode: '4755'",
    "/etc/mode-hex": "mode: 0x1FF",
    "/etc/mode-minus": "mode: '-5'",
    "/etc/owner-minus": "uid: '-1'",
    "/etc/owner-wraps": "uid: '4294967301'",
}

_ROOT = (
    *map(
        directory,
        ("rootfs/", *(f"rootfs/{name}/" for name in ("bin", "dev", "etc", "proc", "sbin", "sys", "srv"))),
    ),
    file("rootfs/sbin/init", "#!/bin/busybox sh\nwhile :; do /bin/busybox sleep 3600; done\n"),
    file("rootfs/etc/file", "a file\n"),
    file("rootfs/etc/existing", "more than will be written, so that it must be cut\n" * 9),
    header(
        "rootfs/etc/setuid", tarfile.REGTYPE, 0, (100, b"0006751\0"), (108, b"0000007\0"), (116, b"0000010\0")
    ),
    file("rootfs/etc/first-name", "old\n"),
    header("rootfs/etc/second-name", tarfile.LNKTYPE, link="rootfs/etc/first-name"),
    header("rootfs/etc/link", tarfile.SYMTYPE, link="../srv/linked"),
    file("rootfs/srv/linked", "old\n"),
    header("rootfs/etc/chain", tarfile.SYMTYPE, link="chain-2"),
    header("rootfs/etc/chain-2", tarfile.SYMTYPE, link="../srv/chained"),
    file("rootfs/srv/chained", "old\n"),
    header("rootfs/etc/dangling", tarfile.SYMTYPE, link="../srv/dangled"),
    header("rootfs/etc/dir-link", tarfile.SYMTYPE, link="../srv"),
    file("rootfs/etc/kept", "kept\n"),
    header("rootfs/etc/kept-dangling", tarfile.SYMTYPE, link="nowhere"),
    header("rootfs/etc/circle", tarfile.SYMTYPE, link="circle"),
)

# Rules that no instance survives, with what the root has for each.
_REFUSED: Mapping[str, tuple[str, tuple[bytes, ...]]] = {
    "outside": ("/../x: {template: a.tpl}", ()),
    "link to a file of the host": (
        "/etc/x: {template: a.tpl, create_only: true}",
        (header("rootfs/etc/x", tarfile.SYMTYPE, link="/etc/hostname"),),
    ),
    "link through a directory that is not there": (
        "/etc/x: {template: a.tpl}",
        (header("rootfs/etc/x", tarfile.SYMTYPE, link="../run/none/x"),),
    ),
    "below a dangling link": (
        "/etc/x/y: {template: a.tpl}",
        (header("rootfs/etc/x", tarfile.SYMTYPE, link="none"),),
    ),
    "below a file": ("/etc/file/x: {template: a.tpl}", ()),
    "a directory": ("/etc: {template: a.tpl}", ()),
    "no template": ("/etc/file: {template: none.tpl, create_only: true}", ()),
    "a template beside": ("/etc/x: {template: ./a.tpl}", ()),
    "a template that fails": ("/etc/x: {template: fails.tpl}", ()),
    "null": ("/etc/x: ~", ()),
}


@attrs.define
class State:
    """What a file is on disk, owners as the instance sees them."""

    kind: str
    mode: int
    uid: int | None
    gid: int | None
    content: bytes | str = b""


Tree: TypeAlias = dict[str, State]


def build(path: Path, rules: str, members: tuple[bytes, ...]) -> Path:
    """Write an image."""
    text = (
        f"architecture: x86_64\ncreation_date: 1600000000\nproperties: {{os: busybox}}\ntemplates:\n{rules}"
    )
    templates = {**_TEMPLATES, "fails.tpl": b"{{ config_get('a') }}"}
    files = [file(f"templates/{name}", content) for name, content in templates.items()]
    busybox = file("rootfs/bin/busybox", Path(shutil.which("busybox") or "").read_bytes())
    path.write_bytes(archive(metadata(text), directory("templates/"), *files, *_ROOT, *members, busybox))
    return path


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with a rule for everything that works."""
    need("busybox")
    defaults = {"when": "[create]", "template": "a.tpl"}
    lines = []
    for target, more in _RULES.items():
        rule = [f"{key}: {value}" for key, value in defaults.items() if f"{key}:" not in more]
        lines.append(f'  "{target}": {{{", ".join([*rule, *filter(None, [more])])}}}\n')
    return build(tmp_path_factory.mktemp("image") / "image", "".join(lines), ())


@contextmanager
def imported(daemon: Daemon, path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Import an image; give its fingerprint and a function that makes names of instances, deleted in the end."""
    verdict = daemon.import_image(path)
    assert verdict.fingerprint, verdict.error
    names: list[str] = []

    def name() -> str:
        names.append(f"templates-{next(_NUMBERS)}")
        return names[-1]

    try:
        yield verdict.fingerprint, name
    finally:
        for instance in names:
            if daemon.root(instance).exists():
                delete(daemon, instance)
        daemon.delete_image(verdict.fingerprint)


def delete(daemon: Daemon, name: str) -> None:
    """Delete an instance; LXD is busy with one for some seconds after it has failed to start."""
    for _ in range(20):
        try:
            daemon.delete(name)
        except DaemonError as error:
            if "busy" not in str(error):
                raise
            time.sleep(2)
        else:
            return
    pytest.fail(f"{name} stays busy")


# ── what is, and what is foretold ──


def tree(daemon: Daemon, name: str) -> Tree:
    """Return everything below an instance's root."""
    root = daemon.root(name) / "rootfs"
    shift = root.stat()
    found: Tree = {}
    for path in root.rglob("*"):
        status = path.lstat()
        kind = stat.filemode(status.st_mode)[0]
        content: bytes | str = b""
        if kind == "-":
            content = path.read_bytes()
        elif kind == "l":
            content = os.readlink(path)  # noqa: PTH115 - as text
        owner = status.st_uid - shift.st_uid, status.st_gid - shift.st_gid
        found[str(path.relative_to(root))] = State(kind, stat.S_IMODE(status.st_mode), *owner, content)
    return found


def entries(path: Path) -> dict[str, Entry]:
    """Return the members of an image's root."""
    with open_members(path) as members:
        return {
            item.path.removeprefix("rootfs/").strip("/"): item.member.entry
            for item in members
            if item.path.startswith("rootfs/")
        }


def instance_of(daemon: Daemon, name: str) -> Instance:
    """Return the instance as the daemon tells of it."""
    record = daemon.instance(name)
    return Instance(
        name=name,
        architecture=record["architecture"],
        ephemeral=record["ephemeral"],
        config=record["expanded_config"],
        devices=record["expanded_devices"],
    )


def write(before: Tree, files: Mapping[str, RenderedFile]) -> None:
    """Do to a tree what the files mean."""
    same_file = {"etc/second-name": "etc/first-name"}
    for path, rendered in files.items():
        if rendered.action is Action.KEEP:
            continue
        place = rendered.leads_to or path
        if place not in before:
            mode = 0o644 if rendered.mode is None else rendered.mode
            before[place] = State("-", mode, rendered.uid, rendered.gid)
            for above in list(Path(place).parents)[:-1]:
                before.setdefault(str(above), State("d", 0o755, 0, 0))
        before[place].content = rendered.content
        if place in same_file:
            before[same_file[place]].content = rendered.content


def foretold(daemon: Daemon, image: Image, name: str, path: Path, recorded: Trigger | None) -> Tree:
    """Return what the next start makes of an instance."""
    expected = tree(daemon, name)
    root = entries(path)
    files = render_start(
        image,
        instance_of(daemon, name),
        recorded=recorded,
        # What an earlier start wrote is there as well as what the image brings.
        exists=lambda place: root.get(place) or place in expected,
        target=daemon.target,
    )
    write(expected, settle(files))
    return expected


def start(daemon: Daemon, image: Image, name: str, path: Path, recorded: Trigger | None) -> None:
    """Start an instance and compare all of it with what was foretold, then stop it."""
    expected = foretold(daemon, image, name, path, recorded)
    daemon.start(name)
    compare(expected, tree(daemon, name))
    daemon.stop(name)


def compare(expected: Tree, found: Tree) -> None:
    for path, state in expected.items():
        if state.uid is None and path in found:
            state.uid, state.gid = found[path].uid, found[path].gid
    assert expected == found


# ── what must agree ──


def test_files_are_those_foretold_at_every_start(daemon: Daemon, image_file: Path) -> None:
    """The first, one after it, and those of a copy and of a renamed instance."""
    image = open_image(image_file, target=daemon.target)
    with imported(daemon, image_file) as (fingerprint, name):
        first, copied, renamed = name(), name(), name()
        daemon.create(first, fingerprint, config={"user.text": "one\ntwo\r\n\n"})
        start(daemon, image, first, image_file, Trigger.CREATE)
        start(daemon, image, first, image_file, None)
        daemon.copy(first, copied)
        start(daemon, image, copied, image_file, Trigger.COPY)
        daemon.rename(first, renamed)
        start(daemon, image, renamed, image_file, Trigger.RENAME)


def test_a_recorded_trigger_is_never_overwritten(daemon: Daemon, image_file: Path) -> None:
    """A copy of what was never started is a copy; a rename before the first start is a creation."""
    image = open_image(image_file, target=daemon.target)
    with imported(daemon, image_file) as (fingerprint, name):
        first, copied, renamed = name(), name(), name()
        daemon.create(first, fingerprint)
        daemon.copy(first, copied)
        start(daemon, image, copied, image_file, Trigger.COPY)
        daemon.rename(first, renamed)
        start(daemon, image, renamed, image_file, Trigger.CREATE)


def test_a_restart_runs_only_the_rules_for_a_start(daemon: Daemon, image_file: Path) -> None:
    image = open_image(image_file, target=daemon.target)
    with imported(daemon, image_file) as (fingerprint, name):
        first = name()
        daemon.create(first, fingerprint, config={"security.privileged": "true"})
        daemon.start(first)
        expected = foretold(daemon, image, first, image_file, None)
        daemon.restart(first)
        compare(expected, tree(daemon, first))


def test_the_command_line_shows_what_an_instance_holds(
    daemon: Daemon, image_file: Path, tmp_path: Path
) -> None:
    """From the image and from what the client shows of the instance before its first start."""
    with imported(daemon, image_file) as (fingerprint, name):
        first = name()
        daemon.create(first, fingerprint, config={"user.text": "one\ntwo\n", "security.privileged": "true"})
        shown = tmp_path / "shown.yaml"
        shown.write_bytes(ask(daemon, "config", "show", "--expanded", first))
        expected = tree(daemon, first)
        command = [sys.executable, "-m", "lxdimage", "render", str(image_file), "--name", first, "--json"]
        command += ["--config-file", str(shown), "--target", daemon.target.value]
        rendered = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)
        daemon.start(first)
        found = tree(daemon, first)
    for told in rendered:
        place = told["leads_to"] or told["path"]
        if told["action"] == "keep":
            assert found.get(place) == expected.get(place)
            continue
        content = (
            base64.b64decode(told["content_base64"]) if told["content"] is None else told["content"].encode()
        )
        assert content == found[place].content
        if told["mode"]:
            assert (told["mode"], told["uid"], told["gid"]) == (
                f"{found[place].mode:04o}",
                found[place].uid,
                found[place].gid,
            )
    written = {path for path in found if found[path] != expected.get(path) and found[path].kind == "-"}
    assert written <= {told["leads_to"] or told["path"] for told in rendered} | {"etc/first-name"}


def ask(daemon: Daemon, *arguments: str) -> bytes:
    """Return what the daemon's client prints."""
    environment = daemon.program.environment(daemon.directory)
    command = [daemon.program.client, *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def test_what_is_foretold_to_fail_fails(daemon: Daemon, tmp_path: Path) -> None:
    """All at once: LXD 5.0 takes half a minute to give up."""
    need("busybox")

    def starts(case: str) -> tuple[bool, bool]:
        rule, members = _REFUSED[case]
        rule = rule.replace("{", "{when: [create], ")
        path = build(tmp_path / f"{list(_REFUSED).index(case)}", f"  {rule}\n", members)
        image = open_image(path, target=daemon.target)
        with imported(daemon, path) as (fingerprint, name):
            instance = name()
            daemon.create(instance, fingerprint)
            try:
                foretold(daemon, image, instance, path, Trigger.CREATE)
                expected = True
            except TemplateError:
                expected = False
            try:
                daemon.start(instance)
            except DaemonError:
                return expected, False
            return expected, True

    with ThreadPoolExecutor(len(_REFUSED)) as threads:
        verdicts = dict(zip(_REFUSED, threads.map(starts, _REFUSED), strict=True))
    assert dict.fromkeys(_REFUSED, (False, False)) == verdicts
