"""JSON texts: the fast reader and writer, and what TF Serving takes and writes beyond the standard.

NaN, Infinity and -Infinity are read and written bare, and what follows the first value of a body is ignored. orjson
does none of this, so it goes first and Python's own reader takes what it refuses.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson

from mlops_tfx.serving.server import statuses

# What is wrong with a request of megabytes is said without all of them.
_LONGEST_SHOWN = 10_000


def read(body: bytes) -> Any:
    """Returns the value of a JSON text. Raises StatusError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_slowly(body)


def _read_slowly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8").lstrip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise statuses.invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from error
    if not text:
        raise statuses.invalid("JSON Parse error: The document is empty")
    try:
        value = json.JSONDecoder(strict=False).raw_decode(text)[0]
        # Half a surrogate pair is no text: neither a tensor nor an error message could hold it.
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise statuses.invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    except json.JSONDecodeError as error:
        raise statuses.invalid(f"JSON Parse error: Invalid value. at offset: {error.pos}") from error
    except ValueError as error:
        # Python reads no integer of more than 4300 digits.
        raise statuses.invalid("JSON Parse error: Number too big to be stored in double.") from error
    except RecursionError as error:
        raise statuses.invalid("JSON Parse error: the values are nested too deeply") from error


def write(value: Any) -> bytes:
    """Returns the JSON text of dicts, lists, numbers, texts and numpy arrays; floats as short as their type allows."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def write_non_finite(value: Any) -> bytes:
    """As ``write``, for values with NaN and infinities, which orjson would write as null."""
    return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return list(value)
    if isinstance(value, np.float32):
        # The shortest text that is the same float32, rather than all digits of the float64 that is nearest.
        return float(str(value))
    return value.item()


def show(value: Any) -> str:
    """Returns a value as error messages show it, cut if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to be shown)"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def kind(value: Any) -> str:
    """Returns RapidJSON's name for the type of a value."""
    if value is None:
        return "Null"
    names = {bool: "Bool", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
    return names[type(value)]
