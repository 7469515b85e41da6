"""Logged requests over real sockets, and what ImportExampleGen reads of them."""

from __future__ import annotations

import http.client
import json
import queue
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
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
from mlops_tfx.serving.client import Client
from mlops_tfx.serving.server import ModelServer
from mlops_tfx.serving.server.request_log.files import frame
from mlops_tfx.serving.server.statuses import StatusError
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


def logging_config(folder: Path, rate: float = 1.0) -> str:
    return (f"log_collector_config {{ type: 'tfrecord' filename_prefix: '{folder}' }} "
            f"sampling_config {{ sampling_rate: {rate} }}")  # fmt: skip


def test_every_model_may_have_its_own_log(tmp_path: Path) -> None:
    """A model's logging_config takes the place of the server's; a rate of 0 keeps a model out of the log."""
    save_half_plus_two(tmp_path / "model" / "1")
    own = {"own": f"logging_config {{ {logging_config(tmp_path / 'own')} }}",
           "silent": f"logging_config {{ {logging_config(tmp_path / 'silent', 0)} }}", "plain": ""}  # fmt: skip
    entries = [
        f'config {{ name: "{name}" base_path: "{tmp_path}/model" model_platform: "tensorflow" {text} }}'
        for name, text in own.items()
    ]
    (tmp_path / "models.config").write_text(f"model_config_list {{ {' '.join(entries)} }}")
    (tmp_path / "logging.config").write_text(logging_config(tmp_path / "all"))
    server = ModelServer(
        port=0, model_config_file=str(tmp_path / "models.config"),
        logging_config_file=str(tmp_path / "logging.config"), request_log_contents=("examples",),
    )  # fmt: skip
    with server, grpc.insecure_channel(server.address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for name in own:
            server.wait_until_available(model=name)
            stub.Predict(make_request(name, x=np.array([[4.0]], np.float32)), timeout=60)
    found = sorted(str(path.relative_to(tmp_path).parent.parent) for path in tmp_path.rglob("*.tfrecord"))
    assert found == ["all/plain/examples", "own/own/examples"]


def test_a_wrong_logging_config_of_a_model_is_refused(tmp_path: Path) -> None:
    text = f'name: "m" base_path: "{tmp_path}" model_platform: "tensorflow"'
    for config_text, problem in (
        (logging_config(tmp_path, 2), "Wrong logging_config of model m: expected a share from 0 to 1"),
        (logging_config(Path("logs")), "Wrong logging_config of model m: expected an absolute path"),
    ):
        file = tmp_path / "models.config"
        file.write_text(f"model_config_list {{ config {{ {text} logging_config {{ {config_text} }} }} }}")
        with pytest.raises(StatusError, match=problem):
            ModelServer(port=0, model_config_file=str(file)).start()


@pytest.fixture(scope="module")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process")
    save_half_plus_two(folder / "model" / "1")
    return folder


@pytest.mark.parametrize("most_bytes", [None, 16_384], ids=["SIGTERM at once", "files that cannot grow"])
def test_a_process_that_is_told_to_end_has_logged_all_that_it_answered(
    examples_folder: Path, tmp_path: Path, project_root: Path, most_bytes: int | None
) -> None:
    """With a limit on files in place of a full disk: the request that does not fit is not logged; all are answered."""
    (tmp_path / "logging.config").write_text(logging_config(tmp_path / "logs"))
    flags = ["--port=0", "--model_name=m", f"--model_base_path={examples_folder / 'model'}",
             f"--logging_config_file={tmp_path / 'logging.config'}", "--request_log_contents=examples",
             "--request_log_max_pending=5000"]  # fmt: skip
    count, size = 1500, len(frame(example(1.0).SerializeToString()))

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes or -1, most_bytes or -1))

    command = [sys.executable, "-m", "mlops_tfx.serving.server", *flags]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=project_root, preexec_fn=limit_files
    ) as child:
        lines = drain_stderr(child)
        try:
            request = regression_pb2.RegressionRequest()
            request.model_spec.name, request.model_spec.signature_name = "m", "regress_x_to_y"
            request.input.example_list.examples.append(example(1.0))
            address = lines.get(timeout=120)
            with Client(address) as client:
                client.wait_until_available("m", timeout=60)
            with grpc.insecure_channel(address) as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                in_flight = [stub.Regress.future(request, timeout=60) for _ in range(count)]
                answers = [call.result().result.regressions[0].value for call in in_flight]
                child.send_signal(signal.SIGTERM)
                assert child.wait(timeout=60) == 0
        finally:
            child.kill()
    assert answers == [2.5] * count
    files = sorted((tmp_path / "logs").rglob("span-*/*.tfrecord"))
    logged = sum(1 for _ in tf.data.TFRecordDataset(list(map(str, files))))
    per_file = most_bytes // size if most_bytes else count
    assert logged == count - count // (per_file + 1)
    assert len(files) == -(-count // (per_file + 1))


def drain_stderr(child: subprocess.Popen[str]) -> queue.Queue[str]:
    """The address that the server is at, once; nobody reads the rest, and a full pipe would stop the server."""
    found: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert child.stderr is not None
        for line in child.stderr:
            match = re.search(r"ModelServer at .*:(\d+) ", line)
            if match is not None:
                found.put(f"localhost:{match.group(1)}")

    threading.Thread(target=read, daemon=True).start()
    return found
