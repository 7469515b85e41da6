"""Tuner: what tuner_fn receives, what is written, and what happens to trials that fail or whose process dies."""

from __future__ import annotations

import json
import pathlib
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_tfx import Importer, LocalRunner, Pipeline
from mlops_tfx.artifacts import Artifact, Examples
from mlops_tfx.channel import Channel
from mlops_tfx.components import Tuner
from mlops_tfx.components.tuner import TunerFnResult
from mlops_tfx.config import EvalArgs, TrainArgs, TuneArgs
from mlops_tfx.errors import PipelineFailedError, UserCodeError, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.execution.testing import run_component
from mlops_tfx.training import FnArgs

# A search for the smallest (x - 3)^2 over 0..5. Every trial is noted in a file, with its process.
MODULE = """
    import os
    import pathlib

    import keras_tuner
    from mlops_tfx.components.tuner import TunerFnResult

    NOTES = pathlib.Path(__file__).parent / "notes"
    ORDER = pathlib.Path(__file__).parent / "order"

    class Parabola(keras_tuner.GridSearch):
        def run_trial(self, trial, *args, **kwargs):
            x = trial.hyperparameters.Int("x", 0, 5)
            with NOTES.open("a") as file:
                file.write(f"{x} {os.getpid()}\\n")
            if ORDER.exists():
                when, what = ORDER.read_text().split()
                if x == int(when):
                    ORDER.unlink()
                    if what == "die":
                        os._exit(9)
                    raise {"exit": SystemExit, "fail": ValueError}[what](f"at x={x}")
            return float((x - 3) ** 2)

    def tuner_fn(fn_args):
        tuner = Parabola(directory=fn_args.working_dir, project_name="p", max_retries_per_trial=0)
        return TunerFnResult(tuner=tuner, fit_kwargs={})
"""
RANDOM = 'name="p", seed=2, max_trials=6'
EXPECTED = sorted(float((x - 3) ** 2) for x in range(6))


@pytest.fixture
def examples(tmp_path: pathlib.Path) -> Examples:
    """Examples of two splits; no search here reads them."""
    artifact = Examples(str(tmp_path / "examples"))
    artifact.splits = ["train", "eval"]
    artifact.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
    for split in artifact.splits:
        pathlib.Path(artifact.path(split)).mkdir(parents=True)
        (pathlib.Path(artifact.path(split)) / "data_tfrecord-00000-of-00001.gz").write_bytes(b"")
    return artifact


@pytest.fixture
def module(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "tuning.py").write_text(textwrap.dedent(MODULE))
    return folder / "tuning.py"


def tune(tmp_path: pathlib.Path, examples: Examples, **parameters: Any) -> dict[str, pathlib.Path]:
    node = Tuner(examples=Channel(Examples), **parameters)
    outputs: dict[str, list[Artifact]] = run_component(node, {"examples": [examples]}, tmp_path / "out")
    return {key: pathlib.Path(artifacts[0].uri) for key, artifacts in outputs.items()}


def trials(module: pathlib.Path) -> Iterator[tuple[int, int]]:
    for line in (module.parent / "notes").read_text().splitlines():
        x, process = line.split()
        yield int(x), int(process)


