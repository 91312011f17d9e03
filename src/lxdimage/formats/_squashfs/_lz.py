"""
The two byte-oriented compressors that no library of the standard decodes: LZ4 blocks and LZO1X.

Both are sequences of literals and of matches, copies of what came out before.  They are decoded here in Python: for
the tables of an image that is fast enough, for its content it is slow (tens of megabytes a second at best).
"""

from __future__ import annotations

__all__ = ["CodecError", "decode_lz4", "decode_lzo"]


class CodecError(Exception):
    """A block does not decompress; the message says why."""


def decode_lz4(data: bytes, limit: int) -> bytes:
    """
    Return the content of an LZ4 block, of at most *limit* bytes.

    A match of no distance is one of zeros: liblz4, which the daemons' programs use, does not refuse it.

    A sequence is a token (length of the literals, length of the match), longer lengths in bytes of 255, the
    literals, the distance of the match in two bytes.  The last sequence ends with its literals.
    """
    out = bytearray()
    position, end = 0, len(data)
    try:
        while True:
            token = data[position]
            position += 1
            literals = token >> 4
            if literals == 15:
                literals, position = _lz4_length(data, position, literals)
            if literals > end - position:
                raise CodecError("the literals leave the block")
            out += data[position : position + literals]
            position += literals
            if position == end:
                break
            distance = data[position] | data[position + 1] << 8
            position += 2
            length = token & 15
            if length == 15:
                length, position = _lz4_length(data, position, length)
            if not distance:
                out += bytes(min(length + 4, limit + 1))
            else:
                _copy(out, distance, length + 4, limit)
            if len(out) > limit:
                raise CodecError(f"more than {limit} bytes come out")
    except IndexError:
        raise CodecError("the compressed data is incomplete") from None
    if len(out) > limit:
        raise CodecError(f"more than {limit} bytes come out")
    return bytes(out)


def _lz4_length(data: bytes, position: int, length: int) -> tuple[int, int]:
    while True:
        more = data[position]
        position += 1
        length += more
        if more != 255:
            return length, position


def _copy(out: bytearray, distance: int, length: int, limit: int) -> None:
    """Append *length* bytes from *distance* back, repeating them when the distance is shorter."""
    have = len(out)
    if not 0 < distance <= have:
        raise CodecError(f"a match {distance} bytes back, after {have} bytes")
    if have + length > limit:
        raise CodecError(f"more than {limit} bytes come out")
    start = have - distance
    if distance >= length:
        out += out[start : start + length]
    else:
        pattern = bytes(out[start:])
        out += (pattern * (length // distance + 1))[:length]


_LONG_RUN = 4
"""What stands for "more than three literals came before" in the state of an LZO stream."""


def decode_lzo(data: bytes, limit: int) -> bytes:
    """
    Return the content of an LZO1X block, of at most *limit* bytes.

    Each instruction is a match whose last two bits count the literals that follow it, or, when no literal came
    directly before, a long run of literals.  The far form of a match without a distance ends the stream.
    """
    out = bytearray()
    try:
        position, state = _lzo_first(data, out)
        while True:
            code = data[position]
            position += 1
            if code < 16 and state == 0:
                length, position = _lzo_length(data, position, code, 15)
                position = _literals(data, position, length + 3, out)
                state = _LONG_RUN
            else:
                position, state, distance, length = _lzo_match(data, position, code, state)
                if not distance:
                    break
                _copy(out, distance, length, limit)
                position = _literals(data, position, state, out)
            if len(out) > limit:
                raise CodecError(f"more than {limit} bytes come out")
    except IndexError:
        raise CodecError("the compressed data is incomplete") from None
    if position < len(data):
        raise CodecError("bytes follow the compressed data")
    return bytes(out)


def _lzo_first(data: bytes, out: bytearray) -> tuple[int, int]:
    """Take the first byte where it counts literals; return the position and the state behind it."""
    if data[0] <= 17:
        return 0, 0
    count = data[0] - 17
    return _literals(data, 1, count, out), min(count, _LONG_RUN)


def _literals(data: bytes, position: int, count: int, out: bytearray) -> int:
    if count > len(data) - position:
        raise CodecError("the literals leave the block")
    out += data[position : position + count]
    return position + count


def _lzo_length(data: bytes, position: int, length: int, base: int) -> tuple[int, int]:
    """Return a length: itself, or when it is zero *base*, 255 for every zero byte and the byte that follows."""
    if length:
        return length, position
    length = base
    while not data[position]:
        position += 1
        length += 255
    return length + data[position], position + 1


def _lzo_match(data: bytes, position: int, code: int, state: int) -> tuple[int, int, int, int]:
    """Return the position behind a match, the literals that follow it, its distance (0 ends) and its length."""
    if code < 16:
        far = state == _LONG_RUN
        distance = (data[position] << 2) + (code >> 2) + (2049 if far else 1)
        return position + 1, code & 3, distance, 3 if far else 2
    if code >= 64:
        distance = (data[position] << 3) + (code >> 2 & 7) + 1
        return position + 1, code & 3, distance, (code >> 5) + 1
    near = code >= 32
    length, position = _lzo_length(data, position, code & (31 if near else 7), 31 if near else 7)
    word = data[position] | data[position + 1] << 8
    distance = word >> 2
    if near:
        distance += 1
    elif distance or code & 8:  # otherwise it ends the stream
        distance += 16384 + ((code & 8) << 11)
    return position + 2, word & 3, distance, length + 2
