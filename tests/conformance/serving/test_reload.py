"""Several models: configurations, labels, policies, and changing them while the server runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

TIMEOUT = 30.0
Write = Callable[..., Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, save_half_plus: Any) -> Path:
    """Versions 1, 2 and 3 of y = x / 2 + version."""
    base = tmp_path_factory.mktemp("store")
    for version in (1, 2, 3):
        save_half_plus(base / str(version), float(version))
    return base


class Stubs:
    """tensorflow-serving-api's stubs for one server."""

    def __init__(self, channel: Any) -> None:
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(channel)

    def ask(self, name: str, version: int | None = None, label: str = "") -> float:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        if version is not None:
            request.model_spec.version.value = version
        if label:
            request.model_spec.version_label = label
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros(1, np.float32)))
        return float(self.prediction.Predict(request, timeout=60).outputs["y"].float_val[0])

    def reload(self, text: str) -> Any:
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(text, request.config)
        return self.model.HandleReloadConfigRequest(request, timeout=60)

    def refused(self, function: Any, *arguments: Any, **named: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            function(*arguments, **named)
        return caught.value.code().name, caught.value.details()

    def states(self, name: str) -> dict[int, str]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        statuses = self.model.GetModelStatus(request, timeout=60).model_version_status
        return {s.version: get_model_status_pb2.ModelVersionStatus.State.Name(s.state) for s in statuses}


def entry(name: str, base: Path | str, more: str = "", platform: str = "model_platform: 'tensorflow'") -> str:
    return f"config {{ name: '{name}' base_path: '{base}' {platform} {more} }}"


def listed(*entries: str) -> str:
    return f"model_config_list {{ {' '.join(entries)} }}"


ALL = "model_version_policy { all {} }"
LABELS = "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 3 }"


@pytest.fixture
def running(tmp_path: Path, store: Path) -> Iterator[tuple[Any, Stubs, Path]]:
    from mlops_tfx.serving.server import ModelServer

    file = tmp_path / "models.config"
    file.write_text(listed(entry("a", store, ALL + LABELS)))
    settings = {"file_system_poll_wait_seconds": 0.02, "model_config_file_poll_wait_seconds": 0.02}
    with ModelServer(model_config_file=str(file), port=0, **settings) as server:
        server.wait_until_available(TIMEOUT, version=3)
        server._board.wait_until(lambda: server._manager._labels_ready, TIMEOUT)
        with grpc.insecure_channel(server.address) as channel:
            yield server, Stubs(channel), file


def wait(server: Any, name: str, expected: dict[int, str]) -> dict[int, str]:
    states = server._board.wait_for(name, lambda s: {v.version: v.state.name for v in s} == expected, TIMEOUT)
    return {state.version: state.state.name for state in states}


def test_labels_and_policies(running: tuple[Any, Stubs, Path], store: Path) -> None:
    server, stubs, _ = running
    assert stubs.states("a") == dict.fromkeys((1, 2, 3), "AVAILABLE")
    assert [stubs.ask("a"), stubs.ask("a", 2)] == [3.0, 2.0]
    assert [stubs.ask("a", label="stable"), stubs.ask("a", label="canary")] == [1.0, 3.0]
    unknown = ("INVALID_ARGUMENT", "Unrecognized servable version label: zz")
    assert stubs.refused(stubs.ask, "a", label="zz") == unknown
    # A label moves, a second model comes, versions go.
    moved = "version_labels { key: 'stable' value: 2 }"
    policy = "model_version_policy { specific { versions: 2 versions: 3 } }"
    response = stubs.reload(listed(entry("a", store, policy + moved), entry("b", store)))
    assert response.HasField("status")
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert stubs.ask("b") == 3.0
    assert stubs.ask("a", label="stable") == 2.0
    assert stubs.refused(stubs.ask, "a", label="canary")[1] == "Unrecognized servable version label: canary"
    expected = {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}
    assert wait(server, "a", expected) == expected
    # Two of the newest; the other model goes.
    stubs.reload(listed(entry("a", store, "model_version_policy { latest { num_versions: 2 } }")))
    assert stubs.refused(stubs.ask, "b") == ("NOT_FOUND", "Servable not found for request: Latest(b)")
    assert stubs.states("b") == {3: "END"}
    assert wait(server, "a", expected) == expected


REFUSED = [
    ("", "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList "
     "is currently supported"),
    ("custom_model_config {}", "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest. "
     "Only ModelConfigList is currently supported"),
    (listed(entry("a", "/m"), entry("a", "/m")), "INVALID_ARGUMENT",
     "Illegal to list model a multiple times in config list"),
    (listed(entry("a", "m")), "INVALID_ARGUMENT",
     "Expected model a to have an absolute path or URI; got base_path()=m"),
    (listed(entry("a", "/m", platform="")), "INVALID_ARGUMENT",
     "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, model "
     "name is a"),
    (listed(entry("a", "/m", platform="model_platform: 'zz'")), "INVALID_ARGUMENT",
     "Illegal to change a model's platform. For model a platform was tensorflow and new platform requested is zz"),
    (listed(entry("new", "/m", platform="model_platform: 'zz'")), "INVALID_ARGUMENT",
     "Model new requests unsupported platform zz"),
]  # fmt: skip


def test_metrics_of_a_reload(running: tuple[Any, Stubs, Path], store: Path) -> None:
    _, stubs, _ = running
    loads = "/tensorflow/cc/saved_model/load_attempt_count"
    request = model_management_pb2.ReloadConfigRequest(metric_names=[loads, "/zz", loads])
    text_format.Parse(listed(entry("a", store, ALL + LABELS), entry("b", store)), request.config)
    found = stubs.model.HandleReloadConfigRequest(request, timeout=60).metric
    assert {metric.name: metric.int64_value_increase for metric in found} == {loads: 1, "/zz": 0}
    assert len(found) == 2


def test_refused_configurations_change_nothing(running: tuple[Any, Stubs, Path]) -> None:
    _, stubs, _ = running
    for text, code, message in REFUSED:
        assert stubs.refused(stubs.reload, text) == (code, message)
        assert stubs.ask("a", label="stable") == 1.0


def test_models_and_labels_that_do_not_come(running: tuple[Any, Stubs, Path], store: Path, tmp_path: Path) -> None:
    _, stubs, _ = running
    (tmp_path / "empty" / "4").mkdir(parents=True)
    code, text = stubs.refused(stubs.reload, listed(entry("a", store, ALL), entry("b", tmp_path / "empty")))
    assert code == "UNKNOWN"
    head = (
        "1 model(s) did not become available: {{{name: b version: 4} due to error: NOT_FOUND: Could not find SavedModel"
    )
    assert text.startswith(head)
    assert text.endswith(", }")
    text = "Request to assign label to version 7 of model a, which is not currently available for inference"
    labelled = listed(entry("a", store, ALL + "version_labels { key: 'next' value: 7 }"))
    assert stubs.refused(stubs.reload, labelled) == ("FAILED_PRECONDITION", text)
    assert stubs.ask("a") == 3.0


def test_the_config_file_is_read_again(running: tuple[Any, Stubs, Path], store: Path) -> None:
    server, stubs, file = running
    file.write_text("this is no configuration")
    new = file.with_suffix(".new")
    new.write_text(listed(entry("c", store, "model_version_policy { specific { versions: 2 } }")))
    new.rename(file)
    assert wait(server, "c", {2: "AVAILABLE"}) == {2: "AVAILABLE"}
    assert wait(server, "a", dict.fromkeys((3, 2, 1), "END")) == dict.fromkeys((3, 2, 1), "END")
    assert stubs.ask("c") == 2.0


def test_a_changed_base_path_replaces_the_same_version(
    running: tuple[Any, Stubs, Path], store: Path, tmp_path: Path
) -> None:
    server, stubs, _ = running
    shutil.copytree(store / "1", tmp_path / "moved" / "3")
    loads = len(server._manager._models["a"]._loaded)
    stubs.reload(listed(entry("a", tmp_path / "moved")))
    server._board.wait_until(lambda: len(server._manager.loaded("a")) < loads, TIMEOUT)
    assert stubs.ask("a", 3) == 1.0


def test_labels_before_the_models_are_there(tmp_path: Path, store: Path) -> None:
    from mlops_tfx.serving.server import ModelServer

    file = tmp_path / "models.config"
    file.write_text(listed(entry("a", tmp_path / "late", LABELS)))
    settings = {"file_system_poll_wait_seconds": 0.02, "allow_version_labels_for_unavailable_models": True}
    server = ModelServer(model_config_file=str(file), port=0, **settings)
    # Nothing was looked at yet: the server listens and its manager has not started.
    stubs = server._manager
    from mlops_tfx.serving.server.calls import Target
    from mlops_tfx.serving.server.statuses import StatusError

    with pytest.raises(StatusError, match="UNAVAILABLE: Model labels does not init yet.stable"):
        stubs.acquire(Target("a", None, "stable"))
    with server:
        assert server._board.wait_until(lambda: server._manager._labels_ready, TIMEOUT)
        shutil.copytree(store / "1", tmp_path / "late" / "1")
        server.wait_until_available(TIMEOUT)
        with grpc.insecure_channel(server.address) as channel:
            assert Stubs(channel).ask("a", label="stable") == 1.0
            code, text = Stubs(channel).refused(Stubs(channel).ask, "a", label="canary")
    assert (code, text) == ("NOT_FOUND", "Servable not found for request: Specific(a, 3)")


@pytest.mark.parametrize("text", ["nonsense {", "custom_model_config {}"])
def test_a_wrong_config_file_ends_the_start(tmp_path: Path, text: str) -> None:
    from mlops_tfx.serving.server import ModelServer
    from mlops_tfx.serving.server.statuses import StatusError

    (tmp_path / "models.config").write_text(text)
    server = ModelServer(model_config_file=str(tmp_path / "models.config"), port=0)
    with pytest.raises(StatusError, match="INVALID_ARGUMENT: (Invalid protobuf file|ServerModelConfig type)"):
        server.start()
    server.stop()
    with pytest.raises(StatusError, match="Cannot read model config file"):
        ModelServer(model_config_file=str(tmp_path / "zz"), port=0).start()
