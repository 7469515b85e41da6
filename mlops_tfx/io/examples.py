"""The one place that knows the payload formats of examples: reads and writes them as Arrow record batches.

Record batches are in tf.Example form: every column is a large_list of int64, float32 or large_binary; a missing
feature (also an empty list) is a null row; a column without any value has type null. Of tf.SequenceExamples, the
sequence features lie below the struct column ``##SEQUENCE##``, as in tfx_bsl (sequences.py). Of ``FORMAT_PROTO``, there
is one column of bytes, ``__raw_record__``, or the columns that a view of the data makes (views.py).

Layout, as TFX's: ``{uri}/Split-{name}/data_tfrecord-SSSSS-of-NNNNN.gz`` (gzip TFRecords), or
``data_parquet-SSSSS-of-NNNNN.parquet`` (plain typed columns).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.io import views

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from mlops_tfx.io.parquet import CommonColumns

TFRECORDS_GZIP = "tfrecords_gzip"
PARQUET = "parquet"
BATCH_ROWS = 20_000
BATCH_BYTES = 32 << 20
SHARD_BYTES = 64 << 20

_SUFFIXES = {TFRECORDS_GZIP: ".gz", PARQUET: ".parquet"}
_PREFIXES = {TFRECORDS_GZIP: "data_tfrecord", PARQUET: "data_parquet"}
_FORMATS_BY_PAYLOAD = {
    "FORMAT_TF_EXAMPLE": TFRECORDS_GZIP,
    "FORMAT_TF_SEQUENCE_EXAMPLE": TFRECORDS_GZIP,
    "FORMAT_PROTO": TFRECORDS_GZIP,
    "FORMAT_PARQUET": PARQUET,
}
PAYLOADS_BY_FORMAT = {TFRECORDS_GZIP: "FORMAT_TF_EXAMPLE", PARQUET: "FORMAT_PARQUET"}


def shard_names(file_format: str) -> tuple[str, str]:
    """How the names of a format's files begin and end."""
    return _PREFIXES[file_format], _SUFFIXES[file_format]


@dataclass(frozen=True)
class Shard:
    """A file, or a range of row groups of a Parquet file: what one worker reads.

    Attributes:
        uri: the file.
        file_format: ``tfrecords_gzip`` or ``parquet``.
        start: first row group; 0 for a whole file.
        stop: row group after the last; None for a whole file.
        payload: what the records of a TFRecord file hold.
        view: takes records of ``FORMAT_PROTO`` apart (`mlops_tfx.io.views`).
    """

    uri: str
    file_format: str
    start: int = 0
    stop: int | None = None
    payload: str = "FORMAT_TF_EXAMPLE"
    view: str | None = None


def storage_of(examples: Examples | Sequence[Examples]) -> tuple[str, str]:
    """Returns what the records hold (such as ``FORMAT_TF_EXAMPLE``) and how they are stored.

    Raises:
        DataError: the artifacts differ, or are in a format that nobody knows.
    """
    found = {artifact.recorded_uri: _storage(artifact) for artifact in _as_list(examples)}
    if len(set(found.values())) > 1:
        listing = ", ".join(f"{uri}: {payload}, {file_format}" for uri, (payload, file_format) in found.items())
        raise DataError(f"expected Examples in one format, received several ({listing}); ingest them with one format")
    return next(iter(found.values()))


def file_format_of(examples: Examples | Sequence[Examples]) -> str:
    """Returns ``tfrecords_gzip`` or ``parquet``; errors as for `storage_of`."""
    return storage_of(examples)[1]


def payload_of(examples: Examples | Sequence[Examples]) -> str:
    """Returns what the records hold, such as ``FORMAT_TF_SEQUENCE_EXAMPLE``; errors as for `storage_of`."""
    return storage_of(examples)[0]


def _storage(artifact: Examples) -> tuple[str, str]:
    payload = str(artifact.custom_properties.get("payload_format", "FORMAT_TF_EXAMPLE"))
    if payload not in _FORMATS_BY_PAYLOAD:
        known = " or ".join(_FORMATS_BY_PAYLOAD)
        raise DataError(f"Examples at {artifact.recorded_uri!r}: expected {known}, received payload_format={payload!r}")
    file_format = str(artifact.custom_properties.get("file_format", _FORMATS_BY_PAYLOAD[payload]))
    if file_format not in _SUFFIXES:
        known = " or ".join(_SUFFIXES)
        where = f"Examples at {artifact.recorded_uri!r}"
        raise DataError(f"{where}: expected {known}, received file_format={file_format!r}")
    return payload, file_format


