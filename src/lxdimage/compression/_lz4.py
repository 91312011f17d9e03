"""
LZ4 frames one after the other (LZ4 frame format 1.6), in Python alone.

Only Incus reads such images and few exist: correct and without a dependency counts more here than speed.  What
precedes damage comes out as from ``lz4 -d``, which gives its library 64 KiB at a time: a call that fails writes
nothing, and it may have begun with the end of a good block.
"""

from __future__ import annotations

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._damage import corrupt, mismatch, trailing_garbage, truncated, unsupported
from lxdimage.compression._xxh32 import XXH32, xxh32
from lxdimage.errors import InvalidImageError, TruncatedImageError

__all__ = ["decode_frame", "decode_lz4"]

_FRAME, _LEGACY = 0x184D2204, 0x184C2102
_SKIPPABLE, _SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
_LEGACY_BLOCK = 8 << 20
_STORED = 1 << 31
_HISTORY = 1 << 16
_CALL = 1 << 16


def decode_lz4(cursor: Cursor) -> Chunks:
    """Yield the content of all frames."""
    first = True
    while (head := cursor.peek(4)) or first:
        start = cursor.offset
        if len(head) < 4 and not first and not _FRAME.to_bytes(4, "little").startswith(head):
            raise trailing_garbage("lz4", start)
        magic = int.from_bytes(_take(cursor, 4), "little")
        if magic == _FRAME:
            yield from _frame(cursor)
        elif magic == _LEGACY:
            yield from _legacy_frame(cursor)
        elif magic & _SKIPPABLE_MASK == _SKIPPABLE:
            _skip(cursor, int.from_bytes(_take(cursor, 4), "little"))
        elif first:
            raise corrupt(f"expected an LZ4 frame, found the magic number {magic:#010x}", start)
        else:
            raise trailing_garbage("lz4", start)
        first = False


def decode_frame(cursor: Cursor) -> Chunks:
    """Yield the content of one frame, and leave what follows it."""
    _take(cursor, 4)
    return _frame(cursor)


def _take(cursor: Cursor, size: int) -> bytes:
    data = cursor.take(size)
    if len(data) < size:
        raise truncated("the file ends inside an LZ4 frame", cursor.offset)
    return data


def _skip(cursor: Cursor, size: int) -> None:
    """Step over a skippable frame; of a pipe, as at creation, ``lz4 -d`` wants all of it."""
    while size:
        data = cursor.take_any(size)
        if not data:
            raise truncated("the file ends inside a skippable LZ4 frame", cursor.offset)
        size -= len(data)


@attrs.frozen(kw_only=True)
class _Descriptor:
    """What the header of a frame says (LZ4 frame format, "Frame Descriptor")."""

    linked: bool
    block_checksums: bool
    content_checksum: bool
    content_size: int | None
    block_size: int


def _parse_descriptor(cursor: Cursor) -> _Descriptor:
    start = cursor.offset
    raw = _take(cursor, 2)
    flags, sizes = raw
    if flags >> 6 != 1 or flags & 2 or sizes & 0x8F or sizes >> 4 < 4:
        raise unsupported(f"an LZ4 frame has flags {flags:#04x} and block size {sizes:#04x}", start)
    if flags & 8:
        raw += _take(cursor, 8)
    content_size = int.from_bytes(raw[2:], "little") if flags & 8 else None
    if flags & 1:
        raw += _take(cursor, 4)
    claimed, computed = _take(cursor, 1)[0], xxh32(raw) >> 8 & 0xFF
    if claimed != computed:
        message = f"the header checksum of an LZ4 frame is {claimed:#04x}, computed {computed:#04x}"
        raise mismatch(message, cursor.offset - 1)
    return _Descriptor(
        linked=not flags & 32,
        block_checksums=bool(flags & 16),
        content_checksum=bool(flags & 4),
        content_size=content_size,
        block_size=1 << 8 + 2 * (sizes >> 4),
    )


def _frame(cursor: Cursor) -> Chunks:
    """Yield the content of a frame behind its magic number, without that of a call that fails."""
    late = b""
    try:
        for output in _calls(cursor):
            yield late
            late = output
    except TruncatedImageError:
        yield late  # no call fails, there is nothing left to call with
        raise
    yield late


def _calls(cursor: Cursor) -> Chunks:
    """
    Yield the content of a frame behind its magic number, as calls of the library give it out.

    ``Frame = Magic Descriptor Block* EndMark [Checksum]``; a call goes on behind a block up to the next block's data.
    """
    descriptor = _parse_descriptor(cursor)
    running = XXH32()
    size, history = 0, b""
    while word := _block_word(cursor, descriptor, size):
        yield b""
        block = (
            _stored(cursor, word & ~_STORED, descriptor)
            if word & _STORED
            else _packed(cursor, word, descriptor, history)
        )
        for output in block:
            if descriptor.linked:
                history = (history + output)[-_HISTORY:]
            if descriptor.content_checksum:
                running.update(output)
            size += len(output)
            yield output
    yield b""
    if descriptor.content_checksum:
        _check(cursor, running.digest(), "content")


