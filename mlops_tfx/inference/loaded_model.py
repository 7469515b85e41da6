"""A SavedModel in a session: any SavedModel (TensorFlow 1 and 2), several signatures in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.inference.features import feeds_of
from mlops_tfx.inference.signatures import make_tasks

if TYPE_CHECKING:
    from mlops_tfx.config import OutputExampleSpec
    from mlops_tfx.inference.batches import Batch

Outputs = list[dict[str, Any]]


class LoadedModel:
    """A model, ready to run. Threads may share it.

    Args:
        path: the SavedModel.
        names: signatures; none for ``serving_default``.
        tags: of the graph; none for ``serve``.
        spec: columns wanted, if not PredictionLogs.

    Attributes:
        tasks: what is run.

    Raises:
        ArtifactError: there is no SavedModel, or it cannot be loaded.
        ConfigError: it has no such signature or output.
    """

    def __init__(
        self, path: str, names: Sequence[str], tags: Sequence[str] = (), spec: OutputExampleSpec | None = None
    ) -> None:
        graph = tf.Graph()
        self._session: Any = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                definitions = _load(self._session, path, list(tags) or ["serve"])
            self.tasks = make_tasks(definitions, names, spec)
            self._feeds = sorted({tensor.tensor for task in self.tasks for tensor in task.inputs})
            self._fetches = sorted({name for task in self.tasks for name in task.outputs.values()})
            self._call: Callable[..., Any] = self._session.make_callable(self._fetches, self._feeds)
        except BaseException:
            self._session.close()
            raise

    def run(self, batch: Batch) -> Outputs:
        """Returns the outputs of every task by name, ``[rows, ...]`` each. Raises DataError."""
        feeds: dict[str, Any] = {}
        for task in self.tasks:
            feeds.update(feeds_of(task, batch))
        try:
            arrays = self._call(*(feeds[name] for name in self._feeds))
        except (tf.errors.OpError, ValueError) as error:
            reason = error.message if isinstance(error, tf.errors.OpError) else str(error)
            raise DataError(
                f"{batch.where}: the model cannot compute these rows: {' '.join(reason.split())}{_advice(reason)}"
            ) from error
        found = dict(zip(self._fetches, arrays, strict=True))
        outputs = [{alias: found[name] for alias, name in task.outputs.items()} for task in self.tasks]
        for task, values in zip(self.tasks, outputs, strict=True):
            _check_rows(values, task.signature, batch)
        return outputs

    def close(self) -> None:
        """Frees the session."""
        self._session.close()


def _advice(reason: str) -> str:
    # tf.saved_model.save leaves the variables of a Keras 3 model unlinked from the graph that a session restores.
    if "Could not find variable" not in reason:
        return ""
    return (
        "; a Keras 3 model that tf.saved_model.save wrote cannot be restored in a session: "
        "write it with model.export(), or with mlops_tfx.serving.export.export_model"
    )


def _load(session: Any, path: str, tags: list[str]) -> Any:
    try:
        return tf.compat.v1.saved_model.loader.load(session, tags, path).signature_def
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ArtifactError(f"expected a SavedModel with tags {tags!r} at {path!r}: {error}") from error


def _check_rows(values: dict[str, Any], signature: str, batch: Batch) -> None:
    for alias, value in values.items():
        shape = np.shape(value)
        if not shape or shape[0] != len(batch):
            raise DataError(
                f"{batch.where}: expected output {alias!r} of signature {signature!r} to have {len(batch)} rows, "
                f"received shape={shape!r}"
            )
