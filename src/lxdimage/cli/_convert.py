"""``lxdimage convert``."""

from __future__ import annotations

import argparse

from lxdimage.build import convert_image
from lxdimage.build._facts import NO_FACTS
from lxdimage.build._settle import Wishes, settle_metadata
from lxdimage.cli._options import (
    add_files,
    add_limits,
    add_targets,
    file_argument,
    files_of,
    limits_of,
    number_parser,
)
from lxdimage.cli._output import Meter, print_notes
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
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError
from lxdimage.image import arrange_files
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_EPILOG = """\
The image is read once; what need not change is copied as it is, such as a root file that keeps its format and
compression.  --compression is that of tars and of a SquashFS made of one.  A root that stays a SquashFS is copied, and
written again only with --level or --strip-prefix: by --compression, or else by what compresses the metadata file.
With metadata from a file or options FILE is a root alone, which becomes an image; 'lxdimage build' takes what is not
given from the root itself.
The new fingerprint goes to standard output, the old one to standard error.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    add_files(parser)
    add_output(parser)
    group = parser.add_argument_group("form")
    add_form(group, layout="as it is", compression="as it is", rootfs_format="as it is")
    group.add_argument(
        "--strip-prefix",
        metavar="N",
        type=number_parser(0),
        default=0,
        help="leading components that names lose, of a split image those in the root file (default: 0)",
    )
    group = parser.add_argument_group("metadata", "makes an image of a root alone")
    add_metadata(group)
    add_properties(group)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the new fingerprint")
    add_targets(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert the image, and print its fingerprints."""
    files, _ = arrange_files(*files_of(arguments.files, arguments.metadata))
    given = arguments.compression
    with Meter("convert") as meter:
        built = convert_image(
            *files,
            output=output_of(arguments),
            layout=layout_of(arguments),
            compression=None if given is None else Compression(given),
            rootfs_format=arguments.rootfs_format,
            strip_prefix=arguments.strip_prefix,
            metadata=_metadata(arguments),
            level=arguments.level,
            threads=arguments.threads,
            target=Target(arguments.target),
            limits=limits_of(arguments),
            progress=meter,
        )
    print_built(built, arguments)
    return 0


def _metadata(arguments: argparse.Namespace) -> Metadata | None:
    """
    Return the metadata for a root alone, None where nothing of it was given.

    Raises:
        BuildError: Too little of it was given.
    """
    wishes = Wishes(
        architecture=arguments.architecture,
        creation_date=arguments.creation_date,
        expiry_date=arguments.expiry,
        properties=dict(arguments.properties),
    )
    if arguments.metadata is None and wishes == Wishes():
        return None
    if arguments.metadata is None and arguments.architecture is None:
        text = "the architecture is not given, and metadata makes an image of a root alone"
        hint = "name it with --architecture, or change the metadata of an image with 'lxdimage edit'"
        raise BuildError(diagnose("missing-architecture", text, hint=hint))
    given = None if arguments.metadata is None else file_argument(arguments.metadata)
    notes: list[Diagnostic] = []
    metadata = settle_metadata(
        given, wishes, facts=lambda: NO_FACTS, now=source_date_epoch(), note=notes.append
    )
    if not arguments.quiet:
        print_notes(notes)
    return metadata
