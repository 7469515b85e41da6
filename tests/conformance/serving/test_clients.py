"""All clients against one server: what they answer, how they refuse, what they do when a server comes and goes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.client import Client, RestClient, Retry, Tls
from mlops_tfx.serving.tensor_messages import encode_row
from tests.conformance.serving import models
from tests.conformance.serving.asking import KINDS, Asker
from tests.conformance.serving.test_operation import keys  # noqa: F401
from tests.conformance.serving.test_reload import entry, listed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, kinds: Path, save_half_plus: Any) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    root = tmp_path_factory.mktemp("clients")
    models.save_half_plus_two(root / "half" / "123")
    models.save_misfits(root / "misfits" / "1")
    for version in (1, 2):
        save_half_plus(root / "plus" / str(version), float(version))
    labels = "version_labels { key: 'stable' value: 1 }"
    config = listed(
        entry("half", root / "half"),
        entry("kinds", kinds),
        entry("misfits", root / "misfits"),
        entry("plus", root / "plus", "model_version_policy { all {} }" + labels),
    )
    (root / "models.config").write_text(config)
    with ModelServer(model_config_file=str(root / "models.config"), rest_api_port=-1, port=0) as server:
        assert server._board.wait_until(lambda: server._manager._labels_ready, 120)
        server.config_text = config
        yield server


@pytest.fixture(params=KINDS)
def ask(request: pytest.FixtureRequest, server: Any) -> Iterator[Asker]:
    asker = Asker(request.param, server)
    yield asker
    asker.end()


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": [2, 3, 4]},
        {"x": [2.0, 3, 4]},
        {"x": np.array([2, 3, 4])},
        {"x": np.array([2, 3, 4], np.float32)},
        [{"x": 2}, {"x": 3.0}, {"x": np.float32(4)}],
        pd.DataFrame({"x": [2, 3, 4]}),
        pd.DataFrame({"x": pd.array([2, 3, 4], "Int64")}),
        pa.table({"x": pa.chunked_array([[2.0], [3.0, 4.0]])}),
        pa.RecordBatch.from_arrays([pa.array([2, 3, 4], pa.int8())], ["x"]),
    ],
    ids=lambda inputs: type(inputs).__name__,
)
def test_half_plus_two_of_every_form(ask: Asker, inputs: Any) -> None:
    answer = ask.predict("half", inputs)
    assert answer["y"].dtype == np.float32
    assert answer["y"].tolist() == [3.0, 3.5, 4.0]
    assert (answer.model_name, answer.version, answer.signature_name) == ("half", 123, "serving_default")


def test_answers_as_tables(ask: Asker) -> None:
    answer = ask.predict("kinds", {"a": [1, 2], "b": [2.5, 3]}, signature_name="add")
    expected = pd.DataFrame({"sum": [3.5, 5.0], "product": [2.5, 6.0]}, dtype="float32")
    pd.testing.assert_frame_equal(answer.to_pandas()[["sum", "product"]], expected)
    text = ask.predict("kinds", pa.table({"s": ["a", "é", ""]}), signature_name="text").to_arrow()
    assert text.to_pydict() == {"length": [1, 2, 0], "same": ["a", "é", ""]}


@pytest.mark.parametrize("form", ["rows", "columns", "frame", "examples"])
def test_classify_and_regress(ask: Asker, form: str) -> None:
    forms = {
        "rows": [{"x": 2}, {"x": 0.2}],
        "columns": {"x": [2.0, 0.2]},
        "frame": pd.DataFrame({"x": [2.0, 0.2]}),
        "examples": [encode_row({"x": 2.0}), encode_row({"x": 0.2})],
    }
    inputs: Any = [{"x": 2.0}, {"x": 0.2}] if form == "rows" else forms[form]
    np.testing.assert_array_equal(
        ask.regress("half", inputs, signature_name="regress_x_to_y"), np.array([3.0, 2.1], np.float32)
    )
    scores = ask.classify("half", inputs, signature_name="classify_x_to_y")
    assert [[(c.label, np.float32(c.score)) for c in row] for row in scores] == [
        [("", np.float32(3.0))],
        [("", np.float32(2.1))],
    ]
    (row,) = ask.classify("misfits", [{"any": [1, 2], "b": b"\xff", "c": None}], signature_name="named")
    assert row == [("cat", 0.25), ("dog", 0.75)]


def test_versions_and_labels(ask: Asker) -> None:
    def answer(**options: Any) -> tuple[float, int]:
        found = ask.predict("plus", {"x": [0.0]}, **options)
        return float(found["y"][0]), found.version

    assert [answer(), answer(version=1), answer(label="stable")] == [(2.0, 2), (1.0, 1), (1.0, 1)]
    assert ask.get_model_metadata("plus", label="stable").version == 1
    states = [(2, "AVAILABLE", 0, ""), (1, "AVAILABLE", 0, "")]
    seen = [(s.version, s.state, s.error_code, s.error_message) for s in ask.get_model_status("plus")]
    assert seen == states
    assert [s.version for s in ask.get_model_status("plus", version=2)] == [2]
    assert [s.version for s in ask.get_model_status("plus", label="stable")] == [1]
    with pytest.raises(ValueError, match="received version=1, label='stable'"):
        ask.predict("plus", {"x": [0.0]}, version=1, label="stable")


def test_a_new_version_may_have_other_inputs_and_outputs(tmp_path: Path, successors: list[Path]) -> None:
    """Clients that have asked for the signatures of one version go on with the next, without an error between."""
    from mlops_tfx.serving.server import ModelServer

    base = tmp_path / "base"
    base.mkdir()
    with ModelServer(model_name="m", model_base_path=str(base), rest_api_port=-1, port=0) as server:
        askers = [Asker(kind, server) for kind in KINDS]
        for version, (given, expected) in enumerate(
            [
                ([2.5], {"y": [5.0]}),
                ([2.5], {"y": [2], "text": [b"2.5"]}),
                ([2.0], {"half": [1]}),
                (["ab"], {"x": [b"ab"]}),
            ],
            start=1,
        ):
            shutil.copytree(successors[version - 1], tmp_path / "new")
            (tmp_path / "new").rename(base / str(version))
            for ask in askers:
                ask.wait_until_available("m", version=version)
                answer = ask.predict("m", {"x": given})
                assert answer.version == version
                assert {name: array.tolist() for name, array in answer.items()} == expected
                assert answer.get("y", np.float32(0)).dtype == (np.int64 if version == 2 else np.float32)
        for ask in askers:
            ask.end()


@pytest.fixture(scope="module")
def successors(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Models of which each has other outputs than the one before, and at last other inputs."""
    import tensorflow as tf

    def ints(x: Any) -> dict[str, Any]:
        return {"y": tf.cast(x, tf.int64), "text": tf.strings.as_string(x, shortest=True)}

    kinds: list[tuple[Any, Any]] = [
        (tf.float32, lambda x: {"y": 2 * x}),
        (tf.float32, ints),
        (tf.int64, lambda x: {"half": x // 2}),
        (tf.string, lambda x: {"x": tf.identity(x)}),
    ]
    root, folders = tmp_path_factory.mktemp("successors"), []
    for index, (dtype, function) in enumerate(kinds):
        concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec([None], dtype, name="x"))
        folders.append(root / str(index))
        tf.saved_model.save(tf.Module(), str(folders[-1]), signatures=concrete)
    return folders


def test_metadata_is_the_same_from_all(ask: Asker, server: Any) -> None:
    with Client(server.address) as client:
        for model in ("half", "kinds", "misfits"):
            assert ask.get_model_metadata(model) == client.get_model_metadata(model)
    found = ask.get_model_metadata("kinds").signatures["add_default"]
    assert (found.inputs["a"].optional, found.inputs["b"].optional) == (False, True)
    assert (found.inputs["a"].dtype, found.inputs["a"].shape) == ("DT_FLOAT", (None,))


def test_health_and_waiting(ask: Asker) -> None:
    assert ask.is_ready() is True
    assert ask.wait_until_available("plus", version=1) == 1


def test_output_filter(ask: Asker) -> None:
    answer = ask.predict("kinds", {"a": [2], "b": [5]}, signature_name="add", output_filter=["product"])
    assert {name: array.tolist() for name, array in answer.items()} == {"product": [10.0]}
    code, text = ask.refused("predict", "kinds", {"a": [2], "b": [5]}, signature_name="add", output_filter=["prodct"])
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("output tensor alias not found in signature: prodct")
    assert text.endswith("output 'prodct'; did you mean 'product'?")


@pytest.mark.parametrize(
    ("model", "options", "code", "text"),
    [
        ("zz", {}, "NOT_FOUND", "Servable not found for request: Latest(zz)"),
        ("half", {"version": 7}, "NOT_FOUND", "Servable not found for request: Specific(half, 7)"),
        ("half", {"label": "zz"}, "INVALID_ARGUMENT", "Unrecognized servable version label: zz"),
    ],
)
def test_refusals(ask: Asker, model: str, options: dict[str, Any], code: str, text: str) -> None:
    for method in ("predict", "regress", "classify"):
        assert ask.refused(method, model, {"x": [1.0]}, **options) == (code, text)


def test_near_names(ask: Asker) -> None:
    code, text = ask.refused("predict", "half", {"x": [1.0]}, signature_name="servng_default")
    assert code == ("INVALID_ARGUMENT" if ask.is_rest else "FAILED_PRECONDITION")
    assert text.endswith("signature_name='servng_default'; did you mean 'serving_default'?")
    code, text = ask.refused("predict", "kinds", {"a": [1.0], "bb": [1.0]}, signature_name="add")
    assert code == "INVALID_ARGUMENT"
    assert text.endswith("; input 'bb'; did you mean 'b'?")


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (["x"], "float32", "expected values for DT_FLOAT"),
        (np.array(["x"]), "float32", "expected values for DT_FLOAT, received text"),
        ([1e300], "float32", "fit into DT_FLOAT"),
        ([1.5], "int64", "fit into DT_INT64|whole numbers"),
        ([300], "int8", "fit into DT_INT8, received 300"),
        (np.array([2.0**63]), "int64", "fit into DT_INT64"),
        ([1], "string", "expected text or bytes, received int"),
        ([2], "bool", "DT_BOOL"),
        ([None], "bool", "None is not possible"),
    ],
)
def test_values_that_do_not_fit_are_named(ask: Asker, value: Any, dtype: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"input 'v': .*({text})"):
        ask.predict("kinds", {"v": value}, signature_name=f"same_{dtype}")


