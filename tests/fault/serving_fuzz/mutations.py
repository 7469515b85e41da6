"""Inputs that nobody should send: bytes with something changed, and messages and texts wrong by construction."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

Bytes = Callable[[random.Random, bytes, bytes], bytes]


def flip_bits(source: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(source.choice([1, 1, 2, 8])):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def truncate(source: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: source.randrange(len(data) + 1)]


def splice(source: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: source.randrange(len(data) + 1)] + other[source.randrange(len(other) + 1) :]


def insert(source: random.Random, data: bytes, other: bytes) -> bytes:
    place = source.randrange(len(data) + 1)
    return data[:place] + source.randbytes(source.choice([1, 2, 9, 200])) + data[place:]


def repeat(source: random.Random, data: bytes, other: bytes) -> bytes:
    first, last = sorted(source.randrange(len(data) + 1) for _ in range(2))
    return data[:last] + data[first:last] * source.choice([1, 3, 50]) + data[last:]


def overwrite(source: random.Random, data: bytes, other: bytes) -> bytes:
    # Numbers and lengths of protobuf, at their limits.
    value = source.choice([b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\xff\xff\xff\xff\x07", b"\x00", b"\x7f", b"\xff" * 4])
    place = source.randrange(len(data) + 1)
    return data[:place] + value + data[place + len(value) :]


def swap_type(source: random.Random, data: bytes, other: bytes) -> bytes:
    # The low three bits of a tag say how its value is written.
    changed = bytearray(data or b"\0")
    place = source.randrange(len(changed))
    changed[place] = (changed[place] & 0xF8) | source.randrange(8)
    return bytes(changed)


def noise(source: random.Random, data: bytes, other: bytes) -> bytes:
    return source.randbytes(source.choice([0, 1, 10, 1000]))


MUTATIONS: list[Bytes] = [flip_bits, truncate, splice, insert, repeat, overwrite, swap_type, noise]

VALUES = [0, 1, -1, 1.5, 1e308, -1e-320, 2**31, 2**63, 2**64, 10**400, True, False, None, "", "x", "ä\0", "AAAA",
          float("nan"), float("inf"), "🙂" * 50]  # fmt: skip


def mutate(source: random.Random, seeds: list[bytes]) -> bytes:
    data = source.choice(seeds)
    for _ in range(source.choice([1, 1, 1, 2, 4])):
        data = source.choice(MUTATIONS)(source, data, source.choice(seeds))
    return data


SIZES = [0, 1, 2, 3, 7, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -1, -(1 << 63)]
SIGNATURES = [
    "",
    "add",
    "add_default",
    "matrix",
    "text",
    "same_float32",
    "same_string",
    "same_int64",
    "same_bool",
    "zz",
]


def wrong_tensor(source: random.Random, tensor: Any) -> None:
    """Fills a TensorProto with a shape, a dtype and a content that need not fit each other."""
    tensor.dtype = source.choice([*range(24), 101, 120, 10_000])
    for _ in range(source.choice([0, 1, 1, 2, 3, 40, 300])):
        tensor.tensor_shape.dim.add().size = source.choice(SIZES)
    tensor.tensor_shape.unknown_rank = source.random() < 0.05
    if source.random() < 0.3:
        tensor.tensor_content = (
            source.randbytes(source.choice([1, 4, 8, 4096])) if source.random() < 0.5 else b"\xff" * 99
        )
    count = source.choice([0, 1, 2, 1000])
    field = source.choice(["float_val", "double_val", "int_val", "int64_val", "bool_val", "string_val", "half_val"])
    value: Any = {"bool_val": True, "string_val": b"\xff\0x"}.get(field)
    if value is None:
        value = source.choice([0, 1, 65535]) if field == "half_val" else source.choice([0, 1, -1, 2**31 - 1])
    getattr(tensor, field).extend([value] * count)


def wrong_predict(source: random.Random, request: Any) -> bytes:
    """A PredictRequest that can be read, and is wrong in what it says."""
    request.model_spec.name = source.choice(["kinds", "kinds", "kinds", "half", "", "../kinds", "x" * 3000, "\0"])
    request.model_spec.signature_name = source.choice(SIGNATURES)
    if source.random() < 0.2:
        request.model_spec.version.value = source.choice([1, 123, 0, -1, 2**63 - 1])
    elif source.random() < 0.1:
        request.model_spec.version_label = source.choice(["stable", "../..", ""])
    for name in source.sample(["a", "b", "m", "s", "v", "x", "z", ""], source.choice([0, 1, 1, 2, 4])):
        wrong_tensor(source, request.inputs[name])
    outputs = ["sum", "product", "out", "v", "zz"]
    request.output_filter.extend(source.choices(outputs, k=source.choice([0, 0, 1, 3])))
    serialized: bytes = request.SerializeToString()
    return serialized


def wrong_value(source: random.Random, depth: int = 0) -> Any:
    """A JSON value of any kind."""
    if depth < 4 and source.random() < 0.5:
        size = source.choice([0, 1, 2, 5])
        if source.random() < 0.5:
            return [wrong_value(source, depth + 1) for _ in range(size)]
        keys = ["instances", "inputs", "signature_name", "examples", "context", "a", "b", "x", "b64", ""]
        return {source.choice(keys): wrong_value(source, depth + 1) for _ in range(size)}
    return source.choice(VALUES)


def wrong_text(source: random.Random) -> bytes:
    """A JSON text that is deep, long, odd, or fine but not what was asked for."""
    choice = source.randrange(8)
    if choice == 0:
        depth = source.choice([10, 900, 1020, 5000, 50_000])
        inner = "[" * depth + source.choice(["1", "", '"x"']) + "]" * source.choice([depth, depth - 1])
        return f'{{"instances": {inner}}}'.encode()
    if choice == 1:
        return b'{"a":' * 3000 + b"1" + b"}" * 3000
    if choice == 2:
        digits = "9" * source.choice([20, 400, 5000])
        number = source.choice(
            [digits, f"-{digits}", f"1e{digits[:4]}", f"0.{digits}", f"{digits}.5", f"NaN, {digits}"]
        )
        return f'{{"instances": [{number}]}}'.encode()
    if choice == 3:
        return b'{"instances": ["' + source.choice([b"\xff\xfe", b"\\ud83d", b"\\u0000", b"\xed\xa0\x80"]) + b'"]}'
    if choice == 4:
        return struct.pack("<I", 0xFEFF) + b'{"instances": [1]}'
    if choice == 5:
        body = {"signature_name": source.choice(SIGNATURES), "instances": [wrong_value(source) for _ in range(3)]}
        return json.dumps(body).encode()
    if choice == 6:
        body = {"signature_name": source.choice(SIGNATURES), "inputs": {"a": wrong_value(source), "b": [1.0]}}
        return json.dumps(body).encode()
    return json.dumps(wrong_value(source)).encode()
