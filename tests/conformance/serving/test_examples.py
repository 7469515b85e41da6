"""Classify, Regress and MultiInference over gRPC, asked by both kinds of client: answers, and the failure table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.conformance.serving import models
from tests.conformance.serving.messages import Peer


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from mlops_tfx.serving.server import ModelServer

    root = tmp_path_factory.mktemp("examples")
    models.save_half_plus_two(root / "half" / "123")
    models.save_misfits(root / "misfits" / "1")
    config = root / "models.config"
    config.write_text(models.configuration({"half": root / "half", "misfits": root / "misfits"}))
    with ModelServer(model_config_file=str(config), port=0) as server:
        for name in server.models():
            server.wait_until_available(model=name)
        yield server.address


@pytest.fixture(scope="module", params=["own", "tensorflow-serving-api"])
def peer(request: pytest.FixtureRequest, address: str) -> Iterator[Peer]:
    peer = Peer(request.param, address)
    with peer.channel:
        yield peer


def test_regress(peer: Peer) -> None:
    request = peer.examples("RegressionRequest", "half", "regress_x_to_y", {"x": 2.0}, {"x": 3.0})
    response, trailers = peer.with_trailers("Regress", request)
    assert [entry.value for entry in response.result.regressions] == [3.0, 3.5]
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("half", "regress_x_to_y", 123)
    assert trailers["model-version"] == "123"


def test_classify(peer: Peer) -> None:
    request = peer.examples("ClassificationRequest", "half", "classify_x_to_y", {"x": 2.0})
    response = peer.call("Classify", request)
    (entry,) = response.result.classifications
    assert [(found.label, found.score) for found in entry.classes] == [("", 3.0)]
    assert response.model_spec.version.value == 123


def test_labels_and_scores(peer: Peer) -> None:
    def classes(signature: str) -> list[list[tuple[str, float]]]:
        request = peer.examples("ClassificationRequest", "misfits", signature, {}, {})
        result = peer.call("Classify", request).result
        return [[(found.label, found.score) for found in row.classes] for row in result.classifications]

    assert classes("named") == [[("cat", 0.25), ("dog", 0.75)]] * 2
    assert classes("names_only") == [[("cat", 0.0), ("dog", 0.0)]] * 2
    assert classes("bytes") == [[("\N{REPLACEMENT CHARACTER}", 0.0)]] * 2


def test_flat_regression(peer: Peer) -> None:
    response = peer.call("Regress", peer.examples("RegressionRequest", "misfits", "flat", {}, {}, {}))
    assert [entry.value for entry in response.result.regressions] == [1.0, 1.0, 1.0]


def test_shared_context(peer: Peer) -> None:
    # What an example says of a feature itself wins over the context.
    request = peer.examples("RegressionRequest", "half", "regress_x_to_y", {}, {"x": 10.0}, x=4.0)
    result = peer.call("Regress", request).result
    assert [entry.value for entry in result.regressions] == [4.0, 7.0]


def multi(peer: Peer, *tasks: tuple[str, str, str], rows: tuple[dict[str, Any], ...] = ({"x": 2.0},)) -> Any:
    message = peer.type("MultiInferenceRequest")()
    for model, signature, method in tasks:
        task = message.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    peer.fill_input(message.input, rows, {})
    return message


def test_multi_inference(peer: Peer) -> None:
    tasks = [("half", "regress_x_to_y", models.REGRESS), ("half", "classify_x_to_y", models.CLASSIFY),
             ("half", "regress_x_to_y2", models.REGRESS)]  # fmt: skip
    first, second, third = peer.call("MultiInference", multi(peer, *tasks)).results
    assert [entry.value for entry in first.regression_result.regressions] == [3.0]
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    assert [entry.value for entry in third.regression_result.regressions] == [4.0]
    assert [r.model_spec.signature_name for r in (first, second, third)] == [task[1] for task in tasks]
    assert first.model_spec.version.value == 123


def test_one_input_for_all(peer: Peer) -> None:
    tasks = [("misfits", name, models.REGRESS) for name in ("flat", "other_input")]
    expected = ("INVALID_ARGUMENT", "Input tensor must be the same for all Signatures.")
    assert peer.refused("MultiInference", multi(peer, *tasks)) == expected


@pytest.mark.parametrize("method", ["Classify", "Regress"])
def test_examples_that_cannot_be_read(peer: Peer, method: str) -> None:
    name = {"Classify": "ClassificationRequest", "Regress": "RegressionRequest"}[method]
    signature = {"Classify": "classify_x_to_y", "Regress": "regress_x_to_y"}[method]
    request = peer.examples(name, "half", signature, {"x": b"no float"})
    code, text = peer.refused(method, request)
    assert code == "INVALID_ARGUMENT"
    assert "Key: x, Index: 0.  Data types don't match. Data type: string but expected type: float" in text


def test_texts_of_the_runtime_that_are_not_utf8(peer: Peer) -> None:
    good = peer.examples("RegressionRequest", "half", "regress_x_to_y", {"x": 2.0}, {"x": 3.0}).SerializeToString()
    call = peer.channel.unary_unary("/tensorflow.serving.PredictionService/Regress")
    # Two bytes more than the lengths say: a message still, but the parser in the graph cannot read it, and shows it.
    broken = b"p\xe9x".join(good.rsplit(b"x", 1))
    with pytest.raises(grpc.RpcError) as caught:
        call(broken, timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "\N{REPLACEMENT CHARACTER}" in caught.value.details()


def test_methods_of_signatures_are_checked_when_asked_for(address: str, tmp_path: Path) -> None:
    from mlops_tfx.serving.server import ModelServer

    models.save_misfits(tmp_path / "misfits" / "1")
    settings: dict[str, Any] = {"model_name": "misfits", "model_base_path": str(tmp_path / "misfits"), "port": 0}
    with ModelServer(enable_signature_method_name_check=True, **settings) as server:
        server.wait_until_available()
        strict, lax = Peer("tensorflow-serving-api", server.address), Peer("own", address)
        with strict.channel, lax.channel:
            regress = {name: strict.examples("RegressionRequest", "misfits", name, {}) for name in ("flat", "named")}
            classify = strict.examples("ClassificationRequest", "misfits", "flat", {})
            predict = {name: strict.predict("misfits", name, inputs=["x"]) for name in ("flat", "other_method")}
            assert len(strict.call("Regress", regress["flat"]).result.regressions) == 1
            assert list(strict.call("Predict", predict["flat"]).outputs) == ["outputs"]
            assert strict.refused("Regress", regress["named"]) == (
                "INVALID_ARGUMENT",
                f"Expected regression signature method_name to be {models.REGRESS}. Was: {models.CLASSIFY}",
            )
            assert strict.refused("Classify", classify) == (
                "INVALID_ARGUMENT",
                f"Expected classification signature method_name to be {models.CLASSIFY}. Was: {models.REGRESS}",
            )
            assert strict.refused("Predict", predict["other_method"]) == (
                "INTERNAL",
                "Expected prediction signature method_name to be one of "
                f"{{{models.PREDICT}, {models.CLASSIFY}, {models.REGRESS}}}. Was: zz",
            )
            unchecked = lax.call("Predict", lax.predict("misfits", "other_method", inputs=["x"]))
            assert list(unchecked.outputs) == ["outputs"]
