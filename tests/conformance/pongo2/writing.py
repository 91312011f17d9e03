"""
Random templates: written by a grammar, so that most of them render, then damaged on request.

A case depends on its seed alone.  Every profile stresses one part of the language; all of them can reach the rest.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from conformance.pongo2 import words
from conformance.pongo2.engine import Case

__all__ = ["PROFILES", "write"]


class Writer:
    """One template that is being written."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.names: list[str] = []
        self.macros: list[str] = []
        self.blocks = 0
        self.bare = False
        # How often something is written that fails: most templates have no slip, or an error would hide the rest.
        self.slips = chance.choice([0.0, 0.0, 0.0, 0.0, 0.02, 0.1])

    def one(self, items: Sequence[str]) -> str:
        return self.chance.choice(items)

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def weighted(self, *choices: tuple[float, Callable[[], str]]) -> str:
        weights = [weight for weight, _ in choices]
        return self.chance.choices([write for _, write in choices], weights)[0]()

    # -- values

    def number(self) -> str:
        return self.one(words.NUMBERS)

    def string(self) -> str:
        return self.one(words.STRINGS) if self.maybe(0.7) else self.made_string()

    def made_string(self) -> str:
        inner = "".join(self.one(words.PIECES) for _ in range(self.chance.randint(0, 5)))
        quote = self.one(['"', '"', "'"])
        inner = inner.replace("\\", "\\\\").replace('"', '\\"')
        return quote + (inner.replace("'", "") if quote == "'" else inner) + quote

    def lookup(self) -> str:
        if self.maybe(self.slips):
            return self.one(words.BARE_SLIPS if self.bare else words.SLIPS)
        if self.names and self.maybe(0.4):
            slip = self.maybe(self.slips)
            return self.one(self.names) + (self.one([".0", ".x", ".Name", "()"]) if slip else "")
        return self.one(words.PATHS) if self.bare else self.one(words.LOOKUPS)

    def call(self) -> str:
        count = self.chance.choice([0, 1, 2, 3])
        listed = ", ".join(self.expression(0) for _ in range(count))
        if self.macros and self.maybe(0.6):
            return f"{self.one(self.macros)}({listed})"
        if self.bare:
            name = self.one(["f_same", "f_safe"] if count == 1 else ["f_count", "missing"])
            return f"{name}({listed})"
        if self.maybe(self.slips):
            return f"config_get({listed})"
        return f'config_get("{self.one(list(words.CONFIG))}", {self.atom()})'

    def atom(self) -> str:
        return self.weighted(
            (4, self.string),
            (3, self.number),
            (1, lambda: self.one(words.LITERALS)),
            (6, self.lookup),
            (1, self.call),
        )

    # -- filters

    def filtered(self) -> str:
        text = self.atom()
        for _ in range(self.chance.choice([0, 0, 0, 1, 1, 2, 3])):
            text += self.one(["|", "|", "|", " | "]) + self.filter()
        return text

    def filter(self) -> str:
        table = words.SLIPPERY if self.maybe(self.slips) else words.FILTERS
        name = self.one(list(table))
        kind = table[name]
        if not kind and not self.maybe(0.04):
            return name
        if kind and kind != "slice" and self.maybe(0.04):
            return name
        return name + self.one([":", ":", ":", ": "]) + self.argument(kind)

    def argument(self, kind: str) -> str:
        if kind in words.SLIPPERY_ARGUMENTS and self.maybe(self.slips):
            return self.one(words.SLIPPERY_ARGUMENTS[kind])
        if kind in words.ARGUMENTS and (self.maybe(0.8) or kind in words.SLIPPERY_ARGUMENTS):
            return self.one(words.ARGUMENTS[kind])
        return self.weighted((2, self.string), (1, self.number), (1, self.lookup))

    # -- expressions

    def expression(self, depth: int) -> str:
        if depth <= 0:
            return self.filtered()
        return self.weighted(
            (8, self.filtered),
            (2, lambda: self.binary(depth, ["==", "!=", "<>", "<", ">", "<=", ">="])),
            (2, lambda: self.binary(depth, ["and", "or", "&&", "||"])),
            (2, lambda: self.binary(depth, list("+-*/%^") + ["+", "-"])),
            (1, lambda: self.binary(depth, ["in"])),
            (1, lambda: self.sign() + self.operand(depth - 1)),
            (0.3, lambda: self.one(["-", "- ", "+", "-!", "-not "]) + self.number()),
            (1, lambda: f"({self.expression(depth - 1)})"),
        )

    def sign(self) -> str:
        return self.one(["-", "-!", "- "]) if self.maybe(self.slips) else self.one(["not ", "!", "not ", "+"])

    def operand(self, depth: int) -> str:
        text = self.expression(depth)
        simple = re.fullmatch(r"[\w.|:\"]+", text) or self.maybe(0.2 + self.slips)
        return text if simple else f"({text})"

    def binary(self, depth: int, operators: list[str]) -> str:
        text = self.operand(depth - 1)
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            operator = self.one(operators)
            space = " " if operator.isalpha() or self.maybe(0.8) else ""
            careful = operator in "/%" and not self.maybe(self.slips)
            right = self.one(["1", "2", "3", "7", "10", "2.5"]) if careful else self.operand(depth - 1)
            text += f"{space}{operator}{space}{right}"
        return text

    def long_chain(self) -> str:
        operators = self.one(["+-", "*", "|", "ao", "<>", "^"])
        text = self.atom()
        for _ in range(self.chance.randint(9, 14)):
            if operators == "|":
                text += "|" + self.filter()
            elif operators == "ao":
                text += self.one([" and ", " or "]) + self.filtered()
            else:
                text += f" {self.one(operators)} {self.filtered()}"
        return text

    # -- statements

    def tag(self, inner: str) -> str:
        opening, closing = self.one(["{%"] * 8 + ["{%-"]), self.one(["%}"] * 8 + ["-%}"])
        space = "" if self.maybe(0.05) else " "
        return f"{opening}{space}{inner}{space}{closing}"

    def show(self, depth: int = 2) -> str:
        opening, closing = self.one(["{{"] * 9 + ["{{-"]), self.one(["}}"] * 9 + ["-}}"])
        inner = self.long_chain() if self.maybe(0.02) else self.expression(depth)
        return f"{opening} {inner} {closing}"

    def text(self) -> str:
        return self.one(words.TEXTS)

    def body(self, depth: int, names: Sequence[str] = ()) -> str:
        """Write statements that may use *names*; what they bind is forgotten afterwards."""
        before, macros = list(self.names), list(self.macros)
        self.names += names
        text = self.statements(depth)
        self.names, self.macros = before, macros
        return text

    def statements(self, depth: int) -> str:
        return "".join(self.statement(depth) for _ in range(self.chance.randint(1, 4 if depth > 1 else 2)))

    def statement(self, depth: int) -> str:
        if depth <= 0:
            return self.weighted((3, self.text), (3, self.show))
        return self.weighted(
            (6, self.text),
            (6, self.show),
            (3, lambda: self.choose(depth)),
            (3, lambda: self.loop(depth)),
            (2, self.assign),
            (1, lambda: self.bind(depth)),
            (1, lambda: self.macro(depth)),
            (1, lambda: self.capture(depth)),
            (1, lambda: self.watch(depth)),
            (1, self.pick),
            (1, self.rarity),
            (1, lambda: self.wrap(depth)),
        )

    def choose(self, depth: int) -> str:
        text = self.tag(f"if {self.expression(2)}") + self.body(depth - 1)
        for _ in range(self.chance.choice([0, 0, 0, 1, 2])):
            kind = self.one(["elif", "elif", "else"])
            text += self.tag("else" if kind == "else" else f"elif {self.expression(1)}") + self.body(
                depth - 1
            )
        if self.maybe(0.4):
            text += self.tag("else") + self.body(depth - 1)
        return text + self.tag("endif")

    def loop(self, depth: int) -> str:
        names = self.one(["x", "k, v", "k,v", "x", "item", "c"])
        bound = names.replace(" ", "").split(",")
        flags = self.one(["", "", " reversed", " sorted", " reversed sorted"])
        source = self.weighted(
            (
                3,
                lambda: f"{self.atom()}|split:{self.one([chr(34) + ',' + chr(34), chr(34) + ' ' + chr(34)])}",
            ),
            (2, self.string),
            (1, self.filtered),
            (1, lambda: self.one(["devices.Sorted", "devices.Reversed()", "numbers", "mixed", "strings"])),
            (3, lambda: self.one(words.MAPS)),
        )
        is_sortable = "|split" in source or source in words.MAPS or source in {"numbers", "mixed", "strings"}
        if not is_sortable and not self.maybe(self.slips):
            flags = flags.replace(" sorted", "")
        if source in words.MAPS and "sorted" not in flags:
            flags += " sorted"
        extra = [
            "forloop.Counter",
            "forloop.First",
            "forloop.Last",
            "forloop.Revcounter0",
            "forloop",
            "forloop.Counter0",
        ]
        text = self.tag(f"for {names} in {source}{flags}") + self.body(depth - 1, [*bound, *extra])
        if self.maybe(0.2):
            text += self.tag("empty") + self.body(depth - 1)
        return text + self.tag("endfor")

    def assign(self) -> str:
        name = self.one(["a", "b", "x", "val"])
        text = self.tag(f"set {name} = {self.expression(2)}")
        self.names.append(name)
        return text

    def bind(self, depth: int) -> str:
        if self.maybe(0.3):
            return (
                self.tag(f"with {self.expression(1)} as w")
                + self.body(depth - 1, ["w"])
                + self.tag("endwith")
            )
        pairs = " ".join(
            f"{name}={self.filtered()}"
            for name in self.chance.sample(["w", "x", "y"], self.chance.randint(1, 2))
        )
        return self.tag(f"with {pairs}") + self.body(depth - 1, ["w", "x"]) + self.tag("endwith")

    def macro(self, depth: int) -> str:
        name = self.one(["m", "n", "o"])
        parameters = self.chance.sample(["p", "q", "r"], self.chance.randint(0, 2))
        written = ", ".join(p + (f"={self.filtered()}" if self.maybe(0.4) else "") for p in parameters)
        text = self.tag(f"macro {name}({written})") + self.body(depth - 1, parameters) + self.tag("endmacro")
        self.macros.append(name)
        return text

    def capture(self, depth: int) -> str:
        if self.maybe(0.3):
            return self.tag("spaceless") + self.body(depth - 1) + self.tag("endspaceless")
        chain = "|".join(self.filter() for _ in range(self.chance.choice([1, 1, 2, 0])))
        if self.maybe(self.slips):
            chain = "nosuch"
        return self.tag(f"filter {chain}") + self.body(depth - 1) + self.tag("endfilter")

    def watch(self, depth: int) -> str:
        kind = self.one(["ifchanged", "ifequal", "ifnotequal", "ifchanged"])
        arguments = [
            self.filtered() for _ in range(2 if kind != "ifchanged" else self.chance.choice([0, 1, 1, 2]))
        ]
        text = self.tag(" ".join([kind, *arguments])) + self.body(depth - 1)
        if self.maybe(0.5) or (kind == "ifchanged" and arguments and not self.maybe(self.slips)):
            text += self.tag("else") + self.body(depth - 1)
        return text + self.tag(f"end{kind}")

    def pick(self) -> str:
        if self.maybe(0.5):
            return self.tag("firstof " + " ".join(self.filtered() for _ in range(self.chance.randint(0, 3))))
        values = " ".join(self.filtered() for _ in range(self.chance.randint(1, 3)))
        if not self.maybe(0.4):
            return self.tag(f"cycle {values}")
        self.names.append("cy")
        return self.tag(f"cycle {values} as cy" + self.one(["", " silent"])) + self.one(
            ["", self.tag("cycle cy")]
        )

    def rarity(self) -> str:
        return self.weighted(
            (
                2,
                lambda: self.tag(
                    f"widthratio {self.atom()} {self.number()} {self.atom()}" + self.one(["", " as b"])
                ),
            ),
            (1, lambda: self.tag(f"now {self.one(words.LAYOUTS)} fake")),
            (1, lambda: self.tag("templatetag " + self.one(["openblock", "closebrace", "opencomment"]))),
            (1, lambda: self.tag("lorem " + self.one(["", "2 w", "5 w", "1 p", "2", "w", "0 b"]))),
            (1, lambda: "{% verbatim %}" + self.one(["x", "{{ x }}", " {% if %}\n"]) + "{% endverbatim %}"),
            (1, lambda: self.one(["{# c #}", "{# {{ x }} #}", "{##}", "{#-#}"])),
            (2 * self.slips, self.nonsense),
        )

    def nonsense(self) -> str:
        tags = [
            'include "x"',
            'ssi "x"',
            "nosuch",
            "endif",
            "else",
            "block",
            "raw",
            "templatetag x",
            "lorem 1 x",
        ]
        return self.one(["{#}", "{% verbatim %}{% endverbatim %}", *map(self.tag, tags)])

    def wrap(self, depth: int) -> str:
        kind = self.one(["autoescape on", "autoescape off", "comment", "block"])
        if kind == "block":
            self.blocks += 1
            kind = f"block b{self.blocks}"
        return self.tag(kind) + self.body(depth - 1) + self.tag("end" + kind.split()[0])


