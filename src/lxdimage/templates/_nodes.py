"""
Expressions to jinja2 nodes.

Every operation is a jinja2 filter node: compiled, that is a plain call of one of our functions with the rendering
first.  Python limits how deep brackets nest, and jinja2's visitors recurse: an expression that would become too high
is compiled as a block of its own, and chains of operators stay flat, whatever their length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._jinja import Jinja
from lxdimage.templates._lexer import Token
from lxdimage.templates._meter import Dialect
from lxdimage.templates._operators import OPERATORS
from lxdimage.templates._runtime import RenderFunction
from lxdimage.templates._sites import (
    ChainSite,
    Constant,
    Deferred,
    FilterSite,
    FoldSite,
    HandsOn,
    Late,
    LogicSite,
    NegationSite,
    OperatorSite,
    Segment,
    Step,
    Variable,
)
from lxdimage.templates._values import Filter

__all__ = ["Code", "Expressions", "Node", "plain", "sender"]

_HIGHEST = 24
_LONGEST_CHAIN = 8
_PORTION = 2000

_HANDING_ON = {
    "center": HandsOn.INPUT,
    "default": HandsOn.EITHER,
    "default_if_none": HandsOn.EITHER,
    "get_digit": HandsOn.INPUT,
    "join": HandsOn.INPUT,
    "linebreaks": HandsOn.INPUT,
    "random": HandsOn.INPUT,
    "safe": HandsOn.INPUT,
    "slice": HandsOn.INPUT,
    "wordwrap": HandsOn.INPUT,
}

# One function serves both, and it calls itself by the first name.
_SENDERS = {"time": "filter:date"}


# A node of jinja2, which must not be imported before it is needed.
Node: TypeAlias = Any


@attrs.frozen
class Code:
    """A node, and how many brackets its code nests."""

    node: Node
    height: int = 0


def sender(name: str) -> str:
    """Return how the filter *name* signs its errors."""
    return _SENDERS.get(name, f"filter:{name}")


def plain(lookup: syntax.Lookup) -> Segment | None:
    """Return a lookup as one segment, or None when arguments or a subscript are in it."""
    if lookup.subscript is not None or any(part.arguments for part in lookup.parts):
        return None
    steps = tuple(Step(part.name, part.arguments == ()) for part in lookup.parts[1:])
    return Segment(
        lookup.token, lookup.path, lookup.token.value, lookup.parts[0].arguments == (), steps, None
    )


class Expressions:
    """
    The state of one compilation, as far as expressions go.

    Bodies and expressions that are compiled on their own are handed to jinja2 in portions, so that the nodes of a
    large template are never all there at once.

    Attributes:
        sites: The constants of the operations.
        compiled: The render functions of what is compiled, by name.
    """

    def __init__(self, jinja: Jinja, dialect: Dialect, filters: Mapping[str, Filter]) -> None:
        self.nodes = jinja.nodes
        self.sites: list[Any] = []
        self.compiled: dict[str, RenderFunction] = {}
        self._compile_tree = jinja.compile
        self._blocks: list[Node] = []
        self._made = 0  # blocks
        self._calls = 0  # and blocks, since the last portion
        self._operators = OPERATORS[dialect]
        self._joins = dialect is Dialect.V6
        self._filters = filters

    def constant(self, value: object) -> Node:
        """Return a literal of the compiled code."""
        return self.nodes.Const(value)

    def call(self, operation: str, first: Node, *rest: object) -> Node:
        """Return a call of *operation*; what is no node among *rest* is a constant."""
        self._calls += 1
        is_node = self.nodes.Node
        arguments = [item if isinstance(item, is_node) else self.nodes.Const(item) for item in rest]
        return self.nodes.Filter(first, operation, arguments, [], None, None)

    def run(self, operation: str, first: Node, *rest: object) -> Node:
        """Return a call of *operation* as a statement."""
        return self.nodes.ExprStmt(self.call(operation, first, *rest))

    def site(self, site: Any) -> int:
        """Keep *site*; return its index."""
        self.sites.append(site)
        return len(self.sites) - 1

    def block(self, body: list[Node]) -> str:
        """Keep *body* as a block of its own; return its name."""
        name = f"b{self._made}"
        self._made += 1
        self._calls += 1
        self._blocks.append(self.nodes.Block(name, body, False, False))
        if self._calls > _PORTION:
            self.finish([])
        return name

    def finish(self, body: list[Node]) -> RenderFunction:
        """Compile *body* with the blocks that are left; return its render function."""
        if self._blocks:
            # Blocks are compiled wherever they stand; this place is never reached.
            body = [self.nodes.If(self.constant(False), self._blocks, [], []), *body]
        template = self._compile_tree(self.nodes.Template(body))
        self.compiled.update(template.blocks)
        self._blocks, self._calls = [], 0
        root: RenderFunction = template.root_render_func
        return root

    # -- entry points

    def node(self, expression: syntax.Expression) -> Node:
        """Return the node that evaluates *expression*."""
        return self.code(expression).node

    def truth(self, expression: syntax.Expression) -> Code:
        """Return the code of a bool: whether *expression* counts as true."""
        code = self.code(expression)
        is_bool = isinstance(expression, syntax.Compare | syntax.Logic)
        return code if is_bool else self._call("true", code)

    def late(self, expression: syntax.Expression | None) -> Late:
        """Return *expression* in a form that is evaluated when it is asked for."""
        if expression is None:
            return Constant(None)
        if isinstance(expression, syntax.Literal):
            return Constant(expression.value)
        if isinstance(expression, syntax.Lookup) and (segment := plain(expression)):
            return Variable(self.site(segment))
        return Deferred(self.block([self.run("give", self.node(expression))]))

    def code(self, expression: syntax.Expression) -> Code:
        """Return the code of *expression*, low enough to stand inside another."""
        code = self._compile(expression)
        return self.low(code)

    def low(self, code: Code) -> Code:
        """Return *code*, compiled on its own when it is too high."""
        if code.height <= _HIGHEST:
            return code
        apart = self.block([self.run("give", code.node)])
        return Code(self.call("compute", self.constant(apart)), 1)

    def _compile(self, expression: syntax.Expression) -> Code:
        match expression:
            case syntax.Literal(value=value):
                return Code(self.constant(value))
            case syntax.Lookup():
                return self._lookup(expression)
            case syntax.Filtered():
                return self._filtered(expression)
            case syntax.Signed():
                return self._signed(expression)
            case syntax.Terms():
                return self._terms(expression)
            case syntax.Power() | syntax.Compare():
                return self._folded(expression.operands, expression.operators)
            case syntax.Logic():
                return self._logic(expression.operands, expression.operators)

    def _call(self, operation: str, first: Code, *rest: Any) -> Code:
        inner = [item for item in rest if isinstance(item, Code)]
        plain = [item.node if isinstance(item, Code) else item for item in rest]
        height = 1 + max(code.height for code in (first, *inner))
        return Code(self.call(operation, first.node, *plain), height)

    # -- operators

    def _signed(self, expression: syntax.Signed) -> Code:
        token = syntax.first_token(expression)
        site = self.site(NegationSite(token, expression.minus, expression.negated))
        return self._call("signed", self.code(expression.operand), site)

    def _operator(self, *tokens: Token) -> OperatorSite:
        joins = self._joins and tokens[0].value == "+"
        return OperatorSite(tokens, tuple(self._operators[token.value] for token in tokens), joins)

    def _terms(self, expression: syntax.Terms) -> Code:
        """Group to the left."""
        operands, operators = expression.operands, expression.operators
        steps = [(self._operator(token), right) for token, right in zip(operators, operands[1:], strict=True)]
        return self._chain("binary", operands[0], steps)

    def _chain(
        self,
        operation: str,
        first: syntax.Expression,
        steps: Sequence[tuple[OperatorSite | FilterSite, syntax.Expression | None]],
    ) -> Code:
        """Apply one step after the other: in nested calls, or from a table when there are many."""
        if len(steps) > _LONGEST_CHAIN:
            late = tuple((step, self.late(operand)) for step, operand in steps)
            return self._table("chain", ChainSite(self.late(first), late))
        code = self.code(first)
        for step, operand in steps:
            right = self._none if operand is None else self.code(operand)
            code = self._call(operation, code, right, self.site(step))
        return code

    @property
    def _none(self) -> Code:
        return Code(self.constant(None))

    def _table(self, operation: str, site: object) -> Code:
        return Code(self.call(operation, self.constant(self.site(site))), 1)

    def _folded(self, operands: Sequence[syntax.Expression], tokens: Sequence[Token]) -> Code:
        """Group to the right: all operands are evaluated before any operator applies."""
        operator = self._operator(*tokens)
        if len(operands) > _LONGEST_CHAIN:
            return self._table("long_fold", FoldSite(tuple(map(self.late, operands)), operator))
        codes = [self.code(operand) for operand in operands]
        if len(codes) == 2:
            return self._call("binary", codes[0], codes[1], self.site(operator))
        items = self.nodes.List([code.node for code in codes])
        return Code(self.call("fold", items, self.site(operator)), 2 + max(code.height for code in codes))

    def _logic(self, operands: Sequence[syntax.Expression], tokens: Sequence[Token]) -> Code:
        """Group to the right, each operand evaluated only when it decides."""
        conjunctions = [token.value in {"and", "&&"} for token in tokens]
        if len(operands) > _LONGEST_CHAIN:
            late = [self.late(operand) for operand in operands]
            return self._table(
                "long_logic", LogicSite(tuple(zip(late, conjunctions, strict=False)), late[-1])
            )
        code = self.truth(operands[-1])
        for operand, conjunction in zip(operands[-2::-1], conjunctions[::-1], strict=True):
            left = self.truth(operand)
            kind = self.nodes.And if conjunction else self.nodes.Or
            code = Code(kind(left.node, code.node), 1 + max(left.height, code.height))
        return code

    # -- filters

    def _filtered(self, expression: syntax.Filtered) -> Code:
        steps = [(self._filter_site(use), use.argument) for use in expression.filters]
        return self._chain("filter", expression.operand, steps)

    def _filter_site(self, use: syntax.FilterUse) -> FilterSite:
        hands_on = _HANDING_ON.get(use.name, HandsOn.NOTHING)
        return FilterSite(
            use.token, self._filters[use.name], sender(use.name), hands_on, use.name == "stringformat"
        )

    # -- lookups

    def _lookup(self, lookup: syntax.Lookup) -> Code:
        code = self._segments(lookup)
        if lookup.subscript is None:
            return code
        site = self.site(Segment(lookup.token, lookup.path, None, False, (), None))
        held = self._call("hold", self.low(code), site)
        found = self._call("subscript", self.code(lookup.subscript), site)
        return self._conditional(held, found)

    def _segments(self, lookup: syntax.Lookup) -> Code:
        """Cut a lookup behind each call with arguments, and chain the stretches."""
        if lookup.subscript is None and (segment := plain(lookup)):
            return self._table("get", segment)
        token, path = lookup.token, lookup.path
        code: Code | None = None
        name: str | None = token.value
        called = lookup.parts[0].arguments == ()
        steps: list[Step] = []
        for index, part in enumerate(lookup.parts):
            if index:
                steps.append(Step(part.name, part.arguments == ()))
            if part.arguments:
                segment = Segment(token, path, name, called, tuple(steps), len(part.arguments))
                code = self._arguments(code, part.arguments, self.site(segment))
                name, called, steps = None, False, []
        segment = Segment(token, path, name, called, tuple(steps), None)
        if code is None:
            return self._table("get", segment)
        return self._call("tail", self.low(code), self.site(segment)) if steps else code

    def _arguments(self, before: Code | None, arguments: Sequence[syntax.Expression], site: int) -> Code:
        """Call what a segment ends in: its arguments are only evaluated when there is something to call."""
        if before is None and all(isinstance(argument, syntax.Literal) for argument in arguments):
            literals = self.nodes.List([self.node(argument) for argument in arguments])
            return Code(self.call("call", literals, site), 2)
        if before is None:
            begun = Code(self.call("begin", self.constant(site)), 1)
        else:
            begun = self._call("begin_after", self.low(before), site)
        codes = [self.code(argument) for argument in arguments]
        values = Code(self.nodes.List([code.node for code in codes]), 1 + max(code.height for code in codes))
        return self._conditional(begun, self._call("finish", values))

    def _conditional(self, test: Code, value: Code) -> Code:
        node = self.nodes.CondExpr(test.node, value.node, self.constant(None))
        return Code(node, 1 + max(test.height, value.height))
