"""``lxdimage cat``."""

from __future__ import annotations

import argparse
import sys

from lxdimage._sources import file_name
from lxdimage.archive import EntryType
from lxdimage.cli._options import add_limits, add_members, files_and_members, files_of, limits_of
from lxdimage.cli._output import print_notes
from lxdimage.diagnostics import escape
from lxdimage.image import ImageMember, arrange_files, open_members, plain_path
from lxdimage.rules import diagnose

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = (
        "Exit status 1 when a member is not there, or has no content of its own, such as a directory or a\n"
        "hard link."
    )
    add_members(parser, required=True)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the contents of the members, in the order of the image."""
    files, names = files_and_members(arguments, required=True)
    ordered, _ = arrange_files(*files_of(files))
    wanted = {plain_path(name): name for name in names}
    status = 0
    with open_members(*ordered, limits=limits_of(arguments)) as members:
        for item in members:
            if (path := plain_path(item.path)) in wanted:
                del wanted[path]
                status |= not _write(item)
            if not wanted:
                return status
    source = " + ".join(map(file_name, ordered))
    print_notes(
        diagnose("member-not-found", f"no member has the name {name!r}", source=source)
        for name in sorted(wanted.values())
    )
    return 1


def _write(item: ImageMember) -> bool:
    """Write the content of a member; tell whether it is one that has some, and what it is otherwise."""
    kind = item.member.type
    is_file = kind is EntryType.FILE
    if not is_file:
        described = kind.title
        link = f" to {escape(item.member.entry.target)!r}" if item.member.entry.target else ""
        print(f"lxdimage: {escape(item.path)!r} is a {described}{link}", file=sys.stderr)
    for chunk in item.member.chunks():
        sys.stdout.buffer.write(chunk)
    return is_file
