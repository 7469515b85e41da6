"""Training's own path: raw rows through the transform graph as Transform applies it, then through what was trained."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter

from mlops_tfx.errors import DataError, MlopsTfxError, UserCodeError
from mlops_tfx.io.columns import concat
from mlops_tfx.skew.arithmetic import as_written
from mlops_tfx.skew.sources import feature_sources
from mlops_tfx.skew.trained_model import dense_array
from mlops_tfx.transformation import tensors
from mlops_tfx.transformation.raw_batches import RawBatches
from mlops_tfx.transformation.saved_graph import SavedGraph

if TYPE_CHECKING:
    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.trained_model import TrainedModel


_LONGEST_MESSAGE = 500


class RejectedError(MlopsTfxError):
    """A path does not answer for some rows; the message is its own."""


class Preprocessing:
    """The transform graph, applied as Transform does, and what it writes as a trainer reads it.

    Args:
        graph_uri: the TransformGraph artifact's folder.

    Attributes:
        sources: transformed feature -> the raw features that it is computed from.
        features: names of the transformed features.
        raw_schema: the schema of the raw rows.
    """

    def __init__(self, graph_uri: str) -> None:
        output = tft.TFTransformOutput(graph_uri)
        self.raw_schema = output.raw_metadata.schema
        self.raw_spec: dict[str, Any] = output.raw_feature_spec()
        self.sources: Mapping[str, frozenset[str]] = feature_sources(output.transform_savedmodel_dir)
        self.features = sorted(self.sources)
        needed = frozenset().union(*self.sources.values())
        self._graph = SavedGraph(graph_uri, [name for name in self.raw_spec if name in needed])
        config = tensors.adapter_config(output.transformed_metadata.schema)
        self._adapter = TensorAdapter(config)
        self._columns = RawBatches.of(config)

    def apply(self, rows: RowSet, model: TrainedModel | None) -> Reference:
        """Returns the transformed rows, as Transform writes them and as written. Raises DataError and UserCodeError."""
        return Reference(rows, self.compute(rows, model, True), self.compute(rows, model, False))

    def compute(self, rows: RowSet, model: TrainedModel | None, optimized: bool) -> Computed:
        """Returns the transformed rows, with the graph optimizer or without. Raises DataError and UserCodeError."""
        with contextlib.nullcontext() if optimized else as_written():
            return Computed(self.transform(rows.batch, rows.origin), self, model, optimized)

    def transform(self, batch: pa.RecordBatch, origin: str) -> pa.RecordBatch:
        """Returns the columns of transformed examples. Raises DataError and UserCodeError."""
        return self._graph.flattener.flatten(self._graph.transform(batch, f"{origin} rows"))

    def apply_each(self, rows: RowSet, company: RowSet) -> tuple[list[int], dict[int, str]]:
        """Finds out which rows the graph takes.

        Every batch has a good row beside those asked for: in training, a row is one of thousands.

        Returns:
            The numbers of the rows that are taken, and by number why the others are refused.
        """
        accepted: list[int] = []
        refused: dict[int, str] = {}
        pending = [list(range(len(rows)))]
        good = company.take([0])
        while pending:
            numbers = pending.pop()
            batch = concat([rows.take(numbers).batch, good.batch])
            try:
                self.transform(batch, rows.origin)
            except (DataError, UserCodeError) as error:
                if len(numbers) == 1:
                    refused[numbers[0]] = message_of(error)
                else:
                    half = len(numbers) // 2
                    pending += [numbers[half:], numbers[:half]]
            else:
                accepted += numbers
        return accepted, refused

    def as_tensors(self, transformed: pa.RecordBatch) -> dict[str, Any]:
        """Returns transformed rows as a trainer reads them: feature -> tensor ``[rows, ...]``, sparse or ragged."""
        found: dict[str, Any] = self._adapter.ToBatchTensors(self._columns.check(transformed, "transformed rows"))
        return found


def message_of(error: BaseException) -> str:
    """Returns an error's text in one line, without what TensorFlow adds of its own numbering and stack traces."""
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    line = " ".join(str(text).split())
    line = re.sub(r"Graph execution error: Detected at node .*?<stack traces unavailable> ", "", line)
    return re.sub(r"\s*\[\[\{\{node .*?\}\}\]\]|\s*\[Op:[^\]]*\]", "", line)[:_LONGEST_MESSAGE]


