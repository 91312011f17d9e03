"""Options that describe the instance for which templates are rendered."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import attrs

from lxdimage.cli._options import parse_keys, parse_pair
from lxdimage.cli._usage import UsageError
from lxdimage.diagnostics import escape
from lxdimage.errors import LXDImageError
from lxdimage.image import Image
from lxdimage.metadata import Architecture
from lxdimage.templates import Instance

__all__ = ["add_instance", "instance_of"]

_TRUE = frozenset({"true", "yes", "on", "1"})


def add_instance(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "instance", "what templates are rendered for; without options a new one"
    )
    group.add_argument("--name", metavar="NAME", help="its name (default: instance)")
    group.add_argument(
        "--architecture", type=_architecture, metavar="NAME", help="its architecture (default: the image's)"
    )
    group.add_argument(
        "-c",
        "--config",
        metavar="KEY=VALUE",
        type=parse_pair,
        action="append",
        default=[],
        help="a configuration key (may be repeated); without VALUE it is not set, as in the daemons",
    )
    group.add_argument(
        "-d",
        "--device",
        metavar="NAME,KEY=VALUE...",
        type=_device,
        action="append",
        default=[],
        help="keys of a device (may be repeated)",
    )
    group.add_argument(
        "--config-file",
        metavar="FILE",
        help="YAML as 'lxc config show --expanded NAME' prints it; options go first",
    )
    group.add_argument("--privileged", action="store_true", help="short for -c security.privileged=true")
    group.add_argument("--ephemeral", action="store_true", help="it vanishes when it stops")
    group.add_argument("--vm", action="store_true", help="it is a virtual machine (default: as the image)")


def instance_of(image: Image, arguments: argparse.Namespace) -> Instance:
    """
    Return the instance that the options describe.

    Raises:
        UsageError: The configuration file cannot be used.
        OSError: It cannot be read.
    """
    plain = Instance.of(image.metadata, type="virtual-machine" if arguments.vm else image.type.value)
    known = _read(arguments.config_file) if arguments.config_file else _Known()
    given = known.config | dict(arguments.config)
    if arguments.privileged:
        given["security.privileged"] = "true"
    # Whoever has the configuration of a real instance has the properties of its image with it.
    base = {} if any(key.startswith("image.") for key in known.config) else plain.config
    devices = {name: dict(device) for name, device in (known.devices or plain.devices).items()}
    for name, pairs in arguments.device:
        devices.setdefault(name, {}).update(pairs)
    return Instance(
        name=arguments.name or known.name or plain.name,
        architecture=arguments.architecture or known.architecture or plain.architecture,
        type="virtual-machine" if arguments.vm else known.type or plain.type,
        ephemeral=arguments.ephemeral or known.ephemeral,
        config={key: value for key, value in {**base, **given}.items() if value},
        devices=devices,
    )


# ---- options -------------------------------------------------------------------------------------------------


def _architecture(text: str) -> str:
    try:
        return str(Architecture.parse(text))
    except LXDImageError as error:
        (found,) = error.diagnostics
        message = f"expected an architecture such as x86_64, found {text!r}" + (
            f"; {found.hint}" if found.hint else ""
        )
        raise argparse.ArgumentTypeError(message) from error


def _device(text: str) -> tuple[str, Mapping[str, str]]:
    return parse_keys(text, "NAME")


# ---- configuration files -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Known:
    """What a file tells of an instance."""

    name: str = ""
    architecture: str = ""
    type: str = ""
    ephemeral: bool = False
    config: dict[str, str] = attrs.field(factory=dict)
    devices: dict[str, dict[str, str]] = attrs.field(factory=dict)


def _read(name: str) -> _Known:
    """Read what the daemons' clients print of an instance; all values are texts, as they are in the daemons."""
    import yaml

    with open(name, "rb") as file:  # noqa: PTH123 - as every other file argument
        text = file.read()
    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{escape(name)!r} is no YAML: {escape(_said(error))}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{escape(name)!r} is no mapping with 'config' and 'devices'")
    config = _texts(found.get("expanded_config") or found.get("config"))
    devices = found.get("expanded_devices") or found.get("devices")
    texts = _texts(found)
    return _Known(
        name=texts.get("name", ""),
        architecture=texts.get("architecture", ""),
        type=texts.get("type", ""),
        ephemeral=texts.get("ephemeral", "").lower() in _TRUE,
        config=config,
        devices={str(key): _texts(device) for key, device in _items(devices)},
    )


def _said(error: Exception) -> str:
    """Return what a YAML error says, in one line."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark:
        return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())


def _items(mapping: object) -> Iterator[tuple[object, object]]:
    yield from mapping.items() if isinstance(mapping, dict) else ()


def _texts(mapping: object) -> dict[str, str]:
    return {str(key): value for key, value in _items(mapping) if isinstance(value, str)}
