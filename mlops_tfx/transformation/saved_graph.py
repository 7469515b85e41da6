"""Applies a written transform graph to record batches."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter

from mlops_tfx import filesystem
from mlops_tfx.errors import UserCodeError
from mlops_tfx.io.ahead import ahead
from mlops_tfx.io.examples import Shard, read_shard
from mlops_tfx.transformation import tensors
from mlops_tfx.transformation.flattening import Flattener
from mlops_tfx.transformation.raw_batches import RawBatches

if TYPE_CHECKING:
    import pyarrow as pa


class SavedGraph:
    """A transform graph, loaded once and applied to batches of thousands of rows.

    Args:
        graph_uri: the folder that the analysis wrote.
        columns: the raw tensors that the graph needs.

    Attributes:
        schema: the schema of these raw features.
        flattener: brings transformed batches into the columns of transformed examples.
    """

    def __init__(self, graph_uri: str, columns: Collection[str]) -> None:
        output = tft.TFTransformOutput(graph_uri)
        raw_schema = output.raw_metadata.schema
        config = tensors.adapter_config(raw_schema, columns)
        self.schema = tensors.project(raw_schema, columns)
        self._raw = RawBatches.of(config)
        self._adapter = TensorAdapter(config)
        # The layer is kept: it owns the tables that the function uses.
        self._layer = output.transform_features_layer()
        self._apply = tf.function(self._layer, input_signature=[self._adapter.TypeSpecs()], autograph=False)
        transformed = output.transformed_metadata.schema
        self._to_arrow = impl_helper.make_tensor_to_arrow_converter(transformed)
        self.flattener = Flattener(transformed)

    def read(self, shard: Shard) -> Iterator[pa.RecordBatch]:
        """Reads the raw features of a shard that the graph needs."""
        return ahead(read_shard(shard, schema=self.schema))

    def transform(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """Returns the transformed rows, in the same order; a ragged feature is one column of nested lists.

        Raises:
            DataError: a required feature is missing.
            UserCodeError: the graph fails on these rows, or gives another number of rows.
        """
        raw = self._adapter.ToBatchTensors(self._raw.check(batch, where))
        try:
            transformed = self._apply(raw)
        except tf.errors.OpError as error:
            message = f"{where}: the graph of preprocessing_fn failed on a batch of {batch.num_rows} rows: "
            raise UserCodeError(message + str(error.message)) from error
        for name, value in transformed.items():
            _check_rows(name, value, batch.num_rows, where)
        return self._to_arrow.convert(transformed)


def _check_rows(name: str, value: Any, expected: int, where: str) -> None:
    if isinstance(value, tf.SparseTensor):
        rows = int(value.dense_shape[0])
    elif isinstance(value, tf.RaggedTensor):
        rows = int(value.nrows())
    else:
        rows = int(value.shape[0])
    if rows != expected:
        raise UserCodeError(
            f"{where}: preprocessing_fn returns feature {name!r} with {rows} rows for a batch of {expected} rows; "
            "every output needs exactly one row per input row"
        )


def transformed_schema(graph_uri: str) -> Any:
    """Returns the schema of the transformed features."""
    return tft.TFTransformOutput(graph_uri).transformed_metadata.schema


def vocabulary_files(graph_uri: str) -> dict[str, str]:
    """Returns the name and the file of every vocabulary that the graph carries."""
    output = tft.TFTransformOutput
    path = os.path.join(graph_uri, output.TRANSFORMED_METADATA_DIR, output.ASSET_MAP)
    if not filesystem.exists(path):
        return {}
    names: dict[str, str] = json.loads(filesystem.read_bytes(path))
    assets = os.path.join(graph_uri, output.TRANSFORM_FN_DIR, tf.saved_model.ASSETS_DIRECTORY)
    return {name: os.path.join(assets, file) for name, file in names.items()}
