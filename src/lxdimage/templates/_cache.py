"""The programs that were compiled last, so that a template is compiled once however often it is parsed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Cache"]

_ENTRIES = 128
# A large template takes far more memory compiled than its text does: it is not kept.
_LARGEST = 1 << 16

T = TypeVar("T")


class Cache(Generic[T]):
    """A few values by key, never None, the least recently used given up first; threads may share it."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, size: int, make: Callable[[], T]) -> T:
        """Return the value for *key*, made now unless it is there; one of *size* beyond the limit is not kept."""
        with self._lock:
            kept = self._entries.get(key)
            if kept is not None:
                self._entries.move_to_end(key)
                return kept
        value = make()
        if size > _LARGEST:
            return value
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > _ENTRIES:
                self._entries.popitem(last=False)
        return value
