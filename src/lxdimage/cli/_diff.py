"""``lxdimage diff``."""

from __future__ import annotations

import argparse
import json
import sys

from lxdimage.archive import EntryType
from lxdimage.cli._diff_text import diff_text, template_hunks
from lxdimage.cli._failures import perhaps_unread
from lxdimage.cli._options import add_limits, add_targets, files_of, limits_of
from lxdimage.cli._output import Meter, rule_json, say, wants_colour
from lxdimage.diagnostics import render
from lxdimage.diff import (
    ComparedImage,
    FieldChange,
    FieldValue,
    ImageDiff,
    MemberChange,
    MemberField,
    MemberState,
    TemplateChange,
    diff_images,
)
from lxdimage.image import group_files
from lxdimage.metadata import TemplateRule
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_IGNORABLE = (
    MemberField.MODE,
    MemberField.OWNER,
    MemberField.SIZE,
    MemberField.CONTENT,
    MemberField.LINK,
    MemberField.XATTRS,
)
_EPILOG = """\
An image is one file, or the metadata file and the root file of a split one, side by side and in either order; what
a file is follows from its content:

  lxdimage diff OLD NEW
  lxdimage diff OLD NEW-METADATA NEW-ROOT
  lxdimage diff OLD-METADATA OLD-ROOT NEW-METADATA NEW-ROOT

Layout, compression and the format of a root are no difference.  The root of a split image is named below rootfs/.
'~' marks what both images have; '-' what only the first one has, and '+' what only the second one has.
Exit status: 0 no differences, 1 differences, 2 usage or input that cannot be read.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="the files of two images; one of them may be '-', standard input",
    )
    parser.add_argument(
        "--ignore",
        metavar="WHAT",
        action="append",
        default=[],
        choices=[field.value for field in _IGNORABLE],
        help="do not compare this of members: %(choices)s (may be repeated); content that is ignored is not read",
    )
    parser.add_argument(
        "--mtime", action="store_true", help="compare times of modification as well, in whole seconds"
    )
    add_targets(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON object")
    how.add_argument("-q", "--quiet", action="store_true", help="print nothing; the exit status tells")
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare the images; tell by the exit status whether they differ."""
    before, after = group_files(*files_of(arguments.files))
    ignored = {MemberField(name) for name in arguments.ignore}
    with Meter("diff") as meter:
        diff = diff_images(
            before,
            after,
            ignore=ignored if arguments.mtime else {*ignored, MemberField.MTIME},
            target=Target(arguments.target),
            limits=limits_of(arguments),
            progress=meter,
        )
    for finding in diff.diagnostics:
        say(render(finding, colour=wants_colour(sys.stderr)))
    with perhaps_unread():
        if arguments.json:
            _print_json(diff)
        elif not arguments.quiet:
            for line in diff_text(diff, colour=wants_colour(sys.stdout)):
                print(line)
    return 0 if diff.same else 1


# ---- JSON ----------------------------------------------------------------------------------------------------------


def _print_json(diff: ImageDiff) -> None:
    """Write the object, its members one by one at the end, since there may be millions."""
    head = {
        "same": diff.same,
        "before": _image_json(diff.before),
        "after": _image_json(diff.after),
        "metadata": [_field_json(change) for change in diff.metadata],
        "templates": list(map(_template_json, diff.templates, template_hunks(diff.templates))),
        "disk": [_field_json(change) for change in diff.disk],
    }
    print(json.dumps(head, indent=2).removesuffix("\n}"), '  "members": [', sep=",\n", end="")
    for number, change in enumerate(diff.members):
        print("," if number else "", f"\n    {json.dumps(_member_json(change))}", sep="", end="")
    print("\n  ]\n}" if diff.members else "]\n}")


def _image_json(image: ComparedImage) -> dict[str, object]:
    return {
        "files": [
            {"name": file.name, "format": file.format.name if file.format else None, "size": file.size}
            for file in image.files
        ],
        "layout": image.layout.value,
        "type": image.type.value if image.type else None,
    }


def _change(before: object, after: object) -> str:
    return "added" if before is None else "removed" if after is None else "changed"


def _field_json(change: FieldChange) -> dict[str, object]:
    return {
        "path": list(change.path),
        "change": _change(change.before, change.after),
        "before": _value_json(change.before),
        "after": _value_json(change.after),
    }


def _value_json(value: FieldValue) -> object:
    match value:
        case TemplateRule():
            return rule_json(value)
        case tuple():
            return list(value)
        case _:
            return value


def _template_json(change: TemplateChange, hunks: list[str] | None) -> dict[str, object]:
    return {
        "name": change.name,
        "change": _change(change.before, change.after),
        "before": _content_json(change.before),
        "after": _content_json(change.after),
        "diff": hunks,
    }


def _content_json(state: MemberState | None) -> dict[str, object] | None:
    return None if state is None else {"size": state.size, "sha256": state.sha256}


def _member_json(change: MemberChange) -> dict[str, object]:
    return {
        "path": change.path,
        "change": _change(change.before, change.after),
        "fields": [field.value for field in change.fields],
        "before": _state_json(change.before),
        "after": _state_json(change.after),
    }


def _state_json(state: MemberState | None) -> dict[str, object] | None:
    if state is None:
        return None
    return {
        "type": state.type.title.replace(" ", "-"),
        "mode": f"{state.mode:04o}",
        "uid": state.uid,
        "gid": state.gid,
        "mtime": state.mtime,
        "size": state.size,
        "sha256": state.sha256,
        "target": state.target if state.type in {EntryType.SYMLINK, EntryType.HARD_LINK} else None,
        "link": state.link,
        "device": list(state.device) if state.device else None,
        "xattrs": {name: value.hex() for name, value in state.xattrs.items()},
    }
