"""A model behind an endpoint of Vertex AI, run like one that is loaded here."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mlops_tfx import filesystem
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.inference.features import feeds_of, gives_records
from mlops_tfx.inference.loaded_model import LoadedModel, Outputs
from mlops_tfx.inference.signatures import DEFAULT_SIGNATURE, make_tasks

if TYPE_CHECKING:
    from mlops_tfx.config import OutputExampleSpec
    from mlops_tfx.inference.batches import Batch


class RemoteModel(LoadedModel):
    """A deployed model; only the signature is read here, no variables are.

    Not verified against the real service.

    Args:
        path: the SavedModel that is deployed.
        endpoint: has ``predict(instances=...)``, which answers as TensorFlow Serving does by REST, row by row.
        spec: columns wanted, if not PredictionLogs.

    Raises:
        ArtifactError: there is no SavedModel with the tag ``serve``.
    """

    def __init__(self, path: str, endpoint: Any, spec: OutputExampleSpec | None) -> None:
        self._endpoint = endpoint
        definitions = _signatures(path)
        self.tasks = make_tasks(definitions, (), spec)
        outputs = definitions[DEFAULT_SIGNATURE].outputs
        self._all = sorted(outputs)
        self._types = {name: tf.as_dtype(info.dtype).as_numpy_dtype for name, info in outputs.items()}

    def run(self, batch: Batch) -> Outputs:
        """Returns the outputs by name, ``[rows, ...]`` each. Raises DataError with the service's reason."""
        (task,) = self.tasks
        feeds = feeds_of(task, batch)
        arrays = {tensor.alias: feeds[tensor.tensor] for tensor in task.inputs}
        if gives_records(task, batch):
            instances: list[Any] = [_json(record) for record in arrays[task.inputs[0].alias]]
        else:
            rows = zip(*arrays.values(), strict=True)
            instances = [{name: _json(value) for name, value in zip(arrays, row, strict=True)} for row in rows]
        try:
            predictions = list(self._endpoint.predict(instances=instances).predictions)
        except Exception as error:
            raise DataError(f"{batch.where}: Vertex AI cannot predict these rows: {error}") from error
        if len(predictions) != len(batch):
            raise DataError(f"{batch.where}: expected {len(batch)} predictions, received {len(predictions)}")
        return [{name: self._output(name, predictions) for name in task.outputs}]

    def _output(self, name: str, predictions: list[Any]) -> Any:
        values = predictions if len(self._all) == 1 else [row[name] for row in predictions]
        if self._types[name] is object or self._types[name] == np.object_:
            return np.array(_texts(values), dtype=object)
        return np.array(values, dtype=self._types[name])

    def close(self) -> None:
        """Nothing is held here."""


def _signatures(path: str) -> Any:
    file = filesystem.join(path, "saved_model.pb")
    if not filesystem.exists(file):
        raise ArtifactError(f"expected a SavedModel at {path!r}, found no saved_model.pb")
    for graph in saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(file)).meta_graphs:
        if list(graph.meta_info_def.tags) == ["serve"]:
            return graph.signature_def
    raise ArtifactError(f"expected a SavedModel with tags ['serve'] at {path!r}, found none")


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, np.ndarray):
        return [_json(item) for item in value] if value.dtype == object else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value).encode()
