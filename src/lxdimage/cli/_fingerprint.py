"""``lxdimage fingerprint``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lxdimage._sources import FileArgument
from lxdimage.cli._options import add_files, digits_parser, files_of
from lxdimage.cli._output import print_notes
from lxdimage.errors import FingerprintMismatchError
from lxdimage.fingerprint import fingerprint_files

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    parser.add_argument(
        "--check",
        metavar="HEX",
        type=digits_parser(1),
        help="compare with a fingerprint or its beginning; exit 1 when it differs",
    )
    parser.epilog = "The files of a split image may come in either order: the metadata file counts first."


def run(arguments: argparse.Namespace) -> int:
    """Print the fingerprint, or compare it."""
    files: Sequence[FileArgument] = files_of(arguments.files)
    if len(files) == 2:
        from lxdimage.image import arrange_files  # a single file needs no look into it

        files, _ = arrange_files(*files)
    try:
        print(fingerprint_files(*files, expected=arguments.check))
    except FingerprintMismatchError as error:
        print_notes(error.diagnostics)
        return 1
    return 0
