"""
What metadata.yaml says, as values.

Values are checked once, when they are made: whoever holds a `Metadata` need not look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypedDict, Unpack, cast

import attrs

from lxdimage._frozen import frozen
from lxdimage.errors import ImmutableFieldError, InvalidMetadataError
from lxdimage.metadata._architectures import Architecture
from lxdimage.metadata._show import shown
from lxdimage.rules import diagnose

__all__ = ["FIRST_START", "MAX_DATE", "Metadata", "TemplateRule", "Trigger"]

MAX_DATE = 253_402_300_799
"""The last second of the year 9999: later dates cannot be read back from a daemon's database."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_DATE = -62_135_596_800
_INT64 = 1 << 63


class Trigger(Enum):
    """What makes a daemon apply a template rule."""

    CREATE = "create"
    COPY = "copy"
    START = "start"
    RENAME = "rename"


FIRST_START = (Trigger.CREATE, Trigger.START)
"""
The triggers of the first start of a new instance, which a rule that fails keeps from starting.

An instance that is copied or renamed exists already: those triggers fail later, or never.
"""


def _refuse(code: str, message: str) -> InvalidMetadataError:
    return InvalidMetadataError(diagnose(code, message))


def _text(value: object, what: str) -> str:
    """Return *value* if it is text that can be stored; bytes that are not UTF-8 as `os.fsdecode` gives them."""
    if not isinstance(value, str):
        raise _refuse("wrong-type", f"{what} must be text, not {shown(value)}")
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        bad = value[error.start]
        raise _refuse("wrong-type", f"{what} contains {bad!r}, half of a surrogate pair") from None


def _texts(mapping: object, what: str) -> Mapping[str, str]:
    if not isinstance(mapping, Mapping):
        raise _refuse("wrong-type", f"{what} must be a mapping, not {shown(mapping)}")
    pairs = {_text(key, f"a key of {what}"): value for key, value in mapping.items()}
    return frozen({key: _text(value, f"{what}[{shown(key)}]") for key, value in pairs.items()})


