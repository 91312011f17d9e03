"""
Throw-away LXD and Incus daemons to compare with.

Nothing is installed here: `.ci/install` does that, and what it did not install is missing with a reason.
A daemon runs as root below a directory of its own and in network, mount and process namespaces of its own, so
that nothing of it outlives `Daemon.running`: no container, no mount, no helper.
It reaches no network but its own loopback.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from lxdimage.targets import Target

__all__ = ["PROGRAMS", "Daemon", "DaemonError", "MissingProgramError", "Program", "Verdict"]

# Where `.ci/install` unpacks Incus, which Debian 12 has in its backports only.
INCUS_ROOT = Path(os.environ.get("LXDIMAGE_INCUS_ROOT", "/var/tmp/lxdimage-incus"))

_START_SECONDS = 90
_CLIENT_SECONDS = 120
# The client of LXD 5.0 now and then waits for ever when an import fails before it listens for events: after so many
# seconds, and more for each MiB, the daemon itself is asked what became of it.
_IMPORT_SECONDS = 5
_IMPORT_SECONDS_PER_MIB = 0.5


class MissingProgramError(Exception):
    """A program that the comparison needs is not here; the text says which."""


class DaemonError(Exception):
    """A daemon refused; the text is its message."""


@attrs.frozen(kw_only=True)
class Program:
    """
    A daemon that can be started.

    Attributes:
        target: What it is in the library's words.
        client: Path of its command-line client.
        server: Path of the daemon itself.
        prefix: Prefix of its environment variables.
        variables: What both programs need in their environment.
    """

    target: Target
    client: str
    server: str
    prefix: str
    variables: Mapping[str, str] = attrs.field(factory=lambda: MappingProxyType({}))

    def environment(self, directory: Path) -> dict[str, str]:
        """Return the environment of daemon and client for a daemon below *directory*."""
        own = {
            f"{self.prefix}_DIR": str(directory / "state"),
            f"{self.prefix}_CONF": str(directory / "client"),
        }
        return {**os.environ, "LC_ALL": "C.UTF-8", **self.variables, **own}


def _which(*names: str, path: str | None = None) -> list[str]:
    """Return where *names* are, or say which are missing."""
    found = {name: shutil.which(name, path=path) for name in names}
    missing = [name for name, where in found.items() if where is None]
    if missing:
        raise MissingProgramError(f"not installed: {', '.join(missing)}")
    return [where for where in found.values() if where]


def _tools() -> None:
    """Raise unless a daemon can be started and can unpack every format."""
    if os.geteuid() != 0:
        raise MissingProgramError("a daemon needs root")
    _which("unshare", "ip", "tar", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4")
    _which("unsquashfs", "sqfs2tar", "tar2sqfs")


def find_lxd() -> Program:
    """Return the installed LXD."""
    _tools()
    client, server = _which("lxc", "lxd")
    return Program(target=Target.LXD_5_0, client=client, server=server, prefix="LXD")


def find_incus() -> Program:
    """Return Incus as unpacked below `INCUS_ROOT`, or as installed."""
    _tools()
    root = INCUS_ROOT if INCUS_ROOT.is_dir() else Path("/")
    directories = [str(root / "usr/libexec/incus"), str(root / "usr/bin")]
    client, server = _which(
        "incus", "incusd", path=os.pathsep.join([*directories, os.environ.get("PATH", "")])
    )
    variables = {"PATH": os.pathsep.join([*directories, os.environ.get("PATH", os.defpath)])}
    if root != Path("/"):
        variables["LD_LIBRARY_PATH"] = str(root / f"usr/lib/{platform.machine()}-linux-gnu")
    return Program(target=Target.INCUS_6_0, client=client, server=server, prefix="INCUS", variables=variables)


PROGRAMS: Mapping[str, Callable[[], Program]] = MappingProxyType({"lxd": find_lxd, "incus": find_incus})


@attrs.frozen(kw_only=True)
class Verdict:
    """
    What a daemon made of an image at import.

    Attributes:
        fingerprint: Of an accepted image; None when the image was refused.
        error: The message of a refusal.
        record: What the daemon tells of an accepted image: type, architecture, dates, properties, size.
    """

    fingerprint: str | None = None
    error: str | None = None
    record: Mapping[str, Any] = attrs.field(factory=lambda: MappingProxyType({}))

    @property
    def accepted(self) -> bool:
        """Whether the image was imported."""
        return self.fingerprint is not None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the daemon's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CLIENT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@attrs.define
class Daemon:
    """A daemon that runs: images go in and out, instances are made and looked at."""

    program: Program
    directory: Path

    @classmethod
    @contextmanager
    def running(cls, program: Program) -> Iterator[Daemon]:
        """Start *program*, wait until it answers, give it a storage pool, and end everything of it afterwards."""
        directory = Path(tempfile.mkdtemp(prefix="lxdimage-"))
        directory.chmod(0o711)  # a container's root is nobody here and must reach its own files
        process = _spawn(program, directory)
        daemon = cls(program, directory)
        try:
            daemon._wait_until_ready(process)
            daemon._prepare()
            yield daemon
        finally:
            process.kill()  # and with it everything in its process namespace
            process.wait(30)
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def target(self) -> Target:
        """What the daemon is in the library's words."""
        return self.program.target

    def root(self, name: str) -> Path:
        """Return the directory of the container *name*: metadata.yaml, templates and rootfs."""
        return self.directory / "state/storage-pools/default/containers" / name

    def log(self) -> str:
        """Return what the daemon has written so far: the only place that says why a start failed."""
        return (self.directory / "log").read_text(errors="replace")

    # ── images ──

    def import_image(self, *files: Path) -> Verdict:
        """Import *files* with the client, as a person would; one file: unified, two: metadata and rootfs."""
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes())
        fingerprint = digest.hexdigest()
        size = sum(file.stat().st_size for file in files)
        seconds = _IMPORT_SECONDS + size / (1 << 20) * _IMPORT_SECONDS_PER_MIB
        try:
            done = self._client("image", "import", *map(str, files), seconds=seconds)
        except subprocess.TimeoutExpired:
            self._wait_until_idle()
            refusal = (
                None if fingerprint in self._fingerprints() else "refused, and the client waits for ever"
            )
        else:
            text = done.stdout.decode(errors="replace").replace("\r", "\n")
            refusal = _error_of(text) if done.returncode and "already exists" not in text else None
        if refusal is not None:
            return Verdict(error=refusal)
        return Verdict(fingerprint=fingerprint, record=self.query("GET", f"/1.0/images/{fingerprint}"))

    def _fingerprints(self) -> set[str]:
        """Return the fingerprints of all images."""
        return {path.rsplit("/", 1)[1] for path in self.query("GET", "/1.0/images")}

    def _wait_until_idle(self) -> None:
        """Wait until no operation runs."""
        end = time.monotonic() + _CLIENT_SECONDS
        while time.monotonic() < end:
            if not {"running", "pending"} & (self.query("GET", "/1.0/operations") or {}).keys():
                return
            time.sleep(0.1)
        raise DaemonError("an operation does not end")

    def delete_image(self, fingerprint: str) -> None:
        """Forget an image."""
        self.query("DELETE", f"/1.0/images/{fingerprint}")

    def export_image(self, fingerprint: str, to: Path) -> list[Path]:
        """Write an image's files into the directory *to*; metadata first when there are two."""
        self._checked_client("image", "export", fingerprint, f"{to}/")
        return sorted(to.iterdir(), key=lambda path: not path.name.startswith("meta-"))

    def publish(
        self, name: str, *, properties: Mapping[str, str] | None = None, compression: str = "none"
    ) -> str:
        """Make an image of the stopped instance *name* and return its fingerprint."""
        body: dict[str, Any] = {
            "source": {"type": "instance", "name": name},
            "compression_algorithm": compression,
        }
        if properties is not None:
            body["properties"] = dict(properties)
        return str(self.query("POST", "/1.0/images", body)["fingerprint"])

    # ── instances ──

    def create(self, name: str, fingerprint: str, *, config: Mapping[str, str] | None = None) -> None:
        """Create the container *name* from an image; `DaemonError` when the image cannot be unpacked."""
        body = {
            "name": name,
            "config": dict(config or {}),
            "source": {"type": "image", "fingerprint": fingerprint},
        }
        self.query("POST", "/1.0/instances", body)

    def copy(self, name: str, new: str) -> None:
        """Copy a stopped instance."""
        source = {"type": "copy", "source": name}
        profiles = self.instance(name)["profiles"]
        self.query("POST", "/1.0/instances", {"name": new, "source": source, "profiles": profiles})

    def rename(self, name: str, new: str) -> None:
        """Rename a stopped instance."""
        self.query("POST", f"/1.0/instances/{name}", {"name": new})

    def start(self, name: str) -> None:
        """Start an instance, which renders its templates."""
        self._change_state(name, "start")

    def restart(self, name: str) -> None:
        """Restart an instance by force."""
        self._change_state(name, "restart")

    def stop(self, name: str) -> None:
        """Stop an instance by force."""
        self._change_state(name, "stop")

    def instance(self, name: str) -> Mapping[str, Any]:
        """Return what the daemon tells of an instance: architecture, config, devices and their expanded forms."""
        record: Mapping[str, Any] = self.query("GET", f"/1.0/instances/{name}")
        return record

    def delete(self, name: str) -> None:
        """Stop an instance if need be, and delete it."""
        if self.instance(name)["status"] == "Running":
            self.stop(name)
        self.query("DELETE", f"/1.0/instances/{name}")

    def export_backup(self, name: str, to: Path) -> None:
        """Write a backup of an instance, snapshots included, to the file *to*."""
        self._checked_client("export", name, str(to))

    def _change_state(self, name: str, action: str) -> None:
        body = {"action": action, "timeout": 30, "force": True}
        self.query("PUT", f"/1.0/instances/{name}/state", body)

    # ── talking ──

    def query(self, method: str, path: str, body: object = None) -> Any:
        """
        Ask the daemon and wait for its operation.

        Args:
            method: HTTP method.
            path: Path below the socket, `/1.0/...`.
            body: What is sent as JSON; None sends nothing.

        Returns:
            The metadata of the answer, or of the finished operation.

        Raises:
            DaemonError: The daemon refused, at once or in the operation.
        """
        answer = self._ask(method, path, body)
        if answer["type"] == "async":
            answer = self._ask("GET", f"{answer['operation']}/wait?timeout={_CLIENT_SECONDS}", None)
            operation = answer.get("metadata") or {}
            if answer["type"] != "error" and operation.get("status_code") != http.HTTPStatus.OK:
                raise DaemonError(operation.get("err") or f"operation is {operation.get('status')}")
            return operation.get("metadata")
        return answer.get("metadata")

    def _ask(self, method: str, path: str, body: object) -> dict[str, Any]:
        connection = _UnixConnection(self.directory / "state/unix.socket")
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["type"] == "error":
            raise DaemonError(answer["error"])
        return answer

    def _client(
        self, *arguments: str, seconds: float = _CLIENT_SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.program.client, *arguments],
            env=self.program.environment(self.directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )

    def _checked_client(self, *arguments: str) -> None:
        done = self._client(*arguments)
        if done.returncode:
            raise DaemonError(_error_of(done.stdout.decode(errors="replace")))

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                self.query("GET", "/1.0")
            except (OSError, DaemonError, http.client.HTTPException):
                time.sleep(0.2)
            else:
                return
        raise DaemonError(f"{self.program.server} does not answer: {self.log()[-2000:]}")

    def _prepare(self) -> None:
        """Make what an instance needs: a storage pool of plain directories and a root disk in the profile."""
        self.query("POST", "/1.0/storage-pools", {"name": "default", "driver": "dir"})
        disk = {"root": {"type": "disk", "path": "/", "pool": "default"}}
        self.query("PATCH", "/1.0/profiles/default", {"devices": disk})


def _spawn(program: Program, directory: Path) -> subprocess.Popen[bytes]:
    """Start the daemon in namespaces that end with the returned process."""
    for name in ("state", "client"):
        (directory / name).mkdir()
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = 'ip link set lo up && exec "$0" --group root'
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            [*namespaces, "sh", "-c", script, program.server],
            env=program.environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _error_of(text: str) -> str:
    """Return the client's error message without its progress lines."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if line.startswith("Error: ")), len(lines) - 1)
    return "\n".join(lines[start:]).removeprefix("Error: ")
