"""What users have, as what a signature takes: named tensors, or serialized tf.Examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.clients import tables
from mlops_tfx.serving.clients.descriptions import SignatureDescription, TensorDescription
from mlops_tfx.serving.clients.fitting import fit
from mlops_tfx.serving.tensor_messages import Array

# The signature of an exported model (serving/export) whose inputs are the raw features, with their dtypes.
RAW_SIGNATURE = "serving_raw"
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
    if isinstance(given, Serialized) or (examples_input and not _names(given) & {examples_input}):
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
    if isinstance(given, Batch):
        batch = given.values
        dtype = {name: expected[name].dtype if name in expected else None for name in batch.schema.names}
        return {name: _named(name, tables.to_tensor, name, batch.column(i), dtype[name])
                for i, name in enumerate(batch.schema.names)}  # fmt: skip
    columns = given.values if isinstance(given, Columns) else _to_columns(given.values, expected)
    return {name: _named(name, fit, value, _dtype(expected, name)) for name, value in columns.items()}


def _named(name: str, convert: Any, *arguments: Any) -> Array:
    try:
        array: Array = convert(*arguments)
    except ValueError as error:
        raise ValueError(f"input {name!r}: {error}") from error
    return array


def _dtype(expected: Mapping[str, TensorDescription], name: str) -> str | None:
    return expected[name].dtype if name in expected else None


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


def _to_columns(rows: Sequence[Mapping[str, Any]], expected: Mapping[str, TensorDescription]) -> dict[str, list[Any]]:
    """Rows as columns; an input that some rows lack is missing there."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        lengths = {len(value) for value in values if isinstance(value, (list, tuple))}
        dtype = _dtype(expected, name)
        if lengths and (len(lengths) > 1 or None in values) and tensor_messages.missing_marker(dtype or "") is not None:
            width = max(lengths)
            values = [_padded(value, width) for value in values]
        columns[name] = values
    return columns


def _padded(value: Any, width: int) -> Any:
    if value is None:
        return [None] * width
    return [*value, *[None] * (width - len(value))] if isinstance(value, (list, tuple)) else value


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
    return tables.to_examples(batch, dtypes)


def _encode_batch(batch: Any, rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> list[bytes]:
    try:
        return tables.to_examples(batch, dtypes)
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
    single = value is None or isinstance(value, (str, bytes)) or np.ndim(value) == 0
    values = [value] if single else list(value)
    present = [item for item in values if item is not None]
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
    lengths = {
        name: np.shape(value)[0] if hasattr(value, "dtype") else len(value) for name, value in given.values.items()
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected columns of the same length, received {lengths}")
    for start in range(0, next(iter(lengths.values()), 0), rows):
        yield Columns({name: value[start : start + rows] for name, value in given.values.items()})


def row_count(given: Inputs) -> int:
    """Returns the number of rows of a piece that `slices` has made."""
    if isinstance(given, Batch):
        return int(given.values.num_rows)
    return len(next(iter(given.values.values()))) if isinstance(given, Columns) else len(given.values)
