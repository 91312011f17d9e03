"""
Bytes of a YAML file as characters, read the way the daemons' decoders read them.

The decoders fetch 512 bytes at a time and only when they need them.  A bad byte or the end of what may be read
therefore matters only when its block is reached: garbage far behind the first document goes unnoticed.  `Text`
keeps the characters before the block that fails, and the failure itself for whoever asks for more.
"""

from __future__ import annotations

import bisect
import codecs
import functools
import re

import attrs

from lxdimage.diagnostics import Position, Span
from lxdimage.metadata._yaml._generation import Generation

__all__ = ["MAX_SIZE", "Text", "YAMLError"]

MAX_SIZE = 1 << 20
"""Bytes of a metadata.yaml that a daemon reads (image format, section 5.1)."""

_BLOCK = 512
_MARK = "\ufeff"
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)


class YAMLError(Exception):
    """
    The text is not YAML that the daemons' decoders read.

    Attributes:
        code: The code of the finding.
        problem: What was found.
        index: Where, in characters.
        since: Where the construct begins that could not be read, when that is elsewhere.
    """

    def __init__(
        self, problem: str, index: int, *, since: int | None = None, code: str = "yaml-syntax"
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.index = index
        self.since = since
        self.code = code


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Text:
    """
    The characters of a YAML file.

    Attributes:
        chars: All that can be read.
        readable: How many of *chars* a decoder gets before *failure*.
        failure: What ends the reading, or None at the proper end.
        encoding: The Python codec that the file is in.
        marked: Whether the file began with a byte order mark.
        mistaken: How many of *chars* a decoder gets with a second mark before them.  Its check whether a line begins
            with a mark looks at the beginning of what it got, so that it drops the first character of every line.
    """

    chars: str
    readable: int
    failure: YAMLError | None
    encoding: str
    marked: bool
    mistaken: int

    @classmethod
    def decode(cls, data: bytes, generation: Generation) -> Text:
        """Return the text of *data*; what is wrong with it is found in `failure`."""
        encoding, skip = _encoding(data)
        body = data[skip:MAX_SIZE]
        chars, problem, width = _decode(body, encoding, more=len(data) > MAX_SIZE)
        if bad := generation.forbidden.search(chars):
            chars, width = chars[: bad.start()], len(bad[0].encode(encoding, "surrogatepass"))
            problem = f"the control character U+{ord(bad[0]):04X} is not allowed"
        blocks = _Blocks(chars, encoding, skip)
        readable = len(chars)
        # What is handed over block by block ends with its last block; the end of what is in memory shows behind it.
        if problem and not (generation.reads_ahead and len(data) < blocks.size + width):
            readable = blocks.before(min(blocks.size + width, len(data)))
        failure = YAMLError(problem, len(chars), code="yaml-characters") if problem else None
        if len(data) > MAX_SIZE and (generation.reads_ahead or not failure):
            failure = YAMLError(
                f"the file is larger than {MAX_SIZE} bytes", len(chars), code="yaml-too-large"
            )
            readable = 0 if generation.reads_ahead else readable
        return cls(
            chars=chars,
            readable=readable,
            failure=failure,
            encoding=encoding,
            marked=skip > 0,
            mistaken=min(readable, blocks.first()) if chars[:1] == _MARK else 0,
        )

    @functools.cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAK.finditer(self.chars))]

    @functools.cached_property
    def _lines(self) -> dict[int, str]:
        """The lines asked for so far: many findings may point into one long line, and share it."""
        return {}

    def position(self, index: int) -> Position:
        """Return the line and column of the character at *index*."""
        line = bisect.bisect_right(self._starts, index)
        return Position(line, index - self._starts[line - 1] + 1)

    def span(self, start: int, end: int) -> Span:
        """Return the stretch from *start* up to *end*, at least one character long."""
        return Span(self.position(start), self.position(max(end, start + 1)))

    def line(self, number: int) -> str:
        """Return the line of that number, from 1, without its line break."""
        if number not in self._lines:
            start = self._starts[number - 1]
            end = self._starts[number] if number < len(self._starts) else len(self.chars)
            self._lines[number] = self.chars[start:end].rstrip("\r\n\x85\u2028\u2029")
        return self._lines[number]


def _encoding(data: bytes) -> tuple[str, int]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def _decode(body: bytes, encoding: str, *, more: bool) -> tuple[str, str | None, int]:
    """
    Return the characters of *body* up to the first byte that is none, what is wrong there, and the bad one's width.

    The width is the number of bytes that a decoder wants to see before it looks at any of them.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(body, final=not more), None, 0
    except UnicodeDecodeError as error:
        start = error.start
        problem = f"byte 0x{body[start]:02x} does not belong to a {encoding.upper()} character"
        return body[:start].decode(encoding), problem, _width(body[start : start + 2], encoding)


def _width(begun: bytes, encoding: str) -> int:
    """Return how many bytes a character takes that begins with *begun*, which may begin none."""
    if encoding == "utf-8":
        lead = begun[0]
        return {0xC: 2, 0xD: 2, 0xE: 3, 0xF: 4 if lead < 0xF8 else 1}.get(lead >> 4, 1)
    high = begun[-1 if encoding == "utf-16-le" else 0]
    return 4 if len(begun) == 2 and high & 0xFC == 0xD8 else 2


@attrs.frozen
class _Blocks:
    """
    The blocks in which a decoder fetches *chars*, which follow a mark of *skip* bytes.

    A character that a block boundary cuts moves to the next block as a whole.
    """

    chars: str
    encoding: str
    skip: int

    def first(self) -> int:
        """Return how many of the characters are in the first block."""
        data = self.chars[:_BLOCK].encode(self.encoding)
        return len(data[: self._whole(data, _BLOCK - self.skip)].decode(self.encoding))

    @property
    def size(self) -> int:
        """The bytes before the end of the characters."""
        return self.skip + len(self.chars.encode(self.encoding))

    def before(self, needed: int) -> int:
        """Return how many of the characters lie before the first block that reaches to byte *needed* of the file."""
        data = self.chars.encode(self.encoding)
        start = 0
        while start + _BLOCK < needed:
            start = self._whole(data, start + _BLOCK - self.skip) + self.skip
        return len(data[: max(0, start - self.skip)].decode(self.encoding))

    def _whole(self, data: bytes, end: int) -> int:
        """Return the last boundary between characters at or before *end*."""
        if end >= len(data):
            return len(data)
        if self.encoding == "utf-8":
            while data[end] & 0xC0 == 0x80:
                end -= 1
            return end
        end -= end % 2
        high = end - 1 if self.encoding == "utf-16-le" else end - 2
        return end - 2 if end >= 2 and data[high] & 0xFC == 0xD8 else end
