"""What is pushed, blessed and served; and going back, on a real pipeline, store and server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlops_tfx import Component, Output, Pipeline, filesystem
from mlops_tfx.artifacts import Model, ModelBlessing, PushedModel
from mlops_tfx.cli import cli
from mlops_tfx.components import Pusher
from mlops_tfx.config import PushDestination
from mlops_tfx.deployment.listing import list_models
from mlops_tfx.deployment.rollback import roll_back
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
        assert (newest.version, newest.run_id) == (third, record.run_id)
    assert f"{serving}/{third}  newest" in _cli("models", *arguments[:2])


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


def _cli(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
