"""FnArgs: what a user's training function receives. Names and meaning are those of TFX 1.16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tfx.io.dataset import DataAccessor


@dataclass
class FnArgs:
    """What ``run_fn(fn_args)`` receives.

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
        serving_model_dir: where the function must write its SavedModel.
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