# -- variables


def _daemon_variables(chance: random.Random) -> dict[str, Any]:
    def some(table: dict[str, list[str]], share: float) -> dict[str, str]:
        return {key: chance.choice(values) for key, values in table.items() if chance.random() < share}

    return {
        "trigger": chance.choice(["create", "copy", "start", "rename"]),
        "path": chance.choice(["/etc/hostname", "/var/lib/cloud/seed/nocloud-net/meta-data", "/\u00e9"]),
        "instance": chance.choice(words.INSTANCES),
        "config": some(words.CONFIG, 0.5),
        "devices": {name: device for name, device in words.DEVICES.items() if chance.random() < 0.6},
        "properties": chance.choice(words.PROPERTIES),
    }


def _bare_variables() -> dict[str, Any]:
    def text(value: str) -> dict[str, Any]:
        return {"string": base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()}

    values = ["b", "a", "<c>", "10", "9"]
    return {
        "text": text("some <b>Text</b> & m\u00f6re"),
        "empty": text(""),
        "bytes": text("a\udcff\udcc3\u00e9"),
        "seven": {"int": 7},
        "small": {"int": -9223372036854775808},
        "half": {"float": 0.5},
        "big": {"float": 1e21},
        "yes": {"bool": True},
        "no": {"bool": False},
        "nil": {},
        "strings": {"strings": [base64.b64encode(value.encode()).decode() for value in values]},
        "numbers": {"ints": [3, 1, 2]},
        "mixed": {"list": [{"int": 1}, text("one"), {}, {"bool": True}, {"float": 1.5}, {"list": []}]},
        "map": {"map": {"key": text("value"), "other": {"int": 3}, "inner": {"map": {"x": {"int": 1}}}}},
        "texts": {"texts": {"b": "2", "a": "1"}},
        "moment": {"time": "2021-03-04T05:06:07.080900Z"},
        "f_nothing": {"func": "nothing"},
        "f_constant": {"func": "constant"},
        "f_same": {"func": "same"},
        "f_safe": {"func": "safe"},
        "f_count": {"func": "count"},
    }


