"""Whole numbers as protobuf writes them.

`mlops_tfx.io.wire` has the same few lines: the server imports nothing of the framework, and that layer nothing of it.
"""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A non-negative number: seven bits a byte, the lowest first, the highest bit says that more follow."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
