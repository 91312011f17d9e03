"""``lxdimage extract``."""

from __future__ import annotations

import argparse
import sys

from lxdimage.cli._options import add_limits, add_members, files_and_members, files_of, limits_of
from lxdimage.cli._output import Meter, say, wants_colour
from lxdimage.diagnostics import Severity, escape, render
from lxdimage.extract import extract_image
from lxdimage.image import arrange_files

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_members(parser, required=False)
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="the directory, made when missing"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="write into a directory that has something in it"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    add_limits(parser)
    parser.epilog = (
        "A directory stands for all that is below it.  The root of a split image goes to rootfs/.\n"
        "Nothing outside the directory is touched, and no symbolic link is followed.  Exit status 1\n"
        "when a member is not there or had to be left out; owners and devices that only root may set\n"
        "are a warning."
    )


def run(arguments: argparse.Namespace) -> int:
    """Extract the members and say what was not as the image has it."""
    files, names = files_and_members(arguments, required=False)
    ordered, _ = arrange_files(*files_of(files))
    with Meter("extract") as meter:
        done = extract_image(
            *ordered,
            to=arguments.output,
            members=names or None,
            overwrite=arguments.overwrite,
            limits=limits_of(arguments),
            progress=meter,
        )
    failed = False
    for finding in done.diagnostics:
        failed = failed or finding.severity is Severity.ERROR
        if finding.severity is Severity.ERROR or not arguments.quiet:
            say(render(finding, colour=wants_colour(sys.stderr)))
    if not arguments.quiet:
        noun = "member" if done.members == 1 else "members"
        say(f"{done.members:,} {noun} extracted to {escape(done.path)}")
    return 1 if failed else 0
