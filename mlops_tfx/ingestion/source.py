"""What a reader may return: rows of one input split, in any of several forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.io.rows import Rows


@dataclass(frozen=True)
class Source:
    """Rows of one input split, and how many there must be.

    Args:
        batches: an iterable of Arrow record batches (plain columns, or in tf.Example form), of Arrow arrays of
            serialized records, or of `Rows`; or a Beam PTransform from a pipeline to a PCollection of dicts, serialized
            records, tf.train.Examples, tf.train.SequenceExamples or record batches.
        rows: the number of rows if it is known, or a function that is called when all rows have been read; the
            component fails unless as many were written.
        skipped: called when all rows have been read: what was wrong with records that were left out.
    """

    batches: Any
    rows: int | Callable[[], int] | None = None
    skipped: Callable[[], Sequence[str]] = tuple

    @property
    def is_beam(self) -> bool:
        """Whether the rows come from a Beam PTransform."""
        return not isinstance(self.batches, Iterable)

    def expected_rows(self) -> int | None:
        """How many rows there must be, if that is known."""
        return self.rows() if callable(self.rows) else self.rows


def as_source(value: Any, where: str) -> Source:
    """Takes what a reader returned for a source.

    Raises:
        DataError: it is neither a Source, nor an iterable, nor a PTransform.
    """
    if isinstance(value, Source):
        return as_source_of(value, where)
    return as_source_of(Source(value), where)


def as_source_of(source: Source, where: str) -> Source:
    """Returns the source, or raises DataError if it holds neither an iterable nor a PTransform."""
    if isinstance(source.batches, str | bytes | dict) or not (
        isinstance(source.batches, Iterable) or hasattr(source.batches, "expand")
    ):
        raise DataError(
            f"{where}: expected read() to return an iterable of record batches, a Source or a Beam PTransform, "
            f"received {type(source.batches).__name__}"
        )
    return source


def rows_of(source: Source, payload: str, where: str) -> Iterator[Rows]:
    """The rows of a source that is an iterable, in batches that are cut by rows and bytes.

    Args:
        source: from a reader.
        payload: what serialized records hold, such as ``FORMAT_TF_EXAMPLE``.
        where: names the source in error messages.

    Raises:
        DataError: an item is neither a record batch nor an array of records, or cannot be made a row.
    """
    for item in source.batches:
        yield from _cut(item, payload, where)


def _cut(item: Any, payload: str, where: str) -> Iterator[Rows]:
    import pyarrow as pa

    from mlops_tfx.io import examples as examples_io
    from mlops_tfx.io.rows import Rows

    if isinstance(item, Rows):
        yield item
        return
    if isinstance(item, pa.Table):
        for batch in item.to_batches():
            yield from _cut(batch, payload, where)
        return
    if not isinstance(item, pa.RecordBatch | pa.Array):
        raise DataError(f"{where}: expected record batches or arrays of records, received {type(item).__name__}")
    rows = max(len(item), 1)
    size = min(examples_io.BATCH_ROWS, max(1, rows * examples_io.BATCH_BYTES // max(item.nbytes, 1)))
    for start in range(0, len(item), size):
        yield make_rows(item.slice(start, size), payload, where)


def make_rows(item: pa.RecordBatch | pa.Array, payload: str, where: str) -> Rows:
    """Rows of a record batch, or of an array of serialized records.

    Raises:
        DataError: columns cannot be features, or records are not what ``payload`` says.
    """
    import pyarrow as pa

    from mlops_tfx.io import columns, records
    from mlops_tfx.io.rows import Rows

    if isinstance(item, pa.Array):
        return records.rows_of_array(item, payload, where)
    if payload not in ("FORMAT_TF_EXAMPLE", "FORMAT_PARQUET"):
        raise DataError(f"{where}: expected arrays of serialized records for {payload}, received a record batch")
    try:
        return Rows(columns.to_example_form(item), where=where)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
