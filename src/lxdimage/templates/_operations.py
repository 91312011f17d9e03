"""
Operations of expressions: what compiled code calls to compute, test and print values.

The first argument is the rendering, then come values, then the index of the site with what is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context

from lxdimage.templates._filters import FILTERS
from lxdimage.templates._operators import Operator, minus, negate
from lxdimage.templates._runtime import Rendering, located
from lxdimage.templates._sites import Deferred, FilterSite, HandsOn
from lxdimage.templates._values import (
    EngineError,
    FilterError,
    GoList,
    Live,
    NamedString,
    NilPointer,
    SafeString,
    Value,
    deref,
    text,
    truth,
)

__all__ = ["OPERATIONS", "apply_filter", "escaped", "outside"]


# -- printing


@pass_context
def show(rt: Rendering, value: Value) -> str:
    """Return what ``{{ value }}`` prints."""
    kind = type(value)
    if kind is str:
        return escaped(rt, value) if rt.scope.escapes else value
    if kind is NamedString and rt.scope.escapes:
        return escaped(rt, value)
    return text(value)


@pass_context
def show_safe(_rt: Rendering, value: Value) -> str:
    """Return what ``{{ value|safe }}`` prints."""
    return text(value)


def escaped(rt: Rendering, value: Value) -> str:
    """Return the string form of *value* with the five characters replaced."""
    return str(FILTERS["escape"](value, None, rt.call))


# -- tests


@pass_context
def is_true(_rt: Rendering, value: Value) -> bool:
    """Tell whether *value* counts as true."""
    return truth(value)


@pass_context
def decide(rt: Rendering, _: None) -> None:
    """Begin a choice between many."""
    rt.decided.append(False)


@pass_context
def is_open(rt: Rendering, _: None) -> bool:
    """Tell whether the choice is still open."""
    return not rt.decided[-1]


@pass_context
def close(rt: Rendering, _: None) -> None:
    """Make the choice."""
    rt.decided[-1] = True


@pass_context
def decided(rt: Rendering, _: None) -> None:
    """End a choice."""
    rt.decided.pop()


# -- operators

_LONG = 256


def _charge(rt: Rendering, value: Value) -> None:
    if isinstance(value, str | GoList) and len(value) > _LONG:
        rt.meter.work(len(value))


@pass_context
def binary(rt: Rendering, left: Value, right: Value, index: int) -> Value:
    """Apply an operator."""
    site = rt.sites[index]
    rt.meter.step()
    return _apply(rt, site.apply[0], left, right, site.tokens[0], joins=site.joins)


def _apply(rt: Rendering, apply: Operator, left: Value, right: Value, token: Any, *, joins: bool) -> Value:
    with located(rt, token):
        _charge(rt, left)
        _charge(rt, right)
        if joins:
            rt.meter.value(len(text(left)) + len(text(right)))
        return apply(left, right)


@pass_context
def fold(rt: Rendering, operands: list[Value], index: int) -> Value:
    """Apply a chain of operators that groups to the right, all operands being evaluated."""
    site = rt.sites[index]
    rt.meter.step(len(operands))
    result = operands[-1]
    for left, apply, token in zip(operands[-2::-1], site.apply[::-1], site.tokens[::-1], strict=True):
        result = _apply(rt, apply, left, result, token, joins=False)
    return result


@pass_context
def signed(rt: Rendering, value: Value, index: int) -> Value:
    """Apply ``not`` and a minus sign."""
    site = rt.sites[index]
    rt.meter.step()
    if site.negated:
        value = negate(value)
    if not site.minus:
        return value
    result = minus(value)
    if result is None:
        raise rt.error("Negative sign on a non-number expression", site.token)
    return result


# -- filters


def outside(value: Value) -> Value:
    """Return *value* as filters see it."""
    kind = type(value)
    if kind is Live:
        return outside(value.value)
    return None if kind is NilPointer else value


@pass_context
def apply_filter(rt: Rendering, value: Value, parameter: Value, index: int) -> Value:
    """Apply a filter of an expression."""
    site: FilterSite = rt.sites[index]
    seen, given = outside(value), outside(parameter)
    rt.meter.step()
    with located(rt, site.token):
        _charge(rt, seen)
        try:
            result = site.apply(seen, given, rt.call)
        except FilterError as error:
            place = rt.place(site.token)
            raise EngineError(error.message, place, sender=site.sender, named=False) from None
    if seen is value and given is parameter:
        return result
    return _handed_on(site, result, value, parameter)


def _handed_on(site: FilterSite, result: Value, value: Value, parameter: Value) -> Value:
    """Return the value or the parameter itself when the filter gave it back: a loop counter stays tied to its loop."""
    originals = (value, parameter)
    if site.hands_on is HandsOn.EITHER and not truth(value):
        originals = (parameter, value)
    if site.hands_on is not HandsOn.NOTHING:
        for original in originals:
            if outside(original) is result:
                return original
    return result


# -- expressions on their own


@pass_context
def give(rt: Rendering, value: Value) -> None:
    """Keep the result, so far, of an expression that is compiled on its own."""
    rt.given = value


@pass_context
def given(rt: Rendering, _: None) -> Value:
    """Return what was kept."""
    return rt.given


@pass_context
def evaluate(rt: Rendering, block: str) -> Value:
    """Evaluate an expression that is compiled on its own."""
    return rt.evaluate(Deferred(block))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "show": show,
    "show_safe": show_safe,
    "true": is_true,
    "decide": decide,
    "open": is_open,
    "close": close,
    "decided": decided,
    "binary": binary,
    "fold": fold,
    "signed": signed,
    "filter": apply_filter,
    "give": give,
    "given": given,
    "evaluate": evaluate,
}
