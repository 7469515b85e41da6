from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.artifacts import Bytes, Examples, Model, String
from mlops_tfx.channel import Channel
from mlops_tfx.compat.containers import engines
from mlops_tfx.compat.containers.component import create_container_component
from mlops_tfx.compat.containers.placeholders import (
    ConcatPlaceholder,
    InputUriPlaceholder,
    InputValuePlaceholder,
    OutputUriPlaceholder,
)
from mlops_tfx.errors import ConfigError, PipelineFailedError, WiringError
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.placeholders import exec_property, output

PROGRAM = Path(__file__).parent / "pipelines" / "container_pipeline.py"


def shell(text: str, *arguments: Any, **ports: Any) -> Any:
    return create_container_component("Shell", "busybox", ["sh", "-c", text, *arguments], **ports)


def run(tmp_path: Path, *nodes: Any) -> Any:
    return LocalRunner().run(Pipeline("containers", tmp_path / "root", components=nodes))


def test_as_a_process_a_command_reads_and_writes_staged_paths(tmp_path: Path) -> None:
    made = shell(
        'printf "$0" > "$1"; mkdir "$2/Format-Serving"; printf "$3" > "$2/Format-Serving/saved_model.pb"',
        ConcatPlaceholder(["value=", InputValuePlaceholder("value"), "."]),
        OutputUriPlaceholder("text"),
        output("model")[0].uri,
        exec_property("other"),
        outputs={"text": String, "model": Model},
        parameters={"value": float, "other": str},
    )
    read = shell(
        'cat "$0"/*/* > "$1"', InputUriPlaceholder("model"), OutputUriPlaceholder("all"),
        inputs={"model": Model}, outputs={"all": Bytes},
    )  # fmt: skip
    writer = made(value=0.5, other="x").with_id("Writer").with_container_engine("process")
    reader = read(model=writer.outputs["model"]).with_container_engine("process")
    result = run(tmp_path, writer, reader)
    assert result.outputs["Writer"]["text"][0].read() == "value=0.5."
    assert result.outputs["Shell"]["all"][0].read() == b"x"
    folder = Path(result.outputs["Writer"]["model"][0].uri)
    assert folder.parent.parent == tmp_path / "root" / "Writer"
    again = run(tmp_path, *(node for node in (writer, reader)))  # the cache knows image, command and engine
    assert {report.state for report in again.reports} == {NodeState.CACHED}


def test_a_command_that_fails_says_what_it_wrote_last(tmp_path: Path) -> None:
    node = shell("echo broken pipe >&2; exit 3", outputs={"text": String})().with_container_engine("process")
    with pytest.raises(PipelineFailedError, match="ended with code 3:\nbroken pipe"):
        run(tmp_path, node)
    assert not (tmp_path / "root" / "Shell" / "text").exists()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    node = create_container_component("Gone", "image", ["no_such_program"])().with_container_engine("process")
    with pytest.raises(PipelineFailedError, match="'no_such_program' cannot be started"):
        run(tmp_path, node)


def test_without_docker_a_container_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    with pytest.raises(PipelineFailedError, match=r"no program 'docker'.*with_container_engine\('process'\)"):
        run(tmp_path, shell("true", outputs={"text": String})())


def test_the_environment_chooses_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engines.VARIABLE, "process")
    result = run(tmp_path, shell('printf a > "$0"', OutputUriPlaceholder("text"), outputs={"text": String})())
    assert result.outputs["Shell"]["text"][0].read() == "a"
    monkeypatch.setenv(engines.VARIABLE, "proces")
    with pytest.raises(ConfigError, match="did you mean 'process'"):
        engines.engine(None)


def test_docker_gets_mounts_user_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A program in Docker's place: it notes its arguments, and does with the mounted paths what the command would.
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nfor last; do :; done\nprintf made > "$last"\n')
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    node = create_container_component(
        "Made", "image:1", ["make", OutputUriPlaceholder("text")], outputs={"text": String}
    )()
    result = run(tmp_path, node)
    assert result.outputs["Made"]["text"][0].read() == "made"
    arguments = (tmp_path / "arguments").read_text().split()
    staged = Path(arguments[-1]).parent
    assert arguments[:3] == ["run", "--rm", f"--user={os.getuid()}:{os.getgid()}"]
    assert f"--volume={staged}:{staged}" in arguments
    assert arguments[-3:-1] == ["image:1", "make"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (InputUriPlaceholder("exampels"), "'exampels', which is not among its inputs; did you mean 'examples'"),
        (OutputUriPlaceholder("examples"), "'examples', which is not among its outputs"),
        (
            ConcatPlaceholder(["a", InputValuePlaceholder("step")]),
            "'step', .* inputs or parameters; did you mean 'steps'",
        ),
        (3, "expected text or a placeholder in the command, received 3"),
    ],
)
def test_wrong_commands_are_found_while_wiring(part: Any, said: str, tmp_path: Path) -> None:
    made = create_container_component(
        "Wrong", "image", ["do", part],
        inputs={"examples": Examples}, outputs={"model": Model}, parameters={"steps": int},
    )  # fmt: skip
    with pytest.raises(WiringError, match=said):
        Pipeline("wrong", tmp_path, components=[made(examples=Channel(Examples), steps=1)])


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="expected a name"):
        create_container_component("", "image", [])
    with pytest.raises(ValueError, match="expected the name of an image"):
        create_container_component("Name", "", [])
    made = create_container_component("Name", "image", ["a"], parameters={"steps": int})
    with pytest.raises(ValueError, match="argument 'steps' is missing"):
        made()
    with pytest.raises(TypeError, match="parameter 'steps'"):
        made(steps="a")


def test_a_script_for_tfx_with_containers_runs_unchanged(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlops_tfx.compat", str(PROGRAM), str(tmp_path)]
    environment = {**os.environ, engines.VARIABLE: "process"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    (found,) = tmp_path.glob("pipeline/Grep/found/*/value")
    assert found.read_bytes() == b"first a\nthird a\n"
    assert "looking for a$" in done.stderr
