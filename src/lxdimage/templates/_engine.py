"""
Templates: parse once, render often.

A template is parsed and compiled once for its text; the compiled program is shared between templates and threads,
each rendering has a state of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from random import Random
from typing import Any, Self

import attrs

from lxdimage._arguments import choice_of, list_of
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import LimitExceededError, LXDImageError, TemplateRenderError, TemplateSyntaxError
from lxdimage.limits import Limits
from lxdimage.rules import diagnose
from lxdimage.templates._cache import Cache
from lxdimage.templates._compiler import compile_document
from lxdimage.templates._context import UnfitValueError
from lxdimage.templates._daemon import DaemonVariables
from lxdimage.templates._filters import filters_of
from lxdimage.templates._jinja import jinja
from lxdimage.templates._lexer import SyntaxFault
from lxdimage.templates._meter import Chance, Dialect, EngineError, FilterCall, Halt, Meter, Panic, Trouble
from lxdimage.templates._parser import Language, parse
from lxdimage.templates._runtime import Program, Rendering
from lxdimage.templates._source import Source, string
from lxdimage.templates._values import raw

__all__ = ["Rendered", "Template"]


_LONGEST_MESSAGE = 1000


@attrs.frozen(kw_only=True)
class Rendered:
    """
    What a rendering gave.

    Attributes:
        output: The bytes.
        depends_on: What the output can depend on beside template and variables.
    """

    output: bytes
    depends_on: frozenset[Chance]


@attrs.frozen(kw_only=True)
class Template:
    """
    A parsed template of the pongo2 language.

    Make one with `Template.parse`; one can be rendered any number of times, by several threads at once.

    Attributes:
        name: What findings call it.
        dialect: The release whose rules apply.
        autoescape: Whether output is escaped unless the template says otherwise.
        limits: Bounds on what a rendering may use.
    """

    name: str
    dialect: Dialect
    autoescape: bool
    limits: Limits
    _program: Program = attrs.field(repr=False, eq=False)

    @classmethod
    def parse(
        cls,
        source: str | bytes,
        *,
        name: str = "<template>",
        dialect: Dialect | str = Dialect.V4,
        autoescape: bool = True,
        banned: Collection[str] = (),
        wrapped: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Self:
        """
        Parse and compile a template.

        The tags ``extends``, ``import``, ``include`` and ``ssi``, which load files, are always refused.

        Args:
            source: The text; bytes need not be UTF-8.
            name: What findings call it.
            dialect: The release whose rules apply.
            autoescape: Whether output is escaped unless the template says otherwise.
            banned: More tags to refuse.
            wrapped: Whether to put it between the tags that the daemons put around an image's templates.
            limits: Bounds on the template and its renderings.

        Returns:
            The template.

        Raises:
            TemplateSyntaxError: It does not parse.
            LimitExceededError: It is too large or nested too deep.
        """
        text, banned = string(source), frozenset(list_of(banned, "banned"))
        dialect = choice_of(Dialect, dialect, "dialect")
        # Whatever decides whether and how it compiles: a template that was compiled is not checked again.
        key = (text, wrapped, dialect, banned, limits.nesting, limits.template_size)
        program = _PROGRAMS.get(
            key,
            len(text),
            lambda: _compile(Source(inner=text, wrapped=wrapped), name, dialect, banned, limits),
        )
        return cls(name=name, dialect=dialect, autoescape=autoescape, limits=limits, program=program)

    def render(
        self,
        variables: Mapping[str, Any],
        *,
        clock: Callable[[], datetime] | None = None,
        random: Random | None = None,
    ) -> bytes:
        """
        Return the output for *variables*.

        Args:
            variables: Values by name: None, bools, integers, floats, strings, bytes, times, lists, dictionaries and
                functions.
            clock: Returns the time for ``now``; the local time unless given.
            random: The source of chance; one with a fixed seed unless given, so that output is reproducible.

        Returns:
            The output.

        Raises:
            TemplateRenderError: The engine fails, or a variable has no counterpart in the language.
            LimitExceededError: The rendering would use more than the limits allow.
        """
        return self.run(variables, clock=clock, random=random).output

    def run(
        self,
        variables: Mapping[str, Any],
        *,
        clock: Callable[[], datetime] | None = None,
        random: Random | None = None,
    ) -> Rendered:
        """Render as `render` does; return the output with what it depends on."""
        tools = FilterCall(
            Meter(self.limits),
            self.dialect,
            random,
            clock or _local_time,
        )
        try:
            output = self._output(variables, tools)
        except (Trouble, UnfitValueError) as error:
            raise self._failure(error) from error.__cause__
        except RecursionError:
            raise self._failure(Halt("the rendering is nested too deep")) from None
        return Rendered(output=output, depends_on=frozenset(tools.chances))

    def _output(self, variables: Mapping[str, Any], tools: FilterCall) -> bytes:
        _check_names(variables, self._program)
        version = _version(self.dialect, wrapped=self._program.source.wrapped)
        rendering: Rendering = jinja().start(
            self._program, variables, tools=tools, escapes=self.autoescape, version=version
        )
        meter, pieces = tools.meter, []
        for piece in self._program.root(rendering):
            # What a body gathers meanwhile must fit into what is left.
            meter.output_left -= len(piece)
            if meter.output_left < 0:
                meter.output(0)
            pieces.append(piece)
        output = raw("".join(pieces))
        meter.bytes(len(output))
        return output

    def _failure(self, error: Trouble | UnfitValueError) -> LXDImageError:
        match error:
            case UnfitValueError():
                return TemplateRenderError(diagnose("template-value", str(error), source=self.name))
            case Halt():
                return LimitExceededError(self._found("template-limit", error.message, error))
            case Panic():
                message = f"the engine panics: {error.message}"
                return TemplateRenderError(self._found("template-panic", message, error))
            case EngineError():
                return TemplateRenderError(self._found("template-error", _sentence(error.plain), error))
        raise AssertionError(error)

    def _found(self, code: str, message: str, error: Trouble) -> Diagnostic:
        place, source = error.place, self._program.source
        message = message[:_LONGEST_MESSAGE]
        if place is None:
            return diagnose(code, message, source=self.name)
        span = source.span(place.offset, place.length)
        excerpt = source.line(span.start.line)
        return diagnose(code, message, source=self.name, span=span, excerpt=excerpt)


def _describe_fault(fault: SyntaxFault, source: Source, name: str) -> Diagnostic:
    """Return the finding that a template does not parse."""
    span = source.span(fault.offset, fault.length)
    excerpt = source.line(span.start.line)
    return diagnose(fault.code, fault.message, source=name, span=span, hint=fault.hint, excerpt=excerpt)


def _compile(source: Source, name: str, dialect: Dialect, banned: frozenset[str], limits: Limits) -> Program:
    size = len(raw(source.inner))
    if size > limits.template_size:
        message = f"the template has {size} bytes, more than the limit of {limits.template_size}"
        raise LimitExceededError(diagnose("template-limit", message, source=name))
    language = Language(
        dialect=dialect,
        filters=filters_of(dialect),
        banned=banned,
        nesting=limits.nesting + source.wrapped,
    )
    try:
        document = parse(source, language)
        return compile_document(document, source, dialect, language.filters)
    except SyntaxFault as fault:
        kind = LimitExceededError if fault.code == "template-limit" else TemplateSyntaxError
        raise kind(_describe_fault(fault, source, name)) from None
    except RecursionError:
        message = "the template is nested too deep"
        raise LimitExceededError(diagnose("template-limit", message, source=name)) from None


_PROGRAMS: Cache[Program] = Cache()


def _local_time() -> datetime:
    return datetime.now().astimezone()


def _version(dialect: Dialect, *, wrapped: bool) -> str:
    """Return what ``pongo2.version`` prints: LXD builds an unreleased commit."""
    if dialect is Dialect.V6:
        return "6.1.0"
    return "dev" if wrapped else "4.0.2"


_NAMES = re.compile(r"[A-Za-z0-9_]+(?:\n[A-Za-z0-9_]+)*")


def _check_names(variables: Mapping[str, Any], program: Program) -> None:
    """Check that the engine takes the names of all variables, in one match since this runs for every rendering."""
    if not isinstance(variables, DaemonVariables):
        _check_spelling(variables)
    for name in sorted(program.exports):
        if name in variables:
            raise EngineError(f"context key name '{name}' clashes with macro '{name}'")


def _check_spelling(names: Collection[str]) -> None:
    try:
        joined = "\n".join(names)
    except TypeError:
        joined = ""
    if names and not (_NAMES.fullmatch(joined) and joined.count("\n") == len(names) - 1):
        raise UnfitValueError("a variable has no name of letters, digits and underscores")


def _sentence(message: str) -> str:
    """Return a message of the engine in the style of findings."""
    return message[:1].lower() + message[1:].removesuffix(".")