def _block_word(cursor: Cursor, descriptor: _Descriptor, size: int) -> int:
    """Return what is in front of a block, or zero at the end of the frame behind *size* bytes of content."""
    start = cursor.offset
    word = int.from_bytes(_take(cursor, 4), "little")
    claimed = word & ~_STORED
    if claimed > descriptor.block_size:
        raise corrupt(
            f"an LZ4 block claims {claimed} bytes, at most {descriptor.block_size} are allowed", start
        )
    if not word and descriptor.content_size not in {None, size}:
        raise mismatch(f"an LZ4 frame claims {descriptor.content_size} bytes, found {size}", cursor.offset)
    return word


def _check(cursor: Cursor, computed: int, what: str) -> None:
    claimed = int.from_bytes(_take(cursor, 4), "little")
    if claimed != computed:
        message = f"the {what} checksum of an LZ4 frame is {claimed:#010x}, computed {computed:#010x}"
        raise mismatch(message, cursor.offset - 4)


def _stored(cursor: Cursor, size: int, descriptor: _Descriptor) -> Chunks:
    """Yield the content of a block that is stored, also of one that is cut."""
    check, computed = 4 * descriptor.block_checksums, XXH32()
    for left in range(size, 0, -_CALL):
        data = cursor.take(min(left, _CALL))
        computed.update(data)
        yield data
        if len(data) < min(left, _CALL):
            raise truncated("the file ends inside an LZ4 frame", cursor.offset)
    if check:
        if not _in_one_call(size, check):
            yield b""
        _check(cursor, computed.digest(), "block")
    if not _in_one_call(size, check + 4):
        yield b""


def _packed(cursor: Cursor, size: int, descriptor: _Descriptor, history: bytes) -> Chunks:
    """Yield the content of a block that is compressed."""
    start = cursor.offset - 4
    data = _take(cursor, size)
    if descriptor.block_checksums:
        _check(cursor, xxh32(data), "block")
        size += 4
    yield from _pieces(_expand(data, history, descriptor.block_size, start))
    if not _in_one_call(size, 4):
        yield b""


def _in_one_call(size: int, behind: int) -> bool:
    """Return whether the end of *size* bytes and so many *behind* them are read at once."""
    return (size - 1) % _CALL + 1 + behind <= _CALL


def _legacy_frame(cursor: Cursor) -> Chunks:
    """Yield the content of a legacy frame, which ends with the file or where another magic number follows."""
    while head := cursor.peek(4):
        start, size = cursor.offset, int.from_bytes(head, "little")
        if size > _LEGACY_BLOCK + _LEGACY_BLOCK // 255 + 16:
            return
        _take(cursor, 4)
        yield from _pieces(_expand(_take(cursor, size), b"", _LEGACY_BLOCK, start))


def _pieces(data: bytes) -> Chunks:
    for start in range(0, len(data), _CALL):
        yield data[start : start + _CALL]


def _expand(data: bytes, history: bytes, limit: int, start: int) -> bytes:
    """
    Return the content of a compressed block (LZ4 block format), at most *limit* bytes.

    ``Block = Sequence*``, ``Sequence = Token Length* Literals [Offset Length*]``; the last one has no match.  lz4
    refuses a match near the end of the block ("End of block conditions"), or near the *limit*.
    """
    output = bytearray(history)
    limit += len(history)
    position, end = 0, len(data)
    try:
        while True:
            token = data[position]
            position += 1
            length = token >> 4
            if length == _CONTINUED:
                length, position = _length(data, position)
            output += data[position : position + length]
            position += length
            if len(output) > limit - _BEHIND_START or (
                position > end - _BEHIND_LITERALS
                and (length >= _CONTINUED or position - length > end - _SHORTCUT)
            ):
                break
            offset = data[position] | data[position + 1] << 8
            position += 2
            length = (token & 15) + _LEAST_MATCH
            if length == _CONTINUED + _LEAST_MATCH:
                length, position = _length(data, position)
                length += _LEAST_MATCH
                if position > end - _BEHIND_LENGTH:
                    raise _bad_block(start)
            match = len(output) - offset
            if match < 0 or len(output) + length > limit - _BEHIND_MATCH:
                raise _bad_block(start)
            output += (
                output[match : match + length] if offset >= length else _repeated(output[match:], length)
            )
    except IndexError:
        raise _bad_block(start) from None
    if position != end or len(output) > limit:
        raise _bad_block(start)
    return bytes(output[len(history) :])


_CONTINUED = 15
_LEAST_MATCH = 4
# Input that must follow literals which are not the last ones, and the length of a match; content up to the limit that
# must be free where a match starts, and where it ends.  Of few literals lz4 looks at their beginning instead.
_BEHIND_LITERALS, _BEHIND_LENGTH, _BEHIND_START, _BEHIND_MATCH = 8, 4, 12, 5
_SHORTCUT = 17


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Return a length that goes on in the bytes at *position*, and the position behind it."""
    length = _CONTINUED
    while (byte := data[position]) == 255:
        length += 255
        position += 1
    return length + byte, position + 1


def _repeated(pattern: bytearray, length: int) -> bytearray:
    """Return *length* bytes of a *pattern* that follows itself: a match that overlaps what it appends."""
    if not pattern:
        return bytearray(length)  # what lz4 makes of an offset of zero, which no compressor writes
    return (pattern * (length // len(pattern) + 1))[:length]


def _bad_block(start: int) -> InvalidImageError:
    return corrupt("an LZ4 block is damaged", start)
