"""Values: what a public function returns, or was made of what the caller gave it, never changes."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

import lxdimage
from lxdimage import (
    IdRange,
    Instance,
    InvalidImageError,
    Metadata,
    OwnerMap,
    TemplateContext,
    diff_images,
    open_image,
    scan_image,
)
from lxdimage.archive import Entry, EntryType, read_archive
from making import METADATA, container


def _mappings(value: Any) -> list[Mapping[object, object]]:
    """Return the mappings in a value, and in the values that it consists of."""
    if isinstance(value, Mapping):
        return [value, *(found for inner in value.values() for found in _mappings(inner))]
    if isinstance(value, tuple):
        return [found for inner in value for found in _mappings(inner)]
    if attrs.has(type(value)):
        return _mappings(tuple(getattr(value, field.name) for field in attrs.fields(type(value))))
    return []


VALUES = [
    open_image(io.BytesIO(container())),
    scan_image(io.BytesIO(container())),
    Metadata(architecture="x86_64", creation_date=1, properties={"a": "b"}),
    Instance(config={"a": "b"}, devices={"eth0": {"type": "nic"}}),
    TemplateContext(),
    diff_images(io.BytesIO(container()), io.BytesIO(container(METADATA))),
    Entry(path="a", type=EntryType.FILE, xattrs={"user.a": b"b"}),
    next(read_archive(iter([container()]))).entry,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_mappings_in_values_cannot_be_changed_and_do_not_keep_them_from_being_keys(value: Any) -> None:
    found = _mappings(value)
    assert found
    for mapping in found:
        with pytest.raises(TypeError, match="does not support item assignment"):
            mapping["new"] = "value"  # type: ignore[index]
    assert {value: 1}[attrs.evolve(value)] == 1


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_can_be_copied_and_sent_to_other_processes(value: Any) -> None:
    assert value == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))
    (first, *_) = _mappings(pickle.loads(pickle.dumps(value)))
    with pytest.raises(TypeError):
        first["new"] = "value"  # type: ignore[index]


def test_errors_can_be_sent_to_other_processes() -> None:
    with pytest.raises(InvalidImageError) as raised:
        open_image(io.BytesIO(b"no image"))
    assert raised.value.diagnostics == pickle.loads(pickle.dumps(raised.value)).diagnostics


def test_values_do_not_change_with_what_they_were_made_of() -> None:
    config = {"a": "b"}
    instance = Instance(config=config)
    ranges = [IdRange(0, 5)]
    owners = OwnerMap(users=ranges, groups=ranges)
    config["c"] = "d"
    ranges.clear()
    assert instance.config == {"a": "b"}
    assert owners.users == owners.groups == (IdRange(0, 5),)


def test_every_public_class_of_values_is_frozen() -> None:
    classes = [getattr(lxdimage, name) for name in lxdimage.__all__]
    values = [found for found in classes if isinstance(found, type) and attrs.has(found)]
    assert len(values) > 15
    assert [found.__name__ for found in values if found.__setattr__ is object.__setattr__] == []
