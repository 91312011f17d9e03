"""
Prints how fast templates are rendered and compiled, in CPU time of one process.

Peers are jinja2 with a template that is compiled once and equivalent, and the real pongo2, which parses a template
each time as the daemons do.  See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

from jinja2.sandbox import SandboxedEnvironment

from lxdimage import TemplateContext, render_template
from lxdimage.limits import Limits
from lxdimage.templates import Template, check_template
from run import HERE, row

TIMES = 1000
MOST = 60.0  # microseconds of one rendering

# Templates that are the same in both languages.
TEMPLATES = {
    "hostname": "{{ container.name }}\n",
    "hosts": """\
127.0.0.1\tlocalhost
127.0.1.1\t{{ container.name }}.{{ config_get("user.domain", "lan") }} {{ container.name }}

# The following lines are desirable for IPv6 capable hosts
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
""",
    "cloud-init meta-data": """\
#cloud-config
instance-id: {{ container.name }}
local-hostname: {{ container.name }}
{{ config_get("user.meta-data", "") }}
""",
    "cloud-init user-data": """\
{%- if config_get("cloud-init.user-data", properties.default) == properties.default -%}
{{ config_get("user.user-data", properties.default) }}
{%- else -%}
{{- config_get("cloud-init.user-data", properties.default) }}
{%- endif %}
""",
    "cloud-init network-config": """\
{% if config_get("user.network-config", "") == "" %}version: 1
config:
  - type: physical
    name: {% if instance.type == "virtual-machine" %}enp5s0{% else %}eth0{% endif %}
    subnets:
      - type: {% if config_get("user.network_mode", "") == "link-local" %}manual{% else %}dhcp{% endif %}
        control: auto{% else %}{{ config_get("user.network-config", "") }}{% endif %}
