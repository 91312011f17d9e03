"""
Filters that shorten HTML and close the tags that stay open.

Text is copied until enough of it was counted; tags are copied without counting.  Bytes that are not UTF-8, and
U+FFFD with them, are dropped.
"""

from __future__ import annotations

import re
from heapq import heappop, heappush

from lxdimage.templates._filters._bounds import made, walk
from lxdimage.templates._go import wrap
from lxdimage.templates._meter import FilterCall
from lxdimage.templates._values import SafeString, Value, raw, text, to_int

__all__ = ["truncatechars_html", "truncatewords_html"]


def truncatechars_html(value: Value, param: Value, call: FilterCall) -> SafeString:
    """Return HTML with at most so many characters of text, three of them for dots."""
    copy = _Copy(text(value), call)
    most = max(wrap(to_int(param) - 3), 0)
    count = 0
    while count < most and (run := copy.next_run()) is not None:
        kept = run[: most - count]
        copy.write(kept)
        count += len(kept)
    if most <= count < copy.size:
        copy.write("...")
    return copy.finish()


_WORD = re.compile(r"([^ .,;]*+)([ .,;]?)")


def truncatewords_html(value: Value, param: Value, call: FilterCall) -> SafeString:
    """Return HTML with at most so many words, and dots when there were as many."""
    copy = _Copy(text(value), call)
    most = max(to_int(param), 0)
    count = at = 0
    run: str | None = ""
    while count < most and run is not None:
        if at == len(run):
            run, at = copy.next_run(), 0
            continue
        match = _WORD.match(run, at)
        assert match is not None  # it matches the empty text
        copy.write(match[0])
        at = match.end()
        # A word that a tag ends is not counted.
        is_ended = match[2] or copy.is_at_end
        count += bool(match[1] and is_ended)
    if count >= most:
        copy.write("...")
    return copy.finish()


_DROPPED = dict.fromkeys([*range(0xD800, 0xE000), 0xFFFD])


class _Copy:
    """
    A copy of some HTML in the making, and the tags that are open in it.

    Attributes:
        size: The length of the HTML in bytes.
    """

    def __init__(self, source: str, call: FilterCall) -> None:
        walk(source, call)
        self._source = source
        self._at = 0
        self._call = call
        self._out: list[str] = []
        self._open = _OpenTags()
        self.size = len(raw(source))

    def write(self, piece: str) -> None:
        """Append *piece*."""
        self._out.append(piece)

    @property
    def is_at_end(self) -> bool:
        """Whether all of the HTML was handed out."""
        return self._at == len(self._source)

    def next_run(self) -> str | None:
        """Copy the tags that come next, and return the text up to the one behind it; None at the end."""
        while not self.is_at_end:
            if self._source[self._at] == "<":
                self._tag()
                continue
            run = self._up_to("<")
            if run:
                return run
        return None

    def finish(self) -> SafeString:
        """Close what is open, and return everything."""
        self._out += [f"</{name}>" for name in self._open.drain()]
        return SafeString(made("".join(self._out), self._call))

    def _up_to(self, char: str) -> str:
        """Return the source up to *char*, or to its end, without what is dropped."""
        found = self._source.find(char, self._at)
        start, self._at = self._at, len(self._source) if found < 0 else found
        piece = self._source[start : self._at]
        return piece if piece.isascii() else piece.translate(_DROPPED)

    def _tag(self) -> None:
        """Copy a tag, from its ``<``."""
        self.write("<")
        self._at += 1
        if len(raw(self._source[self._at : self._at + 2])) < 2:
            return  # with less than two bytes behind it, it is no tag
        if self._source[self._at] == "/":
            self._at += 1
            name = self._up_to(">")
            self._open.close(name)
            self.write(f"/{name}>")
        else:
            content = self._up_to(">")
            self._open.push(content.partition(" ")[0])
            self.write(content if self.is_at_end else content + ">")
        self._at += not self.is_at_end


class _OpenTags:
    """
    The stack of open tags.

    Closing one puts the topmost tag in its place.  Where each name stands is kept, with the highest place first, so
    that hostile HTML cannot make every closing tag search the whole stack.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._places: dict[str, list[int]] = {}

    def push(self, name: str) -> None:
        """Open a tag."""
        self._place(name, len(self._names))
        self._names.append(name)

    def close(self, name: str) -> None:
        """Close the topmost tag of that name, if there is one."""
        if not self._places.get(name):
            return
        place = -heappop(self._places[name])
        top = self._names.pop()
        if place < len(self._names):
            heappop(self._places[top])
            self._names[place] = top
            self._place(top, place)

    def drain(self) -> list[str]:
        """Return what is open, the topmost first."""
        return self._names[::-1]

    def _place(self, name: str, place: int) -> None:
        heappush(self._places.setdefault(name, []), -place)
