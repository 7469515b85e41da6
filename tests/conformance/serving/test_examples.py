"""Classify, Regress and MultiInference over gRPC, asked by both kinds of client: answers, and the failure table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    config.write_text(configuration({"half": root / "half", "misfits": root / "misfits"}))
    with ModelServer(model_config_file=str(config), port=0) as server:
        for name in server.models():
            server.wait_until_available(model=name)
        yield server.address


def configuration(bases: dict[str, Path]) -> str:
    entries = (f"config {{ name: '{n}' base_path: '{b}' model_platform: 'tensorflow' }}" for n, b in bases.items())
    return f"model_config_list {{ {' '.join(entries)} }}"


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


REGRESS_TASK = ("half", "regress_x_to_y", models.REGRESS)
MULTI_FAILURES = [
    ((), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ((REGRESS_TASK, ("", "s", models.REGRESS)), "INVALID_ARGUMENT", "Found ModelSpec with an empty model name."),
    ((REGRESS_TASK, ("zz", "s", models.REGRESS)), "INVALID_ARGUMENT",
     "All ModelSpecs in a MultiInferenceRequest must access the same model name."),
    ((REGRESS_TASK, REGRESS_TASK), "INVALID_ARGUMENT", "Duplicate evaluation of signature: regress_x_to_y"),
    ((("half", "zz", models.REGRESS),), "INVALID_ARGUMENT", "Requested signature not found in model graph: zz"),
    ((("half", "regress_x_to_y", "zz"),), "UNIMPLEMENTED", "Unsupported signature method_name: zz"),
    ((("half", "serving_default", models.PREDICT),), "UNIMPLEMENTED",
     "Unsupported signature method_name: tensorflow/serving/predict"),
    ((("zz", "s", models.REGRESS),), "NOT_FOUND", "Servable not found for request: Latest(zz)"),
    ((("misfits", "flat", models.REGRESS), ("misfits", "other_input", models.REGRESS)), "INVALID_ARGUMENT",
     "Input tensor must be the same for all Signatures."),
]  # fmt: skip


@pytest.mark.parametrize(("tasks", "code", "text"), MULTI_FAILURES)
def test_multi_inference_failures(peer: Peer, tasks: Any, code: str, text: str) -> None:
    assert peer.refused("MultiInference", multi(peer, *tasks)) == (code, text)


@pytest.mark.parametrize("method", ["Classify", "Regress"])
def test_failures_of_both(peer: Peer, method: str) -> None:
    name = {"Classify": "ClassificationRequest", "Regress": "RegressionRequest"}[method]
    refused = lambda *arguments: peer.refused(method, peer.examples(name, *arguments))  # noqa: E731
    assert refused("", "") == ("INVALID_ARGUMENT", "Missing ModelSpec")
    missing = ("NOT_FOUND", "Servable not found for request: Latest(zz)")
    assert refused("zz", "", {"x": 1.0}) == missing
    assert refused("half", "zz", {"x": 1.0}) == ("INVALID_ARGUMENT", "No signature was found with the name: zz")
    signature = {"Classify": "classify_x_to_y", "Regress": "regress_x_to_y"}[method]
    assert refused("half", signature) == ("INVALID_ARGUMENT", "Input is empty.")
    code, text = refused("half", signature, {"x": b"no float"})
    assert code == "INVALID_ARGUMENT"
    assert "Key: x, Index: 0.  Data types don't match. Data type: string but expected type: float" in text


FAILURES = [
    ("Classify", "two_inputs", "Expected one input Tensor."),
    ("Classify", "three_outputs", "Expected one or two output Tensors, found 3"),
    ("Classify", "no_inputs", "No classification inputs found in SignatureDef: inputs {\n  key: \"x\"\n"),
    ("Classify", "no_scores", "Expected classification signature outputs to contain at least one of \"classes\" or "
     "\"scores\". Signature was: inputs {\n"),
    ("Classify", "flat_scores", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
    ("Classify", "double_scores", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
    ("Classify", "long_scores", "Expected scores output batch size of 1. Got: 2"),
    ("Classify", "uneven", "Tensors class and score should match in dim_size(1). Got 1 vs. 2"),
    ("Regress", "two_inputs", "Expected one input Tensor."),
    ("Regress", "two_outputs", "Expected one output Tensor."),
    ("Regress", "no_inputs", "No regression inputs found in SignatureDef: inputs {\n"),
    ("Regress", "no_outputs", "No regression outputs found in SignatureDef: inputs {\n"),
    ("Regress", "wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]"),
    ("Regress", "long", "Input batch size did not match output batch size: 1 vs. 2"),
    ("Regress", "double", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "signature", "text"), FAILURES)
def test_signatures_that_do_not_fit(peer: Peer, method: str, signature: str, text: str) -> None:
    name = {"Classify": "ClassificationRequest", "Regress": "RegressionRequest"}[method]
    code, received = peer.refused(method, peer.examples(name, "misfits", signature, {}))
    assert (code, received[: len(text)]) == ("INVALID_ARGUMENT", text)
    assert len(received) == len(text) or text.endswith("\n")
