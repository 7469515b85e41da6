"""Examples for training code: a tf.data.Dataset, or record batches, in the shape of TFX's DataAccessor.

Training code gets file patterns and a DataAccessor and need not know how the files are stored::

    dataset = fn_args.data_accessor.tf_dataset_factory(
        fn_args.train_files, TensorFlowDatasetOptions(batch_size=64, label_key="delayed"), schema
    )
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_tfx import filesystem
from mlops_tfx.errors import ConfigError, DataError, did_you_mean
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import views
from mlops_tfx.io.parser import Parser

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.artifacts import Examples

_Stored = tuple[str, str, str | None]
_AUTOTUNE = -1  # tf.data.AUTOTUNE, without importing TensorFlow
_READ_BUFFER_BYTES = 4 << 20
_FILES_AT_ONCE = 8
_BLOCK_ROWS = 64


class TensorFlowDatasetOptions(NamedTuple):
    """Options of ``tf_dataset_factory``; names, order and defaults are those of tfx_bsl's class, which works here too.

    Attributes:
        batch_size: rows in a batch.
        drop_final_batch: whether to drop a last batch that is smaller.
        num_epochs: passes over the data; None for no end.
        shuffle: whether to shuffle rows within a buffer, and files.
        shuffle_buffer_size: rows in that buffer.
        shuffle_seed: makes the order repeatable.
        prefetch_buffer_size: batches made ahead.
        reader_num_threads: files read side by side when shuffling; by default one thread takes from several in turn.
        parser_num_threads: batches parsed side by side.
        sloppy_ordering: whether order may vary from run to run, for speed.
        label_key: feature to split off, so that elements are ``(features, label)``.
    """

    batch_size: int
    drop_final_batch: bool = False
    num_epochs: int | None = None
    shuffle: bool = True
    shuffle_buffer_size: int = 10000
    shuffle_seed: int | None = None
    prefetch_buffer_size: int = _AUTOTUNE
    reader_num_threads: int = _AUTOTUNE
    parser_num_threads: int = _AUTOTUNE
    sloppy_ordering: bool = False
    label_key: str | None = None


class RecordBatchesOptions(NamedTuple):
    """Options of ``record_batch_factory``; as the first six of `TensorFlowDatasetOptions`."""

    batch_size: int
    drop_final_batch: bool = False
    num_epochs: int | None = None
    shuffle: bool = True
    shuffle_buffer_size: int = 10000
    shuffle_seed: int | None = None


class DataAccessor(NamedTuple):
    """How training code reads examples.

    Attributes:
        tf_dataset_factory: ``(file_patterns, TensorFlowDatasetOptions, schema) -> tf.data.Dataset``.
        record_batch_factory: ``(file_patterns, RecordBatchesOptions, schema=None) -> Iterator[pa.RecordBatch]``.
        data_view_decode_fn: ``(vector of records) -> tensors by name``, where a view of the data is bound to them.
    """

    tf_dataset_factory: Callable[..., Any]
    record_batch_factory: Callable[..., Iterator[pa.RecordBatch]]
    data_view_decode_fn: Callable[..., Any] | None = None


def data_accessor(examples: Examples | Sequence[Examples]) -> DataAccessor:
    """Makes the DataAccessor for artifacts.

    Raises:
        DataError: they are stored in different formats, or hold bytes without features.
    """
    payload, file_format = examples_io.storage_of(examples)
    view = examples_io.view_of(examples)
    if payload == "FORMAT_PROTO" and view is None:
        raise DataError(
            f"expected tf.Examples, tf.SequenceExamples, Parquet or a view of the data (DataViewBinder), received "
            f"payload_format={payload!r}; read the files themselves in run_fn, with "
            f"tf.data.TFRecordDataset(files, 'GZIP')"
        )
    stored: dict[str, Any] = {"file_format": file_format, "payload": payload, "view": view}
    return DataAccessor(
        tf_dataset_factory=functools.partial(make_tf_dataset, **stored),
        record_batch_factory=functools.partial(make_record_batches, **stored),
        data_view_decode_fn=None if view is None else views.load_view(view).decode,
    )


def make_tf_dataset(
    file_pattern: str | Sequence[str],
    options: TensorFlowDatasetOptions,
    schema: Any = None,
    *,
    file_format: str = examples_io.TFRECORDS_GZIP,
    payload: str = "FORMAT_TF_EXAMPLE",
    view: str | None = None,
) -> Any:
    """Reads files as a tf.data.Dataset of batches.

    Args:
        file_pattern: one or several patterns, such as ``FnArgs.train_files``.
        options: see `TensorFlowDatasetOptions`.
        schema: a tensorflow_metadata Schema; its features and tensor representations decide what is parsed.
        file_format: how the files are stored.
        payload: what the records hold: ``FORMAT_TF_SEQUENCE_EXAMPLE``, or another with one level of features.
        view: makes the tensors instead of a schema.

    Returns:
        A dataset of ``{name: tensor}`` or, with a label key, ``({name: tensor}, label)``. Tensors are dense, sparse or
        ragged as the schema says; the first dimension is the batch.

    Raises:
        DataError: no file matches.
        ConfigError: there is no schema, it does not fit the payload, or the label is not in it.
    """
    import tensorflow as tf

    paths = _expand(file_pattern)
    if schema is None and view is None:
        raise ConfigError("tf_dataset_factory: expected a schema, received None; pass the schema of the examples")
    parser: Parser | views.ViewParser = Parser(schema, payload) if view is None else views.ViewParser(view)
    if options.label_key is not None and options.label_key not in parser.names:
        hint = did_you_mean(options.label_key, parser.names)
        raise ConfigError(f"expected label_key to be a feature of the schema, received {options.label_key!r}{hint}")
    dataset = _serialized(paths, options, file_format)
    if options.shuffle:
        dataset = dataset.shuffle(options.shuffle_buffer_size, seed=options.shuffle_seed)
    dataset = dataset.repeat(options.num_epochs).batch(options.batch_size, drop_remainder=options.drop_final_batch)

    def parse(serialized: Any) -> Any:
        features = dict(parser.parse(serialized))
        return features if options.label_key is None else (features, features.pop(options.label_key))

    plain = tf.autograph.experimental.do_not_convert(parse)  # nothing in it needs converting
    # Whole batches are parsed by one C++ call each, several at a time.
    dataset = dataset.map(plain, num_parallel_calls=options.parser_num_threads, deterministic=_deterministic(options))
    return dataset.prefetch(options.prefetch_buffer_size)


def _deterministic(options: TensorFlowDatasetOptions) -> bool:
    return not options.sloppy_ordering


def _serialized(paths: list[str], options: TensorFlowDatasetOptions, file_format: str) -> Any:
    """A dataset of serialized tf.Examples, one pass."""
    import tensorflow as tf

    if file_format == examples_io.PARQUET:
        # The vectorised encoder is cheaper than a second way to make tensors would be to maintain.
        signature = tf.TensorSpec([None], tf.string)
        return tf.data.Dataset.from_generator(lambda: _encoded(paths), output_signature=signature).unbatch()
    files = tf.data.Dataset.from_tensor_slices(paths)
    if not options.shuffle:
        kinds = {_compression(path) for path in paths}
        if len(kinds) == 1:  # one reader of all files: flat_map costs more than reading and parsing together
            return tf.data.TFRecordDataset(paths, kinds.pop(), _READ_BUFFER_BYTES)
        return files.flat_map(_open_records)
    files = files.shuffle(len(paths), seed=options.shuffle_seed)
    at_once = min(len(paths), _FILES_AT_ONCE)
    if options.reader_num_threads <= 1:  # handing single records from thread to thread costs twice the reading
        return files.interleave(_open_records, cycle_length=at_once)
    blocks = files.interleave(
        lambda path: _open_records(path).batch(_BLOCK_ROWS),
        cycle_length=at_once,
        num_parallel_calls=options.reader_num_threads,
        deterministic=_deterministic(options),
    )
    return blocks.unbatch()


def _compression(path: str) -> str:
    return "GZIP" if path.endswith(".gz") else ""


def _open_records(path: Any) -> Any:
    import tensorflow as tf

    # "GZIP" reads gzip only; what other tools wrote may be plain.
    compressed = tf.strings.regex_full_match(path, r".*\.gz")
    kind = tf.where(compressed, "GZIP", "")
    return tf.data.TFRecordDataset(path, compression_type=kind, buffer_size=_READ_BUFFER_BYTES)


def _encoded(paths: list[str]) -> Iterator[Any]:
    from mlops_tfx.io import wire

    for batch in _read_files(paths, (examples_io.PARQUET, "FORMAT_PARQUET", None), None, examples_io.BATCH_ROWS):
        yield wire.encode_examples(batch).to_numpy(zero_copy_only=False)


def make_record_batches(
    file_pattern: str | Sequence[str],
    options: RecordBatchesOptions,
    schema: Any = None,
    *,
    file_format: str = examples_io.TFRECORDS_GZIP,
    payload: str = "FORMAT_TF_EXAMPLE",
    view: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Reads files as record batches in tf.Example form, each of ``batch_size`` rows; the last of a pass may be smaller.

    Raises:
        DataError: no file matches.
    """
    import numpy as np

    paths = _expand(file_pattern)
    stored = (file_format, payload, view)
    random = np.random.default_rng(options.shuffle_seed)
    epochs = itertools.count() if options.num_epochs is None else range(options.num_epochs)
    for _ in epochs:
        yield from _one_pass(paths, options, schema, stored, random if options.shuffle else None)


