"""
The syntax tree to jinja2 nodes.

No name of a template becomes a name of jinja2 or Python: all state is in the rendering, reached through operations.
Nesting that Python would refuse is cut: beyond a few levels a body becomes a block of its own, a function at the top
of the compiled module, so the depth of the code does not follow the depth of the template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._jinja import Jinja, jinja
from lxdimage.templates._meter import Dialect
from lxdimage.templates._nodes import Expressions, Node, plain, sender
from lxdimage.templates._runtime import Program
from lxdimage.templates._sites import (
    Choice,
    CycleSite,
    FilterBlockSite,
    FilterBlockUse,
    FirstOfSite,
    ForSite,
    IfChangedSite,
    IfEqualSite,
    IfSite,
    LoremSite,
    MacroSite,
    WatchSite,
    WithSite,
)
from lxdimage.templates._source import Source
from lxdimage.templates._values import Filter

__all__ = ["compile_document"]

_DEEPEST = 8
_MOST_CONDITIONS = 16
_LONGEST_BODY = 500


def compile_document(
    document: syntax.Document, source: Source, dialect: Dialect, filters: Mapping[str, Filter]
) -> Program:
    """
    Return the program of a template.

    Args:
        document: The syntax tree.
        source: The text, for places in errors.
        dialect: The release whose rules apply.
        filters: The filters by name.

    Returns:
        What a rendering runs.
    """
    compiler = _Compiler(jinja(), dialect, filters)
    root = compiler.finish(compiler.chunks(document.body))
    return Program(root, compiler.compiled, compiler.sites, document.exports, source)


class _Compiler(Expressions):
    """The state of one compilation."""

    def __init__(self, jinja: Jinja, dialect: Dialect, filters: Mapping[str, Filter]) -> None:
        super().__init__(jinja, dialect, filters)
        self._level = 0

    # -- bodies

    def chunks(self, statements: syntax.Body) -> list[Node]:
        """Compile a body; a very long one in blocks, since a function has its limits."""
        if len(statements) <= _LONGEST_BODY:
            return self._statements(statements)
        starts = range(0, len(statements), _LONGEST_BODY)
        pieces = [statements[start : start + _LONGEST_BODY] for start in starts]
        names = [self._alone(piece) for piece in pieces]
        return [self.nodes.Output([self.call("collect", self.constant(name)) for name in names])]

    def _statements(self, statements: syntax.Body) -> list[Node]:
        """Compile statements; what is output in a row shares a node."""
        compiled: list[Node] = []
        for statement in statements:
            match statement:
                case syntax.Text(value=""):
                    continue
                case syntax.Text(value=value):
                    found: Node | list[Node] = self.nodes.TemplateData(value)
                case _:
                    found = _RULES[type(statement)](self, statement)
            if isinstance(found, list):
                compiled += found
            elif isinstance(last := compiled[-1] if compiled else None, self.nodes.Output):
                last.nodes.append(found)
            else:
                compiled.append(self.nodes.Output([found]))
        return compiled

    def body(self, statements: syntax.Body) -> list[Node]:
        """Compile a body in place, or as a block of its own when it is too deep or too long for that."""
        if self._level < _DEEPEST and len(statements) <= _LONGEST_BODY:
            self._level += 1
            compiled = self._statements(statements)
            self._level -= 1
            return compiled
        return [self.nodes.Output([self.call("collect", self.constant(self._alone(statements)))])]

    def _alone(self, statements: syntax.Body) -> str:
        """Compile a body as a block of its own; return its name."""
        level, self._level = self._level, 0
        compiled = self.chunks(statements)
        self._level = level
        return self.block(compiled)

    # -- output

    def show(self, statement: syntax.Show) -> Node:
        expression = statement.expression
        if isinstance(expression, syntax.Lookup) and (segment := plain(expression)):
            return self.call("show_variable", self.constant(self.site(segment)))
        safe = syntax.is_marked_safe(expression)
        return self.call("show_safe" if safe else "show", self.node(expression))

    def first_of(self, statement: syntax.FirstOf) -> Node:
        choices = [Choice(self.late(value), syntax.is_marked_safe(value)) for value in statement.values]
        return self.call("first_of", self.constant(self.site(FirstOfSite(tuple(choices)))))

    def cycle(self, statement: syntax.Cycle) -> Node:
        values = tuple(self.late(value) for value in statement.values)
        site = CycleSite(statement.token, values, statement.name, statement.silent)
        return self.call("cycle", self.constant(self.site(site)))

    def now(self, statement: syntax.Now) -> Node:
        return self.call("now", self.constant(statement.layout), statement.fake)

    def lorem(self, statement: syntax.Lorem) -> Node:
        site = LoremSite(statement.token, statement.count, statement.method, statement.shuffled)
        return self.call("lorem", self.constant(self.site(site)))

    def width_ratio(self, statement: syntax.WidthRatio) -> Node:
        values = [self.node(value) for value in (statement.current, statement.limit, statement.width)]
        return self.call("width_ratio", self.nodes.List(values), statement.name)

    def spaceless(self, statement: syntax.Spaceless) -> Node:
        return self.call("spaceless", self.constant(self._alone(statement.body)))

    def filter_block(self, statement: syntax.FilterBlock) -> Node:
        uses = [
            FilterBlockUse(use.name, self._filters.get(use.name), sender(use.name), self.late(use.argument))
            for use in statement.filters
        ]
        site = FilterBlockSite(statement.token, self._alone(statement.body), tuple(uses))
        return self.call("filter_block", self.constant(self.site(site)))

    # -- choices

    def choose(self, statement: syntax.If) -> Node | list[Node]:
        conditions, bodies = statement.conditions, statement.bodies
        otherwise = bodies[len(conditions)] if len(bodies) > len(conditions) else ()
        if len(conditions) > _MOST_CONDITIONS:
            return self._choose_from_table(statement, otherwise)
        first, *others = [
            self.nodes.If(self.truth(condition).node, self.body(body), [], [])
            for condition, body in zip(conditions, bodies, strict=False)
        ]
        first.elif_ = others
        first.else_ = self.body(otherwise)
        return [first]

    def _choose_from_table(self, statement: syntax.If, otherwise: syntax.Body) -> Node:
        """Compile many conditions one by one, since Python nests each in the one before."""
        choices = tuple(
            (self.late(condition), self._alone(body))
            for condition, body in zip(statement.conditions, statement.bodies, strict=False)
        )
        site = IfSite(choices, self._alone(otherwise))
        return self.call("choose", self.constant(self.site(site)))

    def if_equal(self, statement: syntax.IfEqual) -> list[Node]:
        pair = self.nodes.List([self.node(statement.left), self.node(statement.right)])
        test: Node = self.call("same", pair, self.site(IfEqualSite(statement.token)))
        if statement.negated:
            test = self.nodes.Not(test)
        return [self.nodes.If(test, self.body(statement.body), [], self.body(statement.otherwise))]

    def if_changed(self, statement: syntax.IfChanged) -> Node | list[Node]:
        if not statement.watched:
            otherwise = None if statement.otherwise is None else self._alone(statement.otherwise)
            site = IfChangedSite(statement.token, self._alone(statement.body), otherwise)
            return self.call("changed_output", self.constant(self.site(site)))
        values = self.nodes.List([self.node(value) for value in statement.watched])
        watch = self.site(WatchSite(statement.token, statement.otherwise is not None))
        test = self.call("changed", values, watch)
        return [self.nodes.If(test, self.body(statement.body), [], self.body(statement.otherwise or ()))]

    # -- loops, names and scopes

    def loop(self, statement: syntax.For) -> list[Node]:
        site = self.site(
            ForSite(statement.token, statement.key, statement.value, statement.backwards, statement.ordered)
        )
        rounds = self.call("rounds", self.node(statement.iterated), site)
        target = self.nodes.Name("turn", "store")
        empty = self.body(statement.empty or ())
        loop = self.nodes.For(target, rounds, self.body(statement.body), empty, None, False)
        return [self.run("enter_for", self.constant(site)), loop, self.run("leave", self.constant(None))]

    def assign(self, statement: syntax.Set) -> list[Node]:
        return [self.run("assign", self.node(statement.expression), statement.name)]

    def bind(self, statement: syntax.With) -> list[Node]:
        names = tuple(name for name, _ in statement.bindings)
        values = self.nodes.List([self.node(value) for _, value in statement.bindings])
        opening = self.run("enter_with", values, self.site(WithSite(names)))
        return [opening, *self.body(statement.body), self.run("leave", self.constant(None))]

    def autoescape(self, statement: syntax.Autoescape) -> list[Node]:
        opening = self.run("escape_on", self.constant(statement.on))
        # It nests no code: the body stays at its level.
        return [opening, *self._inline(statement.body), self.run("escape_as_before", self.constant(None))]

    def block_tag(self, statement: syntax.Block) -> list[Node]:
        return [self.run("block", self.constant(None)), *self._inline(statement.body)]

    def _inline(self, statements: syntax.Body) -> list[Node]:
        return self.chunks(statements)

    def macro(self, statement: syntax.Macro) -> list[Node]:
        parameters = tuple(
            (parameter.name, None if parameter.default is None else self.late(parameter.default))
            for parameter in statement.parameters
        )
        site = MacroSite(statement.token, statement.name, parameters, self._alone(statement.body))
        return [self.run("macro", self.constant(self.site(site)))]


_RULES: Mapping[type, Callable[[_Compiler, Any], Node | list[Node]]] = {
    syntax.Autoescape: _Compiler.autoescape,
    syntax.Block: _Compiler.block_tag,
    syntax.Cycle: _Compiler.cycle,
    syntax.FilterBlock: _Compiler.filter_block,
    syntax.FirstOf: _Compiler.first_of,
    syntax.For: _Compiler.loop,
    syntax.If: _Compiler.choose,
    syntax.IfChanged: _Compiler.if_changed,
    syntax.IfEqual: _Compiler.if_equal,
    syntax.Lorem: _Compiler.lorem,
    syntax.Macro: _Compiler.macro,
    syntax.Now: _Compiler.now,
    syntax.Set: _Compiler.assign,
    syntax.Show: _Compiler.show,
    syntax.Spaceless: _Compiler.spaceless,
    syntax.WidthRatio: _Compiler.width_ratio,
    syntax.With: _Compiler.bind,
}
