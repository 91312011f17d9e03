"""Calling one filter, for the tests of filters."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from lxdimage.limits import Limits
from lxdimage.templates._filters import filters_of
from lxdimage.templates._meter import Dialect, FilterCall, Meter

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def make_call(dialect: Dialect = Dialect.V4, limits: Limits | None = None) -> FilterCall:
    """Return what filters are given beside their values."""
    return FilterCall(Meter(limits or Limits()), dialect, random.Random(0), lambda: NOW)


def apply(name: str, value: Any, param: Any = None, dialect: Dialect = Dialect.V4) -> Any:
    """Return what a filter makes of *value*."""
    return filters_of(dialect)[name](value, param, make_call(dialect))
