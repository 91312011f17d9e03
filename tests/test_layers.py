"""
Imports point one way.

The table lists what stands at the top level of the package, lowest first; a module imports only what stands before it.
Within a package of modules the imports must not form a cycle.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs

import lxdimage

ROOT = Path(lxdimage.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("diagnostics", "limits", "rules", "_frozen"),
    ("errors", "targets", "_arguments", "_chunks", "_findings", "_sources"),
    ("fingerprint", "compression", "_tar"),
    ("_gnutar",),
    ("archive", "metadata"),
    ("formats", "_tree", "templates"),
    ("checks",),
    ("image", "extract", "diff"),
    ("build",),
    ("cli",),
    ("__main__",),
)

# Dependencies that only functions import, each where it is fenced in.
HEAVY: dict[str, frozenset[str]] = {
    "yaml": frozenset({"metadata", "cli"}),
    "jinja2": frozenset({"templates"}),
    "zstandard": frozenset({"compression", "formats"}),
    "isal": frozenset({"compression", "formats"}),
}
# What else a function may import.
LATE: dict[str, frozenset[str]] = {
    **HEAVY,
    # What hardly any file needs to be read, and takes long to load.
    "json": frozenset({"formats"}),
    "tempfile": frozenset({"_sources"}),
    # Parts of the package that most images do not need, and that take as long to load as all the rest.
    "lxdimage.templates": frozenset({"checks"}),
    "lxdimage.formats._squashfs": frozenset({"image", "build"}),
    "lxdimage.formats._qcow2": frozenset({"image", "build"}),
    # Decoders, of which a file needs one.
    "lxdimage.compression": frozenset({"compression"}),
}
# Where a function may import anything: the front door loads names on demand, a verb loads its code when it is used.
LATE_ANYTHING = frozenset({"__init__", "cli"})


@attrs.frozen(kw_only=True)
class Import:
    """
    One import statement.

    Attributes:
        module: Dotted name of the importing module, without the package's own name.
        name: What is imported, in full.
        line: Where.
        late: Whether it stands in a function.
    """

    module: str
    name: str
    line: int
    late: bool

    def __str__(self) -> str:
        path = ROOT.joinpath(*self.module.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        return f"{file.relative_to(ROOT.parent)}:{self.line}: imports {self.name}"


def _modules() -> dict[str, ast.Module]:
    """Return every module's syntax tree by its dotted name; a package's own module has the package's name."""
    trees = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        trees[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


MODULES = _modules()


def _imports(module: str) -> Iterator[Import]:
    """Yield the imports of a module, those in functions too."""
    tree = MODULES[module]
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            names = [_from(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for name in dict.fromkeys(names):
            yield Import(module=module, name=name, line=node.lineno, late=id(node) in late)


def _from(home: str, name: str) -> str:
    """Return the module that ``from home import name`` reads."""
    inner = f"{home}.{name}".removeprefix("lxdimage.")
    return f"lxdimage.{inner}" if inner in MODULES else home


ALL = [found for module in MODULES for found in _imports(module)]
OWN = [found for found in ALL if found.name.split(".")[0] == "lxdimage"]


def _offered(module: str) -> set[str]:
    """Return the names in a module's ``__all__``."""
    for node in MODULES[module].body:
        if isinstance(node, ast.Assign) and any(
            isinstance(at, ast.Name) and at.id == "__all__" for at in node.targets
        ):
            texts = (text.value for text in ast.walk(node.value) if isinstance(text, ast.Constant))
            return set(map(str, texts))
    return set()


def _unit(module: str) -> str:
    """Return what stands at the top level for a module: its package or itself."""
    return module.removeprefix("lxdimage").removeprefix(".").split(".")[0] or "__init__"


def test_every_module_has_its_place_in_the_table() -> None:
    """A new module is put into the table before anything imports it."""
    table = {unit for layer in LAYERS for unit in layer}
    assert sorted({_unit(module) for module in MODULES} - table - {"__init__"}) == []


def test_imports_point_to_earlier_entries_of_the_table() -> None:
    """No module imports what stands beside or above it, nor the front door; the command line may."""
    order = {unit: place for place, unit in enumerate(unit for layer in LAYERS for unit in layer)}
    wrong = []
    for found in OWN:
        importer, imported = _unit(found.module), _unit(found.name)
        if importer in ("__init__", imported) or (importer in ("cli", "__main__") and imported == "__init__"):
            continue
        if imported == "__init__" or order[imported] >= order[importer]:
            wrong.append(str(found))
    assert wrong == []


def test_modules_of_a_package_do_not_import_in_a_circle() -> None:
    """Within a package imports have an order too; reading the package's own names from inside is a circle."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OWN:
        name = found.name.removeprefix("lxdimage.")
        if _unit(found.module) == _unit(found.name) and not found.late:
            graph[found.module].add(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        places = [str(found) for found in OWN if found.module in circle.args[1]]
        raise AssertionError("\n".join(["a circle: " + " <- ".join(circle.args[1]), *places])) from None


def test_functions_import_heavy_dependencies_only() -> None:
    """What a function imports is in the table, and in the one place that the table allows."""
    wrong = []
    for found in ALL:
        unit = _unit(found.module)
        if not found.late or unit in LATE_ANYTHING:
            continue
        if not any(unit in units for name, units in LATE.items() if f"{found.name}.".startswith(f"{name}.")):
            wrong.append(str(found))
    assert wrong == []


def test_heavy_dependencies_are_imported_in_functions() -> None:
    """Importing a module of the package loads no heavy dependency."""
    assert [str(found) for found in ALL if not found.late and found.name.split(".")[0] in HEAVY] == []


def test_nothing_else_is_imported() -> None:
    """Modules rest on the standard library, attrs and the declared dependencies."""
    allowed = {"lxdimage", "attrs", *LATE, *sys.stdlib_module_names}
    assert [str(found) for found in ALL if found.name.split(".")[0] not in allowed] == []


def test_a_module_offers_what_others_import_from_it() -> None:
    """A name that another module imports is in ``__all__``; what is not there is the module's own."""
    wrong = []
    for importer, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("lxdimage."):
                continue
            home = (node.module or "").removeprefix("lxdimage.")
            names = {alias.name for alias in node.names if f"{home}.{alias.name}" not in MODULES}
            wrong += [f"{importer}: {home}.{name}" for name in sorted(names - _offered(home))]
    assert wrong == []
