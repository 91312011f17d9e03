"""``lxdimage publish``."""

from __future__ import annotations

import argparse

from lxdimage.build import publish_backup
from lxdimage.cli._options import add_limits, add_targets, file_argument, limits_of
from lxdimage.cli._output import Meter
from lxdimage.cli._writing import (
    add_form,
    add_output,
    add_properties,
    layout_of,
    output_of,
    parse_creation_date,
    print_built,
    source_date_epoch,
)
from lxdimage.compression import Compression
from lxdimage.formats import Layout
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_EPILOG = """\
BACKUP is what 'lxc export' or 'incus export' wrote, of a container and without --optimized-storage.
The image is what 'publish' of the target would make of the instance: LXD keeps metadata.yaml, and properties given
here replace all that it has; Incus writes it anew and merges them.  The fingerprint goes to standard output.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    parser.add_argument("backup", metavar="BACKUP", help="the exported instance, '-' for standard input")
    parser.add_argument("--snapshot", metavar="NAME", help="publish this snapshot instead of the instance")
    add_output(parser)
    group = parser.add_argument_group("metadata")
    add_properties(group)
    group.add_argument(
        "--creation-date",
        metavar="DATE",
        type=parse_creation_date,
        help="where it would be the present: seconds since 1970, or ISO 8601 (default: the variable "
        "SOURCE_DATE_EPOCH)",
    )
    group = parser.add_argument_group("form")
    add_form(group, layout="unified", compression="xz", rootfs_format="tar")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the fingerprint")
    add_targets(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Publish the backup, and print the fingerprint."""
    created = source_date_epoch() if arguments.creation_date is None else arguments.creation_date
    with Meter("publish") as meter:
        built = publish_backup(
            file_argument(arguments.backup),
            output_of(arguments),
            snapshot=arguments.snapshot,
            properties=dict(arguments.properties) or None,
            expiry=arguments.expiry,
            creation_date=created,
            compression=Compression(arguments.compression or "xz"),
            layout=layout_of(arguments) or Layout.UNIFIED,
            rootfs_format=arguments.rootfs_format or "tar",
            level=arguments.level,
            threads=arguments.threads,
            target=Target(arguments.target),
            limits=limits_of(arguments),
            progress=meter,
        )
    print_built(built, arguments)
    return 0
