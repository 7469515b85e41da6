"""Overviews, lineage, contents, differences and garbage collection, by the command line, on a real store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlops_tfx import Component, Input, LocalRunner, Output, Pipeline
from mlops_tfx.artifacts import ArtifactState, Examples, Model, ModelBlessing, ModelEvaluation, PushedModel, Schema
from mlops_tfx.cli import cli
from mlops_tfx.errors import MetadataError, MlopsTfxError
from mlops_tfx.execution import Observer
from mlops_tfx.history import garbage
from mlops_tfx.metadata import MetadataStore


class Gen(Component):
    """Writes as many bytes as it is told."""

    examples = Output(Examples)
    schema = Output(Schema)
    size: int = 10

    def run(self) -> None:
        Path(self.examples.uri, "data").write_bytes(b"x" * self.size)
        Path(self.schema.uri, "schema.pbtxt").write_text('feature { name: "hour" }\n')


class Train(Component):
    """Copies."""

    examples: Input[Examples]
    model = Output(Model)

    def run(self) -> None:
        Path(self.model.uri, "weights").write_bytes(Path(self.examples.uri, "data").read_bytes())


class Judge(Component):
    """Blesses models of at most 20 bytes."""

    model: Input[Model]
    evaluation = Output(ModelEvaluation)
    blessing = Output(ModelBlessing)

    def run(self) -> None:
        size = os.path.getsize(os.path.join(self.model.uri, "weights"))
        rows = [{"slice": "Overall", "metric": "size", "value": float(size)}]
        Path(self.evaluation.uri, "metrics.json").write_text(json.dumps({"rows": rows}))
        self.blessing.custom_properties.update(blessed=int(size <= 20), current_model_id=self.model.id)


class Push(Component):
    """Notes where it would have pushed."""

    model: Input[Model]
    pushed_model = Output(PushedModel)
    base: str

    def run(self) -> None:
        place = os.path.join(self.base, "1")
        os.makedirs(place, exist_ok=True)
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination=place, pushed_version="1")


def run(folder: Path, size: int, push: bool = False) -> str:
    gen = Gen(size=size)
    train = Train(gen.examples)
    nodes: list[Component] = [gen, train, Judge(train.model)]
    if push:
        nodes.append(Push(train.model, base=str(folder / "serving")))
    result = LocalRunner(observer=Observer()).run(Pipeline("history", folder / "root", components=nodes))
    return result.run_id


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    if isinstance(result.exception, MlopsTfxError):
        return result
    assert result.exit_code == 0, result.output
    return result


def asked(*arguments: str) -> Any:
    return json.loads(ask(*arguments, "--json").stdout)


def open_store(folder: Path) -> MetadataStore:
    return MetadataStore(Pipeline("history", folder / "root", components=[]).metadata_connection_config)


def test_pipelines(folder: Path) -> None:
    first, last = run(folder, 10, push=True), run(folder, 30)
    assert first < last
    expected = {"name": "history", "runs": 2, "last_run": last, "state": "complete", "pushed": 1}
    assert asked("pipelines") == [expected]
    assert ask("pipelines").stdout == f"history  runs: 2  last: {last} complete  pushed: 1\n"


def test_lineage_leads_from_the_pushed_version_to_the_data(folder: Path) -> None:
    run(folder, 10, push=True)
    found = asked("lineage", "serving/1")
    types = {artifact["id"]: artifact["type"] for artifact in found["artifacts"]}
    assert types[found["root"]] == "PushedModel"
    assert sorted(types.values()) == ["Examples", "Model", "PushedModel"]
    made_by = {tuple(execution["outputs"]): execution["node"] for execution in found["executions"]}
    assert made_by == {("pushed_model",): "Push", ("model",): "Train", ("examples", "schema"): "Gen"}
    text = ask("lineage", "serving/1").stdout.splitlines()
    assert text[0].startswith("PushedModel")
    assert text[1].startswith("└─ model: Model")
    assert text[2].startswith("   └─ examples: Examples")
    assert all("by " in line for line in text)


def test_lineage_names_the_execution_that_made_it_and_not_one_that_used_it_again(folder: Path) -> None:
    first = run(folder, 10)
    run(folder, 10)
    assert {execution["run_id"] for execution in asked("lineage", "Train")["executions"]} == {first}


def test_lineage_leads_to_all_that_was_made_from_it(folder: Path) -> None:
    run(folder, 10, push=True)
    found = asked("lineage", "Gen.examples", "--down")
    types = sorted(artifact["type"] for artifact in found["artifacts"])
    assert types == ["Examples", "Model", "ModelBlessing", "ModelEvaluation", "PushedModel"]
    assert "taken by Train" in ask("lineage", "Gen.examples", "--down").stdout


def test_show(folder: Path) -> None:
    run(folder, 10)
    found = asked("show", "Gen.schema")
    assert found["files"] == {"schema.pbtxt": 25}
    assert found["summary"] == {"schema.pbtxt": 'feature { name: "hour" }\n'}
    by_id = asked("show", str(found["artifact"]["id"]))
    by_place = asked("show", os.path.join(found["artifact"]["uri"], "schema.pbtxt"))
    assert found == by_id == by_place
    text = ask("show", "Gen.schema").stdout
    assert "Schema" in text
    assert 'feature { name: "hour" }' in text


def test_diff_tells_parameters_outputs_and_metrics(folder: Path) -> None:
    before, after = run(folder, 10), run(folder, 30)
    found = asked("diff")
    assert (found["before"], found["after"]) == (before, after)
    nodes = {node["node"]: node for node in found["nodes"]}
    assert [(c["name"], c["before"], c["after"]) for c in nodes["Gen"]["changes"]] == [("parameter size", "10", "30")]
    assert nodes["Gen"]["outputs"] == ["examples"], "the schema is the same"
    assert nodes["Judge"]["metrics"] == {"size (Overall)": [10.0, 30.0]}
    assert "metric size (Overall): 10 -> 30" in ask("diff", before, after).stdout
    run(folder, 30)
    assert "Gen: same" in ask("diff", after).stdout


def test_diff_of_nodes_that_only_one_run_has(folder: Path) -> None:
    run(folder, 10, push=True)
    run(folder, 10)
    push = next(node for node in asked("diff")["nodes"] if node["node"] == "Push")
    assert (push["before"], push["after"]) == ("COMPLETE", None)


def deleted(folder: Path) -> list[tuple[str, int]]:
    with open_store(folder) as store:
        artifacts = [a for record in store.executions("history") for g in record.outputs.values() for a in g]
    return sorted({(a.TYPE_NAME, a.id) for a in artifacts if a.state is ArtifactState.DELETED})


def test_gc_deletes_only_what_nothing_depends_on(folder: Path) -> None:
    run(folder, 10, push=True)  # pushed, and blessed
    run(folder, 15)  # blessed
    run(folder, 100)  # neither
    run(folder, 200)  # neither, but the latest
    plan = asked("gc", "--keep-runs", "1")
    types = {"Examples", "Schema", "Model", "ModelEvaluation", "ModelBlessing"}
    assert {each["type"] for each in plan["doomed"]} == types
    sizes = {each["uri"]: each["bytes"] for each in plan["doomed"]}
    assert plan["bytes"] == sum(sizes.values())
    of_third = [each for each in plan["doomed"] if each["bytes"] == 100]
    assert {each["type"] for each in of_third} == {"Examples", "Model"}
    assert not any(size in (10, 15, 200) for size in sizes.values()), "what is blessed, pushed or recent stays"
    assert deleted(folder) == [], "nothing is deleted without --delete"
    assert all(os.path.exists(uri) for uri in sizes)

    done = asked("gc", "--keep-runs", "1", "--delete")
    assert done["deleted"]
    assert not any(os.path.exists(uri) for uri in sizes)
    assert {artifact_id for _, artifact_id in deleted(folder)} == {each["id"] for each in plan["doomed"]}
    assert asked("gc", "--keep-runs", "1")["doomed"] == []
    gone = str(of_third[0]["id"])
    assert "deleted" in ask("lineage", gone).stdout, "lineage still answers"
    assert "nothing is at" in ask("show", gone).stdout


def test_what_was_deleted_is_made_again(folder: Path) -> None:
    run(folder, 100)
    run(folder, 200)
    asked("gc", "--keep-runs", "1", "--delete")
    run(folder, 100)
    with open_store(folder) as store:
        latest = store.executions("history", store.runs("history")[0], "Train")
    assert [record.state.name for record in latest] == ["COMPLETE"], "the cache does not offer what is gone"


def test_pins_and_days(folder: Path) -> None:
    run(folder, 100)
    run(folder, 200)
    model = asked("lineage", "Train")["root"]
    pinned = asked("gc", "--keep-runs", "0", "--pin", str(model))
    assert model not in {each["id"] for each in pinned["doomed"]}
    assert {each["type"] for each in pinned["doomed"] if each["bytes"] == 200} == set(), "nor what it was made from"
    assert pinned["kept"]["pinned"] == 1
    free = asked("gc", "--keep-runs", "0", "--unpin", str(model))
    assert model in {each["id"] for each in free["doomed"]}
    assert asked("gc", "--keep-runs", "0", "--keep-days", "1")["doomed"] == []


def test_a_collection_that_was_killed_is_ended_by_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, 100)
    run(folder, 200)
    removed: list[str] = []

    def die(uri: str) -> None:
        if removed:
            raise OSError("killed")
        removed.append(uri)

    with open_store(folder) as store, monkeypatch.context() as patch:
        plan = garbage.plan(store, "history", str(folder / "root"), keep_runs=1)
        patch.setattr(garbage.filesystem, "remove_tree", die)
        with pytest.raises(OSError, match="killed"):
            garbage.collect(store, plan)
    assert len(deleted(folder)) == 1
    rest = asked("gc", "--keep-runs", "1", "--delete")["doomed"]
    assert len(rest) == len(plan.doomed) - 1
    assert len(deleted(folder)) == len(plan.doomed)


def test_gc_refuses_while_a_run_is_under_way(folder: Path) -> None:
    refused: list[str] = []

    class Asks(Component):
        """Asks for a collection while it runs."""

        model = Output(Model)

        def run(self) -> None:
            with open_store(folder) as store, pytest.raises(MetadataError, match="a run is under way") as caught:
                garbage.plan(store, "history", str(folder / "root"))
            refused.append(str(caught.value))

    LocalRunner(observer=Observer()).run(Pipeline("history", folder / "root", components=[Asks()]))
    assert "Asks of run" in refused[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lineage", "Tran"), "no node has put out 'Tran'; did you mean 'Train'"),
        (("lineage", "Train.modle"), "did you mean 'model'"),
        (("show", "Gen"), "Gen has several outputs; choose one of Gen.examples, Gen.schema"),
        (("show", "999"), "the pipeline has no artifact 999; its artifacts have the ids"),
        (("show", "serving/9"), "nothing in this pipeline's store lies at 'serving/9'"),
        (("diff", "2001"), "has 1 runs; there is nothing to compare with"),
        (("diff", "2001", "2002"), "has no run '2001'"),
        (("gc", "--pin", "nothing"), "no node has put out 'nothing'"),
    ],
)
def test_wrong_names(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    run(folder, 10)
    assert message in str(ask(*arguments).exception)


@pytest.mark.parametrize("arguments", [("gc", "--keep-runs", "-1"), ("diff", "a", "b", "c"), ("completion", "tcsh")])
def test_wrong_options(folder: Path, arguments: tuple[str, ...]) -> None:
    run(folder, 10)
    assert CliRunner().invoke(cli, arguments).exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = ask("completion", shell).stdout
    assert "_MLOPS_TFX_COMPLETE" in script


def test_completion_offers_commands_and_options() -> None:
    environment = {"COMP_WORDS": "mlops-tfx li", "COMP_CWORD": "1", "_MLOPS_TFX_COMPLETE": "bash_complete"}
    result = CliRunner().invoke(cli, env=environment, prog_name="mlops-tfx")
    assert result.output == "plain,lineage\n"
