"""
Mappings that nobody can change: what values hold.

Python's own read-only mapping can be neither copied nor sent to another process, which whoever scans many images at
once wants to do with the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

__all__ = ["frozen"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Frozen(Mapping[_Key, _Value]):
    """A mapping without a way to change it."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[_Key, _Value]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: _Key) -> _Value:
        return self._items[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> tuple[object, ...]:
        return _Frozen, (self._items,)

    def __repr__(self) -> str:
        return repr(self._items)


def frozen(mapping: Mapping[_Key, _Value]) -> Mapping[_Key, _Value]:
    """Return *mapping* as one that cannot be changed: a copy, unless it is one already."""
    return mapping if isinstance(mapping, _Frozen) else _Frozen(mapping)
