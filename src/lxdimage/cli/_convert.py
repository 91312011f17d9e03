"""``lxdimage convert``."""

from __future__ import annotations

import argparse
from pathlib import Path

from lxdimage.build import convert_image
from lxdimage.cli._options import add_files, add_limits, add_targets, file_argument, limits_of
from lxdimage.cli._output import Meter
from lxdimage.cli._writing import add_form, add_output, output_of, print_built
from lxdimage.compression import Compression
from lxdimage.formats import Layout
from lxdimage.image import arrange_files
from lxdimage.metadata import Metadata, parse_metadata
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_EPILOG = """\
The image is read once; what need not change is copied as it is, such as a root file that keeps its format and
compression.  With --metadata FILE is a root alone, which becomes an image.
The new fingerprint goes to standard output, the old one to standard error.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    add_files(parser)
    add_output(parser)
    group = parser.add_argument_group("form")
    group.add_argument(
        "--layout", choices=[layout.value for layout in Layout], help="one file or two (default: as it is)"
    )
    add_form(group, compression="as it is")
    group.add_argument(
        "--strip-prefix",
        metavar="N",
        type=int,
        default=0,
        help="leading components that names in a root lose",
    )
    parser.add_argument("--metadata", metavar="FILE", help="the metadata.yaml for a root alone")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the new fingerprint")
    add_targets(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert the image, and print its fingerprints."""
    files, _ = arrange_files(*map(file_argument, arguments.files))
    given = arguments.compression
    with Meter("convert") as meter:
        built = convert_image(
            *files,
            output=output_of(arguments),
            layout=_layout(arguments),
            compression=None if given is None else Compression(given),
            rootfs_format=arguments.rootfs_format,
            strip_prefix=arguments.strip_prefix,
            metadata=_metadata(arguments.metadata),
            level=arguments.level,
            threads=arguments.threads,
            target=Target(arguments.target),
            limits=limits_of(arguments),
            progress=meter,
        )
    print_built(built, arguments)
    return 0


def _layout(arguments: argparse.Namespace) -> Layout | None:
    if arguments.layout is not None:
        return Layout(arguments.layout)
    return Layout.SPLIT if arguments.output_rootfs or arguments.rootfs_format else None


def _metadata(path: str | None) -> Metadata | None:
    if path is None:
        return None
    return parse_metadata(Path(path).read_bytes(), name=path)
