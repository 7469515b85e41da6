"""Node options on a real store: when nodes start, how often they are tried, what a failure stops."""

from __future__ import annotations

import itertools
import os

import pytest

from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline, Resolver, TriggerStrategy
from mlops_tfx.artifacts import Model
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component, Input, OptionalInput, Output, Outputs
from mlops_tfx.errors import ConfigError, PipelineFailedError, ValidationFailure, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.resolvers import LatestArtifactStrategy


class Job(Component):
    """Fails the first so many times, as a file counts; writes a model."""

    before: OptionalInput[Model] = OptionalInput()
    model = Output(Model)
    failures: int = 0
    count_file: str = ""
    kind: str = "RuntimeError"

    def run(self):
        assert os.listdir(self.model.uri) == [], "every attempt begins with an empty folder"
        with open(os.path.join(self.model.uri, "weights"), "w") as file:
            file.write("w")
        if self.failures:
            with open(self.count_file, "a") as file:
                file.write("x")
            tried = os.path.getsize(self.count_file)
            if tried <= self.failures:
                raise _ERRORS[self.kind](f"failure {tried}")


class Needs(Component):
    model: Input[Model]

    def run(self):
        raise AssertionError("there is no model")


_ERRORS = {
    "RuntimeError": RuntimeError,
    "ValidationFailure": ValidationFailure,
    "ConfigError": ConfigError,
    "OSError": OSError,
}


class Log(Observer):
    def __init__(self):
        self.started, self.lines = [], []

    def node_started(self, node_id):
        self.started.append(node_id)

    def logged(self, node_id, text):
        self.lines.append((node_id, text))


def run(root, *nodes):
    log = Log()
    try:
        result = LocalRunner(observer=log).run(Pipeline("p", str(root), components=nodes))
    except PipelineFailedError as error:
        return error, log
    return {report.node_id: report.state.value for report in result.reports}, log


def records(root, node_id):
    with MetadataStore(Pipeline("p", str(root)).metadata_connection_config, read_only=True) as store:
        return store.executions(pipeline_name="p", node_id=node_id)


def job(tmp_path, name, failures=0, kind="RuntimeError", after=(), **options):
    count = str(tmp_path / f"count-{name}")
    node = Job(failures=failures, count_file=count, kind=kind).with_id(name)
    node.add_upstream_nodes(after)
    return node.with_node_execution_options(NodeExecutionOptions(retry_backoff_sec=0, **options))


ALWAYS = 99


@pytest.mark.parametrize(("failures", "retries"), list(itertools.product((0, 1, 2), (None, 0, 1, 2))))
def test_a_node_is_tried_as_often_as_its_options_say(tmp_path, failures, retries):
    ended, log = run(tmp_path / "root", job(tmp_path, "J", failures, max_execution_retries=retries))
    allowed = retries or 0
    tried = min(failures, allowed) + 1
    states = ["FAILED"] * min(failures, allowed + 1) + ["COMPLETE"] * (failures <= allowed)
    found = records(tmp_path / "root", "J")
    assert [record.state.name for record in found] == states
    assert log.started == ["J"] * tried
    for number, record in enumerate(found, 1):
        assert (f"RuntimeError: failure {number}" in record.error) == (record.state.name == "FAILED")
    folders = os.listdir(tmp_path / "root" / "J" / "model") if failures <= allowed else []
    assert folders == [str(record.id) for record in found if record.state.name == "COMPLETE"]
    assert isinstance(ended, dict) == (failures <= allowed)
    told = [text for _, text in log.lines]
    assert told == [
        f"attempt {n} of {allowed + 1} failed, the next in 0 s: RuntimeError: failure {n}" for n in range(1, tried)
    ]


@pytest.mark.parametrize(
    ("kind", "tried"), [("ValidationFailure", 1), ("ConfigError", 1), ("RuntimeError", 3), ("OSError", 3)]
)
def test_what_would_fail_again_is_not_tried_again(tmp_path, kind, tried):
    ended, _ = run(tmp_path / "root", job(tmp_path, "J", ALWAYS, kind, max_execution_retries=2))
    assert isinstance(ended, PipelineFailedError)
    assert len(records(tmp_path / "root", "J")) == tried


def test_backoff_doubles_up_to_five_minutes():
    options = NodeExecutionOptions(max_execution_retries=20, retry_backoff_sec=3)
    assert [options.backoff_sec(n) for n in range(1, 10)] == [3, 6, 12, 24, 48, 96, 192, 300, 300]


SUCCEEDED = TriggerStrategy.ALL_UPSTREAM_NODES_SUCCEEDED
COMPLETED = TriggerStrategy.ALL_UPSTREAM_NODES_COMPLETED


