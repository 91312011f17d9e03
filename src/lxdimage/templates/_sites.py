"""
What compiled templates refer to by number: the constant part of every operation.

A compiled template holds no names and no positions; an operation gets the index of its site and finds there what
it needs, tokens for error texts included.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TypeAlias

import attrs

from lxdimage.templates._lexer import Token
from lxdimage.templates._operators import Operator
from lxdimage.templates._values import Filter, Value

__all__ = [
    "ChainSite",
    "Choice",
    "Constant",
    "CycleSite",
    "Deferred",
    "FilterBlockSite",
    "FilterBlockUse",
    "FilterSite",
    "FirstOfSite",
    "FoldSite",
    "ForSite",
    "HandsOn",
    "IfChangedSite",
    "IfEqualSite",
    "IfSite",
    "Late",
    "LogicSite",
    "LoremSite",
    "MacroSite",
    "NegationSite",
    "OperatorSite",
    "Segment",
    "Step",
    "Variable",
    "WatchSite",
    "WithSite",
]


@attrs.frozen
class Constant:
    """An expression whose value is known."""

    value: Value


@attrs.frozen
class Deferred:
    """An expression that is compiled on its own, to be evaluated when it is asked for."""

    block: str


@attrs.frozen
class Variable:
    """A plain lookup, by the index of its site."""

    index: int


Late: TypeAlias = Constant | Deferred | Variable


@attrs.frozen
class Step:
    """One dot of a lookup: a name or an index, called when it has an argument list."""

    key: str | int
    called: bool


@attrs.frozen
class Segment:
    """
    A stretch of a lookup that needs no argument on its way.

    Attributes:
        token: The first of the lookup.
        path: The lookup as error texts show it.
        name: The variable, for the first segment.
        called: Whether the variable itself is called.
        steps: What follows.
        arguments: How many arguments the end of the segment is called with; None when they follow no call.
        keys: The steps, when they are names and nothing is called: most lookups are like that.
    """

    token: Token
    path: str
    name: str | None
    called: bool
    steps: tuple[Step, ...]
    arguments: int | None
    keys: tuple[str, ...] | None = attrs.field(init=False)

    @keys.default
    def _keys(self) -> tuple[str, ...] | None:
        names = tuple(step.key for step in self.steps if isinstance(step.key, str) and not step.called)
        is_plain = len(names) == len(self.steps) and self.arguments is None and not self.called
        return names if is_plain else None


class HandsOn(Enum):
    """Whether a filter can give back its very input, by which a loop counter stays tied to its loop."""

    NOTHING = auto()
    INPUT = auto()
    EITHER = auto()  # the input when it is true, else the parameter


@attrs.frozen
class FilterSite:
    """
    A filter in an expression.

    Attributes:
        token: Its name.
        apply: What it does.
        sender: How it signs its errors.
        hands_on: Whether it can give back its very input.
        typed: Whether it shows the types of values.
    """

    token: Token
    apply: Filter
    sender: str
    hands_on: HandsOn
    typed: bool


@attrs.frozen
class OperatorSite:
    """One operator, or all those of a chain that groups to the right."""

    tokens: tuple[Token, ...]
    apply: tuple[Operator, ...]
    joins: bool


@attrs.frozen
class ChainSite:
    """A long chain of operators or filters that groups to the left."""

    first: Late
    steps: tuple[tuple[OperatorSite | FilterSite, Late], ...]


@attrs.frozen
class FoldSite:
    """A long chain that groups to the right."""

    operands: tuple[Late, ...]
    operators: OperatorSite


@attrs.frozen
class LogicSite:
    """A long chain of ``and`` and ``or``: its last operand, and the others with whether ``and`` follows."""

    operands: tuple[tuple[Late, bool], ...]
    last: Late


@attrs.frozen
class NegationSite:
    """A minus sign or ``not``."""

    token: Token
    minus: bool
    negated: bool


@attrs.frozen
class ForSite:
    """A loop."""

    token: Token
    key: str
    value: str | None
    backwards: bool
    ordered: bool


@attrs.frozen
class CycleSite:
    """A ``cycle``."""

    token: Token
    values: tuple[Late, ...]
    name: str | None
    silent: bool


@attrs.frozen
class IfChangedSite:
    """An ``ifchanged``; its bodies only when it watches what they print."""

    token: Token
    body: str
    otherwise: str | None


@attrs.frozen
class FilterBlockUse:
    """One filter of a ``filter`` tag, known or not."""

    name: str
    apply: Filter | None
    sender: str
    parameter: Late


@attrs.frozen
class FilterBlockSite:
    """A ``filter`` tag."""

    token: Token
    body: str
    filters: tuple[FilterBlockUse, ...]


@attrs.frozen
class MacroSite:
    """A macro; a parameter without a default has None."""

    token: Token
    name: str
    parameters: tuple[tuple[str, Late | None], ...]
    body: str


@attrs.frozen
class WithSite:
    """A ``with``."""

    names: tuple[str, ...]


@attrs.frozen
class IfSite:
    """An ``if`` of many conditions, each with its body."""

    choices: tuple[tuple[Late, str], ...]
    otherwise: str


@attrs.frozen
class IfEqualSite:
    """An ``ifequal`` or ``ifnotequal``."""

    token: Token


@attrs.frozen
class WatchSite:
    """An ``ifchanged`` with expressions to watch."""

    token: Token
    has_else: bool


@attrs.frozen
class Choice:
    """One value of ``firstof``, and whether it is marked safe."""

    value: Late
    safe: bool


@attrs.frozen
class FirstOfSite:
    """A ``firstof``."""

    choices: tuple[Choice, ...]


@attrs.frozen
class LoremSite:
    """A ``lorem``."""

    token: Token
    count: int
    method: str
    shuffled: bool
