"""
Times in Go's layouts, which show how a fixed moment would be written: ``Mon Jan 2 15:04:05 2006``.

One pattern finds the pieces, in Go's order of preference; a table says what each prints; all else is copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timezone

__all__ = ["format_time"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_PIECE = re.compile(
    r"""
      January | Jan(?![a-z])
    | Monday | Mon(?![a-z]) | MST
    | 0[1-6] | 002
    | 15 | 1 | 2006 | 2 | _(?=2006) | __2 | _2
    | 3 | 4 | 5 | PM | pm
    | (?P<zone> [-Z] (?: 07:00:00 | 070000 | 07:00 | 0700 | 07 ) )
    | (?P<separator> [.,] ) (?P<fraction> 0++ | 9++ ) (?![0-9])
    """,
    re.VERBOSE,
)


def format_time(moment: datetime, layout: str) -> str:
    """Return *moment* as *layout* shows it; one without a zone counts as UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _PIECE.sub(lambda match: _show(moment, match), layout)


def _show(moment: datetime, match: re.Match[str]) -> str:
    if zone := match["zone"]:
        return _show_offset(moment, zone)
    if fraction := match["fraction"]:
        return _show_fraction(moment, match["separator"], fraction)
    return _PIECES[match[0]](moment)


# -- zones


def _offset(moment: datetime) -> int:
    offset = moment.utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _show_offset(moment: datetime, piece: str) -> str:
    """Return the offset from UTC in the form of *piece*; those with ``Z`` write UTC as ``Z``."""
    offset = _offset(moment)
    if piece[0] == "Z" and offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    numbers = iter((minutes // 60, minutes % 60, seconds))
    # Go takes the sign from the whole minutes.
    sign = "-" if offset <= -60 else "+"
    return sign + re.sub(r"\d\d", lambda _: f"{next(numbers):02d}", piece[1:])


def _show_zone_name(moment: datetime) -> str:
    """Return the zone's name; one that is only an offset has none in Go and prints as an offset."""
    name = moment.tzname() or ""
    if isinstance(moment.tzinfo, timezone) and name.startswith(("UTC+", "UTC-")):
        name = ""
    return name or _show_offset(moment, "-0700")


# -- pieces


def _hour12(moment: datetime) -> int:
    return moment.hour % 12 or 12


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


_PIECES: dict[str, Callable[[datetime], str]] = {
    "January": lambda moment: _MONTHS[moment.month - 1],
    "Jan": lambda moment: _MONTHS[moment.month - 1][:3],
    "Monday": lambda moment: _DAYS[moment.weekday()],
    "Mon": lambda moment: _DAYS[moment.weekday()][:3],
    "MST": _show_zone_name,
    "2006": lambda moment: f"{moment.year:04d}",
    "06": lambda moment: f"{moment.year % 100:02d}",
    "1": lambda moment: str(moment.month),
    "01": lambda moment: f"{moment.month:02d}",
    "2": lambda moment: str(moment.day),
    "02": lambda moment: f"{moment.day:02d}",
    "_2": lambda moment: f"{moment.day:2d}",
    "002": lambda moment: f"{_day_of_year(moment):03d}",
    "__2": lambda moment: f"{_day_of_year(moment):3d}",
    "15": lambda moment: f"{moment.hour:02d}",
    "3": lambda moment: str(_hour12(moment)),
    "03": lambda moment: f"{_hour12(moment):02d}",
    "4": lambda moment: str(moment.minute),
    "04": lambda moment: f"{moment.minute:02d}",
    "5": lambda moment: str(moment.second),
    "05": lambda moment: f"{moment.second:02d}",
    "PM": lambda moment: "PM" if moment.hour >= 12 else "AM",
    "pm": lambda moment: "pm" if moment.hour >= 12 else "am",
    "_": lambda _: "_",  # before 2006 the underscore is plain text
}

# Go packs the number of digits into twelve bits, and knows nanoseconds.
_FRACTION_COUNT = 1 << 12
_NANOSECOND_DIGITS = 9


def _show_fraction(moment: datetime, separator: str, digits: str) -> str:
    """Return the fraction of the second; in the form with nines without trailing zeros."""
    count = min(len(digits) % _FRACTION_COUNT, _NANOSECOND_DIGITS)
    shown = f"{moment.microsecond * 1000:09d}"[:count]
    if digits[0] == "9":
        shown = shown.rstrip("0")
        return separator + shown if shown else ""
    return separator + shown
