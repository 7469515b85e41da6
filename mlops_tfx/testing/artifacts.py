"""Reading artifacts in tests: rows, schemas, statistics, blessings, values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact, Examples, ExampleStatistics, Schema, ValueArtifact
from mlops_tfx.errors import ArtifactError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.execution import RunResult


def artifacts(result: RunResult, node_id: str, output_key: str) -> list[Artifact]:
    """Returns what a node put out in a run.

    Raises:
        ArtifactError: there is no such node or output in the run; near names are shown.
    """
    outputs = result.outputs.get(node_id)
    if outputs is None:
        raise ArtifactError(f"run {result.run_id} has no outputs of {node_id!r}{did_you_mean(node_id, result.outputs)}")
    if output_key not in outputs:
        raise ArtifactError(f"{node_id} has no output {output_key!r}{did_you_mean(output_key, outputs)}")
    return list(outputs[output_key])


def artifact(result: RunResult, node_id: str, output_key: str) -> Artifact:
    """Returns the one artifact that a node put out. Raises ArtifactError if there is none, or are several."""
    found = artifacts(result, node_id, output_key)
    if len(found) != 1:
        raise ArtifactError(f"{node_id}.outputs[{output_key!r}]: expected one artifact, received {len(found)}")
    return found[0]


def read_split(examples: Artifact, split: str) -> pa.Table:
    """Returns all rows of a split as a table: one column per feature, each row a list of values, in file order.

    Raises:
        ArtifactError: the artifact has no examples, or no such split.
        DataError: a file is damaged.
    """
    import pyarrow as pa

    from mlops_tfx.io.examples import read_batches

    batches = list(read_batches(_of_type(examples, Examples), split))
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote=True) if tables else pa.table({})


def read_schema(schema: Artifact) -> Any:
    """Returns the ``tensorflow_metadata.proto.v0.schema_pb2.Schema``. Raises DataError if it cannot be read."""
    from mlops_tfx.io.protos import read_schema as read

    return read(os.path.join(_of_type(schema, Schema).uri, "schema.pbtxt"))


def read_statistics(statistics: Artifact, split: str) -> Any:
    """Returns the ``DatasetFeatureStatisticsList`` of a split.

    Raises:
        ArtifactError: there is no such split.
        DataError: it cannot be read.
    """
    from mlops_tfx.io.protos import read_statistics as read

    return read(os.path.join(_of_type(statistics, ExampleStatistics).path(split), "FeatureStats.pb"))


def is_blessed(blessing: Artifact) -> bool:
    """Whether a ModelBlessing or InfraBlessing approves. Raises ArtifactError for an artifact that says neither."""
    if "blessed" not in blessing.custom_properties:
        raise ArtifactError(f"expected a blessing, with the custom property 'blessed', received {blessing!r}")
    return bool(blessing.custom_properties["blessed"] == 1)


def read_value(value: Artifact) -> Any:
    """Returns the value of an Integer, Float, String, Boolean, Bytes or JsonValue. Raises ArtifactError for others."""
    return _of_type(value, ValueArtifact).value


def _of_type(given: Artifact, expected: type[Any]) -> Any:
    if not isinstance(given, expected):
        raise ArtifactError(f"expected an artifact of type {expected.TYPE_NAME}, received {given!r}")
    return given
