"""Filters on text: case, width, words and lines."""

from __future__ import annotations

from lxdimage.templates._filters._bounds import made, replaced
from lxdimage.templates._go import fields, lower, title, upper, wrap
from lxdimage.templates._meter import FilterCall, Panic
from lxdimage.templates._values import Value, is_string, length, runes, text, to_int

__all__ = [
    "addslashes",
    "capfirst",
    "center",
    "cut",
    "linenumbers",
    "ljust",
    "lower_",
    "phone2numeric",
    "title_",
    "truncatechars",
    "truncatewords",
    "upper_",
    "wordcount",
    "wordwrap",
]


# -- case


def upper_(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text in upper case."""
    return made(upper(text(value)), call)


def lower_(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text in lower case."""
    return made(lower(text(value)), call)


def title_(value: Value, _param: Value, call: FilterCall) -> str:
    """Return a string with each word capitalised; an empty one for all else."""
    return made(title(lower(value)), call) if is_string(value) else ""


def capfirst(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text with its first code point in upper case; nothing for what has no length."""
    if not length(value):
        return ""
    shown = text(value)
    return made(upper(shown[0]) + shown[1:], call)


# -- width


def center(value: Value, param: Value, call: FilterCall) -> Value:
    """Return the text in the middle of so many columns; the odd space stands on the left."""
    missing = to_int(param) - length(value)
    if missing <= 0:
        return value
    shown = text(value)
    call.meter.value(missing + len(shown))
    return " " * (missing - missing // 2) + shown + " " * (missing // 2)


def ljust(value: Value, param: Value, call: FilterCall) -> str:
    """Return the text filled up with spaces on the right."""
    shown = text(value)
    missing = max(wrap(to_int(param) - length(value)), 0)
    call.meter.value(missing + len(shown))
    return shown + " " * missing


def truncatechars(value: Value, param: Value, call: FilterCall) -> str:
    """Return at most so many code points, with dots in place of what is left out."""
    shown, most = runes(text(value)), to_int(param)
    call.meter.work(len(shown))
    if most >= len(shown):
        return shown
    if most < 0:
        raise Panic(f"slice bounds out of range [:{most}]")
    return shown[: most - 3] + "..." if most >= 3 else shown[:most]


# -- words


def truncatewords(value: Value, param: Value, call: FilterCall) -> str:
    """Return at most so many words, followed by dots when there were more."""
    most = to_int(param)
    if most <= 0:
        return ""
    words = _words(value, call)
    return made(" ".join(words if most >= len(words) else [*words[:most], "..."]), call)


def wordcount(value: Value, _param: Value, call: FilterCall) -> int:
    """Return the number of words."""
    return len(_words(value, call))


def wordwrap(value: Value, param: Value, call: FilterCall) -> Value:
    """
    Return lines of so many words.

    The engine counts one line for each word that does not fill a line, and panics when there is more than one.
    """
    width = to_int(param)
    if width <= 0:
        return value
    words = _words(value, call)
    if len(words) % width > 1:
        raise Panic(f"slice bounds out of range [{width * (len(words) // width + 1)}:{len(words)}]")
    lines = (" ".join(words[start : start + width]) for start in range(0, len(words), width))
    return made("\n".join(lines), call)


def _words(value: Value, call: FilterCall) -> list[str]:
    shown = text(value)
    call.meter.work(len(shown))
    return fields(shown)


# -- lines and characters


def linenumbers(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the lines, each behind its number."""
    lines = text(value).split("\n")
    call.meter.work(len(lines))
    return made("\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)), call)


def cut(value: Value, param: Value, call: FilterCall) -> str:
    """Return the text without any occurrence of *param*."""
    shown, unwanted = text(value), text(param)
    return made(replaced(shown, unwanted, ""), call) if unwanted else shown


def addslashes(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text with a backslash before each quote and backslash."""
    return made(text(value).translate(_SLASHES), call)


_SLASHES = str.maketrans({char: f"\\{char}" for char in "\\\"'"})


def phone2numeric(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text with letters as the digits on a telephone."""
    return made(text(value).translate(_TELEPHONE), call)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_KEYS = "22233344455566677778889999"
_TELEPHONE = str.maketrans(_LETTERS + _LETTERS.upper(), _KEYS * 2)
