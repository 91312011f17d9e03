"""
Looking up variables and calling functions.

A lookup with arguments is cut into segments: compiled code resolves one (`begin`), evaluates the arguments only when
there is something to call, and calls it (`finish`).  Once a value is nil, nothing more is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lxdimage.templates._context import UnfitValueError
from lxdimage.templates._meter import Trouble
from lxdimage.templates._methods import METHODS, method
from lxdimage.templates._runtime import ABSENT, Rendering
from lxdimage.templates._sites import Constant, Deferred, Late, Segment, Step, Variable
from lxdimage.templates._values import (
    Function,
    GoList,
    GoMap,
    Live,
    NilPointer,
    Panic,
    Struct,
    Uint8,
    Value,
    deref,
    is_string,
    kind_name,
    raw,
    text,
    to_int,
    type_name,
)

__all__ = ["OPERATIONS", "evaluate", "get"]


# -- one step


def _named(rt: Rendering, value: Value, step: Step, segment: Segment) -> Value:
    """Return the method, key or field that a name means."""
    name = step.key
    kind = type(value)
    if found := method(value, str(name)):
        return found
    if kind is GoMap:
        return _entry(rt, value, step, segment)
    if kind is NilPointer or kind is datetime:
        return None  # a time has no fields that a template may see
    if isinstance(value, Struct):
        return _field(value, str(name))
    shown = kind_name(value)
    raise rt.error(f"Can't access a field by name on type {shown} (variable {segment.path})", segment.token)


def _entry(rt: Rendering, value: GoMap, step: Step, segment: Segment) -> Value:
    if value.type_name.startswith("map[int]"):
        raise Panic("reflect.Value.MapIndex: value of type string is not assignable to type int")
    found = value.get(step.key)
    if found is None and step.called and step.key in value:
        raise rt.error(f"'{segment.path}' is not a function (it is invalid)", segment.token)
    return found


_NO_LOOP = NilPointer("*pongo2.tagForLoopInformation")


def _field(value: Struct, name: str) -> Value:
    if name in value.hidden:
        raise Panic("reflect.Value.Interface: cannot return value obtained from unexported field or method")
    if name not in value.fields:
        return None
    if value.fields[name] is None:
        return _NO_LOOP
    return Live(value.fields, name) if value.is_pointer else value.fields[name]


def _indexed(rt: Rendering, value: Value, index: int, segment: Segment) -> Value:
    """Return the byte of a string or the element of a list; nil beyond the end."""
    if is_string(value):
        rt.charge(value)
        data = raw(value)
        return Uint8(data[index]) if 0 <= index < len(data) else None
    if type(value) is GoList:
        return value[index] if 0 <= index < len(value) else None
    if type(value) is NilPointer:
        return None
    kind = "struct" if isinstance(value, Struct) else kind_name(value)
    raise rt.error(f"Can't access an index on type {kind} (variable {segment.path})", segment.token)


def _called(rt: Rendering, value: Value, segment: Segment) -> Value:
    """Call what stands without arguments."""
    return _call(rt, _callee(rt, value, 0, segment), [], segment)


def _callee(rt: Rendering, value: Value, count: int, segment: Segment) -> Function:
    """Check that *value* is a function that takes *count* arguments."""
    if type(value) is not Function:
        kind = kind_name(value)
        raise rt.error(f"'{segment.path}' is not a function (it is {kind})", segment.token)
    if count < value.least or (value.most is not None and count > value.most):
        wanted = len(value.types) if value.types is not None else value.least
        raise rt.error(
            f"Function input argument count ({wanted}) of '{segment.path}' must be equal to the calling argument "
            f"count ({count}).",
            segment.token,
        )
    if not value.results:
        raise rt.error(
            f"'{segment.path}' must have exactly 1 or 2 output arguments, the second argument must be of type error",
            segment.token,
        )
    return value


def _call(rt: Rendering, function: Function, arguments: list[Value], segment: Segment) -> Value:
    rt.meter.step()
    if function.types is not None:
        arguments = [deref(argument) for argument in arguments]
        _check_types(rt, function, arguments, segment)
    try:
        return function.call(arguments)
    except Trouble as error:
        raise rt.blame(error, segment.token) from error.__cause__
    except UnfitValueError as error:
        raise UnfitValueError(f"the result of {segment.path!r}: {error}") from None


def _check_types(rt: Rendering, function: Function, arguments: list[Value], segment: Segment) -> None:
    types = function.types or ()
    for index, argument in enumerate(arguments):
        wanted = types[min(index, len(types) - 1)]
        given = type_name(argument)
        if given == wanted:
            continue
        which = "variadic input argument" if function.most is None else f"input argument {index}"
        raise rt.error(
            f"Function {which} of '{segment.path}' must be of type {wanted} or *pongo2.Value (not {given}).",
            segment.token,
        )


# -- segments


def _steps(rt: Rendering, value: Value, segment: Segment) -> Value:
    """Return *value* with the steps of *segment* applied, except a call with arguments at its end."""
    last = len(segment.steps) - 1 if segment.arguments is not None else len(segment.steps)
    for index, step in enumerate(segment.steps):
        if value is None:
            return None
        value = deref(value)
        try:
            if type(step.key) is int:
                value = _indexed(rt, value, step.key, segment)
            else:
                value = _named(rt, value, step, segment)
        except Panic as error:
            raise rt.blame(error, segment.token) from None
        if value is not None and index != last and (step.called or type(value) is Function):
            value = _called(rt, value, segment)
    return value


def _first(rt: Rendering, segment: Segment) -> Value:
    """Return the variable that *segment* starts with, nil or `ABSENT` when there is none."""
    name = segment.name
    names = rt.scope.names
    return names[name] if name in names else rt.variables[name]  # type: ignore[index]


def _start(rt: Rendering, value: Value, segment: Segment) -> Value:
    """Return the variable *value* with the steps applied, called where it is called without arguments."""
    if value is None:
        if segment.name in rt.scope.names and _is_called(segment):
            raise rt.error(f"'{segment.path}' is not a function (it is invalid)", segment.token)
        return None
    if value is ABSENT:
        return None
    with_arguments = segment.arguments is not None and not segment.steps
    if not with_arguments and (segment.called or type(value) is Function):
        value = _called(rt, value, segment)
    return _steps(rt, value, segment) if segment.steps else value


def _is_called(segment: Segment) -> bool:
    """Tell whether the variable itself is called, with arguments or without."""
    return segment.called or (segment.arguments is not None and not segment.steps)


def get(rt: Rendering, index: int) -> Value:
    """Return a variable with all that follows it."""
    segment = rt.sites[index]
    rt.meter.step()
    first = value = _first(rt, segment)
    if segment.keys is not None:
        # The common case, `instance.name` and the like, without the calls it takes in general.
        for key in segment.keys:
            if type(value) is not GoMap or key in METHODS.get(value.type_name, ()):
                break
            value = value.get(key)
        else:
            if type(value) is str:
                return value
    return _start(rt, first, segment)


def call(rt: Rendering, arguments: list[Value], index: int) -> Value:
    """Call a function with literals, which can be evaluated before it is known whether there is one."""
    segment = rt.sites[index]
    rt.meter.step()
    value = _start(rt, _first(rt, segment), segment)
    if value is None:
        return None
    return _call(rt, _callee(rt, deref(value), len(arguments), segment), arguments, segment)


def tail(rt: Rendering, value: Value, index: int) -> Value:
    """Return *value*, the result of a call, with what follows the call."""
    rt.meter.step()
    return _steps(rt, value, rt.sites[index]) if value is not None else None


def begin(rt: Rendering, index: int) -> bool:
    """Look up the function of a call; tell whether there is one to call."""
    segment = rt.sites[index]
    rt.meter.step()
    return _prepare(rt, _start(rt, _first(rt, segment), segment), segment)


def begin_after(rt: Rendering, value: Value, index: int) -> bool:
    """Look up the function of a call in the result of another; tell whether there is one to call."""
    segment = rt.sites[index]
    rt.meter.step()
    return _prepare(rt, _steps(rt, value, segment) if value is not None else None, segment)


def _prepare(rt: Rendering, value: Value, segment: Segment) -> bool:
    if value is None:
        return False
    function = _callee(rt, deref(value), segment.arguments or 0, segment)
    rt.pending.append(((function, segment), segment.token))
    return True


def finish(rt: Rendering, arguments: list[Value]) -> Value:
    """Call the function that was looked up last."""
    (function, segment), _ = rt.pending.pop()
    return _call(rt, function, arguments, segment)


# -- subscripts


def hold(rt: Rendering, value: Value, index: int) -> bool:
    """Keep what is subscripted while the subscript is evaluated; tell whether there is anything."""
    if value is None:
        return False
    segment = rt.sites[index]
    rt.pending.append((value, segment.token))
    return True


def subscript(rt: Rendering, key: Value, index: int) -> Value:
    """Return the element of what `hold` kept."""
    segment = rt.sites[index]
    rt.meter.step()
    value = deref(rt.pending.pop()[0])
    try:
        found = _element(rt, value, key, segment)
    except Panic as error:
        raise rt.blame(error, segment.token) from None
    return _called(rt, found, segment) if type(found) is Function else found


def _element(rt: Rendering, value: Value, key: Value, segment: Segment) -> Value:
    key = deref(key)
    if isinstance(value, Struct):
        return _field(value, text(key))
    if type(value) is GoMap:
        if key is None:
            raise Panic("reflect: call of reflect.Value.Type on zero Value")
        wanted = "int" if value.type_name.startswith("map[int]") else "string"
        return value.get(key) if type_name(key) == wanted else None
    return _indexed(rt, value, to_int(key), segment)


# -- expressions that are put off


def evaluate(rt: Rendering, late: Late) -> Value:
    """Return the value of an expression that was put off."""
    match late:
        case Constant(value=value):
            return value
        case Variable(index=index):
            return get(rt, index)
        case Deferred(block=block):
            return rt.compute(block)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "get": get,
    "call": call,
    "tail": tail,
    "begin": begin,
    "begin_after": begin_after,
    "finish": finish,
    "hold": hold,
    "subscript": subscript,
}
