"""Filters on lists, and on strings as sequences of code points."""

from __future__ import annotations

from lxdimage.templates._filters._bounds import made
from lxdimage.templates._meter import Dialect, FilterCall, FilterError, Panic
from lxdimage.templates._values import (
    GoList,
    Value,
    elements,
    is_sliceable,
    length,
    raw,
    runes,
    text,
    to_int,
)

__all__ = ["first", "join", "last", "length_", "length_is", "make_list", "random", "slice_", "split"]


def first(value: Value, _param: Value, _call: FilterCall) -> Value:
    """Return the first element or code point, or an empty string."""
    return elements(value)[0] if is_sliceable(value) and length(value) else ""


def last(value: Value, _param: Value, _call: FilterCall) -> Value:
    """Return the last element or code point, or an empty string."""
    return elements(value)[-1] if is_sliceable(value) and length(value) else ""


def random(value: Value, _param: Value, call: FilterCall) -> Value:
    """Return an element or code point by chance; an empty sequence, and all else, stays."""
    if not is_sliceable(value) or not length(value):
        return value
    return call.random.choice(elements(value))


def join(value: Value, param: Value, call: FilterCall) -> Value:
    """Return the elements or code points with *param* between them; all else stays."""
    if not is_sliceable(value):
        return value
    call.meter.items(length(value))
    parts = [text(element) for element in elements(value)]
    separator = text(param)
    call.meter.value(sum(map(len, parts)) + len(separator) * max(len(parts) - 1, 0))
    return made(separator.join(parts), call)


def length_(value: Value, _param: Value, _call: FilterCall) -> int:
    """Return the number of elements, entries or code points."""
    return length(value)


def length_is(value: Value, param: Value, _call: FilterCall) -> bool:
    """Tell whether the length is *param*."""
    return length(value) == to_int(param)


def make_list(value: Value, _param: Value, call: FilterCall) -> GoList:
    """Return the list of the code points of a string form."""
    shown = text(value)
    call.meter.items(len(shown))
    return GoList(runes(shown))


def split(value: Value, param: Value, call: FilterCall) -> GoList:
    """Return the list of what *param* separates; the code points when it is empty."""
    shown, separator = text(value), text(param)
    if not separator:
        return _exploded(shown, call)
    # Bytes are compared, so that a part of a character can separate too.
    data, mark = raw(shown), raw(separator)
    call.meter.items(data.count(mark) + 1)
    call.meter.work(len(data))
    return GoList(part.decode("utf-8", "surrogateescape") for part in data.split(mark))


def _exploded(shown: str, call: FilterCall) -> GoList:
    """Return the code points, invalid bytes replaced: Go leaves the last one as it is."""
    parts = make_list(shown, None, call)
    parts[-1:] = shown[-1:]
    return parts


# -- slices

_SLICE_FORMAT = (
    "Slice string must have the format 'from:to' [from/to can be omitted, but the ':' is required]"
)


def slice_(value: Value, param: Value, call: FilterCall) -> Value:
    """Return a part of a list or string, from and up to the indexes around the colon of *param*."""
    bounds = text(param).split(":")
    if len(bounds) != 2:
        raise FilterError(_SLICE_FORMAT)
    if not is_sliceable(value):
        return value
    call.meter.work(length(value))
    start, end = _SLICE_RULES[call.dialect](bounds[0], bounds[1], length(value))
    part = elements(value)[start:end]
    return GoList(part, value.type_name) if isinstance(part, list) else part


def _bounds_v4(left: str, right: str, size: int) -> tuple[int, int]:
    """Return start and end: an end that is none, or before the start or beyond the size, is the size."""
    start, end = min(to_int(left), size), to_int(right)
    if not start <= end <= size:
        end = size
    if start < 0:
        raise Panic(f"slice bounds out of range [{start}:{end}]")
    return start, end


def _bounds_v6(left: str, right: str, size: int) -> tuple[int, int]:
    """Return start and end: negative ones count from the end, and a missing end is the size."""
    start = min(_from_end(to_int(left), size), size)
    end = _from_end(to_int(right), size) if text(right).strip() else size
    return start, min(max(end, start), size)


def _from_end(index: int, size: int) -> int:
    return max(size + index, 0) if index < 0 else index


_SLICE_RULES = {Dialect.V4: _bounds_v4, Dialect.V6: _bounds_v6}