def _properties(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return _texts(mapping, "properties")


def _when(triggers: Iterable[str | Trigger]) -> tuple[str, ...]:
    if isinstance(triggers, str | Trigger):
        raise _refuse("wrong-type", f"when must be a list of triggers, not {shown(triggers)}")
    values = (trigger.value if isinstance(trigger, Trigger) else trigger for trigger in triggers)
    return tuple(_text(value, "a trigger") for value in values)


def _template(value: str) -> str:
    return _text(value, "template")


def _permission(value: str | None) -> str | None:
    return None if value is None else _text(value, "uid, gid or mode")


@attrs.frozen(kw_only=True)
class TemplateRule:
    """
    One entry of ``templates``: which template file is rendered, and when.

    Attributes:
        template: Name of the file in ``templates/``.
        when: The triggers as written; names that are no `Trigger` never fire.
        create_only: Leave the target alone when it exists.
        properties: Handed to the template.
        uid: Owner of a new file, a decimal number (Incus).
        gid: Group of a new file, a decimal number (Incus).
        mode: Permissions of a new file, octal digits (Incus).
        null: The rule is ``null``: the image imports, and then no instance of it starts.
    """

    template: str = attrs.field(default="", converter=_template)
    when: tuple[str, ...] = attrs.field(default=(), converter=_when)
    create_only: bool = False
    properties: Mapping[str, str] = attrs.field(factory=dict, converter=_properties, hash=False)
    uid: str | None = attrs.field(default=None, converter=_permission)
    gid: str | None = attrs.field(default=None, converter=_permission)
    mode: str | None = attrs.field(default=None, converter=_permission)
    null: bool = False

    def fires_on(self, trigger: Trigger) -> bool:
        """Whether *trigger* applies this rule."""
        return trigger.value in self.when

    @property
    def fires(self) -> bool:
        """Whether anything applies this rule."""
        return any(self.fires_on(trigger) for trigger in Trigger)


def _architecture(value: str | Architecture) -> Architecture:
    if isinstance(value, Architecture):
        return value
    return Architecture.parse(_text(value, "architecture"))


def _timestamp(value: datetime | int | None) -> int:
    """Return the seconds since 1970 that *value* means; a date without a time zone is taken for UTC."""
    if value is None:
        return 0
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(seconds=1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse("wrong-type", f"a date must be a datetime or a whole number, not {shown(value)}")
    if not -_INT64 <= value < _INT64:
        raise _refuse("date-out-of-range", f"the date {shown(value)} does not fit into 64 bits")
    return value


def _rules(mapping: Mapping[str, TemplateRule]) -> Mapping[str, TemplateRule]:
    if not isinstance(mapping, Mapping):
        raise _refuse("wrong-type", f"templates must be a mapping, not {shown(mapping)}")
    for target, rule in mapping.items():
        if not isinstance(rule, TemplateRule):
            message = f"templates[{shown(target)}] must be a TemplateRule, not {shown(rule)}"
            raise _refuse("wrong-type", message)
    return frozen({_text(target, "a key of templates"): rule for target, rule in mapping.items()})


class MetadataChanges(TypedDict, total=False):
    """What `Metadata.evolve` takes."""

    architecture: str | Architecture
    creation_date: datetime | int
    creation_timestamp: int
    expiry_date: datetime | int | None
    expiry_timestamp: int
    properties: Mapping[str, str]
    templates: Mapping[str, TemplateRule]


_IMMUTABLE = ("architecture", "creation_date", "creation_timestamp")


@attrs.frozen(kw_only=True)
class Metadata:
    """
    What metadata.yaml says (image format, section 5.1).

    Dates are kept as the whole seconds since 1970 that the file holds, because it can hold more than `datetime`
    can.  Both dates may be given as `datetime`, too::

        Metadata(architecture="amd64", creation_date=datetime.now(UTC), properties={"os": "debian"})

    Attributes:
        architecture: What the image runs on; an alias may be given and becomes the canonical name.
        creation_timestamp: When the image was made; never 0.  Given as *creation_date*.
        expiry_timestamp: When it expires, or 0.  Given as *expiry_date*.
        properties: Free key-value pairs.
        templates: Rules by the path that they write.

    Raises:
        InvalidMetadataError: A value cannot be one of an image.
    """

    architecture: Architecture = attrs.field(converter=_architecture)
    creation_timestamp: int = attrs.field(alias="creation_date", converter=_timestamp)
    expiry_timestamp: int = attrs.field(alias="expiry_date", default=0, converter=_timestamp)
    properties: Mapping[str, str] = attrs.field(factory=dict, converter=_properties, hash=False)
    templates: Mapping[str, TemplateRule] = attrs.field(factory=dict, converter=_rules, hash=False)

    def __attrs_post_init__(self) -> None:
        if not self.creation_timestamp:
            raise _refuse("missing-creation-date", "the creation date is 0, which counts as none")

    @property
    def creation_date(self) -> datetime:
        """When the image was made, in UTC; dates beyond what `datetime` holds become the nearest that it does."""
        return _date(self.creation_timestamp)

    @property
    def expiry_date(self) -> datetime | None:
        """When the image expires, in UTC, or None; cut like `creation_date`."""
        return _date(self.expiry_timestamp) if self.expiry_timestamp else None

    def evolve(self, *, allow_immutable: bool = False, **changes: Unpack[MetadataChanges]) -> Metadata:
        """
        Return a copy with *changes*.

        Architecture and creation date identify an image to its users and to mirrors, so changing them is refused
        unless the caller says that it is meant, for an image that is built anew.

        Args:
            allow_immutable: Allow a change of architecture and creation date.
            changes: New values by name.

        Raises:
            ImmutableFieldError: A change names the architecture or the creation date.
            InvalidMetadataError: A new value cannot be one of an image.
        """
        named = [name for name in _IMMUTABLE if name in changes]
        if named and not allow_immutable:
            message = f"{named[0]!r} identifies the image and cannot be changed"
            raise ImmutableFieldError(diagnose("immutable-field", message))
        values = {name.replace("_timestamp", "_date"): value for name, value in changes.items()}
        return attrs.evolve(self, **cast("dict[str, Any]", values))


def _date(timestamp: int) -> datetime:
    return _EPOCH + timedelta(seconds=min(max(timestamp, _MIN_DATE), MAX_DATE))
