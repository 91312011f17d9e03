"""
The variables that the daemons give an image template.

They have the Go types that the daemons give them, since the types show: in what prints, what is equal, and what can
be called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum

import attrs

from lxdimage._frozen import frozen
from lxdimage.templates._methods import DEVICE, DEVICES
from lxdimage.templates._source import string
from lxdimage.templates._values import Function, GoMap, Live, NamedString, Value, text

__all__ = ["DaemonVariables", "TemplateContext", "plain"]

_TRIGGER = "instance.TemplateTrigger"
_NOTHING: Mapping[str, str] = frozen({})


def plain(value: object) -> str:
    """Return the text of *value*, which may be a member of an enumeration."""
    return str(value.value) if isinstance(value, Enum) else str(value)


@attrs.frozen(kw_only=True)
class TemplateContext:
    """
    The variables of one template.

    The maps are those of the caller, not copies: a template uses few of them.

    Attributes:
        trigger: What made it run.
        path: The target path as the rule spells it.
        instance: The variable of that name, a map of strings.
        config: The expanded configuration.
        devices: The expanded devices.
        properties: The rule's own properties.
        container: The variable of that name; the same as *instance* unless given.
    """

    trigger: str = attrs.field(default="create", converter=plain)
    path: str = "/etc/hostname"
    instance: Mapping[str, str] = attrs.field(default=_NOTHING, hash=False)
    config: Mapping[str, str] = attrs.field(default=_NOTHING, hash=False)
    devices: Mapping[str, Mapping[str, str]] = attrs.field(default=frozen({}), hash=False)
    properties: Mapping[str, str] = attrs.field(default=_NOTHING, hash=False)
    container: Mapping[str, str] | None = attrs.field(default=None, hash=False)


class DaemonVariables(Mapping[str, Value]):
    """
    A context as template values, each converted when it is first asked for: most templates use one or two.

    Make one for each rendering, since one method of devices changes its receiver.
    """

    def __init__(self, context: TemplateContext) -> None:
        self._context = context
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._made:
            self._made[name] = _CONVERSIONS[name](self._context, self)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in _CONVERSIONS

    def __iter__(self) -> Iterator[str]:
        return iter(_CONVERSIONS)

    def __len__(self) -> int:
        return len(_CONVERSIONS)


def _strings(mapping: Mapping[str, str], type_name: str = "map[string]string") -> GoMap:
    # `string` leaves ASCII text as it is, and nearly all is ASCII: not to call it saves more than half of the time.
    items = {
        key if type(key) is str and key.isascii() else string(key): (
            value if type(value) is str and value.isascii() else string(value)
        )
        for key, value in mapping.items()
    }
    return GoMap(items, type_name)


def _devices(mapping: Mapping[str, Mapping[str, str]]) -> GoMap:
    return GoMap({string(name): _strings(device, DEVICE) for name, device in mapping.items()}, DEVICES)


def _container(given: TemplateContext, made: DaemonVariables) -> Value:
    return made["instance"] if given.container is None else _strings(given.container)


def _config_get(given: TemplateContext, made: DaemonVariables) -> Function:
    def call(arguments: list[Value]) -> Value | Live:
        key, default = arguments
        name = text(key)
        # A name in ASCII is spelled in one way: the other entries need no conversion for it.
        value = given.config.get(name) if name.isascii() else made["config"].get(name)
        return default if value is None else string(value).rstrip("\r\n")

    return Function(call, 2, 2)


_CONVERSIONS: Mapping[str, Callable[[TemplateContext, DaemonVariables], Value]] = {
    "trigger": lambda given, _: NamedString(string(given.trigger), _TRIGGER),
    "path": lambda given, _: string(given.path),
    "instance": lambda given, _: _strings(given.instance),
    "container": _container,
    "config": lambda given, _: _strings(given.config),
    "devices": lambda given, _: _devices(given.devices),
    "properties": lambda given, _: _strings(given.properties),
    "config_get": _config_get,
}
