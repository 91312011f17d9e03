"""Entries, made by people of keywords and by readers of values in their order."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from lxdimage.archive import Entry, EntryType, make_entry


def test_an_entry_of_values_in_their_order_is_like_one_of_keywords() -> None:
    names = [field.name for field in attrs.fields(Entry)]
    values: tuple[Any, ...] = (
        "a",
        EntryType.BLOCK_DEVICE,
        0o600,
        1,
        2,
        3,
        4,
        "b",
        (5, 6),
        {"user.a": b"c"},
        ((7, 8),),
    )
    entry = make_entry(*values)
    assert type(entry) is Entry
    assert entry == Entry(**dict(zip(names, values, strict=True)))
    assert make_entry(*values[:7]) == Entry(**dict(zip(names[:7], values, strict=False)))


def test_an_entry_of_values_in_their_order_cannot_be_changed() -> None:
    entry = make_entry("a", EntryType.FILE, 0o600, 1, 2, 3, 4)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        entry.path = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        entry.other = 1  # type: ignore[attr-defined]
    assert attrs.evolve(entry, path="b").path == "b"
    assert hash(entry) == hash(attrs.evolve(entry))
