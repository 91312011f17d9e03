"""``lxdimage build``."""

from __future__ import annotations

import argparse

from lxdimage.build import build_image
from lxdimage.cli._options import (
    add_limits,
    file_argument,
    files_of,
    limits_of,
    number_parser,
    parse_size,
)
from lxdimage.cli._output import Meter
from lxdimage.cli._template_rules import add_rules, rules_of
from lxdimage.cli._writing import (
    add_form,
    add_metadata,
    add_output,
    add_properties,
    layout_of,
    output_of,
    print_built,
    source_date_epoch,
)
from lxdimage.compression import Compression
from lxdimage.formats import ImageType, Layout

__all__ = ["configure", "run"]

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
    add_output(parser)
    _add_metadata(parser.add_argument_group("metadata"))
    _add_root(parser.add_argument_group("root file system"))
    form = parser.add_argument_group("form")
    add_form(form, layout="unified", compression="xz", rootfs_format="tar")
    form.add_argument(
        "--memory",
        metavar="SIZE",
        type=parse_size,
        help="what all threads may use, such as 500M (default: 1G)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the fingerprint")
    add_limits(parser)


def _add_metadata(group: argparse._ArgumentGroup) -> None:
    add_metadata(group)
    group.add_argument("--templates", metavar="DIR", help="the template files")
    add_properties(group)
    add_rules(group)


def _add_root(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--vm", action="store_true", help="accept nothing but the disk of a virtual machine")
    group.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out paths: '*.pyc' anywhere, 'var/cache/*' from the top, '**' for any directories (may be "
        "repeated)",
    )
    group.add_argument(
        "--map-owner",
        metavar="MAP",
        help="owners inside for owners here, INSIDE:OUTSIDE[:COUNT][,...], such as 0:100000:65536; behind u: or g: "
        "for users or groups alone",
    )
    group.add_argument(
        "--strip-prefix",
        metavar="N",
        type=number_parser(0),
        default=0,
        help="leading components that names in a tar lose (default: 0)",
    )
    group.add_argument(
        "--source-date-epoch",
        metavar="N",
        type=number_parser(0),
        help="later times become this one, in seconds since 1970 (default: the variable SOURCE_DATE_EPOCH)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the image, and print its fingerprint."""
    epoch = source_date_epoch() if arguments.source_date_epoch is None else arguments.source_date_epoch
    (root,) = files_of([arguments.rootfs], arguments.metadata)
    with Meter("build") as meter:
        built = build_image(
            root,
            output_of(arguments),
            metadata=None if arguments.metadata is None else file_argument(arguments.metadata),
            templates=arguments.templates,
            architecture=arguments.architecture,
            creation_date=arguments.creation_date,
            expiry_date=arguments.expiry,
            properties=dict(arguments.properties),
            rules=rules_of(arguments),
            type=ImageType.VIRTUAL_MACHINE if arguments.vm else None,
            layout=layout_of(arguments) or Layout.UNIFIED,
            rootfs_format=arguments.rootfs_format or "tar",
            compression=Compression(arguments.compression or "xz"),
            level=arguments.level,
            threads=arguments.threads,
            memory=arguments.memory,
            source_date_epoch=epoch,
            exclude=arguments.exclude,
            map_owner=arguments.map_owner,
            strip_prefix=arguments.strip_prefix,
            limits=limits_of(arguments),
            progress=meter,
        )
    print_built(built, arguments)
    return 0
