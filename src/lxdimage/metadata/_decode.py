"""
Nodes to values: what a daemon's decoder stores in its record of an image.

The record is the Go structure that the daemons decode into (image format, section 5.1), so decoding is by type: a
string takes the source text of whatever scalar stands there, a number refuses quotes, a list refuses a single
value.  Several documents may be decoded into one record, one after the other; what a later one says replaces
what an earlier one said, and maps grow (section 2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from operator import setitem
from typing import NamedTuple, TypeAlias, TypeVar

import attrs

from lxdimage.metadata._document import Document, Place
from lxdimage.metadata._merge import Aliases, Pair, pairs_of
from lxdimage.metadata._show import shown, shown_path
from lxdimage.metadata._yaml import (
    Alias,
    Generation,
    Mapping,
    Node,
    Resolved,
    Scalar,
    Sequence,
    YAMLError,
    resolve,
)

__all__ = ["Decoder", "Notes", "Path", "Problem", "Record", "Repeat", "RuleRecord", "Unknown", "Unquoted"]

Path: TypeAlias = tuple[str, ...]
"""Where a value is: ``("templates", "/etc/hostname", "when")``."""

_T = TypeVar("_T")
_Take: TypeAlias = Callable[[_T], object]
_Concrete: TypeAlias = Scalar | Sequence | Mapping
_Fields: TypeAlias = dict[str, Callable[[Node], None]]

_TWO_63 = 1 << 63


@attrs.define
class RuleRecord:
    """One template rule as decoded so far."""

    when: list[str] = attrs.field(factory=list)
    create_only: bool = False
    template: str = ""
    properties: dict[str, str] | None = None
    uid: str = ""
    gid: str = ""
    mode: str = ""


@attrs.define
class Record:
    """
    What was decoded so far.

    Attributes:
        places: Where each value stands, the last time that it is given; for a rule, where its target path stands.
    """

    architecture: str = ""
    creation_date: int = 0
    expiry_date: int = 0
    properties: dict[str, str] | None = None
    templates: dict[str, RuleRecord | None] | None = None
    places: dict[Path, Place] = attrs.field(factory=dict, repr=False)


class Problem(NamedTuple):
    """
    A value of a type that its place does not take.

    Attributes:
        path: Where it is meant to go.
        node: The value.
        message: What is wrong, in words.
        found: What the value is, or None for a list or a map.
        is_key: Whether it is a key of what is at *path*.
    """

    path: Path
    node: Node
    message: str
    found: Resolved | None = None
    is_key: bool = False


class Repeat(NamedTuple):
    """A key that stands a second time in the same mapping, where it first stood, and its new value."""

    key: Node
    first: Node
    value: Node


class Unknown(NamedTuple):
    """A key that no daemon reads, in the record or rule at *path*."""

    path: Path
    key: Node
    name: str


class Unquoted(NamedTuple):
    """A text that only the daemons take for one: to YAML it is a number, a truth value or a date."""

    path: Path
    node: Scalar
    found: Resolved


@attrs.define
class Notes:
    """
    What decoding one document brought to light besides values.

    Attributes:
        document: The document.
        problems: Values of wrong types: any of them and the daemon refuses the document.
        repeats: Keys given twice, in mappings that were decoded.
    """

    document: Document
    problems: list[Problem] = attrs.field(factory=list)
    repeats: list[Repeat] = attrs.field(factory=list)
    # A merged mapping is decoded wherever it is merged, but what is odd about it is said once.
    _unknown: dict[int, Unknown] = attrs.field(factory=dict)
    _unquoted: dict[int, Unquoted] = attrs.field(factory=dict)

    def add_unknown(self, unknown: Unknown) -> None:
        """Note a key that nobody reads."""
        self._unknown.setdefault(id(unknown.key), unknown)

    def add_unquoted(self, unquoted: Unquoted) -> None:
        """Note a text that should have quotes."""
        self._unquoted.setdefault(id(unquoted.node), unquoted)

    @property
    def unknown(self) -> Iterable[Unknown]:
        """The keys that no daemon reads."""
        return self._unknown.values()

    @property
    def unquoted(self) -> Iterable[Unquoted]:
        """The texts that YAML takes for something else."""
        return self._unquoted.values()


class Decoder:
    """
    Decodes one document into a record.

    Attributes:
        notes: What was found on the way.
    """

    def __init__(self, document: Document, generation: Generation, *, file_permissions: bool) -> None:
        self._document = document
        self._generation = generation
        self._permissions = file_permissions
        self._aliases = Aliases()
        self._record: Record
        self.notes = Notes(document)

    def decode(self, record: Record) -> None:
        """
        Store in *record* what the document says.

        Raises:
            YAMLError: Aliases go in circles or repeat too much, or a tag claims what a value is not.
        """
        document = self._document
        self._record = record
        self._aliases.count(document.root)
        self._value(document.root, (), self._root)

    # ── any value ────────────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, node: Node, path: Path, take: _Take[_Concrete]) -> None:
        """Hand *node*, or what it is an alias of, to *take*."""
        self._aliases.count(node)
        if path:
            self._record.places[path] = self._document.place(node)
        if isinstance(node, Alias):
            self._aliases.enter(node)
            self._aliases.count(node.target)
            take(node.target)
            self._aliases.leave(node)
        else:
            take(node)

    def _refuse(self, node: _Concrete, path: Path, wanted: str, found: Resolved | None = None) -> None:
        what = shown_path(path) if path else "the document"
        message = f"{what} must be {wanted}, but is {_described(node, found)}"
        self.notes.problems.append(Problem(path, node, message, found))

    def _resolve(self, node: Scalar) -> Resolved:
        return resolve(node, self._generation)

    def _note_repeats(self, mapping: Mapping) -> None:
        """Note the keys that *mapping* gives twice."""
        seen: dict[tuple[type, str], Node] = {}
        for key, value in mapping.pairs:
            name = key.value if isinstance(key, Scalar) else key.name if isinstance(key, Alias) else ""
            first = seen.setdefault((type(key), name), key)
            if first is not key:
                self.notes.repeats.append(Repeat(key, first, value))

    # ── scalars and lists ────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, node: _Concrete, path: Path, take: _Take[str]) -> None:
        """Decode a key of the map at *path*."""
        problems = self.notes.problems
        before = len(problems)
        self._string(node, path, take)
        owner = shown_path(path) if path else "the document"
        for problem in problems[before:]:
            message = f"a key of {owner} must be text, but is {_described(node, problem.found)}"
            problems[before] = problem._replace(message=message, is_key=True)

    def _string(self, node: _Concrete, path: Path, take: _Take[str]) -> None:
        if not isinstance(node, Scalar):
            self._refuse(node, path, "text")
            return
        found = self._resolve(node)
        match found.tag:
            case "!!null" if found.value is None:
                if self._generation.null_clears:
                    take("")
            case "!!timestamp" if not self._generation.timestamps:
                self._refuse(node, path, "text", found)
            case "!!binary":
                take(str(found.value))
            case _:
                tempting = found.tag in _TEMPTING or node.value in self._generation.switches
                if tempting and not (node.tag or node.style):
                    self.notes.add_unquoted(Unquoted(path, node, found))
                take(node.value)

    def _integer(self, node: _Concrete, path: Path, take: _Take[int]) -> None:
        wanted = "a whole number of seconds"
        if not isinstance(node, Scalar):
            self._refuse(node, path, wanted)
            return
        found = self._resolve(node)
        match found:
            case Resolved("!!null", None):
                if self._generation.null_clears:
                    take(0)
            case Resolved("!!merge", _) if self._generation.merges_last:
                pass
            case Resolved("!!int", int(value)) if value < _TWO_63:
                take(value)
            case Resolved("!!float", float(value)) if (whole := self._whole(value)) is not None:
                take(whole)
            case _:
                self._refuse(node, path, wanted, found)

    def _whole(self, value: float) -> int | None:
        """Return the whole number that the library makes of a float on the machines that daemons run on."""
        if not value <= _TWO_63:
            return None
        whole = int(value) if -_TWO_63 <= value < _TWO_63 else -_TWO_63
        return whole if self._generation.fractions or whole == value else None

    def _boolean(self, node: _Concrete, path: Path, take: _Take[bool]) -> None:
        if not isinstance(node, Scalar):
            self._refuse(node, path, "true or false")
            return
        found = self._resolve(node)
        match found:
            case Resolved("!!null", None):
                if self._generation.null_clears:
                    take(False)
            case Resolved("!!merge", _) if self._generation.merges_last:
                pass
            case Resolved("!!bool", bool(value)):
                take(value)
            case Resolved("!!str", _) if node.value in self._generation.switches:
                take(self._generation.switches[node.value])
            case _:
                self._refuse(node, path, "true or false", found)

    def _strings(self, node: _Concrete, path: Path, take: _Take[list[str]]) -> None:
        if isinstance(node, Sequence):
            items: list[str] = []
            for number, item in enumerate(node.items):
                inner = (*path, str(number))
                self._value(item, inner, partial(self._string, path=inner, take=items.append))
            take(items)
        elif self._is_null(node, path, "a list of texts"):
            take([])

    def _is_null(self, node: _Concrete, path: Path, wanted: str) -> bool:
        """Whether *node* is nothing; if it is something, it is of the wrong type."""
        found = self._resolve(node) if isinstance(node, Scalar) else None
        if found and found.value is None:
            return True
        # A lone '<<' stores nothing anywhere, and the newer generation does not mind.
        if not (found and found.tag == "!!merge" and self._generation.merges_last):
            self._refuse(node, path, wanted, found)
        return False

    # ── maps ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _named(self, mapping: Mapping, path: Path) -> Iterator[tuple[str, Pair]]:
        """Yield the pairs of *mapping* that count, with their keys as text."""
        for pair in pairs_of(mapping, self._generation, self._aliases, self._note_repeats):
            names: list[str] = []
            self._value(pair.key, (), partial(self._key, path=path, take=names.append))
            if not names:
                continue
            if pair.own is not None:
                if names[0] in pair.own:
                    continue
                pair.own.add(names[0])
            yield names[0], pair

    def _properties(self, node: _Concrete, path: Path, owner: Record | RuleRecord) -> None:
        if not isinstance(node, Mapping):
            if self._is_null(node, path, "a map of texts"):
                owner.properties = None
            return
        fresh = owner.properties is None
        texts = owner.properties = owner.properties or {}
        for name, pair in self._named(node, path):
            inner = (*path, name)
            self._value(
                pair.value, inner, partial(self._string, path=inner, take=partial(setitem, texts, name))
            )
            new = name not in texts or (fresh and pair.own is None)
            if new and self._stands_for_null(pair.value):
                texts[name] = ""

    def _stands_for_null(self, node: Node) -> bool:
        target = node.target if isinstance(node, Alias) else node
        return isinstance(target, Scalar) and self._resolve(target).value is None

    def _rules(self, node: _Concrete, path: Path) -> None:
        record = self._record
        if not isinstance(node, Mapping):
            if self._is_null(node, path, "a map of rules"):
                record.templates = None
            return
        rules = record.templates = {} if record.templates is None else record.templates
        for name, pair in self._named(node, path):
            inner = (*path, name)
            self._value(
                pair.value, inner, partial(self._rule, path=inner, take=partial(setitem, rules, name))
            )
            record.places[inner] = self._document.place(pair.key)

    def _rule(self, node: _Concrete, path: Path, take: _Take[RuleRecord | None]) -> None:
        if isinstance(node, Mapping):
            rule = RuleRecord()
            take(rule)
            self._fields(node, path, self._rule_fields(rule, path))
        elif self._is_null(node, path, "a map"):
            # The older generation makes an empty rule of two of the spellings of null.
            empty = isinstance(node, Scalar) and not node.tag and node.value in ("Null", "NULL")
            take(RuleRecord() if empty and self._generation.null_clears else None)

    def _rule_fields(self, rule: RuleRecord, path: Path) -> _Fields:
        decoders: dict[str, Callable[..., None]] = {
            "when": self._strings,
            "create_only": self._boolean,
            "template": self._string,
        }
        permissions: _Fields = {
            name: partial(self._ignored, path=(*path, name), take=partial(setattr, rule, name))
            for name in _PERMISSIONS
        }
        if self._permissions:
            decoders |= dict.fromkeys(_PERMISSIONS, self._string)
        return permissions | self._decoded(decoders, rule, path) | self._properties_of(rule, path)

    def _ignored(self, node: Node, path: Path, take: _Take[str]) -> None:
        """Take what only other daemons read, so that this one does not mind what it is."""
        self._record.places[path] = self._document.place(node)
        text = node.target if isinstance(node, Alias) else node
        if isinstance(text, Scalar):
            with suppress(YAMLError):
                self._string(text, path, take)

    def _decoded(self, decoders: dict[str, Callable[..., None]], owner: object, path: Path) -> _Fields:
        """Return the fields of *owner* whose values *decoders* make."""
        return {
            name: self._field(decode, (*path, name), take=partial(setattr, owner, name))
            for name, decode in decoders.items()
        }

    def _properties_of(self, owner: Record | RuleRecord, path: Path) -> _Fields:
        return {"properties": self._field(self._properties, (*path, "properties"), owner=owner)}

    def _field(self, decode: Callable[..., None], path: Path, **rest: object) -> Callable[[Node], None]:
        return partial(self._value, path=path, take=partial(decode, path=path, **rest))

    # ── the record ───────────────────────────────────────────────────────────────────────────────────────────────

    def _root(self, node: _Concrete) -> None:
        record = self._record
        if isinstance(node, Mapping):
            self._fields(node, (), self._root_fields(record))
        elif self._is_null(node, (), "a map") and self._generation.null_clears:
            self._clear(record)

    def _clear(self, record: Record) -> None:
        for field in attrs.fields(Record):
            setattr(record, field.name, getattr(Record(), field.name))

    def _root_fields(self, record: Record) -> _Fields:
        decoders: dict[str, Callable[..., None]] = {
            "architecture": self._string,
            "creation_date": self._integer,
            "expiry_date": self._integer,
        }
        rules = {"templates": self._field(self._rules, ("templates",))}
        return self._decoded(decoders, record, ()) | self._properties_of(record, ()) | rules

    def _fields(self, mapping: Mapping, path: Path, fields: _Fields) -> None:
        """Decode the pairs of *mapping* whose keys are among *fields*; others are not looked at."""
        done: dict[tuple[int, str], Node] = {}
        for name, pair in self._named(mapping, path):
            if name not in fields:
                self.notes.add_unknown(Unknown(path, pair.key, name))
                continue
            first = done.setdefault((id(pair.owner), name), pair.key)
            if first is not pair.key and self._generation.unique_keys:
                self.notes.repeats.append(Repeat(pair.key, first, pair.value))
            else:
                fields[name](pair.value)


_PERMISSIONS = ("uid", "gid", "mode")
_TEMPTING = frozenset(("!!int", "!!float", "!!bool", "!!timestamp"))


def _described(node: _Concrete, found: Resolved | None) -> str:
    """Return what *node* is, in words."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a map"
    text = shown(node.value)
    match found.tag if found else "!!str":
        case "!!str":
            return f"the text {text}"
        case "!!int" | "!!float":
            return f"the number {node.value[:40]}"
        case "!!bool":
            return f"the truth value {text}"
        case "!!timestamp":
            return f"the date {node.value[:40]}"
        case tag:
            return f"{text} with the tag {tag}"
