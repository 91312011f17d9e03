"""
Operations of tags: what compiled code calls to bind names, open scopes, choose, and run bodies.

Choices are jinja2's own `if` nodes; what is around them is here.  Loops and macros have modules of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lxdimage.templates._go import float_to_int, format_time
from lxdimage.templates._lexer import Token
from lxdimage.templates._lookups import evaluate
from lxdimage.templates._lorem import lorem as lorem_text
from lxdimage.templates._meter import Trouble
from lxdimage.templates._operations import escaped, outside
from lxdimage.templates._operators import OPERATORS, equal
from lxdimage.templates._runtime import Rendering
from lxdimage.templates._sites import CycleSite, FilterBlockUse, IfSite, LoremSite
from lxdimage.templates._spaceless import spaceless as without_gaps
from lxdimage.templates._values import (
    CycleValue,
    Dialect,
    EngineError,
    FilterError,
    Halt,
    Panic,
    Struct,
    Value,
    text,
    to_float,
    truth,
)

__all__ = ["OPERATIONS"]


# -- names and scopes


def assign(rt: Rendering, value: Value, name: str) -> None:
    """Bind a name in the present scope."""
    rt.scope.bind(name, value)


def enter_with(rt: Rendering, values: list[Value], index: int) -> None:
    """Open a scope with names for values that were computed outside it."""
    scope = rt.scope.child()
    for name, value in zip(rt.sites[index].names, values, strict=True):
        scope.bind(name, value)
    rt.push(scope)


def leave(rt: Rendering, _: None) -> None:
    """Close a scope."""
    rt.pop()


def escape_on(rt: Rendering, on: bool) -> None:  # noqa: FBT001 - it is the tag's argument
    """Switch escaping on or off in the present scope."""
    rt.scope.outer_escapes.append(rt.scope.escapes)
    rt.scope.escapes = on


def escape_as_before(rt: Rendering, _: None) -> None:
    """Switch escaping back."""
    rt.scope.escapes = rt.scope.outer_escapes.pop()


def block(rt: Rendering, _: None) -> None:
    """Bind what ``block`` means inside a block."""
    rt.scope.bind("block", Struct("pongo2.tagBlockInformation", {}, frozenset({"ctx", "wrappers"})))


# -- choices


def choose(rt: Rendering, index: int) -> str:
    """Return the output of the first body whose condition is true."""
    site: IfSite = rt.sites[index]
    for condition, body in site.choices:
        if truth(evaluate(rt, condition)):
            return rt.collect(body)
    return rt.collect(site.otherwise)


def same(rt: Rendering, pair: list[Value], index: int) -> bool:
    """Tell whether two values are equal, for ``ifequal`` and ``ifnotequal``."""
    try:
        _take_steps(rt, pair)
        return equal(*pair)
    except Trouble as error:
        raise rt.blame(error, rt.sites[index].token) from None


def changed(rt: Rendering, values: list[Value], index: int) -> bool:
    """Tell whether any of the values differs from the last time."""
    site = rt.sites[index]
    last = rt.state.get(index)
    rt.state[index] = values
    try:
        _take_steps(rt, values)
        if last is None or any(not equal(old, new) for old, new in zip(last, values, strict=True)):
            return True
    except Trouble as error:
        raise rt.blame(error, site.token) from None
    if not site.has_else and rt.tools.dialect is Dialect.V4:
        raise Panic("runtime error: invalid memory address or nil pointer dereference", rt.place(site.token))
    return False


def _take_steps(rt: Rendering, values: list[Value]) -> None:
    rt.meter.step(len(values))
    for value in values:
        rt.charge(value)


def changed_output(rt: Rendering, index: int) -> str:
    """Return the output of a body when it differs from the last one that was shown."""
    site = rt.sites[index]
    output = rt.capture(site.body)
    if output != rt.state.get(index, ""):
        rt.state[index] = output
        return output
    if site.otherwise is not None and rt.tools.dialect is Dialect.V6:
        return rt.collect(site.otherwise)
    return ""


def first_of(rt: Rendering, index: int) -> str:
    """Return the first value that is true; later ones are not evaluated."""
    for choice in rt.sites[index].choices:
        value = evaluate(rt, choice.value)
        if truth(value):
            return text(value) if choice.safe or not rt.scope.escapes else escaped(rt, outside(value))
    return ""


def cycle(rt: Rendering, index: int) -> str:
    """Take the next value in turn."""
    site: CycleSite = rt.sites[index]
    value = _next_in_turn(rt, index)
    if type(value) is CycleValue:
        other: CycleSite = rt.sites[value.owner]
        value.value = _next_in_turn(rt, value.owner)
        return "" if other.silent else text(value.value)
    if site.name is not None:
        rt.scope.bind(site.name, CycleValue(index, value))
    return "" if site.silent else text(value)


def _next_in_turn(rt: Rendering, index: int) -> Value:
    site: CycleSite = rt.sites[index]
    rt.meter.step()
    if not site.values:
        raise Panic("runtime error: integer divide by zero", rt.place(site.token))
    turn = rt.state.get(index, 0)
    rt.state[index] = turn + 1
    return evaluate(rt, site.values[turn % len(site.values)])


# -- bodies


def collect(rt: Rendering, name: str) -> str:
    """Return the output of a body that is compiled on its own."""
    return rt.collect(name)


def spaceless(rt: Rendering, name: str) -> str:
    """Return the output of a body without the white space between tags."""
    return without_gaps(rt.capture(name), rt.meter)


def filter_block(rt: Rendering, index: int) -> str:
    """Return the output of a body after the filters of a ``filter`` tag."""
    site = rt.sites[index]
    value: Value = rt.capture(site.body)
    for use in site.filters:
        parameter = outside(evaluate(rt, use.parameter))
        rt.meter.work(len(text(value)))
        rt.charge(parameter)
        value = _filtered(rt, use, value, parameter, site.token)
    return text(value)


def _filtered(rt: Rendering, use: FilterBlockUse, value: Value, parameter: Value, token: Token) -> Value:
    if use.apply is None:
        missing = f"Filter with name '{use.name}' not found."
        inner = EngineError(missing, sender="applyfilter", named=False)
        raise EngineError(inner.text(), rt.place(token), plain=missing)
    try:
        return use.apply(value, parameter, rt.tools)
    except FilterError as error:
        inner = EngineError(error.message, sender=use.sender, named=False)
        raise EngineError(inner.text(), rt.place(token), plain=error.message) from None
    except Trouble as error:
        raise rt.blame(error, token) from None


# -- text from elsewhere

_FAKE_NOW = datetime(2014, 2, 5, 18, 31, 45, tzinfo=UTC)


def now(rt: Rendering, layout: str, fake: bool) -> str:  # noqa: FBT001 - it is the tag's argument
    """Return the time in a layout."""
    rt.meter.value(len(layout))
    return format_time(_FAKE_NOW if fake else rt.tools.now(), layout)


def lorem(rt: Rendering, index: int) -> str:
    """Return words or paragraphs of the text that has no meaning."""
    site: LoremSite = rt.sites[index]
    try:
        return rt.gather(lorem_text(site.count, site.method, rt.tools.random if site.shuffled else None))
    except Halt as error:
        raise rt.blame(error, site.token) from None


def width_ratio(rt: Rendering, values: list[Value], name: str | None) -> str:
    """Return, or bind, a share of a width."""
    _take_steps(rt, values)
    current, limit, width = map(to_float, values)
    result: Value = ""
    if limit != 0 or rt.tools.dialect is Dialect.V4:
        result = _share(current, limit, width)
    if name is None:
        return text(result)
    rt.scope.bind(name, result)
    return ""


def _share(current: float, limit: float, width: float) -> int:
    quotient = OPERATORS[Dialect.V4]["/"](current, limit)
    share = quotient * width + 0.5
    return float_to_int(float(math.ceil(share)) if math.isfinite(share) else share)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "assign": assign,
    "enter_with": enter_with,
    "leave": leave,
    "escape_on": escape_on,
    "escape_as_before": escape_as_before,
    "block": block,
    "choose": choose,
    "same": same,
    "changed": changed,
    "changed_output": changed_output,
    "first_of": first_of,
    "cycle": cycle,
    "collect": collect,
    "spaceless": spaceless,
    "filter_block": filter_block,
    "now": now,
    "lorem": lorem,
    "width_ratio": width_ratio,
}
