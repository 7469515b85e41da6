"""Which signatures run, and which columns their outputs become: everything that can be wrong before any work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ConfigError, did_you_mean

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
    """

    alias: str
    tensor: str
    dtype: Any
    shape: tuple[int | None, ...] | None


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
        """Whether it reads serialized records by itself, by its only input."""
        shape = self.inputs[0].shape
        return len(self.inputs) == 1 and self.inputs[0].dtype.name == "string" and (shape is None or len(shape) == 1)


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


def wiring_problems(
    names: Sequence[str], spec: OutputExampleSpec | None, keep_features: Sequence[str] | None
) -> Iterator[str]:
    """What is wrong with the parameters alone."""
    if len(set(names)) < len(names):
        yield f"model_spec: expected each signature once, received model_signature_name={list(names)!r}"
    if spec is None:
        if keep_features is not None:
            yield "keep_features is for output_example_spec, which is missing: PredictionLogs have the whole row"
        return
    asked = [entry.signature_name or DEFAULT_SIGNATURE for entry in spec.output_columns_spec]
    if len(set(asked)) < len(asked):
        yield f"output_example_spec: expected one entry per signature, received entries for {asked!r}"
    yield from _signature_problems(names, asked)
    columns: list[str] = []
    for name, entry in zip(asked, spec.output_columns_spec, strict=True):
        found = [column for _, column in column_names(entry)]
        if not found:
            yield f"output_example_spec: expected columns for the outputs of signature {name!r}, received none"
        columns += found
    for column in sorted({column for column in columns if columns.count(column) > 1}):
        yield f"output_example_spec: expected columns of different names, received {column!r} several times"
    for column in sorted(set(columns) & set(keep_features or ())):
        yield f"column {column!r} of output_example_spec is also in keep_features; choose another name for it"


def _signature_problems(names: Sequence[str], asked: Sequence[str]) -> Iterator[str]:
    wanted = names or [DEFAULT_SIGNATURE]
    for name in asked:
        if name not in wanted and (names or name != DEFAULT_SIGNATURE):
            yield (
                f"output_example_spec names signature {name!r}, model_spec runs {list(wanted)!r}"
                f"{did_you_mean(name, wanted)}"
            )
    for name in wanted:
        if name not in asked:
            yield f"output_example_spec has no entry for signature {name!r}, which model_spec runs"


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
        InputTensor(alias, info.name, tf.as_dtype(info.dtype), _shape(info))
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