@dataclass(frozen=True)
class Computed:
    """Transformed rows, and what the trained model makes of them.

    Attributes:
        columns: the columns of transformed examples.
        preprocessing: what reads them.
        model: what was trained; None if it was not found.
        optimized: whether the model runs with the graph optimizer, as in a server.
    """

    columns: pa.RecordBatch
    preprocessing: Preprocessing
    model: TrainedModel | None
    optimized: bool

    def take(self, numbers: Sequence[int]) -> Computed:
        """Returns some of the rows."""
        places = pa.array(np.asarray(numbers, np.int64))
        columns = [column.take(places) for column in self.columns.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=self.columns.schema)
        return Computed(batch, self.preprocessing, self.model, self.optimized)

    @cached_property
    def tensors(self) -> dict[str, Any]:
        """The transformed features as tensors."""
        return self.preprocessing.as_tensors(self.columns)

    @cached_property
    def features(self) -> dict[str, Any]:
        """The transformed features as arrays ``[rows, ...]``, padded with 0 or ``""``."""
        return {name: dense_array(tensor) for name, tensor in self.tensors.items()}

    @cached_property
    def predictions(self) -> dict[str, Any]:
        """What the model answers for all rows at once. Raises RejectedError."""
        return predict(self.model, self.tensors, self.optimized)

    @cached_property
    def predictions_one_by_one(self) -> dict[str, Any]:
        """What it answers for each row alone; such an answer may round otherwise than that for many. RejectedError."""
        found = [self.take([row]).predictions for row in range(self.columns.num_rows)]
        return {name: np.concatenate([answer[name] for answer in found]) for name in found[0]}


@dataclass(frozen=True)
class Reference:
    """What training's path gives for some rows.

    Attributes:
        rows: the raw rows.
        read: what training read (the transformed examples, or what Transform would have written), and the model
            as a server runs it, with the graph optimizer.
        written: what the transform graph and the model compute without it.
    """

    rows: RowSet
    read: Computed
    written: Computed

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, numbers: Sequence[int]) -> Reference:
        """Returns some of the rows, as they were computed among all."""
        return Reference(self.rows.take(numbers), self.read.take(numbers), self.written.take(numbers))

    def together(self, numbers: Sequence[int]) -> Reference:
        """Returns some of the rows; what is written is computed for these alone, in their order.

        Functions such as log1p are computed for several numbers at once, and for what is left at the end of a batch
        one by one, which rounds otherwise. So equal bits are had only for the same rows in the same places.
        """
        if len(numbers) == len(self):
            return self
        rows = self.rows.take(numbers)
        written = self.written.take(numbers)
        with contextlib.suppress(DataError, UserCodeError):
            written = written.preprocessing.compute(rows, written.model, False)
        return Reference(rows, self.read.take(numbers), written)

    def alone(self, numbers: Sequence[int]) -> Reference:
        """Returns some of the rows; what is written is computed for each by itself, as far as the graph does that."""
        parts = [self.together([number]) for number in numbers]
        if not parts:
            return self.take(numbers)
        first = parts[0].written
        columns = concat([part.written.columns for part in parts])
        written = Computed(columns, first.preprocessing, first.model, False)
        return Reference(self.rows.take(numbers), self.read.take(numbers), written)


def predict(model: TrainedModel | None, features: Mapping[str, Any], optimized: bool = False) -> dict[str, Any]:
    """Asks what was trained, if it was found, with the graph optimizer or without. Raises RejectedError."""
    if model is None:
        return {}
    try:
        with contextlib.nullcontext() if optimized else as_written():
            return model(features)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise RejectedError(message_of(error)) from error
