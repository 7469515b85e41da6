"""Sources that are Beam PTransforms: the workers make rows of the elements, divide them and write parts of shards.

A worker that fails and is tried again writes other parts; only parts of bundles that succeeded are taken, in an order
that depends on their content alone. So two runs over the same elements in the same bundles write the same files.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import pyarrow as pa

from mlops_tfx import filesystem
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.ingestion.source import make_rows
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import ingest, shard_folder

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.component import RunContext
    from mlops_tfx.ingestion.source import Source
    from mlops_tfx.io.partition import Partition

_RESULT = "parts.json"
_PARTS = "parts"


def write_splits(
    examples: Examples,
    sources: Mapping[str, Source],
    partition: Partition | None,
    storage: ingest.Storage,
    context: RunContext,
) -> dict[str, int]:
    """Runs the sources on the component's Beam pipeline and writes their rows; see `ingest.write_splits`.

    Returns:
        Rows by output split.

    Raises:
        ConfigError: some sources are PTransforms and some are not.
        DataError: an element cannot be a row, or fewer or more rows were written than elements came.
    """
    if not all(source.is_beam for source in sources.values()):
        raise ConfigError(f"expected Beam PTransforms for all input splits or for none, received both: {list(sources)}")
    names = tuple(sources) if partition is None else partition.names
    storage.describe(examples, names)
    folder = filesystem.join(context.temp_dir, _PARTS, uuid.uuid4().hex)
    with context.beam_pipeline() as pipeline:
        for index, (name, source) in enumerate(sources.items()):
            write = _WriteParts(folder, names, None if partition is not None else index, partition, storage)
            elements = pipeline | f"Read[{name}]" >> source.batches
            result = filesystem.join(folder, f"{index}-{_RESULT}")
            parts = elements | f"WriteParts[{name}]" >> beam.ParDo(write)
            rows = elements | f"Rows[{name}]" >> beam.Map(_rows_in) | f"Count[{name}]" >> beam.CombineGlobally(sum)
            once = pipeline | f"Once[{name}]" >> beam.Create([None])
            sides = beam.pvalue.AsList(parts), beam.pvalue.AsIter(rows)
            _ = once | f"Result[{name}]" >> beam.Map(_write_result, result, *sides)
    results = [_read_result(filesystem.join(folder, f"{index}-{_RESULT}")) for index in range(len(sources))]
    written = _publish(examples, names, [part for result in results for part in result["parts"]], storage)
    context.report_rows(sum(written.values()))
    ingest.check_rows(sum(result["rows"] for result in results), written)
    filesystem.remove_tree(folder)
    return written


def _rows_in(element: Any) -> int:
    return len(element) if isinstance(element, pa.RecordBatch | pa.Array) else 1


def _write_result(_: Any, path: str, parts: Sequence[Any], rows: Any) -> None:
    filesystem.write_bytes(path, json.dumps({"parts": list(parts), "rows": sum(rows)}).encode())


def _read_result(path: str) -> Any:
    return json.loads(filesystem.read_bytes(path))


def _publish(examples: Examples, names: Sequence[str], parts: Sequence[Any], storage: ingest.Storage) -> dict[str, int]:
    written = {}
    for name in names:
        own = [part for part in parts if part["split"] == name]
        written[name] = sum(part["rows"] for part in own)
        paths = sorted(path for part in own for path in part["paths"])
        order = sorted(paths, key=lambda path: (filesystem.digest(path), path))
        if not order:
            with examples_io.ExamplesWriter(examples.path(name), file_format=storage.file_format):
                continue
        shard_folder.adopt(order, examples.path(name), *examples_io.shard_names(storage.file_format))
    return written


class _WriteParts(beam.DoFn):
    """Elements to part files, one set per bundle."""

    def __init__(
        self,
        folder: str,
        names: Sequence[str],
        own: int | None,
        partition: Partition | None,
        storage: ingest.Storage,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._names = names
        self._own = own
        self._partition = partition
        self._storage = storage

    def start_bundle(self) -> None:
        self._pending: list[Any] = []
        self._pending_bytes = 0
        self._stack = ExitStack()
        self._writers: list[examples_io.ExamplesWriter] = []

    def process(self, element: Any) -> None:
        if isinstance(element, pa.RecordBatch | pa.Array):
            self._flush()
            self._write(element)
            return
        record = element if isinstance(element, bytes | dict) else element.SerializeToString()
        self._pending.append(record)
        self._pending_bytes += _weight(record)
        if len(self._pending) >= examples_io.BATCH_ROWS or self._pending_bytes >= examples_io.BATCH_BYTES:
            self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        from apache_beam.utils.windowed_value import WindowedValue

        self._flush()
        self._stack.close()
        for name, writer in zip(self._names, self._writers, strict=False):
            if writer.rows:
                part = {"split": name, "paths": writer.paths, "rows": writer.rows}
                yield WindowedValue(part, 0, [beam.transforms.window.GlobalWindow()])

    def _flush(self) -> None:
        if self._pending:
            pending, self._pending, self._pending_bytes = self._pending, [], 0
            self._write(_columns(pending) if isinstance(pending[0], dict) else pa.array(pending, pa.large_binary()))

    def _write(self, item: Any) -> None:
        import numpy as np

        rows = make_rows(item, self._storage.payload, "the Beam source")
        if not self._writers:
            bundle = filesystem.join(self._folder, uuid.uuid4().hex)
            self._writers = [
                self._stack.enter_context(
                    examples_io.ExamplesWriter(filesystem.join(bundle, name), file_format=self._storage.file_format)
                )
                for name in self._names
            ]
        split_of_row = np.full(len(rows), self._own) if self._partition is None else self._partition.assign(rows)
        ingest.write_rows(rows, split_of_row, self._writers, self._storage.file_format)


def _weight(record: Any) -> int:
    if isinstance(record, bytes):
        return len(record)
    values = record.values()
    return sum(len(value) if isinstance(value, bytes | str) else getattr(value, "nbytes", 8) for value in values)


def _columns(pending: Sequence[Any]) -> pa.RecordBatch:
    """Dicts as columns; a key that a dict lacks, None and an empty list are missing values."""
    odd = next((record for record in pending if not isinstance(record, dict)), None)
    if odd is not None:
        raise DataError(f"the Beam source: expected elements of one kind, received dict and {type(odd).__name__}")
    names = sorted({name for record in pending for name in record})
    try:
        arrays = [pa.array([record.get(name) for record in pending]) for name in names]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"the Beam source: expected values of one type for every key: {error}") from error
    return pa.RecordBatch.from_arrays(arrays, names)
