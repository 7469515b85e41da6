"""PredictionLogs: the same messages as TFX's, and the values of the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.artifacts import InferenceResult, Model
from mlops_tfx.config import DataSpec, ModelSpec
from mlops_tfx.execution.beam import beam_pipeline
from mlops_tfx.inference import messages
from mlops_tfx.io import examples as examples_io
from tests.unit.components.bulk_inferrer.cases import LABELS, infer, logs_of, predicted, write_examples, xs


def test_predict_logs_have_request_and_every_output(tmp_path: Path, model: Model) -> None:
    result = infer(tmp_path, model, write_examples(tmp_path / "e", {"train": xs(45), "eval": xs(5, 100)}))
    assert isinstance(result, InferenceResult)
    assert result.custom_properties["rows"] == 50
    logs = logs_of(result)
    x = np.concatenate([xs(45), xs(5, 100)])
    outputs = [log.predict_log.response.outputs for log in logs]
    assert np.concatenate([tf.make_ndarray(out["y"]) for out in outputs]).tolist() == predicted(x).tolist()
    assert [tf.make_ndarray(out["pair"]).tolist() for out in outputs] == np.stack([x, predicted(x)], 1)[
        :, None
    ].tolist()
    assert [tf.make_ndarray(out["text"])[0] for out in outputs] == [b"%f" % value for value in predicted(x)]
    assert all(tf.make_ndarray(out["words"]).tolist() == [[b"a", b"b"]] for out in outputs)
    assert [bool(tf.make_ndarray(out["positive"])[0]) for out in outputs] == (x > 0).tolist()
    records = [log.predict_log.request.inputs["examples"].string_val[0] for log in logs]
    found = [tf.train.Example.FromString(record).features.feature["x"].float_list.value[0] for record in records]
    assert found == x.tolist()


@pytest.mark.parametrize(
    "signatures", [["numbers"], ["regress"], ["classify"], ["scores_only"], ["classify", "regress"]]
)
def test_logs_are_those_of_tfx(tmp_path: Path, model: Model, signatures: list[str]) -> None:
    # Without an output of one text per row, at which TFX ends with an AttributeError.
    examples = write_examples(tmp_path / "e", {"all": xs(7)})
    ours = logs_of(infer(tmp_path, model, examples, model_spec=ModelSpec(model_signature_name=signatures)))
    theirs = _logs_of_tfx(tmp_path, model, examples, signatures)
    assert [_comparable(log) for log in ours] == [_comparable(log) for log in theirs]


def _logs_of_tfx(tmp_path: Path, model: Model, examples: Any, signatures: list[str]) -> list[Any]:
    import apache_beam as beam
    from tensorflow_serving.apis import prediction_log_pb2
    from tfx_bsl.public.beam import RunInference
    from tfx_bsl.public.proto import model_spec_pb2

    (path,) = examples_io.split_files(examples, "all")
    spec = model_spec_pb2.InferenceSpecType()
    spec.saved_model_spec.model_path = os.path.join(model.uri, "Format-Serving")
    spec.saved_model_spec.signature_name.extend(signatures)
    with beam_pipeline() as pipeline:
        read = pipeline | beam.io.ReadFromTFRecord(path) | beam.Map(tf.train.Example.FromString)
        written = read | RunInference(spec) | beam.Map(lambda log: log.SerializeToString())
        _ = written | beam.io.WriteToTFRecord(str(tmp_path / "theirs"))
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(str(tmp_path / "theirs*"))).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def _comparable(log: Any) -> Any:
    """A log as plain values. TFX leaves out of some requests which signature was asked, so that is not compared."""
    kind = log.WhichOneof("log_type")
    entry = getattr(log, kind)
    if kind == "predict_log":
        (record,) = entry.request.inputs["examples"].string_val
        outputs = {key: (proto.dtype, tf.make_ndarray(proto).tolist()) for key, proto in entry.response.outputs.items()}
        return kind, tf.train.Example.FromString(record), outputs, entry.response.model_spec.signature_name
    if kind != "multi_inference_log":
        return kind, str(entry.request.input), str(entry.response.result)
    return kind, str(entry.request.input), [str(result) for result in entry.response.results]


def test_several_signatures_with_a_predicting_one_make_a_log_each(tmp_path: Path, model: Model) -> None:
    names = ["classify", "sizes", "regress"]
    examples = write_examples(tmp_path / "e", {"all": xs(6)})
    logs = logs_of(infer(tmp_path, model, examples, model_spec=ModelSpec(model_signature_name=names)))
    assert [log.WhichOneof("log_type") for log in logs] == ["classify_log", "predict_log", "regress_log"] * 6
    regressions = [log.regress_log.response.result.regressions[0].value for log in logs[2::3]]
    assert regressions == predicted(xs(6)).tolist()
    labels = [
        [c.label.encode() for c in log.classify_log.response.result.classifications[0].classes] for log in logs[::3]
    ]
    assert labels == [list(LABELS)] * 6


def test_beam_and_parquet_give_the_same_logs(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(300)}, shard_bytes=3000)
    parquet = write_examples(tmp_path / "p", {"all": xs(300)}, "parquet")
    here = logs_of(infer(tmp_path / "a", model, examples))
    assert len(examples_io.list_shards(examples, "all")) > 3
    assert len(here) == 300
    assert logs_of(infer(tmp_path / "b", model, examples, beam=True)) == here
    assert logs_of(infer(tmp_path / "c", model, parquet)) == here


def test_batches_are_bounded_by_rows_and_by_bytes(tmp_path: Path, model: Model) -> None:
    def sizes(examples: Any, **limits: int) -> list[int]:
        spec = ModelSpec(model_signature_name=["sizes"])
        logs = logs_of(infer(tmp_path / str(len(os.listdir(tmp_path))), model, examples, model_spec=spec, **limits))
        return [int(tf.make_ndarray(log.predict_log.response.outputs["size"])[0]) for log in logs]

    records = write_examples(tmp_path / "e", {"all": xs(20)})
    parquet = write_examples(tmp_path / "p", {"all": xs(20)}, "parquet")
    for examples in (records, parquet):
        assert sizes(examples) == [20] * 20
        assert sizes(examples, batch_rows=8) == [8] * 16 + [4] * 4
        assert sizes(examples, batch_bytes=1) == [1] * 20
        assert 1 < max(sizes(examples, batch_bytes=300)) < 20


def test_named_inputs_are_the_features_of_these_names(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(9)})
    logs = logs_of(infer(tmp_path, model, examples, model_spec=ModelSpec(model_signature_name=["named"])))
    outputs = [log.predict_log.response.outputs for log in logs]
    assert [tf.make_ndarray(out["y"]).tolist() for out in outputs] == [[value + 1] for value in xs(9).tolist()]
    assert [tf.make_ndarray(out["again"])[0] for out in outputs] == [b"row %d" % row for row in range(9)]
    inputs = logs[4].predict_log.request.inputs
    assert tf.make_ndarray(inputs["x"]).tolist() == [[4.0]]
    assert inputs["id"].string_val == [b"row 4"]


def test_raw_records_of_any_kind_are_passed_on(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(4)}, payload="FORMAT_PROTO")
    assert len(logs_of(infer(tmp_path, model, examples))) == 4


def test_data_spec_chooses_splits(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"train": xs(30), "eval": xs(4)})
    result = infer(tmp_path, model, examples, data_spec=DataSpec(example_splits=["eval"]))
    assert len(logs_of(result)) == 4


@given(st.lists(st.tuples(st.binary(max_size=300), st.floats(width=32, allow_nan=False)), min_size=1))
def test_messages_are_those_of_protobuf(rows: list[tuple[bytes, float]]) -> None:
    from tensorflow.core.framework import tensor_pb2

    numbers = np.array([number for _, number in rows], np.float32)
    strings = messages.values(pa.array([value for value, _ in rows], pa.binary()))
    nested = messages.field(2, messages.field(2, messages.text(2, "size")))  # TensorShape{dim{name}}
    whole = nested + messages.floats(5, numbers) + messages.field(8, strings) + messages.field(8, strings)
    found = [record.as_py() for part in messages.joined(whole, len(rows)) for record in part]
    for record, (value, _), number in zip(found, rows, numbers.tolist(), strict=True):
        expected = tensor_pb2.TensorProto(float_val=[number], string_val=[value, value])
        expected.tensor_shape.dim.add(name="size")
        assert tensor_pb2.TensorProto.FromString(record) == expected
