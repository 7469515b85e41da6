"""Slices: from one record batch to the record batches of its slices, as TFDV names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import DataError, UserCodeError, did_you_mean
from mlops_tfx.execution.user_code import load_function, user_code

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.statistics.settings import Settings

SliceFunction = Callable[["pa.RecordBatch"], Iterable[tuple[str, "pa.RecordBatch"]]]
SlicedBatch = tuple[str | None, "pa.RecordBatch"]


def make_slicer(settings: Settings, options: Any) -> Callable[[pa.RecordBatch], Iterator[SlicedBatch]]:
    """Returns a function that yields a batch's slices, the whole of it first.

    Without slices the whole has no name, as TFDV writes it; with slices it is called ``All Examples``.

    Args:
        settings: slices by features, and functions of the user's.
        options: a ``tfdv.StatsOptions``; its ``slicing_config`` and ``experimental_slice_sqls`` count as well.
    """
    from tensorflow_data_validation import constants
    from tensorflow_data_validation.utils import slicing_util

    functions, sqls = slicing_util.convert_slicing_config_to_slice_functions_and_sqls(options.slicing_config)
    functions = [*functions, *(_by_features(pairs) for pairs in settings.slices)]
    functions += [_user_function(path) for path in settings.slice_functions]
    sqls = [*sqls, *(options.experimental_slice_sqls or ())]
    if sqls:
        functions.append(_by_sql(sqls))
    if not functions:
        return lambda batch: iter([(None, batch)])

    def slice_batch(batch: pa.RecordBatch) -> Iterator[SlicedBatch]:
        yield constants.DEFAULT_SLICE_KEY, batch
        for function in functions:
            yield from function(batch)

    return slice_batch


def _by_features(pairs: Iterable[tuple[str, tuple[int | str, ...] | None]]) -> SliceFunction:
    from tensorflow_data_validation.utils import slicing_util

    pairs = list(pairs)

    def by_features(batch: pa.RecordBatch) -> Iterable[tuple[str, pa.RecordBatch]]:
        # TFDV crosses the features that a batch has, and would call the slice of fewer features by another name.
        if any(not _has_values(batch, name) for name, _ in pairs):
            return
        features = {name: _values_as_stored(batch, name, values) for name, values in pairs}
        yield from slicing_util.get_feature_value_slicer(features)(batch)

    return by_features


def _has_values(batch: pa.RecordBatch, name: str) -> bool:
    import pyarrow as pa

    index = batch.schema.get_field_index(name)
    return index >= 0 and not pa.types.is_null(batch.schema.field(index).type)


def _values_as_stored(batch: pa.RecordBatch, name: str, values: tuple[int | str, ...] | None) -> list[Any] | None:
    """Values in the feature's own type: TFDV compares text with the bytes that are stored, and finds none equal."""
    import pyarrow as pa

    if values is None:
        return None
    value_type = batch.schema.field(name).type
    while pa.types.is_list(value_type) or pa.types.is_large_list(value_type):
        value_type = value_type.value_type
    if pa.types.is_integer(value_type):
        return [_as_integer(name, value) for value in values]
    return [str(value).encode() for value in values]


def _as_integer(name: str, value: int | str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise DataError(
            f"slicing_features: feature {name!r} holds integers, received value={value!r}; give integers"
        ) from error


def _by_sql(sqls: list[str]) -> SliceFunction:
    from tensorflow_data_validation import constants
    from tensorflow_data_validation.utils import slicing_util

    slicer = slicing_util.GenerateSlicesSqlDoFn(sqls)
    slicer.setup()

    def by_sql(batch: pa.RecordBatch) -> Iterable[tuple[str, pa.RecordBatch]]:
        for key, part in slicer.process(batch):
            if key == constants.INVALID_SLICE_KEY:
                # TFDV logs, and adds a dataset of that name.
                raise DataError(f"slices: {_sql_problem(sqls, batch.schema)}")
            if key != constants.DEFAULT_SLICE_KEY:
                yield key, part

    return by_sql


def _sql_problem(sqls: list[str], schema: pa.Schema) -> str:
    from tensorflow_data_validation.utils import slicing_util
    from tfx_bsl.arrow import sql_util

    for sql in sqls:
        try:
            sql_util.RecordBatchSQLSliceQuery(slicing_util.format_slice_sql_query(sql), schema)
        except RuntimeError as error:
            return f"expected a query on the features ({', '.join(schema.names)}), received {sql!r}: {error}"
    return f"expected queries on the features, received {sqls!r}"


def _user_function(path: str) -> SliceFunction:
    function = load_function(function=path)

    def by_function(batch: pa.RecordBatch) -> Iterable[tuple[str, pa.RecordBatch]]:
        with user_code(f"slice function {path!r}"):
            slices = list(function(batch))
        for item in slices:
            if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)):
                raise UserCodeError(
                    f"slice function {path!r}: expected pairs of a name and a RecordBatch, received {item!r}"
                )
        return slices

    return by_function


def check_columns(settings: Settings, options: Any, columns: Iterable[str], where: str) -> None:
    """Raises DataError for a feature that options name and no row has, or a ``feature_allowlist`` that matches none.

    Args:
        settings: names features in slices.
        options: a ``tfdv.StatsOptions``; names weights, the label, and the features to look at.
        columns: the features that occur.
        where: the split and its files, for the message.
    """
    known = set(columns)
    named = {f"slicing_features={name}": name for pairs in settings.slices for name, _ in pairs}
    weights = options.example_weight_map.all_weight_features()
    named |= {f"weight feature {name}": name for name in weights}
    if options.label_feature:
        named[f"label_feature={options.label_feature}"] = options.label_feature
    for what, name in named.items():
        if name not in known:
            raise DataError(f"{where} has no feature {name!r}, received {what}{did_you_mean(name, known)}")
    # A split may lack some of the features to look at, as served data lack the label: TFDV leaves them out.
    allowed = [name for name in options.feature_allowlist or () if isinstance(name, str)]
    if allowed and len(allowed) == len(options.feature_allowlist) and known and not known.intersection(allowed):
        raise DataError(f"{where} has none of feature_allowlist={allowed}{did_you_mean(allowed[0], known)}")
