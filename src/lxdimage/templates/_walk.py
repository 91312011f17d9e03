"""Walk over a syntax tree: every expression and statement once, with what its surroundings say about it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._lexer import Token

__all__ = ["Visit", "bodies", "bound_names", "extent", "walk"]


@attrs.frozen
class Visit:
    """
    One node on the way.

    Attributes:
        node: The expression or statement.
        certain: Whether every rendering evaluates it.
        tested: Whether only its truth counts.
    """

    node: syntax.Statement | syntax.Expression
    certain: bool
    tested: bool = False


def walk(body: syntax.Body, *, certain: bool = True) -> Iterator[Visit]:
    """Yield the nodes of *body*, those that are *certain* to be evaluated marked."""
    for statement in body:
        yield Visit(statement, certain)
        for expression, sure, tested in _own_expressions(statement):
            yield from _inner(expression, certain=certain and sure, tested=tested)
        for inner, sure in bodies(statement):
            yield from walk(inner, certain=certain and sure)


def bodies(statement: syntax.Statement) -> Iterator[tuple[syntax.Body, bool]]:
    """Yield the bodies of a statement, and whether each is certain to run when the statement does."""
    match statement:
        case syntax.If(bodies=inner):
            yield from ((body, False) for body in inner)
        case syntax.IfEqual() | syntax.IfChanged():
            yield statement.body, isinstance(statement, syntax.IfChanged) and not statement.watched
            yield statement.otherwise or (), False
        case syntax.For():
            yield statement.body, False
            yield statement.empty or (), False
        case syntax.Macro():
            yield statement.body, False
        case syntax.With() | syntax.Autoescape() | syntax.Block() | syntax.FilterBlock() | syntax.Spaceless():
            yield statement.body, True


def _own_expressions(statement: syntax.Statement) -> Iterator[tuple[syntax.Expression, bool, bool]]:
    """Yield the expressions of a statement, whether each is certain to be evaluated, and whether it is a test."""
    if isinstance(statement, syntax.If):
        yield from ((condition, index == 0, True) for index, condition in enumerate(statement.conditions))
    elif isinstance(statement, syntax.Cycle | syntax.FirstOf):
        yield from ((value, index == 0, False) for index, value in enumerate(statement.values))
    elif isinstance(statement, syntax.Macro):
        yield from ((each.default, False, False) for each in statement.parameters if each.default)
    else:
        yield from ((expression, True, False) for expression in _evaluated(statement))


def _evaluated(statement: syntax.Statement) -> Iterator[syntax.Expression]:
    """Yield the expressions that are evaluated whenever the statement is."""
    match statement:
        case syntax.Show(expression=expression) | syntax.Set(expression=expression):
            yield expression
        case syntax.For(iterated=iterated):
            yield iterated
        case syntax.IfEqual(left=left, right=right):
            yield from (left, right)
        case syntax.IfChanged(watched=watched):
            yield from watched
        case syntax.With(bindings=bindings):
            yield from (value for _, value in bindings)
        case syntax.FilterBlock(filters=filters):
            yield from (use.argument for use in filters if use.argument)
        case syntax.WidthRatio(current=current, limit=limit, width=width):
            yield from (current, limit, width)


def _inner(expression: syntax.Expression, *, certain: bool, tested: bool) -> Iterator[Visit]:
    """Yield an expression and those in it."""
    yield Visit(expression, certain, tested)
    for inner, sure, test in _parts(expression):
        yield from _inner(inner, certain=certain and sure, tested=test)


def _parts(expression: syntax.Expression) -> Iterator[tuple[syntax.Expression, bool, bool]]:
    match expression:
        case syntax.Filtered():
            yield expression.operand, True, False
            yield from ((use.argument, True, False) for use in expression.filters if use.argument)
        case syntax.Signed():
            yield expression.operand, True, expression.negated
        case syntax.Logic(operands=operands):
            yield from ((operand, index == 0, True) for index, operand in enumerate(operands))
        case (
            syntax.Terms(operands=operands)
            | syntax.Power(operands=operands)
            | syntax.Compare(operands=operands)
        ):
            yield from ((operand, True, False) for operand in operands)
        case syntax.Lookup():
            # A call is only evaluated when there is something to call.
            for part in expression.parts:
                yield from ((argument, False, False) for argument in part.arguments or ())
            if expression.subscript:
                yield expression.subscript, False, False


def bound_names(body: syntax.Body) -> Iterator[str]:
    """Yield the names that tags bind anywhere in *body*."""
    for visit in walk(body):
        match visit.node:
            case syntax.Set(name=name) | syntax.Macro(name=name):
                yield name
                if isinstance(visit.node, syntax.Macro):
                    yield from (parameter.name for parameter in visit.node.parameters)
            case syntax.For(key=key, value=value):
                yield from ("forloop", key, value or key)
            case syntax.With(bindings=bindings):
                yield from (name for name, _ in bindings)
            case syntax.Cycle(name=str(name)) | syntax.WidthRatio(name=str(name)):
                yield name
            case syntax.Block():
                yield "block"


def extent(expression: syntax.Expression) -> tuple[int, int]:
    """Return the offset and length of an expression, outer signs and brackets left out."""
    first, last = syntax.first_token(expression), _last_token(expression)
    return first.offset, last.offset + last.width - first.offset


def _last_token(expression: syntax.Expression) -> Token:
    match expression:
        case syntax.Literal(token=token):
            return token
        case syntax.Lookup(parts=parts):
            return parts[-1].token
        case syntax.Filtered(filters=filters):
            use = filters[-1]
            return use.token if use.argument is None else _last_token(use.argument)
        case syntax.Signed(operand=operand):
            return _last_token(operand)
        case _:
            return _last_token(expression.operands[-1])
