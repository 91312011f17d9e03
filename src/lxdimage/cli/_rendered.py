"""Rendered files shown, written below a directory, or compared with one."""

from __future__ import annotations

import base64
import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lxdimage.diagnostics import escape
from lxdimage.templates import Action, RenderedFile

__all__ = ["compare", "file_json", "header", "text_lines", "write_tree"]


def header(file: RenderedFile) -> str:
    """Return what a person wants to know about a file in one line."""
    mode = "" if file.mode is None else f", mode {file.mode:04o}, owner {file.uid}:{file.gid}"
    through = "" if file.leads_to is None else f", which leads to {escape(file.leads_to)}"
    return f"==> {escape(file.path)}{through} ({file.trigger.value}: {file.action.value}{mode})"


def text_lines(data: bytes) -> list[str]:
    """Return the lines of *data*, safe to print; a missing newline at the end shows as a line of its own."""
    lines = [escape(line.decode("utf-8", "surrogateescape")) for line in data.split(b"\n")]
    if lines[-1] == "":
        return lines[:-1]
    return [*lines, "\\ no newline at the end"]


def file_json(file: RenderedFile) -> Mapping[str, object]:
    """Return a file as JSON has it; content that is not UTF-8 is null, and in base64 beside."""
    try:
        content: dict[str, object] = {"content": file.content.decode()}
    except UnicodeDecodeError:
        content = {"content": None, "content_base64": base64.b64encode(file.content).decode()}
    return {
        "path": file.path,
        **content,
        "mode": None if file.mode is None else f"{file.mode:04o}",
        "uid": file.uid,
        "gid": file.gid,
        "rule": file.rule,
        "trigger": file.trigger.value,
        "action": file.action.value,
        "leads_to": file.leads_to,
    }


def write_tree(root: Path, files: Iterable[RenderedFile]) -> None:
    """
    Write *files* below *root*, which must be new or empty, so that nothing in it can lead elsewhere.

    Raises:
        FileExistsError: Something is there.
    """
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(17, "the directory is not empty", str(root))
    for file in files:
        place = root / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as stream:
            stream.write(file.content)
        if file.mode is not None:
            place.chmod(file.mode)


def compare(files: Sequence[RenderedFile], root: Path) -> Iterator[str]:
    """
    Yield how *files* differ from those below *root*, as a unified diff.

    Raises:
        NotADirectoryError: There is no such directory.
    """
    if not root.is_dir():
        raise NotADirectoryError(20, "no such directory", str(root))
    expected = {os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    rendered = {file.path: file.content for file in files if file.action is not Action.KEEP}
    for path in sorted(expected | rendered.keys()):
        before = (root / path).read_bytes() if path in expected else None
        after = rendered.get(path)
        if before != after:
            yield from _difference(path, before, after)


def _difference(path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    names = (
        "/dev/null" if before is None else f"expected/{escape(path)}",
        "/dev/null" if after is None else f"rendered/{escape(path)}",
    )
    lines = difflib.unified_diff(text_lines(before or b""), text_lines(after or b""), *names, lineterm="")
    first = next(lines, None)
    if first is None:
        # One of them is empty and the other is not there.
        yield from (f"--- {names[0]}", f"+++ {names[1]}")
        return
    yield first
    yield from lines