""",
}
INSTANCE = {
    "name": "c1",
    "type": "container",
    "architecture": "x86_64",
    "ephemeral": "false",
    "privileged": "false",
}
CONFIG = {
    "image.architecture": "amd64",
    "image.description": "Debian bookworm amd64 (20240101_05:24)",
    "image.os": "Debian",
    "image.release": "bookworm",
    "image.serial": "20240101_05:24",
    "image.type": "squashfs",
    "image.variant": "cloud",
    "user.user-data": "#cloud-config\npackages: [vim]\n",
    "volatile.base_image": "0" * 64,
    "volatile.cloud-init.instance-id": "5a1f3c52-7a08-4c6e-9a3e-3f7f6f2f6f10",
    "volatile.eth0.hwaddr": "00:16:3e:00:00:01",
    "volatile.idmap.base": "0",
}
DEVICES = {
    "eth0": {"name": "eth0", "network": "lxdbr0", "type": "nic"},
    "root": {"path": "/", "pool": "default", "type": "disk"},
}
PROPERTIES = {"default": "#cloud-config\n{}"}

# What is repeated to the wanted size: everyday content, and what grows in one direction only.
BLOCK = """\
# {{ instance.name }} {{ config_get("user.key", "x")|upper }}
{% if config_get("user.a", "") == "" %}a{% elif trigger|lower == "create" %}{{ path }}{% else %}c{% endif %}
a line of text that goes on for a while and has no tag in it, like most lines of a configuration file
{% for key, value in config sorted %}{{ key }}={{ value }}
{% endfor %}
{% set x = 1 + 2 %}{% with a=x %}{{ a }}{% endwith %}
"""
SHAPES: Mapping[str, Callable[[int], str]] = {
    "mixed content": lambda size: BLOCK * (size // len(BLOCK)),
    "one line": lambda size: BLOCK.replace("\n", " ") * (size // len(BLOCK)),
    "text only": lambda size: "x" * size,
    "variables": lambda size: "{{ a }}" * (size // 7),
    "ifs in ifs": lambda size: ("{% if a %}" * 40 + "{% endif %}" * 40) * (size // 840),
    "elifs": lambda size: "{% if a %}" + "{% elif b %}x" * (size // 13) + "{% endif %}",
    "one expression": lambda size: "{{ 1" + "+1" * (size // 2) + " }}",
}


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def least(work: Callable[[], object], rounds: int) -> float:
    """Return the least CPU time of several calls: other processes can only add to it."""
    return min(seconds(work) for _ in range(rounds))


# -- rendering


def ours(template: str) -> bytes:
    """Render as a caller does that keeps nothing but the text."""
    context = TemplateContext(
        instance=INSTANCE,
        config=CONFIG,
        devices=DEVICES,
        properties=PROPERTIES,
    )
    return render_template(template, context)


def by_jinja2(template: str) -> Callable[[], bytes]:
    """Return a function that renders with jinja2 alone."""
    compiled = SandboxedEnvironment(keep_trailing_newline=True).from_string(template)

    def config_get(key: str, default: str) -> str:
        return CONFIG[key].rstrip("\r\n") if key in CONFIG else default

    return lambda: compiled.render(
        trigger="create",
        path="/etc/hostname",
        instance=INSTANCE,
        container=INSTANCE,
        config=CONFIG,
        devices=DEVICES,
        properties=PROPERTIES,
        config_get=config_get,
    ).encode()


def repeated(work: Callable[[], object]) -> None:
    """Do it as often as is measured."""
    for _ in range(TIMES):
        work()


def renderings(pongo2: Path | None, rounds: int) -> Iterator[str]:
    """Yield the rows of rendering."""
    for name, template in TEMPLATES.items():
        output, peer = ours(template), by_jinja2(template)
        own = least(lambda: repeated(lambda: ours(template)), rounds) / TIMES * 1e6  # noqa: B023
        title, shown = f"{name}, again", f"{own:.1f} µs"
        yield row(title, shown, "", "", own, MOST, least=False)
        its = least(lambda: repeated(peer), rounds) / TIMES * 1e6  # noqa: B023
        yield row(title, shown, "jinja2", f"{its:.1f} µs", its / own, 0.4)
        check(name, output, peer())
        if pongo2:
            its = min(by_pongo2(pongo2, template)[0] for _ in range(rounds))
            yield row(title, shown, "pongo2", f"{its:.1f} µs", its / own, 0.4)
            check(name, output, by_pongo2(pongo2, template)[1])


def check(name: str, output: bytes, other: bytes) -> None:
    """Stop when a peer does something else, since its figure would mean nothing then."""
    if output != other:
        raise SystemExit(f"{name}: {other!r} instead of {output!r}")


def build_pongo2(directory: Path) -> Path | None:
    """Return the program with the real engine, or None where Go or the engine is missing."""
    go_path = Path("/usr/share/gocode")
    if shutil.which("go") is None or not (go_path / "src/github.com/flosch/pongo2").is_dir():
        return None
    program = directory / "gorender"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(go_path)}
    source = HERE / "gorender/main.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=True)
    return program


def by_pongo2(program: Path, template: str) -> tuple[float, bytes]:
    """Return the microseconds that one rendering takes the real engine, and the output."""
    asked = {
        "template": template,
        "times": TIMES,
        "instance": INSTANCE,
        "config": CONFIG,
        "devices": DEVICES,
        "properties": PROPERTIES,
    }
    done = subprocess.run([program], input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True)
    micros, output = done.stdout.split(b"\n", 1)
    return float(micros), output


# -- compiling


def growth(options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of compiling and checking: a large template beside ten of a tenth of its size."""
    limits = Limits(template_size=2 * options.size)
    numbers = count()

    def compile_anew(text: str) -> None:
        """Compile what no template was before, so that it is not in the cache."""
        Template.parse(f"{text}{{# {next(numbers)} #}}", wrapped=True, limits=limits)

    verbs: dict[str, Callable[[str], object]] = {
        "compile": compile_anew,
        "check": lambda text: check_template(text, limits=limits),
    }
    for name, shape in SHAPES.items():
        small, large = shape(options.size // 10), shape(options.size)
        for verb, work in verbs.items():
            tenths = 10 * least(lambda: work(small), 3)  # noqa: B023
            whole = least(lambda: work(large), 1)  # noqa: B023
            title = f"{verb} {options.size / 1e6:g} MB, {name}"
            yield row(
                title, f"{whole:.2f} s", "ten tenths", f"{tenths:.2f} s", whole / tenths, 2, least=False
            )


# -- importing


def imports(_options: argparse.Namespace) -> Iterator[str]:
    """Yield the row of what the import of the package loads."""
    program = "import sys, lxdimage; print(sum(name.startswith('jinja2') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    yield row("modules of jinja2 after import lxdimage", "", "", "", int(done.stdout), 0, least=False)


def main() -> int:
    """Run everything and print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="of rendering a template 1,000 times")
    parser.add_argument(
        "--size", type=int, default=1_000_000, help="bytes of the templates that are compiled"
    )
    options = parser.parse_args()
    print("| case | ours | peer | its | ratio | wanted | |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        pongo2 = build_pongo2(Path(directory))
        for group in (renderings(pongo2, options.rounds), imports(options), growth(options)):
            for line in group:
                print(line, flush=True)
                missed += line.endswith("missed |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
