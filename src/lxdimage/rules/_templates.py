"""Codes of findings about templates."""

from __future__ import annotations

from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = ()
