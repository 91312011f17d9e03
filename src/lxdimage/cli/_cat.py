"""``lxdimage cat``."""

from __future__ import annotations

import argparse
import sys

from lxdimage.archive import EntryType
from lxdimage.cli._options import add_limits, add_members, files_and_members, files_of, limits_of
from lxdimage.cli._usage import UsageError
from lxdimage.diagnostics import escape
from lxdimage.image import ImageMember, arrange_files, open_members

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_members(parser, required=True)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the contents of the members, in the order of the image."""
    files, names = files_and_members(arguments, required=True)
    ordered, _ = arrange_files(*files_of(files))
    wanted = {name.strip("/") for name in names}
    with open_members(*ordered, limits=limits_of(arguments)) as members:
        for item in members:
            if item.path.strip("/") in wanted:
                wanted.discard(item.path.strip("/"))
                _write(item)
            if not wanted:
                return 0
    missing = ", ".join(repr(escape(name)) for name in sorted(wanted))
    raise UsageError(f"no member {missing}; 'lxdimage ls' lists them")


def _write(item: ImageMember) -> None:
    kind = item.member.type
    if kind is not EntryType.FILE:
        described = kind.title
        link = f" to {escape(item.member.entry.target)!r}" if item.member.entry.target else ""
        print(f"lxdimage: {escape(item.path)!r} is a {described}{link}", file=sys.stderr)
    for chunk in item.member.chunks():
        sys.stdout.buffer.write(chunk)
