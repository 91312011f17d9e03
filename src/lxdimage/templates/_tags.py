"""
The tags: one function each, from arguments and bodies to a statement, and the table of them.

A tag reads its arguments from a cursor of its own and its bodies from the document, up to one of its end names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import attrs

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._cursor import Cursor
from lxdimage.templates._expressions import ExpressionParser
from lxdimage.templates._lexer import Kind, SyntaxFault, Token
from lxdimage.templates._values import to_int

__all__ = ["LOADERS", "MEMBERS", "TAGS", "Document", "Ending", "Tag"]

# They load other files: the daemons refuse them, and so does every template here.
LOADERS = frozenset({"extends", "import", "include", "ssi"})


@attrs.frozen
class Ending:
    """What ended a body: the end tag's name token and its arguments."""

    body: syntax.Body
    token: Token
    arguments: Cursor

    def bare(self) -> syntax.Body:
        """Return the body of an end tag that takes no arguments."""
        self.arguments.finish(self.token.value)
        return self.body


class Document(Protocol):
    """What a tag needs of the document around it."""

    blocks: set[str]
    exports: set[str]

    def body(self, opening: Token, *ends: str) -> Ending:
        """Read statements up to a tag of one of the names *ends*."""
        ...

    def skip(self, opening: Token, end: str) -> None:
        """Step over everything up to tag *end*."""
        ...

    def expressions(self, cursor: Cursor) -> ExpressionParser:
        """Return a reader of the expressions at *cursor*."""
        ...


class Tag:
    """One tag that is being read."""

    def __init__(self, token: Token, arguments: Cursor, document: Document) -> None:
        self.token = token
        self.arguments = arguments
        self.document = document
        self._expressions = document.expressions(arguments)

    def expression(self) -> syntax.Expression:
        """Read one expression."""
        return self._expressions.expression()

    def expressions_of(self, ending: Ending) -> ExpressionParser:
        """Return a reader of the expressions in the arguments of an end tag."""
        return self.document.expressions(ending.arguments)

    def rest(self) -> tuple[syntax.Expression, ...]:
        """Read expressions one after the other to the end of the arguments."""
        found = []
        while self.arguments.current:
            found.append(self.expression())
        return tuple(found)

    def filter_use(self) -> syntax.FilterUse:
        """Read a filter that need not exist."""
        return self._expressions.filter_use()

    def name(self, what: str = "a name") -> str:
        """Read an identifier."""
        return self.arguments.expect(Kind.IDENTIFIER, what=what).value

    def word(self, *words: str) -> bool:
        """Tell whether one of *words* comes next, and step over it."""
        return self.arguments.take(Kind.IDENTIFIER, *words) is not None

    def finish(self) -> None:
        """Check that no argument is left."""
        self.arguments.finish(self.token.value)

    def body(self, *ends: str) -> Ending:
        """Read the body up to one of *ends*."""
        return self.document.body(self.token, *ends)

    def alternatives(self, end: str) -> tuple[syntax.Body, syntax.Body | None]:
        """Read a body and the one behind ``else``, when there is one."""
        first = self.body("else", end)
        first.bare()
        if first.token.value == end:
            return first.body, None
        return first.body, self.body(end).bare()


# -- choices


def _if(tag: Tag) -> syntax.Statement:
    conditions = [tag.expression()]
    tag.finish()
    bodies = []
    while True:
        ending = tag.body("elif", "else", "endif")
        bodies.append(ending.body)
        if ending.token.value == "elif":
            conditions.append(tag.expressions_of(ending).expression())
        ending.arguments.finish(ending.token.value)
        if ending.token.value == "endif":
            return syntax.If(tag.token, tuple(conditions), tuple(bodies))


def _compared(*, negated: bool) -> Callable[[Tag], syntax.Statement]:
    def read(tag: Tag) -> syntax.Statement:
        left, right = tag.expression(), tag.expression()
        tag.finish()
        body, otherwise = tag.alternatives(f"end{tag.token.value}")
        return syntax.IfEqual(tag.token, left, right, negated, body, otherwise or ())

    return read


