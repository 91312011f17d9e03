"""
Go's ``fmt.Sprintf``: a format string with verbs, applied to values that may all be of the wrong type.

Nothing fails here: what does not fit is described in the output, as in ``%!d(string=abc)``.  This module reads the
directives (flags, argument index, width, precision, verb); `_printer` prints the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lxdimage.templates._go._printer import Describe, Kind, Operand, Output, Printer, describe_plain
from lxdimage.templates._go._verbs import Flags

__all__ = ["sprintf"]


def _ignore(_size: int) -> None:
    pass


def sprintf(
    format: str,  # noqa: A002 - Go's name
    values: Sequence[object],
    describe: Describe = describe_plain,
    reserve: Callable[[int], None] = _ignore,
) -> str:
    """
    Return *format* with its verbs replaced by *values*, as Go 1.19 does.

    Args:
        format: The format string.
        values: The arguments.
        describe: Says what a value, or an element of one, is in Go.
        reserve: Called with a size before the result grows to it, at each doubling; may raise to refuse.

    Raises:
        UnstableOutputError: The result would hold a memory address.
    """
    operands = [describe(value) for value in values]
    out = Output(reserve)
    _Formatter(format, operands, out, describe).run()
    return out.text()


# Go stops reading a number at the digit that makes it larger than this, and takes no such number as an argument.
_TOO_LARGE = 1_000_000


class _Formatter:
    """Walk over a format string; its state is where it is and which argument comes next."""

    def __init__(self, template: str, operands: Sequence[Operand], out: Output, describe: Describe) -> None:
        self._template = template
        self._end = len(template)
        self._at = 0
        self._operands = operands
        self._next = 0
        self._has_good_index = True
        self._was_reordered = False
        self._out = out
        self._printer = Printer(out, describe)
        self._last_bracket = template.rfind("]")

    def run(self) -> None:
        """Print everything."""
        while self._at < self._end:
            self._text()
            if self._at < self._end:
                self._at += 1
                self._directive()
        if not self._was_reordered and self._next < len(self._operands):
            self._extra(self._operands[self._next :])

    def _text(self) -> None:
        """Copy what stands before the next ``%``."""
        start = self._at
        found = self._template.find("%", start)
        self._at = self._end if found < 0 else found
        self._out.write(self._template[start : self._at])

    def _directive(self) -> None:
        """Read and print one directive, from behind its ``%``."""
        self._has_good_index = True
        flags = Flags()
        self._flags(flags)
        after_index = self._index()
        after_index = self._width(flags, after_index=after_index)
        after_index = self._precision(flags, after_index=after_index)
        if not after_index:
            self._index()
        if self._at >= self._end:
            self._out.write("%!(NOVERB)")
            return
        verb = self._template[self._at]
        self._at += 1
        self._print(flags, "\ufffd" if "\udc80" <= verb <= "\udcff" else verb)

    def _flags(self, flags: Flags) -> None:
        while self._at < self._end:
            match self._template[self._at]:
                case "#":
                    flags.sharp = True
                case "0":
                    flags.zero = not flags.minus
                case "+":
                    flags.plus = True
                case "-":
                    flags.prefer_minus()
                case " ":
                    flags.space = True
                case _:
                    return
            self._at += 1

    def _peek(self, char: str) -> bool:
        return self._template.startswith(char, self._at)

    def _index(self) -> bool:
        """Read ``[n]``, and tell whether it was a number; one out of range makes the verb print ``BADINDEX``."""
        if not self._peek("["):
            return False
        self._was_reordered = True
        start = self._at + 1
        close = self._template.find("]", start) if start <= self._last_bracket else -1
        if close < 0 or start + 1 == self._end:
            self._at += 1
            self._has_good_index = False
            return False
        self._at = start
        number = self._number()
        is_number = number is not None and self._at == close
        self._at = close + 1
        if number is not None and is_number and 1 <= number <= len(self._operands):
            self._next = number - 1
            return True
        self._has_good_index = False
        return is_number

    def _number(self) -> int | None:
        """Read decimal digits; None when there are none, or so many that Go gives up behind them."""
        start = self._at
        number = 0
        while self._at < self._end and "0" <= self._template[self._at] <= "9":
            if number > _TOO_LARGE:
                self._at = self._end
                return None
            number = number * 10 + int(self._template[self._at])
            self._at += 1
        return number if self._at > start else None

    def _argument(self) -> int | None:
        """Take an argument as the number for a ``*``; None when it is no integer or too large."""
        if self._next >= len(self._operands):
            return None
        operand = self._operands[self._next]
        self._next += 1
        if operand.kind not in {Kind.INTEGER, Kind.UNSIGNED} or abs(operand.value) > _TOO_LARGE:
            return None
        return int(operand.value)

    def _width(self, flags: Flags, *, after_index: bool) -> bool:
        if self._peek("*"):
            self._at += 1
            width = self._argument()
            if width is None:
                self._out.write("%!(BADWIDTH)")
            elif width < 0:
                flags.prefer_minus()
            flags.width = abs(width or 0)
            return False
        number = self._number()
        if after_index and number is not None:
            self._has_good_index = False
        flags.width = number or 0
        return after_index

    def _precision(self, flags: Flags, *, after_index: bool) -> bool:
        # A point at the very end is taken for a verb.
        if not self._peek(".") or self._at + 1 == self._end:
            return after_index
        self._at += 1
        if after_index:
            self._has_good_index = False
        after_index = self._index()
        if not self._peek("*"):
            flags.precision = self._number() or 0
            return after_index
        self._at += 1
        precision = self._argument()
        if precision is None or precision < 0:
            self._out.write("%!(BADPREC)")
            return False
        flags.precision = precision
        return False

    def _print(self, flags: Flags, verb: str) -> None:
        if verb == "%":
            self._out.write("%")
        elif not self._has_good_index:
            self._out.write(f"%!{verb}(BADINDEX)")
        elif self._next >= len(self._operands):
            self._out.write(f"%!{verb}(MISSING)")
        else:
            operand = self._operands[self._next]
            self._next += 1
            if verb == "v":
                flags.for_v()
            self._printer.print(flags, operand, verb)

    def _extra(self, operands: Iterable[Operand]) -> None:
        """Name the arguments that no verb used."""
        self._out.write("%!(EXTRA ")
        for count, operand in enumerate(operands):
            self._out.write(", " if count else "")
            self._printer.print_typed(Flags(), operand)
        self._out.write(")")
