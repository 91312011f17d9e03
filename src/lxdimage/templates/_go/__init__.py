"""
The parts of Go's standard library whose results a template can show.

Pure functions of strings and numbers; nothing here knows of templates.  Strings carry bytes that are not UTF-8 as
``surrogateescape`` does.
"""

from __future__ import annotations

from lxdimage.templates._go._fmt import sprintf
from lxdimage.templates._go._math import power
from lxdimage.templates._go._printer import Kind, Operand, UnstableOutputError, describe_plain
from lxdimage.templates._go._regexp import Pattern, compile_pattern
from lxdimage.templates._go._regexp_syntax import PatternError, UnsupportedPatternError
from lxdimage.templates._go._strconv import float_to_int, format_float, parse_float, quote, wrap
from lxdimage.templates._go._time import format_time
from lxdimage.templates._go._unicode import fields, is_space, lower, title, trim_space, upper

__all__ = [
    "Kind",
    "Operand",
    "Pattern",
    "PatternError",
    "UnstableOutputError",
    "UnsupportedPatternError",
    "compile_pattern",
    "describe_plain",
    "fields",
    "float_to_int",
    "format_float",
    "format_time",
    "is_space",
    "lower",
    "parse_float",
    "power",
    "quote",
    "sprintf",
    "title",
    "trim_space",
    "upper",
    "wrap",
]
