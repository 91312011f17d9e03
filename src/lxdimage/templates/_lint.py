"""
What people get wrong in image templates.

A check looks at one node and yields what it finds; the table at the end lists them all.  Checks only speak when they
are sure: names that the template binds itself are left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import attrs

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.limits import Limits
from lxdimage.rules import diagnose
from lxdimage.templates import _syntax as syntax
from lxdimage.templates._expressions import near
from lxdimage.templates._filters import filters_of
from lxdimage.templates._lexer import SyntaxFault, Token
from lxdimage.templates._meter import Dialect
from lxdimage.templates._parser import Language, parse
from lxdimage.templates._source import Source
from lxdimage.templates._static import Static, static_type
from lxdimage.templates._walk import Visit, bound_names, extent, walk

__all__ = ["check_template"]

_MOST = 100  # findings of one code
_MAPS = ("config", "container", "devices", "instance", "properties")
_VARIABLES = frozenset({*_MAPS, "config_get", "path", "pongo2", "trigger"})
# Undefined names that are written on purpose, since they mean nil.
_NIL = frozenset({"nil", "none", "None", "null"})
_FORLOOP = ("Counter", "Counter0", "First", "Last", "Parentloop", "Revcounter", "Revcounter0")
_INSTANCE = ("architecture", "ephemeral", "name", "privileged", "type")


@attrs.frozen
class Found:
    """
    What a check found.

    Attributes:
        code: The kind of finding.
        message: What it is.
        offset: Where it starts.
        length: How many characters it covers.
        hint: What to do, when the rule's own hint does not fit.
        fails: Whether rendering fails when this is evaluated.
        misspelled: A name that may be a misspelling, and names that may be meant, for a hint.
    """

    code: str
    message: str
    offset: int
    length: int
    hint: str | None = None
    fails: bool = False
    misspelled: tuple[str, Iterable[str]] | None = None


@attrs.frozen
class Facts:
    """
    What checks know about the template.

    Attributes:
        bound: Names that the template binds.
        dialect: The release whose rules apply.
        filters: Names of filters.
        known: Names of all variables, the daemons' first.
    """

    bound: frozenset[str]
    dialect: Dialect
    filters: Collection[str]
    known: Sequence[str] = attrs.field(init=False)

    @known.default
    def _known(self) -> Sequence[str]:
        return (*sorted(_VARIABLES), *sorted(self.bound))

    def means(self, expression: syntax.Expression, *names: str) -> syntax.Lookup | None:
        """Return *expression* when it looks up one of the daemons' variables *names*, nothing of the template's own."""
        if not isinstance(expression, syntax.Lookup):
            return None
        name = expression.token.value
        return expression if name in names and name not in self.bound else None


def check_template(
    source: str | bytes,
    *,
    name: str = "<template>",
    dialect: Dialect = Dialect.V4,
    banned: Collection[str] = (),
    wrapped: bool = True,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> tuple[Diagnostic, ...]:
    """
    Return what is wrong with a template, without rendering it.

    Args:
        source: The text; bytes need not be UTF-8.
        name: What findings call it.
        dialect: The release whose rules apply.
        banned: More tags to refuse than those that load files.
        wrapped: Whether it is a template of an image, which the daemons put between two tags of their own and give
            known variables; otherwise any template of the language.
        limits: Bounds on the template.

    Returns:
        The findings in the order of the text, up to a number of each kind; errors where rendering is certain to fail.
    """
    text = Source.of(source, wrapped=wrapped)
    stage = Stage.START if wrapped else None
    size = len(text.inner.encode("utf-8", "surrogateescape"))
    if size > limits.template_size:
        message = f"the template has {size} bytes, more than the limit of {limits.template_size}"
        return (diagnose("template-limit", message, source=name),)
    filters = filters_of(dialect)
    language = Language(
        dialect=dialect, filters=filters, banned=frozenset(banned), nesting=limits.nesting + wrapped
    )
    try:
        document = parse(text, language)
    except SyntaxFault as fault:
        found = Found(fault.code, fault.message, fault.offset, fault.length, fault.hint)
        return (_diagnostic(found, text, name, None if fault.code == "template-limit" else stage),)
    except RecursionError:
        return (diagnose("template-limit", "the template is nested too deep", source=name),)
    facts = Facts(frozenset(bound_names(document.body)), dialect, filters)
    checks = _CHECKS if wrapped else _CHECKS_OF_ANY
    findings = [
        (found, stage if found.fails and visit.certain else None)
        for visit in walk(document.body)
        for check in checks
        for found in check(visit, facts)
    ]
    findings.sort(key=lambda finding: finding[0].offset)
    return tuple(_reported(findings, text, name))


def _reported(
    findings: Iterable[tuple[Found, Stage | None]], source: Source, name: str
) -> Iterator[Diagnostic]:
    """Yield findings up to a number of each code, with and without a stage; hostile texts have any number."""
    counts: Counter[tuple[str, Stage | None]] = Counter()
    for found, stage in findings:
        counts[found.code, stage] += 1
        if counts[found.code, stage] <= _MOST:
            yield _diagnostic(found, source, name, stage)
    for (code, _), count in counts.items():
        if count > _MOST:
            yield diagnose(code, f"{count - _MOST} more findings of this kind are left out", source=name)


def _diagnostic(found: Found, source: Source, name: str, stage: Stage | None) -> Diagnostic:
    span = source.span(found.offset, found.length)
    hint = near(*found.misspelled) if found.misspelled else None
    return diagnose(
        found.code,
        found.message,
        stage=stage,
        source=name,
        span=span,
        hint=found.hint or hint,
        excerpt=source.line(span.start.line),
    )


def _at(
    code: str,
    message: str,
    node: syntax.Expression | Token,
    *,
    hint: str | None = None,
    fails: bool = False,
    misspelled: tuple[str, Iterable[str]] | None = None,
) -> Found:
    offset, length = (node.offset, node.width) if isinstance(node, Token) else extent(node)
    return Found(code, message, offset, length, hint, fails, misspelled)


def _shown(expression: syntax.Expression) -> str:
    match expression:
        case syntax.Lookup():
            called = any(part.arguments is not None for part in expression.parts)
            return expression.path + ("(...)" if called else "")
        case syntax.Literal(value=bool(value)):
            return str(value).lower()
        case syntax.Literal(value=value):
            return repr(value)
        case syntax.Filtered():
            return "|".join([_shown(expression.operand), *(use.name for use in expression.filters)])
        case _:
            return "the value"


# -- names


def _unknown_variable(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if not isinstance(node, syntax.Lookup):
        return
    name = node.token.value
    if name in _VARIABLES or name in facts.bound or name in _NIL:
        return
    message = f"variable {name!r} does not exist and is always empty"
    yield _at(
        "unknown-variable",
        message,
        node.token,
        hint=_FOREIGN.get(name),
        misspelled=(name, facts.known),
    )


_FOREIGN = {
    "True": "the keyword is 'true'",
    "False": "the keyword is 'false'",
    "loop": "the variable of a loop is 'forloop', with 'Counter', 'First' and so on",
    "user": 'configuration is read with config_get("user.KEY", "DEFAULT")',
    "forloop": "it exists inside a loop only",
    "block": "it exists inside a block only",
}


def _unknown_key(visit: Visit, facts: Facts) -> Iterator[Found]:
    """Find keys that the instance and loops never have."""
    node = visit.node
    if not isinstance(node, syntax.Lookup) or len(node.parts) < 2:
        return
    known = _FORLOOP if node.token.value == "forloop" else _INSTANCE
    part = node.parts[1]
    if (
        not (node.token.value == "forloop" or facts.means(node, "instance", "container"))
        or part.name in known
    ):
        return
    if isinstance(part.name, str):
        message = f"{node.token.value!r} has no {part.name!r}, which is always empty"
        yield _at("unknown-variable", message, part.token, misspelled=(part.name, known))


def _dotted_key(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if not isinstance(node, syntax.Lookup) or len(node.parts) < 2 or not facts.means(node, "config"):
        return
    key = ".".join(str(part.name) for part in node.parts[1:])
    message = f"{node.path!r} is always empty: a dot looks up one key, and no key of the configuration is without dots"
    yield _at("dotted-key", message, node, hint=f'write config_get("{key}", "")')


def _field_of_text(visit: Visit, facts: Facts) -> Iterator[Found]:
    """Find names behind what is a text for certain: that is an error, not nothing."""
    node = visit.node
    if not isinstance(node, syntax.Lookup):
        return
    depth = 1 if facts.means(node, "path", "trigger") else 2
    if depth == 2 and not (
        facts.means(node, "instance", "container") and _names(node, 1) in {"name", "type", "architecture"}
    ):
        return
    if len(node.parts) > depth and isinstance(node.parts[depth].name, str):
        what = ".".join(str(part.name) for part in node.parts[:depth])
        message = f"{what!r} is a text and has no {node.parts[depth].name!r}, which is an error"
        yield _at("text-has-no-keys", message, node, fails=True)


def _names(lookup: syntax.Lookup, index: int) -> str | int | None:
    return lookup.parts[index].name if len(lookup.parts) > index else None


# -- comparisons


def _never_equal(visit: Visit, facts: Facts) -> Iterator[Found]:
    match visit.node:
        case syntax.IfEqual(left=left, right=right, token=token):
            yield from _unequal(left, right, token, facts)
        case syntax.Compare(operands=(left, right), operators=(operator,)):
            if operator.value in {"==", "!=", "<>"}:
                yield from _unequal(left, right, operator, facts)
            elif operator.value == "in":
                yield from _never_in(left, right, facts)


_TRIGGER_HINT = "write trigger|lower == 'create', or trigger in 'create copy'"


def _unequal(
    left: syntax.Expression, right: syntax.Expression, operator: Token, facts: Facts
) -> Iterator[Found]:
    kinds = [static_type(operand, facts.bound) for operand in (left, right)]
    if None in kinds or kinds[0] is kinds[1] or set(kinds) <= {Static.INTEGER, Static.BYTE}:
        return
    start, end = extent(left)[0], sum(extent(right))
    verdict = "always true" if operator.value in {"!=", "<>", "ifnotequal"} else "always false"
    if Static.TRIGGER in kinds:
        message = f"the comparison is {verdict}: 'trigger' has a type of its own and equals no other text"
        hint = _TRIGGER_HINT
    else:
        first, second = (kind.value for kind in kinds if kind)
        message = f"the comparison is {verdict}: {_shown(left)} is {first} and {_shown(right)} is {second}"
        hint = "compare values of one type: texts with texts in quotes"
    yield Found("comparison-never-equal", message, start, max(1, end - start), hint)


def _never_in(left: syntax.Expression, right: syntax.Expression, facts: Facts) -> Iterator[Found]:
    if static_type(left, facts.bound) is not Static.TRIGGER:
        return
    in_list = isinstance(right, syntax.Filtered) and right.filters[-1].name in {"split", "make_list"}
    if in_list or facts.means(right, *_MAPS):
        message = (
            "the comparison is always false: 'trigger' has a type of its own and equals no element or key"
        )
        yield _at("comparison-never-equal", message, left, hint=_TRIGGER_HINT)


def _always_true(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if not visit.tested or not isinstance(node, syntax.Lookup) or len(node.parts) != 2:
        return
    key = _names(node, 1)
    if facts.means(node, "instance", "container") and key in {"privileged", "ephemeral"}:
        message = f"{node.path!r} is true as a condition also when it says 'false'"
        yield _at("always-true", message, node, hint=f'write {node.path} == "true"')


def _string_addition(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if facts.dialect is not Dialect.V4 or not isinstance(node, syntax.Terms):
        return
    for index, operator in enumerate(node.operators):
        pair = node.operands[index : index + 2]
        if operator.value == "+" and any(_is_words(operand, facts) for operand in pair):
            message = "'+' computes with numbers, and a text that is none counts as 0"
            yield _at("string-addition", message, operator)


def _is_words(operand: syntax.Expression, facts: Facts) -> bool:
    """Tell whether *operand* is a text that is surely no number."""
    if isinstance(operand, syntax.Literal):
        return isinstance(operand.value, str) and not any(c.isdigit() for c in operand.value)
    return facts.means(operand, "path", "trigger") is not None or (
        facts.means(operand, "instance", "container") is not None and _names_text(operand)
    )


def _names_text(operand: syntax.Expression) -> bool:
    return isinstance(operand, syntax.Lookup) and _names(operand, 1) in {"name", "type", "architecture"}


# -- calls and loops


def _config_get(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if not isinstance(node, syntax.Lookup) or not facts.means(node, "config_get"):
        return
    count = len(node.parts[0].arguments or ())
    if count != 2:
        message = (
            f"'config_get' is called with {count} argument{'' if count == 1 else 's'}, and takes exactly 2"
        )
        yield _at("config-get-arguments", message, node.token, fails=True)


def _map_order(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if not isinstance(node, syntax.For) or node.ordered:
        return
    source = facts.means(node.iterated, *_MAPS)
    if source is None or any(part.arguments is not None for part in source.parts):
        return
    is_device = source.token.value == "devices" and len(source.parts) == 2 and _names(source, 1) not in _LISTS
    if len(source.parts) == 1 or is_device:
        yield _at("map-order", f"the loop over {source.path!r} runs in random order", source)


_LISTS = frozenset({"Sorted", "Reversed"})


def _not_reproducible(visit: Visit, _facts: Facts) -> Iterator[Found]:
    match visit.node:
        case syntax.Now(token=token, fake=False):
            yield _at("not-reproducible", "'now' depends on the clock", token)
        case syntax.Lorem(token=token, shuffled=True):
            yield _at("not-reproducible", "'lorem' with 'random' depends on chance", token)
        case syntax.Filtered(filters=filters) | syntax.FilterBlock(filters=filters):
            for use in filters:
                if use.name == "random":
                    yield _at("not-reproducible", "'random' depends on chance", use.token)


def _late_filter(visit: Visit, facts: Facts) -> Iterator[Found]:
    if not isinstance(visit.node, syntax.FilterBlock):
        return
    for use in visit.node.filters:
        if use.name not in facts.filters:
            message = f"unknown filter {use.name!r}"
            yield _at("unknown-filter", message, use.token, fails=True, misspelled=(use.name, facts.filters))


def _unchanged_panic(visit: Visit, facts: Facts) -> Iterator[Found]:
    node = visit.node
    if (
        isinstance(node, syntax.IfChanged)
        and node.watched
        and node.otherwise is None
        and facts.dialect is Dialect.V4
    ):
        message = "'ifchanged' with values and without 'else' panics as soon as nothing has changed"
        yield _at("ifchanged-without-else", message, node.token)


Check = Callable[[Visit, Facts], Iterator[Found]]

_CHECKS_OF_ANY: tuple[Check, ...] = (_late_filter, _not_reproducible, _unchanged_panic)
_CHECKS: tuple[Check, ...] = (
    *_CHECKS_OF_ANY,
    _always_true,
    _config_get,
    _dotted_key,
    _field_of_text,
    _map_order,
    _never_equal,
    _string_addition,
    _unknown_key,
    _unknown_variable,
)