@pytest.mark.parametrize("strategy", [SUCCEEDED, COMPLETED, "ALL_UPSTREAM_NODES_COMPLETED", 2, 0])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("optional", [False, True])
def test_trigger_strategy_after_success_and_failure(tmp_path, strategy, fails, optional):
    first = job(tmp_path, "First", ALWAYS * fails, success_optional=optional)
    good = job(tmp_path, "Good")
    last = job(tmp_path, "Last", after=[first, good], trigger_strategy=strategy)
    ended, log = run(tmp_path / "root", first, good, last)
    runs = not fails or optional or strategy not in (SUCCEEDED, 0)
    assert ("Last" in log.started) == runs
    assert isinstance(ended, PipelineFailedError) == (fails and not optional)
    if isinstance(ended, PipelineFailedError):
        assert ended.skipped == (() if runs else ("Last",))
    else:
        assert ended == {"First": "failed" if fails else "complete", "Good": "complete", "Last": "complete"}


def test_completed_goes_through_a_node_that_never_started(tmp_path):
    first = job(tmp_path, "First", ALWAYS)
    middle = job(tmp_path, "Middle", after=[first])
    last = job(tmp_path, "Last", after=[middle], trigger_strategy=COMPLETED)
    ended, log = run(tmp_path / "root", first, middle, last)
    assert log.started == ["First", "Last"]
    assert ended.skipped == ("Middle",)


def test_failed_node_whose_success_is_optional_passes_no_output_on(tmp_path):
    first = job(tmp_path, "First", ALWAYS, success_optional=True)
    last = Job(before=first.outputs["model"]).with_id("Last")
    ended, _ = run(tmp_path / "root", first, last)
    assert ended == {"First": "failed", "Last": "complete"}
    (record,) = records(tmp_path / "root", "Last")
    assert record.inputs == {}
    needs = Needs(first.outputs["model"])
    after = job(tmp_path, "After", after=[needs])
    ended, _ = run(tmp_path / "other root", first, needs, after)
    assert ended == {"First": "failed", "Needs": "skipped", "After": "complete"}
    (record,) = records(tmp_path / "other root", "Needs")
    assert record.properties["skipped_because"] == "its input 'model' needs First, which failed"
    (failed,) = records(tmp_path / "root", "First")
    assert failed.state.name == "FAILED"
    assert "failure 1" in failed.error


@pytest.mark.parametrize("suffix", ["SUCCEEDED", "COMPLETED"])
@pytest.mark.parametrize("fails", [False, True])
def test_lazy_node_waits_until_one_after_it_needs_it(tmp_path, suffix, fails):
    lazy = job(tmp_path, "Lazy", trigger_strategy=f"LAZILY_ALL_UPSTREAM_NODES_{suffix}")
    slow = [job(tmp_path, "A")]
    slow.append(job(tmp_path, "B", ALWAYS * fails, after=[slow[0]]))
    last = job(tmp_path, "Last", after=[lazy, slow[1]])
    ended, log = run(tmp_path / "root", lazy, *slow, last)
    if fails:
        assert log.started == ["A", "B"], "nobody needs the lazy node any more"
        assert ended.skipped == ("Lazy", "Last")
    else:
        assert log.started == ["A", "B", "Lazy", "Last"]


def test_lazy_nodes_that_wait_for_each_other_and_those_before_nothing_start(tmp_path):
    lazy = "LAZILY_ALL_UPSTREAM_NODES_SUCCEEDED"
    a, b = job(tmp_path, "A", trigger_strategy=lazy), job(tmp_path, "B", trigger_strategy=lazy)
    chain = job(tmp_path, "C", after=[a, b], trigger_strategy=lazy)
    end = job(tmp_path, "End", after=[chain], trigger_strategy=lazy)
    ended, _ = run(tmp_path / "root", a, b, chain, end)
    assert set(ended.values()) == {"complete"}
    assert len(ended) == 4


END = TriggerStrategy.LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS


