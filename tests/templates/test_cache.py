"""The cache of compiled templates."""

from __future__ import annotations

from lxdimage.templates._cache import Cache


def test_a_value_is_made_once() -> None:
    cache: Cache[object] = Cache()
    assert cache.get("a", 1, object) is cache.get("a", 1, object)


def test_the_least_recently_used_is_given_up() -> None:
    cache: Cache[object] = Cache()
    first = cache.get("first", 1, object)
    second = cache.get("second", 1, object)
    for number in range(1000):
        cache.get(number, 1, object)
        assert cache.get("first", 1, object) is first
    assert cache.get("second", 1, object) is not second


def test_what_is_large_is_not_kept() -> None:
    cache: Cache[object] = Cache()
    assert cache.get("a", 1 << 20, object) is not cache.get("a", 1 << 20, object)


def test_what_fails_is_not_kept() -> None:
    cache: Cache[float] = Cache()
    for _ in range(2):
        try:
            cache.get("a", 1, lambda: 1 / 0)
        except ZeroDivisionError:
            continue
    assert cache.get("a", 1, lambda: 2.0) == 2.0