def _ifchanged(tag: Tag) -> syntax.Statement:
    watched = tag.rest()
    body, otherwise = tag.alternatives("endifchanged")
    return syntax.IfChanged(tag.token, watched, body, otherwise)


def _firstof(tag: Tag) -> syntax.Statement:
    return syntax.FirstOf(tag.token, tag.rest())


# -- loops and names


def _for(tag: Tag) -> syntax.Statement:
    key = tag.name("the name of a loop variable")
    value = tag.name("the name of a second loop variable") if tag.arguments.take(Kind.SYMBOL, ",") else None
    tag.arguments.expect(Kind.KEYWORD, "in")
    iterated = tag.expression()
    backwards = tag.word("reversed")
    ordered = tag.word("sorted")
    tag.finish()
    ending = tag.body("empty", "endfor")
    body = ending.bare()
    empty = tag.body("endfor").bare() if ending.token.value == "empty" else None
    return syntax.For(tag.token, key, value, iterated, backwards, ordered, body, empty)


def _set(tag: Tag) -> syntax.Statement:
    name = tag.name()
    tag.arguments.expect(Kind.SYMBOL, "=")
    expression = tag.expression()
    tag.finish()
    return syntax.Set(tag.token, name, expression)


def _with(tag: Tag) -> syntax.Statement:
    if not tag.arguments.current:
        raise tag.arguments.unexpected("name=value or value as name")
    # One "as" anywhere makes all of it the old form.
    read = _bound_behind if tag.arguments.mentions(Kind.KEYWORD, "as") else _bound_before
    body = tag.body("endwith").bare()
    bindings: dict[str, syntax.Expression] = {}
    while tag.arguments.current:
        name, expression = read(tag)
        bindings[name] = expression
    return syntax.With(tag.token, tuple(bindings.items()), body)


def _bound_before(tag: Tag) -> tuple[str, syntax.Expression]:
    name = tag.name()
    tag.arguments.expect(Kind.SYMBOL, "=")
    return name, tag.expression()


def _bound_behind(tag: Tag) -> tuple[str, syntax.Expression]:
    expression = tag.expression()
    tag.arguments.expect(Kind.KEYWORD, "as")
    return tag.name(), expression


def _cycle(tag: Tag) -> syntax.Statement:
    values, name, silent = [], None, False
    while tag.arguments.current:
        values.append(tag.expression())
        if tag.arguments.take(Kind.KEYWORD, "as"):
            name = tag.name()
            silent = tag.word("silent")
            break
    tag.finish()
    return syntax.Cycle(tag.token, tuple(values), name, silent)


def _widthratio(tag: Tag) -> syntax.Statement:
    current, limit, width = tag.expression(), tag.expression(), tag.expression()
    name = tag.name() if tag.arguments.take(Kind.KEYWORD, "as") else None
    tag.finish()
    return syntax.WidthRatio(tag.token, current, limit, width, name)


# -- bodies


def _autoescape(tag: Tag) -> syntax.Statement:
    body = tag.body("endautoescape").body
    mode = tag.name("'on' or 'off'")
    if mode not in {"on", "off"}:
        raise SyntaxFault(
            f"unexpected mode {mode!r}, expected 'on' or 'off'", tag.token.offset, tag.token.width
        )
    tag.finish()
    return syntax.Autoescape(tag.token, mode == "on", body)


def _block(tag: Tag) -> syntax.Statement:
    name = tag.name("the name of the block")
    tag.finish()
    ending = tag.body("endblock")
    if ending.arguments.current:
        ending.arguments.expect(Kind.IDENTIFIER, name, what=f"the name of the block, {name!r}")
        ending.arguments.finish("endblock")
    if name in tag.document.blocks:
        raise SyntaxFault(f"block {name!r} is there twice", tag.token.offset, tag.token.width)
    tag.document.blocks.add(name)
    return syntax.Block(tag.token, ending.body)


def _comment(tag: Tag) -> syntax.Statement:
    tag.document.skip(tag.token, "endcomment")
    tag.finish()
    return syntax.Text("")


def _filter(tag: Tag) -> syntax.Statement:
    body = tag.body("endfilter").body
    filters = []
    while tag.arguments.current:
        filters.append(tag.filter_use())
        if not tag.arguments.take(Kind.SYMBOL, "|"):
            break
    tag.finish()
    return syntax.FilterBlock(tag.token, tuple(filters), body)


