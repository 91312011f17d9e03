"""
Tokens to nodes: the grammar of YAML, a production a method.

Productions of collections are generators: where another node begins they yield it, or the production that makes
it, and are sent the node.  `_run` keeps the unfinished ones on a list, so nesting needs no recursion and no depth
ends in a crash.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

import attrs

from lxdimage.metadata._yaml._generation import Generation
from lxdimage.metadata._yaml._nodes import Alias, Mapping, Node, Scalar, Sequence
from lxdimage.metadata._yaml._scanner import Scanner
from lxdimage.metadata._yaml._text import Text, YAMLError
from lxdimage.metadata._yaml._tokens import Kind, Token

__all__ = ["Parser", "Usage"]

_Steps: TypeAlias = Generator["_Item", Node, Node]
_Item: TypeAlias = Node | _Steps
_Anchored = TypeVar("_Anchored", Scalar, Sequence, Mapping)

_CORE = "tag:yaml.org,2002:"
_HANDLES = {"!": "!", "!!": _CORE}
_DIRECTIVES = (Kind.VERSION_DIRECTIVE, Kind.TAG_DIRECTIVE)
_NO_IMPLICIT_DOCUMENT = (*_DIRECTIVES, Kind.DOCUMENT_START, Kind.STREAM_END)
_NO_CONTENT = (*_NO_IMPLICIT_DOCUMENT, Kind.DOCUMENT_END)
_AFTER_BLOCK_NODE = (Kind.KEY, Kind.VALUE, Kind.BLOCK_END)
_AFTER_BLOCK_ITEM = (Kind.BLOCK_ENTRY, Kind.BLOCK_END)
_AFTER_INDENTLESS_ITEM = (Kind.BLOCK_ENTRY, *_AFTER_BLOCK_NODE)
_AFTER_FLOW_ITEM = (Kind.FLOW_ENTRY, Kind.FLOW_SEQUENCE_END)
_AFTER_FLOW_PAIR = (Kind.FLOW_ENTRY, Kind.FLOW_MAPPING_END)


@attrs.define
class Usage:
    """
    What a document uses that a careful writer does without; each the place of the first one, or None.

    Attributes:
        directive: ``%YAML`` or ``%TAG``.
        anchor: ``&name``.
        tag: ``!tag``.
    """

    directive: Token | None = None
    anchor: Token | None = None
    tag: Token | None = None


class Parser:
    """
    The documents of a text.

    Attributes:
        usage: What the documents use so far.
    """

    def __init__(self, text: Text, generation: Generation) -> None:
        self._scanner = Scanner(text, generation)
        self._leading_end = generation.leading_document_end
        self._anchors: dict[str, Scalar | Sequence | Mapping] = {}
        self._handles = _HANDLES
        self.usage = Usage()

    def document(self) -> Node | None:
        """Return the root of the first document, or None if there is none."""
        if self._leading_end:
            self._skip(Kind.DOCUMENT_END)
        token = self._scanner.peek()
        if token.kind is Kind.STREAM_END:
            return None
        if token.kind in _NO_IMPLICIT_DOCUMENT:
            self._prologue()
            root = self._explicit_content()
        else:
            root = _run(self._node(block=True))
        self._scanner.peek()
        return root

    def _explicit_content(self) -> Node:
        token = self._scanner.peek()
        return self._empty(token.start) if token.kind in _NO_CONTENT else _run(self._node(block=True))

    def rest(self) -> int | None:
        """Return where another document begins behind the first one, or None if nothing follows."""
        self._skip(Kind.DOCUMENT_END)
        token = self._scanner.peek()
        return None if token.kind is Kind.STREAM_END else token.start

    def _skip(self, kind: Kind) -> None:
        while self._scanner.peek().kind is kind:
            self._scanner.take()

    def _prologue(self) -> None:
        """Read directives and the marker behind them."""
        handles: dict[str, str] = {}
        version: Token | None = None
        while (token := self._scanner.peek()).kind in _DIRECTIVES:
            self.usage.directive = self.usage.directive or token
            if token.kind is Kind.TAG_DIRECTIVE:
                if token.text in handles:
                    raise YAMLError(f"the handle {token.text!r} is declared twice", token.start)
                handles[token.text] = token.detail
            else:
                _check_version(token, version)
                version = token
            self._scanner.take()
        self._handles = {**_HANDLES, **handles}
        if token.kind is not Kind.DOCUMENT_START:
            raise YAMLError("directives must be followed by '---'", token.start)
        self._scanner.take()

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _empty(self, pos: int) -> Scalar:
        return Scalar(pos, pos, "")

    def _node(self, *, block: bool, indentless: bool = False) -> _Item:
        """Read a node: an alias, or a tag and an anchor in either order before a scalar or a collection."""
        token = self._scanner.peek()
        if token.kind is Kind.ALIAS:
            return self._alias()
        anchor, tag = self._properties()
        token = self._scanner.peek()
        match token.kind:
            case Kind.BLOCK_ENTRY if indentless:
                return self._indentless_sequence(anchor, tag)
            case Kind.SCALAR:
                self._scanner.take()
                return self._anchored(Scalar(token.start, token.end, token.text, tag, token.detail), anchor)
            case Kind.FLOW_SEQUENCE_START:
                return self._flow_sequence(anchor, tag)
            case Kind.FLOW_MAPPING_START:
                return self._flow_mapping(anchor, tag)
            case Kind.BLOCK_SEQUENCE_START if block:
                return self._block_sequence(anchor, tag)
            case Kind.BLOCK_MAPPING_START if block:
                return self._block_mapping(anchor, tag)
        if anchor or tag:
            return self._anchored(Scalar(token.start, token.start, "", tag), anchor)
        raise YAMLError("a value is missing before this", token.start)

    def _alias(self) -> Alias:
        token = self._scanner.take()
        target = self._anchors.get(token.text)
        if target is None:
            raise YAMLError(f"the anchor {token.text!r} is not known here", token.start, code="yaml-anchor")
        return Alias(token.start, token.end, token.text, target)

    def _anchored(self, node: _Anchored, anchor: str) -> _Anchored:
        if anchor:
            self._anchors[anchor] = node
        return node

    def _properties(self) -> tuple[str, str]:
        """Read a tag and an anchor, in either order; return the anchor and the tag."""
        found: dict[Kind, Token] = {}
        while (token := self._scanner.peek()).kind in (Kind.ANCHOR, Kind.TAG) and token.kind not in found:
            found[token.kind] = self._scanner.take()
        anchor, tag = found.get(Kind.ANCHOR), found.get(Kind.TAG)
        self.usage.anchor = self.usage.anchor or anchor
        self.usage.tag = self.usage.tag or tag
        return anchor.text if anchor else "", self._expand(tag) if tag else ""

    def _expand(self, token: Token) -> str:
        """Return the tag with its handle replaced."""
        prefix = ""
        if token.text:
            if token.text not in self._handles:
                raise YAMLError(f"the tag handle {token.text!r} is not declared", token.start)
            prefix = self._handles[token.text]
        tag = prefix + token.detail
        if tag.startswith(_CORE):
            return "!!" + tag.removeprefix(_CORE)
        # The short form of a core tag is no name of one: written out, it is as unknown as any other.
        return f"!<{tag}>" if tag.startswith("!!") else tag

    # ── block style ──────────────────────────────────────────────────────────────────────────────────────────────

    def _block_sequence(self, anchor: str, tag: str) -> _Steps:
        """Read ``(BLOCK-ENTRY block_node?)* BLOCK-END``."""
        start = self._scanner.take().start
        node = self._anchored(Sequence(start, start, tag), anchor)
        while (token := self._scanner.peek()).kind is Kind.BLOCK_ENTRY:
            node.items.append((yield self._block_item(_AFTER_BLOCK_ITEM)))
        if token.kind is not Kind.BLOCK_END:
            raise YAMLError(
                "this belongs to no entry of the list that is open here", token.start, since=start
            )
        node.end = self._scanner.take().end
        return node

    def _indentless_sequence(self, anchor: str, tag: str) -> _Steps:
        """Read ``(BLOCK-ENTRY block_node?)+``: a list no further indented than its key."""
        start = self._scanner.peek().start
        node = self._anchored(Sequence(start, start, tag), anchor)
        while (token := self._scanner.peek()).kind is Kind.BLOCK_ENTRY:
            node.items.append((yield self._block_item(_AFTER_INDENTLESS_ITEM)))
        node.end = token.start
        return node

    def _block_item(self, after: tuple[Kind, ...]) -> _Item:
        entry = self._scanner.take()
        if self._scanner.peek().kind in after:
            return self._empty(entry.end)
        return self._node(block=True)

    def _block_mapping(self, anchor: str, tag: str) -> _Steps:
        """Read ``(KEY block_node? (VALUE block_node?)?)* BLOCK-END``."""
        start = self._scanner.take().start
        node = self._anchored(Mapping(start, start, tag), anchor)
        while (token := self._scanner.peek()).kind is Kind.KEY:
            key = yield self._block_part()
            token = self._scanner.peek()
            value = (yield self._block_part()) if token.kind is Kind.VALUE else self._empty(token.start)
            node.pairs.append((key, value))
        if token.kind is not Kind.BLOCK_END:
            raise YAMLError("this is not a key of the mapping that is open here", token.start, since=start)
        node.end = self._scanner.take().end
        return node

    def _block_part(self) -> _Item:
        """Read what follows KEY or VALUE."""
        indicator = self._scanner.take()
        if self._scanner.peek().kind in _AFTER_BLOCK_NODE:
            return self._empty(indicator.end)
        return self._node(block=True, indentless=True)

    # ── flow style ───────────────────────────────────────────────────────────────────────────────────────────────

    def _flow_sequence(self, anchor: str, tag: str) -> _Steps:
        """Read ``FLOW-SEQUENCE-START (item FLOW-ENTRY)* item? FLOW-SEQUENCE-END``."""
        start = self._scanner.take().start
        node = self._anchored(Sequence(start, start, tag), anchor)
        while self._another(start, Kind.FLOW_SEQUENCE_END, "]", first=not node.items):
            pair = self._scanner.peek().kind is Kind.KEY
            node.items.append((yield self._flow_pair() if pair else self._node(block=False)))
        node.end = self._scanner.take().end
        return node

    def _another(self, start: int, closing: Kind, bracket: str, *, first: bool) -> bool:
        """Whether the flow collection has another item; moves behind the comma before it."""
        token = self._scanner.peek()
        if not first and token.kind is not closing:
            if token.kind is not Kind.FLOW_ENTRY:
                raise YAMLError(f"expected ',' or '{bracket}'", token.start, since=start)
            self._scanner.take()
        return self._scanner.peek().kind is not closing

    def _flow_pair(self) -> _Steps:
        """Read ``KEY flow_node? (VALUE flow_node?)?`` inside a sequence: a mapping of one pair."""
        start = self._scanner.take().start
        node = Mapping(start, start, "")
        token = self._scanner.peek()
        if token.kind in (Kind.VALUE, *_AFTER_FLOW_ITEM):
            # The library drops the token here, whatever it is.
            key: Node = self._empty(self._scanner.take().end)
        else:
            key = yield self._node(block=False)
        value = yield self._flow_value(_AFTER_FLOW_ITEM)
        node.pairs.append((key, value))
        node.end = value.end
        return node

    def _flow_mapping(self, anchor: str, tag: str) -> _Steps:
        """Read ``FLOW-MAPPING-START (pair FLOW-ENTRY)* pair? FLOW-MAPPING-END``."""
        start = self._scanner.take().start
        node = self._anchored(Mapping(start, start, tag), anchor)
        while self._another(start, Kind.FLOW_MAPPING_END, "}", first=not node.pairs):
            if self._scanner.peek().kind is Kind.KEY:
                self._scanner.take()
                token = self._scanner.peek()
                bare = token.kind in (Kind.VALUE, *_AFTER_FLOW_PAIR)
                key = self._empty(token.start) if bare else (yield self._node(block=False))
                value = yield self._flow_value(_AFTER_FLOW_PAIR)
            else:
                key = yield self._node(block=False)
                value = self._empty(self._scanner.peek().start)
            node.pairs.append((key, value))
        node.end = self._scanner.take().end
        return node

    def _flow_value(self, after: tuple[Kind, ...]) -> _Item:
        token = self._scanner.peek()
        if token.kind is Kind.VALUE:
            self._scanner.take()
            token = self._scanner.peek()
            if token.kind not in after:
                return self._node(block=False)
        return self._empty(token.start)


def _check_version(token: Token, earlier: Token | None) -> None:
    if earlier:
        raise YAMLError("'%YAML' is given twice", token.start)
    if token.text != "1.1":
        raise YAMLError(f"'%YAML {token.text}' is not supported, only 1.1 is", token.start)


def _run(item: _Item) -> Node:
    """Return the node that *item* is or makes, running every production that it yields."""
    stack: list[_Steps] = []
    while True:
        step: Callable[[], _Item]
        if isinstance(item, Generator):
            stack.append(item)
            step = item.__next__
        elif stack:
            step = functools.partial(stack[-1].send, item)
        else:
            return item
        try:
            item = step()
        except StopIteration as done:
            stack.pop()
            item = done.value
