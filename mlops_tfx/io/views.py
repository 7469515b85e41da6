"""Views of data: TensorFlow graphs that take records apart whose format nobody else knows.

A view is a SavedModel of a ``tfx_bsl.coders.tf_graph_record_decoder.TFGraphRecordDecoder``: it makes tensors, a row per
record, of a batch of records. Examples of ``FORMAT_PROTO`` name theirs in the custom properties that TFX gives them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.artifacts import Examples
    from mlops_tfx.io.tfrecord import RecordBlock

VIEW_URI = "data_view_uri"
VIEW_TIME = "data_view_create_time_since_epoch"


class View(NamedTuple):
    """A view that has been loaded.

    Attributes:
        decode: takes a vector of records, returns tensors by name.
        converter: makes record batches of them.
        index_name: name of the tensor that says which record a row is from; None where every record is one row.
    """

    decode: Callable[[Any], dict[str, Any]]
    converter: Any
    index_name: str | None


def view_of(examples: Sequence[Examples]) -> str | None:
    """Returns the view that is bound to artifacts: of several, the latest, as in TFX.

    Raises:
        DataError: some of the artifacts have one, and others have none.
    """
    bound = [artifact for artifact in examples if artifact.custom_properties.get(VIEW_URI)]
    if not bound:
        return None
    if len(bound) < len(examples):
        without = ", ".join(artifact.recorded_uri for artifact in examples if artifact not in bound)
        raise DataError(f"expected all Examples to have a view of their data, received some without: {without}")
    latest = max(bound, key=lambda artifact: int(artifact.custom_properties.get(VIEW_TIME, 0)))
    return str(latest.custom_properties[VIEW_URI])


@functools.lru_cache(maxsize=8)
def load_view(uri: str) -> View:
    """Loads a view. Raises DataError if there is none."""
    with contextlib.suppress(ImportError):
        importlib.import_module("struct2tensor")  # registers its operations, which views may have
    from tfx_bsl.coders.tf_graph_record_decoder import load_decoder
    from tfx_bsl.tfxio.tensor_to_arrow import TensorsToRecordBatchConverter

    try:
        decoder = load_decoder(uri)
    except (OSError, AssertionError) as error:
        raise DataError(f"expected a view of data, a SavedModel that decodes records, at {uri!r}: {error}") from error
    converter = TensorsToRecordBatchConverter(decoder.output_type_specs())
    return View(decoder.decode_record, converter, decoder.record_index_tensor_name)


def schema_through(schema: Any, uri: str) -> Any:
    """Returns a schema whose features become the tensors that the view makes, unless it says what they become."""
    if schema.tensor_representation_group:
        return schema
    found = type(schema)()
    found.CopyFrom(schema)
    known = {feature.name for feature in schema.feature}
    group = found.tensor_representation_group[""].tensor_representation
    for name, representation in load_view(uri).converter.tensor_representations().items():
        if name in known:
            group[name].CopyFrom(representation)
    return found


class ViewParser:
    """Makes tensors of serialized records, where `mlops_tfx.io.parser.Parser` does of tf.Examples.

    Args:
        uri: the view.

    Attributes:
        names: of the tensors.
    """

    def __init__(self, uri: str) -> None:
        view = load_view(uri)
        self.names = sorted(view.converter.tensor_representations())
        self.parse = view.decode


class ViewDecoder:
    """Decodes blocks of records to batches in tf.Example form, with the columns that a view makes.

    Args:
        uri: the view.
        schema: a tensorflow_metadata Schema; then exactly its features are returned, in its order.

    Raises:
        DataError: there is no such view, or its rows are not its records.
    """

    def __init__(self, uri: str, schema: Any = None) -> None:
        self._uri = uri
        self._schema = schema
        self._view = load_view(uri)
        if self._view.index_name is not None:
            raise DataError(
                f"view {uri!r}: expected a decoder with one row per record, received one with "
                f"record_index_tensor_name={self._view.index_name!r}; decode to ragged tensors instead"
            )

    def decode(self, block: RecordBlock, where: str = "") -> pa.RecordBatch:
        """Returns one row per record. Raises DataError for records or rows that are not as the view says."""
        from mlops_tfx.io import columns

        records = block.records()
        batch = columns.empty_to_null(self._decoded(records, where), keep_types=self._schema is not None)
        if batch.num_rows != len(records):
            raise DataError(f"{where}: view {self._uri!r} made {batch.num_rows} rows of {len(records)} records")
        return batch if self._schema is None else _select(batch, self._schema, where)

    def _decoded(self, records: list[bytes], where: str) -> pa.RecordBatch:
        import tensorflow as tf

        with _decoding(self._uri, where):
            return self._view.converter.convert(self._view.decode(tf.constant(records, tf.string)))


@contextlib.contextmanager
def _decoding(uri: str, where: str) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, ValueError) as error:
        raise DataError(f"{where}: view {uri!r} cannot decode a record: {error}") from error


def _select(batch: pa.RecordBatch, schema: Any, where: str) -> pa.RecordBatch:
    """The schema's features. Lists of lists stay as they are: a schema says of those what the innermost values are."""
    from mlops_tfx.io import columns, schemas

    deep = {field.name for field in batch.schema if _is_deep(field.type)}
    flat = [name for name in batch.schema.names if name not in deep]
    known = schemas.conform(columns.make_batch([batch[name] for name in flat], flat, batch.num_rows), schema, where)
    names = known.schema.names
    return columns.make_batch([batch[name] if name in deep else known[name] for name in names], names, batch.num_rows)


def _is_deep(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_list(kind) and pa.types.is_large_list(kind.value_type))
