"""Partial runs, and what a failed run says about resuming: pasted into a shell or a program, it works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx import LocalRunner, RunOptions
from mlops_tfx.errors import ConfigError, PipelineFailedError, ResolutionError, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.metadata import MetadataStore
from tests.unit.execution.partial_pipeline import pipeline

FILE = Path(__file__).with_name("partial_pipeline.py")


class Log(Observer):
    def __init__(self):
        self.lines = []

    def logged(self, node_id, text):
        self.lines.append((node_id, text))


def run(root, *options, log=None, **parameters):
    given = RunOptions(*options) if options else None
    return LocalRunner(observer=log or Observer()).run(pipeline(str(root), **parameters), run_options=given)


def states(result):
    return {report.node_id: report.state.value for report in result.reports}


def data(result, node, key):
    return Path(result.outputs[node][key][0].uri, "data").read_text()


def executions(root, run_id):
    with MetadataStore(pipeline(str(root)).metadata_connection_config, read_only=True) as store:
        return {record.node_id: record for record in store.executions(pipeline_name="p", run_id=run_id)}


OUT, DONE = "skipped", "complete"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (["Train"], None, {"Gen": "cached", "Train": "complete", "Evaluate": "complete", "Report": "cached"}),
        (["Train"], ["Train"], {"Gen": "cached", "Train": "complete", "Evaluate": OUT, "Report": "cached"}),
        (None, ["Train"], {"Gen": "complete", "Train": "complete", "Evaluate": OUT, "Report": OUT}),
        (["Evaluate"], None, {"Gen": "cached", "Train": "cached", "Evaluate": "complete", "Report": "cached"}),
        (["Evaluate", "Report"], None, {"Gen": "cached", "Train": "cached", "Evaluate": DONE, "Report": DONE}),
        (["Gen"], ["Evaluate"], {"Gen": "complete", "Train": "complete", "Evaluate": "complete", "Report": OUT}),
    ],
)
def test_from_and_to(tmp_path, first, last, expected):
    whole = run(tmp_path, cache=False)
    part = run(tmp_path, first, last, cache=False)
    assert states(part) == expected
    kept = [name for name, state in expected.items() if state == "cached" and name in part.outputs]
    for name in kept:
        assert {key: [a.id for a in found] for key, found in part.outputs[name].items()} == {
            key: [a.id for a in found] for key, found in whole.outputs[name].items()
        }
    found = executions(tmp_path, part.run_id)
    assert {name: record.state.name.lower() for name, record in found.items()} == {
        name: state for name, state in expected.items() if state != OUT
    }
    if "Gen" in kept:
        assert found["Gen"].properties["reused_from_run"] == whole.run_id
        assert found["Gen"].properties["text"] == "abc"


def test_base_is_the_latest_run_that_has_all_or_the_one_named(tmp_path):
    first = run(tmp_path, text="a")
    second = run(tmp_path, text="bb")
    (tmp_path / "stop here").write_text("")
    with pytest.raises(PipelineFailedError):
        run(tmp_path, text="ccc")  # has no model
    (tmp_path / "stop here").unlink()
    assert data(run(tmp_path, ["Evaluate"]), "Evaluate", "evaluation") == "2 with examples"
    named = run(tmp_path, ["Evaluate"], None, first.run_id)
    assert data(named, "Evaluate", "evaluation") == "1 with examples"
    assert executions(tmp_path, named.run_id)["Train"].properties["reused_from_run"] == first.run_id
    assert second.run_id > first.run_id
    again = run(tmp_path, ["Evaluate"])
    assert data(again, "Evaluate", "evaluation") == "1 with examples", "a partial run is a base like any other"


def test_changed_code_and_parameters_of_skipped_nodes_are_a_warning(tmp_path):
    first = run(tmp_path)
    log = Log()
    part = run(tmp_path, ["Evaluate"], log=log, steps=5)
    assert data(part, "Evaluate", "evaluation") == "3 with examples", "the model of the base run"
    since = f"it has changed since run {first.run_id}, whose outputs are used"
    assert log.lines == [("Train", f"warning: {since} (parameter steps)")]


def test_wrong_options(tmp_path):
    first = run(tmp_path)
    with pytest.raises(ConfigError, match="from_nodes and to_nodes are both empty"):
        RunOptions()
    with pytest.raises(ConfigError, match=r"list of node ids, received 'Train'; write from_nodes=\['Train'\]"):
        RunOptions(from_nodes="Train")
    with pytest.raises(ConfigError, match="to_nodes: expected ids of nodes"):
        RunOptions(to_nodes=[pipeline(str(tmp_path))["Train"]])
    with pytest.raises(WiringError, match=r"no node 'Trian'; did you mean 'Train'[\s\S]*to_nodes: .*'Evalute'"):
        run(tmp_path, ["Trian"], ["Evalute"])
    with pytest.raises(WiringError, match=r"no node lies between from_nodes=\['Report'\] and to_nodes=\['Evaluate'\]"):
        run(tmp_path, ["Report"], ["Evaluate"])
    with pytest.raises(ResolutionError, match=f"has no run '{first.run_id}0'; did you mean '{first.run_id}'"):
        run(tmp_path, ["Train"], None, first.run_id + "0")
    with MetadataStore(pipeline(str(tmp_path)).metadata_connection_config, read_only=True) as store:
        assert store.runs("p") == [first.run_id], "nothing ran"


def test_what_is_missing_is_named_before_anything_runs(tmp_path):
    with pytest.raises(ResolutionError, match=r"there is no earlier run: Train needs Gen.outputs\['examples'\]"):
        run(tmp_path / "none", ["Train"])
    (tmp_path / "stop here").write_text("")
    with pytest.raises(PipelineFailedError):
        run(tmp_path)
    with pytest.raises(ResolutionError, match=r"Evaluate needs Train.outputs\['model'\]: Train ended as FAILED there"):
        run(tmp_path, ["Evaluate"])
    (tmp_path / "stop here").unlink()
    part = run(tmp_path, None, ["Gen"])
    with pytest.raises(ResolutionError, match="Train did not run there"):
        run(tmp_path, ["Evaluate"], None, part.run_id)
    whole = run(tmp_path)
    model = whole.outputs["Train"]["model"][0].uri
    shutil.rmtree(model)
    with pytest.raises(ResolutionError, match=f"{re.escape(model)} is gone"):
        run(tmp_path, ["Evaluate"])
    assert run(tmp_path, ["Train"]).run_id > whole.run_id


def shell(command, root, cache):
    environment = {**os.environ, "ROOT": str(root), "CACHE": cache, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        command, shell=True, env=environment, cwd=FILE.parent, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("cache", ["0", "1"])
@pytest.mark.parametrize("how", ["command", "script"])
def test_what_a_failed_run_says_works_when_it_is_pasted(tmp_path, how, cache):
    root = tmp_path / "it's a root"
    root.mkdir()
    program = tmp_path / "it's a pipeline.py"
    program.write_text(FILE.read_text())
    (root / "stop here").write_text("")
    start = {"command": "-m mlops_tfx.cli run", "script": ""}[how]
    failed = shell(f'{sys.executable} {start} "{program}"', root, cache)
    assert failed.returncode == 1
    (said,) = re.findall(r"to resume, run again: (.*)", failed.stderr)
    run_id = max(name for name in re.findall(r"run (\d{4}-\S+)[:,]", failed.stderr))
    if cache == "0":
        assert run_id in said
        assert "--from Train" in said if how == "command" else "from_nodes=['Train']" in said
    (root / "stop here").unlink()
    if how == "script" and cache == "0":
        lines = [f"import sys; sys.path.insert(0, {str(FILE.parent)!r})"]
        lines += ["from partial_pipeline import create_pipeline"]
        lines += ["from mlops_tfx import LocalRunner, RunOptions", "pipeline = create_pipeline()", said]
        (tmp_path / "resume.py").write_text("\n".join(lines))
        said = f"{sys.executable} {tmp_path}/resume.py"
    resumed = shell(said, root, cache)
    assert resumed.returncode == 0, resumed.stderr
    ends = dict(re.findall(r"^(\w+): (complete|cached)", resumed.stderr, re.MULTILINE))
    assert ends == {"Gen": "cached", "Report": "cached", "Train": "complete", "Evaluate": "complete"}


def test_failed_partial_run_resumes_as_a_partial_run(tmp_path):
    run(tmp_path)
    (tmp_path / "stop here").write_text("")
    said = []
    runner = LocalRunner(observer=Observer(), resume_command=lambda options: said.append(options) or "x")
    with pytest.raises(PipelineFailedError, match="to resume, run again: x") as caught:
        options = RunOptions(["Train", "Report"], ["Train", "Report"])
        runner.run(pipeline(str(tmp_path), steps=2), run_options=options)
    assert caught.value.skipped == ()
    (options,) = said
    assert (options.from_nodes, options.to_nodes) == (["Train"], ["Train", "Report"])
    (tmp_path / "stop here").unlink()
    resumed = LocalRunner(observer=Observer()).run(pipeline(str(tmp_path), steps=2), run_options=options)
    assert states(resumed) == {"Gen": "cached", "Train": "complete", "Evaluate": OUT, "Report": "cached"}


TFX_SCRIPT = """
import sys
from tfx import v1 as tfx
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter

