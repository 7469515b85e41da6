"""What is broken in TFX's DSL and local runner, row by row, and the test that shows the right behaviour here.

Each row: what TFX 1.16 does, and the tests. Most of them stand where their subject is tested; those at the end of this
file had no such place.
"""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx import v1 as tfx
from mlops_tfx.artifacts import Integer
from mlops_tfx.component import Component, Output
from mlops_tfx.execution import Observer
from mlops_tfx.execution.loading import load_pipeline
from mlops_tfx.function_component import component
from mlops_tfx.notebook import InteractiveContext
from mlops_tfx.placeholders import RuntimeParameter

HERE = "tests/conformance/test_tfx_defects.py"
UNIT = "tests/unit"
LOOPS, CONDITIONS = f"{UNIT}/control_flow/test_for_each.py", f"{UNIT}/control_flow/test_cond.py"
RUNNER, OPTIONS = f"{UNIT}/execution/test_runner.py", f"{UNIT}/execution/test_node_options.py"
WITHIN, FAILURES = f"{UNIT}/control_flow/test_pipelines_within.py", f"{UNIT}/execution/test_failures.py"
USER_CODE, PARAMETERS = f"{UNIT}/execution/test_user_code.py", f"{UNIT}/control_flow/test_run_parameters.py"

DEFECTS: dict[str, list[str]] = {
    "a function component must be at module level": [
        f"{HERE}::test_function_components_within_functions_and_with_private_names",
    ],
    "what a container writes is lost, as nothing is mounted": [
        f"{UNIT}/compat/test_containers.py::test_docker_gets_mounts_user_and_command",
        f"{UNIT}/compat/test_containers.py::test_as_a_process_a_command_reads_and_writes_staged_paths",
    ],
    "a skipped node leaves no trace": [
        f"{UNIT}/control_flow/test_conditional_runs.py::test_what_the_store_says_of_a_skipped_node_on_the_command_line",
        f"{UNIT}/resolvers/test_skipped_nodes.py::test_a_skipped_node_connects_nothing",
    ],
    "a node outside of a false condition fails for want of its input": [
        f"{CONDITIONS}::test_consumer_of_a_skipped_node_is_skipped_unless_its_input_is_optional",
        f"{CONDITIONS}::test_conditions_and_parameters_that_need_a_skipped_node_skip",
    ],
    "a loop fails from two elements on, and run() returns normally": [
        f"{LOOPS}::test_more_than_one_element_is_no_failure_unlike_tfx_and_a_failure_ends_the_run",
        f"{LOOPS}::test_every_node_of_the_block_runs_once_per_element_and_outside_is_the_list",
    ],
    "a dynamic parameter fails if its channel is an input as well": [
        f"{CONDITIONS}::test_dynamic_parameter_also_when_the_channel_is_an_input",
    ],
    "runtime parameters cannot be given a value, and fail without a default": [
        f"{PARAMETERS}::test_values_reach_parameters_in_their_types",
        f"{PARAMETERS}::test_everything_wrong_is_listed_before_anything_runs",
    ],
    "InteractiveContext rejects runtime parameters": [f"{HERE}::test_runtime_parameters_in_a_notebook"],
    "four placeholders are public": [
        f"{UNIT}/control_flow/test_containers.py::test_every_kind_of_placeholder_in_a_command",
    ],
    "a resolver that finds nothing in the first run fails, silently": [
        f"{UNIT}/components/transform/test_spans.py::test_a_missing_cache_is_no_obstacle",
        f"{UNIT}/resolvers/test_selection.py::test_a_run_says_which_resolver_chose_nothing",
        f"{UNIT}/resolvers/test_functions.py::test_too_few_fail_the_node",
    ],
    "Importer does not look at what it imports": [f"{RUNNER}::test_importer_registers_once_and_sees_changed_content"],
    "exit handlers run on Vertex only": [
        f"{FAILURES}::test_success_is_told_to_the_exit_handler",
        f"{UNIT}/v1/test_running.py::test_an_exit_handler",
    ],
    "a pipeline within a pipeline is an AssertionError": [
        f"{WITHIN}::test_inputs_and_outputs_pass_through",
        f"{UNIT}/v1/test_running.py::test_a_pipeline_within_a_pipeline",
    ],
    "a partial run of such a pipeline is refused": [
        f"{UNIT}/control_flow/test_partial_loops.py::test_from_a_node_of_a_pipeline_within",
    ],
    "no node has a cache setting of its own": [
        f"{RUNNER}::test_cache_can_be_switched_off_for_all_or_one",
        f"{WITHIN}::test_it_has_a_cache_setting_of_its_own",
    ],
    "an edited function component is cached": [f"{HERE}::test_an_edited_function_component_runs_again"],
    "an edited run_fn or preprocessing_fn, given by its path, is cached": [
        f"{USER_CODE}::test_digest_of_a_dotted_path_and_of_a_function_object",
        f"{USER_CODE}::test_digest_covers_every_project_module_and_nothing_is_imported",
    ],
    "an edited schema file under the same name is cached": [
        f"{UNIT}/components/test_import_schema_gen.py::test_the_cache_goes_by_content",
    ],
    "another version of a library is cached": [f"{HERE}::test_another_version_of_a_library_runs_again"],
    "the same content registered anew is not cached": [
        f"{RUNNER}::test_same_content_from_another_place_is_a_cache_hit_downstream",
    ],
    "other Beam flags are not cached": [f"{HERE}::test_other_beam_flags_are_no_other_result"],
    "a cached Pusher does not look whether its push is there": [f"{RUNNER}::test_effect_that_is_gone_is_done_again"],
    "retries are ignored": [f"{OPTIONS}::test_a_node_is_tried_as_often_as_its_options_say"],
    "time limits are ignored": [f"{UNIT}/execution/test_timeouts.py::test_node_that_hangs_is_killed"],
    "trigger strategies are ignored": [f"{OPTIONS}::test_trigger_strategy_after_success_and_failure"],
    "success_optional is ignored": [f"{OPTIONS}::test_failed_node_whose_success_is_optional_passes_no_output_on"],
    "lifetime_start is ignored": [
        f"{OPTIONS}::test_end_of_a_lifetime_runs_however_the_work_ended_if_its_start_succeeded",
    ],
    "reset_stateful_working_dir is ignored": [
        f"{UNIT}/execution/test_timeouts.py::test_retry_finds_the_checkpoint_unless_reset",
    ],
    "any Beam flag makes every executor pack TFX itself for the workers": [
        f"{UNIT}/compat/test_class_component.py::test_beam_executors_run_whatever_their_spec_and_get_all_flags",
    ],
    "a Beam executor with a plain spec is refused": [
        f"{UNIT}/compat/test_class_component.py::test_beam_executors_run_whatever_their_spec_and_get_all_flags",
    ],
    "settings for clusters are taken and ignored": [
        f"{UNIT}/v1/test_running.py::test_what_there_is_not_on_one_machine_is_refused",
    ],
    "run() returns normally after failures in resolution, parameters and loops": [
        f"{FAILURES}::test_failure",
        f"{LOOPS}::test_elements_that_cannot_be_had_are_a_failure_in_the_store_and_on_the_screen",
        f"{CONDITIONS}::test_condition_that_cannot_be_decided_fails_the_node_and_the_run",
        f"{PARAMETERS}::test_parameter_without_a_value_at_run_time_fails_the_node",
    ],
    "nodes after a failed one run, and fail": [f"{RUNNER}::test_failure_stops_what_depends_on_it_and_nothing_else"],
    "a failed execution has no text": [
        f"{FAILURES}::test_failure",
        f"{FAILURES}::test_a_lost_store_is_told_by_the_next_run",
    ],
    "nodes run one after the other": [f"{RUNNER}::test_independent_nodes_run_at_the_same_time"],
    "a failed run cannot be resumed": [
        f"{UNIT}/execution/test_partial_runs.py::test_what_a_failed_run_says_works_when_it_is_pasted",
        f"{UNIT}/compat/test_script.py::test_a_failure_says_how_to_resume_and_that_command_does",
    ],
    "InteractiveContext writes a store that the runner does not read": [
        f"{UNIT}/notebook/test_context.py::test_the_store_is_that_of_local_runner",
    ],
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_has_its_tests(defect: str) -> None:
    assert DEFECTS[defect]
    for test in DEFECTS[defect]:
        path, _, name = test.partition("::")
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        assert len(found) == 1, f"{path} has no {name}"
        marks = [ast.unparse(decorator) for decorator in found[0].decorator_list]
        assert not any(mark.startswith(("pytest.mark.skip", "pytest.mark.xfail", "pytest.mark.slow")) for mark in marks)
        assert any(isinstance(node, ast.Assert) or "raises" in ast.unparse(node) for node in ast.walk(found[0]))


# Those that have no other place


def run(root: Path, *nodes: Any, **settings: Any) -> dict[str, str]:
    pipeline = Pipeline("defects", root, components=list(nodes), **settings)
    return {report.node_id: report.state.value for report in LocalRunner(observer=Observer()).run(pipeline).reports}


def test_function_components_within_functions_and_with_private_names(tmp_path: Path) -> None:
    factor = 3

    @component
    def _Times(value: tfx.dsl.components.Parameter[int]) -> tfx.dsl.components.OutputDict(product=int):  # type: ignore[valid-type]
        return {"product": factor * value}

    assert run(tmp_path, _Times(value=2)) == {"_Times": "complete"}
    assert next(tmp_path.glob("_Times/product/*/value")).read_text() == "6"


_FUNCTION = """
from mlops_tfx import Pipeline
from mlops_tfx import v1 as tfx


@tfx.dsl.components.component
def Count(start: tfx.dsl.components.Parameter[int]) -> tfx.dsl.components.OutputDict(number=int):
    return {{"number": start + {step}}}


pipeline = Pipeline("defects", {root!r}, components=[Count(start=1)])
"""


def test_an_edited_function_component_runs_again(tmp_path: Path) -> None:
    file, ended = tmp_path / "counting.py", []
    for step in (1, 1, 2):
        file.write_text(_FUNCTION.format(step=step, root=str(tmp_path / "root")))
        result = LocalRunner(observer=Observer()).run(load_pipeline(str(file)))
        (number,) = result.outputs["Count"]["number"]
        assert isinstance(number, Integer)
        ended.append((result.reports[0].state.value, number.value))
    assert ended == [("complete", 2), ("cached", 2), ("complete", 3)]


class Number(Component):
    """Writes a number."""

    number = Output(Integer)
    value: int = 0

    def run(self) -> None:
        self.number.value = self.value


def test_another_version_of_a_library_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [run(tmp_path, Number())["Number"] for _ in range(2)]
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "tensorflow" else version(name))
    assert [*states, run(tmp_path, Number())["Number"]] == ["complete", "cached", "complete"]


def test_other_beam_flags_are_no_other_result(tmp_path: Path) -> None:
    flags: list[list[str]] = [[], ["--direct_num_workers=2"]]
    assert [run(tmp_path, Number(), beam_pipeline_args=given)["Number"] for given in flags] == ["complete", "cached"]


def test_runtime_parameters_in_a_notebook(tmp_path: Path) -> None:
    context = InteractiveContext("defects", tmp_path, observer=Observer())
    number = Number(value=RuntimeParameter("value", int, 7))
    for parameters, expected in (({}, 7), ({"value": 8}, 8)):
        assert context.run(number, parameters=parameters).state == "complete"
        (artifact,) = number.outputs["number"].get()
        assert artifact.value == expected
