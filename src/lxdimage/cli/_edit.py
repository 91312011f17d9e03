"""``lxdimage edit``."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lxdimage._chunks import peek
from lxdimage._sources import FileArgument
from lxdimage.build import OutputTarget, edit_image
from lxdimage.cli._options import add_files, add_limits, add_targets, files_of, limits_of, parse_pair
from lxdimage.cli._output import Meter, print_notes, say
from lxdimage.cli._template_rules import add_rules, rules_of
from lxdimage.cli._usage import UsageError
from lxdimage.cli._writing import (
    add_effort,
    add_output,
    add_properties,
    output_of,
    print_built,
)
from lxdimage.diagnostics import escape
from lxdimage.errors import InvalidMetadataError, LXDImageError
from lxdimage.formats import METADATA_SIZE
from lxdimage.image import arrange_files, open_members
from lxdimage.metadata import parse_metadata
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_EPILOG = """\
Without any option that says what to change, metadata.yaml is opened in an editor: $VISUAL, $EDITOR or vi.
The root is copied as it is where it is apart from the metadata, as it is in every split image and in unified images
that 'lxdimage build' and 'convert' write.  What is to be removed and is not there is a warning and no error.  The
fingerprint goes to standard output.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    add_files(parser)
    add_output(parser, required=False)
    parser.add_argument("-i", "--in-place", action="store_true", help="write to the files themselves")
    group = parser.add_argument_group("changes")
    add_properties(group)
    group.add_argument(
        "--unset", metavar="KEY", action="append", default=[], help="remove a property (may be repeated)"
    )
    group.add_argument("--metadata", metavar="FILE", help="take this metadata.yaml as it is")
    group.add_argument(
        "--template",
        dest="templates",
        metavar="NAME=FILE",
        action="append",
        default=[],
        type=_template,
        help="add or replace a template file (may be repeated)",
    )
    group.add_argument(
        "--remove-template",
        dest="removed",
        metavar="NAME",
        action="append",
        default=[],
        help="remove a template file (may be repeated)",
    )
    add_rules(group)
    group.add_argument(
        "--remove-rule",
        dest="removed_rules",
        metavar="TARGET",
        action="append",
        default=[],
        help="remove a template rule (may be repeated)",
    )
    group.add_argument("--editor", action="store_true", help="open metadata.yaml in an editor")
    group.add_argument(
        "--allow-immutable", action="store_true", help="allow another architecture or creation date"
    )
    group = parser.add_argument_group("form", "where the image has to be compressed again")
    add_effort(group)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the new fingerprint")
    add_targets(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Edit the image, and print the fingerprint of the new one."""
    if arguments.in_place == (arguments.output is not None):
        raise UsageError("give either --output or --in-place")
    if arguments.in_place and arguments.output_rootfs:
        raise UsageError("--output-rootfs goes with --output, not with --in-place")
    _check_no_contradiction(arguments)
    files, _ = arrange_files(*files_of(arguments.files, arguments.metadata))
    metadata = None if arguments.metadata is None else _read(arguments.metadata)
    written = None
    if _wants_editor(arguments):
        old = metadata if metadata is not None else _metadata_text(files, arguments)
        metadata = written = _edited(old, Target(arguments.target))
        if metadata == old:
            say("lxdimage: nothing was changed, so nothing is written")
            return 0
    elif metadata is not None:
        parse_metadata(metadata, name=arguments.metadata, target=Target(arguments.target))  # names the file
    with _kept(written), Meter("edit") as meter:
        built = edit_image(
            *files,
            output=_output(files, arguments),
            metadata=metadata,
            properties={**dict(arguments.properties), **dict.fromkeys(arguments.unset)},
            expiry=arguments.expiry,
            rules={**dict.fromkeys(arguments.removed_rules), **rules_of(arguments)},
            templates=_templates(arguments),
            allow_immutable=arguments.allow_immutable,
            level=arguments.level,
            threads=arguments.threads,
            target=Target(arguments.target),
            limits=limits_of(arguments),
            progress=meter,
        )
    print_built(built, arguments)
    return 0


def _check_no_contradiction(arguments: argparse.Namespace) -> None:
    """Refuse to set and to remove the same thing, since neither of the two is more likely to be meant."""
    for option, set_names, other, removed in (
        ("--property", dict(arguments.properties), "--unset", arguments.unset),
        ("--rule", rules_of(arguments), "--remove-rule", arguments.removed_rules),
        ("--template", dict(arguments.templates), "--remove-template", arguments.removed),
    ):
        for name in removed:
            if name in set_names:
                raise UsageError(f"{option} and {other} both name {escape(name)!r}")


def _output(files: Sequence[FileArgument], arguments: argparse.Namespace) -> OutputTarget:
    if not arguments.in_place:
        return output_of(arguments)
    for file in files:
        if not isinstance(file, str):
            raise UsageError("standard input cannot be edited in place")
    paths = [str(file) for file in files]
    return (paths[0], paths[1]) if len(paths) == 2 else paths[0]


def _templates(arguments: argparse.Namespace) -> dict[str, bytes | None]:
    templates: dict[str, bytes | None] = dict.fromkeys(arguments.removed)
    for name, path in arguments.templates:
        templates[name] = Path(path).read_bytes()
    return templates


def _template(text: str) -> tuple[str, str]:
    return parse_pair(text, "NAME=FILE")


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


# ---- the editor -----------------------------------------------------------------------------------------------------


def _wants_editor(arguments: argparse.Namespace) -> bool:
    changes = ("properties", "unset", "metadata", "templates", "removed", "rules", "removed_rules")
    given = any(getattr(arguments, name) for name in changes) or arguments.expiry is not None
    return arguments.editor or not given


def _metadata_text(files: Sequence[FileArgument], arguments: argparse.Namespace) -> bytes:
    """Return metadata.yaml as it is."""
    with open_members(*files, limits=limits_of(arguments)) as members:
        for item in members:
            if item.path == "metadata.yaml":
                return peek(item.member.chunks(), METADATA_SIZE + 1)[0]
    return b""


def _edited(text: bytes, target: Target) -> bytes:
    """
    Return *text* as a person leaves it in an editor, which opens again as long as the target cannot use it.

    Raises:
        InvalidMetadataError: It cannot be used, and nobody is there to try again.
    """
    while True:
        text = _ask(text)
        try:
            parse_metadata(text, target=target)
        except InvalidMetadataError as error:
            with _kept(text):
                if not sys.stdin.isatty():
                    raise
                print_notes(error.diagnostics)
                try:
                    input("Press Enter to open the editor again, Ctrl-C to give up. ")
                except EOFError:
                    raise error from None
        else:
            return text


@contextmanager
def _kept(text: bytes | None) -> Iterator[None]:
    """Put what a person wrote into a file, and say where, when it cannot be used after all."""
    try:
        yield
    except (LXDImageError, OSError, KeyboardInterrupt):
        if text is not None:
            with tempfile.NamedTemporaryFile(prefix="metadata-", suffix=".yaml", delete=False) as file:
                file.write(text)
            print(f"lxdimage: what you wrote is in {file.name!r}", file=sys.stderr)
        raise


def _ask(text: bytes) -> bytes:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor and not sys.stdin.isatty():
        raise UsageError("no option says what to change, and an editor needs a terminal")
    editor = editor or "vi"
    with tempfile.TemporaryDirectory(prefix="lxdimage-") as directory:
        path = Path(directory) / "metadata.yaml"
        path.write_bytes(text)
        try:
            command = [*shlex.split(editor), str(path)]
        except ValueError as error:
            raise OSError(f"the editor {editor!r} is no command: {error}") from None
        status = subprocess.run(command, check=False).returncode  # noqa: S603
        if status:
            raise OSError(f"the editor {editor!r} failed with status {status}")
        return path.read_bytes()
