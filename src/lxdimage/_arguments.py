"""Arguments of public functions that are one of a few values, or a list of texts: checked where they come in."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterable
from enum import Enum
from typing import TypeVar

from lxdimage.errors import InvalidArgumentError
from lxdimage.rules import diagnose

__all__ = ["check_bytes", "check_file", "choice_of", "list_of"]

_Choice = TypeVar("_Choice", bound=Enum)
_Item = TypeVar("_Item")


def choice_of(kind: type[_Choice], given: _Choice | str, name: str) -> _Choice:
    """
    Return the member of *kind* that was given, itself or by its value.

    Args:
        kind: The enumeration.
        given: The argument.
        name: What it is called.

    Raises:
        InvalidArgumentError: It is none of them; the message lists all.
    """
    try:
        return kind(given)
    except ValueError:
        allowed = ", ".join(repr(found.value) for found in kind)
        text = f"{name} must be one of {allowed}, found {given!r}"
        raise InvalidArgumentError(diagnose("invalid-argument", text)) from None


def list_of(given: Iterable[_Item], name: str) -> Collection[_Item]:
    """
    Return several values as they were given; a single text would be taken for its letters.

    Raises:
        InvalidArgumentError: It is such a text.
    """
    if isinstance(given, str | bytes):
        text = f"{name} must be a list, found the text {given!r}"
        raise InvalidArgumentError(diagnose("invalid-argument", text))
    return tuple(given)


def check_bytes(given: object, name: str) -> None:
    """
    Check that *given* is the content of a file.

    Raises:
        InvalidArgumentError: It is a text, or anything else but bytes.
    """
    if not isinstance(given, bytes):
        text = f"{name} must be bytes, found {given!r}"
        raise InvalidArgumentError(diagnose("invalid-argument", text))


def check_file(given: object, name: str, method: str) -> None:
    """
    Check that *given* is a path, or a binary stream.

    Args:
        given: The argument.
        name: What it is called.
        method: What a stream must be able to do.

    Raises:
        InvalidArgumentError: It is neither.
    """
    if isinstance(given, str | os.PathLike):
        return
    if isinstance(given, io.TextIOBase) or not hasattr(given, method):
        text = f"{name} must be a path or a binary stream, found {given!r}"
        raise InvalidArgumentError(diagnose("invalid-argument", text))
