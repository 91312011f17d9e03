"""
The pairs of a mapping with everything that its merge keys bring in, in the order in which they count.

The generations of the library differ: one inserts the merged pairs where the merge key stands, and whatever
comes later wins; the other appends them, and the mapping's own keys win (image format, section 5.2).  Merges
may be nested as deeply as the text is long, so they are followed with a list and not by recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import attrs

from lxdimage.metadata._yaml import (
    Alias,
    Generation,
    Mapping,
    Node,
    Scalar,
    Sequence,
    YAMLError,
    resolve,
)

__all__ = ["Aliases", "Pair", "pairs_of"]

_LOW = 400_000
_HIGH = 4_000_000


@attrs.define
class Aliases:
    """
    What guards decoding against aliases that are few in the text and many when followed.

    It counts like the library, so that the same documents are refused: up to 99 % of what is decoded may come from
    aliases, of very large documents 10 %.
    """

    _open: set[int] = attrs.field(factory=set, init=False)
    _decoded: int = attrs.field(default=0, init=False)
    _aliased: int = attrs.field(default=0, init=False)

    def count(self, node: Node) -> None:
        """Count *node* as decoded; raise if too many were reached through aliases."""
        self._decoded += 1
        if self._open:
            self._aliased += 1
        if self._aliased > 100 and self._decoded > 1000 and self._aliased > self._allowed():
            raise YAMLError("aliases repeat too much of the document", node.start, code="yaml-anchor")

    def _allowed(self) -> float:
        part = (min(max(self._decoded, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
        return (0.99 - 0.89 * part) * self._decoded

    def enter(self, alias: Alias) -> None:
        """Note that *alias* is being followed; raise if it already is."""
        if id(alias) in self._open:
            raise YAMLError(f"the anchor {alias.name!r} contains itself", alias.start, code="yaml-anchor")
        self._open.add(id(alias))

    def leave(self, alias: Alias) -> None:
        """Note that *alias* has been followed."""
        self._open.discard(id(alias))


class Pair(NamedTuple):
    """
    One pair.

    Attributes:
        owner: The mapping in which it stands.
        key: The key.
        value: The value.
        own: The keys that count already and that this pair must not replace; None while every pair counts.
    """

    owner: Mapping
    key: Node
    value: Node
    own: set[str] | None = None


def pairs_of(
    mapping: Mapping, generation: Generation, aliases: Aliases, meets: Callable[[Mapping], None]
) -> Iterator[Pair]:
    """
    Yield the pairs of *mapping* and of what it merges.

    Args:
        mapping: The mapping.
        generation: Whose order counts.
        aliases: Follows aliases.
        meets: Called with each mapping before its pairs.
    """
    walk = _Walk(generation, aliases, meets)
    waiting = [walk.pairs(mapping)]
    while waiting:
        match next(waiting[-1], None):
            case None:
                waiting.pop()
            case Pair() as pair:
                yield pair
            case node:
                waiting.append(walk.merged(node))


@attrs.define
class _Walk:
    """What the mappings of one merge have in common."""

    _generation: Generation
    _aliases: Aliases
    _meets: Callable[[Mapping], None]
    _own: set[str] | None = attrs.field(default=None, init=False)

    def pairs(self, mapping: Mapping) -> Iterator[Pair | Node]:
        """Yield the pairs of *mapping*, and a node wherever the pairs of another mapping are to be inserted."""
        self._meets(mapping)
        last: Node | None = None
        for key, value in mapping.pairs:
            if not _is_merge(key, self._generation):
                yield Pair(mapping, key, value, self._own)
            elif self._generation.merges_last:
                last = value
            else:
                yield from reversed(_sources(value))
        if last:
            if self._own is None:
                self._own = _own_keys(mapping, self._generation, self._aliases)
            yield from _sources(last)

    def merged(self, node: Node) -> Iterator[Pair | Node]:
        """Yield the same for a merged mapping, which may be an alias."""
        self._aliases.count(node)
        if isinstance(node, Alias):
            self._aliases.enter(node)
            self._aliases.count(node.target)
            yield from self.pairs(cast("Mapping", node.target))
            self._aliases.leave(node)
        else:
            yield from self.pairs(cast("Mapping", node))


def _own_keys(mapping: Mapping, generation: Generation, aliases: Aliases) -> set[str]:
    """Return the keys of *mapping* that are text: others count as different from what is merged."""
    keys: set[str] = set()
    for key, _ in mapping.pairs:
        aliases.count(key)
        target = _target(key)
        if isinstance(target, Scalar):
            found = resolve(target, generation)
            if isinstance(found.value, str) and found.tag not in ("!!timestamp", "!!merge"):
                keys.add(found.value)
    return keys


def _is_merge(key: Node, generation: Generation) -> bool:
    """Whether *key* is a merge key."""
    if not isinstance(key, Scalar):
        return False
    if key.tag == "!!merge":
        return generation.merges_last or key.value == "<<"
    if key.value != "<<":
        return False
    return not (key.tag or key.style) or (key.tag == "!" and not generation.merges_last)


def _sources(value: Node) -> list[Node]:
    """Return the mappings that a merge key's value names."""
    sources: list[Node] = value.items if isinstance(value, Sequence) else [value]
    for source in sources:
        if not isinstance(_target(source), Mapping):
            message = "'<<' must be followed by a mapping or a list of mappings"
            raise YAMLError(message, source.start, code="wrong-type")
    return sources


def _target(node: Node) -> Node:
    return node.target if isinstance(node, Alias) else node
