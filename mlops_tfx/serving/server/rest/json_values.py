"""JSON texts: the fast reader and writer, and what TF Serving takes and writes beyond the standard.

NaN, Infinity and -Infinity are read and written bare, and what follows the first value of a body is ignored. orjson
does none of this, so it goes first and Python's own reader takes what it refuses.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

import numpy as np
import orjson

from mlops_tfx.serving.server import statuses

# What is wrong with a request of megabytes is said without all of them.
_LONGEST_SHOWN = 10_000
_TOO_BIG = "JSON Parse error: Number too big to be stored in double."
# How the messages of Python's reader begin, and what RapidJSON says of the same.
_RAPIDJSON = {
    "Expecting property name": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid \\escape": "Invalid escape character in string.",
}
_AFTER = {"[": "Missing a comma or ] after an array element.", "{": "Missing a comma or } after an object member."}
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read(body: bytes) -> Any:
    """Returns the value of a JSON text. Raises StatusError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_slowly(body)


def _read_slowly(body: bytes) -> Any:
    # As RapidJSON, which takes a mark of UTF-8 that some clients begin with.
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise statuses.invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from error
    begin = len(text) - len(text.lstrip(" \t\r\n"))
    if begin == len(text):
        raise statuses.invalid(f"JSON Parse error: The document is empty{f'. at offset: {begin}' if begin else ''}")
    try:
        value = json.JSONDecoder(strict=False, parse_float=_double).raw_decode(text, begin)[0]
        # Half a surrogate pair is no text: neither a tensor nor an error message could hold it.
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise statuses.invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    except json.JSONDecodeError as error:
        raise statuses.invalid(f"JSON Parse error: {_wrong(error)} at offset: {error.pos}") from error
    except ValueError as error:
        # Python reads no integer of more than 4300 digits.
        raise statuses.invalid(_TOO_BIG) from error
    except RecursionError as error:
        raise statuses.invalid("JSON Parse error: the values are nested too deeply") from error


def _double(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _wrong(error: json.JSONDecodeError) -> str:
    """What RapidJSON says of a text that is no JSON."""
    if error.msg.startswith("Expecting ',' delimiter"):
        return _AFTER[_open_bracket(error.doc[: error.pos])]
    return next((said for begin, said in _RAPIDJSON.items() if error.msg.startswith(begin)), "Invalid value.")


def _open_bracket(text: str) -> str:
    """The last bracket of a text that is open at its end."""
    opened: list[str] = []
    for found in _STRING_OR_BRACKET.finditer(text):
        if found[0] in "[{":
            opened.append(found[0])
        elif found[0] in "]}":
            opened.pop()
    return opened[-1]


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
    """Returns a value as RapidJSON's PrettyWriter shows it in error messages, cut if it is long."""
    parts: list[str] = []
    size = 0
    try:
        for part in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
            parts.append(part)
            size += len(part)
            if size > _LONGEST_SHOWN:
                return "".join(parts)[:_LONGEST_SHOWN] + "..."
    except RecursionError:
        return "(nested too deeply to be shown)"
    return "".join(parts)


def kind(value: Any) -> str:
    """Returns RapidJSON's name for the type of a value."""
    if value is None or type(value) is bool:
        return {None: "Null", False: "False", True: "True"}[value]
    return {int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}[type(value)]
