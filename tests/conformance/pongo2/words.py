"""What random templates are made of."""

from __future__ import annotations

__all__ = [
    "ARGUMENTS",
    "CONFIG",
    "DEVICES",
    "FILTERS",
    "INSTANCES",
    "LAYOUTS",
    "LITERALS",
    "LOOKUPS",
    "MAPS",
    "NUMBERS",
    "PATHS",
    "PIECES",
    "PROPERTIES",
    "STRINGS",
    "TEXTS",
]

CONFIG = {
    "user.user-data": ["#cloud-config\n{}\n", "#cloud-config\npackages: [a, b]\n\r\n", ""],
    "user.meta-data": ["", "a: b\n"],
    "user.network_mode": ["link-local", "dhcp", ""],
    "user.words": ["the quick brown fox jumps", "one", "a\nb\n\nc d", "it's o'neil \u00e9t\u00e9 foo-bar_baz"],
    "image.os": ["Ubuntu", "debian", "Alpine"],
    "limits.cpu": ["2", "0-3", "1.5", "007"],
    "plain": ["value", "Va Lue", "  pad  ", "a,b,c", "<b>x</b> <i>y</i>"],
    "number": ["42", "-7", "3.75", "0", "1e3", "9999999999999999999", " 5", "1_0", "0x1p3", "inf", ".5", "+2", "nan"],
    "list": ["3,1,2", "b a", "x", ",,", "www.a.de x@y.zz http://b.org/?a=b&c"],
    "nl": ["x\r\n\r\n", "\n", "a\n"],
}
INSTANCES = [
    {"name": "c1", "type": "container", "architecture": "x86_64", "ephemeral": "false", "privileged": "false"},
    {"name": "Web-01", "type": "container", "architecture": "aarch64", "ephemeral": "true", "privileged": "true"},
    {"name": "vm1", "type": "virtual-machine", "architecture": "x86_64", "ephemeral": "false"},
]
DEVICES = {
    "eth0": {"type": "nic", "name": "eth0", "network": "lxdbr0"},
    "eth1": {"type": "nic", "parent": "br0", "nested": "eth0", "initial.mtu": "9000"},
    "root": {"type": "disk", "path": "/", "pool": "default", "initial.size": "10GiB"},
    "data": {"type": "disk", "path": "/srv", "source": "/mnt"},
    "gpu0": {"type": "gpu"},
    "tpm": {"type": "tpm", "path": "/dev/tpm0"},
}
PROPERTIES = [None, {}, {"default": "#cloud-config\n{}\n"}, {"default": "d", "n": "5", "u": "\u00fc"}]

MAPS = [
    "config",
    "instance",
    "properties",
    "devices",
    "devices.eth0",
    "devices.root",
    "container",
    "map",
    "texts",
    "devices.CloneNative",
    "devices.eth1.InitialConfig",
]
LOOKUPS = [
    *("instance.name", "instance.type", "instance.architecture", "instance.privileged", "instance.missing"),
    *("container.name", "config.plain", "config.number", "config.list", "config.user", "config.user.words"),
    *("path", "trigger", "path.0", "path.99", "path.x", "trigger.0", "instance.name.1", "instance.0"),
    *("properties.default", "properties.n", "properties.u", "properties.nope"),
    *("devices.eth0.type", "devices.root.path", "devices.nope.type", "devices.eth1.nested"),
    *("devices.Sorted", "devices.Sorted.0.Name", "devices.Reversed.1.Config.type", "devices.Sorted.Len"),
    *("devices.Clone", "devices.Filter", "devices.Filter()", 'devices.Filter("x")', "devices.Copy", "devices.Update"),
    *("devices.CutInitialConfig", "devices.eth1.InitialConfigWithoutPrefix", "devices.eth0.Clone.name"),
    *('devices.Contains("eth0", devices.eth0)', "devices.Contains(1, devices)", "devices.Sorted.Less(0, 1)"),
    *("config", "instance", "devices", "properties", "config_get", "pongo2", "pongo2.x", "pongo2.Update(pongo2)"),
    *("missing", "missing.a.b", "missing()", "missing(1/0)", "nil", "None", "True", "9lives", "_u", "x", "k"),
    *("forloop", "forloop.Counter", "forloop.Parentloop", "forloop.Parentloop.Counter", "forloop.counter"),
    *("block", "block.Super", "cy", "cy.String", "cy.value"),
]
PATHS = [
    *("text", "empty", "bytes", "seven", "small", "half", "big", "yes", "no", "nil", "strings", "numbers", "mixed"),
    *("map", "map.key", "map.other", "map.inner.x", "map.nope", "texts.a", "strings.0", "strings.9", "numbers.1"),
    *("mixed.0", "mixed.1", "mixed.2", "mixed.3", "mixed.5", "text.0", "bytes.1", "seven.0", "seven.x", "map.0"),
    *("moment", "moment.Year", "moment.Unix", 'moment.Format("2006")', "moment.Hour", "moment.nope", "moment.0"),
    *("f_nothing", "f_constant", "f_count", "f_same", "f_safe", "missing", "missing.a", "missing(1/0)"),
    *("pongo2.version", "forloop", "forloop.Counter", "block.Super", "x", "k", "v", "item"),
]
NUMBERS = [
    *("0", "1", "2", "3", "5", "7", "10", "42", "100", "007", "1.5", "2.0", "0.0", "0.5", "3.25", "0.1", "1.05"),
    *("9223372036854775807", "1000000", "123456789.125", "2147483648", "255", "65", "8364"),
]
LITERALS = ["true", "false", "true", "false", "-1", "not"]
STRINGS = [
    *('""', '"a"', '"abc"', "'x y'", '"Hello World"', '"5"', '"-3"', '"2.5"', '"a,b,c"', '","', '" "', '"create"'),
    *('"\u00e9\u2603"', '"a\\"b"', '"\\\\"', '"<b>"', '"true"', '"1:2"', '"%s"', '"{{"', '"nic"', '"user.words"'),
    *('"http://a.bc/d e"', '"<p>x y</p> <p>z</p>"', '"it\'s"', '"\u00df\u0130\u01c5"', '"x@y.zz"', '"0"', '"1e2"'),
    *('"a b  c"', '"A\tB"', '"\U0001f600x"', '"\udcff\udce9"', '"e\u0301"', '"100%"', '"\\\\n"', '"line"', '"name"'),
]
PIECES = [
    *("a", "B", "c d", " ", "  ", ",", ".", ";", ":", "<", ">", "<b>", "</b>", "<br/>", "</p>", "&", "&amp;", '"', "\\"),
    *("\u00e9", "\u00df", "\u2603", "\U0001f600", "\udcff", "\udcc3", "\udca9", "\u00a0", "\u2028", "\t", "\x00", "0"),
    *("1", "42", "-", "_", "%", "/", "?", "#", "@", "www.", ".com", "http://", "x", "\u0131", "\ufb01", "\u1f80", "'"),
]
TEXTS = [
    *("", " ", "\n", "abc", "a b", "x: ", "- ", "\t", "  \n", "name=", "\r\n", "}", "%", "#", "\u00e9", "\u2603"),
    *("<p> </p>", "<a> <b>", "'", '"', "\\", "-", "$X ${Y}", "{ x }", "end\n", "\udcff", "\u00a0", "}}", "%}"),
]
LAYOUTS = ['"2006-01-02"', '"15:04:05.000"', '"Mon Jan _2 MST"', '"x"', '"Monday, 02-Jan-06 3PM -0700"', '"002 __2"']

