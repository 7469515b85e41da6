"""``tfx.components.example_gen.utils``: names of properties, default configurations, patterns, rows as tf.Examples."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.compat import messages
from mlops_tfx.errors import ConfigError
from mlops_tfx.ingestion.queries import VARIABLES, query_of_span
from mlops_tfx.protos import example_gen_pb2

if TYPE_CHECKING:
    import tensorflow as tf

PAYLOAD_FORMAT_PROPERTY_NAME = "payload_format"
FILE_FORMAT_PROPERTY_NAME = "file_format"
FINGERPRINT_PROPERTY_NAME = "input_fingerprint"
SPAN_PROPERTY_NAME = "span"
VERSION_PROPERTY_NAME = "version"
SPAN_SPEC, VERSION_SPEC = "{SPAN}", "{VERSION}"
YEAR_SPEC, MONTH_SPEC, DAY_SPEC = "{YYYY}", "{MM}", "{DD}"
DATE_SPECS = [YEAR_SPEC, MONTH_SPEC, DAY_SPEC]
SPAN_BEGIN_TIMESTAMP, SPAN_END_TIMESTMAP, SPAN_YYYYMMDD_UTC = VARIABLES
UNIX_EPOCH_DATE = datetime.datetime(1970, 1, 1)

_NUMBER = re.compile(r"\{(SPAN|VERSION)(?::(\d+))?\}")


def make_default_input_config(split_pattern: str = "*") -> Any:
    """Returns an Input of one split."""
    return example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="single_split", pattern=split_pattern)])


def make_default_output_config(input_config: Any) -> Any:
    """Returns an Output of the splits train: 2 and eval: 1, or, if the input has several, one that keeps those."""
    from mlops_tfx.io import partition

    if len(_plain(input_config).get("splits", ())) > 1:
        return example_gen_pb2.Output()
    splits = [example_gen_pb2.SplitConfig.Split(name=n, hash_buckets=b) for n, b in partition.DEFAULT_SPLITS]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))


def generate_output_split_names(input_config: Any, output_config: Any) -> list[str]:
    """Returns the names of the splits that there will be.

    Raises:
        RuntimeError: there are none, or one twice, or output splits for an input of several.
    """
    inputs = [split.get("name", "") for split in _plain(input_config).get("splits", ())]
    outputs = _plain(output_config).get("split_config", {}).get("splits", ())
    if outputs and len(inputs) != 1:
        raise RuntimeError(f"expected one input split where output splits are given, received {inputs}")
    if any(int(split.get("hash_buckets", 0)) <= 0 for split in outputs):
        raise RuntimeError(f"expected hash buckets for every output split, received {outputs}")
    names = [split.get("name", "") for split in outputs] or inputs
    if not names or not all(names) or len(set(names)) != len(names):
        raise RuntimeError(f"expected splits with names that differ, received {names}")
    return names


def _plain(configuration: Any) -> Mapping[str, Any]:
    return configuration if isinstance(configuration, Mapping) else messages.proto_to_dict(configuration)


def date_to_span_number(year: int, month: int, day: int) -> int:
    """Returns the days since 1970-01-01."""
    return (datetime.datetime(year, month, day) - UNIX_EPOCH_DATE).days


def span_number_to_date(span: int) -> tuple[int, int, int]:
    """Returns year, month and day of a number of days since 1970-01-01."""
    date = UNIX_EPOCH_DATE + datetime.timedelta(span)
    return date.year, date.month, date.day


def get_query_for_span(pattern: str, span: int) -> str:
    """Returns a query with the variables of a span replaced."""
    return query_of_span(pattern, span)


def get_pattern_for_span_version(
    pattern: str,
    is_match_span: bool,
    is_match_date: bool,
    is_match_version: bool,
    span: int,
    version: int | None,
) -> str:
    """Returns a pattern with the placeholders of span, date and version filled in, of those that are to be."""
    values = {"SPAN": span if is_match_span else None, "VERSION": version if is_match_version else None}

    def filled(match: re.Match[str]) -> str:
        value = values[match.group(1)]
        return match.group(0) if value is None else str(value).zfill(int(match.group(2) or 0))

    if is_match_date:
        for spec, number, width in zip(DATE_SPECS, span_number_to_date(span), (4, 2, 2), strict=True):
            pattern = pattern.replace(spec, str(number).zfill(width))
    return _NUMBER.sub(filled, pattern)


def verify_split_pattern_specs(split: Any) -> tuple[bool, bool, bool]:
    """Returns whether the pattern of an input split has a span, a date and a version.

    Raises:
        ValueError: there cannot be such a pattern.
    """
    from mlops_tfx.io import spans

    try:
        (parsed,) = spans.parse_patterns([(split.name, split.pattern)])
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return tuple(name in parsed.placeholders for name in ("SPAN", "YYYY", "VERSION"))  # type: ignore[return-value]


def pyval_to_feature(pyval: Sequence[Any]) -> tf.train.Feature:
    """Returns values of one type as a feature; an empty one for no values."""
    import tensorflow as tf

    first = pyval[0] if len(pyval) else None
    if first is None:
        return tf.train.Feature()
    if isinstance(first, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=pyval))
    if isinstance(first, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=pyval))
    if isinstance(first, str | bytes):
        encoded = [value.encode() if isinstance(value, str) else value for value in pyval]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
    raise RuntimeError(f"expected int, float, str or bytes, received {type(first).__name__}")


def dict_to_example(instance: Mapping[str, Any]) -> tf.train.Example:
    """Returns a dict of values, lists and arrays as a tf.Example. None and empty lists are missing; 0 and "" are not.

    (TFX loses 0, 0.0, False and "", and refuses bytes that are no text: its issue 6407.)
    """
    import tensorflow as tf

    feature = {name: pyval_to_feature(_values(value)) for name, value in instance.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature))


def _values(value: Any) -> list[Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
