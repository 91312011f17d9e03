"""
What the two generations of the Go YAML library do differently, as data.

LXD and Incus 6.0 read metadata.yaml with generation 2, today's Incus with generation 4.  Everything else in this
package is common to both; wherever they differ the code asks a field of `Generation` (image format, sections 5.2
and 5.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["GENERATIONS", "Generation", "Word"]

Word = tuple[str, bool | float | str | None]
"""The tag and the value of a plain scalar that is a word of its own: ``true``, ``null``, ``.inf``."""


def _words() -> dict[str, Word]:
    rows: tuple[tuple[str, bool | float | None, str], ...] = (
        ("!!bool", True, "true True TRUE"),
        ("!!bool", False, "false False FALSE"),
        ("!!null", None, "~ null Null NULL"),
        ("!!float", float("nan"), ".nan .NaN .NAN"),
        ("!!float", float("inf"), ".inf .Inf .INF +.inf +.Inf +.INF"),
        ("!!float", float("-inf"), "-.inf -.Inf -.INF"),
    )
    words: dict[str, Word] = {word: (tag, value) for tag, value, texts in rows for word in texts.split()}
    words[""] = ("!!null", None)
    return words


_YES = ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")
_NO = ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
_YES_AND_NO: dict[str, bool] = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


class Generation(NamedTuple):
    """
    How one generation of the library reads YAML.

    Attributes:
        number: 2 or 4.
        forbidden: Characters that no document may contain.
        reads_ahead: Reads all of its input before it starts, whatever it needs of it.
        lookahead: Tokens that the scanner has found beyond the one that it hands out.
        keys_expire: A key must be on one line and within 1024 characters of its colon.
        loose_indicators: In flow style ``?`` and ``:`` need no blank behind them.
        flow_tags: A shorthand tag may contain commas and brackets.
        anchors: The characters of an anchor's name.
        leading_document_end: A stream may begin with ``...``.
        words: Plain scalars that are values of their own.
        switches: Texts that are read as true or false where a truth value is wanted, even quoted.
        signed_binary: Knows ``0b-1`` as a number.
        fractions: Cuts the fraction off where a whole number is wanted; refuses it otherwise.
        timestamps: Gives the source text where a timestamp stands and text is wanted; refuses it otherwise.
        unique_keys: Refuses a key that is given twice.
        merges_last: Merged keys never replace the mapping's own; otherwise what comes later wins.
        null_clears: A null clears what was there; otherwise it leaves text, numbers and truth values alone.
        single_document: What reads the file again when an instance starts wants one document and nothing behind it.
    """

    number: int
    forbidden: re.Pattern[str]
    reads_ahead: bool
    lookahead: int
    keys_expire: bool
    loose_indicators: bool
    flow_tags: bool
    anchors: str
    leading_document_end: bool
    words: Mapping[str, Word]
    switches: Mapping[str, bool]
    signed_binary: bool
    fractions: bool
    timestamps: bool
    unique_keys: bool
    merges_last: bool
    null_clears: bool
    single_document: bool


_V2 = Generation(
    number=2,
    forbidden=re.compile("[\0-\x08\v\f\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"),
    reads_ahead=False,
    lookahead=0,
    keys_expire=True,
    loose_indicators=True,
    flow_tags=True,
    anchors="0-9A-Za-z_-",
    leading_document_end=False,
    words=MappingProxyType(
        _words() | {text: ("!!bool", value) for text, value in _YES_AND_NO.items()},
    ),
    switches=MappingProxyType({}),
    signed_binary=True,
    fractions=True,
    timestamps=True,
    unique_keys=False,
    merges_last=False,
    null_clears=True,
    single_document=False,
)

_V4 = Generation(
    number=4,
    forbidden=re.compile("[\0-\x08\v\f\x0e-\x1f\ud800-\udfff\ufffe\uffff]"),
    reads_ahead=True,
    lookahead=2,
    keys_expire=False,
    loose_indicators=False,
    flow_tags=False,
    anchors=r"!-+\--9;-Z\\^-z|~",
    leading_document_end=True,
    words=MappingProxyType(
        _words() | {"<<": ("!!merge", "<<"), "-0": ("!!float", -0.0), "-0.0": ("!!float", -0.0)},
    ),
    switches=MappingProxyType(_YES_AND_NO),
    signed_binary=False,
    fractions=False,
    timestamps=False,
    unique_keys=True,
    merges_last=True,
    null_clears=False,
    single_document=True,
)

GENERATIONS: Mapping[int, Generation] = MappingProxyType({2: _V2, 4: _V4})
