"""The real pongo2, in a process of its own: built from Debian's package, asked one template at a time."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

__all__ = ["Answer", "Case", "Engine", "MissingEngineError", "engine"]

_HERE = Path(__file__).parent
_GO_PATH = Path("/usr/share/gocode")
_PACKAGE = _GO_PATH / "src/github.com/flosch/pongo2"


class MissingEngineError(Exception):
    """The engine cannot be built here."""


@attrs.frozen(kw_only=True)
class Case:
    """
    A template with its variables.

    Attributes:
        template: The text, bytes that are not UTF-8 escaped.
        variables: What ``daemon`` or ``bare`` take, as the engine's program reads it.
        mode: ``daemon`` or ``bare``.
        autoescape: Whether output is escaped, in bare mode.
    """

    template: str
    variables: Mapping[str, Any] = MappingProxyType({})
    mode: str = "daemon"
    autoescape: bool = True

    def line(self) -> bytes:
        """Return the case as the engine's program reads it."""
        template = base64.b64encode(self.template.encode("utf-8", "surrogateescape")).decode()
        asked = {
            "template": template,
            "mode": self.mode,
            "autoescape": self.autoescape,
            "variables": dict(self.variables),
        }
        return json.dumps(asked).encode() + b"\n"


@attrs.frozen(kw_only=True)
class Answer:
    """
    What an engine made of a case.

    Attributes:
        output: The output, or None for an error.
        stage: ``parse`` or ``execute`` for an error, ``lost`` when the engine hung or ended.
        message: What the error says.
    """

    output: bytes | None
    stage: str | None = None
    message: str = ""

    @property
    def outcome(self) -> tuple[bytes | None, str | None]:
        """What must be equal: the output, or the stage of the error."""
        return self.output, self.stage


class Engine:
    """The engine's program; it is started again when a template hangs or ends it."""

    def __init__(self, program: Path, seconds: float = 3.0) -> None:
        self._program = program
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, case: Case) -> Answer:
        """Return what the engine makes of *case*."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(case.line())
            process.stdin.flush()
        except BrokenPipeError:
            return self._lost()
        ready, _, _ = select.select([process.stdout], [], [], self._seconds)
        line = process.stdout.readline() if ready else b""
        if not line.endswith(b"\n"):
            return self._lost()
        given = json.loads(line)
        if given["output"] is not None:
            return Answer(output=base64.b64decode(given["output"]))
        return Answer(output=None, stage=given["stage"], message=given["error"])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -v 3000000; exec "$0"', str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _lost(self) -> Answer:
        self.stop()
        return Answer(output=None, stage="lost", message="the engine hung or ended")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def engine() -> Iterator[Engine]:
    """Build the program and give an engine that runs it."""
    with tempfile.TemporaryDirectory() as folder:
        running = Engine(_build(Path(folder) / "pongo2"))
        try:
            yield running
        finally:
            running.stop()


def _build(program: Path) -> Path:
    if not _PACKAGE.is_dir():
        raise MissingEngineError("not installed: golang-github-flosch-pongo2.v4-dev")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(_GO_PATH),
        "GOFLAGS": "",
        "GOCACHE": str(program.parent / "cache"),
    }
    try:
        subprocess.run(
            ["go", "build", "-o", str(program), "."],
            cwd=_HERE,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except FileNotFoundError:
        raise MissingEngineError("not installed: golang-go") from None
    except subprocess.CalledProcessError as failed:
        raise MissingEngineError(f"go build fails: {failed.stdout.decode(errors='replace')}") from None
    return program
