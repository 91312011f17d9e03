"""
Template text to tokens, by pongo2's own rules.

The lexer is in text until it meets an opening, and in a tag until any closing, whichever opened it.  A character
that no token starts with leads back to text without a word; the parser nearly always fails on what follows.
Tokens carry their offset only: lines and columns are computed for the few that an error names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

import attrs

__all__ = ["Kind", "SyntaxFault", "Token", "tokenize"]


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    KEYWORD = auto()
    IDENTIFIER = auto()
    STRING = auto()
    NUMBER = auto()
    SYMBOL = auto()


@attrs.define(eq=False)
class Token:
    """
    One token.

    Attributes:
        kind: What it is.
        value: Its text: without the dash of a trimming symbol, quotes and escapes of a string resolved.
        offset: Where it starts in the text.
        trims: Whether a dash marks the neighbouring text for trimming.
        width: Characters that it takes in the text.
    """

    kind: Kind
    value: str
    offset: int
    trims: bool
    width: int


class SyntaxFault(Exception):  # noqa: N818 - the public error is made from it
    """
    A text does not parse.

    Attributes:
        message: What was found and what was expected.
        offset: Where, in characters of the parsed text.
        length: Characters that a marker should cover.
        hint: What to do.
        code: The kind of finding.
    """

    def __init__(
        self,
        message: str,
        offset: int,
        length: int = 1,
        *,
        hint: str | None = None,
        code: str = "template-syntax",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint
        self.code = code


_KEYWORDS = frozenset({"in", "and", "or", "not", "true", "false", "as", "export"})

# The engine takes this byte for the end of the input.
_END = "\x01"
_VERBATIM = "{% verbatim %}"
_END_VERBATIM = "{% endverbatim %}"

_OPENING = re.compile(r"\{[{%#]|\x01")
_COMMENT_END = re.compile(r"#\}|[\n\x01]")
_IN_TAG = re.compile(
    r"""
    (?P<space>[ \t\r]+)
  | (?P<identifier>[0-9]*[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+)
  | (?P<string>"[^"\\\n\x01]*(?:\\["\\][^"\\\n\x01]*)*"|'[^'\\\n\x01]*(?:\\["\\][^'\\\n\x01]*)*')
  | (?P<close>-?[%}]\})
  | (?P<symbol>\{\{-?|\{%-?|==|>=|<=|&&|\|\||!=|<>|[-()+*<>/^,.!|:=%])
  | (?P<bracket>[\[\]])
  | (?P<newline>\n)
  | (?P<quote>["'])
    """,
    re.VERBOSE,
)


class _Lexer:
    """The state of one pass over a text."""

    def __init__(self, text: str, *, brackets: bool) -> None:
        self._text = text
        self._brackets = brackets
        self._end = len(text)
        self._at = 0
        self._tokens: list[Token] = []
        self._emit = self._tokens.append
        # A large template repeats its names and symbols: each is kept once.
        self._names: dict[str, str] = {}

    def run(self) -> list[Token]:
        start = 0  # of the text that is not emitted yet
        scan = 0
        after_verbatim = False
        while opening := _OPENING.search(self._text, scan, self._end):
            at = opening.start()
            if opening[0] == _END:
                self._end = at + 1
                break
            self._text_token(start, at)
            verbatim = self._text.startswith(_VERBATIM, at) and not (after_verbatim and at == start)
            if verbatim:
                self._verbatim(at)
            elif opening[0] == "{#":
                self._comment(at)
            else:
                self._tag(at)
            after_verbatim = verbatim
            start = scan = self._at
        self._text_token(start, self._end)
        return self._tokens

    def _text_token(self, start: int, end: int) -> None:
        if end > start:
            self._emit(Token(Kind.TEXT, self._text[start:end], start, False, end - start))

    def _comment(self, at: int) -> None:
        end = _COMMENT_END.search(self._text, at + 2)
        if not end or end[0] == _END:
            raise SyntaxFault(
                "the comment is never closed", at, 2, hint="close it with '#}' on the same line"
            )
        if end[0] == "\n":
            raise SyntaxFault(
                "a comment must not span lines",
                at,
                end.start() - at,
                hint="use the comment tag for longer ones",
            )
        self._at = end.end()

    def _verbatim(self, at: int) -> None:
        start = at + len(_VERBATIM)
        # The engine takes one character before it looks for the end.
        end = self._text.find(_END_VERBATIM, start + 1)
        stop = self._text.find(_END, start)
        if end < 0 or (0 <= stop < end):
            hint = f"close it with exactly {_END_VERBATIM!r}, after at least one character"
            raise SyntaxFault("the verbatim tag is never closed", at, len(_VERBATIM), hint=hint)
        self._text_token(start, end)
        self._at = end + len(_END_VERBATIM)

    def _tag(self, at: int) -> None:
        text, match_at, emit = self._text, _IN_TAG.match, self._emit
        while match := match_at(text, at):
            name = match.lastgroup or ""
            end = match.end()
            if name == "space":
                pass
            elif name == "identifier":
                value = self._names.setdefault(match[0], match[0])
                emit(
                    Token(Kind.KEYWORD if value in _KEYWORDS else Kind.IDENTIFIER, value, at, False, end - at)
                )
            elif name == "symbol" or (name == "bracket" and self._brackets):
                emit(_symbol(match[0], at))
            elif name == "close":
                emit(_symbol(match[0], at))
                at = end
                break
            elif not self._rare(name, match[0], at):
                break
            at = end
        self._at = at

    def _rare(self, name: str, value: str, at: int) -> bool:
        """Handle what is not a name or symbol; tell whether the tag goes on."""
        rule = _RARE.get(name)
        if rule is None:
            return False
        self._emit(rule(self._text, value, at))
        return True


_SYMBOLS = {
    symbol: symbol.replace("-", "") if len(symbol) == 3 else symbol
    for symbol in (
        *("{{-", "-}}", "{%-", "-%}", "==", ">=", "<=", "&&", "||", "{{", "}}", "{%", "%}", "!=", "<>"),
        *"()+-*<>/^,.!|:=%[]",
    )
}


def _symbol(value: str, at: int) -> Token:
    return Token(Kind.SYMBOL, _SYMBOLS[value], at, len(value) == 3, len(value))


def _number(_text: str, value: str, at: int) -> Token:
    return Token(Kind.NUMBER, value, at, False, len(value))


def _string(_text: str, value: str, at: int) -> Token:
    # The order of the two steps shows: it is the engine's.
    inner = value[1:-1].replace('\\"', '"').replace("\\\\", "\\") if "\\" in value else value[1:-1]
    return Token(Kind.STRING, inner, at, False, len(value))


def _newline(_text: str, _value: str, at: int) -> Token:
    raise SyntaxFault(
        "a tag must not span lines",
        at,
        hint="write the whole tag on one line, or close it before the line ends",
    )


def _quote(text: str, value: str, at: int) -> Token:
    """Say why no string starts at this quote."""
    body = re.compile(rf"[^{value}\\\n\x01]*(?:\\[\"\\][^{value}\\\n\x01]*)*")
    match = body.match(text, at + 1)
    end = match.end() if match else at + 1
    if text[end : end + 1] == "\\":
        hint = 'only \\" and \\\\ are escapes, in either kind of quotes'
        raise SyntaxFault(f"unknown escape {text[end : end + 2]!r} in a string", end, 2, hint=hint)
    if text[end : end + 1] == "\n":
        raise SyntaxFault("a string must not span lines", at, end - at)
    raise SyntaxFault("the string is never closed", at, end - at)


_RARE: dict[str, Callable[[str, str, int], Token]] = {
    "number": _number,
    "string": _string,
    "newline": _newline,
    "quote": _quote,
}


def tokenize(text: str, *, brackets: bool = False) -> list[Token]:
    """
    Return the tokens of *text*.

    Args:
        text: The whole text, wrapped as the daemons do where that is wanted.
        brackets: Whether square brackets are symbols, as in version 6.

    Returns:
        The tokens in order.

    Raises:
        SyntaxFault: On an open comment, string or verbatim, an unknown escape, or a newline in one of them.
    """
    return _Lexer(text, brackets=brackets).run()
