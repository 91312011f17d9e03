"""Values as messages show them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed", "shown", "shown_path"]

_LONGEST = 80


def shown(value: object) -> str:
    """Return the repr of *value*, cut in the middle when it is long."""
    if isinstance(value, str) and len(value) > 2 * _LONGEST:
        value = value[:_LONGEST] + "…" + value[-_LONGEST:]
    text = repr(value)
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}…{text[-half:]}"


def shown_path(path: Sequence[str]) -> str:
    """Return how a value inside metadata.yaml is called: ``properties['os']``, ``templates['/x'].when``."""
    match path:
        case ("properties", key):
            return f"properties[{shown(key)}]"
        case ("templates", key, "when", number):
            return f"templates[{shown(key)}].when[{number}]"
        case ("templates", key, *rest):
            inner = "".join(f".{name}" for name in rest[:1]) + "".join(
                f"[{shown(name)}]" for name in rest[1:]
            )
            return f"templates[{shown(key)}]{inner}"
        case _:
            return ".".join(path)


def listed(names: Sequence[str]) -> str:
    """Return *names* as a sentence lists them."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
