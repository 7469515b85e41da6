"""Placeholders in the command of a container, which is resolved when outputs have their place."""

from __future__ import annotations

from pathlib import Path

from mlops_tfx import LocalRunner, Pipeline, RuntimeParameter
from mlops_tfx.artifacts import Integer, String
from mlops_tfx.compat.containers.component import create_container_component
from mlops_tfx.component import Component, Output
from mlops_tfx.execution import Observer
from mlops_tfx.placeholders import dirname, environment_variable, exec_property, execution_invocation, input, output


class Seven(Component):
    """Writes 7."""

    number = Output(Integer)

    def run(self):
        self.number.write(7)


def test_every_kind_of_placeholder_in_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("GREETING", "hello")
    shell = create_container_component(
        "Shell",
        "image",
        [
            "sh",
            "-c",
            'test -d "$1" && printf "%s " "$@" > "$0"',
            output("text")[0].uri,
            dirname(output("text")[0].uri),
            input("number")[0].value,
            environment_variable("GREETING") + "!",
            exec_property("names").b64encode(),
            "run=" + execution_invocation().pipeline_run_id,
            execution_invocation().pipeline_info.id,
        ],
        inputs={"number": Integer},
        outputs={"text": String},
        parameters={"names": str, "size": int},
    )
    seven = Seven()
    number = seven.outputs["number"]
    node = shell(number=number, names=RuntimeParameter("names", str), size=number.future()[0].value)
    pipeline = Pipeline("commands", tmp_path, components=[seven, node.with_container_engine("process")])
    result = LocalRunner(observer=Observer()).run(pipeline, parameters={"names": "a b"})
    (text,) = result.outputs["Shell"]["text"]
    folder, *words = text.read().split()
    assert Path(folder).name == "text"
    assert words == ["7", "hello!", "YSBi", f"run={result.run_id}", "commands"]
