"""Go's time layouts: zones and what is recorded nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from lxdimage.templates._go import format_time

MOMENT = datetime(2014, 2, 5, 18, 31, 45, tzinfo=UTC)


class Berlin(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, dt: datetime | None) -> str:
        return "CET"


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("Monday, 02-Jan-06 03:04:05 PM MST", "Wednesday, 05-Feb-14 06:31:45 PM UTC"),
        ("January _2 2006 002 .000 .999 Z07:00 Z0700 -07", "February  5 2014 036 .000  Z Z +00"),
        ("Y-m-d", "Y-m-d"),
        ("_2006 __2 January Januar Monday Month", "_2014  36 February Januar Wednesday Month"),
        (".0001 .000 ,999", ".0002 .000 "),
    ],
)
def test_layouts_show_how_a_fixed_moment_would_be_written(layout: str, expected: str) -> None:
    assert format_time(MOMENT, layout) == expected


def test_a_named_zone_shows_its_name_and_a_bare_offset_the_offset() -> None:
    assert format_time(MOMENT.replace(tzinfo=Berlin()), "MST -0700") == "CET +0100"
    assert format_time(MOMENT.replace(tzinfo=timezone(timedelta(hours=-3.5))), "MST Z07:00") == "-0330 -03:30"
    assert format_time(MOMENT.replace(tzinfo=timezone(timedelta(hours=1), "CET")), "MST") == "CET"


def test_a_moment_without_zone_is_utc() -> None:
    assert format_time(MOMENT.replace(tzinfo=None), "MST Z07:00") == "UTC Z"


def test_trailing_zeros_of_the_fraction_are_kept_or_dropped() -> None:
    moment = MOMENT.replace(microsecond=120000)
    assert format_time(moment, "05.000000000000 05.999 05,99 .00 .0") == "45.120000000 45.12 45,12 .12 .1"
