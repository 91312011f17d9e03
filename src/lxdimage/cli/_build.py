"""``lxdimage build``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import UTC, datetime

from lxdimage.build import build_image
from lxdimage.cli._options import file_argument, parse_size
from lxdimage.cli._output import Meter, size_text
from lxdimage.compression import Compression
from lxdimage.diagnostics import escape, render
from lxdimage.formats import ImageType, Layout

__all__ = ["configure", "run"]

_COMPRESSIONS = [
    compression.value
    for compression in Compression
    if compression not in {Compression.SQUASHFS, Compression.LZ4}
]
_EPILOG = """\
ROOTFS is a directory, a tar of the root file system with any compression, a SquashFS, or the qcow2 disk of a virtual
machine; '-' is standard input.  A directory with metadata.yaml and rootfs/ in it, and perhaps templates/, is packed
as 'lxc image import DIR' packs it.

Without --metadata, what is not given by other options is taken from the root file system itself.
The fingerprint goes to standard output.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    parser.add_argument("rootfs", metavar="ROOTFS", help="the root file system")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the image; of a split image the metadata file"
    )
    _add_metadata(parser.add_argument_group("metadata"))
    _add_root(parser.add_argument_group("root file system"))
    _add_form(parser.add_argument_group("form"))


def _add_metadata(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--metadata", metavar="FILE", help="a metadata.yaml; other options override it")
    group.add_argument("--templates", metavar="DIR", help="the template files")
    group.add_argument("--architecture", metavar="NAME", help="such as x86_64 or arm64")
    group.add_argument(
        "-p",
        "--property",
        dest="properties",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_property,
        help="such as os=Debian (may be repeated)",
    )
    group.add_argument("--creation-date", metavar="DATE", type=_date, help="seconds since 1970, or ISO 8601")
    group.add_argument("--expiry", metavar="DATE", type=_date, help="when the image expires")


def _add_root(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--vm", action="store_true", help="accept nothing but the disk of a virtual machine")
    group.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out paths, such as '*.pyc' or 'var/cache/*' (may be repeated)",
    )
    group.add_argument(
        "--map-owner",
        metavar="MAP",
        help="owners inside for owners here, INSIDE:OUTSIDE:COUNT[,...], such as 0:100000:65536",
    )
    group.add_argument(
        "--strip-prefix", metavar="N", type=int, default=0, help="leading components that names in a tar lose"
    )
    group.add_argument(
        "--source-date-epoch",
        metavar="N",
        type=int,
        help="later times become this one (default: the variable SOURCE_DATE_EPOCH)",
    )


def _add_form(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--split", action="store_true", help="two files, metadata and root, instead of one")
    group.add_argument(
        "--output-rootfs", metavar="FILE", help="the root file of a split image (default: OUTPUT.root)"
    )
    group.add_argument(
        "--rootfs-format",
        choices=["tar", "squashfs"],
        default="tar",
        help="of the root file of a split image",
    )
    group.add_argument("--compression", choices=_COMPRESSIONS, default="xz", help="default: xz")
    group.add_argument("--level", metavar="N", type=int, help="speed against size, by the format's own scale")
    group.add_argument("--threads", metavar="N", type=int, help="at most so many compress (default: all)")
    group.add_argument("--memory", metavar="SIZE", type=parse_size, help="what they may use (default: 1G)")


def _property(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"expected KEY=VALUE, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return key, value


def _date(text: str) -> int:
    """Return the seconds since 1970 of a number or of a date that ISO 8601 knows; without a zone it is UTC."""
    if re.fullmatch(r"-?\d{1,18}", text) and len(text) != 8:
        return int(text)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        message = f"expected seconds since 1970 or a date such as 2024-01-31, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


def _epoch(given: int | None) -> int | None:
    """Return the source date epoch, from the option or from the environment."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if given is not None or not text:
        return given
    if not re.fullmatch(r"\d{1,18}", text):
        message = f"the variable SOURCE_DATE_EPOCH is {text!r}, expected seconds since 1970"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Build the image, and print its fingerprint."""
    try:
        epoch = _epoch(arguments.source_date_epoch)
    except argparse.ArgumentTypeError as error:
        print(f"lxdimage: error: {escape(str(error))}", file=sys.stderr)
        return 2
    to_stdout = arguments.output == "-"
    with Meter("packing") as meter:
        built = build_image(
            file_argument(arguments.rootfs),
            sys.stdout.buffer if to_stdout else arguments.output,
            metadata=None if arguments.metadata is None else file_argument(arguments.metadata),
            templates=arguments.templates,
            architecture=arguments.architecture,
            creation_date=arguments.creation_date,
            expiry_date=arguments.expiry,
            properties=dict(arguments.properties),
            type=ImageType.VIRTUAL_MACHINE if arguments.vm else None,
            layout=Layout.SPLIT if arguments.split or arguments.output_rootfs else Layout.UNIFIED,
            output_rootfs=arguments.output_rootfs,
            rootfs_format=arguments.rootfs_format,
            compression=Compression(arguments.compression),
            level=arguments.level,
            threads=arguments.threads,
            memory=arguments.memory,
            source_date_epoch=epoch,
            exclude=arguments.exclude,
            map_owner=arguments.map_owner,
            strip_prefix=arguments.strip_prefix,
            progress=meter,
        )
    for note in built.notes:
        print(render(note), file=sys.stderr)
    for file in built.files:
        print(f"{escape(file.path)}: {size_text(file.size)}", file=sys.stderr)
    print(built.fingerprint, file=sys.stderr if to_stdout else sys.stdout)
    return 0
