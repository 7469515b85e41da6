"""What StatisticsGen and MergeStatistics write, and the checks of what they read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, ExampleStatistics
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.statistics import partial_state, slicing

if TYPE_CHECKING:
    from mlops_tfx.statistics.compute import Computation, Partial
    from mlops_tfx.statistics.settings import Settings


def check_same_splits(artifacts: Sequence[Examples] | Sequence[ExampleStatistics]) -> None:
    """Raises ArtifactError unless all artifacts have the same splits; lists what differs."""
    first = artifacts[0]
    for other in artifacts[1:]:
        missing = sorted(set(first.splits) - set(other.splits))
        more = sorted(set(other.splits) - set(first.splits))
        if missing or more:
            raise ArtifactError(
                f"expected the same splits in all {first.TYPE_NAME}, received {first.splits} at "
                f"{first.recorded_uri!r} and {other.splits} at {other.recorded_uri!r} "
                f"(only in the first: {missing}, only in the second: {more}); "
                f"make them with one output_config"
            )


def check_has_features(examples: Sequence[Examples]) -> None:
    """Raises DataError if the records are bytes that nobody can take apart."""
    from mlops_tfx.io.examples import payload_of, view_of

    if payload_of(examples) == "FORMAT_PROTO" and view_of(examples) is None:
        raise DataError(
            f"Examples at {examples[0].recorded_uri!r}: expected records with features, received "
            f"payload_format='FORMAT_PROTO', whose records are bytes without columns; bind a view to them "
            f"(DataViewBinder), or read the files with an ExampleGen of your own that makes tf.Examples"
        )


def set_spans(statistics: ExampleStatistics, spans: Sequence[int]) -> None:
    """Sets the property ``span`` (the largest), and for several the custom property ``spans`` (a JSON list)."""
    statistics.span = max(spans)
    if len(spans) > 1:
        statistics.custom_properties["spans"] = json.dumps(sorted(spans))


def write(computation: Computation, partial: Partial, folder: str, where: str, more: Sequence[Any] = ()) -> int:
    """Writes the statistics of one split, and the partial that they were made of.

    Args:
        computation: that of the partial.
        partial: of all rows; it cannot be used afterwards.
        folder: where to write.
        where: the split, for messages.
        more: statistics of generators that only Beam can run, by slice.

    Returns:
        The rows that were read.

    Raises:
        DataError: the options name a feature that does not occur.
    """
    from mlops_tfx.io.protos import STATISTICS_FILE, write_statistics

    rows = partial.rows
    if rows:
        slicing.check_columns(computation.settings, computation.options, partial.columns, where)
    # Finishing the statistics consumes the sketches.
    state = _state(computation, partial)
    found = computation.statistics(partial, more)
    if not found.datasets:
        found.datasets.add()  # of no examples, as in TFX: readers take datasets[0]
    write_statistics(f"{folder}/{STATISTICS_FILE}", found)
    filesystem.write_bytes(f"{folder}/{partial_state.STATE_FILE}", state)
    return rows


def _state(computation: Computation, partial: Partial) -> bytes:
    import tensorflow_data_validation as tfdv

    header: dict[str, Any] = {
        "settings": computation.settings.to_dict(),
        "rows": partial.rows,
        "written_with": f"tensorflow_data_validation {tfdv.__version__}",
    }
    if computation.transforms:
        names = ", ".join(sorted(generator.name for generator in computation.transforms))
        return partial_state.dumps({**header, "not_mergeable": f"{names} can only be computed from the data"}, None)
    try:
        return partial_state.dumps(header, partial)
    except partial_state.NotStorableError as error:
        reason = f"a generator keeps objects of {error}, and only plain values, lists, dicts and arrays can be stored"
        return partial_state.dumps({**header, "not_mergeable": reason}, None)


def check_rows(
    examples: Sequence[Examples],
    split: str,
    read: int,
    statistics: ExampleStatistics,
    settings: Settings,
    *,
    recount: bool,
) -> None:
    """Raises DataError unless the statistics cover the rows that the split has, and at least one if it has any.

    Args:
        examples: what was read.
        split: which split.
        read: rows that were read.
        statistics: as written.
        settings: as used.
        recount: whether rows went through other processes, so that the files are counted once more, unless the
            artifacts say how many rows were written.
    """
    from mlops_tfx.io.examples import count_rows
    from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics
    from mlops_tfx.io.row_counts import recorded_rows

    datasets = read_statistics(f"{statistics.path(split)}/{STATISTICS_FILE}").datasets
    counted = int(datasets[0].num_examples) if datasets else 0
    where = " and ".join(repr(artifact.recorded_uri) for artifact in examples)
    recorded = recorded_rows(examples, split)
    if recorded is not None:
        rows = recorded
    else:
        rows = count_rows(examples, split) if recount else read
    sample_rate = settings.sample_rate
    if not settings.counts_rows:
        counted = read
    if read != rows or (sample_rate == 1.0 and counted != rows):
        raise DataError(
            f"split {split!r} of Examples at {where} has {rows} rows, but {read} were read and statistics were "
            f"computed over {counted}; the files may have changed meanwhile: run again"
        )
    if rows and not counted:
        raise DataError(
            f"expected rows in split {split!r} of Examples at {where}, but sample_rate={sample_rate} left none of its "
            f"{rows} rows; raise the sample rate, or leave it out with exclude_splits=[{split!r}]"
        )
