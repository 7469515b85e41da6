"""What is wrong with the parameters of BulkInferrer, before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlops_tfx.errors import did_you_mean
from mlops_tfx.inference.signatures import DEFAULT_SIGNATURE, column_names

if TYPE_CHECKING:
    from mlops_tfx.config import OutputExampleSpec


def wiring_problems(
    names: Sequence[str], spec: OutputExampleSpec | None, keep_features: Sequence[str] | None
) -> Iterator[str]:
    """What is wrong with the parameters alone."""
    if len(set(names)) < len(names):
        yield f"model_spec: expected each signature once, received model_signature_name={list(names)!r}"
    if len(set(keep_features or ())) < len(keep_features or ()):
        yield f"keep_features: expected each feature once, received keep_features={list(keep_features or ())!r}"
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
