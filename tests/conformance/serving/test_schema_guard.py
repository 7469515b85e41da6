"""The schema guard over real sockets: annotating and refusing, gRPC and REST, every kind of request."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.serving.server import ModelServer, ServerOptions
from mlops_tfx.serving.server.server import ModelUnavailableError
from tests.conformance.serving.asking import KINDS, Asker
from tests.conformance.serving.messages import Peer
from tests.conformance.serving.models import CLASSIFY, REGRESS, save_half_plus_two
from tests.conformance.serving.test_predict import make_request

SCHEMA = """
feature { name: "x" type: FLOAT presence { min_fraction: 1 } float_domain { min: 0 max: 10 disallow_nan: true } }
feature { name: "x2" type: FLOAT float_domain { max: 100 } }
feature { name: "label" type: INT presence { min_fraction: 1 } not_in_environment: "SERVING" }
default_environment: "TRAINING" default_environment: "SERVING"
"""
TOO_LARGE = "x: expected a number from 0.0 to 10.0, received 77.0 in row 1"
REFUSED = f"The request does not fit the schema of the model: {TOO_LARGE}"


def put_schema(version: Path, text: str | bytes = SCHEMA) -> None:
    (version / "assets.extra").mkdir(exist_ok=True)
    content = text if isinstance(text, bytes) else text.encode()
    (version / "assets.extra" / "schema.pbtxt").write_bytes(content)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "1"
    save_half_plus_two(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> Path:
    """A model config file: one model with a schema, one without, one whose schema cannot be read."""
    root = tmp_path_factory.mktemp("models")
    text = ""
    for name, schema in (("guarded", SCHEMA), ("free", None), ("broken", b"feature { nam: 'x' }")):
        shutil.copytree(saved, root / name / "1")
        if schema is not None:
            put_schema(root / name / "1", schema)
        text += f'config {{ name: "{name}" base_path: "{root / name}" model_platform: "tensorflow" }}\n'
    (root / "models.config").write_text(f"model_config_list {{\n{text}}}\n")
    (root / "monitoring.config").write_text("prometheus_config { enable: true }")
    return root


def start(models: Path, mode: str) -> Iterator[ModelServer]:
    server = ModelServer(
        port=0, rest_api_port=-1, model_config_file=str(models / "models.config"), schema_guard=mode,
        monitoring_config_file=str(models / "monitoring.config"),
    )  # fmt: skip
    with server:
        server.wait_until_available(model="guarded")
        server.wait_until_available(model="free")
        yield server


@pytest.fixture(scope="module")
def annotating(models: Path) -> Iterator[ModelServer]:
    yield from start(models, "annotate")


@pytest.fixture(scope="module")
def rejecting(models: Path) -> Iterator[ModelServer]:
    yield from start(models, "reject")


def requests(peer: Peer, model: str = "guarded", second: float = 77.0) -> Iterator[tuple[str, Any]]:
    """The same two rows, as tensors and as tf.Examples, to every method."""
    yield "Predict", make_request(model, x=np.array([[1.0], [second]], np.float32))
    rows = [{"x": 1.0}, {"x": second}]
    yield "Regress", peer.examples("RegressionRequest", model, "regress_x_to_y", *rows)
    yield "Classify", peer.examples("ClassificationRequest", model, "classify_x_to_y", *rows)
    multi = peer.type("MultiInferenceRequest")()
    for method, signature in ((REGRESS, "regress_x_to_y"), (CLASSIFY, "classify_x_to_y")):
        task = multi.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    peer.fill_input(multi.input, rows, {})
    yield "MultiInference", multi


def post(server: ModelServer, path: str, body: Any) -> tuple[int, dict[str, Any], str | None]:
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
    connection.request("POST", f"/v1/models/{path}", json.dumps(body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer, response.getheader("schema-guard")


def metrics(server: ModelServer) -> dict[str, float]:
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
    connection.request("GET", "/monitoring/prometheus/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    prefix = ":tensorflow:serving:schema_guard_"
    return {key.removeprefix(prefix): float(value) for key, value in
            (line.rsplit(" ", 1) for line in lines if line.startswith(prefix))}  # fmt: skip


def test_annotated_requests_are_answered_and_counted(annotating: ModelServer, caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer("own", annotating.address)
    before = metrics(annotating)
    for method, request in requests(peer, second=2.0):
        assert "schema-guard" not in peer.with_trailers(method, request)[1]
    for method, request in requests(peer):
        _, trailers = peer.with_trailers(method, request)
        assert trailers["schema-guard"] == TOO_LARGE, method
    after = metrics(annotating)
    changed = {key: value - before.get(key, 0.0) for key, value in after.items() if value != before.get(key)}
    # The other models may be loading yet.
    grown = {key: value for key, value in changed.items() if 'model_name="guarded"' in key}
    assert grown == {
        'findings{model_name="guarded",feature="x",reason="outside_domain"}': 4.0,
        'requests{model_name="guarded",outcome="fits"}': 4.0,
        'requests{model_name="guarded",outcome="annotated"}': 4.0,
    }
    assert caplog.text.count(f"schema guard: model guarded version 1: {TOO_LARGE}") == 1  # at most once a minute


def test_rest_answers_say_it_in_a_header(annotating: ModelServer) -> None:
    columns = {"inputs": {"x": [[1.0], [77.0]]}}
    for path, body in (
        ("guarded:predict", columns),
        ("guarded:predict", {"instances": [{"x": [1]}, {"x": [77]}]}),
        ("guarded:regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": 77.0}]}),
        ("guarded:classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}, {"x": 77.0}]}),
    ):
        status, _, note = post(annotating, path, body)
        assert (status, note) == (200, TOO_LARGE), path
    assert post(annotating, "free:predict", columns)[2] is None


def test_a_wrong_type_and_a_missing_feature_are_said_beside_the_models_own_error(annotating: ModelServer) -> None:
    """The graph refuses both; the guard says which feature it was."""
    peer = Peer("own", annotating.address)
    for row, text in (
        ({"x": b"1"}, "x: expected floats, received strings such as b'1' in row 0"),
        ({"x2": 1.0}, "x: expected a value in every row, received none in row 0"),
    ):
        code, details, trailers = refusal(peer, peer.examples("RegressionRequest", "guarded", "regress_x_to_y", row))
        assert (code, trailers["schema-guard"]) == ("INVALID_ARGUMENT", text)
        assert "fit the schema" not in details


def refusal(peer: Peer, request: Any) -> tuple[str, str, dict[str, str]]:
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        peer.call("Regress", request)
    error = caught.value
    return error.code().name, error.details(), dict(error.trailing_metadata())


def test_refused_requests_name_feature_value_expectation_and_row(rejecting: ModelServer) -> None:
    peer = Peer("own", rejecting.address)
    for method, request in requests(peer, second=2.0):
        peer.call(method, request)
    for method, request in requests(peer):
        assert peer.refused(method, request) == ("INVALID_ARGUMENT", REFUSED), method
    status, answer, _ = post(rejecting, "guarded:predict", {"inputs": {"x": [[1.0], [77.0]]}})
    assert (status, answer) == (400, {"error": REFUSED})
    counted = metrics(rejecting)
    assert counted['requests{model_name="guarded",outcome="refused"}'] == 5.0
    # Without a schema nothing is checked.
    assert peer.call("Predict", make_request("free", x=np.array([[77.0]], np.float32))) is not None


def test_features_that_the_schema_does_not_know_are_annotated_and_never_refused(rejecting: ModelServer) -> None:
    peer = Peer("own", rejecting.address)
    request = peer.examples("RegressionRequest", "guarded", "regress_x_to_y", {"x": 1.0, "flight_id": b"UA 1"})
    _, trailers = peer.with_trailers("Regress", request)
    assert trailers["schema-guard"] == "expected features of the schema, received 'flight_id' in row 0"
    assert metrics(rejecting)['findings{model_name="guarded",feature="",reason="unknown_feature"}'] == 1.0


def test_an_unreadable_schema_leaves_requests_unchecked_or_the_version_unloaded(
    annotating: ModelServer, rejecting: ModelServer
) -> None:
    """What is only to annotate never keeps a model from serving; what is to refuse lets nothing in unchecked."""
    annotating.wait_until_available(model="broken")
    assert post(annotating, "broken:predict", {"inputs": {"x": [[77.0]]}})[0::2] == (200, None)
    assert metrics(annotating)['schema_loads{model_name="broken",outcome="unreadable"}'] == 1.0
    assert metrics(annotating)['schema_loads{model_name="free",outcome="none"}'] == 1.0
    with pytest.raises(ModelUnavailableError, match=r"no request can be checked: expected a Schema as text in .*nam"):
        rejecting.wait_until_available(model="broken", timeout=10)


def test_every_version_has_its_own_schema_and_one_file_may_serve_those_without(saved: Path, tmp_path: Path) -> None:
    base, file = tmp_path / "m", tmp_path / "schema.pbtxt"
    file.write_text(SCHEMA.replace("max: 10 ", "max: 1 "))
    shutil.copytree(saved, base / "1")
    options = ServerOptions(port=0, model_name="m", model_base_path=str(base), schema_guard="reject",
                            schema_guard_file=str(file), file_system_poll_wait_seconds=0.05)  # fmt: skip
    with ModelServer(options) as server:
        server.wait_until_available()
        peer = Peer("own", server.address)
        five = make_request("m", x=np.array([[5.0]], np.float32))
        assert "expected a number from 0.0 to 1.0, received 5.0" in peer.refused("Predict", five)[1]
        shutil.copytree(saved, tmp_path / "2")
        put_schema(tmp_path / "2")
        (tmp_path / "2").rename(base / "2")
        server.wait_until_available(version=2)
        assert peer.call("Predict", five).outputs["y"].float_val[0] == 4.5


def test_off(models: Path) -> None:
    options = ServerOptions(port=0, model_name="m", model_base_path=str(models / "guarded"), schema_guard="off")
    with ModelServer(options) as server:
        server.wait_until_available()
        request = make_request("m", x=np.array([[77.0]], np.float32))
        assert "schema-guard" not in Peer("own", server.address).with_trailers("Predict", request)[1]


def test_a_fault_of_the_guard_fails_no_request_that_it_only_annotates(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlops_tfx.serving.server.schema_guard.checks import RequestChecks

    def fail(self: Any, call: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(RequestChecks, "check", fail)
    for mode in ("annotate", "reject"):
        with ModelServer(port=0, model_name="m", model_base_path=str(models / "guarded"), schema_guard=mode) as server:
            server.wait_until_available()
            peer, request = Peer("own", server.address), make_request("m", x=np.array([[1.0]], np.float32))
            if mode == "annotate":
                assert peer.call("Predict", request).outputs["y"].float_val[0] == 2.5
                assert "a request to model m could not be checked" in caplog.text
            else:
                assert peer.refused("Predict", request)[0] == "INTERNAL"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"schema_guard": "warn"}, "expected one of annotate, reject, off, received schema_guard='warn'"),
        ({"schema_guard": "off", "schema_guard_file": "/s"}, "reject with schema_guard_file, received 'off'"),
        ({"schema_guard_file": "/s", "model_config_file": "/c"}, "model_config_file names several: put each schema"),
    ],
)
def test_wrong_options(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ServerOptions(model_base_path="/m", **settings)


@pytest.mark.parametrize("mode", ["annotate", "reject"])
def test_a_missing_file_is_like_an_unreadable_one(
    models: Path, tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = str(tmp_path / "none.pbtxt")
    options = ServerOptions(port=0, model_name="m", model_base_path=str(models / "free"), schema_guard=mode,
                            schema_guard_file=file)  # fmt: skip
    with ModelServer(options) as server:
        if mode == "annotate":
            server.wait_until_available()
            assert f"its requests are not checked: cannot read {file}" in caplog.text
        else:
            with pytest.raises(ModelUnavailableError, match=f"no request can be checked: cannot read {file}"):
                server.wait_until_available(timeout=10)


@pytest.mark.parametrize("kind", KINDS)
def test_clients_are_told(annotating: ModelServer, rejecting: ModelServer, kind: str) -> None:
    ask = Asker(kind, annotating)
    assert ask.predict("guarded", {"x": [[1.0], [2.0]]}).schema_guard == ""
    assert ask.predict("guarded", {"x": [[1.0], [77.0]]}).schema_guard == TOO_LARGE
    # The model refuses this, and the guard has seen why.
    _, text = ask.refused("regress", "guarded", [{"x": 1.0}, {"y": 1.0}], signature_name="regress_x_to_y")
    assert "schema guard: x: expected a value in every row, received none in row 1" in text
    ask.end()
    ask = Asker(kind, rejecting)
    _, text = ask.refused("predict", "guarded", {"x": [[1.0], [77.0]]})
    assert text == REFUSED
    ask.end()