def test_pieces(ask: Asker) -> None:
    values = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    expected = [values[start : start + 300] / 2 + 2 for start in range(0, 1000, 300)]
    frame = pd.DataFrame({"x": values})
    batches = pa.Table.from_pandas(frame).to_batches(max_chunksize=300)
    for inputs in ({"x": values}, frame, [{"x": value} for value in values], iter(batches), batches):
        found = [answer["y"] for answer in ask.predict_batches("half", inputs, rows=300)]
        assert [len(piece) for piece in found] == [300, 300, 300, 100]
        for piece, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(piece, wanted, rtol=0, atol=1e-6)


def test_multi_inference(server: Any) -> None:
    tasks = {"regress_x_to_y": "regress", "classify_x_to_y": "classify"}
    for kind in ("gRPC", "async gRPC"):
        ask = Asker(kind, server)
        found = ask.multi_inference("half", [{"x": 2.0}, {"x": 4.0}], tasks)
        assert found["regress_x_to_y"].tolist() == [3.0, 4.0]
        assert found["classify_x_to_y"] == [[("", 3.0)], [("", 4.0)]]
        code, text = ask.refused("multi_inference", "half", [{"x": 2.0}], {"regress_x_to_y": "zz"})
        assert (code, text) == ("UNIMPLEMENTED", "Unsupported signature method_name: zz")
        ask.end()


