"""
Mappings that nobody can change: what values hold.

Python's own read-only mapping can be neither copied nor sent to another process, which whoever scans many images at
once wants to do with the results; here it learns to.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

__all__ = ["frozen"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def frozen(mapping: Mapping[_Key, _Value]) -> Mapping[_Key, _Value]:
    """Return a copy of *mapping* that cannot be changed."""
    return MappingProxyType(dict(mapping))


def _reduced(mapping: Mapping[object, object]) -> tuple[object, ...]:
    return frozen, (dict(mapping),)


copyreg.pickle(MappingProxyType, _reduced)  # type: ignore[arg-type]  # it gives one, by another type's name
