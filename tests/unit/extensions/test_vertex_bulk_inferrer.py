"""BulkInferrer on Vertex AI: a fake endpoint answers as TensorFlow Serving would by REST."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.channel import Channel
from mlops_tfx.config import ModelSpec
from mlops_tfx.errors import DataError, PushError, RunInterrupted
from mlops_tfx.execution.testing import run_component
from mlops_tfx.extensions.google_cloud_ai_platform import bulk_inferrer
from mlops_tfx.extensions.google_cloud_ai_platform.bulk_inferrer import BulkInferrer
from tests.unit.components.bulk_inferrer.cases import logs_of, predicted, save_model, table_of, write_examples, xs

CONFIG = {
    "ai_platform_enable_vertex": True,
    "ai_platform_vertex_region": "us-central1",
    "ai_platform_vertex_container_image_uri": "image",
    "ai_platform_serving_args": {"project_id": "p", "model_name": "taxi", "machine_type": "n1"},
}
COLUMNS = """{"outputColumnsSpec": [{"predictOutput": {"outputColumns": [
    {"outputKey": "y", "outputColumn": "y"}, {"outputKey": "text", "outputColumn": "text"}]}}]}"""


class FakeVertex:
    """Model and Endpoint of google.cloud.aiplatform."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rows: list[int] = []
        self.failing: dict[str, BaseException] = {}
        self.Model = SimpleNamespace(upload=self.upload)
        self.Endpoint = SimpleNamespace(create=self.create)

    def done(self, call: str) -> None:
        self.calls.append(call)
        if call in self.failing:
            raise self.failing[call]

    def upload(self, **arguments: Any) -> Any:
        assert arguments["artifact_uri"].endswith("/Format-Serving")
        self.done("upload")
        delete = lambda sync: self.done("delete model")  # noqa: E731
        return SimpleNamespace(resource_name="models/1", deploy=self.deploy, delete=delete)

    def create(self, display_name: str, **arguments: Any) -> Any:
        assert display_name.startswith("taxi-")
        self.done("create")
        delete = lambda force, sync: self.done("delete endpoint")  # noqa: E731
        return SimpleNamespace(resource_name="endpoints/1", predict=self.predict, delete=delete)

    def deploy(self, **arguments: Any) -> None:
        assert (arguments["traffic_percentage"], arguments["machine_type"]) == (100, "n1")
        self.done("deploy")

    def predict(self, instances: list[Any]) -> Any:
        self.done("predict")
        self.rows.append(len(instances))
        return SimpleNamespace(predictions=[self.answer(instance) for instance in instances])

    def answer(self, instance: Any) -> dict[str, Any]:
        record = base64.b64decode(instance["b64"])
        x = tf.train.Example.FromString(record).features.feature["x"].float_list.value[0]
        y = float(predicted(x))
        return {
            "y": y, "column": [y], "pair": [x, y], "length": len(record), "text": f"{y:f}", "large": x * 1e-3,
            "positive": x > 0, "words": ["a", {"b64": base64.b64encode(b"b").decode()}], "table": [[1, 1], [1, 1]],
        }  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeVertex:
    fake = FakeVertex()
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(bulk_inferrer, "on_cloud_storage", lambda uri, what: uri)
    return fake


def infer(tmp_path: Path, model: Model, **parameters: Any) -> Any:
    examples = write_examples(tmp_path / "e", {"all": xs(25)})
    component = BulkInferrer(custom_config=CONFIG, **parameters)
    (outputs,) = run_component(component, {"model": model, "examples": examples}, tmp_path).values()
    return outputs[0]


def test_logs_of_a_deployed_model(cloud: FakeVertex, tmp_path: Path, model: Model) -> None:
    logs = logs_of(infer(tmp_path, model, batch_rows=10))
    outputs = [log.predict_log.response.outputs for log in logs]
    assert [float(tf.make_ndarray(out["y"])[0]) for out in outputs] == predicted(xs(25)).tolist()
    assert all(tf.make_ndarray(out["words"]).tolist() == [[b"a", b"b"]] for out in outputs)
    assert sum(cloud.rows) == 25
    assert max(cloud.rows) <= 10
    assert [call for call in cloud.calls if call != "predict"] == [
        "upload", "create", "deploy", "delete endpoint", "delete model",
    ]  # fmt: skip


def test_columns_of_a_deployed_model(cloud: FakeVertex, tmp_path: Path, model: Model) -> None:
    found = table_of(infer(tmp_path, model, output_example_spec=COLUMNS), "all")
    assert found["y"] == [[value] for value in predicted(xs(25)).tolist()]
    assert found["text"] == [[b"%f" % value] for value in predicted(xs(25))]


@pytest.mark.parametrize(
    ("call", "failure", "raised"),
    [
        ("deploy", ValueError("no quota"), PushError),
        ("predict", ValueError("too large"), DataError),
        ("predict", RunInterrupted(), RunInterrupted),
    ],
)
def test_what_was_deployed_is_taken_away(
    cloud: FakeVertex, tmp_path: Path, model: Model, call: str, failure: BaseException, raised: type[BaseException]
) -> None:
    cloud.failing[call] = failure
    with pytest.raises(raised, match=str(failure) or None):
        infer(tmp_path, model)
    assert cloud.calls[-2:] == ["delete endpoint", "delete model"]


def test_wrong_configuration_is_said_when_the_pipeline_is_defined() -> None:
    wrong = {**CONFIG, "ai_platform_serving_args": {"project_id": "p"}}
    channels = {"examples": Channel(Examples), "model": Channel(Model)}
    problems = BulkInferrer(**channels, custom_config=wrong, model_spec=ModelSpec()).problems
    assert any("expected 'endpoint_name' or 'model_name'" in problem for problem in problems), problems
    assert any("runs serving_default" in problem for problem in problems)
