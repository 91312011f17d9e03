"""The files that `render_start` foretells are those that a real instance holds after its start."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from conformance.daemons import Daemon
from conformance.programs import need
from conformance.samples import archive, directory, file, header, metadata
from lxdimage import Image, Instance, Trigger, open_image
from lxdimage.templates import Action, RenderedFile, render_start

_RULES = {
    "/etc/created": "when: [create], template: context.tpl, properties: {a: '1', b: two}",
    "/etc/started": "when: [start], template: context.tpl",
    "/etc/copied": "when: [copy], template: context.tpl",
    "/etc/renamed": "when: [rename], template: context.tpl",
    "/etc/always": "when: [create, copy, rename, start], template: context.tpl",
    "/etc/once": "when: [create, start], create_only: true, template: context.tpl",
    "/etc/deep/er/down": "when: [create], template: config.tpl",
    "//etc/./odd/../spelled": "when: [create], template: config.tpl",
    "/etc/existing": "when: [create], template: config.tpl",
    "/etc/kept": "when: [create], create_only: true, template: config.tpl",
    "/etc/through-link": "when: [create], template: config.tpl",
    "etc/permissions": "when: [create], template: context.tpl, uid: '7', gid: '8', mode: '600'",
    "/etc/permissions-four": "when: [create], template: context.tpl, mode: '4755'",
    "/etc/bytes": "when: [create], template: bytes.tpl",
}

_TEMPLATES = {
    "context.tpl": b"""\
{{ trigger }} {{ path }} {{ instance.name }} {{ container.type }} {{ instance.architecture }}
{{ instance.privileged }} {{ instance.ephemeral }} {% if trigger == "create" %}equal{% else %}not equal{% endif %}
{% for key, value in properties sorted %}{{ key }}={{ value }};{% empty %}none{% endfor %}
""",
    "config.tpl": b"""\
{{ config_get("user.text", "default") }}|{{ config_get("user.none", "default") }}|{{ config_get("image.os", 5) }}
{{ config.plain }}|{{ devices.root.path }}|{{ devices.eth0.type }}|{{ "<&>" }}|{{ config_get("user.text", "")|upper }}
""",
    "bytes.tpl": b"\xff\xfe {{ instance.name }}\r\n\0",
}

# What is written through a symlink is the file it leads to.
_LINKS = {"etc/through-link": "etc/link-target"}

_CONFIG = {"user.text": "one\ntwo\n\n"}


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with a busybox root and a rule for every trigger."""
    need("busybox")
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    rules = "".join(f"  {target}: {{{rule}}}\n" for target, rule in _RULES.items())
    text = "architecture: x86_64\ncreation_date: 1600000000\nproperties: {os: busybox}\ntemplates:\n" + rules
    names = ("", "bin/", "dev/", "etc/", "proc/", "sbin/", "sys/", "tmp/")
    directories = [directory(f"rootfs/{name}") for name in names]
    files = [
        file("rootfs/bin/busybox", busybox),
        file("rootfs/sbin/init", "#!/bin/busybox sh\nwhile :; do /bin/busybox sleep 3600; done\n"),
        file("rootfs/etc/existing", "something longer that is there before the template is rendered\n" * 20),
        file("rootfs/etc/kept", "kept\n"),
        file("rootfs/etc/link-target", "old\n"),
        *(header(f"rootfs/{link}", tarfile.SYMTYPE, link=Path(to).name) for link, to in _LINKS.items()),
    ]
    templates = [file(f"templates/{name}", content) for name, content in _TEMPLATES.items()]
    path = tmp_path_factory.mktemp("image") / "image"
    path.write_bytes(archive(metadata(text), directory("templates/"), *templates, *directories, *files))
    return path


@pytest.fixture
def instances(daemon: Daemon, image_file: Path) -> Iterator[str]:
    """Import the image, give its fingerprint, and delete whatever was made of it."""
    verdict = daemon.import_image(image_file)
    assert verdict.fingerprint, verdict.error
    yield verdict.fingerprint
    for name in ("first", "copied", "renamed"):
        if daemon.root(name).exists():
            daemon.delete(name)
    daemon.delete_image(verdict.fingerprint)


def _foretold(daemon: Daemon, image: Image, name: str, recorded: Trigger | None) -> dict[str, RenderedFile]:
    """Return the last word on every file that the next start writes."""
    record = daemon.instance(name)
    root = daemon.root(name) / "rootfs"
    instance = Instance(
        name=name,
        architecture=record["architecture"],
        ephemeral=record["ephemeral"],
        config=record["expanded_config"],
        devices=record["expanded_devices"],
    )
    files: dict[str, RenderedFile] = {}
    for rendered in render_start(
        image,
        instance,
        recorded=recorded,
        exists=lambda path: os.path.lexists(root / path),
        target=daemon.target,
    ):
        files[rendered.path] = _after(files.get(rendered.path), rendered)
    return files


def _after(first: RenderedFile | None, second: RenderedFile) -> RenderedFile:
    """Return what remains of two rules that write one file: the second's text, the first's owner."""
    if first is None:
        return second
    if second.action is Action.KEEP:
        return first
    return attrs.evolve(first, content=second.content)


State = tuple[bytes, int, int, int]


def _states(root: Path) -> dict[str, State]:
    """Return content, mode and owner of every file below /etc, owners as the instance sees them."""
    shift = root.stat()
    states = {}
    for path in (root / "etc").rglob("*"):
        if path.is_file():
            found = path.stat()
            owner = found.st_uid - shift.st_uid, found.st_gid - shift.st_gid
            states[str(path.relative_to(root))] = (path.read_bytes(), stat.S_IMODE(found.st_mode), *owner)
    return states


def _expected(rendered: RenderedFile, before: State | None) -> State:
    """Return what a rule leaves of a file."""
    if rendered.action is Action.KEEP:
        assert before is not None
        return before
    if rendered.action is Action.OVERWRITE:
        assert before is not None
        return rendered.content, *before[1:]
    assert rendered.mode is not None
    assert rendered.uid is not None
    assert rendered.gid is not None
    return rendered.content, rendered.mode, rendered.uid, rendered.gid


def _check(daemon: Daemon, image: Image, name: str, recorded: Trigger | None) -> None:
    """Start an instance and compare all that it holds with what was foretold."""
    root = daemon.root(name) / "rootfs"
    expected = _states(root)
    for path, rendered in _foretold(daemon, image, name, recorded).items():
        expected[path] = _expected(rendered, expected.get(path))
    for link, target in _LINKS.items():
        expected[target] = expected[link]
    daemon.start(name)
    assert _states(root) == expected


def test_every_trigger(daemon: Daemon, instances: str, image_file: Path) -> None:
    """Create, restart, copy and rename: bytes, mode and owner of each file."""
    image = open_image(image_file, target=daemon.target)
    daemon.create("first", instances, config=_CONFIG)
    _check(daemon, image, "first", Trigger.CREATE)
    daemon.stop("first")
    _check(daemon, image, "first", None)
    daemon.stop("first")
    daemon.copy("first", "copied")
    _check(daemon, image, "copied", Trigger.COPY)
    daemon.rename("first", "renamed")
    _check(daemon, image, "renamed", Trigger.RENAME)
