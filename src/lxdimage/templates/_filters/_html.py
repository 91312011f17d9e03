"""Filters that write or remove HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxdimage.templates._filters._bounds import made
from lxdimage.templates._go import (
    Pattern,
    PatternError,
    UnsupportedPatternError,
    compile_pattern,
    trim_space,
)
from lxdimage.templates._meter import Dialect, FilterCall, Halt, Panic
from lxdimage.templates._values import Value, length, text

__all__ = [
    "escape",
    "escape_text",
    "escapejs",
    "linebreaks",
    "linebreaksbr",
    "removetags",
    "safe",
    "striptags",
]


# -- escaping


def escape_text(value: str) -> str:
    """Return *value* with the five characters that mean something in HTML as entities."""
    return value.translate(_ENTITIES)


_ENTITIES = str.maketrans({"&": "&amp;", ">": "&gt;", "<": "&lt;", '"': "&quot;", "'": "&#39;"})


def escape(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text with entities; a second time escapes those too."""
    return made(escape_text(text(value)), call)


def safe(value: Value, _param: Value, _call: FilterCall) -> Value:
    """Return *value*: the engine looks at the filter's name."""
    return value


_MOST_ESCAPES = 4096  # so that no text makes the table large
_JS_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ /"


class _Escapes(dict[int, str]):
    """A table for `str.translate` that fills itself."""

    def __missing__(self, code: int) -> str:
        is_dropped = 0xD800 <= code <= 0xDFFF or code == 0xFFFD
        escape = "" if is_dropped else f"\\u{code:04X}"
        if len(self) < _MOST_ESCAPES:
            self[code] = escape
        return escape


_JS = _Escapes({ord(char): char for char in _JS_PLAIN})


def escapejs(value: Value, _param: Value, call: FilterCall) -> str:
    r"""Return the text for a JavaScript string: all but letters, space and ``/`` as ``\u0041``."""
    shown = text(value).replace("\\r", "\r").replace("\\n", "\n")
    return made(shown.translate(_JS), call)


# -- lines


def linebreaksbr(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text with a tag in place of each end of line."""
    return made(text(value).replace("\n", "<br />"), call)


def linebreaks(value: Value, _param: Value, call: FilterCall) -> Value:
    """Return the text in paragraphs, which blank lines part, with a tag for each other end of line."""
    if not length(value):
        return value
    lines = text(value).split("\n")
    call.meter.work(len(lines))
    return made("".join(_paragraphs(lines)), call)


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Yield the pieces: a blank line opens a paragraph too and leaves it open, as does the last line."""
    is_blank = [not trim_space(line) for line in lines]
    is_open = False
    for index, line in enumerate(lines):
        yield line if is_open else f"<p>{line}"
        is_open = True
        if is_blank[index] or index == len(lines) - 1:
            continue
        if is_blank[index + 1]:
            yield "</p>"
            is_open = False
        else:
            yield "<br />"
    yield "</p>"


# -- removing tags


def striptags(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text without whatever stands between ``<`` and ``>``, and without space at its ends."""
    return made(trim_space(_without(text(value), _tags)), call)


def _tags(source: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (start := source.find("<", at)) >= 0 and (end := source.find(">", start)) >= 0:
        at = end + 1
        yield start, at


def _without(source: str, find: Callable[[str], Iterator[tuple[int, int]]]) -> str:
    """Return *source* without the spans that *find* yields."""
    parts = []
    done = 0
    for start, end in find(source):
        parts.append(source[done:start])
        done = end
    return "".join([*parts, source[done:]])


def removetags(value: Value, param: Value, call: FilterCall) -> str:
    """
    Return the text without the tags that *param* names, with commas between them.

    Only tags without attributes are found.
    In version 4 a name is a regular expression.
    """
    shown = text(value)
    for name in text(param).split(","):
        call.meter.work(len(shown))
        shown = made(_without_tag(shown, name, call), call)
    return trim_space(shown)


_SPECIAL = frozenset("\\.+*?()|[]{}^$")


def _without_tag(source: str, name: str, call: FilterCall) -> str:
    if call.dialect is Dialect.V4 and any("\ud800" <= character <= "\udfff" for character in name):
        raise Panic("regexp: Compile: error parsing regexp: invalid UTF-8")
    if call.dialect is Dialect.V6 or _SPECIAL.isdisjoint(name):
        return _without(source, lambda source: _named_tags(source, name))
    pattern = _compile(f"</?{name}/?>")
    return _without(source, lambda source: pattern.spans(source, call.meter.work))


def _compile(pattern: str) -> Pattern:
    try:
        return compile_pattern(pattern)
    except PatternError as error:
        raise Panic(f"regexp: Compile(`{pattern}`): error parsing regexp: {error}") from None
    except UnsupportedPatternError as error:
        raise Halt(f"removetags uses {error} in a pattern, which is not supported") from None


def _named_tags(source: str, name: str) -> Iterator[tuple[int, int]]:
    """Yield where a tag is: with a slash before or after its name, both or none."""
    forms = [f"<{before}{name}{after}>" for before in ("", "/") for after in ("", "/")]
    places = [source.find(form) for form in forms]
    while any(place >= 0 for place in places):
        start, form = min((place, form) for place, form in zip(places, forms, strict=True) if place >= 0)
        end = start + len(form)
        yield start, end
        places = [
            place if place < 0 or place >= end else source.find(form, end)
            for place, form in zip(places, forms, strict=True)
        ]
