"""Trainer and Tuner on Vertex AI: a fake of its job client runs the container's entry point in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_tfx.artifacts import Examples, HyperParameters, Model, ModelRun, TunerResults
from mlops_tfx.channel import Channel
from mlops_tfx.component import RunContext
from mlops_tfx.errors import ArtifactError, CloudJobError, RunInterrupted
from mlops_tfx.extensions.google_cloud_ai_platform import jobs, on_vertex, remote
from mlops_tfx.extensions.google_cloud_ai_platform.trainer import Trainer
from mlops_tfx.extensions.google_cloud_ai_platform.tuner import Tuner

POOL = {"machine_spec": {"machine_type": "n1"}, "replica_count": 1, "container_spec": {"image_uri": "image"}}
JOB = {"project": "p", "job_spec": {"worker_pool_specs": [POOL]}, "labels": {"a": "b"}}
PLACE = {"ai_platform_enable_vertex": True, "ai_platform_vertex_region": "us-central1"}
CONFIG: dict[str, Any] = {**PLACE, "ai_platform_training_args": JOB, "rate": 3}
RUN_FN = """
import pathlib
from package import neighbour

def run_fn(fn_args):
    folder = pathlib.Path(fn_args.serving_model_dir)
    folder.mkdir(parents=True)
    text = f"{neighbour.NAME} {fn_args.custom_config['rate']} {fn_args.train_steps} {fn_args.train_files}"
    (folder / "model.txt").write_text(text)
"""


class FakeJobs:
    """google.cloud.aiplatform.gapic.JobServiceClient; a job ends in the states given, or does its work first."""

    def __init__(self, work: Callable[[str], None] | None, *states: str | BaseException) -> None:
        self.work, self.states = work, list(states)
        self.calls: list[Any] = []
        self.gapic = SimpleNamespace(JobServiceClient=self.client)

    def client(self, client_options: dict[str, str]) -> FakeJobs:
        self.calls.append(client_options)
        return self

    def create_custom_job(self, parent: str, custom_job: dict[str, Any]) -> Any:
        self.calls.append((parent, custom_job))
        command = custom_job["job_spec"]["worker_pool_specs"][0]["container_spec"]["command"]
        if self.work is not None:
            try:
                self.work(command[-1])
            except Exception:
                self.states = ["JOB_STATE_FAILED"]
        return SimpleNamespace(name="customJobs/1")

    def get_custom_job(self, name: str) -> Any:
        assert name == "customJobs/1"
        state = self.states.pop(0)
        if isinstance(state, BaseException):
            raise state
        message = "exit code 1" if state == "JOB_STATE_FAILED" else ""
        return SimpleNamespace(state=SimpleNamespace(name=state), error=SimpleNamespace(message=message))

    def cancel_custom_job(self, name: str) -> None:
        self.calls.append(("cancel", name))


@pytest.fixture(autouse=True)
def local_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder in the place of a bucket, and no waiting."""
    monkeypatch.setattr(on_vertex, "on_cloud_storage", lambda uri, what: uri)
    monkeypatch.setattr(jobs.run_job, "__defaults__", (0.0,))
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("package", "training_code"):
            del sys.modules[name]


def serve(monkeypatch: pytest.MonkeyPatch, fake: FakeJobs) -> FakeJobs:
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform", fake)  # type: ignore[arg-type]
    return fake


def code(tmp_path: Path, text: str = RUN_FN) -> str:
    package = tmp_path / "mine" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "neighbour.py").write_text("NAME = 'neighbour'\n")
    (tmp_path / "mine" / "training_code.py").write_text(text)
    return str(tmp_path / "mine" / "training_code.py")


def train(tmp_path: Path, module_file: str, log: Callable[[str], None] = lambda text: None) -> Model:
    for split in ("train", "eval"):
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        (folder / "data.gz").touch()
    examples = Examples(str(tmp_path / "examples"))
    examples.splits = ["train", "eval"]
    trainer = Trainer(
        examples=Channel(Examples), module_file=module_file, custom_config=CONFIG, train_args='{"num_steps": 5}'
    )
    assert trainer.problems == []
    model = Model(str(tmp_path / "model"))
    context = RunContext("pipe", "r", "Trainer", str(tmp_path), log=log, pipeline_root=str(tmp_path / "root"))
    outputs = {"model": model, "model_run": ModelRun(str(tmp_path / "model_run"))}
    trainer.bind({"examples": [examples]}, outputs, context).run()
    return model


def test_training_in_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exceptions = pytest.importorskip("google.api_core.exceptions", reason="comes with google-cloud-aiplatform")
    states = (
        "JOB_STATE_PENDING",
        ConnectionError("reset"),
        exceptions.ServiceUnavailable("busy"),
        "JOB_STATE_RUNNING",
        "JOB_STATE_SUCCEEDED",
    )
    fake = serve(monkeypatch, FakeJobs(remote.do, *states))
    lines: list[str] = []
    model = train(tmp_path, code(tmp_path), lines.append)
    text = (tmp_path / "model" / "Format-Serving" / "model.txt").read_text()
    assert text.startswith("neighbour 3 5 ")
    assert str(tmp_path / "examples" / "Split-train") in text
    assert json.loads(str(model.custom_properties["trained_on"]))
    options, (parent, job) = fake.calls
    assert options == {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    assert parent == "projects/p/locations/us-central1"
    command = job["job_spec"]["worker_pool_specs"][0]["container_spec"].pop("command")
    assert command[:-1] == ["python", "-m", remote.__name__]
    assert job == {
        "display_name": "pipe-Trainer", "labels": {"a": "b"},
        "job_spec": {"worker_pool_specs": [{**POOL, "container_spec": {"image_uri": "image", "args": []}}]},
    }  # fmt: skip
    assert "command" not in POOL["container_spec"]  # what the user gave is left as it is
    assert not Path(command[-1]).exists()
    assert [line for line in lines if "JOB_STATE" in line][-1] == "customJobs/1: JOB_STATE_SUCCEEDED"


def test_a_failed_job_brings_the_traceback_of_the_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve(monkeypatch, FakeJobs(remote.do))
    module = code(tmp_path, "def run_fn(fn_args):\n    raise ValueError('too few rows')\n")
    with pytest.raises(CloudJobError, match=r"(?s)JOB_STATE_FAILED: exit code 1\n.*too few rows"):
        train(tmp_path, module)
    assert not list((tmp_path / "root").rglob("*.pkl"))


@pytest.mark.parametrize("state", ["JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED", "JOB_STATE_PARTIALLY_SUCCEEDED"])
def test_a_job_that_ended_otherwise_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str) -> None:
    serve(monkeypatch, FakeJobs(None, state))
    with pytest.raises(CloudJobError, match=f"customJobs/1 ended with {state}"):
        train(tmp_path, code(tmp_path))