def _macro(tag: Tag) -> syntax.Statement:
    name = tag.name("the name of the macro")
    tag.arguments.expect(Kind.SYMBOL, "(")
    parameters = _parameters(tag)
    exported = tag.arguments.take(Kind.KEYWORD, "export") is not None
    tag.finish()
    body = tag.body("endmacro").bare()
    if exported:
        if name in tag.document.exports:
            raise SyntaxFault(f"macro {name!r} is exported twice", tag.token.offset, tag.token.width)
        tag.document.exports.add(name)
    return syntax.Macro(tag.token, name, parameters, body)


def _parameters(tag: Tag) -> tuple[syntax.Parameter, ...]:
    """Read parameters up to the closing bracket; a trailing comma is fine."""
    parameters = []
    while not tag.arguments.take(Kind.SYMBOL, ")"):
        name = tag.name("the name of a parameter or ')'")
        default = tag.expression() if tag.arguments.take(Kind.SYMBOL, "=") else None
        parameters.append(syntax.Parameter(name, default))
        if tag.arguments.take(Kind.SYMBOL, ")"):
            break
        tag.arguments.expect(Kind.SYMBOL, ",", what="',' or ')'")
    return tuple(parameters)


def _spaceless(tag: Tag) -> syntax.Statement:
    body = tag.body("endspaceless").body
    tag.finish()
    return syntax.Spaceless(tag.token, body)


# -- text that comes from elsewhere


def _lorem(tag: Tag) -> syntax.Statement:
    number = tag.arguments.take(Kind.NUMBER)
    count = to_int(number.value) if number else 1
    method = tag.arguments.take(Kind.IDENTIFIER)
    if method and method.value not in {"w", "p", "b"}:
        raise SyntaxFault(
            f"unexpected method {method.value!r}, expected 'w', 'p' or 'b'", method.offset, method.width
        )
    shuffled = tag.word("random")
    tag.finish()
    return syntax.Lorem(tag.token, count, method.value if method else "b", shuffled)


def _now(tag: Tag) -> syntax.Statement:
    layout = tag.arguments.expect(Kind.STRING, what="a layout in quotes").value
    fake = tag.word("fake")
    tag.finish()
    return syntax.Now(tag.token, layout, fake)


_TEMPLATE_TAGS = {
    "openblock": "{%",
    "closeblock": "%}",
    "openvariable": "{{",
    "closevariable": "}}",
    "openbrace": "{",
    "closebrace": "}",
    "opencomment": "{#",
    "closecomment": "#}",
}


def _templatetag(tag: Tag) -> syntax.Statement:
    word = tag.arguments.expect(Kind.IDENTIFIER, *_TEMPLATE_TAGS, what=" or ".join(_TEMPLATE_TAGS))
    tag.finish()
    return syntax.Text(_TEMPLATE_TAGS[word.value])


TAGS: Mapping[str, Callable[[Tag], syntax.Statement]] = MappingProxyType(
    {
        "autoescape": _autoescape,
        "block": _block,
        "comment": _comment,
        "cycle": _cycle,
        "filter": _filter,
        "firstof": _firstof,
        "for": _for,
        "if": _if,
        "ifchanged": _ifchanged,
        "ifequal": _compared(negated=False),
        "ifnotequal": _compared(negated=True),
        "lorem": _lorem,
        "macro": _macro,
        "now": _now,
        "set": _set,
        "spaceless": _spaceless,
        "templatetag": _templatetag,
        "widthratio": _widthratio,
        "with": _with,
    }
)

# Names that only mean something inside another tag.
MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "elif": "if",
        "else": "if",
        "empty": "for",
        "endautoescape": "autoescape",
        "endblock": "block",
        "endcomment": "comment",
        "endfilter": "filter",
        "endfor": "for",
        "endif": "if",
        "endifchanged": "ifchanged",
        "endifequal": "ifequal",
        "endifnotequal": "ifnotequal",
        "endmacro": "macro",
        "endspaceless": "spaceless",
        "endverbatim": "verbatim",
        "endwith": "with",
    }
)
