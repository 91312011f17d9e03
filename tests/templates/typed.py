"""Values with their Go types, as recorded cases and the comparison with the real engine write them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from lxdimage.templates._values import Function, GoList, GoMap, SafeString, Value, from_raw, text

__all__ = ["read_values"]

_FUNCTIONS: Mapping[str, Function] = {
    "nothing": Function(lambda _: None, 0, 0),
    "constant": Function(lambda _: "constant <&>", 0, 0),
    "same": Function(lambda given: given[0], 1, 1),
    "safe": Function(lambda given: SafeString(text(given[0])), 1, 1),
    "count": Function(len, 0, None),
}


def _bytes(value: str) -> str:
    return from_raw(base64.b64decode(value))


_READERS: Mapping[str, Callable[[Any], Value]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "string": _bytes,
    "strings": lambda items: GoList(map(_bytes, items)),
    "ints": lambda items: GoList(items, "[]int"),
    "list": lambda items: GoList(map(_value, items), "[]interface {}"),
    "map": lambda items: GoMap(read_values(items), "map[string]interface {}"),
    "texts": lambda items: GoMap(items),
    "numbers": lambda items: GoMap({int(key): item for key, item in items.items()}, "map[int]string"),
    "time": lambda moment: datetime.fromisoformat(moment.replace("Z", "+00:00")),
    "func": _FUNCTIONS.__getitem__,
}


def _value(tagged: Mapping[str, Any]) -> Value:
    for kind, value in tagged.items():
        return _READERS[kind](value)
    return None


def read_values(tagged: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """Return variables from their written form: each is an object with its type, or an empty one for nil."""
    return {name: _value(value) for name, value in tagged.items()}
