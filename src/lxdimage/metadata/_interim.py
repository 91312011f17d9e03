"""Interim front of the package until the real one is in place."""
from __future__ import annotations
import json
import attrs
from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata import _decode, _document, _model, _architectures
from lxdimage.metadata._yaml import GENERATIONS
from lxdimage.targets import Target


class CheckedMetadata:
    def __init__(self, metadata, diagnostics):
        self.metadata = metadata
        self.diagnostics = tuple(diagnostics)
        self.spans = {}

    def excerpt(self, span):
        return None


def check_documents(texts, *, name="metadata.yaml", target=Target.LXD, now=None):
    def found(message):
        return Diagnostic(code="metadata-invalid", message=message, severity=Severity.ERROR, stage=Stage.IMPORT, source=name)

    generation = GENERATIONS[target.traits.yaml]
    record = _decode.Record()
    for text in texts:
        try:
            document = _document.read_document(text, generation, name=name)
            decoder = _decode.Decoder(document, generation, file_permissions=target.traits.file_permissions)
            decoder.decode(record)
        except Exception as error:
            return CheckedMetadata(None, [found(repr(error))])
        if decoder.notes.problems:
            return CheckedMetadata(None, [found(problem.message) for problem in decoder.notes.problems])
        try:
            architecture = _architectures.Architecture.parse(record.architecture, target)
        except Exception:
            return CheckedMetadata(None, [found(f"architecture {record.architecture!r} is unknown")])
        if record.creation_date == 0:
            return CheckedMetadata(None, [found("creation date missing")])
    rules = {
        path: _model.TemplateRule(null=True) if rule is None else _model.TemplateRule(
            template=rule.template, when=tuple(rule.when), create_only=rule.create_only, properties=rule.properties or {},
            uid=rule.uid or None, gid=rule.gid or None, mode=rule.mode or None)
        for path, rule in (record.templates or {}).items()
    }
    metadata = _model.Metadata(architecture=architecture, creation_date=record.creation_date,
                               expiry_date=record.expiry_date, properties=record.properties or {}, templates=rules)
    return CheckedMetadata(metadata, [])


def check_metadata(text, *, name="metadata.yaml", target=Target.LXD, now=None):
    return check_documents([text.encode() if isinstance(text, str) else text], name=name, target=target)


def parse_metadata(text, *, name="metadata.yaml", target=Target.LXD):
    checked = check_metadata(text, name=name, target=target)
    if checked.metadata is None:
        raise InvalidMetadataError(*checked.diagnostics)
    return checked.metadata


def dump_metadata(metadata):
    q = json.dumps
    lines = [f"architecture: {metadata.architecture}", f"creation_date: {metadata.creation_timestamp}"]
    if metadata.expiry_timestamp:
        lines.append(f"expiry_date: {metadata.expiry_timestamp}")
    lines.append("properties:" + ("" if metadata.properties else " {}"))
    lines += [f"  {q(k)}: {q(v)}" for k, v in metadata.properties.items()]
    if metadata.templates:
        lines.append("templates:")
        for path, rule in metadata.templates.items():
            lines += [f"  {q(path)}:", f"    when: [{', '.join(map(q, rule.when))}]", f"    create_only: {str(rule.create_only).lower()}",
                      f"    template: {q(rule.template)}", "    properties: {" + ", ".join(f"{q(k)}: {q(v)}" for k, v in rule.properties.items()) + "}"]
    return "\n".join(lines) + "\n"
