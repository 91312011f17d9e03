"""Operations of the ``macro`` tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxdimage.templates._lookups import evaluate
from lxdimage.templates._runtime import ABSENT, Rendering, Scope
from lxdimage.templates._sites import MacroSite
from lxdimage.templates._values import Dialect, EngineError, Function, SafeString, Struct, Value, deref

__all__ = ["OPERATIONS"]


def macro(rt: Rendering, index: int) -> None:
    """Bind a macro; it keeps the scope in which its tag ran."""
    site: MacroSite = rt.sites[index]
    scope = rt.scope

    def call(arguments: list[Value]) -> Value:
        return _run_macro(rt, site, scope, arguments)

    scope.bind(site.name, Function(call, 0, None))


def _run_macro(rt: Rendering, site: MacroSite, scope: Scope, arguments: list[Value]) -> SafeString:
    """Call a macro: in version 4 an error becomes its result."""
    mark = rt.mark()
    since = len(rt.pending)
    rt.meter.enter()
    try:
        rt.scope = scope
        rt.scope = _macro_scope(rt, site, scope, arguments)
        return SafeString(rt.capture(site.body))
    except EngineError as error:
        if rt.tools.dialect is not Dialect.V4:
            raise
        told = rt.reported(error, since).text()
        rt.meter.value(len(told))
        return SafeString(told)
    finally:
        rt.rewind(mark)
        rt.meter.leave()


def _macro_scope(rt: Rendering, site: MacroSite, scope: Scope, arguments: list[Value]) -> Scope:
    """Return the scope of one call: defaults, then arguments, which lose their marks of safety and life."""
    bound: dict[str, Value] = {}
    for name, default in site.parameters:
        bound[name] = ABSENT if default is None else evaluate(rt, default)
    if len(arguments) > len(site.parameters):
        raise rt.error(
            f"Macro '{site.name}' called with too many arguments ({len(arguments)} instead of "
            f"{len(site.parameters)}).",
            site.token,
        )
    inner = scope.child()
    rt.meter.step(1 + (len(inner.names) >> 3))
    for name, value in bound.items():
        inner.bind(name, value)
    for (name, _), argument in zip(site.parameters, arguments, strict=False):
        inner.bind(name, _plain(argument))
    if "forloop" in bound:
        inner.loop = _loop_of(inner.names["forloop"])
    return inner


def _plain(argument: Value) -> Value:
    value = deref(argument)
    if value is None:
        return ABSENT
    return str(value) if type(value) is SafeString else value


def _loop_of(value: Value) -> Struct | bool | None:
    """Return the loop that a parameter named like it brings along."""
    if value is ABSENT:
        return None
    is_loop = isinstance(value, Struct) and value.type_name == "*pongo2.tagForLoopInformation"
    return value if is_loop else False


OPERATIONS: dict[str, Callable[..., Any]] = {"macro": macro}
