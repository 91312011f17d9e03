"""Options and operands that several verbs share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

import attrs

from lxdimage.cli._usage import UsageError
from lxdimage.formats import HEAD_SIZE, identify
from lxdimage.limits import Limits
from lxdimage.targets import Target

__all__ = [
    "add_files",
    "add_limits",
    "add_members",
    "add_targets",
    "digits_parser",
    "file_argument",
    "files_and_members",
    "files_of",
    "limits_of",
    "number_parser",
    "parse_keys",
    "parse_pair",
    "parse_size",
]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d{1,15})\s*([kmgt]?)i?b?", re.IGNORECASE)


def parse_size(text: str, what: str = "a size such as 500M or 2G") -> int:
    """
    Return the bytes in *text*: a number, or one with K, M, G or T (powers of 1024).

    Args:
        text: The argument.
        what: What is expected, for the message.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        message = f"expected {what}, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(match[1]) * _UNITS[match[2].lower()]


def _parse_count(text: str) -> int:
    return parse_size(text, "a whole number such as 5000 or 20M")


def number_parser(least: int | None = None) -> Callable[[str], int]:
    """Return what takes a whole number: any, or one that is not less than *least*."""
    what = "a whole number" if least is None else f"a whole number, {least} or more"

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or (least is not None and int(text) < least):
            message = f"expected {what}, found {text!r}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return parse


def parse_pair(text: str, what: str = "KEY=VALUE") -> tuple[str, str]:
    """
    Return the two sides of KEY=VALUE.

    Args:
        text: The argument.
        what: What the help calls it.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        message = f"expected {what}, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return key, value


def digits_parser(least: int) -> Callable[[str], str]:
    """Return what takes a fingerprint, or its beginning of *least* digits or more."""

    def parse(text: str) -> str:
        if not re.fullmatch(rf"[0-9a-fA-F]{{{least},64}}", text):
            message = f"expected {least} to 64 hexadecimal digits, found {text!r}"
            raise argparse.ArgumentTypeError(message)
        return text

    return parse


def parse_keys(text: str, what: str) -> tuple[str, Mapping[str, str]]:
    """
    Return the name and the keys of NAME,KEY=VALUE...; a comma that no KEY= follows belongs to the value.

    Args:
        text: The argument.
        what: What the help calls the name.
    """
    name, *parts = text.split(",")
    texts: list[str] = []
    for part in parts:
        if "=" in part or not texts:
            texts.append(part)
        else:
            texts[-1] += f",{part}"
    if not (name and texts):
        message = f"expected {what},KEY=VALUE, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return name, dict(map(parse_pair, texts))


def file_argument(name: str) -> str | BinaryIO:
    """Return the file for an operand: '-' is standard input."""
    return sys.stdin.buffer if name == "-" else name


def files_of(names: Sequence[str], *beside: str | None) -> list[str | BinaryIO]:
    """
    Return the files for the operands of a verb.

    Args:
        names: The operands.
        beside: What options name and may be standard input as well.

    Raises:
        UsageError: More than one of all these is standard input.
    """
    if [*names, *beside].count("-") > 1:
        raise UsageError("standard input can be read only once")
    return list(map(file_argument, names))


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the operands for the files of one image."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="the image: one file, or metadata file and root file; '-' is standard input",
    )


def add_members(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the operands for the files of one image and for names of its members."""
    parser.add_argument("file", metavar="FILE", help="the image, or the metadata file of a split one")
    parser.add_argument(
        "operands",
        metavar="[ROOT] MEMBER" if required else "[ROOT] [MEMBER]",
        nargs="+" if required else "*",
        help="the root file of a split image; then names as ls prints them",
    )


def files_and_members(arguments: argparse.Namespace, *, required: bool) -> tuple[list[str], list[str]]:
    """Return the files of the image and the names of members that were given."""
    files, names = [arguments.file], list(arguments.operands)
    if len(names) > required and _is_image_file(names[0]):
        files.append(names.pop(0))
    return files, names


def _is_image_file(name: str) -> bool:
    """Tell whether an operand is the root file of a split image: content decides, a metadata.yaml on disk is none."""
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib takes as long to load as all verbs' options
            return identify(file.read(HEAD_SIZE)) is not None
    except OSError:
        return False


def add_targets(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add ``--target``."""
    choices = [target.value for target in Target]
    if several:
        parser.add_argument(
            "--target",
            dest="targets",
            action="append",
            choices=[*choices, "all"],
            help="the daemon to judge for (may be repeated; default: lxd)",
        )
    else:
        parser.add_argument(
            "--target", choices=choices, default="lxd", help="the daemon that the image is for (default: lxd)"
        )


_LIMITS: Mapping[str, tuple[str, Callable[[str], int], str]] = {
    "size": ("SIZE", parse_size, "decompressed bytes of one file, such as 500M or 2G (default: 1T)"),
    "ratio": ("N", _parse_count, "decompressed bytes for each compressed one (default: 2000)"),
    "members": ("N", _parse_count, "members of one archive (default: 20 million)"),
}


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that raise bounds on untrusted input."""
    group = parser.add_argument_group("limits", "bounds on what an untrusted image may use")
    for name, (metavar, parse, text) in _LIMITS.items():
        group.add_argument(f"--max-{name}", metavar=metavar, type=parse, help=text)


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Return the limits that the options ask for."""
    given = {name: getattr(arguments, f"max_{name}") for name in _LIMITS}
    return attrs.evolve(Limits(), **{name: value for name, value in given.items() if value is not None})
