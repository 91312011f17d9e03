"""
The methods that a template can call on values: a closed table by Go type and name.

LXD's device types have them, and a few values of the engine.  A method hides a map key or a field of its name.
Methods that no template can ever call have an entry all the same: naming one is an error, not nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from lxdimage.templates._go import format_time
from lxdimage.templates._values import Function, GoList, GoMap, Panic, Struct, Value, raw, text, type_name

__all__ = ["DEVICE", "DEVICES", "METHODS", "method"]

DEVICES = "config.Devices"
DEVICE = "config.Device"
_SORTABLE = "config.DevicesSortable"
_NAMED = "config.DeviceNamed"
_INITIAL = "initial."

Method = Callable[[Value], Function]


def method(value: Value, name: str) -> Function | None:
    """Return the method *name* of *value*, bound to it, or None."""
    methods = METHODS.get(type_name(value))
    rule = methods.get(name) if methods else None
    return rule(value) if rule else None


def _plain(compute: Callable[[Value], Value]) -> Method:
    """Return a method without parameters."""
    return lambda receiver: Function(lambda _: compute(receiver), 0, 0)


def _useless(parameters: int) -> Method:
    """Return a method whose number of results makes every call an error."""
    return lambda _: Function(lambda _: None, parameters, parameters, results=False)


# -- devices


def _copy(device: Mapping[str, str], type_name: str = DEVICE) -> GoMap:
    return GoMap(device, type_name)


def _clone(devices: GoMap) -> GoMap:
    return GoMap({name: _copy(device) for name, device in devices.items()}, DEVICES)


def _clone_native(devices: GoMap) -> GoMap:
    plain = {name: _copy(device, "map[string]string") for name, device in devices.items()}
    return GoMap(plain, "map[string]map[string]string")


def _filtered(devices: GoMap) -> Function:
    """Return the method that filters by functions: a template can only call it with none."""
    types = ("func(map[string]string) bool",)
    return Function(lambda _: GoMap(devices, DEVICES), 0, None, types=types)


def _contained(devices: GoMap) -> Function:
    def call(arguments: list[Value]) -> bool:
        name, device = arguments
        return bool(devices.get(name)) and dict(devices[name]) == dict(device)

    return Function(call, 2, 2, types=("string", DEVICE))


def _initial(device: GoMap, *, cut: int = 0) -> GoMap:
    return GoMap({key[cut:]: value for key, value in device.items() if key.startswith(_INITIAL)}, DEVICE)


def _cut_initial(devices: GoMap) -> GoMap:
    """Take the initial keys out of the devices: the one method that changes its receiver."""
    found = {name: initial for name, device in devices.items() if (initial := _initial(device))}
    for name, initial in found.items():
        for key in initial:
            del devices[name][key]
    return GoMap(found, DEVICES)


def _validator(_: Value) -> Function:
    return Function(lambda _: None, 1, 1, types=("map[string]func(string) error",))


# -- devices in the order in which they start


def _named(name: str, device: GoMap) -> Struct:
    return Struct(_NAMED, {"Name": name, "Config": device})


def _rank(named: Struct) -> tuple[int, tuple[int, ...], int, bytes, bytes]:
    """
    Return the key of the start order.

    Network devices come first, nested ones behind the others; then disks, the root first and the rest by path;
    then other types in descending order.  Names decide between equals.
    """
    device = named.fields["Config"]
    kind = text(device.get("type"))
    path = text(device.get("path"))
    group = {"nic": 0, "disk": 1}.get(kind, 2)
    descending = (*(-byte for byte in raw(kind)), 1) if group == 2 else ()
    detail = {0: bool(device.get("nested")), 1: path != "/"}.get(group, False)
    return group, descending, int(detail), raw(path) if group == 1 else b"", raw(named.fields["Name"])


def _in_start_order(devices: GoMap, *, backwards: bool = False) -> GoList:
    entries: Iterable[Struct] = (_named(name, device) for name, device in devices.items())
    return GoList(sorted(entries, key=_rank, reverse=backwards), _SORTABLE)


def _less(devices: GoList) -> Function:
    def call(arguments: list[Value]) -> bool:
        for index in arguments:
            if not 0 <= index < len(devices):
                raise Panic(f"runtime error: index out of range [{index}] with length {len(devices)}")
        first, second = arguments
        return _rank(devices[first]) < _rank(devices[second])

    return Function(call, 2, 2, types=("int", "int"))


# -- times


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _unix(value: datetime) -> int:
    return (_moment(value) - _EPOCH).days * 86400 + (_moment(value) - _EPOCH).seconds


def _formatter(value: datetime) -> Function:
    return Function(lambda arguments: format_time(value, arguments[0]), 1, 1, types=("string",))


METHODS: Mapping[str, Mapping[str, Method]] = MappingProxyType(
    {
        DEVICES: {
            "Clone": _plain(_clone),
            "CloneNative": _plain(_clone_native),
            "Contains": _contained,
            "Copy": _useless(1),
            "CutInitialConfig": _plain(_cut_initial),
            "Filter": _filtered,
            "Reversed": _plain(lambda devices: _in_start_order(devices, backwards=True)),
            "Sorted": _plain(_in_start_order),
            "Update": _useless(2),
        },
        DEVICE: {
            "Clone": _plain(_copy),
            "InitialConfig": _plain(_initial),
            "InitialConfigWithoutPrefix": _plain(lambda device: _initial(device, cut=len(_INITIAL))),
            "Validate": _validator,
        },
        _SORTABLE: {
            "Len": _plain(len),
            "Less": _less,
            "Swap": _useless(2),
        },
        "pongo2.Context": {
            "Update": lambda context: Function(lambda _: context, 1, 1, types=("pongo2.Context",)),
        },
        "pongo2.tagBlockInformation": {"Super": _plain(lambda _: "")},
        "*pongo2.tagCycleValue": {"String": _plain(text)},
        "time.Time": {
            "Day": _plain(lambda value: value.day),
            "Format": _formatter,
            "Hour": _plain(lambda value: value.hour),
            "Minute": _plain(lambda value: value.minute),
            "Month": _plain(lambda value: value.month),
            "Nanosecond": _plain(lambda value: value.microsecond * 1000),
            "Second": _plain(lambda value: value.second),
            "String": _plain(text),
            "UTC": _plain(lambda value: _moment(value).astimezone(UTC)),
            "Unix": _plain(_unix),
            "Weekday": _plain(lambda value: value.isoweekday() % 7),
            "Year": _plain(lambda value: value.year),
            "YearDay": _plain(lambda value: value.timetuple().tm_yday),
        },
    }
)
