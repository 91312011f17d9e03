"""``lxdimage fingerprint``."""

from __future__ import annotations

import argparse
import sys

from lxdimage.cli._options import add_files, file_argument
from lxdimage.fingerprint import fingerprint_files

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    parser.add_argument(
        "--check", metavar="HEX", help="compare with a fingerprint or its beginning; exit 1 when it differs"
    )
    parser.epilog = "The files are taken in the order given: metadata first, root second."


def run(arguments: argparse.Namespace) -> int:
    """Print the fingerprint, or compare it."""
    fingerprint = fingerprint_files(*map(file_argument, arguments.files))
    if arguments.check is None or fingerprint.matches(arguments.check):
        print(fingerprint)
        return 0
    print(f"lxdimage: the fingerprint is {fingerprint}, expected {arguments.check!r}", file=sys.stderr)
    return 1
