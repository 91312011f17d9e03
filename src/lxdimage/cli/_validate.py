"""``lxdimage validate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from lxdimage._sources import FileArgument
from lxdimage.cli._failures import describe, perhaps_unread
from lxdimage.cli._options import add_files, add_limits, add_targets, digits_parser, files_of, limits_of
from lxdimage.cli._output import (
    Meter,
    bold,
    metadata_json,
    print_json,
    say,
    size_text,
    wants_colour,
)
from lxdimage.cli._rule import unknown_code
from lxdimage.cli._usage import UsageError
from lxdimage.diagnostics import Diagnostic, Severity, escape, render
from lxdimage.fingerprint import SHORT_DIGITS
from lxdimage.image import Scan, arrange_files, scan_targets
from lxdimage.rules import RULES
from lxdimage.targets import Target

__all__ = ["configure", "run"]

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_FAIL_ON = {"info": 0, "warning": 1, "error": 2, "never": 3}
_FORMATS = ("text", "json", "github")


@attrs.frozen
class _Finding:
    """A finding, and the targets that have it."""

    diagnostic: Diagnostic
    targets: tuple[Target, ...]


@attrs.frozen
class _Report:
    """What was found in one image, for all targets."""

    files: tuple[str, ...]
    scans: Mapping[Target, Scan]
    findings: tuple[_Finding, ...]

    @property
    def scan(self) -> Scan:
        """The scan of the first target: what does not depend on the target."""
        return next(iter(self.scans.values()))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    add_targets(parser, several=True)
    parser.add_argument(
        "--each",
        action="store_true",
        help="each FILE is a unified image of its own; what cannot be read keeps none of the others from being read",
    )
    parser.add_argument(
        "--expect",
        metavar="HEX",
        type=digits_parser(SHORT_DIGITS),
        help=f"the fingerprint that the image should have, or at least {SHORT_DIGITS} digits of its beginning",
    )
    parser.add_argument(
        "--select", metavar="CODE", action="append", help="report only these (may be repeated)"
    )
    parser.add_argument(
        "--ignore", metavar="CODE", action="append", help="do not report these (may be repeated)"
    )
    parser.add_argument(
        "--fail-on",
        choices=_FAIL_ON,
        default="error",
        help="the severity that makes the exit status 1 (default: error)",
    )
    parser.add_argument(
        "--output-format", choices=_FORMATS, default="text", help="how to print the findings (default: text)"
    )
    parser.add_argument(
        "--json",
        dest="output_format",
        action="store_const",
        const="json",
        help="short for --output-format json",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but findings")
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Scan the images, print the findings, and fail when one is bad enough."""
    for code in (*(arguments.select or ()), *(arguments.ignore or ())):
        if code not in RULES:
            raise unknown_code(code)
    files: Sequence[FileArgument] = files_of(arguments.files)
    if len(files) > 2 and not arguments.each:
        text = f"an image is one file or two, {len(files)} given; --each takes each for an image of its own"
        raise UsageError(text)
    images = [[file] for file in files] if arguments.each else [files]
    found = [_tried(image, arguments) if arguments.each else _report(image, arguments) for image in images]
    reports = [report for report in found if report is not None]
    with perhaps_unread():
        _PRINTERS[arguments.output_format](reports, arguments)
    if None in found:
        return 2
    worst = max((_RANK[f.diagnostic.severity] for report in reports for f in report.findings), default=-1)
    return 1 if worst >= _FAIL_ON[arguments.fail_on] else 0


def _targets(arguments: argparse.Namespace) -> tuple[Target, ...]:
    names = arguments.targets or ["lxd"]
    return tuple(Target) if "all" in names else tuple(dict.fromkeys(map(Target, names)))


def _tried(given: Sequence[FileArgument], arguments: argparse.Namespace) -> _Report | None:
    """Return the report of one image of several, None where it cannot be read: the others do not suffer for it."""
    try:
        return _report(given, arguments)
    except OSError as error:
        say(f"lxdimage: error: {describe(error)}")
        return None


