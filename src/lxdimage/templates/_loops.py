"""
Operations of the ``for`` tag.

The loop itself is jinja2's `for` node over `rounds`, which sets the variables and yields nothing of use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from lxdimage.templates._meter import Chance, Trouble
from lxdimage.templates._operators import ordering
from lxdimage.templates._runtime import Rendering
from lxdimage.templates._sites import ForSite
from lxdimage.templates._values import GoList, GoMap, NamedString, Panic, Struct, Value, deref, from_raw, raw

__all__ = ["OPERATIONS"]


def enter_for(rt: Rendering, index: int) -> None:
    """Open the scope of a loop; what is iterated sees its ``forloop`` already."""
    outer = rt.scope.loop
    if outer is False:
        raise Panic(
            "interface conversion: interface {} is not *pongo2.tagForLoopInformation",
            rt.place(rt.sites[index].token),
        )
    loop = Struct(
        "*pongo2.tagForLoopInformation",
        {
            "Counter": 0,
            "Counter0": 0,
            "Revcounter": 0,
            "Revcounter0": 0,
            "First": True,
            "Last": False,
            "Parentloop": outer,
        },
    )
    scope = rt.scope.child()
    scope.names["forloop"] = scope.loop = loop
    rt.push(scope)


def rounds(rt: Rendering, value: Value, index: int) -> Iterator[None]:
    """Yield once a round, with the loop's variables set."""
    site: ForSite = rt.sites[index]
    try:
        count, turns = _turns(rt, deref(value), site)
    except Trouble as error:
        raise rt.blame(error, site.token) from None
    scope, loop = rt.scope, rt.scope.loop
    assert isinstance(loop, Struct)
    fields = loop.fields
    for at, key, entry in turns:
        rt.meter.step()
        scope.bind(site.key, key)
        if entry and site.value:
            scope.bind(site.value, entry[0])
        fields["Counter"], fields["Counter0"] = at + 1, at
        fields["Revcounter"], fields["Revcounter0"] = count - at, count - at - 1
        if at == 1:
            fields["First"] = False
        if at + 1 == count:
            fields["Last"] = True
        yield None


Turns: TypeAlias = Iterator[tuple[int, Value, tuple[Value] | None]]


def _turns(rt: Rendering, value: Value, site: ForSite) -> tuple[int, Turns]:
    """Return how many rounds there are, and for each its index, key and, for maps, value."""
    match value:
        case GoMap():
            keys = _keys(rt, value, site)
            # A method may take keys away while the loop runs; what is gone is nil.
            return len(keys), ((at, key, (value.get(key),)) for at, key in enumerate(keys))
        case GoList():
            return len(value), ((at, item, None) for at, item in enumerate(_items(rt, value, site)))
        case str():
            return _bytes(rt, value, site)
    return 0, iter(())


def _keys(rt: Rendering, value: GoMap, site: ForSite) -> list[Value]:
    """Return the keys of a map: ascending unless told, since the engine's own order is random."""
    rt.meter.items(len(value))
    if not site.ordered and len(value) > 1:
        rt.tools.chances.add(Chance.MAP_ORDER)
    return sorted(value, key=ordering, reverse=site.ordered and site.backwards)


def _items(rt: Rendering, value: GoList, site: ForSite) -> list[Value]:
    rt.meter.items(len(value))
    if not site.ordered:
        return value[::-1] if site.backwards else value
    if value.type_name == "[]interface {}":
        return value  # the engine does not look into interfaces: all elements seem equal to it
    return sorted(value, key=ordering, reverse=site.backwards)


_BYTES = [from_raw(bytes([byte])) for byte in range(256)]


def _bytes(rt: Rendering, value: str, site: ForSite) -> tuple[int, Turns]:
    """Return the bytes of a string, each as a string of its type; backwards the counters run backwards too."""
    if site.ordered:
        raise Panic("TODO: handle sort for type string")
    rt.meter.work(len(value))
    data = raw(value)
    places = range(len(data) - 1, -1, -1) if site.backwards else range(len(data))
    if isinstance(value, NamedString):
        kind = value.type_name
        return len(data), ((at, NamedString(_BYTES[data[at]], kind), None) for at in places)
    return len(data), ((at, _BYTES[data[at]], None) for at in places)


OPERATIONS: dict[str, Callable[..., Any]] = {"enter_for": enter_for, "rounds": rounds}
