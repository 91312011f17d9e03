"""``lxdimage render``."""

from __future__ import annotations

import argparse
import difflib
import os
import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from lxdimage._sources import FileArgument
from lxdimage.archive import Entry
from lxdimage.cli._options import add_files, add_limits, add_targets, file_argument, limits_of
from lxdimage.cli._output import bold, print_json, wants_colour
from lxdimage.diagnostics import escape, render
from lxdimage.errors import TemplateError
from lxdimage.image import Image, arrange_files, open_image, open_members
from lxdimage.limits import Limits
from lxdimage.metadata import Trigger
from lxdimage.targets import Target
from lxdimage.templates import Action, Instance, RenderedFile, render_trigger

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    parser.add_argument(
        "--trigger",
        action="append",
        choices=[trigger.value for trigger in Trigger],
        help="what happens to the instance (may be repeated; default: create, then start, as at the first start)",
    )
    parser.add_argument("--name", default="instance", help="the instance's name")
    parser.add_argument("--architecture", help="the instance's architecture (default: the image's)")
    parser.add_argument(
        "-c", "--config", metavar="KEY=VALUE", action="append", default=[], help="a configuration key"
    )
    parser.add_argument(
        "-d",
        "--device",
        metavar="NAME,KEY=VALUE...",
        action="append",
        default=[],
        help="a device of the instance",
    )
    parser.add_argument(
        "--config-file", metavar="FILE", help="YAML with config: and devices:, as 'config show' prints"
    )
    parser.add_argument("--privileged", action="store_true", help="the instance is a privileged container")
    parser.add_argument("--ephemeral", action="store_true", help="the instance is ephemeral")
    parser.add_argument(
        "--vm", action="store_true", help="the instance is a virtual machine (default: as the image)"
    )
    add_targets(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON array")
    how.add_argument(
        "-o", "--output", metavar="DIR", help="write the files below DIR, a new or empty directory"
    )
    how.add_argument(
        "--diff", metavar="DIR", help="compare with the files below DIR; exit 1 when they differ"
    )
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Render, and print, write or compare the files."""
    files, _ = arrange_files(*map(file_argument, arguments.files))
    target, limits = Target(arguments.target), limits_of(arguments)
    image = open_image(*files, target=target, limits=limits)
    found = _existing(image, files, limits)
    rendered: dict[str, RenderedFile] = {}
    try:
        for trigger in arguments.trigger or ["create", "start"]:
            for file in render_trigger(
                image,
                trigger,
                _instance(image, arguments),
                exists=lambda path: found.get(path) or path in rendered,
                target=target,
                limits=limits,
            ):
                rendered[file.path] = file
    except TemplateError as error:
        for diagnostic in error.diagnostics:
            print(render(diagnostic, colour=wants_colour(sys.stderr)), file=sys.stderr)
        return 1
    return _show([rendered[path] for path in sorted(rendered)], arguments)


def _show(files: Sequence[RenderedFile], arguments: argparse.Namespace) -> int:
    if arguments.diff:
        return _compare(files, Path(arguments.diff))
    if arguments.output:
        write_tree(
            Path(arguments.output), {file.path: file for file in files if file.action is not Action.KEEP}
        )
    elif arguments.json:
        print_json([_json(file) for file in files])
    else:
        colour = wants_colour(sys.stdout)
        for file in files:
            print(bold(_header(file), colour=colour), flush=True)
            sys.stdout.buffer.write(file.content)
            if file.content and not file.content.endswith(b"\n"):
                print("\n\\ no newline at the end", flush=True)
            sys.stdout.buffer.flush()
    return 0


def _header(file: RenderedFile) -> str:
    mode = "" if file.mode is None else f", mode {file.mode:04o}, owner {file.uid}:{file.gid}"
    return f"==> {escape(file.path)} ({file.trigger.value}: {file.action.value}{mode})"


def _json(file: RenderedFile) -> dict[str, object]:
    return {
        "path": file.path,
        "content": file.content.decode("utf-8", "surrogateescape"),
        "mode": None if file.mode is None else f"{file.mode:04o}",
        "uid": file.uid,
        "gid": file.gid,
        "rule": file.rule,
        "trigger": file.trigger.value,
        "action": file.action.value,
    }


# ---- the instance --------------------------------------------------------------------------------------------


def _instance(image: Image, arguments: argparse.Namespace) -> Instance:
    config = {f"image.{key}": value for key, value in image.metadata.properties.items() if value}
    devices: dict[str, dict[str, str]] = {}
    if arguments.config_file:
        file = _config_file(arguments.config_file)
        config |= file.config
        devices |= file.devices
    config |= dict(_pair(text) for text in arguments.config)
    for text in arguments.device:
        name, *pairs = text.split(",")
        devices[name] = dict(_pair(pair) for pair in pairs)
    return Instance(
        name=arguments.name,
        architecture=arguments.architecture or image.metadata.architecture,
        type="virtual-machine" if arguments.vm else image.type,
        privileged=arguments.privileged,
        ephemeral=arguments.ephemeral,
        config=config,
        devices=devices,
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        message = f"lxdimage: error: expected KEY=VALUE, found {escape(text)!r}"
        raise SystemExit(_usage(message))
    return key, value


def _usage(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


@attrs.frozen
class _ConfigFile:
    config: dict[str, str]
    devices: dict[str, dict[str, str]]


def _config_file(name: str) -> _ConfigFile:
    """Read what ``config show --expanded`` printed; all values are texts, as they are in the daemons."""
    import yaml

    try:
        with open(name, "rb") as file:  # noqa: PTH123 - as every other file argument
            found = yaml.load(file, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    except yaml.YAMLError as error:
        raise SystemExit(_usage(f"lxdimage: error: {escape(name)}: {escape(str(error))}")) from error
    if not isinstance(found, dict):
        raise SystemExit(
            _usage(f"lxdimage: error: {escape(name)}: expected a mapping with config: and devices:")
        )
    config = found.get("expanded_config") or found.get("config") or {}
    devices = found.get("expanded_devices") or found.get("devices") or {}
    return _ConfigFile(_texts(config), {str(key): _texts(device) for key, device in _items(devices)})


def _items(mapping: object) -> Iterator[tuple[object, object]]:
    yield from mapping.items() if isinstance(mapping, dict) else ()


def _texts(mapping: object) -> dict[str, str]:
    return {str(key): value for key, value in _items(mapping) if isinstance(value, str)}


# ---- what the root has already -------------------------------------------------------------------------------


def _existing(image: Image, files: Sequence[FileArgument], limits: Limits) -> Mapping[str, Entry]:
    """Return what the root has at the targets of the rules and above them, as far as the image can be read twice."""
    wanted = set()
    for path in image.metadata.templates:
        parts = posixpath.normpath(path.lstrip("/") or ".").split("/")
        wanted |= {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    if not wanted or not all(isinstance(file, str | os.PathLike) for file in files):
        return {}
    if image.type.value == "virtual-machine":
        return {}
    found = {}
    with open_members(*files, limits=limits) as members:
        for item in members:
            path = item.path.strip("/").removeprefix("rootfs/")
            if path in wanted and item.path.startswith("rootfs/"):
                found[path] = item.member.entry
    return found


# ---- files on disk -------------------------------------------------------------------------------------------


def write_tree(root: Path, files: Mapping[str, RenderedFile]) -> None:
    """Write *files* below *root*, which must be new or empty, so that nothing in it can lead elsewhere."""
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(17, "the directory is not empty", str(root))
    for path, file in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        if file.mode is not None:
            place.chmod(file.mode)


def _compare(files: Sequence[RenderedFile], root: Path) -> int:
    """Print how the files differ from those below *root*."""
    expected = {os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    rendered = {file.path: file.content for file in files if file.action is not Action.KEEP}
    different = False
    for path in sorted(expected | set(rendered)):
        before = (root / path).read_bytes() if path in expected else b""
        after = rendered.get(path, b"")
        if before != after or (path in expected) != (path in rendered):
            different = True
            print("\n".join(_diff(path, before, after, known=path in expected, rendered=path in rendered)))
    return int(different)


def _diff(path: str, before: bytes, after: bytes, *, known: bool, rendered: bool) -> Iterator[str]:
    lines = difflib.unified_diff(
        *(escape_lines(data) for data in (before, after)),
        fromfile=f"expected/{escape(path)}" if known else "/dev/null",
        tofile=f"rendered/{escape(path)}" if rendered else "/dev/null",
        lineterm="",
    )
    found = list(lines)
    yield from found or [f"{'rendered' if rendered else 'expected'} only: {escape(path)} (empty)"]


def escape_lines(data: bytes) -> list[str]:
    """Return the lines of *data*, safe to print; a missing newline at the end shows as a line of its own."""
    lines = [escape(line.decode("utf-8", "surrogateescape")) for line in data.split(b"\n")]
    if lines[-1] == "":
        return lines[:-1]
    return [*lines, "\\ no newline at the end"]
