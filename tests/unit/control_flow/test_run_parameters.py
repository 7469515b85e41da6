"""Runtime parameters: in every place TFX takes them, and what is wrong with values, before anything runs."""

from __future__ import annotations

import os
from typing import TypedDict

import pytest

from mlops_tfx import Cond, LocalRunner, Pipeline, RuntimeParameter
from mlops_tfx.artifacts import Examples, String
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component, Output, Parameter, component
from mlops_tfx.config import Input as SplitInput
from mlops_tfx.config import PushDestination, RangeConfig, StaticRange, TrainArgs
from mlops_tfx.errors import ConfigError, PipelineFailedError, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.execution.loading import parsed_parameters
from mlops_tfx.placeholders import (
    PIPELINE_ROOT,
    PIPELINE_RUN_ID,
    ROOT_PARAMETER,
    environment_variable,
    exec_property,
    execution_invocation,
    input,
    join_path,
    make_list,
    make_proto,
    output,
)
from mlops_tfx.resolvers import Importer, LatestArtifactStrategy, Resolver


class Seen(TypedDict):
    seen: dict


class Show(Component):
    """Writes what it was given."""

    rate: float = 0.5
    args: TrainArgs | None = None
    names: tuple[str, ...] = ()
    flag: bool = False
    config: dict[str, object] = {}
    splits: SplitInput | None = None
    destination: PushDestination | None = None
    range_config: RangeConfig | None = None
    seen = Output(String)

    def check(self):
        if self.rate > 10:
            yield f"rate={self.rate} is too large"

    def run(self):
        flags = " ".join(self.context.beam_pipeline_args)
        self.seen.write(f"{self.rate!r} {self.args!r} {self.names} {self.flag} {self.config} [{flags}]")


def run(root, *nodes, parameters=None, **kwargs):
    pipeline = Pipeline("parameters", root, components=nodes, **kwargs)
    return LocalRunner(observer=Observer()).run(pipeline, parameters=parameters)


def seen(result, node="Show"):
    return result.outputs[node]["seen"][0].read()


def test_values_reach_parameters_in_their_types(tmp_path):
    def show():
        return Show(
            rate=RuntimeParameter("rate", float, 0.25),
            args=RuntimeParameter("args", str, '{"num_steps": 5}'),
            names=[RuntimeParameter("first", str), "second"],
            flag=RuntimeParameter("flag", bool, False),
            config={"layers": [RuntimeParameter("layers", int, 2)]},
        )

    assert seen(run(tmp_path, show(), parameters={"first": "a"})) == (
        f"0.25 {TrainArgs(num_steps=5)!r} ('a', 'second') False {{'layers': [2]}} []"
    )
    given = {"first": "b", "rate": 3, "flag": True, "layers": 7, "args": '{"splits": ["train"]}'}
    assert seen(run(tmp_path, show(), parameters=given)) == (
        f"3.0 {TrainArgs(splits=['train'])!r} ('b', 'second') True {{'layers': [7]}} []"
    )


def test_same_value_is_cached_and_another_one_is_not(tmp_path):
    states = [
        run(tmp_path, Show(rate=RuntimeParameter("rate", float, 1.0)), parameters=given).reports[0].state.value
        for given in ({}, {"rate": 1}, {"rate": 2.0}, {"rate": 1.0})
    ]
    assert states == ["complete", "cached", "complete", "cached"]


def test_everything_wrong_is_listed_before_anything_runs(tmp_path):
    nodes = [
        Show(rate=RuntimeParameter("rate", float), names=[RuntimeParameter("name", str, description="whose it is")]),
        Show(rate=RuntimeParameter("steps", int, 1), flag=RuntimeParameter("flag", str, "perhaps")).with_id("Other"),
    ]
    with pytest.raises(WiringError) as raised:
        run(tmp_path / "root", *nodes, parameters={"raet": 1.0, "steps": "5"})
    assert raised.value.problems == (
        "there is no runtime parameter 'raet'; did you mean 'rate'?",
        "runtime parameter 'steps': expected int, received '5'",
        "runtime parameter 'rate' (float) has no value and no default",
        "runtime parameter 'name' (str) has no value and no default: whose it is",
    )
    assert not (tmp_path / "root").exists()
    with pytest.raises(WiringError) as raised:
        run(tmp_path / "root", *nodes, parameters={"rate": 11.0, "name": "x"})
    first, second = raised.value.problems
    assert "Show" in first and first.endswith("rate=11.0 is too large")
    assert "Other" in second and "parameter 'flag': expected bool, received 'perhaps'" in second
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("value", [True, 1.5, "1", None])
def test_a_value_of_another_type_is_refused(tmp_path, value):
    with pytest.raises(WiringError, match="expected int, received"):
        run(tmp_path, Show(rate=RuntimeParameter("n", int, 1)), parameters={"n": value})


