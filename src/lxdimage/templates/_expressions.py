"""
The grammar of expressions, a production per method.

Chains of operators become one node each, however long, so that only brackets and arguments nest; those are
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

import attrs

from lxdimage.templates._cursor import Cursor
from lxdimage.templates._go import parse_float
from lxdimage.templates._lexer import Kind, SyntaxFault, Token
from lxdimage.templates._syntax import (
    Compare,
    Expression,
    Filtered,
    FilterUse,
    Literal,
    Logic,
    Lookup,
    Operand,
    Part,
    Power,
    Signed,
    Terms,
)

__all__ = ["ExpressionParser", "Nesting", "near"]

_MOST = (1 << 63) - 1
_MOST_DIGITS = 19
# Comparing takes time by the square of the length.
_LONGEST_GUESSED = 40
_MOST_GUESSES = 200


def near(name: str, names: Iterable[str]) -> str | None:
    """Return a hint that names what *name* may be a misspelling of, among the first of *names*."""
    if len(name) > _LONGEST_GUESSED:
        return None
    matches = get_close_matches(name, islice(names, _MOST_GUESSES), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else None


@attrs.define
class Nesting:
    """How deep tags, brackets and arguments are nested, and how deep they may be."""

    limit: int
    depth: int = 0

    def enter(self, token: Token) -> None:
        """Go one level deeper at *token*."""
        self.depth += 1
        if self.depth > self.limit:
            raise SyntaxFault(
                f"tags and brackets are nested more than {self.limit} levels deep",
                token.offset,
                token.width,
                code="template-limit",
            )

    def leave(self) -> None:
        """Come back."""
        self.depth -= 1


class ExpressionParser:
    """Read expressions from a cursor."""

    def __init__(self, cursor: Cursor, filters: Mapping[str, object], nesting: Nesting) -> None:
        self._cursor = cursor
        self._filters = filters
        self._nesting = nesting

    def expression(self) -> Expression:
        """``relation [ ("and" | "or" | "&&" | "||") expression ]``."""
        operands, operators = [self._relation()], []
        while operator := self._logical():
            operators.append(operator)
            operands.append(self._relation())
        return Logic(tuple(operands), tuple(operators)) if operators else operands[0]

    def _logical(self) -> Token | None:
        return self._cursor.take(Kind.KEYWORD, "and", "or") or self._cursor.take(Kind.SYMBOL, "&&", "||")

    def _relation(self) -> Expression:
        """``simple [ ("==" | ... ) relation | "in" simple ]``."""
        operands, operators = [self._simple()], []
        while operator := self._cursor.take(Kind.SYMBOL, "==", "<=", ">=", "!=", "<>", ">", "<"):
            operators.append(operator)
            operands.append(self._simple())
        if operator := self._cursor.take(Kind.KEYWORD, "in"):
            operators.append(operator)
            operands.append(self._simple())
        return Compare(tuple(operands), tuple(operators)) if operators else operands[0]

    def _simple(self) -> Expression:
        """``[ "+" | "-" ] [ "!" | "not" ] term { ("+" | "-") term }``."""
        sign = self._cursor.take(Kind.SYMBOL, "+", "-")
        negation = self._cursor.take(Kind.SYMBOL, "!") or self._cursor.take(Kind.KEYWORD, "not")
        first = self._term()
        minus = sign is not None and sign.value == "-"
        if minus or negation:
            first = Signed(minus, negation is not None, first)
        return self._chain(first, ("+", "-"), self._term)

    def _term(self) -> Expression:
        """``power { ("*" | "/" | "%") power }``."""
        return self._chain(self._power(), ("*", "/", "%"), self._power)

    def _chain(
        self, first: Expression, symbols: tuple[str, ...], operand: Callable[[], Expression]
    ) -> Expression:
        operands, operators = [first], []
        while operator := self._cursor.take(Kind.SYMBOL, *symbols):
            operators.append(operator)
            operands.append(operand())
        return Terms(tuple(operands), tuple(operators)) if operators else first

    def _power(self) -> Expression:
        """``factor [ "^" power ]``."""
        operands, operators = [self._factor()], []
        while operator := self._cursor.take(Kind.SYMBOL, "^"):
            operators.append(operator)
            operands.append(self._factor())
        return Power(tuple(operands), tuple(operators)) if operators else operands[0]

    def _factor(self) -> Expression:
        """``"(" expression ")" | operand { "|" filter }``."""
        bracket = self._cursor.take(Kind.SYMBOL, "(")
        if bracket is None:
            return self._filtered()
        self._nesting.enter(bracket)
        inner = self.expression()
        self._cursor.expect(Kind.SYMBOL, ")", what="an operator or ')'")
        self._nesting.leave()
        return inner

    def _filtered(self) -> Expression:
        operand = self.operand()
        if not self._cursor.peek(Kind.SYMBOL, "|"):
            return operand
        filters = []
        while self._cursor.take(Kind.SYMBOL, "|"):
            use = self.filter_use()
            if use.name not in self._filters:
                raise SyntaxFault(
                    f"unknown filter {use.name!r}",
                    use.token.offset,
                    use.token.width,
                    hint=near(use.name, self._filters),
                    code="unknown-filter",
                )
            filters.append(use)
        return Filtered(operand, tuple(filters))

    def filter_use(self) -> FilterUse:
        """``IDENT [ ":" operand ]``."""
        token = self._cursor.expect(Kind.IDENTIFIER, what="the name of a filter")
        if not self._cursor.take(Kind.SYMBOL, ":"):
            return FilterUse(token, None)
        return FilterUse(token, self.operand())

    def operand(self) -> Operand:
        """``NUMBER [ "." NUMBER ] | STRING | "true" | "false" | variable``."""
        token = self._cursor.current
        if token is None:
            raise self._cursor.unexpected("a value")
        match token.kind:
            case Kind.NUMBER:
                return self._number()
            case Kind.STRING:
                self._cursor.at += 1
                return Literal(token, token.value)
            case Kind.KEYWORD if token.value in {"true", "false"}:
                self._cursor.at += 1
                return Literal(token, token.value == "true")
            case Kind.IDENTIFIER:
                self._cursor.at += 1
                return self._variable(token)
        hint = _VALUE_HINTS.get(token.value) or _VALUE_HINTS.get(token.value[:1])
        raise self._cursor.unexpected("a value", hint=hint)

    def _number(self) -> Literal:
        token = self._cursor.expect(Kind.NUMBER)
        if not self._cursor.take(Kind.SYMBOL, "."):
            return Literal(token, _integer(token))
        fraction = self._cursor.expect(Kind.NUMBER, what="digits behind the point")
        value = parse_float(f"{token.value}.{fraction.value}")
        if value is None:
            raise SyntaxFault("the number is out of range", token.offset, token.width)
        return Literal(token, value)

    def _variable(self, token: Token) -> Lookup:
        """``IDENT { "." ( IDENT | NUMBER ) | "(" arguments ")" } [ "[" expression "]" ]``."""
        parts: list[Part] = []
        name = token
        arguments: list[Expression] | None = None
        while True:
            if bracket := self._cursor.take(Kind.SYMBOL, "("):
                # Two argument lists on one name are joined.
                arguments = arguments or []
                arguments += self._arguments(bracket)
                continue
            parts.append(_part(name, arguments))
            if self._cursor.take(Kind.SYMBOL, "."):
                name, arguments = self._part_name(), None
            elif bracket := self._cursor.take(Kind.SYMBOL, "["):
                return Lookup(token, tuple(parts), self._subscript(bracket))
            else:
                return Lookup(token, tuple(parts))

    def _part_name(self) -> Token:
        if name := self._cursor.take(Kind.IDENTIFIER):
            return name
        return self._cursor.expect(Kind.NUMBER, what="a name or a number behind the point")

    def _arguments(self, bracket: Token) -> list[Expression]:
        self._nesting.enter(bracket)
        arguments: list[Expression] = []
        while not self._cursor.take(Kind.SYMBOL, ")"):
            arguments.append(self.expression())
            if self._cursor.take(Kind.SYMBOL, ")"):
                break
            self._cursor.expect(Kind.SYMBOL, ",", what="',' or ')'")
        self._nesting.leave()
        return arguments

    def _subscript(self, bracket: Token) -> Expression:
        self._nesting.enter(bracket)
        index = self.expression()
        self._cursor.expect(Kind.SYMBOL, "]")
        self._nesting.leave()
        return index


_VALUE_HINTS = {
    "-": "a sign may stand only at the start of an expression or bracket: write (-1)",
    "+": "a sign may stand only at the start of an expression or bracket",
    "not": "'not' may stand only at the start of an expression or bracket: write (not a)",
    "[": "there are no lists: a text can be split, as in 'a,b'|split:','",
    "{": "there are no dictionaries",
}


def _part(token: Token, arguments: list[Expression] | None) -> Part:
    name = _integer(token) if token.kind is Kind.NUMBER else token.value
    return Part(token, name, None if arguments is None else tuple(arguments))


def _integer(token: Token) -> int:
    digits = token.value.lstrip("0")
    if len(digits) <= _MOST_DIGITS and (value := int(digits or "0")) <= _MOST:
        return value
    raise SyntaxFault(f"the number is greater than {_MOST}", token.offset, token.width)
