"""Rendering in one line, for tests."""

from __future__ import annotations

from typing import Any

from lxdimage.limits import Limits
from lxdimage.templates import Dialect, Template
from lxdimage.templates._daemon import DaemonVariables, TemplateContext

__all__ = ["bare", "daemon"]

INSTANCE = {
    "name": "c1",
    "type": "container",
    "architecture": "x86_64",
    "ephemeral": "false",
    "privileged": "false",
}


def bare(
    source: str | bytes, dialect: Dialect = Dialect.V4, limits: Limits | None = None, **variables: Any
) -> str:
    """Return what the language alone makes of *source*, without escaping."""
    template = Template.parse(source, dialect=dialect, autoescape=False, limits=limits or Limits())
    return template.render(variables).decode("utf-8", "surrogateescape")


def daemon(source: str | bytes, dialect: Dialect = Dialect.V4, **context: Any) -> str:
    """Return what a daemon makes of *source*; variables that are not given have usual values."""
    template = Template.parse(source, dialect=dialect, wrapped=True)
    variables = DaemonVariables(TemplateContext(**{"instance": INSTANCE, **context}))
    return template.render(variables).decode("utf-8", "surrogateescape")