def test_declarations_are_checked():
    with pytest.raises(ConfigError, match="expected ptype int, float, str or bool, received <class 'list'>"):
        RuntimeParameter("x", list)
    with pytest.raises(ConfigError, match="runtime parameter 'x': expected int, received '3'"):
        RuntimeParameter("x", int, "3")
    assert RuntimeParameter("x", float, 3).default == 3.0


def test_one_name_with_two_meanings_is_refused(tmp_path):
    one, other = RuntimeParameter("x", float, 1.0), RuntimeParameter("x", float, 2.0)
    with pytest.raises(WiringError, match=r"'x' is declared twice, with ptype=float, default=1\.0 and with .*2\.0"):
        Pipeline("p", tmp_path, components=[Show(rate=one), Show(rate=other).with_id("Other")])


def test_pipeline_root_beam_flags_and_conditions(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKERS_HERE", "3")
    base = RuntimeParameter("base", str)
    with Cond(RuntimeParameter("wanted", bool, True) == True):  # noqa: E712
        show = Show().with_beam_pipeline_args(["--b=" + exec_property("names")[0]])
        show = Show(names=["x"]).with_beam_pipeline_args(["--b=" + exec_property("names")[0]]).with_id("S")
    pipeline = Pipeline(
        "parameters",
        join_path(base, "root"),
        components=[show],
        beam_pipeline_args=[
            "--n=" + environment_variable("WORKERS_HERE"),
            "--run=" + execution_invocation().pipeline_run_id,
        ],
    )
    with pytest.raises(ConfigError, match=r"pipeline_root is join_path\(RuntimeParameter\('base'\), 'root'\)"):
        _ = pipeline.pipeline_root
    assert pipeline.to_dict()["pipeline_root"] == {"__placeholder__": "join_path(RuntimeParameter('base'), 'root')"}
    runner = LocalRunner(observer=Observer())
    result = runner.run(pipeline, parameters={"base": str(tmp_path)})
    assert seen(result, "S").endswith(f"[--n=3 --run={result.run_id} --b=x]")
    assert (tmp_path / "root" / "metadata.sqlite").exists()
    result = runner.run(pipeline, parameters={"base": str(tmp_path), "wanted": False})
    assert result.reports[0].state.value == "skipped"
    monkeypatch.delenv("WORKERS_HERE")
    with pytest.raises(WiringError, match="environment variable WORKERS_HERE, which is not set"):
        runner.run(pipeline, parameters={"base": str(tmp_path)})


def test_root_and_run_id_are_parameters_of_every_run(tmp_path):
    assert ROOT_PARAMETER.name == PIPELINE_ROOT
    names = [ROOT_PARAMETER, RuntimeParameter(PIPELINE_RUN_ID, str)]
    result = run(tmp_path, Show(names=names))
    assert f"('{tmp_path}', '{result.run_id}')" in seen(result)


def test_importer_takes_placeholders(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("x")
    importer = Importer(
        source_uri=join_path(RuntimeParameter("folder", str), "data"),
        artifact_type=Examples,
        properties={"span": RuntimeParameter("span", int, 4)},
    )
    result = run(tmp_path / "root", importer, parameters={"folder": str(tmp_path)})
    (artifact,) = result.outputs["Importer"]["result"]
    assert (artifact.uri, artifact.span) == (str(data), 4)


def test_placeholders_inside_configuration_models(tmp_path):
    pattern = RuntimeParameter("pattern", str) + "/*.csv"
    splits = SplitInput(splits=[SplitInput.Split(name="train", pattern=pattern)])
    made = make_proto(
        SplitInput(), splits=make_list([make_proto(SplitInput.Split(name="e", pattern=""), pattern=pattern)])
    )
    number = RuntimeParameter("span", int, 3)
    shown = []

    class Keep(Show):
        def run(self):
            shown.extend([self.splits, self.range_config])

    Keep.CODE_DIGEST = "x"
    ranges = RangeConfig(static_range=StaticRange(start_span_number=number, end_span_number=number))
    nodes = [Keep(splits=splits, range_config=ranges), Keep(splits=made).with_id("Made")]
    run(tmp_path, *nodes, parameters={"pattern": "day"})
    expected = SplitInput.Split(name="train", pattern="day/*.csv"), SplitInput.Split(name="e", pattern="day/*.csv")
    assert shown[0].splits == [expected[0]] or shown[0].splits == [expected[1]]
    by_name = {found.splits[0].name: found for found in shown if isinstance(found, SplitInput)}
    assert by_name == {"train": SplitInput(splits=[expected[0]]), "e": SplitInput(splits=[expected[1]])}
    assert RangeConfig(static_range=StaticRange(start_span_number=3, end_span_number=3)) in shown


def test_configuration_model_is_checked_when_its_values_are_there(tmp_path):
    show = Show(args=TrainArgs(num_steps=RuntimeParameter("steps", int)))
    with pytest.raises(WiringError, match=r"parameter 'args': TrainArgs\.num_steps: .*greater than or equal to 0"):
        run(tmp_path, show, parameters={"steps": -1})
    with pytest.raises(ConfigError, match="has no field 'num_step'; did you mean 'num_steps'"):
        TrainArgs(num_step=RuntimeParameter("steps", int))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (output("seen")[0].uri, r"output\('seen'\)\[0\] is not known before the node has its parameters"),
        (input("examples").uri, r"there is no input 'examples'"),
        (exec_property("flags"), r"there is no parameter 'flags'; did you mean 'flag'"),
    ],
)
def test_what_cannot_work_is_said_when_the_pipeline_is_defined(tmp_path, value, problem):
    with pytest.raises(WiringError, match=problem):
        Pipeline("p", tmp_path, components=[Show(names=[value])])


