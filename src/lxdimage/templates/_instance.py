"""What a template is rendered for: an instance, or variables given one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from random import Random
from typing import Self

import attrs

from lxdimage._arguments import choice_of
from lxdimage._frozen import frozen
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata
from lxdimage.targets import Target
from lxdimage.templates._daemon import DaemonVariables, TemplateContext, plain
from lxdimage.templates._engine import Template
from lxdimage.templates._meter import Dialect

__all__ = ["VIRTUAL_MACHINE", "Instance", "TemplateContext", "render_template"]

VIRTUAL_MACHINE = "virtual-machine"

_NOTHING: Mapping[str, str] = frozen({})
_DIALECTS = {4: Dialect.V4, 6: Dialect.V6}
_LIMITS = Limits()
_TRUE = frozenset({"true", "1", "yes", "on"})


def _texts(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return frozen(mapping)


def _devices(mapping: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    return frozen({name: _texts(device) for name, device in mapping.items()})


class _Type(Enum):
    CONTAINER = "container"
    VIRTUAL_MACHINE = VIRTUAL_MACHINE


def _type(value: object) -> str:
    return choice_of(_Type, plain(value), "type").value


@attrs.frozen(kw_only=True)
class Instance:
    """
    The instance that templates are rendered for.

    Attributes:
        name: Its name.
        architecture: Canonical name of its architecture.
        type: ``container`` or ``virtual-machine``.
        ephemeral: Whether it vanishes when it stops.
        config: Its expanded configuration, profiles merged, with the image's properties as ``image.*``.
        devices: Its expanded devices, each a map of strings.
        privileged: Whether it is a privileged container: as ``security.privileged`` says unless given.
    """

    name: str = "instance"
    architecture: str = attrs.field(default="x86_64", converter=plain)
    type: str = attrs.field(default="container", converter=_type)
    ephemeral: bool = False
    config: Mapping[str, str] = attrs.field(default=_NOTHING, converter=_texts, hash=False)
    devices: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict, converter=_devices, hash=False)
    privileged: bool = attrs.field()

    @privileged.default
    def _privileged(self) -> bool:
        return self.config.get("security.privileged", "").lower() in _TRUE

    @classmethod
    def of(cls, metadata: Metadata, *, type: str = "container", name: str = "instance") -> Self:  # noqa: A002
        """
        Return an instance as it is when it has just been created from an image, with nothing configured.

        Args:
            metadata: The image's metadata: its properties become ``image.*`` configuration, empty ones do not.
            type: What the image makes.
            name: Its name.
        """
        return cls(
            name=name,
            type=type,
            architecture=metadata.architecture,
            config={f"image.{key}": value for key, value in metadata.properties.items() if value},
            devices={"root": {"path": "/", "pool": "default", "type": "disk"}},
        )

    @property
    def is_virtual_machine(self) -> bool:
        """Whether it is no container."""
        return self.type == VIRTUAL_MACHINE

    @property
    def variables(self) -> Mapping[str, str]:
        """The map that templates know as ``instance`` and ``container`` (image format, section 6.7)."""
        found = {
            "name": self.name,
            "type": self.type,
            "architecture": self.architecture,
            "ephemeral": str(self.ephemeral).lower(),
        }
        if not self.is_virtual_machine:
            found["privileged"] = str(self.privileged).lower()
        return found


def render_template(
    source: str | bytes,
    context: TemplateContext,
    *,
    name: str = "<template>",
    target: Target | str = Target.LXD,
    limits: Limits | None = None,
    clock: Callable[[], datetime] | None = None,
    random: Random | None = None,
) -> bytes:
    """
    Return what a daemon makes of one template.

    Args:
        source: The template file's text; bytes need not be UTF-8.
        context: The variables.
        name: What findings call the template.
        target: The daemon.
        limits: Bounds on what the template may use.
        clock: Returns the time for ``now``; the local time unless given.
        random: The source of chance; one with a fixed seed unless given.

    Returns:
        The content of the file.

    Raises:
        TemplateSyntaxError: When the template does not parse, or uses a tag that is banned.
        TemplateRenderError: When it fails.
        LimitExceededError: When it would use more than the limits allow.
    """
    template = Template.parse(
        source,
        name=name,
        dialect=_DIALECTS[choice_of(Target, target, "target").traits.dialect],
        autoescape=False,
        wrapped=True,
        limits=limits or _LIMITS,
    )
    return template.render(DaemonVariables(context), clock=clock, random=random)
