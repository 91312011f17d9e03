"""
The seam to jinja2: the one place that imports it, when the first template is compiled.

Used is what jinja2 documents: nodes, environments, `from_string` of a tree, render functions and contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import attrs

from lxdimage.templates._lookups import OPERATIONS as LOOKUPS
from lxdimage.templates._loops import OPERATIONS as LOOPS
from lxdimage.templates._macros import OPERATIONS as MACROS
from lxdimage.templates._operations import OPERATIONS as EXPRESSIONS
from lxdimage.templates._runtime import Program, Rendering
from lxdimage.templates._statements import OPERATIONS as STATEMENTS

__all__ = ["Jinja", "jinja"]

_OPERATIONS: Mapping[str, Callable[..., Any]] = {**LOOKUPS, **EXPRESSIONS, **STATEMENTS, **LOOPS, **MACROS}


@attrs.frozen
class Jinja:
    """
    What is used of jinja2.

    Attributes:
        nodes: The module of its nodes.
        compile: Takes a tree; returns the compiled template.
        start: Takes a program and what a `Rendering` takes; returns one that compiled templates accept.
    """

    nodes: ModuleType
    compile: Callable[[Any], Any]
    start: Callable[..., Rendering]


@cache
def jinja() -> Jinja:
    """
    Import jinja2 and return what is used of it.

    The environment is sandboxed, has no globals and no filters but the operations; nothing is computed when a
    template is compiled, since Python's rules are not the language's.
    """
    from jinja2 import nodes, pass_context
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        autoescape=False, keep_trailing_newline=True, optimized=False, cache_size=0
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update({name: pass_context(rule) for name, rule in _OPERATIONS.items()})

    class JinjaRendering(Rendering, Context):
        """A rendering as jinja2's context."""

        def __init__(self, program: Program, variables: Mapping[str, Any], **options: Any) -> None:
            Context.__init__(self, environment, {}, None, {})
            Rendering.__init__(self, program, variables, **options)

    return Jinja(nodes, environment.from_string, JinjaRendering)
