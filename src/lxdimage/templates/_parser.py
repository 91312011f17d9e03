"""
Tokens to the syntax tree: the document, its text and the frame of its tags.

Expressions are in `_expressions`, the tags in `_tags`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._cursor import Cursor, describe
from lxdimage.templates._expressions import ExpressionParser, Nesting, near
from lxdimage.templates._lexer import Kind, SyntaxFault, Token, tokenize
from lxdimage.templates._meter import Dialect
from lxdimage.templates._source import Source
from lxdimage.templates._tags import LOADERS, MEMBERS, TAGS, Ending, Tag
from lxdimage.templates._values import Filter

__all__ = ["Language", "parse"]

# Only these four characters are trimmed, and only from the one text beside the dash.
_TRIMMED = " \n\r\t"

_FOREIGN = {
    "raw": "the tag is called 'verbatim'",
    "elseif": "it is written 'elif'",
    "elsif": "it is written 'elif'",
    "endraw": "the tag is called 'verbatim'",
    "verbatim": "it must be written exactly '{% verbatim %}', and not directly after another one",
    "unless": "write 'if not'",
}


# What people write behind a value, from other languages.
_MISPLACED = {
    "(": "a filter's argument follows a colon: |default:5",
    "=": "equality is written '=='",
    "[": "keys are looked up with dots, those with dots in their names by config_get",
    "if": "there is no inline 'if': use the tag",
    "is": "there is no 'is': compare with '=='",
    "not": "write not (a in b)",
    "|": "a filter applies to one value, not to brackets",
    "~": "write the parts one after the other",
}


def _misplaced(token: Token | None) -> str | None:
    """Return a hint for *token* behind a value."""
    return None if token is None else _MISPLACED.get(token.value) or _MISPLACED.get(token.value[:1])


@attrs.frozen(kw_only=True)
class Language:
    """
    What a template may use.

    Attributes:
        dialect: The release whose grammar applies.
        filters: The filters that exist, by name.
        banned: Tags that are refused beside those that load files.
        nesting: Levels of tags and brackets.
    """

    dialect: Dialect
    filters: Mapping[str, Filter]
    banned: frozenset[str]
    nesting: int


def parse(source: Source, language: Language) -> syntax.Document:
    """
    Return the syntax tree of a template.

    Raises:
        SyntaxFault: When it does not parse.
    """
    try:
        tokens = tokenize(source.text, brackets=language.dialect is Dialect.V6)
        return _Parser(tokens, source, language).document()
    except SyntaxFault as fault:
        if not source.wrapped or fault.offset < source.end:
            raise
        raise _cut_short(source, fault) from None


def _cut_short(source: Source, fault: SyntaxFault) -> SyntaxFault:
    """Say in terms of the template what went wrong in the tag that the daemons put behind it."""
    at = max(source.start, source.end - 1)
    if source.inner.endswith("{"):
        message = "the template ends in '{', which joins the tag that the daemons put behind it"
        return SyntaxFault(message, at, hint="end the template with a newline", code=fault.code)
    return SyntaxFault("the template ends inside a tag", at, hint="close the tag", code=fault.code)


class _Parser:
    """The state of one pass over the tokens of a template."""

    def __init__(self, tokens: list[Token], source: Source, language: Language) -> None:
        self.blocks: set[str] = set()
        self.exports: set[str] = set()
        self._cursor = Cursor(tokens, 0, len(tokens), len(source.text))
        self._source = source
        self._language = language
        self._nesting = Nesting(language.nesting)
        self._open: list[Token] = []

    def document(self) -> syntax.Document:
        statements: list[syntax.Statement] = []
        while self._cursor.current:
            statements.append(self._statement())
        return syntax.Document(body=tuple(statements), exports=frozenset(self.exports))

    def expressions(self, cursor: Cursor) -> ExpressionParser:
        """Return a reader of the expressions at *cursor*."""
        return ExpressionParser(cursor, self._language.filters, self._nesting)

    def body(self, opening: Token, *ends: str) -> Ending:
        """Read statements up to a tag of one of the names *ends*."""
        self._nesting.enter(opening)
        self._open.append(opening)
        statements: list[syntax.Statement] = []
        while self._cursor.current:
            if end := self._end_tag(ends):
                self._open.pop()
                self._nesting.leave()
                return Ending(tuple(statements), end, self._arguments(end))
            statements.append(self._statement())
        raise self._unclosed(opening, ends)

    def skip(self, opening: Token, end: str) -> None:
        """Step over everything up to tag *end*, which must have no arguments."""
        while self._cursor.current:
            if token := self._end_tag((end,)):
                # The engine waits for ever when anything stands before the closing.
                self._cursor.expect(Kind.SYMBOL, "%}", what=f"the end of tag {token.value!r}")
                return
            self._cursor.at += 1
        raise self._unclosed(opening, (end,))

    def _unclosed(self, opening: Token, ends: tuple[str, ...]) -> SyntaxFault:
        expected = " or ".join(map(repr, ends))
        return SyntaxFault(
            f"tag {opening.value!r} is never closed, expected {expected}", opening.offset, opening.width
        )

    def _end_tag(self, names: tuple[str, ...]) -> Token | None:
        """Return the name token of a tag of one of *names*, and step over it, when one comes next."""
        if not self._cursor.peek(Kind.SYMBOL, "{%"):
            return None
        token = self._cursor.neighbour(1)
        if token is None or token.kind is not Kind.IDENTIFIER or token.value not in names:
            return None
        self._cursor.at += 2
        return token

    def _arguments(self, name: Token) -> Cursor:
        arguments = self._cursor.arguments()
        if arguments is None:
            raise SyntaxFault(
                f"tag {name.value!r} does not end", name.offset, name.width, hint="close it with '%}'"
            )
        return arguments

    # -- statements

    def _statement(self) -> syntax.Statement:
        token = self._cursor.current
        assert token is not None
        if token.kind is Kind.TEXT:
            return self._text(token)
        if token.kind is Kind.SYMBOL and token.value == "{{":
            return self._show(token)
        if token.kind is Kind.SYMBOL and token.value == "{%":
            return self._tag()
        raise SyntaxFault(
            f"unexpected {describe(token)}, expected text, a variable or a tag", token.offset, token.width
        )

    def _text(self, token: Token) -> syntax.Text:
        before, after = self._cursor.neighbour(-1), self._cursor.neighbour(1)
        value = token.value
        if before and before.trims:
            value = value.lstrip(_TRIMMED)
        if after and after.trims:
            value = value.rstrip(_TRIMMED)
        self._cursor.at += 1
        return syntax.Text(value)

    def _show(self, token: Token) -> syntax.Show:
        self._cursor.at += 1
        expression = self.expressions(self._cursor).expression()
        if not self._cursor.take(Kind.SYMBOL, "}}"):
            raise self._cursor.unexpected(
                "an operator, a filter or '}}'", hint=_misplaced(self._cursor.current)
            )
        return syntax.Show(token, expression)

    def _tag(self) -> syntax.Statement:
        self._cursor.at += 1
        name = self._cursor.expect(Kind.IDENTIFIER, what="the name of a tag")
        self._check_allowed(name)
        rule = TAGS.get(name.value)
        if rule is None:
            raise self._unknown(name)
        return rule(Tag(name, self._arguments(name), self))

    def _check_allowed(self, name: Token) -> None:
        if name.value in LOADERS or name.value in self._language.banned:
            raise SyntaxFault(
                f"usage of tag {name.value!r} is not allowed (sandbox restriction active)",
                name.offset,
                name.width,
                code="banned-tag",
            )

    def _unknown(self, name: Token) -> SyntaxFault:
        opening = self._open[-1] if self._open else None
        if opening and opening.offset < self._source.start:
            opening = None  # it is the daemons' own
        elif opening and name.offset >= self._source.end:
            return self._unclosed(opening, (f"end{opening.value}",))
        opened = opening.value if opening else None
        if owner := MEMBERS.get(name.value):
            message = f"tag {name.value!r} belongs to {owner!r}"
            message += f", but {opened!r} is open here" if opened else ", but no tag is open here"
            return SyntaxFault(message, name.offset, name.width, code="unknown-tag")
        hint = _FOREIGN.get(name.value) or near(name.value, {**TAGS, **MEMBERS})
        return SyntaxFault(
            f"unknown tag {name.value!r}", name.offset, name.width, hint=hint, code="unknown-tag"
        )
