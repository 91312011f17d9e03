"""xxHash of 32 bits, the checksum of LZ4 frames (xxHash specification, section 2)."""

from __future__ import annotations

import struct

__all__ = ["XXH32", "xxh32"]

_P1, _P2, _P3, _P4, _P5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1
_MASK = 0xFFFFFFFF
_STRIPE = 16
_AT_ONCE = 1 << 16

# Four accumulators lie side by side in one integer, each in the lower half of 64 bits, so that a product never
# reaches its neighbour: one Python operation works on all four.
_LANES = sum(_MASK << 64 * lane for lane in range(4))
_SEEDS = sum(seed << 64 * lane for lane, seed in enumerate(((_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK)))


class XXH32:
    """A running xxHash with seed 0."""

    def __init__(self) -> None:
        self._lanes = _SEEDS
        self._rest = b""
        self._size = 0

    def update(self, data: bytes) -> None:
        """Take more content."""
        self._size += len(data)
        data = self._rest + data
        whole = len(data) - len(data) % _STRIPE
        self._rest = data[whole:]
        for start in range(0, whole, _AT_ONCE):
            self._stripes(data[start : min(start + _AT_ONCE, whole)])

    def _stripes(self, data: bytes) -> None:
        words = len(data) // 4
        spread = struct.pack(f"<{words}Q", *struct.unpack(f"<{words}I", data))
        # All inputs are multiplied at once; words stay apart as the accumulators do.
        products = (int.from_bytes(spread, "little") * _P2).to_bytes(len(spread) + 4, "little")
        lanes, mask, factor, number = self._lanes, _LANES, _P1, int.from_bytes
        for start in range(0, len(spread), 32):  # nearly all the time that lz4 takes
            lanes = (lanes + number(products[start : start + 32], "little")) & mask
            lanes = ((lanes << 13 | lanes >> 19) & mask) * factor & mask
        self._lanes = lanes

    def digest(self) -> int:
        """Return the hash of what was taken so far."""
        if self._size < _STRIPE:
            result = _P5
        else:
            lanes = [self._lanes >> 64 * lane & _MASK for lane in range(4)]
            result = sum(_rotate(value, bits) for value, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        result += self._size
        position = 0
        while position + 4 <= len(self._rest):
            word = int.from_bytes(self._rest[position : position + 4], "little")
            result = _rotate(result + word * _P3 & _MASK, 17) * _P4
            position += 4
        for byte in self._rest[position:]:
            result = _rotate(result + byte * _P5 & _MASK, 11) * _P1
        return _avalanche(result & _MASK)


def xxh32(data: bytes) -> int:
    """Return the hash of *data* with seed 0."""
    running = XXH32()
    running.update(data)
    return running.digest()


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK


def _avalanche(value: int) -> int:
    value = (value ^ value >> 15) * _P2 & _MASK
    value = (value ^ value >> 13) * _P3 & _MASK
    return value ^ value >> 16
