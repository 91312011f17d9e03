"""
What a YAML text means before anything is decoded from it: scalars, sequences, mappings and aliases.

Nodes keep their place in the text.  A collection may contain an alias of itself, so sequences and mappings are
filled after they have been made, and nodes compare by identity.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

__all__ = ["Alias", "Mapping", "Node", "Scalar", "Sequence"]


@attrs.define(eq=False)
class Scalar:
    """
    A scalar.

    Attributes:
        start: Where it begins, in characters.
        end: Where it ends.
        value: The text, unquoted and unescaped.
        tag: The tag, ``!!int`` for ``tag:yaml.org,2002:int``; empty when there is none.
        style: ``'``, ``"``, ``|`` or ``>``; empty when the scalar is plain.
    """

    start: int
    end: int
    value: str
    tag: str = ""
    style: str = ""


@attrs.define(eq=False)
class Sequence:
    """A list."""

    start: int
    end: int
    tag: str
    items: list[Node] = attrs.field(factory=list, repr=False)


@attrs.define(eq=False)
class Mapping:
    """Pairs of keys and values, in the order of the text, repeated keys included."""

    start: int
    end: int
    tag: str
    pairs: list[tuple[Node, Node]] = attrs.field(factory=list, repr=False)


@attrs.define(eq=False)
class Alias:
    """A node that stands for another one."""

    start: int
    end: int
    name: str
    target: Scalar | Sequence | Mapping = attrs.field(repr=False)


Node: TypeAlias = Scalar | Sequence | Mapping | Alias