# What a filter's argument usually is; nothing for those without one.
FILTERS = {
    **dict.fromkeys(["add", "cut", "default", "default_if_none", "get_digit", "join", "split", "date", "time"], "any"),
    **dict.fromkeys(["divisibleby", "length_is", "ljust", "rjust", "center", "truncatechars"], "count"),
    **dict.fromkeys(["truncatewords", "truncatechars_html", "truncatewords_html", "wordwrap", "urlizetrunc"], "count"),
    **dict.fromkeys(["upper", "lower", "title", "capfirst", "length", "first", "last", "make_list", "escape", "safe"], ""),
    **dict.fromkeys(["addslashes", "escapejs", "urlencode", "iriencode", "striptags", "linebreaks", "linebreaksbr"], ""),
    **dict.fromkeys(["linenumbers", "wordcount", "integer", "float", "phone2numeric", "urlize"], ""),
    "slice": "slice",
    "stringformat": "format",
    "yesno": "choice",
    "pluralize": "ending",
    "floatformat": "digits",
    "removetags": "tags",
}
ARGUMENTS = {
    "any": ['","', '" "', '""', '"a"', '"b"', "1", "2", "0"],
    "count": ["0", "1", "2", "3", "4", "5", "8", "12", '"6"', '"x"', "missing", "1.9"],
    "slice": ['":2"', '"1:"', '"1:3"', '":"', '"0:0"', '"5:9"', '"2:1"', '"-1:"', '":-1"', '"x"', '"1:2:3"'],
    "format": [
        *('"%s"', '"%d"', '"%5s|"', '"%-4s|"', '"%05d"', '"%v"', '"%.2f"', '"%x"', '"%q"', '"%t"', '"a%%b"', '"%s %s"'),
        *('"%"', '"%6.2f"', '"%T"', '"%c"', '"%+d"', '"%e"', '"%g"', '"%08.3f"', '"%X"', '"%U"', '"%o"', '"%b"', '"%+q"'),
        *('"%[1]s"', '"%#x"', '"%#v"', '"%*d"', '"% d"', '"%.1s"', '"%!"', '"%G"', '"%#q"', '"%p"'),
    ],
    "choice": ['"a,b"', '"a,b,c"', '"on,off"', '"x,"', '"yes,no,maybe"', '"a"', '"a,b,c,d"', '",,"', '""'],
    "ending": ['"es"', '"y,ies"', '"a,b,c"', '""', '","'],
    "digits": ["0", "1", "2", "3", '"2"', '"x"', '"-2"', "10"],
    "tags": ['"b"', '"b,i"', '""', '"p"', '"br"', '"[a-z]+"'],
}