# -- damage


def _damaged(chance: random.Random, template: str) -> str:
    """Break a template in one or two places."""
    for _ in range(chance.choice([1, 1, 2])):
        parts = re.findall(r"\{%.*?%\}|\{\{.*?\}\}|\w+|\s+|.", template, re.DOTALL)
        if not parts:
            return template
        at = chance.randrange(len(parts))
        kind = chance.randrange(5)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(at, chance.choice(parts))
        elif kind == 2:
            parts.insert(at, chance.choice(list("{}%#|\"'()[]-!&.,:;=<>^ \n\\$~0aZ\x01\u00e9") + ["\udcff"]))
        elif kind == 3:
            place = chance.randrange(len(parts[at]) or 1)
            parts[at] = parts[at][:place] + parts[at][place + 1 :]
        else:
            del parts[at:]
        template = "".join(parts)
    return template


# -- profiles


def _image(writer: Writer) -> str:
    return writer.statements(3)


def _expressions(writer: Writer) -> str:
    return "|".join(writer.show(3) for _ in range(writer.chance.randint(1, 3)))


def _filters(writer: Writer) -> str:
    chain = "".join("|" + writer.filter() for _ in range(writer.chance.randint(1, 3)))
    return f"[{{{{ {writer.atom()}{chain} }}}}]"


