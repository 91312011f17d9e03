"""What lint rules look at."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from lxdimage.metadata._decode import Path, Record, RuleRecord
from lxdimage.metadata._document import Document, Place
from lxdimage.metadata._model import TemplateRule
from lxdimage.metadata._reading import Reading
from lxdimage.targets import Target

__all__ = ["Subject"]


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Subject:
    """
    The metadata of one image, as one daemon reads it.

    Attributes:
        reading: What the daemon decodes; at least one document could be parsed.
        other: What daemons with the other generation of YAML decode, or None when nobody looked.
        target: The daemon.
        now: The time, for expiry, or None when it does not matter.
    """

    reading: Reading
    other: Reading | None
    target: Target
    now: datetime | None

    @property
    def record(self) -> Record:
        """What was decoded."""
        return self.reading.record

    @property
    def documents(self) -> Iterator[Document]:
        """The documents in their order."""
        return (notes.document for notes in self.reading.notes)

    def place(self, *path: str) -> Place:
        """Return where the value of that name stands; where what encloses it begins, if it does not exist."""
        while path:
            if found := self.record.places.get(path):
                return found
            path = path[:-1]
        document = self.reading.notes[-1].document
        return Place(document, document.root.start, document.root.start + 1)

    @functools.cached_property
    def _wrong(self) -> frozenset[Path]:
        problems = (problem for notes in self.reading.notes for problem in notes.problems)
        return frozenset(problem.path for problem in problems if not problem.is_key)

    def is_wrong(self, *path: str) -> bool:
        """Whether the value of that name, or the whole document, is of a wrong type: then it is not missing."""
        return () in self._wrong or path in self._wrong

    @functools.cached_property
    def rules(self) -> Mapping[str, TemplateRule]:
        """The template rules by target path."""
        return {path: _rule(rule) for path, rule in (self.record.templates or {}).items()}


def _rule(record: RuleRecord | None) -> TemplateRule:
    if record is None:
        return TemplateRule(null=True)
    return TemplateRule(
        template=record.template,
        when=record.when,
        create_only=record.create_only,
        properties=record.properties or {},
        uid=record.uid or None,
        gid=record.gid or None,
        mode=record.mode or None,
    )
