"""A place in a stretch of tokens: what the grammar reads through."""

from __future__ import annotations

from collections.abc import Sequence

from lxdimage.templates._lexer import Kind, SyntaxFault, Token

__all__ = ["Cursor", "describe"]


def describe(token: Token | None) -> str:
    """Return *token* as an error message shows it."""
    if token is None:
        return "end of the tag"
    if token.kind is Kind.TEXT:
        return f"text {token.value[:20]!r}"
    return f"{token.kind.name.lower()} {token.value[:40]!r}"


class Cursor:
    """
    Tokens from one index up to another, and how far they are read.

    The arguments of a tag are a cursor of their own over the same tokens, so that nothing is copied.
    """

    __slots__ = ("_end", "_stop", "_tokens", "at")

    def __init__(self, tokens: Sequence[Token], at: int, stop: int, end: int) -> None:
        self._tokens = tokens
        self._stop = stop
        self._end = end  # the offset that is blamed when the tokens run out
        self.at = at

    @property
    def current(self) -> Token | None:
        """The next token, or None at the end."""
        return self._tokens[self.at] if self.at < self._stop else None

    def peek(self, kind: Kind, *values: str) -> Token | None:
        """Return the next token when it has that kind and one of those values, any when none are given."""
        if self.at < self._stop:
            token = self._tokens[self.at]
            if token.kind is kind and (not values or token.value in values):
                return token
        return None

    def take(self, kind: Kind, *values: str) -> Token | None:
        """Return what `peek` returns, and step over it."""
        token = self.peek(kind, *values)
        if token:
            self.at += 1
        return token

    def neighbour(self, shift: int) -> Token | None:
        """Return the token *shift* places from the next one, or None outside."""
        index = self.at + shift
        return self._tokens[index] if 0 <= index < self._stop else None

    def expect(self, kind: Kind, *values: str, what: str = "", hint: str | None = None) -> Token:
        """Return what `take` returns; its absence is an error that names *what*."""
        token = self.take(kind, *values)
        if token is None:
            raise self.unexpected(what or " or ".join(map(repr, values)), hint=hint)
        return token

    def finish(self, name: str) -> None:
        """Check that nothing is left of the arguments of tag *name*."""
        if self.at < self._stop:
            raise self.unexpected(f"the end of tag {name!r}")

    def unexpected(self, expected: str, *, hint: str | None = None) -> SyntaxFault:
        """Return the error that the next token is not what was expected."""
        token = self.current
        message = f"unexpected {describe(token)}, expected {expected}"
        if token is None:
            return SyntaxFault(message, self._end, hint=hint)
        return SyntaxFault(message, token.offset, token.width, hint=hint)

    def arguments(self) -> Cursor | None:
        """
        Return the tokens up to the closing of the tag as a cursor, and step over the closing.

        Whatever stands there counts, other openings too; None when no closing comes.
        """
        for index in range(self.at, self._stop):
            token = self._tokens[index]
            if token.kind is Kind.SYMBOL and token.value == "%}":
                cursor = Cursor(self._tokens, self.at, index, token.offset)
                self.at = index + 1
                return cursor
        self.at = self._stop
        return None

    @property
    def count(self) -> int:
        """How many tokens are left."""
        return self._stop - self.at

    def mentions(self, kind: Kind, value: str) -> bool:
        """Tell whether such a token is among those that are left."""
        return any(
            token.kind is kind and token.value == value for token in self._tokens[self.at : self._stop]
        )
