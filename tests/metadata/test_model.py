"""Metadata as values: checked once, immutable, convenient to make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from lxdimage import Architecture, ImmutableFieldError, InvalidMetadataError, Metadata, TemplateRule, Trigger

CREATED = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
METADATA = Metadata(
    architecture="amd64",
    creation_date=CREATED,
    properties={"os": "debian"},
    templates={"/x": TemplateRule(template="x.tpl", when=[Trigger.CREATE, "start"])},
)


def test_metadata_is_made_from_convenient_values() -> None:
    assert Architecture.X86_64 is METADATA.architecture
    assert 1600000000 == METADATA.creation_timestamp
    assert ("create", "start") == METADATA.templates["/x"].when
    assert attrs.evolve(METADATA, creation_date=1600000000) == METADATA


def test_nothing_can_be_changed_afterwards() -> None:
    properties = {"os": "debian"}
    metadata = Metadata(architecture="i686", creation_date=1, properties=properties)
    properties["os"] = "other"
    assert {"os": "debian"} == metadata.properties
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        metadata.creation_timestamp = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        metadata.properties["os"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        METADATA.templates["/y"] = TemplateRule()  # type: ignore[index]


def test_equal_metadata_hash_alike() -> None:
    assert hash(METADATA) == hash(METADATA.evolve(properties={"os": "debian"}))


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("date", "timestamp"),
    [
        (datetime(1970, 1, 1, 0, 0, 5, 999_999, tzinfo=UTC), 5),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))), 3600),
        (datetime(1970, 1, 1, 0, 0, 7), 7),
        (datetime(1960, 1, 1, tzinfo=UTC), -315_619_200),
        (-5, -5),
    ],
)
def test_dates_are_kept_in_seconds(date: datetime | int, timestamp: int) -> None:
    assert timestamp == Metadata(architecture="i686", creation_date=date).creation_timestamp


def test_dates_are_shown_in_utc() -> None:
    assert CREATED == METADATA.creation_date
    assert None is METADATA.expiry_date
    assert (
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) == METADATA.evolve(expiry_date=1700000000).expiry_date
    )


@pytest.mark.parametrize(
    ("timestamp", "date"),
    [
        (1600000000000, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (2**63 - 1, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (-(2**63), datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_beyond_what_python_knows_become_the_nearest(timestamp: int, date: datetime) -> None:
    assert date == Metadata(architecture="i686", creation_date=timestamp).creation_date


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_evolve_changes_what_is_named() -> None:
    changed = METADATA.evolve(expiry_date=CREATED, properties={}, templates={})
    assert Metadata(architecture="x86_64", creation_date=CREATED, expiry_date=1600000000) == changed
    assert METADATA.evolve() == METADATA
    assert 0 == changed.evolve(expiry_date=None).expiry_timestamp
    assert 7 == changed.evolve(expiry_timestamp=7).expiry_timestamp


@pytest.mark.parametrize(
    "change", [{"architecture": "i686"}, {"creation_date": 5}, {"creation_timestamp": 5}]
)
def test_evolve_refuses_to_change_what_identifies_an_image(change: dict[str, Any]) -> None:
    with pytest.raises(ImmutableFieldError, match="identifies the image") as caught:
        METADATA.evolve(**change)
    assert "immutable-field" == caught.value.diagnostics[0].code
    assert METADATA != METADATA.evolve(allow_immutable=True, **change)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"architecture": "vax"}, "unknown-architecture"),
        ({"architecture": ""}, "missing-architecture"),
        ({"architecture": 5}, "wrong-type"),
        ({"creation_date": 0}, "missing-creation-date"),
        ({"creation_date": "1600000000"}, "wrong-type"),
        ({"creation_date": True}, "wrong-type"),
        ({"creation_date": 1.5}, "wrong-type"),
        ({"creation_date": 2**63}, "date-out-of-range"),
        ({"expiry_date": -(2**63) - 1}, "date-out-of-range"),
        ({"properties": ["os"]}, "wrong-type"),
        ({"properties": {"os": 5}}, "wrong-type"),
        ({"properties": {5: "os"}}, "wrong-type"),
        ({"properties": {"os": "\ud800"}}, "wrong-type"),
        ({"templates": []}, "wrong-type"),
        ({"templates": {"/x": None}}, "wrong-type"),
        ({"templates": {5: TemplateRule()}}, "wrong-type"),
    ],
)
def test_what_no_image_can_have_is_refused(values: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"architecture": "x86_64", "creation_date": 1, **values}
    with pytest.raises(InvalidMetadataError) as caught:
        Metadata(**given)
    assert code == caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    "values",
    [{"when": "create"}, {"when": Trigger.CREATE}, {"when": [1]}, {"template": None}, {"mode": 0o644}],
)
def test_what_no_rule_can_have_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidMetadataError):
        TemplateRule(**values)


def test_bytes_that_are_not_utf_8_are_carried_like_file_names() -> None:
    assert "caf\udce9" == TemplateRule(template="caf\udce9").template
    assert "caf\u00e9" == TemplateRule(template="caf\udcc3\udca9").template


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_fires_on_the_triggers_that_it_names() -> None:
    rule = TemplateRule(when=["create", "Copy", "boot"])
    assert [Trigger.CREATE] == [trigger for trigger in Trigger if rule.fires_on(trigger)]
    assert rule.fires
    assert not TemplateRule(when=["boot", ""]).fires
    assert not TemplateRule().fires
