"""
One rendering: its scopes, its limits, and what compiled code and operations share.

A compiled template calls operations with the rendering as their first argument; a rendering is the context that
jinja2 passes around, so no name has to be looked up to reach it.  Nothing here is shared between renderings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from jinja2 import Environment
from jinja2.runtime import Context

from lxdimage.templates._context import UnfitValueError, adopt
from lxdimage.templates._lexer import Token
from lxdimage.templates._meter import EngineError, FilterCall, Halt, Meter, Panic, Place
from lxdimage.templates._sites import Constant, Late
from lxdimage.templates._source import Source
from lxdimage.templates._values import GoMap, Struct, Value, normal

__all__ = ["ABSENT", "Program", "Rendering", "Scope", "located"]

RenderFunction = Callable[[Context], Iterator[str]]


class _Absent:
    """A name that is bound to nothing at all, unlike one that is bound to a value that is nil."""


ABSENT = _Absent()


@attrs.frozen(eq=False)
class Program:
    """
    A compiled template.

    Attributes:
        environment: The environment that it was compiled in.
        root: The function that yields the output.
        blocks: The functions of bodies and expressions that are compiled on their own.
        sites: The constants of its operations.
        exports: Names of exported macros.
        source: The text, for places.
    """

    environment: Environment
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

    def __init__(self, names: dict[str, Value], *, escapes: bool, loop: Struct | None | bool) -> None:
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


class Rendering(Context):
    """The state of one rendering."""

    def __init__(
        self,
        program: Program,
        variables: Mapping[str, Any],
        *,
        call: FilterCall,
        escapes: bool,
        version: str,
    ) -> None:
        super().__init__(program.environment, {}, None, {})
        self.program = program
        self.sites = program.sites
        self.call = call
        self.meter: Meter = call.meter
        meta = GoMap({"version": version}, "pongo2.Context")
        self.scope = Scope({"pongo2": meta}, escapes=escapes, loop=None)
        self.scopes: list[Scope] = []
        # Calls whose arguments are being evaluated: an error in one is reported by each of them.
        self.pending: list[tuple[Any, Token]] = []
        self.state: dict[int, Any] = {}
        self.decided: list[bool] = []
        self.given: Value = None
        self._variables = variables
        self._adopted: dict[str, Value] = {}

    # -- names

    def variable(self, name: str) -> Value:
        """Return the variable *name*, nil when there is none."""
        try:
            return self._adopted[name]
        except KeyError:
            pass
        try:
            value = adopt(self._variables.get(name))
        except UnfitValueError as error:
            raise UnfitValueError(f"variable {name!r}: {error}") from None
        self._adopted[name] = value
        return value

    def push(self, scope: Scope) -> None:
        """Make *scope* the present one."""
        self.meter.step(1 + (len(scope.names) >> 3))
        self.scopes.append(self.scope)
        self.scope = scope

    def pop(self) -> None:
        """Go back to the scope before."""
        self.scope = self.scopes.pop()

    # -- bodies and expressions that are compiled on their own

    def run(self, block: str) -> Iterator[str]:
        """Yield the output of a body."""
        return self.program.blocks[block](self)

    def collect(self, block: str) -> str:
        """Return the output of a body that is part of the output around it."""
        pieces, left = [], self.meter.output_left
        for piece in self.run(block):
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

    def evaluate(self, late: Late) -> Value:
        """Return the value of an expression that was put off."""
        if type(late) is Constant:
            return late.value
        for _ in self.run(late.block):  # type: ignore[union-attr]
            pass
        return self.given

    # -- errors

    def place(self, token: Token) -> Place:
        """Return where *token* stands."""
        return self.program.source.place(token.offset, token.value, token.width)

    def error(self, message: str, token: Token) -> EngineError:
        """Return the error *message* at *token*."""
        return EngineError(message, self.place(token))

    def mark(self) -> tuple[Scope, int, int, int]:
        """Return what `rewind` needs to come back here."""
        return self.scope, len(self.scopes), len(self.pending), len(self.decided)

    def rewind(self, mark: tuple[Scope, int, int, int]) -> None:
        """Forget what was begun since *mark* and never ended, because of an error."""
        self.scope, scopes, pending, decided = mark
        del self.scopes[scopes:]
        del self.pending[pending:]
        del self.decided[decided:]

    def reported(self, error: EngineError, since: int) -> EngineError:
        """Return *error* as the calls report it whose arguments were being evaluated, up to the one at *since*."""
        for _, token in reversed(self.pending[since:]):
            error = EngineError(error.text(), self.place(token), cause=error.cause or error.place)
        return error


class located:  # noqa: N801 - a context manager
    """Add the place of a token to a panic or limit that knows none."""

    __slots__ = ("_rendering", "_token")

    def __init__(self, rendering: Rendering, token: Token) -> None:
        self._rendering = rendering
        self._token = token

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Panic | Halt | EngineError) and error.place is None:
            error.place = self._rendering.place(self._token)