def view_of(examples: Examples | Sequence[Examples]) -> str | None:
    """Returns the view through which records of ``FORMAT_PROTO`` are read, if there is one; errors as for `storage_of`.

    Raises:
        DataError: some of the artifacts have one, and others have none.
    """
    return views.view_of(_as_list(examples)) if payload_of(examples) == "FORMAT_PROTO" else None


def list_shards(examples: Examples | Sequence[Examples], split: str) -> list[Shard]:
    """Returns the shards of a split, in the order in which they were written.

    Raises:
        ArtifactError: an artifact has no such split, or the split has no files.
    """
    payload, file_format = storage_of(examples)
    paths = [path for artifact in _as_list(examples) for path in split_files(artifact, split)]
    if file_format == TFRECORDS_GZIP:
        view = view_of(examples)
        return [Shard(path, file_format, payload=payload, view=view) for path in paths]
    return [shard for path in paths for shard in _parquet_shards(path)]


def split_files(artifact: Examples, split: str) -> list[str]:
    """Returns the files of a split, sorted. Raises ArtifactError if there is none."""
    custom = json.loads(str(artifact.custom_properties.get("custom_split_pattern", "{}")))
    if split in custom:
        pattern = filesystem.join(artifact.readable_uri(), custom[split])
    else:
        pattern = filesystem.join(artifact.readable_path(split), "*")
    paths = filesystem.glob(pattern)
    if not paths:
        raise ArtifactError(
            f"Examples at {artifact.recorded_uri!r}: expected files of split {split!r}, received none that match "
            f"{pattern!r}; the files were removed: run the node that makes them again"
        )
    return paths


def _parquet_shards(path: str) -> Iterator[Shard]:
    from mlops_tfx.io import parquet

    groups = parquet.row_groups(path)
    start, size = 0, 0
    for index, (_, group_bytes) in enumerate(groups):
        size += group_bytes
        if size >= SHARD_BYTES or index + 1 == len(groups):
            yield Shard(path, PARQUET, start, index + 1)
            start, size = index + 1, 0


def read_shard(
    shard: Shard, *, batch_rows: int = BATCH_ROWS, columns: Sequence[str] | None = None, schema: Any = None
) -> Iterator[pa.RecordBatch]:
    """Reads a shard batch by batch, in order, without holding more than a batch.

    Args:
        shard: from `list_shards`.
        batch_rows: rows of a batch at most; batches of very wide rows are cut earlier, by bytes.
        columns: only these features, in this order; one that a batch does not have is a column of type null.
        schema: a tensorflow_metadata Schema; then exactly its features, in its order and types.

    Raises:
        DataError: the file is damaged, or does not fit the schema; names the file and, where known, the record.
    """
    if shard.file_format == PARQUET:
        batches = _read_parquet(shard, batch_rows, columns, schema)
    else:
        batches = _read_tfrecord(shard, batch_rows, columns, schema)
    return batches if columns is None else (_select(batch, columns) for batch in batches)


