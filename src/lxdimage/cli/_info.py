"""``lxdimage info``."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator

from lxdimage.cli._options import add_files, add_limits, add_targets, files_of, limits_of
from lxdimage.cli._output import bold, date_text, metadata_json, print_json, size_text, table, wants_colour
from lxdimage.diagnostics import escape
from lxdimage.fingerprint import Fingerprint, fingerprint_files
from lxdimage.image import Image, arrange_files, open_image
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_HASHED = 64 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    add_targets(parser)
    parser.add_argument(
        "--fingerprint",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="read all bytes for the fingerprint (default: for images of at most 64 MiB)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what the image is."""
    files, _ = arrange_files(*files_of(arguments.files))
    sizes = [_size(file) for file in files]
    wanted = arguments.fingerprint
    if wanted and None in sizes:
        raise OSError("what is no regular file is read only once; 'lxdimage fingerprint' reads all of it")
    image = open_image(*files, target=Target(arguments.target), limits=limits_of(arguments))
    if wanted is None:
        wanted = None not in sizes and sum(filter(None, sizes)) <= _HASHED
    fingerprint = fingerprint_files(*files) if wanted else None
    if arguments.json:
        print_json(_json(image, sizes, fingerprint))
    else:
        print("\n".join(_lines(image, sizes, fingerprint)))
    return 0


def _size(file: object) -> int | None:
    """Return the bytes of a regular file, None of whatever cannot be read a second time."""
    if not isinstance(file, str | os.PathLike):
        return None
    status = os.stat(file)  # noqa: PTH116 - without loading pathlib
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _lines(image: Image, sizes: list[int | None], fingerprint: Fingerprint | None) -> Iterator[str]:
    colour = wants_colour(sys.stdout)
    metadata = image.metadata
    yield bold(" + ".join(escape(file.name) for file in image.files), colour=colour)
    yield from table(
        [
            ("type", image.type.value),
            ("layout", image.layout.value),
            ("architecture", str(metadata.architecture)),
            ("created", date_text(metadata.creation_timestamp)),
            ("expires", date_text(metadata.expiry_timestamp) if metadata.expiry_timestamp else "never"),
            ("format", " + ".join(file.format.name if file.format else "unknown" for file in image.files)),
            ("size", " + ".join("unknown" if size is None else size_text(size) for size in sizes)),
            ("fingerprint", str(fingerprint) if fingerprint else _not_computed(sizes)),
        ]
    )
    for file in image.files:
        if file.facts:
            yield f"  {escape(file.name)}"
            yield from table(file.facts.items(), 4)
    if metadata.properties:
        yield "  properties"
        yield from table(sorted(metadata.properties.items()), 4)
    if metadata.templates:
        yield "  templates"
        yield from table(
            (
                (path, f"{rule.template}  ({', '.join(rule.when) or 'never'})")
                for path, rule in metadata.templates.items()
            ),
            4,
        )


def _not_computed(sizes: list[int | None]) -> str:
    how = "it can be read only once" if None in sizes else "--fingerprint"
    return f"not computed ({how})"


def _json(image: Image, sizes: list[int | None], fingerprint: Fingerprint | None) -> dict[str, object]:
    return {
        "files": [
            {
                "name": file.name,
                "format": file.format.name if file.format else None,
                "size": size,
                **file.facts,
            }
            for file, size in zip(image.files, sizes, strict=True)
        ],
        "layout": image.layout.value,
        "type": image.type.value,
        "fingerprint": fingerprint.hex if fingerprint else None,
        "metadata": metadata_json(image.metadata),
    }