def rows(outputs: dict[str, pathlib.Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((outputs["tuner_results"] / "tuner_results.json").read_text())
    return found


def test_the_best_and_all_trials_are_written(tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path) -> None:
    outputs = tune(tmp_path, examples, module_file=str(module))
    best = json.loads((outputs["best_hyperparameters"] / "best_hyperparameters.txt").read_text())
    assert best["values"] == {"x": 3}
    assert [row["score"] for row in rows(outputs)] == EXPECTED
    assert all(row["score"] == (row["x"] - 3) ** 2 for row in rows(outputs))
    assert len({row["trial_id"] for row in rows(outputs)}) == 6


def test_what_tuner_fn_receives(tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path) -> None:
    kept: list[FnArgs] = []

    def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
        from mlops_tfx.execution.user_code import load_function

        kept.append(fn_args)
        made: TunerFnResult = load_function(str(module), None, "tuner_fn")(fn_args)
        return made

    train_args, eval_args = TrainArgs(splits=["eval"], num_steps=7), EvalArgs(num_steps=3)
    tune(tmp_path, examples, tuner_fn=tuner_fn, train_args=train_args, eval_args=eval_args, custom_config={"a": [1]})
    (fn_args,) = kept
    assert fn_args.train_files == [f"{examples.uri}/Split-eval/*"]
    assert fn_args.eval_files == [f"{examples.uri}/Split-eval/*"]
    assert (fn_args.train_steps, fn_args.eval_steps, fn_args.custom_config) == (7, 3, {"a": [1]})
    assert fn_args.working_dir
    unset = ("transform_output", "schema_file", "serving_model_dir", "eval_model_dir", "model_run_dir",
             "hyperparameters", "base_model", "schema_path", "transform_graph_path")  # fmt: skip
    assert {name: getattr(fn_args, name) for name in unset} == dict.fromkeys(unset)


def test_trials_side_by_side_in_processes(tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path) -> None:
    # The search's second trial ends its process: the other one goes on without it.
    (module.parent / "order").write_text("1 die")
    outputs = tune(tmp_path, examples, module_file=str(module), tune_args=TuneArgs(num_parallel_trials=2))
    ran = list(trials(module))
    assert sorted(x for x, _ in ran) == list(range(6)), "each once"
    assert len({process for _, process in ran}) == 2
    assert sorted(row["x"] for row in rows(outputs)) == [0, 2, 3, 4, 5], "the trial whose process died has no score"
    assert rows(outputs)[0]["x"] == 3


class Listener(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def logged(self, node_id: str, text: str) -> None:
        self.lines.append(text)


def test_a_search_goes_on_where_it_stopped(tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path) -> None:
    def pipeline() -> Pipeline:
        kept = {"properties": examples.properties, "custom_properties": examples.custom_properties}
        importer = Importer(examples.uri, Examples, **kept)
        tuner = Tuner(examples=importer.outputs["result"], module_file=str(module))
        return Pipeline("tuning", tmp_path / "root", components=[importer, tuner])

    module.write_text(module.read_text().replace("GridSearch", "RandomSearch").replace('name="p"', RANDOM))
    (module.parent / "order").write_text("3 exit")
    with pytest.raises((PipelineFailedError, SystemExit)):
        LocalRunner(observer=Observer()).run(pipeline())
    before = [x for x, _ in trials(module)]
    listener = Listener()
    outputs = LocalRunner(observer=listener).run(pipeline()).outputs["Tuner"]
    after = [x for x, _ in trials(module)][len(before) :]
    assert before[-1] == after[0] == 3, "the trial that was stopped is run again"
    assert sorted([*before, *after[1:]]) == list(range(6)), "and none that was complete"
    results = json.loads((pathlib.Path(outputs["tuner_results"][0].uri) / "tuner_results.json").read_text())
    assert [row["score"] for row in results] == EXPECTED
    assert f"{len(before) - 1} trials of an earlier attempt are taken over" in listener.lines
    assert any("score" in line or "objective" in line for line in listener.lines)


def test_a_grid_that_cannot_be_resumed_starts_anew(
    tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path
) -> None:
    from mlops_tfx.components.tuner.job import Job
    from mlops_tfx.components.tuner.search import search

    lines: list[str] = []
    job = Job(str(module), None, FnArgs(working_dir=str(tmp_path / "state")))
    (module.parent / "order").write_text("3 exit")
    with pytest.raises(SystemExit):
        search(job, 1, lines.append)
    tuner = search(job, 1, lines.append)
    assert sorted(trial.score for trial in tuner.oracle.trials.values()) == EXPECTED
    assert any("cannot resume a GridSearch" in line for line in lines)


def test_a_trial_that_fails_is_told_and_left_out(
    tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path
) -> None:
    (module.parent / "order").write_text("3 fail")
    outputs = tune(tmp_path, examples, module_file=str(module))
    assert sorted(row["x"] for row in rows(outputs)) == [0, 1, 2, 4, 5]
    assert rows(outputs)[0]["score"] == 1.0


@pytest.mark.parametrize("parallel", [None, TuneArgs(num_parallel_trials=2)])
def test_a_search_in_which_all_fail(
    tmp_path: pathlib.Path, examples: Examples, module: pathlib.Path, parallel: TuneArgs | None
) -> None:
    module.write_text(module.read_text().replace("return float(", "raise ArithmeticError('no score')\n        float("))
    with pytest.raises(UserCodeError, match=r"(?s)search.*no score"):
        tune(tmp_path, examples, module_file=str(module), tune_args=parallel)


def test_what_is_no_result(tmp_path: pathlib.Path, examples: Examples) -> None:
    with pytest.raises(UserCodeError, match=r"expected TunerFnResult\(.*received dict"):
        tune(tmp_path, examples, tuner_fn=lambda fn_args: {})
    with pytest.raises(UserCodeError, match="tuner_fn raised KeyError"):
        tune(tmp_path, examples, tuner_fn=lambda fn_args: {}["missing"])


def test_wrong_parameters(tmp_path: pathlib.Path) -> None:
    neither = Tuner(examples=Channel(Examples)).with_id("neither")
    both = Tuner(examples=Channel(Examples), module_file="m.py", tuner_fn="a.b").with_id("both")
    negative = Tuner(examples=Channel(Examples), tuner_fn="a.b", tune_args={"num_parallel_trials": -1}).with_id("n")  # type: ignore[arg-type]
    with pytest.raises(WiringError) as caught:
        Pipeline("p", tmp_path, components=[neither, both, negative])
    text = str(caught.value)
    assert text.count("expected exactly one of module_file") == 2
    assert "num_parallel_trials" in text