def _tags(writer: Writer) -> str:
    return "".join(
        writer.weighted(
            (1, lambda: writer.choose(3)),
            (2, lambda: writer.loop(3)),
            (1, lambda: writer.bind(3)),
            (2, lambda: writer.macro(3)),
            (2, lambda: writer.capture(3)),
            (2, lambda: writer.watch(3)),
            (1, writer.pick),
            (1, writer.rarity),
            (1, lambda: writer.wrap(3)),
            (1, writer.assign),
            (2, writer.show),
            (1, writer.text),
        )
        for _ in range(writer.chance.randint(2, 5))
    )


def _broken(writer: Writer) -> str:
    profile = writer.chance.choice([_image, _expressions, _filters, _tags])
    return _damaged(writer.chance, profile(writer))


PROFILES: dict[str, Callable[[Writer], str]] = {
    "image": _image,
    "expressions": _expressions,
    "filters": _filters,
    "tags": _tags,
    "broken": _broken,
}


def write(profile: str, seed: str) -> Case:
    """Return the case of *profile* that *seed* decides."""
    chance = random.Random(f"{profile}:{seed}")
    writer = Writer(chance)
    writer.bare = profile != "image" and chance.random() < 0.4
    if writer.bare:
        variables = _bare_variables()
        return Case(
            template=PROFILES[profile](writer),
            variables=variables,
            mode="bare",
            autoescape=chance.random() < 0.7,
        )
    return Case(template=PROFILES[profile](writer), variables=_daemon_variables(chance))
