"""Which signatures of a model run on rows, and which columns their outputs become."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.serving.input_names import RAW_SIGNATURE

if TYPE_CHECKING:
    from mlops_tfx.config import OutputColumnsSpec, OutputExampleSpec

DEFAULT_SIGNATURE = "serving_default"
PREDICT, CLASSIFY, REGRESS = "predict", "classify", "regress"
_KINDS = {f"tensorflow/serving/{kind}": kind for kind in (PREDICT, CLASSIFY, REGRESS)}
CLASSES, SCORES, VALUE = "classes", "scores", "outputs"


@dataclass(frozen=True)
class InputTensor:
    """An input of a signature.

    Attributes:
        alias: its name in the signature.
        tensor: its name in the graph.
        dtype: TensorFlow's DType.
        shape: sizes, None where free; None if the rank is free.
        default: the array that stands for the input where it is not given; None if it must be.
    """

    alias: str
    tensor: str
    dtype: Any
    shape: tuple[int | None, ...] | None
    default: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Task:
    """A signature to run.

    Attributes:
        signature: its name.
        kind: ``predict``, ``classify`` or ``regress``.
        inputs: its inputs.
        outputs: the outputs to compute: name in the signature to name in the graph.
        columns: the outputs that become columns, and their names; empty for PredictionLogs.
    """

    signature: str
    kind: str
    inputs: tuple[InputTensor, ...]
    outputs: dict[str, str]
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def takes_records(self) -> bool:
        """Whether it may read serialized records by itself, by its only input: a vector of texts without a default."""
        shape, given = self.inputs[0].shape, self.inputs[0].default is not None
        is_vector = self.inputs[0].dtype.name == "string" and (shape is None or len(shape) == 1)
        return len(self.inputs) == 1 and is_vector and not given and self.signature != RAW_SIGNATURE


def column_names(spec: OutputColumnsSpec) -> list[tuple[str, str]]:
    """Pairs of an output's name and its column."""
    if spec.classify_output is not None:
        pairs = [(CLASSES, spec.classify_output.label_column), (SCORES, spec.classify_output.score_column)]
        return [(key, column) for key, column in pairs if column]
    if spec.regress_output is not None:
        return [(VALUE, spec.regress_output.value_column)]
    if spec.predict_output is not None:
        return [(column.output_key, column.output_column) for column in spec.predict_output.output_columns]
    return []


def make_tasks(definitions: Any, names: Sequence[str], spec: OutputExampleSpec | None) -> list[Task]:
    """Returns what to run.

    Args:
        definitions: SignatureDefs by name.
        names: of signatures; none for ``serving_default``.
        spec: columns wanted, if not PredictionLogs.

    Raises:
        ConfigError: the model has no such signature or output, or one that cannot be a column.
    """
    entries = {entry.signature_name or DEFAULT_SIGNATURE: entry for entry in (spec.output_columns_spec if spec else ())}
    known = [name for name in definitions if not name.startswith("__saved_model")]
    tasks = []
    for name in names or [DEFAULT_SIGNATURE]:
        if name not in known:
            raise ConfigError(f"model_spec: the model has no signature {name!r}{did_you_mean(name, known)}")
        tasks.append(_task(name, definitions[name], entries.get(name)))
    return tasks


def _task(name: str, definition: Any, entry: OutputColumnsSpec | None) -> Task:
    import tensorflow as tf

    inputs = tuple(
        InputTensor(alias, info.name, tf.as_dtype(info.dtype), _shape(info), _default(definition, alias))
        for alias, info in sorted(definition.inputs.items())
    )
    if not inputs:
        raise ConfigError(f"signature {name!r} has no inputs, so it says nothing about rows; choose another one")
    kind = _KINDS.get(definition.method_name, PREDICT) if entry is None else _asked_kind(entry)
    outputs = {alias: info.name for alias, info in sorted(definition.outputs.items())}
    columns = tuple(column_names(entry)) if entry is not None else ()
    _check_outputs(name, definition, kind, [key for key, _ in columns])
    wanted = {key for key, _ in columns} or set(outputs)
    return Task(name, kind, inputs, {alias: tensor for alias, tensor in outputs.items() if alias in wanted}, columns)


def _default(definition: Any, alias: str) -> Any:
    import tensorflow as tf

    return tf.make_ndarray(definition.defaults[alias]) if alias in definition.defaults else None


def _asked_kind(entry: OutputColumnsSpec) -> str:
    if entry.classify_output is not None:
        return CLASSIFY
    return REGRESS if entry.regress_output is not None else PREDICT


def _check_outputs(name: str, definition: Any, kind: str, keys: Collection[str]) -> None:
    known = list(definition.outputs)
    for key in keys:
        if key not in known:
            raise ConfigError(
                f"output_example_spec: signature {name!r} has no output {key!r} to {kind}{did_you_mean(key, known)}"
            )
        sizes = _shape(definition.outputs[key])
        if sizes is not None and len([size for size in sizes[1:] if size not in (None, 1)]) > 1:
            raise ConfigError(
                f"output_example_spec: expected outputs of one number, or one list of numbers, per row, received "
                f"{key!r} of signature {name!r} with shape={sizes!r}"
            )
    needed = {CLASSIFY: {CLASSES, SCORES}, REGRESS: {VALUE}}.get(kind)
    if needed and not needed & set(known):
        raise ConfigError(f"signature {name!r}: expected outputs {sorted(needed)!r} to {kind}, received {known!r}")


def _shape(info: Any) -> tuple[int | None, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in info.tensor_shape.dim)
