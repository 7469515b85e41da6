"""Statistics of a split, and those that it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.artifacts import ExampleStatistics
from mlops_tfx.errors import ArtifactError

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2


def read_split(artifact: ExampleStatistics, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Reads the statistics of one split. Raises ArtifactError or DataError if there are none, or not readable."""
    from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics

    statistics: statistics_pb2.DatasetFeatureStatisticsList = read_statistics(
        f"{artifact.path(split)}/{STATISTICS_FILE}"
    )
    return statistics


def read_control(
    artifact: ExampleStatistics | None, name: str, split: str
) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    """Reads the statistics to compare a split with: those of the same name, or the only ones there are.

    Raises:
        ArtifactError: there are several splits, and none of that name; ``name`` is that of the input.
    """
    if artifact is None:
        return None
    if split in artifact.splits:
        return read_split(artifact, split)
    if len(artifact.splits) == 1:
        return read_split(artifact, artifact.splits[0])
    raise ArtifactError(
        f"input {name!r}: expected statistics of split {split!r}, or of a single split, received "
        f"splits={artifact.splits!r} at {artifact.uri!r}; leave the split out with exclude_splits=[{split!r}]"
    )
