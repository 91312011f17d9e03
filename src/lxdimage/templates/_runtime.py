"""
One rendering: its scopes, its limits, and what compiled code and operations share.

A compiled template calls operations with the rendering as their first argument: the engine makes it the context that
jinja2 passes around, so no name has to be looked up to reach it.  Nothing here is shared between renderings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from lxdimage.templates._context import UnfitValueError, adopt
from lxdimage.templates._lexer import Token
from lxdimage.templates._meter import EngineError, FilterCall, Meter, Place, Trouble
from lxdimage.templates._source import Source
from lxdimage.templates._values import GoList, GoMap, NamedString, SafeString, Struct, Value, normal

__all__ = ["ABSENT", "Program", "RenderFunction", "Rendering", "Scope"]

RenderFunction: TypeAlias = Callable[[Any], Iterator[str]]


class _Absent:
    """A name that is bound to nothing at all, unlike one that is bound to a value that is nil."""


ABSENT = _Absent()

_SIZED = frozenset({str, SafeString, NamedString, GoList})
_LONG = 256


@attrs.frozen(eq=False)
class Program:
    """
    A compiled template.

    Attributes:
        root: The function that yields the output.
        blocks: The functions of bodies and expressions that are compiled on their own.
        sites: The constants of its operations.
        exports: Names of exported macros.
        source: The text, for places.
    """

    root: RenderFunction
    blocks: Mapping[str, RenderFunction]
    sites: Sequence[Any]
    exports: frozenset[str]
    source: Source


class Scope:
    """
    Names, a flag for escaping, and the innermost loop.

    Attributes:
        names: Everything that tags have bound, those of outer scopes included.
        escapes: Whether output is escaped.
        loop: The loop that ``forloop`` means; False once something else was bound to that name.
        outer_escapes: Flags to come back to.
    """

    __slots__ = ("escapes", "loop", "names", "outer_escapes")

    def __init__(self, names: dict[str, Value], *, escapes: bool, loop: Struct | bool | None) -> None:
        self.names = names
        self.escapes = escapes
        self.loop = loop
        self.outer_escapes: list[bool] = []

    def child(self) -> Scope:
        """Return a copy, which hides nothing and which nothing leaves."""
        return Scope(self.names.copy(), escapes=self.escapes, loop=self.loop)

    def bind(self, name: str, value: Value) -> None:
        """Bind *name* as tags do."""
        self.names[name] = value
        if name == "forloop":
            self.loop = False


class _Adopted(dict[str, Value]):
    """The variables as template values, each converted when it is first asked for; nil where there is none."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        self._given = given

    def __missing__(self, name: str) -> Value:
        try:
            value = self[name] = adopt(self._given.get(name))
        except UnfitValueError as error:
            raise UnfitValueError(f"variable {name!r}: {error}") from None
        return value


class Rendering:
    """
    The state of one rendering.

    Attributes:
        variables: What the caller gave.
    """

    def __init__(
        self,
        program: Program,
        variables: Mapping[str, Any],
        *,
        tools: FilterCall,
        escapes: bool,
        version: str,
    ) -> None:
        self.program = program
        self.sites = program.sites
        self.tools = tools
        self.meter: Meter = tools.meter
        meta = GoMap({"version": version}, "pongo2.Context")
        self.scope = Scope({"pongo2": meta}, escapes=escapes, loop=None)
        self.scopes: list[Scope] = []
        # Calls whose arguments are being evaluated: an error in one is reported by each of them.
        self.pending: list[tuple[Any, Token]] = []
        self.state: dict[int, Any] = {}
        self.given: Value = None
        self.variables = _Adopted(variables)

    # -- scopes

    def push(self, scope: Scope) -> None:
        """Make *scope* the present one."""
        self.meter.step(1 + (len(scope.names) >> 3))
        self.scopes.append(self.scope)
        self.scope = scope

    def pop(self) -> None:
        """Go back to the scope before."""
        self.scope = self.scopes.pop()

    # -- limits

    def charge(self, value: Value) -> None:
        """Take the steps of an operation that walks over *value*, which may be long."""
        if type(value) in _SIZED and len(value) > _LONG:
            self.meter.work(len(value))

    # -- bodies and expressions that are compiled on their own

    def run(self, block: str) -> Iterator[str]:
        """Yield the output of a body."""
        return self.program.blocks[block](self)

    def collect(self, block: str) -> str:
        """Return the output of a body that is part of the output around it."""
        return self.gather(self.run(block))

    def gather(self, output: Iterable[str]) -> str:
        """Return a part of the output, which must fit into what is left of it."""
        pieces, left = [], self.meter.output_left
        for piece in output:
            left -= len(piece)
            if left < 0:
                self.meter.output(self.meter.output_left + 1)
            pieces.append(piece)
        return "".join(pieces)

    def capture(self, block: str) -> str:
        """Return the output of a body as a value."""
        pieces, size = [], 0
        for piece in self.run(block):
            size += len(piece)
            self.meter.fits(size)
            pieces.append(piece)
        self.meter.value(size)
        return normal("".join(pieces))

    def compute(self, block: str) -> Value:
        """Return the value of an expression."""
        for _ in self.run(block):
            pass
        return self.given

    # -- errors

    def place(self, token: Token) -> Place:
        """Return where *token* stands."""
        return self.program.source.place(token.offset, token.value, token.width)

    def error(self, message: str, token: Token) -> EngineError:
        """Return the error *message* at *token*."""
        return EngineError(message, self.place(token))

    def blame(self, error: Trouble, token: Token) -> Trouble:
        """Return *error* with the place of *token*, unless it knows one."""
        if error.place is None:
            error.place = self.place(token)
        return error

    def mark(self) -> tuple[Scope, int, int]:
        """Return what `rewind` needs to come back here."""
        return self.scope, len(self.scopes), len(self.pending)

    def rewind(self, mark: tuple[Scope, int, int]) -> None:
        """Forget what was begun since *mark* and never ended, because of an error."""
        self.scope, scopes, pending = mark
        del self.scopes[scopes:]
        del self.pending[pending:]

    def reported(self, error: EngineError, since: int) -> EngineError:
        """Return *error* as the calls report it whose arguments were being evaluated, up to the one at *since*."""
        for _, token in reversed(self.pending[since:]):
            error = EngineError(error.text(), self.place(token), plain=error.plain)
        return error
