"""The REST face over a real socket: every shape and refusal of TF Serving's."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.serving import models
from tests.conformance.serving.test_reload import entry, listed

ALL = "model_version_policy { all {} }"


class Rest:
    """One connection to the HTTP port."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("localhost", port, timeout=60)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Returns the status, the body and the headers."""
        sent = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        self.connection.request(method, path, sent, {name.replace("_", "-"): text for name, text in headers.items()})
        response = self.connection.getresponse()
        return response.status, response.read(), response.headers

    def post(self, path: str, body: Any) -> Any:
        status, data, _ = self.send("POST", f"/v1/models/{path}", body)
        assert status == 200, data
        return json.loads(data)

    def get(self, path: str) -> Any:
        status, data, headers = self.send("GET", path)
        assert status == 200, data
        assert headers["Content-Type"] == "application/json"
        return json.loads(data)

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        status, data, headers = self.send(method, path, body)
        assert headers["Content-Type"] == "application/json"
        message = json.loads(data)["error"]
        assert data == f'{{\n    "error": {json.dumps(message, ensure_ascii=False)}\n}}'.encode()
        return status, message


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory, kinds: Path, save_half_plus: Any) -> Iterator[Rest]:
    from mlops_tfx.serving.server import ModelServer

    root = tmp_path_factory.mktemp("rest")
    models.save_half_plus_two(root / "half" / "123")
    (root / "half" / "123" / "assets.extra").mkdir()
    (root / "half" / "123" / "assets.extra" / "mlmd_uuid").write_text("a pipeline made this")
    models.save_misfits(root / "misfits" / "1")
    for version in (1, 2):
        save_half_plus(root / "plus" / str(version), float(version))
    labels = "version_labels { key: 'stable' value: 1 }"
    (root / "models.config").write_text(listed(
        entry("half", root / "half"), entry("kinds", kinds), entry("misfits", root / "misfits"),
        entry("plus", root / "plus", ALL + labels),
    ))  # fmt: skip
    (root / "monitoring.config").write_text("prometheus_config { enable: true }")
    server = ModelServer(
        model_config_file=str(root / "models.config"),
        monitoring_config_file=str(root / "monitoring.config"),
        rest_api_port=-1,
        rest_api_enable_cors_support=True,
        max_message_bytes=1 << 20,
        port=0,
    )
    with server:
        assert server._board.wait_until(lambda: server._manager._labels_ready, 120)
        rest = Rest(server.rest_port)
        yield rest
        rest.connection.close()


def test_several_inputs(rest: Rest) -> None:
    rows = [{"a": 1, "b": 2.5}, {"a": 2, "b": 3}]
    body = {"signature_name": "add", "instances": rows}
    expected = [{"sum": 3.5, "product": 2.5}, {"sum": 5.0, "product": 6.0}]
    assert rest.post("kinds:predict", body) == {"predictions": expected}
    body = {"signature_name": "add", "inputs": {"a": [1, 2], "b": [2.5, 3], "ignored": "x"}}
    assert rest.post("kinds:predict", body) == {"outputs": {"sum": [3.5, 5.0], "product": [2.5, 6.0]}}
    body = {"signature_name": "add_default", "instances": [{"a": 1}, {"a": 2}]}
    assert [row["sum"] for row in rest.post("kinds:predict", body)["predictions"]] == [11.0, 12.0]


def test_headers_say_who_answered(rest: Rest) -> None:
    _, _, headers = rest.send("POST", "/v1/models/plus:predict", {"instances": [0.0]})
    assert (headers["X-Model-Name"], headers["X-Model-Version"]) == ("plus", "2")


def test_gzip_both_ways(rest: Rest) -> None:
    body = gzip.compress(json.dumps({"instances": [0.5] * 1000}).encode())
    status, data, headers = rest.send(
        "POST", "/v1/models/half:predict", body, Content_Encoding="gzip", Accept_Encoding="gzip"
    )
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(data)) == {"predictions": [2.25] * 1000}


def test_cors(rest: Rest) -> None:
    status, _, headers = rest.send("OPTIONS", "/v1/models/half:predict", Origin="https://example.com")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert rest.refused("OPTIONS", "/v1/models/half") == (400, "Origin header is missing in CORS preflight")
    assert rest.send("GET", "/v1/models/half")[2]["Access-Control-Allow-Origin"] == "*"


def test_status(rest: Rest) -> None:
    fine = {"error_code": "OK", "error_message": ""}
    expected = [{"version": v, "state": "AVAILABLE", "status": fine} for v in ("2", "1")]
    assert rest.get("/v1/models/plus") == {"model_version_status": expected}
    assert rest.get("/v1/models/plus/versions/2") == {"model_version_status": expected[:1]}
    assert rest.get("/v1/models/plus/labels/stable") == {"model_version_status": expected[1:]}
    assert rest.refused("GET", "/v1/models/zz") == (404, "Could not find any versions of model zz")
    assert rest.refused("GET", "/v1/models/plus/versions/7") == (404, "Could not find version 7 of model plus")