def _report(given: Sequence[FileArgument], arguments: argparse.Namespace) -> _Report:
    files, notes = arrange_files(*given)
    with Meter("validate") as meter:
        scans = scan_targets(
            *files,
            targets=_targets(arguments),
            expected=arguments.expect,
            limits=limits_of(arguments),
            progress=meter,
        )
    merged: dict[Diagnostic, list[Target]] = {}
    for target, scan in scans.items():
        for diagnostic in (*notes, *scan.diagnostics):
            if _selected(diagnostic.code, arguments):
                merged.setdefault(diagnostic, []).append(target)
    findings = tuple(_Finding(diagnostic, tuple(targets)) for diagnostic, targets in merged.items())
    return _Report(tuple(file.name for file in next(iter(scans.values())).files), scans, findings)


def _selected(code: str, arguments: argparse.Namespace) -> bool:
    if arguments.select and code not in arguments.select:
        return False
    return code not in (arguments.ignore or ())


# ---- text ----------------------------------------------------------------------------------------------------


def _print_text(reports: Iterable[_Report], arguments: argparse.Namespace) -> None:
    colour = wants_colour(sys.stdout)
    for report in reports:
        several = len(report.scans) > 1
        for finding in report.findings:
            text = render(finding.diagnostic, colour=colour)
            if several and len(finding.targets) < len(report.scans):
                head, *rest = text.split("\n")
                text = "\n".join([f"{head} ({', '.join(t.value for t in finding.targets)})", *rest])
            print(text)
        if not arguments.quiet:
            print("\n".join(_summary(report, colour=colour)))


def _summary(report: _Report, *, colour: bool) -> Iterator[str]:
    scan = report.scan
    yield bold(f"{' + '.join(map(escape, report.files))}: {_counts(report.findings)}", colour=colour)
    for target, judged in report.scans.items():
        if judged.image is None:
            verdict = "refused at import"
        else:
            kind = f"{judged.image.type.value}, {judged.image.metadata.architecture}"
            verdict = (
                f"accepted ({kind})"
                if judged.creates
                else f"accepted ({kind}), but creating an instance fails"
            )
        yield f"  {target.traits.title:10}  {verdict}"
    yield f"  {scan.fingerprint}  {size_text(scan.size)}, {scan.members} members"


def _counts(findings: Iterable[_Finding]) -> str:
    severities = [finding.diagnostic.severity for finding in findings]
    parts = []
    for severity, word in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note")):
        if number := severities.count(severity):
            parts.append(f"{number} {word}{'s' if number > 1 else ''}")
    return ", ".join(parts) or "no findings"


# ---- json ----------------------------------------------------------------------------------------------------


def _print_json(reports: Iterable[_Report], _: argparse.Namespace) -> None:
    print_json({"images": [_json(report) for report in reports]})


def _json(report: _Report) -> dict[str, object]:
    scan = report.scan
    image = next((judged.image for judged in report.scans.values() if judged.image), None)
    return {
        "files": list(report.files),
        "layout": scan.layout.value,
        "type": image.type.value if image else None,
        "fingerprint": scan.fingerprint.hex,
        "size": scan.size,
        "accepted": {target.value: judged.accepted for target, judged in report.scans.items()},
        "metadata": metadata_json(image.metadata) if image else None,
        "diagnostics": [_finding_json(finding) for finding in report.findings],
    }


def _finding_json(finding: _Finding) -> dict[str, object]:
    diagnostic = finding.diagnostic
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "stage": diagnostic.stage.value if diagnostic.stage else None,
        "message": diagnostic.message,
        "source": diagnostic.source,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "offset": diagnostic.offset,
        "hint": diagnostic.hint,
        "targets": [target.value for target in finding.targets],
    }


# ---- github --------------------------------------------------------------------------------------------------

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def _print_github(reports: Iterable[_Report], _: argparse.Namespace) -> None:
    """Print workflow commands, which a GitHub workflow shows as annotations."""
    for report in reports:
        for finding in report.findings:
            diagnostic = finding.diagnostic
            properties = {"file": escape(report.files[0]), "title": diagnostic.code}
            if diagnostic.line is not None:
                properties |= {"line": str(diagnostic.line), "col": str(diagnostic.column)}
            pairs = ",".join(f"{key}={_github(value, ',:')}" for key, value in properties.items())
            print(f"::{_COMMANDS[diagnostic.severity]} {pairs}::{_github(str(diagnostic))}")


def _github(text: str, special: str = "") -> str:
    for character in "%\r\n" + special:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


_PRINTERS = {"text": _print_text, "json": _print_json, "github": _print_github}