@pytest.mark.parametrize("strategy", [END, SUCCEEDED])
@pytest.mark.parametrize(
    ("start_fails", "work_fails", "frees"), [(0, 0, True), (0, 1, True), (1, 0, False), (1, 1, False)]
)
def test_end_of_a_lifetime_runs_however_the_work_ended_if_its_start_succeeded(
    tmp_path, strategy, start_fails, work_fails, frees
):
    start = job(tmp_path, "Start", ALWAYS * start_fails)
    work = job(tmp_path, "Work", ALWAYS * work_fails, after=[start])
    more = job(tmp_path, "More", after=[work])
    end = job(tmp_path, "End", after=[more], trigger_strategy=strategy, lifetime_start="Start")
    ended, log = run(tmp_path / "root", start, work, more, end)
    assert ("End" in log.started) == frees
    assert log.started[-1] == ("End" if frees else "Start")
    assert isinstance(ended, PipelineFailedError) == bool(start_fails or work_fails)
    if not frees:
        assert "End" in ended.skipped


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trigger_strategy": "ALL_UPSTREAM_NODES_COMPLETE"}, "did you mean 'ALL_UPSTREAM_NODES_COMPLETED'"),
        ({"trigger_strategy": 3}, "expected a TriggerStrategy, received 3"),
        ({"trigger_strategy": None}, "expected a TriggerStrategy, received None"),
        ({"trigger_strategy": END}, "needs lifetime_start"),
        ({"success_optional": "yes"}, "expected True or False, received success_optional='yes'"),
        ({"reset_stateful_working_dir": 1}, "received reset_stateful_working_dir=1"),
        ({"max_execution_retries": -1}, "expected a whole number from 0, or None, received -1"),
        ({"max_execution_retries": 1.5}, "received 1.5"),
        ({"max_execution_retries": True}, "received True"),
        ({"execution_timeout_sec": -1}, "expected a number of seconds from 0, received execution_timeout_sec=-1"),
        ({"execution_timeout_sec": "60"}, "received execution_timeout_sec='60'"),
        ({"execution_timeout_sec": float("nan")}, "received execution_timeout_sec=nan"),
        ({"retry_backoff_sec": float("inf")}, "received retry_backoff_sec=inf"),
        ({"lifetime_start": 3}, "expected the id of a node, received 3"),
        ({"lifetime_start": "Jop"}, "lifetime_start: no other node 'Jop'.* did you mean 'Job'"),
        ({"lifetime_start": "Wrong"}, "lifetime_start: no other node 'Wrong'"),
    ],
)
def test_wrong_values_are_refused_at_wiring(options, message):
    node = Job().with_id("Wrong").with_node_execution_options(NodeExecutionOptions(**options))
    with pytest.raises(WiringError, match=message):
        Pipeline("p", "root", components=[Job(), node])


def test_other_wrong_options():
    latest = Resolver(strategy_class=LatestArtifactStrategy, model=Channel(type=Model))
    with pytest.raises(WiringError, match="expected it on components, received it on a Resolver"):
        Pipeline(
            "p",
            "root",
            components=[latest.with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=5))],
        )
    with pytest.raises(WiringError, match="expected NodeExecutionOptions, received {'success_optional': True}"):
        Pipeline("p", "root", components=[Job().with_node_execution_options({"success_optional": True})])


def test_options_are_tfx_defaults_and_copied():
    options = NodeExecutionOptions()
    node = Job().with_node_execution_options(options)
    options.success_optional = True
    assert not node.node_execution_options.success_optional
    assert (options.trigger_strategy, options.max_execution_retries) == (1, None)
    assert (options.execution_timeout_sec, options.reset_stateful_working_dir, options.lifetime_start) == (
        0,
        False,
        None,
    )
    numbers = {strategy.name: int(strategy) for strategy in TriggerStrategy}
    assert numbers == {  # tfx.proto.orchestration.pipeline_pb2.NodeExecutionOptions.TriggerStrategy.items()
        "TRIGGER_STRATEGY_UNSPECIFIED": 0,
        "ALL_UPSTREAM_NODES_SUCCEEDED": 1,
        "ALL_UPSTREAM_NODES_COMPLETED": 2,
        "LAZILY_ALL_UPSTREAM_NODES_SUCCEEDED": 5,
        "LAZILY_ALL_UPSTREAM_NODES_COMPLETED": 4,
        "LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS": 6,
    }


def test_retry_of_a_resolution_that_fails(tmp_path):
    class Many(Component):
        models = Outputs(Model)

        def run(self):
            self.models.make(2)

    many = Many()
    one = Job(before=many.outputs["models"]).with_id("One")
    one.with_node_execution_options(NodeExecutionOptions(max_execution_retries=1, retry_backoff_sec=0))
    ended, _ = run(tmp_path / "root", many, one)
    assert "expected one Model, received 2" in str(ended)
    assert [record.state.name for record in records(tmp_path / "root", "One")] == ["FAILED", "FAILED"]


def test_options_are_part_of_the_definition():
    options = NodeExecutionOptions("ALL_UPSTREAM_NODES_COMPLETED", max_execution_retries=3, execution_timeout_sec=60)
    plain, other = Job().with_id("Plain"), Job().with_id("Other").with_cache(False).with_node_execution_options(options)
    first, second = Pipeline("p", "root", components=[plain, other]).to_dict()["nodes"]
    assert {"enable_cache", "execution_options"}.isdisjoint(first)
    assert second["enable_cache"] is False
    assert second["execution_options"] == {
        "trigger_strategy": 2,
        "max_execution_retries": 3,
        "execution_timeout_sec": 60,
    }
