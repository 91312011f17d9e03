"""What becomes of template rules is what real daemons made of them."""

from __future__ import annotations

import base64
import io
import json
import posixpath
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
from lxdimage.templates._lifecycle import (
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
BASE = [{"name": f"rootfs/{name}", "type": "directory"} for name in ("", "dev/", "etc/", "proc/", "sbin/", "sys/")]
ROOT_DISK = {"path": "/", "pool": "default", "type": "disk"}

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
        known = {"mode": "0644", "uid": 0, "gid": 0, "content": content_of(member).decode("utf-8", "backslashreplace")}
        root[path] = {**known, **member}
        if member.get("type") == "hard_link":
            root[path] = root[str(member["target"]).removeprefix("rootfs/")]
    return root


def entries(root: Root) -> dict[str, Entry]:
    return {
        path: Entry(path=path, type=EntryType[found.get("type", "file").upper()], target=found.get("target", ""))
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
                assert (expected["mode"], expected["uid"], expected["gid"]) == (
                    found["mode"],
                    found["uid"],
                    found["gid"],
                ), path


def ordered(content: str, case: str) -> object:
    """Return *content*, in a fixed order where the daemons have none."""
    if case != "tpl-instance-keys":
        return content
    return [sorted(line.split(";")) for line in content.splitlines()]


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
        name=name, config={**plain.config, **volatile, **given}, devices=plain.devices, architecture=plain.architecture
    )
