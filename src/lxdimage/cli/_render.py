"""``lxdimage render``."""

from __future__ import annotations

import argparse
import os
import posixpath
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from lxdimage._sources import FileArgument
from lxdimage.archive import Entry, EntryType
from lxdimage.cli._failures import perhaps_unread
from lxdimage.cli._instance import add_instance, instance_of
from lxdimage.cli._options import add_files, add_limits, add_targets, files_of, limits_of
from lxdimage.cli._output import bold, print_json, print_notes, say, wants_colour
from lxdimage.cli._rendered import compare, file_json, header, text_lines, write_tree
from lxdimage.errors import LimitExceededError, TemplateError
from lxdimage.image import Image, arrange_files, open_image, open_members
from lxdimage.limits import Limits
from lxdimage.metadata import Trigger
from lxdimage.targets import Target
from lxdimage.templates import Action, Instance, RenderedFile, render_trigger, settle

__all__ = ["configure", "run"]

_ROUNDS = 8
"""How often the root is read to see where links lead."""
_DEEPEST = 100
"""Directories on the way to a target that are looked at."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    parser.add_argument(
        "--trigger",
        action="append",
        choices=[trigger.value for trigger in Trigger],
        help="what happens to the instance (may be repeated; default: create, then start, as at the first start)",
    )
    add_targets(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON array")
    how.add_argument(
        "-o",
        "--output",
        type=_directory,
        metavar="DIR",
        help="write the files below DIR, a new or empty directory",
    )
    how.add_argument(
        "--diff",
        type=_directory,
        metavar="DIR",
        help="compare with the files below DIR; exit 1 when they differ",
    )
    add_instance(parser)
    add_limits(parser)
    parser.epilog = "Exit status 1 means that the instance would not start, or a difference with --diff."


def _directory(text: str) -> Path:
    """Return the path of a directory; that of an empty name would be the current one."""
    if not text:
        raise argparse.ArgumentTypeError("expected a directory, found ''")
    return Path(text)


def run(arguments: argparse.Namespace) -> int:
    """Render, and print, write or compare the files."""
    files, _ = arrange_files(*files_of(arguments.files))
    target, limits = Target(arguments.target), limits_of(arguments)
    image = open_image(*files, target=target, limits=limits)
    instance = instance_of(image, arguments)
    existing = {} if instance.is_virtual_machine else _existing(image, files, target, limits)
    triggers = arguments.trigger or ["create", "start"]
    try:
        rendered = settle(_rendered(image, triggers, instance, existing, target, limits))
    except (TemplateError, LimitExceededError) as error:
        source = arguments.files[0]
        found = [attrs.evolve(found, source=f"{source}:{found.source}") for found in error.diagnostics]
        if isinstance(error, LimitExceededError):
            raise LimitExceededError(*found) from error
        print_notes(found)
        return 1
    return _show([rendered[path] for path in sorted(rendered)], arguments)


def _rendered(
    image: Image,
    triggers: Iterable[str],
    instance: Instance,
    found: Mapping[str, Entry],
    target: Target,
    limits: Limits,
) -> Iterator[RenderedFile]:
    """Yield the files of one trigger after the other; what the first writes is there for the second."""
    written: dict[str, Entry] = {}
    for trigger in triggers:
        for file in render_trigger(
            image,
            trigger,
            instance,
            exists=lambda path: written.get(path) or found.get(path),
            target=target,
            limits=limits,
        ):
            if file.action is not Action.KEEP:
                written.update(_made_with(file.leads_to or file.path))
            yield file


def _made_with(path: str) -> Mapping[str, Entry]:
    """Return a file that is written, and the directories above it."""
    made = {path: Entry(path=path, type=EntryType.FILE)}
    while path := posixpath.dirname(path):
        made[path] = Entry(path=path, type=EntryType.DIRECTORY)
    return made


def _show(files: Sequence[RenderedFile], arguments: argparse.Namespace) -> int:
    if arguments.diff:
        lines = list(compare(files, arguments.diff))
        with perhaps_unread():
            print(*lines, sep="\n", end="\n" if lines else "")
        return int(bool(lines))
    if arguments.output is not None:
        write_tree(arguments.output, (file for file in files if file.action is not Action.KEEP))
    elif arguments.json:
        print_json([file_json(file) for file in files])
    else:
        colour = wants_colour(sys.stdout)
        for file in files:
            print(bold(header(file), colour=colour), *text_lines(file.content), sep="\n")
    if not files:
        say("lxdimage: no rule fires")
    return 0


# ---- what the root has already -------------------------------------------------------------------------------


def _existing(
    image: Image, files: Sequence[FileArgument], target: Target, limits: Limits
) -> Mapping[str, Entry]:
    """Return what the root has at the targets of rules, above them, and where links there lead."""
    wanted = set()
    for path in image.metadata.templates:
        wanted |= _steps(path)
    found: Mapping[str, Entry] = {}
    if not wanted:
        return found
    if not all(isinstance(file, str | os.PathLike) for file in files):
        say("lxdimage: standard input is read once, so the root is taken for empty")
        return found
    for _ in range(_ROUNDS):
        found = _look(files, wanted, limits)
        links = (entry for entry in found.items() if entry[1].type is EntryType.SYMLINK)
        further = {step for path, link in links for step in _steps(posixpath.dirname(path), link.target)}
        if further <= wanted:
            break
        wanted |= further
    if not target.traits.unpacks_dev:
        found = {path: entry for path, entry in found.items() if not path.startswith("dev/")}
    return found


def _steps(*parts: str) -> set[str]:
    """Return the way to a path: the directories above it, those that it only passes, and the path itself."""
    way: list[str] = []
    steps = set()
    for step in "/".join(parts).split("/", 2 * _DEEPEST):
        if step == "..":
            del way[-1:]
        elif step not in {"", "."} and len(way) < _DEEPEST:
            way.append(step)
            steps.add("/".join(way))
    return steps


def _look(files: Sequence[FileArgument], wanted: set[str], limits: Limits) -> Mapping[str, Entry]:
    """Read an image and return the wanted members of its root; directories need no member of their own."""
    found: dict[str, Entry] = {}
    parent = ""
    with open_members(*files, limits=limits) as members:
        for item in members:
            if not item.path.startswith("rootfs/"):
                continue
            path = posixpath.normpath(item.path.removeprefix("rootfs/").strip("/"))
            if path in wanted:
                found[path] = item.member.entry
            if (above := posixpath.dirname(path)) != parent:
                parent = above
                while above and above not in found:
                    if above in wanted:
                        found[above] = Entry(path=above, type=EntryType.DIRECTORY)
                    above = posixpath.dirname(above)
    return found
