from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format

from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.io import dataset as dataset_io
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.dataset import RecordBatchesOptions, TensorFlowDatasetOptions

ROWS = 1000
both_formats = pytest.mark.parametrize("file_format", [examples_io.TFRECORDS_GZIP, examples_io.PARQUET])


@pytest.fixture(scope="module")
def schema() -> Any:
    from tensorflow_metadata.proto.v0 import schema_pb2

    dense = "presence { min_fraction: 1 } shape { dim { size: 1 } }"
    text = f"""
        feature {{ name: "n" type: INT {dense} }} feature {{ name: "label" type: INT {dense} }}
        feature {{ name: "text" type: BYTES {dense} }} feature {{ name: "some" type: FLOAT }}
    """
    return text_format.Parse(text, schema_pb2.Schema())


def make(folder: Path, file_format: str) -> tuple[Examples, list[str]]:
    payload = examples_io.PAYLOADS_BY_FORMAT[file_format]
    examples = Examples(str(folder), custom_properties={"payload_format": payload, "file_format": file_format})
    examples.splits = ["train"]
    arrays = [
        pa.array([[n] for n in range(ROWS)], pa.large_list(pa.int64())),
        pa.array([[n % 2] for n in range(ROWS)], pa.large_list(pa.int64())),
        pa.array([[str(n).encode()] for n in range(ROWS)], pa.large_list(pa.large_binary())),
        pa.array([[n / 2] if n % 3 else None for n in range(ROWS)], pa.large_list(pa.float32())),
    ]
    batch = pa.RecordBatch.from_arrays(arrays, ["n", "label", "text", "some"])
    with examples_io.ExamplesWriter(examples.path("train"), None, file_format, 8000) as writer:
        for first in range(0, ROWS, 100):
            writer.write(batch.slice(first, 100))
    return examples, [examples.path("train") + "/*"]


@both_formats
def test_batches_in_order_with_labels(tmp_path: Path, file_format: str, schema: Any) -> None:
    examples, files = make(tmp_path, file_format)
    options = TensorFlowDatasetOptions(64, num_epochs=1, shuffle=False, label_key="label")
    batches = list(dataset_io.data_accessor(examples).tf_dataset_factory(files, options, schema))
    assert [len(label) for _, label in batches] == [64] * 15 + [40]
    features, label = batches[1]
    assert sorted(features) == ["n", "some", "text"]
    assert features["n"].numpy().tolist() == [[n] for n in range(64, 128)]
    assert label.numpy().tolist() == [[n % 2] for n in range(64, 128)]
    assert features["text"].numpy().ravel().tolist() == [str(n).encode() for n in range(64, 128)]
    assert features["some"].values.numpy().tolist() == [n / 2 for n in range(64, 128) if n % 3]


@both_formats
@pytest.mark.parametrize("threads", [-1, 2])
def test_shuffled_epochs_hold_every_row_and_repeat_with_a_seed(
    tmp_path: Path, file_format: str, threads: int, schema: Any
) -> None:
    examples, files = make(tmp_path, file_format)
    factory = dataset_io.data_accessor(examples).tf_dataset_factory
    options = TensorFlowDatasetOptions(
        100, num_epochs=2, shuffle_seed=5, drop_final_batch=True, reader_num_threads=threads
    )

    def numbers() -> list[int]:
        return [n for features in factory(files, options, schema) for n in features["n"].numpy().ravel().tolist()]

    first = numbers()
    assert len(first) == 2 * ROWS
    assert sorted(first[:ROWS]) == list(range(ROWS))
    assert first[:ROWS] != list(range(ROWS))
    assert numbers() == first


def test_compressed_and_plain_files_in_order(tmp_path: Path, schema: Any) -> None:
    import gzip

    examples, _ = make(tmp_path, examples_io.TFRECORDS_GZIP)
    paths = sorted(Path(examples.path("train")).iterdir())
    plain = tmp_path / "plain.tfrecord"
    plain.write_bytes(gzip.decompress(paths[1].read_bytes()))
    files = [str(paths[0]), str(plain), *map(str, paths[2:])]
    options = TensorFlowDatasetOptions(64, num_epochs=1, shuffle=False)
    batches = list(dataset_io.data_accessor(examples).tf_dataset_factory(files, options, schema))
    assert [n for batch in batches for n in batch["n"].numpy().ravel().tolist()] == list(range(ROWS))


def test_without_an_end(tmp_path: Path, schema: Any) -> None:
    examples, files = make(tmp_path, examples_io.TFRECORDS_GZIP)
    dataset = dataset_io.data_accessor(examples).tf_dataset_factory(files, TensorFlowDatasetOptions(700), schema)
    assert [len(features["n"]) for features in dataset.take(5)] == [700] * 5


def test_options_of_tfx_bsl_work(tmp_path: Path, schema: Any) -> None:
    from tfx_bsl.public import tfxio

    examples, files = make(tmp_path, examples_io.TFRECORDS_GZIP)
    options = tfxio.TensorFlowDatasetOptions(batch_size=10, num_epochs=1, label_key="label")
    assert TensorFlowDatasetOptions(10, num_epochs=1, label_key="label") == options
    features, _ = next(iter(dataset_io.data_accessor(examples).tf_dataset_factory(files, options, schema)))
    assert features["n"].shape == (10, 1)


def test_what_cannot_be(tmp_path: Path, schema: Any) -> None:
    examples, files = make(tmp_path, examples_io.TFRECORDS_GZIP)
    factory = dataset_io.data_accessor(examples).tf_dataset_factory
    with pytest.raises(ConfigError, match="expected a schema, received None"):
        factory(files, TensorFlowDatasetOptions(1))
    with pytest.raises(ConfigError, match="received 'labl'; did you mean 'label'"):
        factory(files, TensorFlowDatasetOptions(1, label_key="labl"), schema)
    with pytest.raises(DataError, match="patterns that match none: /nowhere"):
        factory(["/nowhere/*"], TensorFlowDatasetOptions(1), schema)


@both_formats
def test_record_batches(tmp_path: Path, file_format: str, schema: Any) -> None:
    examples, files = make(tmp_path, file_format)
    factory = dataset_io.data_accessor(examples).record_batch_factory
    in_order = list(factory(files, RecordBatchesOptions(300, num_epochs=1, shuffle=False), schema))
    assert [batch.num_rows for batch in in_order] == [300, 300, 300, 100]
    assert np.concatenate([batch.column(0).flatten() for batch in in_order]).tolist() == list(range(ROWS))
    options = RecordBatchesOptions(300, drop_final_batch=True, num_epochs=2, shuffle_buffer_size=600, shuffle_seed=1)
    shuffled = list(factory(files, options, schema))
    assert [batch.num_rows for batch in shuffled] == [300] * 6
    numbers = np.concatenate([batch.column(0).flatten() for batch in shuffled])
    assert sorted(numbers[:600]) == list(range(600))
    assert numbers[:600].tolist() != list(range(600))
    assert [batch.column(0).to_pylist() for batch in factory(files, options, schema)] == [
        batch.column(0).to_pylist() for batch in shuffled
    ]
