"""
Ours as a whole process: one full scan with the default checks.

``--stdlib`` does without the optional accelerator; ``--memory`` prints the peak resident size in MiB at the end.
"""

import sys

if "--stdlib" in sys.argv:
    sys.modules["isal"] = None  # type: ignore[assignment]

import lxdimage

scan = lxdimage.scan_image(*(argument for argument in sys.argv[1:] if not argument.startswith("--")))
print(scan.fingerprint, scan.size, scan.accepted, len(scan.diagnostics))
if "--memory" in sys.argv:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - pathlib would be loaded for it
        status = file.read()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"{int(peak.split()[1]) / 1024:.1f}")
