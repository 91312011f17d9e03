"""
The index of a backup: what was exported, and the configuration that it had.

There are two formats of ``config``, told apart by the names of their keys, and very old backups have none; those
keep it in the instance's own ``backup.yaml`` (image format, section 8).  The file comes from wherever the backup
comes from, so every value is looked at before it is used, and no name in it ever becomes a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import attrs

from lxdimage.diagnostics import Diagnostic, escape
from lxdimage.errors import InvalidImageError, InvalidMetadataError, LimitExceededError
from lxdimage.formats._roles import ImageType
from lxdimage.metadata._document import Document, read_document
from lxdimage.metadata._yaml import GENERATIONS, Alias, Scalar, Sequence
from lxdimage.metadata._yaml import Mapping as MappingNode
from lxdimage.metadata._yaml import Node as AnyNode
from lxdimage.rules import diagnose

__all__ = ["INDEX_SIZE", "Backup", "BackupInstance", "index_of_backup_yaml", "parse_index"]

INDEX_SIZE = 1 << 20
"""Bytes of the index that the daemons read."""


@attrs.frozen(kw_only=True)
class BackupInstance:
    """
    The configuration of an instance or of one of its snapshots.

    Attributes:
        name: The instance's, or the snapshot's.
        architecture: What it runs on, as written; empty when it is not said.
        config: Its own configuration.
        created: Seconds since 1970, None when it is not said.
    """

    name: str
    architecture: str = ""
    config: Mapping[str, str] = attrs.field(factory=lambda: MappingProxyType({}), repr=False)
    created: int | None = None


@attrs.frozen(kw_only=True)
class Backup:
    """
    What the index says.

    Attributes:
        name: The instance.
        type: What it is.
        backend: The storage driver that it was exported from.
        optimized: Whether the data is in that driver's own format; None when an old index does not say.
        snapshots: Their names.
        instance: The configuration, None when an old index has none.
        snapshot_instances: That of the snapshots, by name.
    """

    name: str
    type: ImageType
    backend: str = ""
    optimized: bool | None = None
    snapshots: tuple[str, ...] = ()
    instance: BackupInstance | None = None
    snapshot_instances: Mapping[str, BackupInstance] = attrs.field(
        factory=lambda: MappingProxyType({}), repr=False
    )


def parse_index(data: bytes, *, source: str) -> Backup:
    """
    Return what ``backup/index.yaml`` says.

    Args:
        data: Its bytes.
        source: What findings call it.

    Raises:
        InvalidImageError: It is not YAML, or a value cannot be what it should be.
        LimitExceededError: It is larger than the daemons read.
    """
    record = _Record.read(data, source)
    name = record.text("name")
    if not _INSTANCE_NAME.fullmatch(name):
        raise record.wrong("name", f"{_quoted(name)} is no name of an instance")
    kind = record.text("type") or ImageType.CONTAINER.value
    if kind not in _TYPES:
        raise record.wrong("type", f"expected 'container' or 'virtual-machine', found {_quoted(kind)}")
    config = record.record("config")
    snapshots = tuple(_snapshot_name(record, item, name) for item in record.texts("snapshots"))
    return Backup(
        name=name,
        type=_TYPES[kind],
        backend=record.text("backend"),
        optimized=record.flag("optimized"),
        snapshots=snapshots,
        instance=_instance(config, name) if config else None,
        snapshot_instances=MappingProxyType(_snapshot_instances(config, name) if config else {}),
    )


def index_of_backup_yaml(backup: Backup, data: bytes, *, source: str) -> Backup:
    """
    Return *backup* with the configuration from the ``backup.yaml`` of the instance, for an index without one.

    Raises:
        InvalidImageError: It is not YAML, or a value cannot be what it should be.
    """
    record = _Record.read(data, source)
    return attrs.evolve(
        backup,
        instance=_instance(record, backup.name),
        snapshot_instances=MappingProxyType(_snapshot_instances(record, backup.name)),
    )


_INSTANCE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})")
_TYPES = {kind.value: kind for kind in ImageType}


def _quoted(text: str) -> str:
    return repr(escape(text if len(text) <= 80 else f"{text[:80]}…"))


def _snapshot_name(record: _Record, name: str, instance: str) -> str:
    """Return the snapshot's own name, which may follow that of its instance and must not be a path."""
    own = name.removeprefix(f"{instance}/")
    if own in {"", ".", ".."} or "\0" in own or "/" in own:
        raise record.wrong("snapshots", f"{_quoted(name)} is no name of a snapshot")
    return own


