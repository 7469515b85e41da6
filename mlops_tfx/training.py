"""What Trainer and Tuner hand to the user's functions, and how they find the files."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import ArtifactError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.io.dataset import DataAccessor

# One seed for all runs, so that two runs over the same input agree. run_fn may set another.
SEED = 0


@dataclass
class FnArgs:
    """What ``run_fn(fn_args)`` receives. Names and meaning are those of TFX 1.16.

    Attributes:
        working_dir: a working folder; set for tuning only.
        train_files: glob patterns of the training files, one per split and artifact (``{uri}/Split-train/*``).
        eval_files: glob patterns of the evaluation files.
        train_steps: number of training steps in ``train_args``; None leaves it to the function.
        eval_steps: number of evaluation steps in ``eval_args``; None leaves it to the function.
        schema_path: file of the schema (``schema.pbtxt``), or None.
        schema_file: the older name of ``schema_path``.
        transform_graph_path: folder of the transform graph, for ``tft.TFTransformOutput``, or None.
        transform_output: the older name of ``transform_graph_path``.
        data_accessor: makes ``tf.data.Dataset``s and record batches from file patterns, whatever the file format.
        serving_model_dir: where the function must write its model, a SavedModel if it is to be served.
        eval_model_dir: where it may write a second model, for evaluation only.
        model_run_dir: where it may write logs and checkpoints.
        base_model: folder of the SavedModel to start from, or None.
        hyperparameters: the ``get_config()`` of ``keras_tuner.HyperParameters``, or None.
        custom_config: the component's ``custom_config``, or None.
        num_examples: rows per split, where the Trainer was given statistics; else None.
    """

    working_dir: str | None = None
    train_files: list[str] | None = None
    eval_files: list[str] | None = None
    train_steps: int | None = None
    eval_steps: int | None = None
    schema_path: str | None = None
    schema_file: str | None = None
    transform_graph_path: str | None = None
    transform_output: str | None = None
    data_accessor: DataAccessor | None = None
    serving_model_dir: str | None = None
    eval_model_dir: str | None = None
    model_run_dir: str | None = None
    base_model: str | None = None
    hyperparameters: dict[str, Any] | None = None
    custom_config: dict[str, Any] | None = None
    num_examples: dict[str, int] | None = None


def split_patterns(examples: Sequence[Examples], splits: Sequence[str], argument: str) -> list[str]:
    """Glob patterns of the files of some splits, one per split and artifact.

    Args:
        examples: the artifacts.
        splits: names of splits.
        argument: where the names come from, for the error.

    Raises:
        ConfigError: no artifact has a split.
    """
    for split in splits:
        known = sorted({name for artifact in examples for name in artifact.splits})
        if split not in known:
            places = ", ".join(artifact.recorded_uri for artifact in examples)
            raise ConfigError(
                f"{argument}: expected a split of the examples at {places}, received splits={list(splits)!r}: "
                f"there is no split {split!r}{did_you_mean(split, known)}"
            )
    return [os.path.join(artifact.path(split), "*") for split in splits for artifact in examples]


def only_file(folder: str, name: str) -> str:
    """The path of a file that an artifact must have. Raises ArtifactError if it has not."""
    path = os.path.join(folder, name)
    if not filesystem.exists(path):
        raise ArtifactError(f"expected a file {name} in {folder!r}, found none; run the node that makes it again")
    return path


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Sets the seeds of Python, NumPy, TensorFlow and, where loaded, Keras; gives the first two their state back."""
    import numpy as np
    import tensorflow as tf

    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)
    # A Keras that is not loaded yet will draw its seed from Python's generator.
    for name in ("keras", "tf_keras"):
        if name in sys.modules:
            sys.modules[name].utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
