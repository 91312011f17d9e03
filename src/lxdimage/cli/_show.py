"""``lxdimage show``."""

from __future__ import annotations

import argparse
import sys

from lxdimage.cli._options import add_files, add_limits, add_targets, files_of, limits_of
from lxdimage.cli._output import metadata_json, print_json, print_notes
from lxdimage.errors import LimitExceededError
from lxdimage.image import Image, arrange_files, open_image
from lxdimage.metadata import dump_metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    add_targets(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print the metadata as JSON")
    what.add_argument("--template", metavar="NAME", help="print the template file NAME as it is")
    add_limits(parser)
    parser.epilog = (
        "The metadata is printed as the target reads it; 'cat FILE metadata.yaml' prints the file itself.\n"
        "Exit status 1 when the template is not there."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print metadata or a template."""
    files, _ = arrange_files(*files_of(arguments.files))
    image = open_image(*files, target=Target(arguments.target), limits=limits_of(arguments))
    if arguments.template is not None:
        source = " + ".join(file.name for file in image.files)
        return _template(image, arguments.template, source)
    if arguments.json:
        print_json(metadata_json(image.metadata))
    else:
        sys.stdout.write(dump_metadata(image.metadata))
    return 0


def _template(image: Image, name: str, source: str) -> int:
    content = image.templates.get(name)
    if content is None:
        if name in image.larger:
            text = f"the template {name!r} is larger than the limits allow; 'lxdimage cat' prints it"
            raise LimitExceededError(diagnose("template-too-large", text, source=source))
        names = ", ".join(map(repr, sorted(image.templates))) or "none"
        text = f"no template has the name {name!r}; there are: {names}"
        print_notes([diagnose("member-not-found", text, source=source)])
        return 1
    sys.stdout.buffer.write(content)
    return 0
