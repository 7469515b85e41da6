"""Logged requests over real sockets, and what ImportExampleGen reads of them."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from mlops_tfx import config
from mlops_tfx.components.import_example_gen import ImportExampleGen
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io
from mlops_tfx.serving.server import ModelServer
from tests.conformance.serving.models import CLASSIFY, REGRESS, save_half_plus_two
from tests.conformance.serving.test_predict import make_request


def example(x: float) -> Any:
    made = tf.train.Example()
    made.features.feature["x"].float_list.value.append(x)
    return made


def ask(server: Any) -> list[tuple[Any, Any]]:
    with grpc.insecure_channel(server.address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        regress, classify = regression_pb2.RegressionRequest(), classification_pb2.ClassificationRequest()
        multi = inference_pb2.MultiInferenceRequest()
        for request, signature in ((regress, "regress_x_to_y"), (classify, "classify_x_to_y")):
            request.model_spec.name, request.model_spec.signature_name = "m", signature
        for method, signature in ((REGRESS, "regress_x_to_y"), (CLASSIFY, "classify_x_to_y")):
            task = multi.tasks.add(method_name=method)
            task.model_spec.name, task.model_spec.signature_name = "m", signature
        for value, request in enumerate((regress, classify, multi), start=1):
            request.input.example_list.examples.append(example(value))
        predict = make_request("m", x=np.array([[4.0], [5.0]], np.float32))
        return [
            (predict, stub.Predict(predict, timeout=60)),
            (regress, stub.Regress(regress, timeout=60)),
            (classify, stub.Classify(classify, timeout=60)),
            (multi, stub.MultiInference(multi, timeout=60)),
        ]


def test_requests_are_logged_and_can_be_read_as_a_span(tmp_path: Path) -> None:
    save_half_plus_two(tmp_path / "model" / "1")
    logging = tmp_path / "logging.config"
    logging.write_text(
        f"log_collector_config {{ type: 'tfrecord' filename_prefix: '{tmp_path}/logs' }} "
        "sampling_config { sampling_rate: 1 }"
    )
    server = ModelServer(
        model_name="m", model_base_path=str(tmp_path / "model"), port=0, rest_api_port=-1,
        logging_config_file=str(logging), request_log_with_predictions=True,
    )  # fmt: skip
    with server:
        server.wait_until_available()
        pairs = ask(server)
        connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
        connection.request("POST", "/v1/models/m:predict", json.dumps({"instances": [{"x": [6.0]}]}))
        assert json.loads(connection.getresponse().read()) == {"predictions": [[5.0]]}
        connection.close()
    (file,) = (tmp_path / "logs" / "m" / "prediction_logs").glob("span-*/*")
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    fields = ["predict_log", "regress_log", "classify_log", "multi_inference_log", "predict_log"]
    assert [log.WhichOneof("log_type") for log in logs] == fields
    for log, field, (request, response) in zip(logs, fields, pairs, strict=False):
        assert (getattr(log, field).request, getattr(log, field).response) == (request, response)
    meta = logs[0].log_metadata
    assert (meta.model_spec.name, meta.model_spec.version.value, list(meta.saved_model_tags)) == ("m", 1, ["serve"])
    assert meta.sampling_config.sampling_rate == 1.0
    assert meta.timestamp_secs // 86400 == int(file.parent.name.removeprefix("span-"))
    rest = logs[4].predict_log
    assert tf.make_ndarray(rest.request.inputs["x"]).tolist() == [[6.0]]
    assert tf.make_ndarray(rest.response.outputs["y"]).tolist() == [[5.0]]

    pattern = config.Input(splits=[config.Input.Split(name="logged", pattern="span-{SPAN}/*")])
    component = ImportExampleGen(str(tmp_path / "logs" / "m" / "examples"), input_config=pattern)
    (read,) = run_component(component, {}, tmp_path / "run")["examples"]
    batches = [batch for split in read.splits for batch in examples_io.read_batches(read, split)]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert sorted(row["x"][0] for row in rows) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    answers = [row["prediction/y"] for row in rows if row["x"][0] >= 4.0]
    assert sorted(answers) == [[4.0], [4.5], [5.0]]
