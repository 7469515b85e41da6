"""Ragged and sparse tensors, and tf.SequenceExamples, for training code; tfx_bsl's TensorAdapter is the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.errors import ConfigError
from mlops_tfx.io import dataset as dataset_io
from mlops_tfx.io.dataset import RecordBatchesOptions, TensorFlowDatasetOptions
from mlops_tfx.io.parser import Parser
from tests.golden.transform import sequences


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return sequences.write_input(str(tmp_path_factory.mktemp("sequences")))


def parse_schema(text: str) -> Any:
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse(text, schema_pb2.Schema())


def to_lists(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.SparseTensor):
        return value.indices.numpy().tolist(), value.values.numpy().tolist(), value.dense_shape.numpy().tolist()[2:]
    return value.to_list() if isinstance(value, tf.RaggedTensor) else value.numpy().tolist()


def adapted(examples: Examples, schema: Any, rows: int) -> Iterator[dict[str, Any]]:
    """The tensors that TFX gives preprocessing_fn."""
    import tensorflow as tf
    from tfx_bsl.coders.sequence_example_coder import SequenceExamplesToRecordBatchDecoder
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
    from tfx_bsl.tfxio.tf_sequence_example_record import TFSequenceExampleBeamRecord

    records = TFSequenceExampleBeamRecord("inmem", ["Test"], schema)
    adapter = TensorAdapter(records.TensorAdapterConfig())
    decoder = SequenceExamplesToRecordBatchDecoder("##SEQUENCE##", schema.SerializeToString())
    files = filesystem.glob(examples.path("train") + "/*")
    for batch in tf.data.TFRecordDataset(files, "GZIP").batch(rows):
        yield adapter.ToBatchTensors(decoder.DecodeBatch(batch.numpy().tolist()))


def test_the_tensors_are_those_that_transform_sees(examples: Examples) -> None:
    schema = parse_schema(sequences.SCHEMA)
    options = TensorFlowDatasetOptions(50, num_epochs=1, shuffle=False)
    files = [examples.path("train") + "/*"]
    found = list(dataset_io.data_accessor(examples).tf_dataset_factory(files, options, schema))
    wanted = list(adapted(examples, schema, 50))
    assert len(found) == len(wanted) == sequences.ROWS // 2 // 50
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert to_lists(one[name]) == to_lists(other[name]), name


def test_label_and_context_only(examples: Examples) -> None:
    schema = parse_schema('feature { name: "f" type: FLOAT } feature { name: "i" type: INT }')
    options = TensorFlowDatasetOptions(30, num_epochs=1, shuffle=False, label_key="i", drop_final_batch=True)
    files = [examples.path("train") + "/*"]
    batches = list(dataset_io.data_accessor(examples).tf_dataset_factory(files, options, schema))
    assert len(batches) == 6 and set(batches[0][0]) == {"f"}
    wanted = next(iter(adapted(examples, schema, 30)))
    assert to_lists(batches[0][1]) == to_lists(wanted["i"])


def test_record_batches_of_sequences(examples: Examples) -> None:
    schema = parse_schema(sequences.SCHEMA)
    factory = dataset_io.data_accessor(examples).record_batch_factory
    options = RecordBatchesOptions(60, num_epochs=1, shuffle=False)
    batches = list(factory([examples.path("train") + "/*"], options, schema))
    assert [batch.num_rows for batch in batches] == [60, 60, 60, 20]
    column = batches[0].column(batches[0].schema.get_field_index("##SEQUENCE##"))
    assert pa.types.is_struct(column.type) and {field.name for field in column.type} == {"words", "amounts", "unused"}
    shuffled = list(factory([examples.path("train") + "/*"], options._replace(shuffle=True, shuffle_seed=1), schema))
    values = [np.concatenate([np.asarray(b.column(0).flatten()) for b in some]) for some in (batches, shuffled)]
    assert sorted(values[0]) == sorted(values[1]) and values[0].tolist() != values[1].tolist()


WRONG = {
    "a partition that is no feature": (
        'feature { name: "v" type: INT } tensor_representation_group { key: "" value { tensor_representation { key: "r"'
        ' value { ragged_tensor { feature_path { step: "v" } partition { row_length: "nope" } } } } } }',
        "tensor 'r': expected features of the schema, received nope",
    ),
    "sequences of tf.Examples": (sequences.SCHEMA, "expected FORMAT_TF_SEQUENCE_EXAMPLE"),
    "two tensors of one feature": (
        'feature { name: "v" type: INT } tensor_representation_group { key: "" value {'
        ' tensor_representation { key: "a" value { varlen_sparse_tensor { column_name: "v" } } }'
        ' tensor_representation { key: "b" value { varlen_sparse_tensor { column_name: "v" } } } } }',
        "are both made of feature 'v'",
    ),
    "shape of an optional feature": (
        'feature { name: "v" type: INT shape { dim { size: 1 } } }',
        "the schema does not describe tensors: .*'?v'? had shape",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_a_schema_that_does_not_fit(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Parser(parse_schema(text))


def test_bytes_without_features_are_refused(tmp_path: Path) -> None:
    properties = {"payload_format": "FORMAT_PROTO", "file_format": "tfrecords_gzip"}
    from mlops_tfx.errors import DataError

    with pytest.raises(DataError, match="received payload_format='FORMAT_PROTO'; read the files themselves"):
        dataset_io.data_accessor(Examples(str(tmp_path), custom_properties=properties))