@tfx.dsl.components.component
def Make(model: OutputArtifact[tfx.types.standard_artifacts.Model]):
    open(model.uri + "/made", "w").close()

@tfx.dsl.components.component
def Use(model: InputArtifact[tfx.types.standard_artifacts.Model], name: Parameter[str]):
    assert sys.argv[1:] == ["--word", "two words"], sys.argv
    open(name)

make = Make()
tfx.orchestration.LocalDagRunner().run(
    tfx.dsl.Pipeline(
        pipeline_name="tfx",
        pipeline_root="root",
        components=[make, Use(model=make.outputs["model"], name="there")],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config("store/metadata.db"),
    )
)
"""


def test_script_written_for_tfx_is_resumed_by_a_command_too(tmp_path):
    (tmp_path / "script.py").write_text(TFX_SCRIPT)
    command = f"cd {tmp_path}; {sys.executable} -m mlops_tfx.cli run --as-tfx script.py -- --word 'two words'"
    failed = shell(command, tmp_path, "")
    assert failed.returncode == 1
    assert "No such file or directory: 'there'" in failed.stderr
    (said,) = re.findall(r"to resume, run again: (.*)", failed.stderr)
    (run_id,) = re.findall(r"run (\d{4}-\S+): 2 nodes", failed.stderr)
    again = f"{sys.executable} -m mlops_tfx.cli run script.py --as-tfx --from Use --base {run_id} -- --word 'two words'"
    assert said == again, "TFX's pipelines have no cache unless they ask for it"
    (tmp_path / "there").write_text("")
    resumed = shell(f"cd {tmp_path}; {said}", tmp_path, "")
    assert resumed.returncode == 0, resumed.stderr
    assert dict(re.findall(r"^(\w+): (complete|cached)", resumed.stderr, re.MULTILINE)) == {
        "Make": "cached",
        "Use": "complete",
    }
