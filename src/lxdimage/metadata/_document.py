"""One metadata.yaml as a tree of nodes that know their place, and findings that point into it."""

from __future__ import annotations

from weakref import WeakValueDictionary

import attrs

from lxdimage.diagnostics import Diagnostic, Span, Stage
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._yaml import Generation, Node, Parser, Text, Usage, YAMLError
from lxdimage.rules import diagnose

__all__ = ["Document", "Place", "read_document", "syntax_finding"]


@attrs.frozen
class Place:
    """A stretch of one document."""

    document: Document = attrs.field(repr=False, eq=False)
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it is, in lines and columns."""
        return self.document.text.span(self.start, self.end)

    @property
    def excerpt(self) -> str:
        """The line at which it begins."""
        text = self.document.text
        return text.line(text.position(self.start).line)

    def finding(
        self, code: str, message: str, *, stage: Stage | None = None, hint: str | None = None
    ) -> Diagnostic:
        """Return a finding about this place."""
        return diagnose(
            code,
            message,
            stage=stage,
            source=self.document.name,
            span=self.span,
            hint=hint,
            excerpt=self.excerpt,
        )


@attrs.frozen(kw_only=True, eq=False)
class Document:
    """
    The first document of a metadata.yaml.

    Attributes:
        name: What findings call the file.
        text: The characters.
        root: What the document contains.
        usage: Which features of YAML it uses.
        rest: Where something follows behind the document that no import reads, or None.
    """

    name: str
    text: Text = attrs.field(repr=False)
    root: Node
    usage: Usage = attrs.field(repr=False)
    rest: int | None

    def place(self, node: Node) -> Place:
        """Return where *node* is."""
        return Place(self, node.start, node.end)

    def at(self, start: int, end: int = 0) -> Place:
        """Return the stretch from *start* to *end*, at least one character."""
        return Place(self, start, max(end, start + 1))


# An image may be judged for several daemons, which read with two generations: a document is parsed once for each of
# those, as long as anybody still holds it.
_DOCUMENTS: WeakValueDictionary[tuple[bytes, int, str], Document] = WeakValueDictionary()


def read_document(data: bytes, generation: Generation, *, name: str) -> Document:
    """
    Return the first document of *data*.

    Raises:
        InvalidMetadataError: There is none, or it is not YAML.
    """
    key = (data, generation.number, name)
    document = _DOCUMENTS.get(key)
    if document is None:
        document = _DOCUMENTS[key] = _parse(data, generation, name)
    return document


def _parse(data: bytes, generation: Generation, name: str) -> Document:
    text = Text.decode(data, generation)
    parser = Parser(text, generation)
    try:
        root = parser.document()
    except YAMLError as error:
        raise InvalidMetadataError(syntax_finding(error, text, name)) from None
    if root is None:
        empty = YAMLError("the file contains no document", 0, code="metadata-empty")
        raise InvalidMetadataError(syntax_finding(empty, text, name))
    return Document(name=name, text=text, root=root, usage=parser.usage, rest=_rest(parser))


def _rest(parser: Parser) -> int | None:
    try:
        return parser.rest()
    except YAMLError as error:
        return error.index


def syntax_finding(error: YAMLError, text: Text, name: str) -> Diagnostic:
    """Return the finding for *error*, at the construct that is to blame when the problem shows only at the end."""
    index, message = error.index, error.problem
    if error.since is not None:
        begun = text.position(error.since).line
        if not text.chars[index : index + 1].strip() and not text.chars[index:].strip():
            index = error.since
        elif begun != text.position(index).line:
            message += f" (begun in line {begun})"
    position = text.position(index)
    return diagnose(
        error.code,
        message,
        stage=Stage.IMPORT,
        source=name,
        span=text.span(index, index + 1),
        excerpt=text.line(position.line),
    )