def _one_pass(
    paths: list[str], options: RecordBatchesOptions, schema: Any, stored: _Stored, random: Any
) -> Iterator[pa.RecordBatch]:
    from mlops_tfx.io import columns

    size = options.batch_size
    # Rows are shuffled within stretches of whole batches, about as long as the shuffle buffer.
    stretch = size * max(1, options.shuffle_buffer_size // size) if random is not None else size
    pending: list[Any] = []
    rows = 0
    for batch in _read_files(paths, stored, schema, max(stretch, examples_io.BATCH_ROWS)):
        pending.append(batch)
        rows += batch.num_rows
        if rows < stretch:
            continue
        whole, used = columns.concat(pending), rows - rows % stretch
        for start in range(0, used, stretch):
            yield from _cut(whole.slice(start, stretch), size, random)
        pending, rows = [whole.slice(used)], rows - used
    if rows:
        last = _cut(columns.concat(pending), size, random)
        yield from (batch for batch in last if batch.num_rows == size or not options.drop_final_batch)


def _cut(batch: pa.RecordBatch, size: int, random: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if random is not None:
        order = pa.array(random.permutation(batch.num_rows))
        batch = pa.RecordBatch.from_arrays([column.take(order) for column in batch.columns], schema=batch.schema)
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)


def _read_files(paths: list[str], stored: _Stored, schema: Any, batch_rows: int) -> Iterator[pa.RecordBatch]:
    file_format, payload, view = stored
    for path in paths:
        shard = examples_io.Shard(path, file_format, payload=payload, view=view)
        yield from examples_io.read_shard(shard, batch_rows=batch_rows, schema=schema)


def _expand(file_pattern: str | Sequence[str]) -> list[str]:
    patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
    paths = [path for pattern in patterns for path in filesystem.glob(pattern)]
    if not paths:
        raise DataError(f"expected files, received patterns that match none: {', '.join(patterns) or '(no patterns)'}")
    return paths