def _instance(config: _Record, name: str) -> BackupInstance:
    """Return the configuration of the instance in either format."""
    found = config.record("instance") or config.record("container")
    if found is None:
        raise config.wrong("", "expected a configuration with 'container' or 'instance', found neither")
    return _configuration(found, name)


def _snapshot_instances(config: _Record, instance: str) -> dict[str, BackupInstance]:
    found = {}
    for record in config.records("snapshots"):
        name = _snapshot_name(record, record.text("name"), instance)
        found[name] = _configuration(record, name)
    return found


def _configuration(record: _Record, name: str) -> BackupInstance:
    return BackupInstance(
        name=name,
        architecture=record.text("architecture"),
        config=MappingProxyType(record.map("config")),
        created=_seconds(record.text("created_at")),
    )


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


def _seconds(text: str) -> int | None:
    """Return the time in *text*, None when there is none: Go writes the first of January of the year 1 then."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    try:
        zone = match[7].replace("Z", "+00:00")
        found = int(datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*match.groups()) + zone).timestamp())
    except (ValueError, OverflowError):
        return None
    return found if found > int(datetime(1, 1, 2, tzinfo=UTC).timestamp()) else None


class _Record:
    """A mapping of the document; what is missing or null reads as empty, and what has the wrong type is refused."""

    def __init__(self, document: Document, node: MappingNode, path: str) -> None:
        self._document = document
        self._node = node
        self._path = path
        self._fields: dict[str, AnyNode] = {}
        for key, value in node.pairs:
            if isinstance(found := _target(key), Scalar):
                self._fields[found.value] = value

    @classmethod
    def read(cls, data: bytes, source: str) -> _Record:
        if len(data) > INDEX_SIZE:
            text = f"the daemons read at most {INDEX_SIZE} bytes of it"
            raise LimitExceededError(diagnose("backup-index", text, source=source))
        try:
            document = read_document(data, GENERATIONS[2], name=source)
        except InvalidMetadataError as error:
            raise InvalidImageError(*map(_as_index, error.diagnostics)) from None
        root = _target(document.root)
        if not isinstance(root, MappingNode):
            raise InvalidImageError(document.place(root).finding("backup-index", "expected a map at the top"))
        return cls(document, root, "")

    def wrong(self, name: str, text: str) -> InvalidImageError:
        """Return the error that *text* is wrong with the field *name*."""
        node = self._fields.get(name, self._node)
        where = f"{self._path}{name}"
        return InvalidImageError(
            self._document.place(node).finding("backup-index", f"{where}: {text}" if where else text)
        )

    def _get(self, name: str) -> AnyNode | None:
        """Return what the field holds, None when there is nothing."""
        node = self._fields.get(name)
        found = None if node is None else _target(node)
        return None if found is None or _is_null(found) else found

    def text(self, name: str) -> str:
        node = self._get(name)
        if node is None:
            return ""
        if not isinstance(node, Scalar):
            raise self.wrong(name, "expected text")
        return node.value

    def flag(self, name: str) -> bool | None:
        text = self.text(name)
        if text not in _FLAGS:
            raise self.wrong(name, f"expected true or false, found {_quoted(text)}")
        return _FLAGS[text]

    def _items(self, name: str) -> Iterable[AnyNode]:
        node = self._get(name)
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            raise self.wrong(name, "expected a list")
        return map(_target, node.items)

    def texts(self, name: str) -> Iterable[str]:
        for item in self._items(name):
            if not isinstance(item, Scalar) or _is_null(item):
                raise self.wrong(name, "expected a list of texts")
            yield item.value

    def record(self, name: str) -> _Record | None:
        node = self._get(name)
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            raise self.wrong(name, "expected a map")
        return _Record(self._document, node, f"{self._path}{name}.")

    def records(self, name: str) -> Iterable[_Record]:
        for item in self._items(name):
            if not isinstance(item, MappingNode):
                raise self.wrong(name, "expected a list of maps")
            yield _Record(self._document, item, f"{self._path}{name}.")

    def map(self, name: str) -> dict[str, str]:
        record = self.record(name)
        return {key: record.text(key) for key in record._fields} if record else {}


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"": None, "true": True, "True": True, "false": False, "False": False}


def _is_null(node: AnyNode) -> bool:
    return isinstance(node, Scalar) and not node.style and node.value in _NULL


def _target(node: AnyNode) -> AnyNode:
    return node.target if isinstance(node, Alias) else node


def _as_index(finding: Diagnostic) -> Diagnostic:
    return attrs.evolve(finding, code="backup-index", stage=None)
