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
        OSError: A file cannot be written; then none is left.
    """
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(17, "the directory is not empty", str(root))
    made: list[Path] = []
    try:
        for file in files:
            _write(root, file, made)
    except BaseException:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise


def _write(root: Path, file: RenderedFile, made: list[Path]) -> None:
    """Write one file and note what was made; step by step, since a target may be deeper than Python recurses."""
    place = root
    *above, name = file.path.split("/")
    for step in above:
        place /= step
        if not place.is_dir():
            place.mkdir()
            made.append(place)
    place /= name
    with place.open("xb") as stream:
        made.append(place)
        stream.write(file.content)
    if file.mode is not None:
        place.chmod(file.mode)


def compare(files: Sequence[RenderedFile], root: Path) -> Iterator[str]:
    """
    Yield how *files* differ from those below *root*, as a unified diff; one that is kept may be there or not.

    Raises:
        NotADirectoryError: There is no such directory.
    """
    if not root.is_dir():
        raise NotADirectoryError(20, "no such directory", str(root))
    expected = set(_files_below(root)) - {file.path for file in files if file.action is Action.KEEP}
    rendered = {file.path: file.content for file in files if file.action is not Action.KEEP}
    for path in sorted(expected | rendered.keys()):
        before = (root / path).read_bytes() if path in expected else None
        after = rendered.get(path)
        if before != after:
            yield from _difference(path, before, after)


def _files_below(root: Path) -> Iterator[str]:
    """Yield the paths of files below *root*, which may be deeper than Python recurses; links are not followed."""
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(root / directory) as entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)  # noqa: PTH118 - no path object for each file
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif entry.is_file():
                    yield path


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
