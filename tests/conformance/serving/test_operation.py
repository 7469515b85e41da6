"""Operating a server over real sockets: batching, warmup, TLS, limits, draining."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import shutil
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc

from mlops_tfx.serving.client import Client
from tests.conformance.serving.test_predict import floats, make_request


def start(**settings: Any) -> Any:
    from mlops_tfx.serving.server import ModelServer

    return ModelServer(model_name="m", port=0, **settings)


def test_batching_gives_everyone_their_own(half_plus_two: Path, tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 2000 } num_batch_threads { value: 1 }")
    server = start(model_base_path=str(half_plus_two), enable_batching=True, batching_parameters_file=str(file))
    with server, Client(server.address) as client, ThreadPoolExecutor(16) as pool:
        server.wait_until_available()
        answers = list(pool.map(lambda x: float(client.predict("m", {"x": floats(x)})["y"][0]), range(200)))
        runs = server._metrics.batch_runs.value()
        with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            stub.Predict(make_request("m", x=floats(*range(9))), timeout=60)
    assert answers == [x / 2 + 2 for x in range(200)]
    assert runs < 200
    assert caught.value.details() == "Task size 9 is larger than maximum input batch size 8"


def test_batching_by_model(half_plus_two: Path, tmp_path: Path) -> None:
    for version in ("1", "2", "3"):
        shutil.copytree(half_plus_two / "00000123", tmp_path / version)
    (tmp_path / "1" / "batching_params.pbtxt").write_text("max_batch_size { value: 4 }")
    (tmp_path / "3" / "batching_params.pbtxt").write_text("max_batch_size { value: 0 }")
    config = tmp_path / "models.config"
    policy = "model_version_policy { all {} }"
    config.write_text(
        f"model_config_list {{ config {{ name: 'm' base_path: '{tmp_path}' model_platform: 'tensorflow' {policy} }} }}"
    )
    settings = {"enable_batching": True, "enable_per_model_batching_parameters": True, "max_num_load_retries": 0}
    server = start(model_config_file=str(config), **settings)
    with server, Client(server.address) as client:
        for version in (1, 2):
            server.wait_until_available(version=version)
            assert client.predict("m", {"x": floats(2)}, version=version)["y"].tolist() == [3.0]
            # The second version says nothing of batches and has none.
            assert server._metrics.batch_runs.value() == 1
        (broken,) = (state for state in server.versions() if state.version == 3)
        assert "expected at least 1, received max_batch_size=0" in str(broken.error)


def write_warmup(version: Path, *logs: Any) -> None:
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())


def predict_log(x: Any) -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(make_request("any name", x=x))
    return log


def unnamed(log: Any) -> Any:
    """A record without a name, and of a version that is not there: TF Serving looks at neither."""
    log.predict_log.request.model_spec.Clear()
    log.predict_log.request.model_spec.version.value = 999
    return log


@pytest.mark.parametrize(
    ("logs", "text"),
    [
        ([predict_log(floats(1, 2)), unnamed(predict_log(floats(3)))], ""),
        ([predict_log(floats(1)), predict_log(["x"])], "INVALID_ARGUMENT: Expects arg[0] to be float but string is"),
        ([prediction_log_pb2.PredictionLog(session_run_log={})], "UNIMPLEMENTED: Unsupported log_type for warmup: 5"),
        ([prediction_log_pb2.PredictionLog(predict_streamed_log={})],
         "UNIMPLEMENTED: Unsupported log_type for warmup: 7"),
        ([predict_log(floats(1))] * 1001, "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (1000) at /"),
        ([b"\xff"], "INVALID_ARGUMENT: Failed to parse warmup record"),
    ],
)  # fmt: skip
def test_warmup(half_plus_two: Path, tmp_path: Path, logs: list[Any], text: str) -> None:
    from mlops_tfx.serving.server import ModelUnavailableError

    shutil.copytree(half_plus_two / "00000123", tmp_path / "7")
    write_warmup(tmp_path / "7", *logs)
    with start(model_base_path=str(tmp_path), max_num_load_retries=0) as server:
        if text:
            with pytest.raises(ModelUnavailableError) as caught:
                server.wait_until_available()
            assert text in str(caught.value)
        else:
            assert server.wait_until_available() == 7
            assert server._metrics.warmup_records.value(str(tmp_path / "7"), "OK") == 2
    with start(model_base_path=str(tmp_path), enable_model_warmup=False) as server:
        assert server.wait_until_available() == 7


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Key and certificate of an authority that has signed itself, for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"key": key.private_bytes(pem, *plain), "certificate": certificate.public_bytes(pem)}


@pytest.mark.parametrize("verify", [False, True])
def test_tls_on_both_ports(half_plus_two: Path, tmp_path: Path, keys: dict[str, bytes], verify: bool) -> None:
    key, certificate = (json.dumps(keys[name].decode()) for name in ("key", "certificate"))
    text = f"server_key: {key} server_cert: {certificate} "
    file = tmp_path / "ssl.config"
    file.write_text(text + (f"custom_ca: {certificate} client_verify: true" if verify else ""))
    settings = {"ssl_config_file": str(file), "rest_api_ssl_config_file": str(file), "rest_api_port": -1}
    with start(model_base_path=str(half_plus_two), **settings) as server:
        server.wait_until_available()
        pair = (keys["key"], keys["certificate"]) if verify else (None, None)
        credentials = grpc.ssl_channel_credentials(keys["certificate"], *pair)
        with grpc.secure_channel(server.address, credentials) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert list(stub.Predict(make_request("m", x=floats(2)), timeout=60).outputs["y"].float_val) == [3.0]
        context = ssl.create_default_context(cadata=keys["certificate"].decode())
        if verify:
            (tmp_path / "pair.pem").write_bytes(keys["key"] + keys["certificate"])
            context.load_cert_chain(tmp_path / "pair.pem")
            stranger = ssl.create_default_context(cadata=keys["certificate"].decode())
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask_https(server.rest_port, stranger)
        assert ask_https(server.rest_port, context) == {"predictions": [3.0]}


def ask_https(port: int, context: ssl.SSLContext) -> Any:
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=60)
    try:
        connection.request("POST", "/v1/models/m:predict", '{"instances": [2.0]}')
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [("", "expected server_key as PEM text"), ("server_key: 'a' server_cert: 'b' client_verify: true", "custom_ca")],
)
def test_wrong_tls(half_plus_two: Path, tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "ssl.config").write_text(text)
    server = start(model_base_path=str(half_plus_two), ssl_config_file=str(tmp_path / "ssl.config"))
    with pytest.raises(ValueError, match=error):
        server.start()
    server.stop()


def test_large_messages_are_refused_and_others_served(half_plus_two: Path) -> None:
    with start(model_base_path=str(half_plus_two), max_message_bytes=10_000) as server:
        server.wait_until_available()
        with grpc.insecure_channel(server.address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(make_request("m", x=np.zeros(5000, np.float32)), timeout=60)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert list(stub.Predict(make_request("m", x=floats(2)), timeout=60).outputs["y"].float_val) == [3.0]


def test_a_request_over_http_is_finished_before_the_end(kinds: Path) -> None:
    server = start(model_base_path=str(kinds), rest_api_port=-1).start()
    server.wait_until_available()
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=120)
    body = json.dumps({"signature_name": "count", "inputs": 1_500_000})
    answers: list[Any] = []
    running = threading.Event()
    execute = server._http._handler._execute
    server._http._handler._execute = lambda call: (running.set(), execute(call))[1]

    def ask() -> None:
        connection.request("POST", "/v1/models/m:predict", body)
        answers.append(json.loads(connection.getresponse().read()))

    thread = threading.Thread(target=ask)
    thread.start()
    assert running.wait(60)
    server.stop()
    thread.join()
    connection.close()
    assert answers == [{"outputs": 1_500_000}]


def test_version_folder_deleted_while_it_serves(half_plus_two: Path, tmp_path: Path) -> None:
    shutil.copytree(half_plus_two / "00000123", tmp_path / "models" / "1")
    server = start(model_base_path=str(tmp_path / "models"), file_system_poll_wait_seconds=0.02)
    with server, Client(server.address) as client:
        server.wait_until_available()
        shutil.copytree(half_plus_two / "00000123", tmp_path / "models" / "2")
        server.wait_until_available(version=2)
        held = server._manager._models["m"].acquire(2)
        shutil.rmtree(tmp_path / "models" / "2")
        assert server.wait_until_available(version=1) == 1
        # Its files are gone; who holds it still gets answers.
        plan = held.session.signatures["serving_default"].plan(("y",))
        assert plan.run([floats(4)])[0].tolist() == [4.0]
        held.release()
        assert client.predict("m", {"x": floats(2)})["y"].tolist() == [3.0]
