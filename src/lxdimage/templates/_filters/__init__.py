"""
The filters of pongo2.

Each takes a value, the value behind its colon (None when there is none) and a `FilterCall`, and returns a value; it
fails with `FilterError`, `Panic` or `Halt` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lxdimage.templates._filters import (
    _choices,
    _format,
    _html,
    _numbers,
    _sequences,
    _text,
    _truncate,
    _urls,
)
from lxdimage.templates._meter import Dialect
from lxdimage.templates._values import Filter

__all__ = ["FILTERS", "filters_of"]

FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "add": _numbers.add,
        "addslashes": _text.addslashes,
        "capfirst": _text.capfirst,
        "center": _text.center,
        "cut": _text.cut,
        "date": _format.date,
        "default": _choices.default,
        "default_if_none": _choices.default_if_none,
        "divisibleby": _numbers.divisibleby,
        "escape": _html.escape,
        "escapejs": _html.escapejs,
        "first": _sequences.first,
        "float": _numbers.float_,
        "floatformat": _numbers.floatformat,
        "get_digit": _numbers.get_digit,
        "integer": _numbers.integer,
        "iriencode": _urls.iriencode,
        "join": _sequences.join,
        "last": _sequences.last,
        "length": _sequences.length_,
        "length_is": _sequences.length_is,
        "linebreaks": _html.linebreaks,
        "linebreaksbr": _html.linebreaksbr,
        "linenumbers": _text.linenumbers,
        "ljust": _text.ljust,
        "lower": _text.lower_,
        "make_list": _sequences.make_list,
        "phone2numeric": _text.phone2numeric,
        "pluralize": _choices.pluralize,
        "random": _sequences.random,
        "removetags": _html.removetags,
        "rjust": _format.rjust,
        "safe": _html.safe,
        "slice": _sequences.slice_,
        "split": _sequences.split,
        "stringformat": _format.stringformat,
        "striptags": _html.striptags,
        "time": _format.date,
        "title": _text.title_,
        "truncatechars": _text.truncatechars,
        "truncatechars_html": _truncate.truncatechars_html,
        "truncatewords": _text.truncatewords,
        "truncatewords_html": _truncate.truncatewords_html,
        "upper": _text.upper_,
        "urlencode": _urls.urlencode,
        "urlize": _urls.urlize,
        "urlizetrunc": _urls.urlizetrunc,
        "wordcount": _text.wordcount,
        "wordwrap": _text.wordwrap,
        "yesno": _choices.yesno,
    }
)

_BY_DIALECT: Mapping[Dialect, Mapping[str, Filter]] = {
    Dialect.V4: FILTERS,
    Dialect.V6: MappingProxyType({**FILTERS, "e": _html.escape}),
}


def filters_of(dialect: Dialect) -> Mapping[str, Filter]:
    """Return the filters by name: version 6 knows ``e`` too."""
    return _BY_DIALECT[dialect]
