"""
Where a rule's file goes: its target, followed through the root of an instance as each daemon follows it.

LXD and Incus 6.0 clean the target as a text and open it as the kernel does, once they have made sure that no step of
it leads out of the root; today's Incus resolves each step below the root and cleans nothing (image format, sections
6.3 and 6.4).
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import attrs

from lxdimage.archive import Entry, EntryType
from lxdimage.targets import Traits

__all__ = ["Exists", "Found", "OutsideError", "Place", "find_place"]

Found: TypeAlias = "Entry | bool | None"
Exists: TypeAlias = Callable[[str], "Found"]
"""Tells what an instance has at a path without leading slash: the entry, or only whether there is something."""

_NAME_MAX = 255
_PATH_MAX = 4095
_LINKS_MAX = 40
_DIRECTORY = Entry(path=".", type=EntryType.DIRECTORY)


class OutsideError(Exception):
    """A target leads out of the root; the text says how."""


@attrs.frozen(kw_only=True)
class Place:
    """
    Where the target of a rule is.

    Attributes:
        path: The target below the root, as a text.
        file: The file that is opened: another one where the path leads along symbolic links.
        exists: Whether the daemon finds something there, which ``create_only`` leaves alone.
        problem: Why the file cannot be written, if so.
    """

    path: str
    file: str
    exists: bool
    problem: str | None = None


def find_place(target: str, exists: Exists, traits: Traits) -> Place:
    """
    Follow the target of a rule.

    Args:
        target: The key of the rule.
        exists: What the instance has.
        traits: The daemon's ways.

    Raises:
        OutsideError: The target lies outside the root, or a symbolic link on the way leads there.
    """
    relative = target.lstrip("/")
    path = posixpath.normpath(relative) if relative else "."
    if path.split("/")[0] == "..":
        raise OutsideError("lies outside the root file system")
    if problem := _unspeakable(relative):
        return Place(path=path, file=path, exists=not traits.exclusive_targets, problem=problem)
    if traits.confined_templates:
        literal = _walk(relative, exists)
        if traits.exclusive_targets:
            return _step_by_step(path, literal, slash=relative.endswith(("/", "/.")))
    return _as_the_kernel(path, _walk(path, exists))


def _unspeakable(path: str) -> str | None:
    """Return why the kernel takes no such path at all, if so."""
    if "\0" in path:
        return "contains a NUL"
    return f"has more than {_PATH_MAX} bytes" if _length(path) > _PATH_MAX else None


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


@attrs.define
class _Walk:
    """
    A way through the root.

    Attributes:
        done: The steps taken, links resolved.
        found: What is at the end.
        ends_in_link: Whether the last name of the target is a link.
        missing: The first directory on the way that is not there.
        from_link: Whether a link names it, so that the daemon does not make it.
        obstacle: Why the way ends early.
        broken: Why there is nothing at its end and cannot be.
    """

    done: list[str] = attrs.field(factory=list)
    found: Found = _DIRECTORY
    ends_in_link: bool = False
    missing: str | None = None
    from_link: bool = False
    obstacle: str | None = None
    broken: str | None = None

    @property
    def file(self) -> str:
        """Where the way ends."""
        return "/".join(self.done) or "."

    @property
    def is_directory(self) -> bool:
        """Whether a directory is there."""
        return isinstance(self.found, Entry) and self.found.type is EntryType.DIRECTORY

    @property
    def there(self) -> bool:
        """Whether something is at the end."""
        return bool(self.found) and not self.broken

    @property
    def lost(self) -> str | None:
        """Why nothing can be created at the end, if so."""
        if self.from_link and not self.found:
            return _absent(self.missing)
        return self.broken

    def name(self, step: str) -> None:
        """Note a name that is too long: looking for it fails where its directory is there."""
        if _length(step) > _NAME_MAX:
            problem = f"has a name of more than {_NAME_MAX} bytes"
            if self.missing is None:
                self.obstacle = self.obstacle or problem
            else:
                self.broken = problem

    def step_up(self) -> None:
        """Go to the parent directory."""
        if not self.done:
            raise OutsideError("leads out of the root file system")
        self.done.pop()
        self.found = _DIRECTORY
        if self.missing is not None:
            self.broken = _absent(self.missing)

    def pass_through(self, here: str, *, from_link: bool) -> None:
        """Note what stands in the way at *here*, which is not the last step."""
        if isinstance(self.found, Entry) and not self.is_directory:
            self.obstacle = self.obstacle or f"lies below {here!r}, which is no directory"
        elif not self.found and self.missing is None:
            self.missing, self.from_link = here, from_link


def _absent(directory: str | None) -> str:
    return f"needs the directory {directory!r}, which is not there"


def _walk(target: str, exists: Exists) -> _Walk:
    """Take the steps of a target one after the other, and those of the links on the way."""
    walk = _Walk()
    # What is left of the target and of each link, the innermost last: a link may have thousands of steps.
    pending = [(deque(target.split("/")), False)]
    links = 0
    while pending:
        steps, from_link = pending[-1]
        step = steps.popleft()
        if not steps:
            pending.pop()
        if step in {"", "."}:
            continue
        if step == "..":
            walk.step_up()
            continue
        here = "/".join([*walk.done, step])
        walk.name(step)
        walk.found = exists(here)
        if walk.found:
            walk.missing, walk.from_link = None, False  # an archive may leave out directories
        if link := _link(walk.found, here):
            walk.ends_in_link = walk.ends_in_link or not pending
            links += 1
            if links > _LINKS_MAX:
                walk.obstacle = f"leads in circles along the symbolic link {here!r}"
                break
            pending.append((deque(link.split("/")), True))
            continue
        walk.done.append(step)
        if pending:
            walk.pass_through(here, from_link=from_link)
    return walk


def _link(found: Found, here: str) -> str | None:
    """Return where a symbolic link leads, if it is one."""
    if not isinstance(found, Entry) or found.type is not EntryType.SYMLINK:
        return None
    if found.target.startswith("/"):
        raise OutsideError(
            f"leads along the symbolic link {here!r} to {found.target!r}, out of the root file system"
        )
    return found.target


def _as_the_kernel(path: str, walk: _Walk) -> Place:
    """Judge a cleaned target: whatever keeps the daemon from looking counts as existing."""
    there, problem = walk.there or walk.ends_in_link, walk.obstacle
    if problem:
        there = True
    elif walk.is_directory:
        problem = "is a directory"
    return Place(path=path, file=walk.file, exists=there, problem=problem or walk.lost)


def _step_by_step(path: str, walk: _Walk, *, slash: bool) -> Place:
    """Judge a target as it is spelled: whatever keeps the daemon from looking is an error."""
    there, problem = walk.there, walk.obstacle
    if problem:
        there = False
    elif walk.is_directory:
        problem = "is a directory"
    elif slash:
        there, problem = False, "ends in a slash"
    elif walk.ends_in_link and not there:
        problem = "is a symbolic link that leads nowhere"
    return Place(path=path, file=walk.file, exists=there, problem=problem or walk.lost)
