"""
Metadata as YAML text that every daemon reads alike (image format, section 14).

One block-style document in UTF-8, without anchors, directives or repeated keys; everything that is
not obviously text is quoted, and equal metadata make equal text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._model import Metadata, TemplateRule
from lxdimage.metadata._yaml import MAX_SIZE
from lxdimage.rules import diagnose

__all__ = ["dump_metadata"]


def dump_metadata(metadata: Metadata) -> str:
    """
    Return *metadata* as the text of a metadata.yaml.

    The architecture is written by its canonical name.  `parse_metadata` gives back equal metadata, whatever the
    target.

    Args:
        metadata: What the text is to say.

    Returns:
        The text, in block style, with a newline at its end.

    Raises:
        InvalidMetadataError: The text would be larger than the 1 MiB that the daemons read.
    """
    text = "".join(f"{line}\n" for line in _lines(metadata))
    size = len(text.encode())
    if size > MAX_SIZE:
        message = f"the metadata takes {size} bytes as YAML, more than {MAX_SIZE}"
        raise InvalidMetadataError(diagnose("yaml-too-large", message))
    return text


def _lines(metadata: Metadata) -> Iterator[str]:
    yield f"architecture: {metadata.architecture}"
    yield f"creation_date: {metadata.creation_timestamp}"
    if metadata.expiry_timestamp:
        yield f"expiry_date: {metadata.expiry_timestamp}"
    if not metadata.properties:
        yield "properties: {}"  # without the map, adding a property at import crashes a daemon
    yield from _texts("properties", metadata.properties)
    if metadata.templates:
        yield "templates:"
        for target in sorted(metadata.templates):
            yield from _indented(_rule(target, metadata.templates[target]))


def _texts(name: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a map of texts; nothing when it is empty."""
    if texts:
        yield f"{name}:"
    yield from _indented(f"{_key(key)}: {_text(texts[key])}" for key in sorted(texts))


def _rule(target: str, rule: TemplateRule) -> Iterator[str]:
    if rule.null:
        yield f"{_key(target)}: null"
        return
    yield f"{_key(target)}:"
    yield from _indented(_fields(rule))


def _fields(rule: TemplateRule) -> Iterator[str]:
    yield "when:" if rule.when else "when: []"
    yield from _indented(f"- {_text(trigger)}" for trigger in rule.when)
    if rule.create_only:
        yield "create_only: true"
    yield f"template: {_text(rule.template)}"
    yield from _texts("properties", rule.properties)
    for name, value in (("uid", rule.uid), ("gid", rule.gid), ("mode", rule.mode)):
        if value is not None:
            yield f"{name}: {_quoted(value)}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    # An explicit key takes two lines, and both move.
    return (f"  {part}" for line in lines for part in line.split("\n"))


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_WORD = "[A-Za-z0-9_./+()@-]+"
_PLAIN = re.compile(f"(?=[A-Za-z/]){_WORD}( {_WORD}){{0,50}}")
_VALUES = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_UNPRINTABLE = re.compile(
    '["\\\\\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]'
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LONGEST_KEY = 1000  # characters: the older generation looks for the colon behind a key no further than 1024


def _key(text: str) -> str:
    key = _text(text)
    return key if len(key) <= _LONGEST_KEY else f"? {key}\n"


def _text(text: str) -> str:
    """Return *text* as a scalar; plain where no YAML reader could take it for anything else."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _VALUES:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        data = base64.b64encode(text.encode("utf-8", "surrogateescape"))
        return f'!!binary "{data.decode()}"'
    return '"' + _UNPRINTABLE.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
