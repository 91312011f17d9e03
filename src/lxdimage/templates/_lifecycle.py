"""
What LXD and Incus do around the engine: which rules fire, where their files go, and what a template sees.

Everything here is pure: values in, values out (image format, section 6).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from random import Random
from types import MappingProxyType
from typing import NoReturn, Protocol

import attrs

from lxdimage.archive import Entry, EntryType
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import TemplateError, TemplateRenderError
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata, TemplateRule, Trigger
from lxdimage.rules import diagnose
from lxdimage.targets import Target
from lxdimage.templates._context import lxd_context
from lxdimage.templates._engine import Template
from lxdimage.templates._meter import Dialect

__all__ = [
    "Action",
    "Instance",
    "RenderedFile",
    "TemplateContext",
    "check_rules",
    "render_start",
    "render_template",
    "render_trigger",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_DIALECTS = {4: Dialect.V4, 6: Dialect.V6}
_VIRTUAL_MACHINE = "virtual-machine"


def _texts(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(mapping))


def _devices(mapping: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    return MappingProxyType({name: _texts(device) for name, device in mapping.items()})


def _plain(value: object) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


@attrs.frozen(kw_only=True)
class Instance:
    """
    The instance that templates are rendered for.

    Attributes:
        name: Its name.
        architecture: Canonical name of its architecture.
        type: ``container`` or ``virtual-machine``.
        privileged: Whether it is a privileged container.
        ephemeral: Whether it vanishes when it stops.
        config: Its expanded configuration, profiles merged, ``image.*`` and ``user.*`` included.
        devices: Its expanded devices, each a map of strings.
    """

    name: str = "instance"
    architecture: str = attrs.field(default="x86_64", converter=_plain)
    type: str = attrs.field(default="container", converter=_plain)
    privileged: bool = False
    ephemeral: bool = False
    config: Mapping[str, str] = attrs.field(default=_NOTHING, converter=_texts)
    devices: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict, converter=_devices)

    @property
    def variables(self) -> Mapping[str, str]:
        """The map that templates know as ``instance`` and ``container``."""
        found = {
            "name": self.name,
            "type": self.type,
            "architecture": self.architecture,
            "ephemeral": str(self.ephemeral).lower(),
        }
        if self.type != _VIRTUAL_MACHINE:
            found["privileged"] = str(self.privileged).lower()
        return found


@attrs.frozen(kw_only=True)
class TemplateContext:
    """
    The variables of one template.

    Attributes:
        trigger: What made it run.
        path: The target path as the rule spells it.
        instance: The variable of that name, a map of strings.
        config: The expanded configuration.
        devices: The expanded devices.
        properties: The rule's own properties.
        container: The variable of that name; the same as *instance* unless given.
    """

    trigger: str = attrs.field(default="create", converter=_plain)
    path: str = "/etc/hostname"
    instance: Mapping[str, str] = _NOTHING
    config: Mapping[str, str] = _NOTHING
    devices: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    properties: Mapping[str, str] = _NOTHING
    container: Mapping[str, str] | None = None


def render_template(
    source: str | bytes,
    context: TemplateContext,
    *,
    name: str = "<template>",
    target: Target = Target.LXD,
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
        dialect=_DIALECTS[target.traits.dialect],
        autoescape=False,
        wrapped=True,
        limits=limits or Limits(),
    )
    variables = lxd_context(
        trigger=context.trigger,
        path=context.path,
        instance=context.instance,
        config=context.config,
        devices=context.devices,
        properties=context.properties,
        container=context.container,
    )
    return template.render(variables, clock=clock, random=random)


class Action(Enum):
    """What happens to the target of a rule."""

    CREATE = "create"
    OVERWRITE = "overwrite"
    KEEP = "keep"


@attrs.frozen(kw_only=True)
class RenderedFile:
    """
    A file that a rule writes.

    Attributes:
        path: Where: below the root of a container, or ``files/TEMPLATE.out`` on the config drive of a virtual machine.
        content: Its bytes; empty where the file is kept.
        mode: Permission bits of a new file; None where those of an existing file stay.
        uid: Owner within the instance, None likewise.
        gid: Group within the instance, None likewise.
        rule: The target path as metadata.yaml spells it: the key of the rule.
        trigger: What made the rule fire.
        action: What happens to the target.
    """

    path: str
    content: bytes = attrs.field(repr=False)
    mode: int | None
    uid: int | None
    gid: int | None
    rule: str
    trigger: Trigger
    action: Action


class _HasTemplates(Protocol):
    """An image, or whatever has its rules and its template files."""

    @property
    def metadata(self) -> Metadata: ...

    @property
    def templates(self) -> Mapping[str, bytes]: ...


Exists = Callable[[str], "Entry | bool | None"]
"""Tells what the instance has at a path without leading slash: the entry, or only whether there is something."""


def _nothing_exists(_path: str) -> bool:
    return False


def render_trigger(
    image: _HasTemplates,
    trigger: Trigger | str,
    instance: Instance,
    *,
    exists: Exists = _nothing_exists,
    target: Target = Target.LXD,
    limits: Limits | None = None,
    clock: Callable[[], datetime] | None = None,
    random: Random | None = None,
) -> Iterator[RenderedFile]:
    """
    Yield the files that the rules of an image write for one trigger.

    A daemon runs the rules in random order and stops at the first that fails, and the instance does not start then;
    here they run in the order of their targets.

    Args:
        image: An image, or whatever has ``metadata`` and ``templates`` as one.
        trigger: ``create``, ``copy``, ``start`` or ``rename``.
        instance: The instance.
        exists: What the instance has at a path before.
        target: The daemon.
        limits: Bounds on what a template may use.
        clock: Returns the time for ``now``; the local time unless given.
        random: The source of chance; one with a fixed seed unless given.

    Yields:
        One file for each rule that fires.

    Raises:
        TemplateError: When a rule would make the instance fail to start: the template does not parse or fails, its
            file is missing, the target lies outside the root, or the rule is null.
        LimitExceededError: When a template would use more than the limits allow.
    """
    wanted = Trigger(trigger)
    rules = image.metadata.templates
    for path, rule in rules.items():
        if rule.null:
            _fail(
                "rule-fails",
                f"the rule for {path!r} is null, and every start ends in an error without a reason",
            )
    run = _Run(image, instance, exists, target, limits or Limits(), clock, random)
    for path in sorted(rules):
        if wanted.value in rules[path].when:
            yield run.rule(path, rules[path], wanted)


def render_start(
    image: _HasTemplates,
    instance: Instance,
    *,
    recorded: Trigger | str | None = Trigger.CREATE,
    exists: Exists = _nothing_exists,
    target: Target = Target.LXD,
    limits: Limits | None = None,
    clock: Callable[[], datetime] | None = None,
    random: Random | None = None,
) -> Iterator[RenderedFile]:
    """
    Yield the files that the next start of an instance writes, in order.

    First the rules of the trigger that is recorded run, then those of ``start``: so a file may come twice, and the
    second counts.

    Args:
        image: As for `render_trigger`.
        instance: The instance.
        recorded: The trigger that waits: ``create`` for a new instance, ``copy`` or ``rename``, None for none.
        exists: What the instance has at a path before.
        target: The daemon.
        limits: Bounds on what a template may use.
        clock: Returns the time for ``now``; the local time unless given.
        random: The source of chance; one with a fixed seed unless given.

    Yields:
        One file for each rule and trigger.

    Raises:
        TemplateError: As `render_trigger` does.
        LimitExceededError: When a template would use more than the limits allow.
    """
    written: set[str] = set()

    def now_exists(path: str) -> Entry | bool | None:
        return exists(path) or path in written

    for trigger in ([] if recorded is None else [Trigger(recorded)]) + [Trigger.START]:
        for file in render_trigger(
            image,
            trigger,
            instance,
            exists=now_exists,
            target=target,
            limits=limits,
            clock=clock,
            random=random,
        ):
            written.add(file.path)
            yield file


def check_rules(
    image: _HasTemplates,
    *,
    kind: str = "container",
    exists: Exists = _nothing_exists,
    target: Target = Target.LXD,
) -> Iterator[tuple[str, Diagnostic]]:
    """
    Yield what makes instances of an image fail to start, beside what is wrong with metadata.yaml or a template itself.

    Args:
        image: As for `render_trigger`.
        kind: What the image makes: ``container`` or ``virtual-machine``.
        exists: What its root has at a path.
        target: The daemon.

    Yields:
        The key of a rule, and a finding at `Stage.START`.
    """
    run = _Run(image, Instance(type=kind), exists, target, Limits(), None, None)
    triggers = {trigger.value for trigger in Trigger}
    for path, rule in image.metadata.templates.items():
        if rule.null or triggers.isdisjoint(rule.when):
            continue
        try:
            run.check(path, rule)
        except TemplateRenderError as error:
            yield path, error.diagnostics[0]


@attrs.frozen
class _Run:
    """One trigger for one instance."""

    image: _HasTemplates
    instance: Instance
    exists: Exists
    target: Target
    limits: Limits
    clock: Callable[[], datetime] | None
    random: Random | None

    def check(self, path: str, rule: TemplateRule) -> None:
        """Refuse a target that cannot be written, and permissions that cannot be read."""
        if self.instance.type == _VIRTUAL_MACHINE:
            return
        found = self.exists(self._place(path))
        if isinstance(found, Entry) and found.type is EntryType.DIRECTORY:
            _fail("rule-fails", f"the target {path!r} is a directory")
        if not found:
            self._permissions(path, rule)

    def rule(self, path: str, rule: TemplateRule, trigger: Trigger) -> RenderedFile:
        """Return what one rule writes."""
        source = self._source(path, rule)
        if self.instance.type == _VIRTUAL_MACHINE:
            content = self._render(source, path, rule, trigger)
            place = f"files/{rule.template}.out"
            return RenderedFile(
                path=place,
                content=content,
                mode=0o644,
                uid=0,
                gid=0,
                rule=path,
                trigger=trigger,
                action=Action.CREATE,
            )
        self.check(path, rule)
        place = self._place(path)
        found = self.exists(place)
        if found and rule.create_only:
            return self._file(place, b"", path, rule, trigger, Action.KEEP)
        content = self._render(source, path, rule, trigger)
        return self._file(place, content, path, rule, trigger, Action.OVERWRITE if found else Action.CREATE)

    def _file(
        self, place: str, content: bytes, path: str, rule: TemplateRule, trigger: Trigger, action: Action
    ) -> RenderedFile:
        mode, uid, gid = self._permissions(path, rule) if action is Action.CREATE else (None, None, None)
        return RenderedFile(
            path=place,
            content=content,
            mode=mode,
            uid=uid,
            gid=gid,
            rule=path,
            trigger=trigger,
            action=action,
        )

    def _render(self, source: bytes, path: str, rule: TemplateRule, trigger: Trigger) -> bytes:
        context = TemplateContext(
            trigger=trigger.value,
            path=path,
            instance=self.instance.variables,
            config=self.instance.config,
            devices=self.instance.devices,
            properties=rule.properties,
        )
        try:
            return render_template(
                source,
                context,
                name=f"templates/{rule.template}",
                target=self.target,
                limits=self.limits,
                clock=self.clock,
                random=self.random,
            )
        except TemplateError as error:
            staged = (attrs.evolve(found, stage=Stage.START) for found in error.diagnostics)
            raise type(error)(*staged) from error

    def _source(self, path: str, rule: TemplateRule) -> bytes:
        """Return the template file that a rule names; a name is refused where the target refuses it."""
        name = rule.template
        parts = name.split("/")
        nested = self.target.traits.template_directories
        if name in {"", "."} or ".." in parts or name.startswith("/") or (len(parts) > 1 and not nested):
            _fail(
                "rule-fails",
                f"the rule for {path!r} names the template {name!r}, which no file below templates/ can be",
            )
        content = self.image.templates.get(posixpath.normpath(name))
        if content is None:
            _fail(
                "rule-fails", f"the rule for {path!r} names the template {name!r}, and there is no such file"
            )
        return content

    def _place(self, path: str) -> str:
        """Return the target below the root, without leading slashes and dots."""
        relative = path.lstrip("/")
        place = posixpath.normpath(relative) if relative else "."
        if place == ".." or place.startswith("../"):
            _fail("rule-fails", f"the target {path!r} lies outside the root file system")
        if place == ".":
            _fail("rule-fails", f"the target {path!r} is the root directory itself")
        parts = place.split("/")
        for end in range(1, len(parts) + 1):
            self._check_step(path, parts[:end], last=end == len(parts))
        return place

    def _check_step(self, path: str, parts: Sequence[str], *, last: bool) -> None:
        """Refuse to go through a file, or along a symbolic link that leads out of the root."""
        found = self.exists("/".join(parts))
        if not isinstance(found, Entry):
            return
        if found.type is EntryType.FILE and not last:
            _fail("rule-fails", f"the target {path!r} lies below {'/'.join(parts)!r}, a regular file")
        if found.type is EntryType.SYMLINK:
            leads = posixpath.normpath(posixpath.join(*parts[:-1], found.target))
            if leads.startswith(("/", "../")) or leads == "..":
                text = f"the target {path!r} leads along the symbolic link {'/'.join(parts)!r} to {found.target!r}"
                _fail("rule-fails", f"{text}, out of the root file system")

    def _permissions(self, path: str, rule: TemplateRule) -> tuple[int, int, int]:
        if not self.target.traits.file_permissions:
            return 0o644, 0, 0
        mode = 0o644 if not rule.mode else _mode(path, rule.mode)
        return mode, _owner(path, "uid", rule.uid), _owner(path, "gid", rule.gid)


def _fail(code: str, message: str) -> NoReturn:
    raise TemplateRenderError(diagnose(code, message, stage=Stage.START, source="metadata.yaml"))


_BASES: Sequence[tuple[re.Pattern[str], int]] = (
    (re.compile(r"[+-]?0[xX](_?[0-9a-fA-F])+"), 16),
    (re.compile(r"[+-]?0[bB](_?[01])+"), 2),
    (re.compile(r"[+-]?0[oO](_?[0-7])+"), 8),
    (re.compile(r"[+-]?0(_?[0-7])*"), 8),
    (re.compile(r"[+-]?[1-9](_?[0-9])*"), 10),
)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,19}")


def _mode(path: str, text: str) -> int:
    """Return the mode as Incus reads it: three digits are octal, all else goes by Go's prefixes."""
    number = "0" + text if len(text) == 3 else text
    for pattern, base in _BASES:
        if pattern.fullmatch(number) and len(number) < 30:
            digits = number.replace("_", "")
            return int(re.sub("(?i)0[xbo]", "", digits, count=1), base) & 0o777
    _fail("rule-fails", f"the rule for {path!r} has the mode {text!r}, which is no number")


def _owner(path: str, name: str, text: str | None) -> int:
    if not text:
        return 0
    if not _DECIMAL.fullmatch(text):
        _fail("rule-fails", f"the rule for {path!r} has the {name} {text!r}, which is no decimal number")
    return int(text)
