"""What a feature is given in the rows that are made: by its type, domain and sample, and what graphs know of it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.skew.rows import shown_value

_INT64 = np.iinfo(np.int64)
_FLOAT32 = np.finfo(np.float32)
_LONG_TEXT = 1 << 16  # bytes; longer than any category, and short enough for every server's default limit
_MOST_OF_A_DOMAIN = 64
NOT_IN_ANY_VOCABULARY = b"no such value \xe2\x80\x93 42"
NOT_UTF8 = b"\xff\xfe\x80 not UTF-8"
# Upper case, the German sharp s, the dotted I, a ligature, a decomposed letter, an unbreakable space, a wide digit.
_LETTERS = "\u00c0\u00c9\u00df\u0130\ufb01e\u0301\u00a0\uff17"
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def values(
    feature: Any, domains: Mapping[str, Any], present: Any, known: Iterable[tuple[str, Any]] = ()
) -> Iterator[tuple[str, Any]]:
    """Yields what the feature is given, a list or None, and how that is called.

    Args:
        feature: its tensorflow_metadata Feature; of type BYTES, INT or FLOAT.
        domains: the schema's string domains by name.
        present: an Arrow array of its values in the sample.
        known: further values and what they are called.
    """
    width = int(np.prod([dim.size for dim in feature.shape.dim], initial=1)) if feature.HasField("shape") else 1
    makers = {schema_pb2.BYTES: _texts, schema_pb2.INT: _integers, schema_pb2.FLOAT: _floats}
    yield "missing", None
    yield "an empty list", []
    seen: set[str] = set()
    for what, value in (*makers[feature.type](feature, domains, present), *known):
        # NaN is no NaN to a set, and the two zeros are one.
        if repr(value) not in seen:
            seen.add(repr(value))
            yield f"{what} ({shown_value(value)})", [value] * width
    yield "two values in place of one" if width == 1 else "one value too many", [_filler(feature)] * (width + 1)


def _filler(feature: Any) -> Any:
    return {schema_pb2.BYTES: b"x", schema_pb2.INT: 1, schema_pb2.FLOAT: 1.0}[feature.type]


def _texts(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, bytes]]:
    yield "out of the vocabulary", NOT_IN_ANY_VOCABULARY
    yield "an empty text", b""
    yield "a space", b" "
    yield "no UTF-8", NOT_UTF8
    yield "a zero byte", b"a\x00b"
    yield "letters of many kinds", _LETTERS.encode()
    yield "a long text", b"long " * (_LONG_TEXT // 5)
    found = [value for value in present.to_pylist() if value]
    domain = [text.encode() for text in _string_domain(feature, domains)]
    if found:
        yield "the longest of the sample", max(found, key=len)
    # What is frequent is in a vocabulary, if anything is: a variant that is not in it tells who changes texts.
    common = Counter(found).most_common(1)[0][0] if found else domain[0] if domain else b""
    if common:
        yield from _variants(common)
    for text in spread(domain, _MOST_OF_A_DOMAIN):
        yield "of the domain", text


def _variants(value: bytes) -> Iterator[tuple[str, bytes]]:
    """The same text otherwise written: what somebody who normalises texts would take for equal."""
    yield "with a space before", b" " + value
    yield "with a space after", value + b" "
    yield "with a line break after", value + b"\r\n"
    yield "with a tab before", b"\t" + value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    others = {
        "in upper case": text.upper(),
        "in lower case": text.lower(),
        "in title case": text.title(),
        "with an accent": text[0] + "\u0301" + text[1:],
        "in wide letters": text.translate(_WIDE),
        "composed": unicodedata.normalize("NFC", text),
        "decomposed": unicodedata.normalize("NFD", text),
        "with wide spaces": text.replace(" ", "  "),
        "with a zero before": f"0{text}" if text.isdigit() else text,
        "in quotation marks": f'"{text}"',
    }
    yield from ((what, other.encode()) for what, other in others.items() if other != text)


def _string_domain(feature: Any, domains: Mapping[str, Any]) -> Sequence[str]:
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    if feature.HasField("bool_domain"):
        return [text for text in (feature.bool_domain.true_value, feature.bool_domain.false_value) if text]
    return list(domains[feature.domain].value) if feature.domain in domains else []


def _integers(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, int]]:
    yield from (("zero", 0), ("one", 1), ("two", 2), ("three", 3), ("minus one", -1), ("minus two", -2))
    yield "the largest int64", _INT64.max
    yield "the smallest int64", _INT64.min
    yield "the smallest int64 but one", _INT64.min + 1
    yield "no int32 is equal to it", 2**31
    yield "no float32 is equal to it", 2**24 + 1
    yield "no float64 is equal to it", 2**53 + 1
    found = np.asarray(present)
    if found.size and found.max() < _INT64.max:
        yield "beyond the sample", int(found.max()) + 1
    if found.size and found.min() > _INT64.min:
        yield "before the sample", int(found.min()) - 1
    for what, value, step in _ends(feature.int_domain):
        yield what, value
        if _INT64.min < value < _INT64.max:
            yield f"{what} and one further", value + step


def _ends(domain: Any) -> Iterator[tuple[str, Any, int]]:
    if domain.HasField("min"):
        yield "the least of the domain", domain.min, -1
    if domain.HasField("max"):
        yield "the most of the domain", domain.max, 1


def _floats(feature: Any, domains: Mapping[str, Any], present: Any) -> Iterator[tuple[str, float]]:
    yield "NaN", float("nan")
    yield "infinity", float("inf")
    yield "minus infinity", float("-inf")
    yield "the largest float32", float(_FLOAT32.max)
    yield "the smallest float32", float(_FLOAT32.min)
    yield "next to zero", float(_FLOAT32.smallest_subnormal)
    yield "zero", 0.0
    yield "minus zero", -0.0
    yield "minus one", -1.0
    yield "one third", float(np.float32(1 / 3))
    # Truncated, rounded up, rounded to even, rounded down: each of these tells two of them apart.
    yield from (("a half", half) for half in (0.5, 1.5, 2.5, -0.5, -1.5, -2.5))
    found = np.asarray(present, np.float32)
    found = found[np.isfinite(found)]
    if found.size:
        yield "beyond the sample", float(np.nextafter(found.max(), np.float32(np.inf)))
        yield "before the sample", float(np.nextafter(found.min(), np.float32(-np.inf)))
        yield "a half within the sample", float(np.float32(np.floor(np.median(found)) + 0.5))
    for what, value, step in _ends(feature.float_domain):
        yield what, value
        yield f"{what} and one further", float(np.nextafter(np.float32(value), np.float32(step * np.inf)))


def spread(found: Sequence[Any], most: int) -> list[Any]:
    """Returns at most so many of a sequence, the first and the last among them."""
    if len(found) <= most:
        return list(found)
    return [found[place] for place in np.linspace(0, len(found) - 1, most).astype(int)]
