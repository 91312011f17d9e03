"""
What LXD and Incus do around the engine: which rules fire, and what becomes of their files.

Everything here is pure: values in, values out (image format, section 6).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from random import Random
from typing import NoReturn, Protocol

import attrs

from lxdimage._arguments import choice_of
from lxdimage.archive import Entry, EntryType
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import LimitExceededError, TemplateError, TemplateRenderError
from lxdimage.limits import Limits
from lxdimage.metadata import FIRST_START, Metadata, TemplateRule, Trigger
from lxdimage.rules import diagnose
from lxdimage.targets import Target
from lxdimage.templates._instance import Instance, TemplateContext, render_template
from lxdimage.templates._permissions import UNCHANGED, BadPermissionError, Permissions, new_permissions
from lxdimage.templates._places import Exists, Found, OutsideError, Place, find_place

__all__ = [
    "Action",
    "Exists",
    "HasTemplates",
    "Instance",
    "RenderedFile",
    "TemplateContext",
    "check_rules",
    "render_start",
    "render_template",
    "render_trigger",
    "settle",
]

_NAME_MAX = 255


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
        leads_to: The file that is written instead, where *path* leads along symbolic links.
    """

    path: str
    content: bytes = attrs.field(repr=False)
    mode: int | None
    uid: int | None
    gid: int | None
    rule: str
    trigger: Trigger
    action: Action
    leads_to: str | None = None


class HasTemplates(Protocol):
    """An image, or whatever has its rules and its template files."""

    @property
    def metadata(self) -> Metadata: ...

    @property
    def templates(self) -> Mapping[str, bytes]: ...


def _nothing_exists(_path: str) -> bool:
    return False


