"""Options and words that the verbs share which write images."""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import UTC, datetime
from typing import BinaryIO

from lxdimage.build import BuiltImage, OutputTarget
from lxdimage.cli._options import number_parser, parse_pair
from lxdimage.cli._output import print_notes, say, size_text
from lxdimage.cli._usage import UsageError
from lxdimage.compression import Compression
from lxdimage.diagnostics import escape
from lxdimage.formats import Layout

__all__ = [
    "COMPRESSIONS",
    "add_effort",
    "add_form",
    "add_metadata",
    "add_output",
    "add_properties",
    "layout_of",
    "output_of",
    "parse_creation_date",
    "print_built",
    "source_date_epoch",
]

COMPRESSIONS = [compression.value for compression in Compression if compression is not Compression.SQUASHFS]


def add_output(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add where to write."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=required,
        help="the new image, '-' for standard output; of a split image the metadata file",
    )
    parser.add_argument(
        "--output-rootfs",
        metavar="FILE",
        help="the root file of a split image, which it implies (default: OUTPUT.root)",
    )


def output_of(arguments: argparse.Namespace) -> OutputTarget:
    """Return where to write."""
    output: str | BinaryIO = sys.stdout.buffer if arguments.output == "-" else arguments.output
    return output if arguments.output_rootfs is None else (output, arguments.output_rootfs)


def add_form(group: argparse._ArgumentGroup, *, layout: str, compression: str, rootfs_format: str) -> None:
    """
    Add how many files there are and how they are compressed.

    Args:
        group: Where to add it.
        layout: What the help says is the default.
        compression: What the help says is the default.
        rootfs_format: What the help says is the default.
    """
    group.add_argument(
        "--layout", choices=[found.value for found in Layout], help=f"one file or two (default: {layout})"
    )
    split = Layout.SPLIT.value
    group.add_argument(
        "--split", dest="layout", action="store_const", const=split, help=f"short for --layout {split}"
    )
    group.add_argument("--compression", choices=COMPRESSIONS, help=f"default: {compression}")
    group.add_argument(
        "--rootfs-format",
        choices=["tar", "squashfs"],
        help=f"of the root file of a split image, which it implies (default: {rootfs_format})",
    )
    add_effort(group)


def add_effort(group: argparse._ArgumentGroup) -> None:
    """Add how hard it is compressed."""
    group.add_argument(
        "--level",
        metavar="N",
        type=number_parser(),
        help="speed against size, by the format's own scale: gzip and bzip2 1 to 9, xz and lzma 0 to 9, zstd 1 to 22 "
        "(default: the format's own, 6, 9, 6, 6 and 3; of a SquashFS root 9, 6 and 15 for gzip, xz and zstd)",
    )
    group.add_argument(
        "--threads",
        metavar="N",
        type=number_parser(0),
        help="at most so many compress, 0 for one on each processor (default: 0)",
    )


def layout_of(arguments: argparse.Namespace) -> Layout | None:
    """Return the layout that the options ask for: what only a split image has asks for one."""
    if arguments.layout is not None:
        return Layout(arguments.layout)
    return Layout.SPLIT if arguments.output_rootfs or arguments.rootfs_format else None


def add_metadata(group: argparse._ArgumentGroup) -> None:
    """Add a metadata.yaml, and what an image cannot be without."""
    group.add_argument("--metadata", metavar="FILE", help="a metadata.yaml; other options override it")
    group.add_argument("--architecture", metavar="NAME", help="such as x86_64 or arm64")
    group.add_argument(
        "--creation-date",
        metavar="DATE",
        type=parse_creation_date,
        help="seconds since 1970, or ISO 8601 (UTC unless it names a zone)",
    )


def add_properties(group: argparse._ArgumentGroup) -> None:
    """Add ``--property`` and ``--expiry``."""
    group.add_argument(
        "-p",
        "--property",
        dest="properties",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=parse_pair,
        help="such as os=Debian (may be repeated)",
    )
    group.add_argument(
        "--expiry",
        metavar="DATE",
        type=_expiry,
        help="when the image expires: seconds since 1970, ISO 8601 (UTC unless it names a zone), or 'never'",
    )


def _expiry(text: str) -> int:
    if re.fullmatch(r"(19|20)\d\d", text):  # a year, and not an hour in 1970
        message = f"expected seconds since 1970 or a date such as {text}-01-31, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return 0 if text == "never" else parse_date(text)


def parse_date(text: str) -> int:
    """Return the seconds since 1970 of a number or of a date that ISO 8601 knows; without a zone it is UTC."""
    if re.fullmatch(r"-?\d{1,18}", text) and len(text) != 8:
        return int(text)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        message = f"expected seconds since 1970 or a date such as 2024-01-31, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


def parse_creation_date(text: str) -> int:
    """Return the seconds of a date as `parse_date` does, but for the one that counts as none."""
    seconds = parse_date(text)
    if not seconds:
        message = f"expected a date other than 0 seconds since 1970, which counts as none, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return seconds


def source_date_epoch() -> int | None:
    """
    Return the variable SOURCE_DATE_EPOCH, None when there is none.

    Raises:
        UsageError: It is no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not re.fullmatch(r"[0-9]{0,18}", text):
        raise UsageError(f"the variable SOURCE_DATE_EPOCH is {escape(text)!r}, expected seconds since 1970")
    return int(text) if text else None


def print_built(built: BuiltImage, arguments: argparse.Namespace) -> None:
    """Print what was written: the fingerprint to standard output, unless that is the image, and the rest beside it."""
    if not arguments.quiet:
        print_notes(built.notes)
        for file in built.files:
            say(f"{escape(file.path)}: {size_text(file.size)}")
        if built.source is not None:
            say(f"old fingerprint: {built.source}")
    if arguments.output == "-":
        say(str(built.fingerprint))
    else:
        print(built.fingerprint)