def test_reload_config_and_list_models(server: Any) -> None:
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    listing = {"plus": ((2, 1), {"stable": 1}), "half": ((123,), {}), "kinds": ((1,), {}), "misfits": ((1,), {})}
    message = text_format.Parse(server.config_text, model_server_config_pb2.ModelServerConfig())
    for kind, config in (("gRPC", server.config_text), ("async gRPC", message)):
        ask = Asker(kind, server)
        ask.reload_config(config)
        with pytest.raises(ValueError, match="expected a ModelServerConfig as text"):
            ask.reload_config("zz")
        code, text = ask.refused("reload_config", "")
        assert (code, text.split(".")[0]) == (
            "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest")  # fmt: skip
        ask.end()
    for kind in ("REST", "async REST"):
        ask = Asker(kind, server)
        assert {m.name: (m.versions, dict(m.labels)) for m in ask.list_models()} == listing
        ask.end()


@pytest.mark.parametrize("kind", KINDS)
def test_no_server(kind: str) -> None:
    class Nowhere:
        address = "localhost:1"
        rest_port = 1

    ask = Asker(kind, Nowhere, retry=Retry(attempts=2, first_pause=0.001))
    code, text = ask.refused("predict", "m", {"x": [1.0]})
    assert code == "UNAVAILABLE"
    assert "no server answers at address='localhost:1'" in text
    assert "python -m mlops_tfx.serving.server" in text
    assert ask.is_ready() is False
    assert ask.refused("wait_until_available", "m", timeout=0.01)[0] == "DEADLINE_EXCEEDED"
    ask.end()


