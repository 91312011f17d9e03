"""Patterns that keep parts of a root file system out of an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["excluder"]


def excluder(patterns: Iterable[str]) -> Callable[[str], bool] | None:
    """
    Return what tells whether a path is left out, or None when nothing is.

    A pattern with a slash in it, but for one at its end, is a path from the top of the root file system; one
    without matches names at any depth.  ``*``, ``?`` and ``[…]`` match within one name and ``**`` any number of
    directories.  A slash at the end makes it match directories only.  What lies in a directory that is left out is
    left out, too, so ``proc/*`` keeps an empty directory and ``proc`` nothing.

    Args:
        patterns: The patterns.

    Returns:
        A function of a path without a slash at its beginning, with one at its end when it is a directory.
    """
    parts = [_translated(pattern) for pattern in patterns if pattern.strip("/")]
    if not parts:
        return None
    match = re.compile("|".join(parts), re.DOTALL).match
    return lambda path: match(path) is not None


def _translated(pattern: str) -> str:
    """Return a regular expression that matches paths from their beginning."""
    body = pattern.removeprefix("./").strip("/")
    anchored = "/" in pattern.removeprefix("./").rstrip("/")
    *directories, last = body.split("/")
    names = "".join(map(_name, directories)) + _name("*" if last == "**" else last)
    end = "/" if pattern.endswith("/") else r"(?:/|\Z)"
    return f"(?:{'' if anchored else '(?:[^/]+/)*'}{names.removesuffix('/')}{end})"


def _name(name: str) -> str:
    """Return the expression for one name and the slash behind it."""
    if name == "**":
        return "(?:[^/]+/)*"
    return "(?=[^/])" + "".join(map(_piece, _PIECES.findall(name))) + "/"


_PIECES = re.compile(r"\[!?\]?[^\]]*\]|\*+|.", re.DOTALL)


def _piece(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and piece not in {"[", "[]", "[!]"}:
        negated, inner = ("^/", piece[2:-1]) if piece[1] == "!" else ("", piece[1:-1])
        return f"[{negated}{_set(inner)}]"
    return re.escape(piece)


def _set(text: str) -> str:
    """Return the members of a character set; what is no range with its ends in order is taken as it stands."""
    result = ""
    while text:
        if len(text) > 2 and text[1] == "-" and text[0] <= text[2]:
            result += f"{re.escape(text[0])}-{re.escape(text[2])}"
            text = text[3:]
        else:
            result += re.escape(text[0])
            text = text[1:]
    return result
