"""What is pushed, blessed and served; and going back, on a real pipeline, store and server."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlops_tfx import Component, Input, Output, Pipeline, filesystem
from mlops_tfx.artifacts import Model, ModelBlessing, PushedModel
from mlops_tfx.cli import cli
from mlops_tfx.components import Pusher
from mlops_tfx.config import PushDestination
from mlops_tfx.deployment.labels import read_config, roll_back_label
from mlops_tfx.deployment.listing import list_models
from mlops_tfx.deployment.rollback import allow_again, roll_back
from mlops_tfx.errors import PushError, ServingError
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.serving.client import Client
from mlops_tfx.serving.server import ModelServer, ServerOptions
from tests.conformance.serving.models import save_half_plus_two


class Train(Component):
    """Writes a model and a blessing; ``number`` makes it another one."""

    number: int
    model = Output(Model)
    blessing = Output(ModelBlessing)

    def run(self) -> None:
        save_half_plus_two(Path(self.model.uri) / "Format-Serving")
        filesystem.write_bytes(f"{self.model.uri}/Format-Serving/assets.extra/number", str(self.number).encode())
        filesystem.write_bytes(f"{self.blessing.uri}/BLESSED", b"")
        self.blessing.custom_properties["blessed"] = 1


def push_models(folder: Path, count: int, serving: str = "half") -> Pipeline:
    """Runs the pipeline ``count`` times."""
    for number in range(count):
        train = Train(number=number)
        destination = PushDestination(filesystem=PushDestination.Filesystem(base_directory=str(folder / serving)))
        pusher = Pusher(train.outputs["model"], train.outputs["blessing"], push_destination=destination)
        pipeline = Pipeline("models", folder / "root", components=[train, pusher])
        LocalRunner(observer=Observer()).run(pipeline)
    return pipeline


def versions_in(folder: Path) -> list[int]:
    return sorted(int(name) for name in os.listdir(folder) if name.isdecimal())


def number_of(folder: Path, version: int) -> bytes:
    return filesystem.read_bytes(folder / str(version) / "assets.extra/number")


def test_models_are_listed_served_and_rolled_back(tmp_path: Path) -> None:
    pipeline, serving = push_models(tmp_path, 2), tmp_path / "half"
    first, second = versions_in(serving)
    options = ServerOptions(port=0, host="localhost", model_name="half", model_base_path=str(serving),
                            file_system_poll_wait_seconds=0.1)  # fmt: skip
    server = ModelServer(options)
    server.start()
    try:
        address = f"localhost:{server.port}"
        with Client(address) as client:
            client.wait_until_available("half", version=second, timeout=30)
        arguments = ["--root", str(tmp_path / "root"), "--json"]
        shown = json.loads(_cli("models", *arguments, "--server", address))
        assert [entry["version"] for entry in shown] == [second, first]
        assert [entry["newest"] for entry in shown] == [True, False]
        assert [entry["served"] for entry in shown] == ["AVAILABLE", None]
        assert all(entry["blessings"] == {"model_blessing": True} for entry in shown)
        assert all(entry["model_uri"].startswith(str(tmp_path / "root/Train/model")) for entry in shown)
        with (
            MetadataStore(pipeline.metadata_connection_config) as store,
            pytest.raises(ServingError, match="versions of model other; --model-name says what the server calls"),
        ):
            list_models(store, "models", address, "other")
        done = json.loads(_cli("rollback", *arguments))
        third = done["new_version"]
        assert (done["from_version"], done["to_version"]) == (second, first)
        assert versions_in(serving) == [first, second, third]
        assert number_of(serving, third) == b"0"
        with Client(address) as client:
            assert client.wait_until_available("half", version=third, timeout=30) == third
    finally:
        server.stop()
    with MetadataStore(pipeline.metadata_connection_config) as store:
        (record,) = store.executions("models", node_id="rollback")
        assert record.state == ExecutionState.COMPLETE
        assert record.properties == {"from_version": second, "to_version": first, "new_version": third}
        (before,), (after,) = record.inputs["pushed_model"], record.outputs["pushed_model"]
        assert isinstance(after, PushedModel)
        assert before.custom_properties["pushed_version"] == str(first)
        assert after.uri == str(serving / str(third))
        newest = list_models(store, "models")[0]
        assert (newest.version, newest.run_id, newest.copy_of) == (third, record.run_id, first)
        assert newest.blessings == {"model_blessing": True}, "those of what it is a copy of"
    assert f"{serving}/{third}  newest  copy of {first}  model_blessing=yes" in _cli("models", *arguments[:2])


def test_versions_that_are_gone_or_foreign_are_listed_too(tmp_path: Path) -> None:
    pipeline, serving = push_models(tmp_path, 2), tmp_path / "half"
    first, second = versions_in(serving)
    filesystem.remove_tree(serving / str(second))
    (serving / "3").mkdir()
    with MetadataStore(pipeline.metadata_connection_config) as store:
        found = {entry.version: entry for entry in list_models(store, "models")}
        assert list(found) == [second, first, 3]
        assert [found[v].present for v in found] == [False, True, True]
        assert found[first].newest
        assert found[3].artifact_id is None
        assert "gone" in str(found[second])
        assert "not in this store" in str(found[3])
        with pytest.raises(ServingError, match="no server answers"):
            list_models(store, "models", "localhost:1")


def test_versions_without_files_are_not_gone_back_to(tmp_path: Path) -> None:
    pipeline, serving = push_models(tmp_path, 3), tmp_path / "half"
    first, second, third = versions_in(serving)
    filesystem.remove_tree(serving / str(second))
    with MetadataStore(pipeline.metadata_connection_config) as store:
        with pytest.raises(
            PushError, match=rf"version {second} is no longer in .*half': its folder was removed; .*\[{first}\]"
        ):
            roll_back(store, "models", to_version=second)
        # An interrupted copy of somebody's leaves a folder that a server cannot load.
        (serving / str(second)).mkdir()
        with pytest.raises(PushError, match=r"expected a model in .*, found an empty folder; choose another"):
            roll_back(store, "models", to_version=second)
        done = roll_back(store, "models")
    assert (done.from_version, done.to_version) == (third, first)
    assert number_of(serving, done.new_version) == b"0"


class PushElsewhere(Component):
    """Pushes as a cloud service's pusher does: a resource's name, and no numbers."""

    model: Input[Model]
    pushed_model = Output(PushedModel)

    def run(self) -> None:
        filesystem.write_bytes(f"{self.pushed_model.uri}/saved_model.pb", b"")
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination="projects/p/models/half")


def test_what_was_pushed_elsewhere_is_listed_and_cannot_be_rolled_back_here(tmp_path: Path) -> None:
    arguments = ["--root", str(tmp_path / "root")]
    train = Train(number=0)
    LocalRunner(observer=Observer()).run(Pipeline("models", tmp_path / "root", components=[train]))
    assert _cli("models", *arguments) == "pipeline 'models' has pushed no model yet\n"
    assert json.loads(_cli("models", *arguments, "--json")) == []
    pipeline = Pipeline("models", tmp_path / "root", components=[train, PushElsewhere(train.outputs["model"])])
    LocalRunner(observer=Observer()).run(pipeline)
    (shown,) = json.loads(_cli("models", *arguments, "--json"))
    assert (shown["destination"], shown["version"], shown["newest"]) == ("projects/p/models/half", None, False)
    assert shown["model_uri"].startswith(str(tmp_path / "root/Train/model"))
    assert _cli("models", *arguments).startswith("projects/p/models/half  run ")
    with MetadataStore(pipeline.metadata_connection_config) as store:
        with pytest.raises(PushError, match="no model yet to a folder of versions, only to 'projects/p/models/half'"):
            roll_back(store, "models")
    push_models(tmp_path, 2)
    with MetadataStore(pipeline.metadata_connection_config) as store:
        assert roll_back(store, "models").destination == str(tmp_path / "half")


@pytest.mark.parametrize(
    ("count", "arguments", "problem"),
    [
        (1, {}, "nothing to go back to: expected two versions"),
        (2, {"to_version": 5}, "received to_version=5"),
        (2, {"destination": "/elsewhere"}, "received destination='/elsewhere'"),
    ],
)
def test_what_cannot_be_rolled_back_says_why(
    tmp_path: Path, count: int, arguments: dict[str, Any], problem: str
) -> None:
    pipeline = push_models(tmp_path, count)
    before = versions_in(tmp_path / "half")
    with MetadataStore(pipeline.metadata_connection_config) as store:
        with pytest.raises(PushError, match=problem):
            roll_back(store, "models", **arguments)
        assert store.executions("models", node_id="rollback") == []
    assert versions_in(tmp_path / "half") == before


def test_going_back_to_the_same_model_or_among_several_folders_is_refused(tmp_path: Path) -> None:
    pipeline, serving = push_models(tmp_path, 2), tmp_path / "half"
    with MetadataStore(pipeline.metadata_connection_config) as store:
        roll_back(store, "models")
        first = versions_in(serving)[0]
        with pytest.raises(PushError, match="is the same model"):
            roll_back(store, "models", to_version=first)
    push_models(tmp_path, 1, "other")
    with MetadataStore(pipeline.metadata_connection_config) as store:
        with pytest.raises(PushError, match="pushes to several folders"):
            roll_back(store, "models")
        with pytest.raises(PushError, match="has pushed no model yet"):
            roll_back(store, "nothing")


def test_a_model_that_was_gone_back_from_is_not_pushed_again_until_that_is_allowed(tmp_path: Path) -> None:
    """The pipeline runs again with the model in its cache, in place of which an earlier one is published."""
    serving, arguments = tmp_path / "half", ["--root", str(tmp_path / "root")]
    push_models(tmp_path, 2)
    first, second = versions_in(serving)
    told = _cli("rollback", *arguments)
    assert f"in place of {second}, whose model is not pushed again unless --allow-again {second} allows it" in told
    third = versions_in(serving)[-1]
    for _ in range(2):  # run, and cached
        reports = run_last(tmp_path, number=1)
        assert versions_in(serving) == [first, second, third]
    assert reports["Pusher"] == "cached"
    (refused,) = [line for line in _cli("models", *arguments).splitlines() if "not to be pushed again" in line]
    assert refused.startswith(f"{serving}/{second}  ")
    assert f"version {second} was rolled back to {first} on 20" in refused
    with MetadataStore(store_of(tmp_path)) as store:
        pushed = store.executions("models", node_id="Pusher")[-1].outputs["pushed_model"][0]
    assert pushed.custom_properties["pushed"] == 0
    assert f"version {second} was rolled back" in str(pushed.custom_properties["not_pushed_because"])
    assert "--allow-again" in str(pushed.custom_properties["not_pushed_because"])

    assert run_last(tmp_path, number=7)["Pusher"] == "complete"  # another model
    fourth = versions_in(serving)[-1]
    assert number_of(serving, fourth) == b"7"

    told = _cli("rollback", *arguments, "--allow-again", str(second))
    assert f"the model of version {second} may be pushed again" in told
    assert "not to be pushed again" not in _cli("models", *arguments)
    assert run_last(tmp_path, number=1)["Pusher"] == "complete"
    assert number_of(serving, versions_in(serving)[-1]) == b"1"
    with MetadataStore(store_of(tmp_path)) as store:
        assert store.executions("models", node_id="rollback")[-1].properties == {"allowed_again": second}


def run_last(folder: Path, number: int) -> dict[str, str]:
    """Runs the pipeline once more with a model of this number; returns how its nodes ended."""
    train = Train(number=number)
    destination = PushDestination(filesystem=PushDestination.Filesystem(base_directory=str(folder / "half")))
    pusher = Pusher(train.outputs["model"], train.outputs["blessing"], push_destination=destination)
    result = LocalRunner(observer=Observer()).run(Pipeline("models", folder / "root", components=[train, pusher]))
    return {report.node_id: str(report.state.value) for report in result.reports}


def store_of(folder: Path) -> Any:
    return Pipeline("models", folder / "root", components=[Train(number=0)]).metadata_connection_config


def test_going_back_and_forth(tmp_path: Path) -> None:
    """What is gone back to is wanted again; by default a rollback does not return to what another one left."""
    pipeline, serving = push_models(tmp_path, 3), tmp_path / "half"
    first, second, third = versions_in(serving)
    with MetadataStore(pipeline.metadata_connection_config) as store:
        assert roll_back(store, "models").to_version == second
        assert held_back(store) == {third}
        again = roll_back(store, "models")
        assert again.to_version == first  # not the third, nor the second, which the newest is a copy of
        assert held_back(store) == {second, third, again.from_version}
        back = roll_back(store, "models", to_version=third)
        assert held_back(store) == {first, second, again.from_version, again.new_version}
        assert number_of(serving, back.new_version) == b"2"
        with pytest.raises(PushError, match="are held back or the one of"):
            hold_all(store)
            roll_back(store, "models")


def held_back(store: MetadataStore) -> set[int]:
    return {entry.version for entry in list_models(store, "models") if entry.held_back}


def hold_all(store: MetadataStore) -> None:
    store.annotate(store.artifacts_of_type(Model), {"do_not_push": "by hand"})


def test_what_cannot_be_allowed_says_why(tmp_path: Path) -> None:
    pipeline = push_models(tmp_path, 2)
    with MetadataStore(pipeline.metadata_connection_config) as store:
        done = roll_back(store, "models")
        with pytest.raises(PushError, match=rf"one of \[{done.from_version}\], received version=5"):
            allow_again(store, "models", 5)


CONFIG = """# Who serves what.
model_config_list {
  config {
    name: "half"  # the only one
    base_path: "%s"
    model_platform: "tensorflow"
    model_version_policy { all {} }
    version_labels { key: "canary" value: %d }
    version_labels { key: "stable" value: %d }
  }
}
"""


def test_a_label_is_rolled_back_in_the_model_config_file(tmp_path: Path) -> None:
    pipeline, serving = push_models(tmp_path, 2), tmp_path / "half"
    first, second = versions_in(serving)
    file = tmp_path / "models.config"
    file.write_text(CONFIG % (serving, second, second))
    options = ServerOptions(port=0, host="localhost", model_config_file=str(file),
                            model_config_file_poll_wait_seconds=0.1)  # fmt: skip
    arguments = ["--root", str(tmp_path / "root"), "--label", "stable", "--model-config-file", str(file)]
    with ModelServer(options) as server, Client(f"localhost:{server.port}") as client:
        for version in (first, second):
            client.wait_until_available("half", version=version, timeout=30)
        wait_for_label(client, second)
        told = _cli("rollback", *arguments)
        assert f"label 'stable' of 'half' moved from version {second} to {first}" in told
        wait_for_label(client, first)
    # Nothing else is changed.
    assert file.read_text() == CONFIG % (serving, second, first)
    assert versions_in(serving) == [first, second]
    with MetadataStore(pipeline.metadata_connection_config) as store:
        (record,) = store.executions("models", node_id="rollback")
        assert record.properties == {
            "label": "stable", "model": "half", "model_config_file": str(file), "from_version": second,
            "to_version": first,
        }  # fmt: skip
        assert record.inputs["pushed_model"][0].custom_properties["pushed_version"] == str(first)
        forward = roll_back_label(store, "models", "stable", str(file), to_version=second)
        assert (forward.from_version, forward.to_version) == (first, second)
    assert file.read_text() == CONFIG % (serving, second, second)


def wait_for_label(client: Client, version: int) -> None:
    """Waits until the label is that of the version, by what answers (the labels follow the models a moment later)."""
    import numpy as np

    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(ServingError):
            answer = client.predict("half", {"x": np.ones([1, 1], np.float32)}, label="stable")
            if answer.version == version:
                return
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("change", "arguments", "problem"),
    [
        ({}, {"label": "stabel"}, r"one of the labels \['canary', 'stable'\], received label='stabel'.*stable"),
        ({}, {"model": "other"}, r"one of the models \['half'\], received model='other'"),
        ({}, {"to_version": 5}, "received to_version=5"),
        ({"stable": 1}, {}, "nothing to go back to: label 'stable' is at version 1"),
        ({"all {}": "specific { versions: 2 }"}, {}, r"serves the versions \[2\] and not 1, so no label"),
        ({"all {}": "latest { num_versions: 1 }"}, {}, r"serves the versions \[2\] and not 1, so no label"),
        ({"config {": "config [", "stable": 2}, {}, "expected a ModelServerConfig as text"),
    ],
)
def test_what_label_cannot_be_rolled_back_says_why(
    tmp_path: Path, change: dict[str, Any], arguments: dict[str, Any], problem: str
) -> None:
    serving = tmp_path / "half"
    for version in (1, 2):
        (serving / str(version)).mkdir(parents=True)
    text = CONFIG % (serving, 2, change.pop("stable", 2))
    for old, new in change.items():
        text = text.replace(old, new)
    (tmp_path / "models.config").write_text(text)
    connection = Pipeline("models", tmp_path / "root", components=[Train(number=0)]).metadata_connection_config
    with MetadataStore(connection) as store:
        with pytest.raises(PushError, match=problem):
            label = arguments.pop("label", "stable")
            roll_back_label(store, "models", label, str(tmp_path / "models.config"), **arguments)
        assert store.executions("models") == []
    assert (tmp_path / "models.config").read_text() == text


def test_a_label_written_in_another_way_and_one_that_two_models_have(tmp_path: Path) -> None:
    serving = tmp_path / "half"
    for version in (1, 2):
        (serving / str(version)).mkdir(parents=True)
    entry = """config: < name: "%s", base_path: "%s", model_version_policy: < all: <> >,
        version_labels: < value: 2, key: 'stable' > >"""
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list: <\n{entry % ('a', serving)}\n{entry % ('b', serving)}\n>")
    connection = Pipeline("models", tmp_path / "root", components=[Train(number=0)]).metadata_connection_config
    with MetadataStore(connection) as store:
        with pytest.raises(PushError, match=r"choose one of \['a', 'b'\] \(--model\)"):
            roll_back_label(store, "models", "stable", str(file))
        roll_back_label(store, "models", "stable", str(file), model="b")
    labels = {entry.name: dict(entry.version_labels) for entry in read_config(str(file)).model_config_list.config}
    assert labels == {"a": {"stable": 2}, "b": {"stable": 1}}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--label", "stable"], "--label and --model-config-file go together"),
        (["--model", "m"], "--model goes with --label"),
        (["--allow-again", "3", "--to", "2"], "--allow-again goes with neither --to nor --label"),
        (["--label", "s", "--model-config-file", "f", "--destination", "d"], "--destination does not go with --label"),
        (["--allow-again", "newest"], "'newest' is not a valid integer"),
    ],
)
def test_wrong_commands(arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(cli, ["rollback", *arguments])
    assert (done.exit_code, problem in done.output) == (2, True)


def _cli(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
