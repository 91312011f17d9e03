"""
The syntax tree of a template.

Plain values without behaviour: the parser builds them, the compiler turns them into jinja2 nodes, the checks read
them.  Two closed unions, `Expression` and `Statement`; a body is a tuple of statements.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from lxdimage.templates._lexer import Token

__all__ = [
    "Autoescape",
    "Block",
    "Body",
    "Compare",
    "Cycle",
    "Document",
    "Expression",
    "FilterBlock",
    "FilterUse",
    "Filtered",
    "FirstOf",
    "For",
    "If",
    "IfChanged",
    "IfEqual",
    "Literal",
    "Logic",
    "Lookup",
    "Lorem",
    "Macro",
    "Now",
    "Operand",
    "Parameter",
    "Part",
    "Power",
    "Set",
    "Show",
    "Signed",
    "Spaceless",
    "Statement",
    "Terms",
    "Text",
    "WidthRatio",
    "With",
    "first_token",
    "is_marked_safe",
]


# -- expressions


@attrs.frozen(eq=False)
class Literal:
    """A number, a string, true or false."""

    token: Token
    value: bool | int | float | str


@attrs.frozen(eq=False)
class Part:
    """One step of a lookup: a name or an index, and the arguments when it is called."""

    token: Token
    name: str | int
    arguments: tuple[Expression, ...] | None


@attrs.frozen(eq=False)
class Lookup:
    """
    A variable with all that follows by dots and brackets.

    A subscript exists in version 6 only, and nothing follows it.
    """

    token: Token
    parts: tuple[Part, ...]
    subscript: Expression | None = None

    @property
    def path(self) -> str:
        """The lookup as error texts show it, without arguments."""
        return ".".join(str(part.name) for part in self.parts)


Operand: TypeAlias = "Literal | Lookup"


@attrs.frozen(eq=False)
class FilterUse:
    """``|name`` or ``|name:argument``."""

    token: Token
    argument: Operand | None

    @property
    def name(self) -> str:
        """The filter's name."""
        return self.token.value


@attrs.frozen(eq=False)
class Filtered:
    """An operand with at least one filter."""

    operand: Operand
    filters: tuple[FilterUse, ...]


@attrs.frozen(eq=False)
class Signed:
    """A term behind a minus sign, a ``not``, or both: the ``not`` applies first."""

    minus: bool
    negated: bool
    operand: Expression


@attrs.frozen(eq=False)
class Terms:
    """A chain of ``+ -`` or of ``* / %``, which group to the left: one operator fewer than operands."""

    operands: tuple[Expression, ...]
    operators: tuple[Token, ...]


@attrs.frozen(eq=False)
class Power:
    """A chain of ``^``, which groups to the right."""

    operands: tuple[Expression, ...]
    operators: tuple[Token, ...]


@attrs.frozen(eq=False)
class Compare:
    """A chain of comparisons, which group to the right; ``in`` can only be the last."""

    operands: tuple[Expression, ...]
    operators: tuple[Token, ...]


@attrs.frozen(eq=False)
class Logic:
    """A chain of ``and`` and ``or``, which have one precedence and group to the right."""

    operands: tuple[Expression, ...]
    operators: tuple[Token, ...]


Expression: TypeAlias = "Literal | Lookup | Filtered | Signed | Terms | Power | Compare | Logic"


def first_token(expression: Expression) -> Token:
    """Return the token that the engine names for *expression*: the first, signs and brackets left out."""
    while True:
        match expression:
            case Literal() | Lookup():
                return expression.token
            case Filtered() | Signed():
                expression = expression.operand
            case Terms() | Power() | Compare() | Logic():
                expression = expression.operands[0]


def is_marked_safe(expression: Expression) -> bool:
    """Tell whether a ``safe`` filter stands in *expression*, in each of its operands."""
    match expression:
        case Filtered():
            return any(use.name == "safe" for use in expression.filters)
        case Signed():
            return is_marked_safe(expression.operand)
        case Terms() | Power() | Compare() | Logic():
            return all(is_marked_safe(operand) for operand in expression.operands)
        case _:
            return False


