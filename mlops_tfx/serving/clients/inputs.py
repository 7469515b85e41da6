"""What users have, as what a signature takes: named tensors, or serialized tf.Examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.clients import arrow_values, tables
from mlops_tfx.serving.clients.descriptions import SignatureDescription, TensorDescription
from mlops_tfx.serving.clients.fitting import fit
from mlops_tfx.serving.input_names import takes_examples
from mlops_tfx.serving.tensor_messages import Array

_EXAMPLES = "examples"
# From here on columns are faster, in spite of what Arrow costs to start with.
_MANY_ROWS = 16
_INTS = ("DT_INT64", "DT_INT32")


@dataclass(frozen=True)
class Columns:
    """Named columns: a dict of lists, arrays or scalars."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """One dict per row."""

    values: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Serialized:
    """One serialized tf.Example per row."""

    values: Sequence[bytes]


@dataclass(frozen=True)
class Batch:
    """An Arrow record batch."""

    values: Any


Inputs = Columns | Rows | Serialized | Batch


def read(inputs: Any) -> Inputs:
    """Says which form inputs have. Raises ValueError for none that the client takes."""
    if isinstance(inputs, Mapping):
        _check_names(inputs)
        return Columns(inputs)
    if tables.is_table(inputs):
        return Batch(tables.to_batch(inputs))
    if isinstance(inputs, (str, bytes)) or not hasattr(inputs, "__iter__") or tables.is_series(inputs):
        row = "; one row of a frame is frame.iloc[[0]]" if tables.is_series(inputs) else ""
        raise ValueError(
            "expected named tensors (a dict), serialized tf.Examples (a list of bytes), rows (a list of dicts), a "
            f"pandas DataFrame or an Arrow table, received {type(inputs).__name__}{row}"
        )
    rows = list(inputs)
    if rows and tables.is_table(rows[0]):
        raise ValueError(
            f"expected one table, received a list of {type(rows[0]).__name__}; predict_batches takes them one by one"
        )
    kinds = [Mapping if isinstance(row, Mapping) else type(row) for row in rows]
    for index, kind in enumerate(kinds):
        if kind not in (Mapping, bytes) or kind != kinds[0]:
            other = "" if kind not in (Mapping, bytes) else " beside other rows of another kind"
            raise ValueError(
                f"row {index}: expected a dict or a serialized tf.Example, received {type(rows[index]).__name__}{other}"
            )
    return Rows(rows) if kinds and kinds[0] is Mapping else Serialized(rows)


def _check_names(names: Iterable[Any]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"expected names as text, received {type(name).__name__}: {name!r}")


def tensors(given: Inputs, signature: SignatureDescription | None, dtypes: Mapping[str, str]) -> dict[str, Array]:
    """Returns the tensors to send for Predict.

    Args:
        given: the inputs.
        signature: what is asked; None if the model has none of that name, which the server says in its own words.
        dtypes: feature -> dtype, for features in tf.Examples, as far as it is known.

    Raises:
        ValueError: values that do not fit; names input, row and value.
    """
    expected = signature.inputs if signature else {}
    examples_input = signature.examples_input if signature else _EXAMPLES
    # Rows for an input of another name are a mistake: a model of texts would take the bytes of a tf.Example for one.
    encodes = examples_input is not None and takes_examples(examples_input) and examples_input not in _names(given)
    if isinstance(given, Serialized) or encodes:
        # A signature that is not there gets its bytes as the usual input.
        encoded = given.values if isinstance(given, Serialized) else examples(given, dtypes)
        if examples_input is None and not encoded:
            return {name: fit([], value.dtype) for name, value in expected.items()}
        if examples_input is None:
            raise ValueError(
                f"expected values for the inputs {', '.join(expected)}, received serialized tf.Examples, which this "
                "signature does not take; name a signature that does by signature_name"
            )
        return {examples_input: _strings(encoded)}
    columns = given.values if isinstance(given, Columns) else _to_columns(given)
    return {name: _tensor(name, value, expected.get(name)) for name, value in columns.items()}


def _tensor(name: str, value: Any, expected: TensorDescription | None) -> Array:
    dtype = None if expected is None else expected.dtype
    try:
        column = tables.to_column(value)
        if column is not None:
            return arrow_values.to_tensor(name, column, dtype)
        return fit(_filled_up(value, dtype) if isinstance(value, (list, tuple)) else value, dtype)
    except ValueError as error:
        raise ValueError(f"input {name!r}: {error}") from error


def _names(given: Inputs) -> set[str]:
    if isinstance(given, Columns):
        return set(given.values)
    if isinstance(given, Rows):
        return set(given.values[0]) if given.values else set()
    return set(given.values.schema.names) if isinstance(given, Batch) else set()


def _strings(values: Sequence[bytes]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _to_columns(given: Rows | Batch) -> dict[str, Any]:
    """Rows as columns; an input that some rows lack is missing there."""
    if isinstance(given, Batch):
        return dict(zip(given.values.schema.names, given.values.columns, strict=True))
    rows = given.values
    names = dict.fromkeys(name for row in rows for name in row)
    _check_names(names)
    return {name: [row.get(name) for row in rows] for name in names}


def _filled_up(values: Sequence[Any], dtype: str | None) -> Sequence[Any]:
    """Rows of one level of lists, made as long as the longest if the dtype has a value for what is missing."""
    first = next((value for value in values if value is not None), None)
    if not _is_list(first) or tensor_messages.missing_marker(dtype or "") is None:
        return values
    width = max(len(value) for value in values if _is_list(value))
    return [_padded(value, width) for value in values]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _padded(value: Any, width: int) -> Any:
    if value is None:
        return [None] * width
    if not _is_list(value) or len(value) == width:
        return value
    return [*(value.tolist() if isinstance(value, np.ndarray) else value), *[None] * (width - len(value))]


def examples(given: Inputs, dtypes: Mapping[str, str]) -> list[bytes]:
    """Returns serialized tf.Examples. ``dtypes``: see `tensors`. Raises ValueError."""
    if isinstance(given, Serialized):
        return list(given.values)
    if isinstance(given, Rows):
        batch = tables.from_rows(given.values, dtypes) if len(given.values) >= _MANY_ROWS else None
        if batch is not None:
            return _encode_batch(batch, given.values, dtypes)
        return [_encode_row(index, row, dtypes) for index, row in enumerate(given.values)]
    batch = given.values if isinstance(given, Batch) else tables.from_columns(given.values)
    return arrow_values.to_examples(batch, dtypes)


def _encode_batch(batch: Any, rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> list[bytes]:
    try:
        return arrow_values.to_examples(batch, dtypes)
    except ValueError:
        # Row by row, to say which row it is.
        return [_encode_row(index, row, dtypes) for index, row in enumerate(rows)]


def _encode_row(index: int, row: Mapping[str, Any], dtypes: Mapping[str, str]) -> bytes:
    try:
        return tensor_messages.encode_row(typed_row(row, dtypes))
    except ValueError as error:
        raise ValueError(f"row {index}: {error}") from error


def typed_row(row: Mapping[str, Any], dtypes: Mapping[str, str]) -> Mapping[str, Any]:
    """Returns a row with values of the dtypes that the model parses. Raises ValueError."""
    if not dtypes:
        return row
    return {name: _typed(name, value, dtypes[name]) if name in dtypes else value for name, value in row.items()}


def _typed(name: str, value: Any, dtype: str) -> Any:
    present = [item for item in tensor_messages.to_list(value) if item is not None]
    fits = (float,) if dtype == "DT_FLOAT" else (int,) if dtype in _INTS else (str, bytes)
    if all(type(item) in fits for item in present) and (dtype == "DT_STRING" or _within(present, dtype)):
        return value
    try:
        return fit(present, dtype).tolist()
    except ValueError as error:
        raise ValueError(f"feature {name!r}: {error}") from error


def _within(values: list[Any], dtype: str) -> bool:
    """Whether numbers are surely in the range of a dtype; those that are not are looked at more closely."""
    limit = 3e38 if dtype == "DT_FLOAT" else 2**31 - 1 if dtype == "DT_INT32" else 2**63 - 1
    return all(-limit <= value <= limit for value in values)


def slices(given: Inputs, rows: int) -> Iterator[Inputs]:
    """Cuts inputs into pieces of so many rows. Raises ValueError for columns of different lengths."""
    if isinstance(given, Batch):
        for start in range(0, given.values.num_rows, rows):
            yield Batch(given.values.slice(start, rows))
        return
    if not isinstance(given, Columns):
        for start in range(0, len(given.values), rows):
            piece: Any = given.values[start : start + rows]
            yield type(given)(piece)
        return
    columns = {name: _sliceable(value) for name, value in given.values.items()}
    lengths = {name: len(value) for name, value in columns.items() if not _is_single(value)}
    if len(set(lengths.values())) > 1 or (columns and not lengths):
        raise ValueError(
            f"expected columns of the same length, received {lengths or 'single values'}; a row is a dict in a list"
        )
    for start in range(0, next(iter(lengths.values()), 0), rows):
        # A single value is that of all rows.
        yield Columns({n: v[start : start + rows] if n in lengths else v for n, v in columns.items()})


def _sliceable(value: Any) -> Any:
    # A Series is cut by its labels, in some cases.
    column = tables.to_column(value)
    return value if column is None else column


def _is_single(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0


def row_count(given: Inputs) -> int:
    """Returns the number of rows of a piece that `slices` has made."""
    if isinstance(given, Batch):
        return int(given.values.num_rows)
    if isinstance(given, Columns):
        return next(len(value) for value in given.values.values() if not _is_single(value))
    return len(given.values)
