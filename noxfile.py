"""What is run on a change: `nox` for everything that needs no other program, `nox -s NAME` for one session."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "types", "tests", "docs"]

PROJECT = nox.project.load_toml("pyproject.toml")


def _install(session: nox.Session, *groups: str, package: str = "") -> None:
    """Install dependency groups and, editable, the package with the extras named in *package*."""
    wanted = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    session.install("--quiet", *wanted, *(["-e", package] if package else []))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the package, the tests, the benchmarks and this file."""
    _install(session, "types", package=".")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that needs no other program, with branch coverage and with the optional accelerators."""
    _install(session, "test", package=".[fast]")
    arguments = session.posargs or ["-m", "not conformance"]
    session.run("coverage", "run", "-m", "pytest", *arguments)
    session.run("coverage", "report", "--skip-covered", "--skip-empty")


@nox.session(python=nox.project.python_versions(PROJECT))
def versions(session: nox.Session) -> None:
    """Everything that needs no other program, on every Python that the package supports."""
    _install(session, "test", package=".")
    session.run("pytest", *(session.posargs or ["-m", "not conformance"]))


@nox.session
def accelerated(session: nox.Session) -> None:
    """What decodes, with the optional accelerators: the results are the same."""
    _install(session, "test", package=".[fast]")
    session.run("pytest", "tests/compression", "tests/image/test_verdicts.py", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Comparisons with the real programs, as root; `.ci/install` installs them."""
    _install(session, "test", package=".")
    session.run("pytest", "tests/conformance", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, warnings being errors."""
    _install(session, "docs", package=".")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios against named peers; arguments go to bench/run.py."""
    _install(session, package=".[fast]")
    session.run("python", "bench/run.py", *session.posargs)
