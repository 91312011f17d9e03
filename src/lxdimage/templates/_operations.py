"""
Operations of expressions: what compiled code calls to compute, test and print values.

The first argument is the rendering, then come values, then the index of the site with what is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxdimage.templates._filters import FILTERS
from lxdimage.templates._go import Kind, Operand
from lxdimage.templates._lookups import evaluate, get
from lxdimage.templates._meter import Trouble
from lxdimage.templates._operators import minus, negate
from lxdimage.templates._runtime import Rendering
from lxdimage.templates._sites import ChainSite, FilterSite, FoldSite, HandsOn, LogicSite, OperatorSite
from lxdimage.templates._values import (
    EngineError,
    FilterError,
    NamedString,
    NilPointer,
    Value,
    deref,
    text,
    truth,
)

__all__ = ["OPERATIONS", "apply_filter", "escaped", "outside"]


# -- printing


def show(rt: Rendering, value: Value) -> str:
    """Return what ``{{ value }}`` prints."""
    kind = type(value)
    if kind is str:
        return escaped(rt, value) if rt.scope.escapes else value
    if kind is NamedString and rt.scope.escapes:
        return escaped(rt, value)
    return text(value)


def show_variable(rt: Rendering, index: int) -> str:
    """Return what ``{{ variable }}`` prints."""
    return show(rt, get(rt, index))


def show_safe(_rt: Rendering, value: Value) -> str:
    """Return what ``{{ value|safe }}`` prints."""
    return text(value)


def escaped(rt: Rendering, value: Value) -> str:
    """Return the string form of *value* with the five characters replaced."""
    return str(FILTERS["escape"](value, None, rt.tools))


# -- tests


def is_true(_rt: Rendering, value: Value) -> bool:
    """Tell whether *value* counts as true."""
    return truth(value)


# -- operators


def binary(rt: Rendering, left: Value, right: Value, index: int) -> Value:
    """Apply an operator."""
    return _operator(rt, left, right, rt.sites[index])


def _operator(rt: Rendering, left: Value, right: Value, site: OperatorSite) -> Value:
    try:
        rt.meter.step()
        rt.charge(left)
        rt.charge(right)
        if site.joins:
            rt.meter.value(len(text(left)) + len(text(right)))
        return site.apply[0](left, right)
    except Trouble as error:
        raise rt.blame(error, site.tokens[0]) from None


def fold(rt: Rendering, operands: list[Value], index: int) -> Value:
    """Apply a chain of operators that groups to the right, all operands being evaluated."""
    return _folded(rt, operands, rt.sites[index])


def _folded(rt: Rendering, operands: list[Value], site: OperatorSite) -> Value:
    result = operands[-1]
    for left, apply, token in zip(operands[-2::-1], site.apply[::-1], site.tokens[::-1], strict=True):
        try:
            rt.meter.step()
            rt.charge(left)
            rt.charge(result)
            result = apply(left, result)
        except Trouble as error:
            raise rt.blame(error, token) from None
    return result


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
    value = deref(value)
    return None if type(value) is NilPointer else value


def apply_filter(rt: Rendering, value: Value, parameter: Value, index: int) -> Value:
    """Apply a filter of an expression."""
    return _filter(rt, value, parameter, rt.sites[index])


def _filter(rt: Rendering, value: Value, parameter: Value, site: FilterSite) -> Value:
    seen, given = outside(value), outside(parameter)
    if seen is None and site.typed and value is not None:
        seen = _nil_pointer(deref(value))
    try:
        rt.meter.step()
        rt.charge(seen)
        rt.charge(given)
        result = site.apply(seen, given, rt.tools)
    except FilterError as error:
        place = rt.place(site.token)
        raise EngineError(error.message, place, sender=site.sender, named=False) from None
    except Trouble as error:
        raise rt.blame(error, site.token) from None
    if seen is value and given is parameter:
        return result
    return _handed_on(site, result, value, parameter)


def _nil_pointer(value: NilPointer) -> Operand:
    """Return a nil pointer as ``stringformat`` prints it: with its type."""
    return Operand(kind=Kind.NIL_POINTER, type=value.type_name)


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


# -- long chains, and expressions on their own


def chain(rt: Rendering, index: int) -> Value:
    """Compute a long chain that groups to the left, step by step."""
    site: ChainSite = rt.sites[index]
    value = evaluate(rt, site.first)
    for step, late in site.steps:
        operand = evaluate(rt, late)
        match step:
            case OperatorSite():
                value = _operator(rt, value, operand, step)
            case FilterSite():
                value = _filter(rt, value, operand, step)
    return value


def long_fold(rt: Rendering, index: int) -> Value:
    """Compute a long chain that groups to the right."""
    site: FoldSite = rt.sites[index]
    return _folded(rt, [evaluate(rt, operand) for operand in site.operands], site.operators)


def long_logic(rt: Rendering, index: int) -> bool:
    """Ask one operand after the other until one decides."""
    site: LogicSite = rt.sites[index]
    for late, conjunction in site.operands:
        if truth(evaluate(rt, late)) is not conjunction:
            return not conjunction
    return truth(evaluate(rt, site.last))


def give(rt: Rendering, value: Value) -> None:
    """Keep the result of an expression that is compiled on its own."""
    rt.given = value


def compute(rt: Rendering, block: str) -> Value:
    """Return the value of an expression that is compiled on its own."""
    return rt.compute(block)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "show": show,
    "show_safe": show_safe,
    "true": is_true,
    "binary": binary,
    "fold": fold,
    "signed": signed,
    "filter": apply_filter,
    "chain": chain,
    "long_fold": long_fold,
    "long_logic": long_logic,
    "give": give,
    "compute": compute,
    "show_variable": show_variable,
}
