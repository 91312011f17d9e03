"""
The pongo2 template language on jinja2, and what the daemons do around it.

`Template` is the bare language; `render_trigger` and `render_start` give the files that an instance gets.
"""

from __future__ import annotations

from lxdimage.templates._engine import Rendered, Template
from lxdimage.templates._lifecycle import (
    Action,
    HasTemplates,
    Instance,
    RenderedFile,
    TemplateContext,
    check_rules,
    render_start,
    render_template,
    render_trigger,
    settle,
)
from lxdimage.templates._lint import check_template
from lxdimage.templates._meter import Chance, Dialect

__all__ = [
    "Action",
    "Chance",
    "Dialect",
    "HasTemplates",
    "Instance",
    "Rendered",
    "RenderedFile",
    "Template",
    "TemplateContext",
    "check_rules",
    "check_template",
    "render_start",
    "render_template",
    "render_trigger",
    "settle",
]