def test_deadline(ask: Asker) -> None:
    if ask.kind == "REST in rows":
        with pytest.raises(ValueError, match="as many rows each for layout='rows'"):
            ask.predict("kinds", {"n": 1}, signature_name="count")
        return
    code, _ = ask.refused("predict", "kinds", {"n": np.int32(300_000)}, signature_name="count", timeout=0.05)
    assert code == "DEADLINE_EXCEEDED"


def test_headers_arrive_and_unavailable_is_repeated() -> None:
    from concurrent import futures

    from mlops_tfx.serving.protos import message

    seen: list[Any] = []
    codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE, None, grpc.StatusCode.RESOURCE_EXHAUSTED]

    def status(request: bytes, context: Any) -> bytes:
        seen.append(dict(context.invocation_metadata()))
        code = codes[len(seen) - 1]
        if code is not None:
            context.abort(code, "not now")
        response = message("tensorflow.serving.GetModelStatusResponse")()
        response.model_version_status.add(version=3, state=30)
        return bytes(response.SerializeToString())

    handler = grpc.method_handlers_generic_handler(
        "tensorflow.serving.ModelService", {"GetModelStatus": grpc.unary_unary_rpc_method_handler(status)}
    )
    stand_in = grpc.server(futures.ThreadPoolExecutor(2))
    stand_in.add_generic_rpc_handlers((handler,))
    port = stand_in.add_insecure_port("localhost:0")
    stand_in.start()
    retry = Retry(attempts=3, first_pause=0.001)
    with Client(f"localhost:{port}", headers={"X-Tenant": "blue"}, channels=3, retry=retry) as client:
        assert [s.version for s in client.get_model_status("m")] == [3]
        assert [call["x-tenant"] for call in seen] == ["blue"] * 3
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED: not now"):
            client.get_model_status("m")
    assert len(seen) == 4
    stand_in.stop(None).wait()


@pytest.mark.parametrize("kind", ["REST", "async REST"])
def test_http_503_is_repeated_and_400_is_not(kind: str) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    codes, seen = [503, 502, 200, 400], []
    state = {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            code = codes[len(seen) - 1]
            body = json.dumps({"model_version_status": [state]} if code == 200 else {"error": f"code {code}"}).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("localhost", 0), Handler) as stand_in:
        stand_in.rest_port = stand_in.server_port  # type: ignore[attr-defined]  # where an Asker looks
        thread = threading.Thread(target=stand_in.serve_forever)
        thread.start()
        ask = Asker(kind, stand_in, retry=Retry(attempts=3, first_pause=0.001))
        assert [status.version for status in ask.get_model_status("m")] == [3]
        assert ask.refused("get_model_status", "m") == ("INVALID_ARGUMENT", "code 400")
        ask.end()
        stand_in.shutdown()
        thread.join()
    assert seen == ["/v1/models/m"] * 4


def test_no_rows_are_asked_as_any_others(ask: Asker) -> None:
    for nothing in ({"x": []}, []):
        if ask.kind == "REST in rows":  # the protocol has no such request
            code, text = ask.refused("predict", "half", nothing)
            assert code == "INVALID_ARGUMENT"
            assert text.endswith(" No values in 'instances' array")
        else:
            assert ask.predict("half", nothing)["y"].tolist() == []