def render_trigger(
    image: HasTemplates,
    trigger: Trigger | str,
    instance: Instance,
    *,
    exists: Exists = _nothing_exists,
    target: Target | str = Target.LXD,
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
        exists: Tells what the instance has at a path before, without leading slash: the `Entry`, so that symbolic
            links are followed, or only whether there is something.
        target: The daemon.
        limits: Bounds on what a template may use.
        clock: Returns the time for ``now``; the local time unless given.
        random: The source of chance; one with a fixed seed unless given.

    Yields:
        One file for each rule that fires.

    Raises:
        TemplateError: When a rule would make the instance fail to start: the template does not parse or fails, its
            file is missing, the target cannot be written, or the rule is null.
        LimitExceededError: When a template would use more than the limits allow.
        InvalidArgumentError: When there is no such trigger or target.
    """
    run = _Run(
        image, instance, _Root(exists), choice_of(Target, target, "target"), limits or Limits(), clock, random
    )
    yield from run.all(choice_of(Trigger, trigger, "trigger"))


def render_start(
    image: HasTemplates,
    instance: Instance,
    *,
    recorded: Trigger | str | None = Trigger.CREATE,
    exists: Exists = _nothing_exists,
    target: Target | str = Target.LXD,
    limits: Limits | None = None,
    clock: Callable[[], datetime] | None = None,
    random: Random | None = None,
) -> Iterator[RenderedFile]:
    """
    Yield the files that the next start of an instance writes, in order.

    First the rules of the trigger that is recorded run, then those of ``start``: so a file may come twice, and
    `settle` tells what remains.

    Args:
        image: As for `render_trigger`.
        instance: The instance.
        recorded: The trigger that waits: ``create`` for a new instance, ``copy`` or ``rename``, None for none.
        exists: What the instance has before, as for `render_trigger`.
        target: The daemon.
        limits: Bounds on what a template may use.
        clock: Returns the time for ``now``; the local time unless given.
        random: The source of chance; one with a fixed seed unless given.

    Yields:
        One file for each rule and trigger.

    Raises:
        TemplateError: As `render_trigger` does.
        LimitExceededError: When a template would use more than the limits allow.
        InvalidArgumentError: When there is no such trigger or target.
    """
    run = _Run(
        image, instance, _Root(exists), choice_of(Target, target, "target"), limits or Limits(), clock, random
    )
    if recorded is not None:
        yield from run.all(choice_of(Trigger, recorded, "recorded"))
    yield from run.all(Trigger.START)


def settle(files: Iterable[RenderedFile]) -> Mapping[str, RenderedFile]:
    """
    Return what remains of files that are written one after the other, by path.

    Where two rules write one file, the content is the second's and mode and owner are those with which the first
    created it.
    """
    remaining: dict[str, RenderedFile] = {}
    for file in files:
        written = file.leads_to or file.path
        before = remaining.get(written)
        if before is None or file.action is Action.CREATE:
            remaining[written] = file
        elif file.action is Action.OVERWRITE:
            remaining[written] = attrs.evolve(
                file, mode=before.mode, uid=before.uid, gid=before.gid, action=_both(before.action)
            )
    return {file.path: file for file in remaining.values()}


def _both(before: Action) -> Action:
    return Action.CREATE if before is Action.CREATE else Action.OVERWRITE


def check_rules(
    image: HasTemplates,
    instance: Instance,
    *,
    exists: Exists = _nothing_exists,
    target: Target = Target.LXD,
    limits: Limits | None = None,
) -> Iterator[tuple[str, Diagnostic]]:
    """
    Yield what keeps the files of rules from being written, each rule tried by itself.

    A rule that fires at the first start of an instance is tried as it is there, so what is found makes that start
    fail.  Of a rule that fires later, only the target is looked at.

    Args:
        image: As for `render_trigger`; a template file that it lacks is not missed.
        instance: The instance.
        exists: What the image's root has, as for `render_trigger`.
        target: The daemon.
        limits: Bounds on what a template may use; one that would use more is passed over.

    Yields:
        The key of a rule, and a finding.
    """
    for path, rule in image.metadata.templates.items():
        run = _Run(image, instance, _Root(exists), target, limits or Limits(), None, None)
        now = next((trigger for trigger in FIRST_START if rule.fires_on(trigger)), None)
        if rule.null or not rule.fires:
            continue
        try:
            if now and posixpath.normpath(rule.template) in image.templates:
                run.write(path, rule, now)
            elif not instance.is_virtual_machine:
                run.look(path, rule)
        except LimitExceededError:
            continue
        except TemplateError as error:
            stage = Stage.START if now else None
            yield from ((path, attrs.evolve(found, stage=stage)) for found in error.diagnostics)


class _Root:
    """What an instance has, and what was written meanwhile."""

    def __init__(self, exists: Exists) -> None:
        self._before = exists
        self._written: dict[str, Entry] = {}

    def __call__(self, path: str) -> Found:
        # What was there before may be known less well than what was written since.
        return self._written.get(path) or self._before(path)

    def write(self, path: str) -> None:
        """Note that a file is there, and so are the directories above it."""
        self._written[path] = Entry(path=path, type=EntryType.FILE)
        while path := posixpath.dirname(path):
            self._written[path] = Entry(path=path, type=EntryType.DIRECTORY)


@attrs.frozen
class _Run:
    """Rules on their way, for one instance."""

    image: HasTemplates
    instance: Instance
    root: _Root
    target: Target
    limits: Limits
    clock: Callable[[], datetime] | None
    random: Random | None

    def all(self, trigger: Trigger) -> Iterator[RenderedFile]:
        """Yield what the rules for *trigger* write."""
        rules = self.image.metadata.templates
        for path, rule in rules.items():
            if rule.null:
                _fail("null-template-rule", f"the rule for {path!r} is null: no instance starts")
        for path in sorted(rules):
            if rules[path].fires_on(trigger):
                yield self.write(path, rules[path], trigger)

    def write(self, path: str, rule: TemplateRule, trigger: Trigger) -> RenderedFile:
        """Return what one rule writes."""
        source = self._source(path, rule)
        if self.instance.is_virtual_machine:
            return self._config_drive(source, path, rule, trigger)
        place = self.look(path, rule)
        action, permissions, content = Action.KEEP, UNCHANGED, b""
        if not (place.exists and rule.create_only):
            action = Action.OVERWRITE if place.exists else Action.CREATE
            permissions = UNCHANGED if place.exists else self._permissions(path, rule)
            content = self._render(source, path, rule, trigger)
            self.root.write(place.file)
        return RenderedFile(
            path=place.path,
            content=content,
            mode=permissions.mode,
            uid=permissions.uid,
            gid=permissions.gid,
            rule=path,
            trigger=trigger,
            action=action,
            leads_to=None if place.file == place.path else place.file,
        )

    def look(self, path: str, rule: TemplateRule) -> Place:
        """
        Return where a rule writes.

        Raises:
            TemplateRenderError: It cannot.
        """
        try:
            place = find_place(path, self.root, self.target.traits)
        except OutsideError as error:
            _fail("rule-fails", f"the target {path!r} {error}")
        if place.problem and not (place.exists and rule.create_only):
            _fail("rule-fails", f"the target {path!r} {place.problem}")
        return place

    def _permissions(self, path: str, rule: TemplateRule) -> Permissions:
        try:
            return new_permissions(rule, honoured=self.target.traits.file_permissions)
        except BadPermissionError as error:
            _fail("rule-fails", f"the rule for {path!r} has {error}")

    def _config_drive(self, source: bytes, path: str, rule: TemplateRule, trigger: Trigger) -> RenderedFile:
        """Return what the agent of a virtual machine finds (image format, section 6.9)."""
        name = f"{posixpath.normpath(rule.template)}.out"
        if "/" in name:
            text = f"the rule for {path!r} names {rule.template!r}, and the config drive has no directories"
            _fail("rule-fails", text)
        if len(name.encode("utf-8", "surrogateescape")) > _NAME_MAX:
            text = f"the rule for {path!r} makes {name!r} on the config drive, a name of more than {_NAME_MAX} bytes"
            _fail("rule-fails", text)
        return RenderedFile(
            path=f"files/{name}",
            content=self._render(source, path, rule, trigger),
            mode=0o644,
            uid=0,
            gid=0,
            rule=path,
            trigger=trigger,
            action=Action.CREATE,
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
        """Return the template file that a rule names; it must be there even where nothing will be written."""
        name = rule.template
        nested = self.target.traits.template_directories
        plain = posixpath.normpath(name) if name else "."
        if (
            plain == "."
            or plain.split("/")[0] in {"", ".."}
            or name.endswith("/")
            or ("/" in name and not nested)
        ):
            text = f"the rule for {path!r} names the template {name!r}, which no file below templates/ can be"
            _fail("template-outside", text)
        content = self.image.templates.get(plain)
        if content is None and plain in getattr(self.image, "larger", ()):
            text = f"the rule for {path!r} names the template {name!r}, which is larger than the limits allow"
            raise LimitExceededError(diagnose("template-too-large", text, source="metadata.yaml"))
        if content is None:
            text = f"the rule for {path!r} names the template {name!r}, and there is no such file"
            _fail("template-missing", text)
        return content


def _fail(code: str, message: str) -> NoReturn:
    raise TemplateRenderError(diagnose(code, message, stage=Stage.START, source="metadata.yaml"))
