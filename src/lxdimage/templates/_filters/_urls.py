"""Filters that write addresses: percent encoding, and text with its addresses made links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

import attrs

from lxdimage.templates._filters._bounds import made, walk
from lxdimage.templates._filters._html import escape_text
from lxdimage.templates._go import trim_space
from lxdimage.templates._meter import FilterCall
from lxdimage.templates._values import Value, from_raw, raw, runes, text, to_int

__all__ = ["iriencode", "urlencode", "urlize", "urlizetrunc"]


def urlencode(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text as one part of an address: all but letters, digits and ``-_.~`` is encoded."""
    return made(quote_plus(raw(text(value))), call)


def iriencode(value: Value, _param: Value, call: FilterCall) -> str:
    """Return the text as a whole address: what has a meaning there stays."""
    return made(_iri(text(value)), call)


def _iri(address: str) -> str:
    return quote_plus(runes(address), safe="/#%[]=:;$&()+,!?*@'~")


def urlize(value: Value, param: Value, call: FilterCall) -> str:
    """Return the text with its addresses made links; with False as *param* their texts are not escaped."""
    return _with_links(text(value), _Titles(is_escaped=param is not False), call)


def urlizetrunc(value: Value, param: Value, call: FilterCall) -> str:
    """Return the text with its addresses made links, with texts of at most so many bytes."""
    return _with_links(text(value), _Titles(most=to_int(param)), call)


@attrs.frozen(kw_only=True)
class _Titles:
    """How the texts of links are written."""

    is_escaped: bool = True
    most: int = -1

    def cut(self, title: str) -> str:
        """Return *title* with dots in place of what is too long, in bytes; only from four bytes on."""
        data = raw(title)
        return from_raw(data[: self.most - 3]) + "..." if 3 < self.most < len(data) else title

    def of_address(self, title: str) -> str:
        title = self.cut(title)
        return escape_text(title) if self.is_escaped else title


def _with_links(source: str, titles: _Titles, call: FilterCall) -> str:
    walk(source, call)
    linked = made(_replace(source, _addresses(source), lambda found: _link(found, titles)), call)
    return made(_replace(linked, _mail_addresses(linked), lambda found: _mail_link(found, titles)), call)


def _replace(source: str, spans: Iterator[tuple[int, int]], rule: Callable[[str], str]) -> str:
    parts = []
    done = 0
    for start, end in spans:
        parts += [source[done:start], rule(source[start:end])]
        done = end
    return "".join([*parts, source[done:]])


def _link(found: str, titles: _Titles) -> str:
    """Return the link for an address with the spaces around it, of which one on each side stays."""
    address = trim_space(found)
    target = _iri(address)
    if not target.startswith("http"):
        target = f"http://{target}"
    before, after = " " * found.startswith(" "), " " * found.endswith(" ")
    return f'{before}<a href="{target}" rel="nofollow">{titles.of_address(address)}</a>{after}'


def _mail_link(found: str, titles: _Titles) -> str:
    return f'<a href="mailto:{found}">{titles.cut(found)}</a>'


# -- finding addresses

_ADDRESS = re.compile(r"https?://|www\.|(?:\A| )[0-9A-Za-z_-]++\.(?:com|net|org|info|biz|de)")


def _addresses(source: str) -> Iterator[tuple[int, int]]:
    """
    Yield where addresses are, with the spaces behind them.

    What begins as one goes on to the next space or to the end, and is none when a line ends before.
    """
    at, newline, space = 0, -1, -1
    while match := _ADDRESS.search(source, at):
        newline = _next(source, "\n", match.end(), newline)
        space = _next(source, " ", match.end(), space)
        if newline < space:
            at = match.start() + 1
            continue
        at = space
        while source.startswith(" ", at):
            at += 1
        yield match.start(), at


def _next(source: str, char: str, start: int, known: int) -> int:
    """Return where *char* comes next; *known* is an earlier answer, so that no text is searched twice."""
    if known >= start:
        return known
    found = source.find(char, start)
    return len(source) if found < 0 else found


_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_MAIL_DOMAIN = re.compile(r"@[0-9A-Za-z_]++\.[0-9A-Za-z_]{2,4}")


def _mail_addresses(source: str) -> Iterator[tuple[int, int]]:
    """Yield where mail addresses are: a word, ``@``, a word, a point and two to four characters."""
    done = floor = 0
    while (at := source.find("@", floor)) >= 0:
        before = source[max(done, floor) : at]
        start = len(before.rstrip(_WORD)) + max(done, floor)
        match = _MAIL_DOMAIN.match(source, at)
        if match and start < at:
            done = match.end()
            yield start, done
        floor = at + 1