def test_messages_too_large_are_refused(server: Any) -> None:
    with Client(server.address, max_message_bytes=1000) as client:
        client.get_model_metadata("half")
        with pytest.raises(ServingError) as caught:
            client.predict("half", {"x": np.zeros(5000, np.float32)})
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "predict_batches sends rows in pieces" in caught.value.message


def test_a_message_that_protobuf_cannot_write(server: Any) -> None:
    """As it happens beyond 2 GiB."""
    from mlops_tfx.serving.clients import channels

    class Request:
        def SerializeToString(self) -> bytes:
            raise ValueError("Message tensorflow.serving.PredictRequest exceeds maximum protobuf size of 2GB")

    with Client(server.address) as client:
        request = channels.GrpcRequest("Predict", Request())
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED: .*messages end at 2 GiB"):
            client._channels.send(request, 10.0)


def test_a_connection_that_the_server_has_closed_is_opened_again(server: Any) -> None:
    with RestClient(f"localhost:{server.rest_port}", retry=Retry(attempts=1)) as client:
        client.predict("half", {"x": [2]})
        (idle,) = client._http._idle
        # As if the server had closed it: the next write finds nobody.
        idle.sock.shutdown(socket.SHUT_RDWR)
        assert client.predict("half", {"x": [2]})["y"].tolist() == [3.0]
        assert client._http._idle != [idle]


def test_many_threads_share_a_client(server: Any) -> None:
    for client in (Client(server.address, channels=2), RestClient(f"localhost:{server.rest_port}", connections=2)):
        answers: dict[int, float] = {}

        def work(number: int, client: Any = client, answers: dict[int, float] = answers) -> None:
            for index in range(20):
                x = number * 100 + index
                answers[x] = float(client.predict("half", {"x": [x]})["y"][0])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        assert answers == {n * 100 + i: (n * 100 + i) / 2 + 2 for n in range(8) for i in range(20)}


@pytest.mark.parametrize("kind", KINDS)
def test_tls_and_client_certificates(half_plus_two: Path, tmp_path: Path, keys: Any, kind: str) -> None:  # noqa: F811
    from mlops_tfx.serving.server import ModelServer

    key, certificate = (json.dumps(keys[name].decode()) for name in ("key", "certificate"))
    text = f"server_key: {key} server_cert: {certificate} custom_ca: {certificate} client_verify: true"
    (tmp_path / "ssl.config").write_text(text)
    for name in ("key", "certificate"):
        (tmp_path / name).write_bytes(keys[name])
    files = {"ssl_config_file": str(tmp_path / "ssl.config"), "rest_api_ssl_config_file": str(tmp_path / "ssl.config")}
    tls = Tls.from_files(tmp_path / "certificate", tmp_path / "key", tmp_path / "certificate")
    settings = {"model_name": "m", "model_base_path": str(half_plus_two), "port": 0, "rest_api_port": -1}
    with ModelServer(**settings, **files) as server:
        server.wait_until_available()
        ask = Asker(kind, server, tls=tls)
        assert ask.predict("m", {"x": [2]})["y"].tolist() == [3.0]
        ask.end()
        stranger = Asker(kind, server, tls=Tls(keys["certificate"]), retry=Retry(attempts=1))
        assert stranger.refused("predict", "m", {"x": [2]}, timeout=20)[0] == "UNAVAILABLE"
        stranger.end()


STUBS = "from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc\nimport grpc\n"
OWN = "from mlops_tfx.serving.client import Client\n"
BOTH = """
import sys
with Client(sys.argv[1]) as client:
    own = client.predict("half", {"x": [2.0]})["y"].tolist()
request = predict_pb2.PredictRequest()
request.model_spec.name = "half"
request.inputs["x"].dtype = 1
request.inputs["x"].tensor_shape.dim.add().size = 1
request.inputs["x"].float_val.append(2.0)
with grpc.insecure_channel(sys.argv[1]) as channel:
    theirs = list(prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request).outputs["y"].float_val)
assert own == theirs == [3.0], (own, theirs)
"""


@pytest.mark.parametrize("code", [STUBS + OWN + BOTH, OWN + STUBS + BOTH], ids=["stubs first", "ours first"])
def test_the_stubs_in_the_same_process(server: Any, code: str, project_root: Path) -> None:
    command = [sys.executable, "-c", code, server.address]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project_root)
    assert done.returncode == 0, done.stderr