def test_metadata(rest: Rest) -> None:
    value = rest.get("/v1/models/plus/labels/stable/metadata")
    assert value["model_spec"] == {"name": "plus", "signature_name": "", "version": "1"}
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert value["metadata"]["signature_def"]["signature_def"]["serving_default"] == {
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "serving_default_x:0"}},
        "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "StatefulPartitionedCall:0"}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    signatures = rest.get("/v1/models/half/versions/123/metadata")["metadata"]["signature_def"]["signature_def"]
    text = signatures["regress_x_to_y"]["inputs"]["inputs"]
    assert text["tensor_shape"] == {"dim": [], "unknown_rank": True}


def test_beyond_tf_serving(rest: Rest) -> None:
    found = {model["name"]: model for model in rest.get("/v1/models")["models"]}
    assert found["plus"] == {"name": "plus", "versions": ["2", "1"], "labels": {"stable": "1"}}
    assert [rest.send("GET", path)[:2] for path in ("/healthz", "/readyz")] == [(200, b"ok\n")] * 2


def test_metrics(rest: Rest) -> None:
    rest.post("half:predict", {"instances": [1.0, 2.0]})
    rest.refused("POST", "/v1/models/nobody:predict", {"instances": [1.0]})
    status, data, headers = rest.send("GET", "/monitoring/prometheus/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    lines = data.decode().splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert any(line.startswith("# HELP :tensorflow:serving:request_count ") for line in lines)
    assert ':tensorflow:serving:request_count{model_name="nobody",status="NOT_FOUND"} 1' in lines
    latency = ':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",entrypoint="REST",le='
    buckets = [line.split()[0][len(latency) :] for line in lines if line.startswith(latency)]
    assert buckets[:4] + buckets[-1:] == ['"10"}', '"18"}', '"32.4"}', '"58.32"}', '"+Inf"}']
    assert len(buckets) == 34
    runtime = ':tensorflow:serving:runtime_latency_count{model_name="half",API="Predict",runtime="TF1"}'
    assert any(line.startswith(runtime) for line in lines)
    assert [line for line in lines if "mlmd_map{" in line] == [
        ':tensorflow:serving:mlmd_map{model_name="half",version="123"} 0'
    ]
    assert rest.refused("GET", "/monitoring/zz") == (
        400, "Unexpected path: /monitoring/zz. Should be /monitoring/prometheus/metrics")  # fmt: skip


def test_other_paths(rest: Rest) -> None:
    status, data, headers = rest.send("GET", "/zz")
    assert (status, headers["Content-Type"]) == (404, "text/html")
    assert b"<H1>Not Found</H1>" in data
    assert rest.refused("POST", "/v1/foo", {}) == (400, "Malformed request: POST /v1/foo")
    assert rest.refused("DELETE", "/v1/models/half") == (400, "Malformed request: DELETE /v1/models/half")
    assert rest.refused("POST", "/v1/models/half:zz", {}) == (400, "Malformed request: POST /v1/models/half:zz")
    number = "9" * 30
    text = f"Failed to convert version: {number} to numeric."
    assert rest.refused("GET", f"/v1/models/half/versions/{number}") == (400, text)
    assert rest.refused("POST", "/v1/models/half/versions/7:predict", {"instances": [1.0]}) == (
        404, "Servable not found for request: Specific(half, 7)")  # fmt: skip
    assert rest.refused("POST", "/v1/models/plus/labels/zz:predict", {"instances": [1.0]}) == (
        400, "Unrecognized servable version label: zz")  # fmt: skip


def test_outputs_of_16_bits(rest: Rest) -> None:
    numbers = {"inputs": [1.5, 65504.0, 0.1]}
    written = rest.send("POST", "/v1/models/kinds:predict", {"signature_name": "as_half", **numbers})[1]
    assert written == b'{"outputs":[1.5,65504.0,0.099975586]}'
    assert rest.post("kinds:predict", {"signature_name": "as_bfloat16", "inputs": [1.5]}) == {"outputs": [1.5]}
    for name in ("as_half", "as_bfloat16"):
        body = f'{{"signature_name": "{name}", "inputs": [Infinity, NaN]}}'
        assert rest.send("POST", "/v1/models/kinds:predict", body)[1] == b'{"outputs":[Infinity,NaN]}'
    assert rest.refused("POST", "/v1/models/kinds:predict", {"signature_name": "as_complex64", **numbers}) == (
        400, "Failed to write JSON value for tensor type: complex64")  # fmt: skip


def test_too_large(rest: Rest) -> None:
    status, text = rest.refused("POST", "/v1/models/half:predict", b" " * ((1 << 20) + 1))
    assert (status, text) == (413, "the body is larger than 1048576 bytes")
    assert rest.post("half:predict", {"instances": [2.0]}) == {"predictions": [3.0]}