def test_pipeline_settings_take_only_what_is_known_at_the_start(tmp_path):
    show = Show()
    with pytest.raises(WiringError, match=r"pipeline_root: Show\.outputs\['seen'\]\.future\(\)\[0\] is not known"):
        Pipeline("p", show.outputs["seen"].future()[0].uri, components=[show])
    with pytest.raises(WiringError, match="beam_pipeline_args: exec_property"):
        Pipeline("p", tmp_path, components=[show], beam_pipeline_args=["--x=" + exec_property("rate")])


def test_an_artifact_is_no_parameter(tmp_path):
    show = Show()
    with pytest.raises(WiringError, match=r"future\(\)\[0\] is an artifact; say \.value"):
        Pipeline("p", tmp_path, components=[show, Show(names=[show.outputs["seen"].future()[0]]).with_id("Other")])


def test_which_outputs_there_are_must_be_known(tmp_path):
    class Chooses(Show):
        def output_keys(self):
            return ["seen"] if self.flag else []

    with pytest.raises(WiringError, match="which outputs there are must be known when the pipeline is defined"):
        Pipeline("p", tmp_path, components=[Chooses(flag=environment_variable("HOME"))])


class Text(TypedDict):
    text: str


@component
def Say(text: Parameter[str]) -> Text:
    return {"text": text}


def test_unset_environment_variable_fails_before_the_run(tmp_path):
    with pytest.raises(WiringError, match="NO_SUCH_VARIABLE, which is not set"):
        run(tmp_path, Say(text=environment_variable("NO_SUCH_VARIABLE")))
    result = run(tmp_path, Say(text="in " + environment_variable("HOME")))
    assert result.outputs["Say"]["text"][0].read() == "in " + os.environ["HOME"]


def test_own_parameters_and_the_run_are_known_when_the_node_begins(tmp_path):
    names = [exec_property("config")["a"][1] + "!", execution_invocation().pipeline_info.id]
    result = run(tmp_path, Show(names=names, config={"a": ["x", "y"]}))
    assert "('y!', 'parameters')" in seen(result)


def test_parameter_without_a_value_at_run_time_fails_the_node(tmp_path):
    with pytest.raises(
        PipelineFailedError, match=r"parameter 'names': exec_property\('config'\)\['b'\]: expected a value"
    ):
        run(tmp_path, Show(names=[exec_property("config")["b"]], config={"a": 1}))


def test_texts_of_the_command_line_become_values(tmp_path):
    show = Show(
        rate=RuntimeParameter("rate", float),
        flag=RuntimeParameter("flag", bool),
        names=[RuntimeParameter("name", str)],
        config={"n": RuntimeParameter("n", int), "any": RuntimeParameter("any", default=1)},
    )
    pipeline = Pipeline("p", tmp_path, components=[show])
    texts = ["rate=1e-3", "flag=True", "name=a=b", "n=-4", "any=x", "unknown=1"]
    assert parsed_parameters(pipeline, texts) == {
        "rate": 0.001, "flag": True, "name": "a=b", "n": -4, "any": "x", "unknown": "1"
    }  # fmt: skip
    with pytest.raises(WiringError) as raised:
        parsed_parameters(pipeline, ["rate=fast", "flag=1", "n=1.5", "name", "any=1", "any=2"])
    assert raised.value.problems == (
        "runtime parameter 'rate': expected float, received 'fast'",
        "runtime parameter 'flag': expected bool, received '1'",
        "runtime parameter 'n': expected int, received '1.5'",
        "expected --param name=value, received 'name'",
        "runtime parameter 'any' is given twice",
    )


def test_a_resolver_takes_placeholders_in_its_settings(tmp_path):
    def latest(**config):
        query = Channel(String, producer_component_id="Show", output_key="seen")
        return Resolver(strategy_class=LatestArtifactStrategy, config=config, seen=query)

    for rate in (1.0, 2.0):
        run(tmp_path, Show(rate=rate))
    number = RuntimeParameter("number", int, 1)
    for given, expected in (({}, 1), ({"number": 2}, 2)):
        result = run(tmp_path, latest(desired_num_of_artifacts=number), parameters=given)
        assert len(result.outputs["Resolver"]["seen"]) == expected
    with pytest.raises(PipelineFailedError, match="unexpected keyword argument 'number'"):
        run(tmp_path, latest(number=number))
