"""What loading the package costs: nothing heavy before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import lxdimage
import lxdimage.build

HEAVY = {"jinja2", "zstandard", "yaml", "isal"}

# The command line, which may leave by exiting.
_RUN = """
import sys
from lxdimage.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
assert not status, status
"""


def _loaded_by(program: str, *arguments: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after *program*."""
    report = "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program + report, *arguments], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_heavy_dependency() -> None:
    """`import lxdimage` stays cheap."""
    assert _loaded_by("import lxdimage") & HEAVY == set()


@pytest.mark.parametrize("package", [lxdimage, lxdimage.build])
def test_type_checkers_see_the_names_that_are_loaded_on_demand(package: ModuleType) -> None:
    """Both lists of a package's names are the same."""
    assert package.__file__
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    names = [alias.asname for node in imports for alias in node.names]
    assert sorted(package.__all__) == sorted(map(str, names))
    for node in imports:
        for alias in node.names:
            assert getattr(package, alias.name) is getattr(import_module(str(node.module)), alias.name)


def test_the_list_of_names_loads_nothing() -> None:
    """Completion and star-less introspection do not pay either."""
    assert _loaded_by("import lxdimage; dir(lxdimage); lxdimage.__all__") & HEAVY == set()


@pytest.mark.parametrize("verb", [["fingerprint"], ["--help"], ["--version"]])
def test_fingerprint_needs_neither_templates_nor_yaml(verb: list[str], tmp_path: Path) -> None:
    """The cheapest verb loads no template engine, no YAML and no codec."""
    image = tmp_path / "image"
    image.write_bytes(b"any bytes have a fingerprint")
    operands = [str(image)] if verb == ["fingerprint"] else []
    assert _loaded_by(_RUN, *verb, *operands) & HEAVY == set()