@pytest.mark.parametrize("failures", [[RunInterrupted()], [KeyboardInterrupt()], [ConnectionError("down")] * 6])
def test_a_job_that_is_not_waited_for_is_canceled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failures: list[BaseException]
) -> None:
    fake = serve(monkeypatch, FakeJobs(None, "JOB_STATE_RUNNING", *failures))
    with pytest.raises(type(failures[0])):
        train(tmp_path, code(tmp_path))
    assert fake.calls[-1] == ("cancel", "customJobs/1")
    assert not list((tmp_path / "root").rglob("*.pkl"))


def test_a_job_that_cannot_be_canceled_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = serve(monkeypatch, FakeJobs(None, RunInterrupted()))
    monkeypatch.setattr(fake, "cancel_custom_job", lambda: None)  # takes no name: a TypeError
    lines: list[str] = []
    with pytest.raises(RunInterrupted):
        train(tmp_path, code(tmp_path), lines.append)
    assert "customJobs/1 is left running and must be canceled by hand" in lines[-1]


def test_only_the_first_worker_leaves_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def work(folder: str) -> None:
        monkeypatch.setenv("CLUSTER_SPEC", '{"task": {"type": "workerpool1", "index": 0}}')
        remote.do(folder)
        assert not (Path(folder) / "result.json").exists()
        monkeypatch.setenv("CLUSTER_SPEC", '{"task": {"type": "workerpool0", "index": 0}}')
        remote.do(folder)

    serve(monkeypatch, FakeJobs(work, "JOB_STATE_SUCCEEDED"))
    assert train(tmp_path, code(tmp_path)).custom_properties


def test_a_root_that_the_service_cannot_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="pipeline_root that begins with gs://"):
        train(tmp_path, code(tmp_path))


def test_tuning_in_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mlops_tfx.components.Tuner.run", search_of_nothing)
    serve(monkeypatch, FakeJobs(remote.do, "JOB_STATE_SUCCEEDED"))
    config = {**PLACE, "ai_platform_tuning_args": JOB}
    tuner = Tuner(examples=Channel(Examples), tuner_fn="json.dumps", custom_config=config)
    assert tuner.problems == []
    context = RunContext("pipe", "r", "Tuner", str(tmp_path), pipeline_root=str(tmp_path / "root"))
    best, results = HyperParameters(str(tmp_path / "best")), TunerResults(str(tmp_path / "results"))
    outputs = {"best_hyperparameters": best, "tuner_results": results}
    tuner.bind({"examples": [Examples(str(tmp_path))]}, outputs, context).run()
    assert (tmp_path / "best" / "best_hyperparameters.txt").read_text() == "json.dumps"


def search_of_nothing(tuner: Any) -> None:
    Path(tuner.best_hyperparameters.uri).mkdir(parents=True, exist_ok=True)
    (Path(tuner.best_hyperparameters.uri) / "best_hyperparameters.txt").write_text(tuner.tuner_fn)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ai_platform_training_args": None}, "expected 'ai_platform_training_args' with a dict"),
        ({"ai_platform_training_arg": 1}, "did you mean 'ai_platform_training_args'"),
        ({"ai_platform_enable_vertex": False}, "is not supported"),
        ({"ai_platform_vertex_region": ""}, "with a region such as"),
        ({"ai_platform_training_args": {"job_spec": JOB["job_spec"]}}, "expected 'project' with a text"),
        ({"ai_platform_training_args": {"project": "p"}}, "worker_pool_specs, received none"),
        ({"ai_platform_training_args": {**JOB, "job_specs": 1}}, "did you mean 'job_spec'"),
        (
            {"ai_platform_training_args": {"project": "p", "worker_pool_specs": [{"replica_count": 1}]}},
            "worker_pool_specs[0] with container_spec.image_uri",
        ),
    ],
)
def test_wrong_configuration_is_said_when_the_pipeline_is_defined(change: dict[str, Any], problem: str) -> None:
    trainer = Trainer(examples=Channel(Examples), run_fn="m.f", custom_config={**CONFIG, **change})
    assert any(problem in found for found in trainer.problems), trainer.problems


def test_tuning_on_several_machines_is_refused() -> None:
    job = {"project": "p", "worker_pool_specs": [POOL, POOL]}
    tuner = Tuner(examples=Channel(Examples), tuner_fn="m.f", custom_config={**PLACE, "ai_platform_tuning_args": job})
    assert any("one worker pool of one machine, received 2" in problem for problem in tuner.problems)
