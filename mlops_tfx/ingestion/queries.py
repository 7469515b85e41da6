"""Queries of spans: the variables that stand for a span in a query, as in TFX."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from mlops_tfx import config

VARIABLES = ("@span_begin_timestamp", "@span_end_timestamp", "@span_yyyymmdd_utc")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def query_of_span(query: str, span: int) -> str:
    """Returns a query with the variables replaced: seconds since 1970 at both ends of the span, and its date.

    A span is a day in UTC, numbered from 1970-01-01. The date stands in quotes: ``'20130114'``.
    """
    begin = _EPOCH + datetime.timedelta(days=span)
    end = begin + datetime.timedelta(days=1)
    values = (str(int(begin.timestamp())), str(int(end.timestamp())), begin.strftime("'%Y%m%d'"))
    for variable, value in zip(VARIABLES, values, strict=True):
        query = query.replace(variable, value)
    return query


def spans_of(range_config: config.RangeConfig | None, queries: Mapping[str, str]) -> list[int]:
    """Returns the spans to query; [0] without a range.

    Args:
        range_config: which spans.
        queries: query by input split.

    Raises:
        ConfigError: a rolling range, a range that ends before it begins, variables without a range, or several spans of
            a query without variables.
    """
    with_variables = [name for name, query in queries.items() if any(variable in query for variable in VARIABLES)]
    if range_config is None:
        if with_variables:
            raise ConfigError(
                f"input split {with_variables[0]!r}: the query has variables of a span; expected range_config to say "
                f"which, such as RangeConfig(static_range=StaticRange(start_span_number=n, end_span_number=n))"
            )
        return [0]
    if range_config.static_range is None:
        raise ConfigError(
            "expected a static_range: a query does not tell which spans there are, so there is no latest one; "
            "name the spans with RangeConfig(static_range=StaticRange(start_span_number=n, end_span_number=n))"
        )
    start, end = range_config.static_range.start_span_number, range_config.static_range.end_span_number
    if end < start:
        raise ConfigError(f"expected a range that ends after it begins, received spans {start} to {end}")
    without = [name for name in queries if name not in with_variables]
    if end > start and without:
        raise ConfigError(
            f"input split {without[0]!r}: expected one of {', '.join(VARIABLES)} in the query, because spans {start} "
            f"to {end} are asked for, received none; every span would have the same rows"
        )
    return list(range(start, end + 1))
