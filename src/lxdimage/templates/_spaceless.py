"""What the ``spaceless`` tag does to its body."""

from __future__ import annotations

import re

from lxdimage.templates._meter import Meter

__all__ = ["spaceless"]

# White space between two tags; whether they are tags is decided for each.
_GAP = re.compile(r">[\t\n\v\f\r ]+<")


def spaceless(text: str, meter: Meter) -> str:
    """
    Return *text* without the white space between tags.

    A tag is what is between angle brackets on one line.  A tag that ends one match cannot begin the next, so the
    engine repeats until nothing changes.
    """
    while True:
        meter.work(len(text))
        shorter = _pass(text)
        if shorter == text:
            return text
        text = shorter


def _pass(text: str) -> str:
    """Remove the gaps of one pass: each between a tag that starts behind the last match and a tag that is complete."""
    pieces, done, start = [], 0, 0
    for gap in _GAP.finditer(text):
        # The first tag must open behind the last match, on the line of its end.
        first = text.rfind("<", start, gap.start())
        if first < 0 or text.find("\n", first, gap.start()) >= 0:
            continue
        end = _closing(text, gap.end())
        if end < 0:
            continue
        pieces.append(text[done : gap.start() + 1])
        done, start = gap.end() - 1, end
    return "".join(pieces) + text[done:]


def _closing(text: str, start: int) -> int:
    """Return the offset behind the tag that is open at *start*, or -1 when its line ends first."""
    end = text.find(">", start)
    if end < 0 or text.find("\n", start, end) >= 0:
        return -1
    return end + 1
