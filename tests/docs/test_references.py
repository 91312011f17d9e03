"""What the code says of the documents is true, and the documents say of the code what it does."""

from __future__ import annotations

import ast
import pkgutil
import re
import typing
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import lxdimage
from lxdimage import rules
from lxdimage.rules import RULES

SOURCE = Path(lxdimage.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"

_SECTION = re.compile(
    r"image\s+format,\s+sections?\s+((?:\d+(?:\.\d+)?)(?:(?:,\s*|\s+and\s+|\s+to\s+|-)\d+(?:\.\d+)?)*)"
)
_HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", re.MULTILINE)
_CODE = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*$")


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield str(path.relative_to(SOURCE)), path.read_text(encoding="utf-8")


def test_every_section_that_the_code_cites_is_in_the_image_format() -> None:
    """A reader who follows a reference finds the section."""
    page = (DOCS / "explanation/image-format.md").read_text(encoding="utf-8")
    headings = set(_HEADING.findall(page))
    missing = [
        f"{name}: section {number}"
        for name, text in _texts()
        for cited in _SECTION.findall(re.sub(r"\s*\n\s*(?:# )?", " ", text))
        for number in re.findall(r"\d+(?:\.\d+)?", cited)
        if number not in headings
    ]
    assert missing == []


def _strings_outside_rules() -> set[str]:
    """Return all texts in the code that look like a code, but for the table itself."""
    found = set()
    for name, text in _texts():
        if not name.startswith("rules/"):
            nodes = ast.walk(ast.parse(text))
            found |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {text for text in found if _CODE.match(text)}


def test_every_code_of_the_table_is_reported_somewhere() -> None:
    """A code that nothing reports is no code."""
    assert sorted(set(RULES) - _strings_outside_rules()) == []


def test_no_code_stands_in_the_table_twice() -> None:
    """The families together have every code once."""
    names = [module.name for module in pkgutil.iter_modules(rules.__path__)]
    modules = [import_module(f"lxdimage.rules.{name}") for name in names]
    counts = Counter(rule.code for module in modules for rule in getattr(module, "RULES", ()))
    assert [code for code, count in counts.items() if count > 1] == []


def test_every_rule_explains_itself() -> None:
    """The reference is made of these texts: a line, and a paragraph of whole sentences."""
    poor = [
        code
        for code, rule in RULES.items()
        if code != rule.code
        or not _CODE.match(code)
        or not rule.title[:1].islower()
        or "\n" in rule.title
        or not rule.explanation.strip().endswith((".", "`", "|"))
        or len(rule.explanation.split()) < 10
    ]
    assert poor == []


def _classes(hint: object) -> Iterator[type]:
    """Yield the classes of this package in an annotation."""
    if isinstance(hint, type) and hint.__module__.startswith("lxdimage"):
        yield hint
    for inner in typing.get_args(hint):
        yield from _classes(inner)


def test_every_class_that_a_public_name_leads_to_is_in_the_reference() -> None:
    """A reader who follows an argument, a result or an attribute finds what it is."""
    page = (DOCS / "reference/api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: lxdimage\.(?:\w+\.)?(\w+)$", page, re.MULTILINE))
    found = set()
    for name in lxdimage.__all__:
        value = getattr(lxdimage, name)
        if isinstance(value, type) or callable(value):
            public = (hint for at, hint in typing.get_type_hints(value).items() if not at.startswith("_"))
            found |= {f"{name}: {inner.__name__}" for hint in public for inner in _classes(hint)}
    assert sorted(name for name in found if name.split(": ")[1] not in documented) == []


def test_every_public_name_is_in_the_reference_and_vice_versa() -> None:
    """The reference names what can be imported from the package, and nothing else."""
    page = (DOCS / "reference/api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: lxdimage\.(\w+)$", page, re.MULTILINE))
    assert documented == set(lxdimage.__all__)