def read_batches(
    examples: Examples | Sequence[Examples],
    split: str,
    *,
    schema: Any = None,
    columns: Sequence[str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Reads all shards of a split, in order; arguments and errors as for `read_shard` and `list_shards`."""
    for shard in list_shards(examples, split):
        yield from read_shard(shard, batch_rows=batch_rows, columns=columns, schema=schema)


def count_rows(examples: Examples | Sequence[Examples], split: str) -> int:
    """Returns the rows of a split, without decoding them."""
    shards = list_shards(examples, split)
    with ThreadPoolExecutor(max(1, min(len(shards), os.cpu_count() or 1))) as pool:
        return sum(pool.map(_count_shard, shards))


def _count_shard(shard: Shard) -> int:
    from mlops_tfx.io import parquet, tfrecord

    if shard.file_format == PARQUET:
        return sum(rows for rows, _ in parquet.row_groups(shard.uri)[shard.start : shard.stop])
    return tfrecord.count_records(shard.uri)


def _read_tfrecord(
    shard: Shard, batch_rows: int, columns: Sequence[str] | None, schema: Any
) -> Iterator[pa.RecordBatch]:
    from mlops_tfx.io import decode, sequences, tfrecord

    decoders = {"FORMAT_TF_SEQUENCE_EXAMPLE": sequences.SequenceDecoder, "FORMAT_PROTO": decode.RawDecoder}
    decoder: Any
    if shard.view is not None:
        decoder = views.ViewDecoder(shard.view, schema)
    else:
        decoder = decoders[shard.payload](schema) if shard.payload in decoders else decode.Decoder(schema, columns)
    for block in tfrecord.read_blocks(shard.uri, max_rows=batch_rows, max_bytes=BATCH_BYTES):
        yield decoder.decode(block, shard.uri)


def _read_parquet(
    shard: Shard, batch_rows: int, columns: Sequence[str] | None, schema: Any
) -> Iterator[pa.RecordBatch]:
    from mlops_tfx.io import parquet, schemas

    names = [feature.name for feature in schema.feature] if schema is not None else columns
    stop = len(parquet.row_groups(shard.uri)) if shard.stop is None else shard.stop
    for batch in parquet.read_row_groups(shard.uri, range(shard.start, stop), batch_rows=batch_rows, names=names):
        yield batch if schema is None else schemas.conform(batch, schema, shard.uri)


def _select(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    import pyarrow as pa

    known = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    arrays = [known[name] if name in known else pa.nulls(batch.num_rows) for name in names]
    return pa.RecordBatch.from_arrays(arrays, list(names))


def _as_list(examples: Examples | Sequence[Examples]) -> list[Examples]:
    artifacts = [examples] if isinstance(examples, Examples) else list(examples)
    if not artifacts:
        raise ArtifactError("expected at least one Examples artifact, received none")
    return artifacts


class ExamplesWriter:
    """Writes batches in tf.Example form to the numbered files of one split, keeping their order.

    Equal batches give equal bytes. Files get their names when all is written; if the ``with`` block raises, nothing
    stays behind.

    Args:
        folder: where the files go, such as ``{uri}/Split-train``; made if need be.
        prefix: how file names begin; by default ``data_tfrecord`` or ``data_parquet``.
        file_format: ``tfrecords_gzip`` or ``parquet``.
        max_shard_bytes: a shard ends when it has this many uncompressed bytes.
        common_columns: shared by the writers of splits whose Parquet files shall have the same columns.

    Attributes:
        rows: rows written so far.
        paths: the files, once the writer has been closed.
    """

    def __init__(
        self,
        folder: str,
        prefix: str | None = None,
        file_format: str = TFRECORDS_GZIP,
        max_shard_bytes: int = SHARD_BYTES,
        common_columns: CommonColumns | None = None,
    ) -> None:
        from mlops_tfx.io import parquet, shard_folder, tfrecord_shards

        if file_format not in _SUFFIXES:
            raise ValueError(f"expected one of {sorted(_SUFFIXES)}, received file_format={file_format!r}")
        self._shards = shard_folder.ShardFolder(folder, prefix or _PREFIXES[file_format], _SUFFIXES[file_format])
        self._tfrecord = file_format == TFRECORDS_GZIP
        self._writer: Any = (
            tfrecord_shards.TFRecordShards(self._shards, max_shard_bytes)
            if self._tfrecord
            else parquet.ParquetShards(self._shards, max_shard_bytes, common_columns)
        )
        self.rows = 0
        self.paths: list[str] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends a batch. Raises DataError for a column that cannot be a feature, OSError if the disk refuses."""
        if self._tfrecord:
            from mlops_tfx.io import tfrecord, wire

            self._writer.write(tfrecord.frame(wire.encode_examples(batch)))
        else:
            self._writer.write(batch)
        self.rows += batch.num_rows

    def write_framed(self, framed: pa.BinaryArray) -> None:
        """Appends records that `tfrecord.frame` made, for those who need the encoded bytes themselves."""
        self._writer.write(framed)
        self.rows += len(framed)

    def close(self) -> list[str]:
        """Ends all files, gives them their names and returns their paths. At least one file is written."""
        self._writer.close()
        self.paths = self._shards.publish()
        return self.paths

    def abort(self) -> None:
        """Removes everything written so far."""
        self._writer.abort()
        self._shards.discard()

    def __enter__(self) -> ExamplesWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise
