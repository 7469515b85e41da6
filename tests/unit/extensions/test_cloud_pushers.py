"""Pushers to BigQuery ML and Vertex AI, against fakes of Google's clients."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, InfraBlessing, Model, ModelBlessing, PushedModel
from mlops_tfx.channel import Channel
from mlops_tfx.component import RunContext
from mlops_tfx.errors import ArtifactError, PushError, RunInterrupted
from mlops_tfx.extensions import google_cloud_big_query as big_query
from mlops_tfx.extensions.cloud_pusher import CloudPusher
from mlops_tfx.extensions.google_cloud_ai_platform import pusher as vertex

BIG_QUERY = {"bigquery_serving_args": {"project_id": "p", "bq_dataset_id": "d", "model_name": "m"}}
SERVING_ARGS = {"project_id": "p", "endpoint_name": "taxi", "machine_type": "n1-standard-4", "labels": {"team": "a"}}
VERTEX = {
    "ai_platform_enable_vertex": True,
    "ai_platform_vertex_region": "us-central1",
    "ai_platform_vertex_container_image_uri": "image",
    "ai_platform_serving_args": SERVING_ARGS,
}
BLESSED = {"blessed": 1}
PLACE = {"project": "p", "location": "us-central1"}


class ModelOnCloudStorage(Model):
    """A model with a local copy, as a component sees one of a pipeline whose root is on gs://."""

    TYPE_NAME = "Model"
    folder = ""

    def local_uri(self, part: str = ".") -> str:
        return self.folder

    @property
    def uri(self) -> str:
        return self.folder


def cloud_model(tmp_path: Path) -> Model:
    filesystem.write_bytes(tmp_path / "m" / "Format-Serving" / "saved_model.pb", b"graph")
    model = ModelOnCloudStorage("gs://b/root/Trainer/model/7")
    model.__dict__["folder"] = str(tmp_path / "m")
    return model


def run(component: CloudPusher, tmp_path: Path, **inputs: Artifact) -> tuple[PushedModel, list[str]]:
    pushed, lines = PushedModel(str(tmp_path / "pushed")), []
    context = RunContext("p", "r", "Pusher", str(tmp_path), log=lines.append)
    component.bind({key: [value] for key, value in inputs.items()}, {"pushed_model": pushed}, context).run()
    return pushed, lines


class FakeBigQuery:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.failure: BaseException | None = None

    def Client(self, project: str) -> FakeBigQuery:
        self.calls.append(("client", project))
        return self

    def query(self, statement: str) -> FakeBigQuery:
        self.calls.append(("query", statement))
        return self

    def result(self) -> None:
        if self.failure is not None:
            raise self.failure

    def cancel(self) -> None:
        self.calls.append("cancel")


class FakeVertex:
    """Model and Endpoint of google.cloud.aiplatform, with the parameters that are used of them."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.endpoints: list[Any] = []
        self.failure: BaseException | None = None
        self.failing_delete = False
        self.Model = SimpleNamespace(upload=self.upload)
        self.Endpoint = SimpleNamespace(list=self.list, create=self.create)

    def list(self, filter: str, project: str, location: str) -> list[Any]:
        self.calls.append(("list", filter, project, location))
        return self.endpoints

    def create(self, display_name: str, labels: dict[str, str], project: str, location: str) -> Any:
        self.calls.append(("create", display_name, labels, project, location))
        return SimpleNamespace(resource_name="endpoints/1", delete=lambda **k: self.calls.append(("no endpoint", k)))

    def upload(self, **arguments: Any) -> Any:
        self.calls.append(("upload", arguments))
        return SimpleNamespace(resource_name="projects/p/models/1", deploy=self.deploy, delete=self.delete)

    def deploy(self, **arguments: Any) -> None:
        self.calls.append(("deploy", arguments))
        if self.failure is not None:
            raise self.failure

    def delete(self, sync: bool) -> None:
        self.calls.append(("no model", sync))
        if self.failing_delete:
            raise OSError("denied")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeBigQuery:
    fake = FakeBigQuery()
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeVertex:
    fake = FakeVertex()
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", fake)  # type: ignore[arg-type]
    return fake


def test_big_query_makes_a_model_of_the_place_of_the_artifact(service: FakeBigQuery, tmp_path: Path) -> None:
    component = big_query.Pusher(Channel(Model), Channel(ModelBlessing), None, BIG_QUERY)
    assert component.problems == []
    blessing = ModelBlessing("x", custom_properties=BLESSED)
    pushed, lines = run(component, tmp_path, model=cloud_model(tmp_path), model_blessing=blessing)
    statement = (
        "CREATE OR REPLACE MODEL `p.d.m`\n"
        "OPTIONS (model_type='tensorflow', model_path='gs://b/root/Trainer/model/7/Format-Serving/*')"
    )
    assert service.calls == [("client", "p"), ("query", statement)]
    assert pushed.custom_properties == {"pushed": 1, "pushed_destination": "p.d.m"}
    assert (tmp_path / "pushed" / "saved_model.pb").read_bytes() == b"graph"
    assert "p.d.m" in lines[-1]
    assert component.still_valid({"pushed_model": [pushed]})


def test_big_query_takes_an_infra_blessing_with_a_model_and_another_project(
    service: FakeBigQuery, tmp_path: Path
) -> None:
    config = {"bigquery_serving_args": {**BIG_QUERY["bigquery_serving_args"], "compute_project_id": "payer"}}
    component = big_query.Pusher(infra_blessing=Channel(InfraBlessing), custom_config=config)
    with pytest.raises(ArtifactError, match="pipeline_root that begins with gs://"):
        run(component, tmp_path, infra_blessing=InfraBlessing(str(tmp_path), custom_properties=BLESSED))
    run(big_query.Pusher(model=Channel(Model), custom_config=config), tmp_path, model=cloud_model(tmp_path))
    assert service.calls[0] == ("client", "payer")


@pytest.mark.parametrize("verdict", [{"blessed": 0}, {}])
def test_without_a_blessing_nothing_is_asked_of_the_service(
    service: FakeBigQuery, cloud: FakeVertex, tmp_path: Path, verdict: dict[str, int]
) -> None:
    for component in (
        big_query.Pusher(Channel(Model), Channel(ModelBlessing), None, BIG_QUERY),
        vertex.Pusher(Channel(Model), Channel(ModelBlessing), None, VERTEX),
    ):
        blessing = ModelBlessing("verdict", custom_properties=verdict)
        pushed, _ = run(component, tmp_path, model=cloud_model(tmp_path), model_blessing=blessing)
        assert pushed.custom_properties["pushed"] == 0
        assert "model_blessing at verdict" in pushed.custom_properties["not_pushed_because"]
        assert component.still_valid({"pushed_model": [pushed]})
    assert service.calls == cloud.calls == []


def test_big_query_failure_has_the_reason_and_an_interrupted_job_is_canceled(
    service: FakeBigQuery, tmp_path: Path
) -> None:
    component = big_query.Pusher(model=Channel(Model), custom_config=BIG_QUERY)
    service.failure = ValueError("model is larger than 250 MB")
    with pytest.raises(PushError, match=r"'p\.d\.m': model is larger than 250 MB"):
        run(component, tmp_path, model=cloud_model(tmp_path))
    assert "cancel" not in service.calls
    service.failure = RunInterrupted()
    with pytest.raises(RunInterrupted):
        run(component, tmp_path, model=cloud_model(tmp_path))
    assert service.calls[-1] == "cancel"


def test_vertex_uploads_and_deploys_with_all_traffic(cloud: FakeVertex, tmp_path: Path) -> None:
    component = vertex.Pusher(model=Channel(Model), custom_config=VERTEX)
    assert component.problems == []
    pushed, _ = run(component, tmp_path, model=cloud_model(tmp_path))
    find, create, (_, upload), (_, deploy) = cloud.calls
    assert find == ("list", 'display_name="taxi"', "p", "us-central1")
    assert create == ("create", "taxi", {"team": "a"}, "p", "us-central1")
    assert upload.pop("display_name").startswith("v1")
    uri = "gs://b/root/Trainer/model/7/Format-Serving"
    assert upload == {"artifact_uri": uri, "serving_container_image_uri": "image", **PLACE}
    assert deploy.pop("endpoint").resource_name == "endpoints/1"
    assert deploy == {"machine_type": "n1-standard-4", "traffic_percentage": 100}
    assert pushed.custom_properties == {"pushed": 1, "pushed_destination": "projects/p/models/1"}


def test_vertex_uses_the_endpoint_that_is_there_and_the_traffic_asked_for(cloud: FakeVertex, tmp_path: Path) -> None:
    cloud.endpoints = ["endpoint"]
    config = {**VERTEX, "ai_platform_serving_args": {**SERVING_ARGS, "traffic_percentage": 0}}
    run(vertex.Pusher(model=Channel(Model), custom_config=config), tmp_path, model=cloud_model(tmp_path))
    assert [call[0] for call in cloud.calls] == ["list", "upload", "deploy"]
    assert cloud.calls[-1][1] == {"endpoint": "endpoint", "machine_type": "n1-standard-4", "traffic_percentage": 0}


@pytest.mark.parametrize(("failure", "raised"), [(ValueError("no quota"), PushError), (RunInterrupted(), None)])
def test_vertex_takes_back_what_it_made(
    cloud: FakeVertex, tmp_path: Path, failure: BaseException, raised: type[BaseException] | None
) -> None:
    cloud.failure = failure
    component = vertex.Pusher(model=Channel(Model), custom_config=VERTEX)
    with pytest.raises(raised or type(failure), match="no quota" if raised else None):
        run(component, tmp_path, model=cloud_model(tmp_path))
    assert cloud.calls[-2:] == [("no model", True), ("no endpoint", {"force": True, "sync": True})]


def test_vertex_names_what_it_cannot_take_back(cloud: FakeVertex, tmp_path: Path) -> None:
    cloud.failure, cloud.failing_delete = ValueError("no quota"), True
    lines: list[str] = []
    context = RunContext("p", "r", "Pusher", str(tmp_path), log=lines.append)
    component = vertex.Pusher(model=Channel(Model), custom_config=VERTEX)
    outputs = {"pushed_model": PushedModel(str(tmp_path / "pushed"))}
    with pytest.raises(PushError, match="no quota"):
        component.bind({"model": [cloud_model(tmp_path)]}, outputs, context).run()
    assert lines == ["projects/p/models/1 is left behind and must be deleted by hand: denied"]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in VERTEX.items() if name != key}


@pytest.mark.parametrize(
    ("component", "config", "problem"),
    [
        (big_query.Pusher, None, "expected 'bigquery_serving_args' with a dict"),
        (big_query.Pusher, {"bigquery_serving_arg": {}}, "did you mean 'bigquery_serving_args'"),
        (big_query.Pusher, {"bigquery_serving_args": {"project_id": "p"}}, "expected 'model_name' with a text"),
        (
            big_query.Pusher,
            {"bigquery_serving_args": {"project_id": "p", "bq_dataset_id": "d", "model_nam": "m"}},
            "did you mean 'model_name'",
        ),
        (
            big_query.Pusher,
            {"bigquery_serving_args": {"project_id": "p", "bq_dataset_id": "d", "model_name": "m`; drop"}},
            "without `",
        ),
        (vertex.Pusher, without("ai_platform_serving_args"), "expected 'ai_platform_serving_args' with a dict"),
        (vertex.Pusher, without("ai_platform_enable_vertex"), "came before Vertex AI, is not supported"),
        (vertex.Pusher, without("ai_platform_vertex_region"), "with a region such as"),
        (vertex.Pusher, without("ai_platform_vertex_container_image_uri"), "container_image_uri' with a text"),
        (vertex.Pusher, {**VERTEX, "ai_platform_vertex_regions": "x"}, "did you mean 'ai_platform_vertex_region'"),
        (vertex.Pusher, {**VERTEX, "ai_platform_serving_args": {"project": "p"}}, "expected 'endpoint_name'"),
        (
            vertex.Pusher,
            {**VERTEX, "ai_platform_serving_args": {**SERVING_ARGS, "machine_typ": 1}},
            "did you mean 'machine_type'",
        ),
        (
            vertex.Pusher,
            {**VERTEX, "ai_platform_serving_args": {**SERVING_ARGS, "project": "p"}},
            "exactly one of 'project' and 'project_id'",
        ),
    ],
)
def test_wrong_configuration_is_said_when_the_pipeline_is_defined(component: Any, config: Any, problem: str) -> None:
    assert any(problem in found for found in component(model=Channel(Model), custom_config=config).problems)


def test_other_destinations_and_no_model_are_refused() -> None:
    problems = big_query.Pusher(custom_config=BIG_QUERY, custom_executor_spec="x").problems
    assert any("received neither" in problem for problem in problems)
    assert any("custom_executor_spec: expected none" in problem for problem in problems)


def test_a_missing_client_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", None)
    with pytest.raises(ImportError, match="pip install google-cloud-aiplatform"):
        run(vertex.Pusher(model=Channel(Model), custom_config=VERTEX), tmp_path, model=cloud_model(tmp_path))
