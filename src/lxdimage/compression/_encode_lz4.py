"""LZ4 frames (LZ4 frame format 1.6), in Python alone: simple and slow, for the few who need them."""

from __future__ import annotations

from collections.abc import Iterator

from lxdimage._chunks import Chunks
from lxdimage.compression._jobs import blocks
from lxdimage.compression._xxh32 import XXH32, xxh32

__all__ = ["encode_lz4"]

_MAGIC = b"\x04\x22\x4d\x18"
_DESCRIPTOR = b"\x64\x40"  # version 1, independent blocks, content checksum; blocks of 64 KiB
_BLOCK = 1 << 16
_STORED = 1 << 31

# A match has at least four bytes; the last one begins twelve bytes before the end and leaves five literals.
_LEAST, _NO_MATCH, _LITERALS = 4, 12, 5
_PATIENCE = 6


def encode_lz4(chunks: Chunks, _level: int, _threads: int) -> Chunks:
    """Yield a frame."""
    running = XXH32()
    yield _MAGIC + _DESCRIPTOR + bytes((xxh32(_DESCRIPTOR) >> 8 & 0xFF,))
    for block in blocks(chunks, _BLOCK):
        running.update(block)
        packed = b"".join(_sequences(block))
        if len(packed) < len(block):
            yield len(packed).to_bytes(4, "little") + packed
        else:
            yield (len(block) | _STORED).to_bytes(4, "little") + block
    yield bytes(4) + running.digest().to_bytes(4, "little")


def _sequences(data: bytes) -> Iterator[bytes]:
    """Yield the sequences of a block (LZ4 block format): whatever occurred before is taken from there."""
    seen: dict[bytes, int] = {}
    position = literals = 0
    while position < len(data) - _NO_MATCH:
        key = data[position : position + _LEAST]
        match = seen.get(key)
        seen[key] = position
        if match is None:
            position += 1 + (position - literals >> _PATIENCE)
            continue
        length = _match_length(data, match, position)
        yield _sequence(data[literals:position], position - match, length)
        position = literals = position + length
    yield _sequence(data[literals:], 0, 0)


def _match_length(data: bytes, match: int, position: int) -> int:
    """Return how many bytes at *match* and *position* are equal, at most up to the last literals."""
    most, length, step = len(data) - _LITERALS - position, _LEAST, 16
    while step and length < most:
        step = min(step, most - length)
        if data[match + length : match + length + step] == data[position + length : position + length + step]:
            length += step
            step *= 2
        else:
            step //= 2
    return length


def _sequence(literals: bytes, offset: int, length: int) -> bytes:
    """``Sequence = Token Length* Literals [Offset Length*]``; without an offset it is the last one."""
    first = min(len(literals), 15)
    second = min(length - _LEAST, 15) if offset else 0
    result = bytes((first << 4 | second,)) + _more(len(literals)) + literals
    return result + offset.to_bytes(2, "little") + _more(length - _LEAST) if offset else result


def _more(length: int) -> bytes:
    """Return the bytes that continue a *length* that does not fit into its half of a token."""
    return b"" if length < 15 else b"\xff" * ((length - 15) // 255) + bytes(((length - 15) % 255,))
