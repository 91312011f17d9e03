"""
The command line: ``lxdimage VERB``.

One short module for each group of verbs, loaded when its verb is called.  Data goes to standard output, words to
standard error.  Exit status: 0 clean, 1 findings, 2 usage or unreadable input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, Protocol

import attrs

import lxdimage
from lxdimage.cli._failures import describe, discard_output
from lxdimage.cli._usage import UsageError
from lxdimage.diagnostics import Severity, escape, render
from lxdimage.errors import LXDImageError

__all__ = ["main"]

VERBS = {
    "info": ("_info", "what an image is: type, architecture, dates, properties, templates"),
    "validate": ("_validate", "read an image completely and say what the daemons make of it"),
    "fingerprint": ("_fingerprint", "the SHA-256 that identifies an image"),
    "show": ("_show", "print metadata.yaml, or a template"),
    "render": ("_render", "show the files that templates write into an instance"),
    "rule": ("_rule", "explain the code of a finding"),
    "ls": ("_ls", "list the members of an image"),
    "cat": ("_cat", "write members of an image to standard output"),
    "diff": ("_diff", "compare two images: metadata, templates, members, contents"),
    "build": ("_build", "make an image from a root file system: a directory, a tar or a disk"),
    "convert": ("_convert", "write an image in another layout, compression or root format"),
    "edit": ("_edit", "change the metadata and templates of an image"),
    "publish": ("_publish", "make an image from an exported instance, without a daemon"),
    "extract": ("_extract", "write members of an image into a directory, and nothing outside it"),
}

UNUSABLE = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser that repeats no control character of a wrong argument."""

    def error(self, message: str) -> NoReturn:
        super().error("\n".join(map(escape, message.split("\n"))))


class _Verb(Protocol):
    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {text}" for verb, (_, text) in VERBS.items())
    return f"""usage: lxdimage VERB [OPTION...] FILE...

Read, verify, build, convert, edit and preview LXD and Incus images.

{verbs}

'lxdimage VERB --help' explains a verb.  A unified image is one FILE; a split image is its metadata file and its
root file, in either order; '-' is standard input.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Args:
        argv: The arguments without the program's name; those of the process unless given.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not _prepare_streams():
        return UNUSABLE
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except LXDImageError as error:
        # Whatever it is elsewhere, here it is why there is no result.
        status = _fail(*(render(attrs.evolve(found, severity=Severity.ERROR)) for found in error.diagnostics))
    except BrokenPipeError:
        discard_output()
        return 0
    except UsageError as error:
        status = _fail(f"lxdimage: error: {error}")
    except OSError as error:
        status = _fail(f"lxdimage: error: {describe(error)}")
    except KeyboardInterrupt:
        _fail("lxdimage: interrupted")
        return INTERRUPTED
    return status


def _prepare_streams() -> bool:
    """Make both standard streams such that words fit every encoding; tell whether there is an output at all."""
    if sys.stderr is None:  # closed: print would take standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    if sys.stdout is None:
        _fail("lxdimage: error: standard output is closed")
        return False
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return True


def _dispatch(arguments: Sequence[str]) -> int:
    if len(arguments) == 2 and arguments[0] == "help":
        return _run(arguments[1], ["--help"])
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_overview(), end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else UNUSABLE
    if arguments[0] in {"-V", "--version"}:
        print(f"lxdimage {lxdimage.__version__}")
        return 0
    return _run(arguments[0], arguments[1:])


def _fail(*lines: str) -> int:
    """Print why there is no result, where anybody can read it; what was printed before must not raise at exit."""
    with suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        discard_output()
    return UNUSABLE


def _run(verb: str, arguments: Sequence[str]) -> int:
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1)
        hint = f", did you mean {near[0]!r}?" if near else "; 'lxdimage --help' lists the verbs"
        raise UsageError(f"unknown verb {escape(verb)!r}{hint}")
    name, text = VERBS[verb]
    module: _Verb = import_module(f"lxdimage.cli.{name}")
    parser = _Parser(
        prog=f"lxdimage {verb}",
        description=f"{text[0].upper()}{text[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    return module.run(parser.parse_intermixed_args(arguments))
