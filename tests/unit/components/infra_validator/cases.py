"""Models that serve well, and models that do not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx.artifacts import Examples, InfraBlessing, Model
from mlops_tfx.components import InfraValidator
from mlops_tfx.components.infra_validator.servers import Launch
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import ExamplesWriter
from mlops_tfx.serving.server import ModelServer, ServerOptions
from tests.conformance.serving.models import CLASSIFY, PREDICT, REGRESS, define

ROWS = 4


def save_model(folder: Path, main_op: Callable[[], Any] | None = None) -> Model:
    """A model with signatures of every kind, and some that break their promises. ``main_op`` runs when it is loaded."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        records = v1.placeholder(tf.string, [None], name="records")
        x = tf.io.parse_example(records, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        y, feed = x / 2 + 2, {"examples": records}
        scores = tf.stack([x, y], 1)
        labels = tf.tile([["low", "high"]], [tf.shape(x)[0], 1])
        fed = v1.placeholder(tf.float32, [None, 1], name="fed")
        predicted = {"y": y, "text": tf.strings.as_string(y), "n": tf.cast(x, tf.int64)}
        signatures = {
            "serving_default": define(feed, predicted, PREDICT),
            "classify": define({"inputs": records}, {"classes": labels, "scores": scores}, CLASSIFY),
            "regress": define({"inputs": records}, {"outputs": y[:, None]}, REGRESS),
            "named": define({"x": fed}, {"y": fed * 2}, PREDICT),
            "nan": define(feed, {"y": tf.where(x > 2, x, float("nan"))}, PREDICT),
            "infinite_scores": define({"inputs": records}, {"scores": scores / 0.0}, CLASSIFY),
            "short": define(feed, {"y": y[:1]}, PREDICT),
            "fails": define(feed, {"y": tf.debugging.check_numerics(tf.math.log(x), "no log of zero")}, PREDICT),
            "lies": define(feed, {"y": scores}, PREDICT),
            "absent": define({"missing": fed}, {"y": fed}, PREDICT),
        }  # fmt: skip
        del signatures["lies"].outputs["y"].tensor_shape.dim[1:]
        builder = v1.saved_model.Builder(str(folder / "Format-Serving"))
        operation = None if main_op is None else main_op()
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures, main_op=operation)
        builder.save()
    return Model(str(folder))


def crash() -> Any:
    """Ends the process that runs it."""
    import tensorflow as tf

    return tf.raw_ops.Abort(error_msg="this model takes its server with it", exit_without_error=False)


def hang() -> Any:
    """Never ends."""
    import tensorflow as tf

    with tf.control_dependencies([tf.while_loop(lambda i: i >= 0, lambda i: i * 0, [tf.constant(0)])[0]]):
        return tf.no_op()


def write_examples(folder: Path) -> Examples:
    """Rows with x from 0."""
    examples = Examples(str(folder))
    examples.splits = ["train", "eval"]
    for split in examples.splits:
        x = pa.array([[float(row)] for row in range(ROWS)], pa.large_list(pa.float32()))
        with ExamplesWriter(f"{folder}/Split-{split}") as writer:
            writer.write(pa.RecordBatch.from_arrays([x], ["x"]))
    return examples


def served(rows: int = ROWS) -> np.ndarray:
    """What the model answers."""
    return np.arange(rows, dtype=np.float32) / 2 + 2


def validate(
    root: Path, model: Model, examples: Examples | None = None, **parameters: Any
) -> tuple[InfraBlessing, list[str]]:
    """Runs InfraValidator by itself; returns the verdict and the log."""
    lines: list[str] = []
    inputs: dict[str, Any] = {"model": model} | ({} if examples is None else {"examples": examples})
    component = InfraValidator(**parameters)
    (blessing,) = run_component(component, inputs, root, log=lines.append)["blessing"]
    assert isinstance(blessing, InfraBlessing)
    return blessing, lines


@dataclass(frozen=True)
class ServerHere:
    """The embedded server inside the test's process, where starting costs nothing. Has what a `Server` has."""

    memory: int = 1 << 20
    name: str = "here"
    ended: Sequence[str] = ()

    @contextlib.contextmanager
    def start(self, launch: Launch) -> Iterator[Any]:
        options = ServerOptions(
            port=0, host="localhost", model_name=launch.model_name, model_base_path=launch.base_path,
            max_num_load_retries=0, file_system_poll_wait_seconds=0.1,
        )  # fmt: skip
        server = ModelServer(options)
        server.start()
        try:
            yield _Running(f"localhost:{server.port}", self.memory)
        finally:
            server.stop()


@dataclass(frozen=True)
class _Running:
    address: str
    memory: int

    def check_alive(self, seconds: float = 0.0) -> None:
        """It is."""

    def last_lines(self) -> str:
        return "last words"

    def peak_memory(self) -> int:
        return self.memory
