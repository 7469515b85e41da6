"""Every row of TF Serving's failure table, asked over a real socket with both kinds of message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.conformance.serving import failure_table, models
from tests.conformance.serving.failure_table import CASES, Case, floats
from tests.conformance.serving.messages import Peer, fill_spec

PEERS = ["own", "tensorflow-serving-api"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, kinds: Path) -> Path:
    root = tmp_path_factory.mktemp("table")
    models.save_half_plus_two(root / "half" / "123")
    models.save_misfits(root / "misfits" / "1")
    (root / "kinds").symlink_to(kinds)
    bases = {name: root / name for name in ("half", "misfits", "kinds")}
    (root / "models.config").write_text(models.configuration(bases))
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    with ModelServer(model_config_file=str(root / "models.config"), port=0) as server:
        assert server._board.wait_until(lambda: server._manager._labels_ready, 120)
        yield server


@pytest.fixture(scope="module", params=PEERS)
def peer(request: pytest.FixtureRequest, server: Any) -> Iterator[Peer]:
    peer = Peer(request.param, server.address)
    with peer.channel:
        yield peer


def test_no_row_is_left_out() -> None:
    covered = {case.row for case in CASES} | set(failure_table.TESTS)
    # One of them needs a model that the common server must not have.
    covered.add("label to unloaded version")
    assert covered == set(failure_table.ROWS)
    assert all(name in globals() for name in failure_table.TESTS.values())


def test_every_difference_is_shown_by_a_test(project_root: Path) -> None:
    for reason, place in failure_table.DIFFERENT.values():
        file, name = place.split("::")
        assert reason
        assert f"def {name}(" in (project_root / file).read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused(peer: Peer, case: Case) -> None:
    code, text = peer.refused(case.method, case.build(peer), case.timeout)
    assert code == case.code
    assert text.startswith(case.text) if case.begins else text == case.text


def test_label_to_unloaded_version(peer: Peer, root: Path) -> None:
    config = {"name": "half", "base_path": str(root / "half"), "model_platform": "tensorflow", "labels": {"next": 7}}
    others = [
        {"name": name, "base_path": str(root / name), "model_platform": "tensorflow"} for name in ("misfits", "kinds")
    ]
    case = failure_table._reload("", "", "", config, *others)
    assert peer.refused(case.method, case.build(peer)) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 7 of model half, which is not currently available for inference",
    )


def test_half_plus_two(peer: Peer) -> None:
    response = peer.call("Predict", peer.predict("half", x=floats(2, 3, 4)))
    assert list(response.outputs["y"].float_val) == [3.0, 3.5, 4.0]
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("half", "serving_default", 123)
    regressions = peer.call("Regress", peer.examples("RegressionRequest", "half", "regress_x_to_y", {"x": 2.0}))
    assert [entry.value for entry in regressions.result.regressions] == [3.0]
    classes = peer.call("Classify", peer.examples("ClassificationRequest", "half", "classify_x_to_y", {"x": 2.0}))
    assert [(found.label, found.score) for found in classes.result.classifications[0].classes] == [("", 3.0)]


def test_status_ignores_the_label(peer: Peer) -> None:
    request = peer.type("GetModelStatusRequest")()
    fill_spec(request.model_spec, "half", label="zz")
    (state,) = peer.call("GetModelStatus", request).model_version_status
    assert (state.version, state.state, state.HasField("status"), state.status.error_code) == (123, 30, True, 0)


def test_methods_that_no_server_has(server: Any) -> None:
    with grpc.insecure_channel(server.address) as channel:
        for method in ("/tensorflow.serving.SessionService/SessionRun", "/tensorflow.serving.PredictionService/Zz"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", timeout=60)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_message(server: Any) -> None:
    with grpc.insecure_channel(server.address) as channel:
        for method in ("PredictionService/Predict", "PredictionService/Classify", "ModelService/GetModelStatus"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/tensorflow.serving.{method}")(b"\xff\xff\xff", timeout=60)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details().startswith("The request cannot be parsed as tensorflow.serving.")


def test_labels_are_not_ready(root: Path) -> None:
    from mlops_tfx.serving.server import ModelServer

    gate = threading.Event()
    server = ModelServer(model_config_file=str(root / "models.config"), port=0)
    # The first load takes until the gate opens; labels are assigned when all models have been looked at.
    server._manager._prepare = [lambda *_: gate.wait(60)]
    with server:
        try:
            for kind in PEERS:
                peer = Peer(kind, server.address)
                with peer.channel:
                    expected = ("UNAVAILABLE", "Model labels does not init yet.stable")
                    assert peer.refused("Predict", peer.predict("half", label="stable", x=floats(1))) == expected
        finally:
            gate.set()


@pytest.mark.parametrize("kind", PEERS)
def test_a_model_that_fails_to_load(root: Path, tmp_path: Path, kind: str) -> None:
    from mlops_tfx.serving.server import ModelServer

    (tmp_path / "empty" / "4").mkdir(parents=True)
    with ModelServer(model_name="half", model_base_path=str(root / "half"), port=0) as server:
        server.wait_until_available()
        peer = Peer(kind, server.address)
        with peer.channel:
            entries = [
                {"name": name, "base_path": str(base), "model_platform": "tensorflow"}
                for name, base in (("half", root / "half"), ("b", tmp_path / "empty"))
            ]
            case = failure_table._reload("", "", "", *entries)
            code, text = peer.refused(case.method, case.build(peer))
    assert code == "UNKNOWN"
    beginning = "1 model(s) did not become available: {{{name: b version: 4} due to error: NOT_FOUND: Could not find "
    assert text.startswith(beginning)
    assert text.endswith(", }")


@pytest.fixture(scope="module")
def batching(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    file = tmp_path_factory.mktemp("batching") / "batching.config"
    # A batch of less than two rows waits half a second for another request; only one may wait.
    file.write_text(
        "max_batch_size { value: 2 } batch_timeout_micros { value: 500000 } max_enqueued_batches { value: 1 }"
    )
    settings = {"enable_batching": True, "batching_parameters_file": str(file)}
    with ModelServer(model_name="kinds", model_base_path=str(root / "kinds"), port=0, **settings) as server:
        server.wait_until_available()
        yield server


@pytest.fixture(params=PEERS)
def batched(request: pytest.FixtureRequest, batching: Any) -> Iterator[Peer]:
    peer = Peer(request.param, batching.address)
    with peer.channel:
        yield peer


def outcome(peer: Peer, request: Any) -> tuple[str, str]:
    try:
        peer.call("Predict", request)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def test_unequal_dimensions_in_a_batch(batched: Peer) -> None:
    expected = ("INVALID_ARGUMENT", "Batching Run() input tensors must have equal 0th-dimension size")
    assert batched.refused("Predict", batched.predict("kinds", "add", a=floats(1, 2), b=floats(1))) == expected


def test_different_shapes_in_a_batch(batched: Peer) -> None:
    requests = [batched.predict("kinds", "same_float32", v=np.zeros([1, size], np.float32)) for size in (3, 4)]
    with ThreadPoolExecutor(2) as pool:
        outcomes = set(pool.map(lambda request: outcome(batched, request), requests))
    text = (
        "Tensors with name 'v' from different tasks have different shapes and padding is turned off. Set "
        "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal dimensions "
        "starting with the first dim."
    )
    assert outcomes == {("FAILED_PRECONDITION", text)}


def test_a_full_queue(batched: Peer) -> None:
    # Whoever comes first waits for a second row; who has two rows does not fit into that batch. Either may be first.
    small, large = (batched.predict("kinds", "same_float32", v=floats(*values)) for values in ([1.0], [1.0, 2.0]))
    seen: set[tuple[str, str]] = set()
    full = ("UNAVAILABLE", "The batch scheduling queue to which this task was submitted is full")
    with ThreadPoolExecutor(1) as pool:
        while full not in seen:
            waiting = pool.submit(outcome, batched, small)
            while not waiting.done() and full not in seen:
                seen.add(outcome(batched, large))
            seen.add(waiting.result())
    assert seen <= {("OK", ""), full}