# -- statements


@attrs.frozen(eq=False)
class Text:
    """Text that is output as it is; trimming is done."""

    value: str


@attrs.frozen(eq=False)
class Show:
    """``{{ expression }}``."""

    token: Token
    expression: Expression


@attrs.frozen(eq=False)
class If:
    """
    ``if``: the n-th condition belongs to the n-th body.

    A body behind the last condition's is taken when no condition is true.
    """

    token: Token
    conditions: tuple[Expression, ...]
    bodies: tuple[Body, ...]


@attrs.frozen(eq=False)
class IfEqual:
    """``ifequal`` and ``ifnotequal``."""

    token: Token
    left: Expression
    right: Expression
    negated: bool
    body: Body
    otherwise: Body


@attrs.frozen(eq=False)
class IfChanged:
    """``ifchanged``, with or without expressions to watch."""

    token: Token
    watched: tuple[Expression, ...]
    body: Body
    otherwise: Body | None


@attrs.frozen(eq=False)
class For:
    """``for``."""

    token: Token
    key: str
    value: str | None
    iterated: Expression
    backwards: bool
    ordered: bool
    body: Body
    empty: Body | None


@attrs.frozen(eq=False)
class Set:
    """``set name = expression``."""

    token: Token
    name: str
    expression: Expression


@attrs.frozen(eq=False)
class With:
    """``with``: names bound for a body."""

    token: Token
    bindings: tuple[tuple[str, Expression], ...]
    body: Body


@attrs.frozen(eq=False)
class Autoescape:
    """``autoescape on`` or ``off``."""

    token: Token
    on: bool
    body: Body


@attrs.frozen(eq=False)
class Block:
    """``block``: a body that runs in place."""

    token: Token
    body: Body


@attrs.frozen(eq=False)
class Cycle:
    """``cycle``."""

    token: Token
    values: tuple[Expression, ...]
    name: str | None
    silent: bool


@attrs.frozen(eq=False)
class FilterBlock:
    """``filter``: a body through filters that are looked up when it runs."""

    token: Token
    filters: tuple[FilterUse, ...]
    body: Body


@attrs.frozen(eq=False)
class FirstOf:
    """``firstof``."""

    token: Token
    values: tuple[Expression, ...]


@attrs.frozen(eq=False)
class Lorem:
    """``lorem``: so many words, paragraphs or HTML paragraphs."""

    token: Token
    count: int
    method: str
    shuffled: bool


@attrs.frozen(eq=False)
class Parameter:
    """A parameter of a macro, with its default."""

    name: str
    default: Expression | None


@attrs.frozen(eq=False)
class Macro:
    """``macro``."""

    token: Token
    name: str
    parameters: tuple[Parameter, ...]
    body: Body


@attrs.frozen(eq=False)
class Now:
    """``now``: the time in a layout, or a fixed one."""

    token: Token
    layout: str
    fake: bool


@attrs.frozen(eq=False)
class Spaceless:
    """``spaceless``."""

    token: Token
    body: Body


@attrs.frozen(eq=False)
class WidthRatio:
    """``widthratio``."""

    token: Token
    current: Expression
    limit: Expression
    width: Expression
    name: str | None


Statement: TypeAlias = (
    "Text | Show | If | IfEqual | IfChanged | For | Set | With | Autoescape | Block | Cycle | FilterBlock | FirstOf"
    " | Lorem | Macro | Now | Spaceless | WidthRatio"
)
Body: TypeAlias = "tuple[Statement, ...]"


@attrs.frozen(kw_only=True)
class Document:
    """
    A parsed template.

    Attributes:
        body: Its statements.
        exports: Names of exported macros, which must not be names of variables.
    """

    body: Body
    exports: frozenset[str]
