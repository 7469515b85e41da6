"""Every standard component keeps the same rules. A new component is entered in ``CASES`` below.

One small pipeline runs on real data (the penguins), with every component in it; each rule is then checked for each.
"""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import components
from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component
from mlops_tfx.errors import MlopsTfxError, PipelineFailedError, WiringError
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import Importer
from tests.conformance.penguin_pipeline import nodes

EXPORTED = [getattr(components, name) for name in components.__all__]


class Foreign(Artifact):
    """A type that no standard component takes."""


@dataclass(frozen=True)
class World:
    """The pipeline after its first run."""

    folder: Path
    pipeline: Pipeline
    outputs: Mapping[str, Mapping[str, Any]]

    def node(self, component: type[Component]) -> Component:
        found = next(node for node in self.pipeline if type(node) is component)
        assert isinstance(found, Component)
        return found

    def store(self) -> MetadataStore:
        return MetadataStore(self.pipeline.metadata_connection_config)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("conformance")
    pipeline = Pipeline("conformance", folder / "root", components=nodes(folder))
    result = LocalRunner(observer=Observer()).run(pipeline)
    return World(folder, pipeline, result.outputs)


@pytest.fixture(params=EXPORTED, ids=lambda component: component.__name__)
def component(request: pytest.FixtureRequest) -> type[Component]:
    found: type[Component] = request.param
    return found


def test_every_component_is_in_the_pipeline(world: World) -> None:
    assert {type(node) for node in world.pipeline} >= set(EXPORTED)


def test_class_is_documented(component: type[Component]) -> None:
    text = inspect.getdoc(component) or ""
    assert len(text) > 60
    for name in (*component.INPUTS, *component.PARAMETERS):
        assert name in text, f"the docstring does not mention {name}"


def test_parameters_have_tfx_s_names_first(component: type[Component]) -> None:
    assert component._FIELDS[: len(TFX_SIGNATURES[component.__name__])] == TFX_SIGNATURES[component.__name__]


# Names and order of the constructors' parameters in TFX 1.16 (those without a deprecated executor specification).
TFX_SIGNATURES = {
    "CsvExampleGen": ("input_base", "input_config", "output_config", "range_config"),
    "FileBasedExampleGen": (
        "input_base", "input_config", "output_config", "custom_config", "range_config", "output_data_format",
        "output_file_format", "custom_executor_spec",
    ),
    "AvroExampleGen": ("input_base", "input_config", "output_config"),  # TFX has an executor of that kind
    "JsonLinesExampleGen": ("input_base", "input_config", "output_config"),  # TFX has none
    "QueryBasedExampleGen": (
        "input_config", "output_config", "custom_config", "range_config", "output_data_format", "output_file_format",
        "custom_executor_spec",
    ),
    "BigQueryExampleGen": (
        "query", "input_config", "output_config", "range_config", "custom_executor_spec", "custom_config",
    ),
    "DataViewBinder": ("input_examples", "data_view"),
    "TfGraphDataViewProvider": ("create_decoder_func", "module_file"),
    "InfraValidator": ("model", "serving_spec", "examples", "request_spec", "validation_spec"),
    "ImportExampleGen": ("input_base", "input_config", "output_config", "range_config", "payload_format"),
    "StatisticsGen": ("examples", "schema", "stats_options", "exclude_splits"),
    "MergeStatistics": (),  # TFX has none
    "SchemaGen": ("statistics", "infer_feature_shape", "exclude_splits"),
    "ImportSchemaGen": ("schema_file",),
    "ExampleValidator": ("statistics", "schema", "exclude_splits"),
    "FeatureUsefulness": ("examples", "label"),
    "ExampleDiff": ("examples_test", "examples_base", "config", "include_split_pairs"),
    "DistributionValidator": (
        "statistics", "baseline_statistics", "config", "include_split_pairs", "custom_validation_config",
    ),
    "Transform": (
        "examples", "schema", "module_file", "preprocessing_fn", "splits_config", "analyzer_cache", "materialize",
        "disable_analyzer_cache", "force_tf_compat_v1", "custom_config", "disable_statistics",
        "stats_options_updater_fn",
    ),
    "Trainer": (
        "examples", "transformed_examples", "transform_graph", "schema", "base_model", "hyperparameters",
        "module_file", "run_fn", "train_args", "eval_args", "custom_config",
    ),
    "Tuner": (
        "examples", "schema", "transform_graph", "base_model", "module_file", "tuner_fn", "train_args", "eval_args",
        "tune_args", "custom_config",
    ),
    "BulkInferrer": ("examples", "model", "model_blessing", "data_spec", "model_spec", "output_example_spec"),
    "Evaluator": (
        "examples", "model", "baseline_model", "feature_slicing_spec", "fairness_indicator_thresholds",
        "example_splits", "eval_config", "schema", "module_file", "module_path",
    ),
    "SkewValidator": (),  # TFX has none
    "Pusher": ("model", "model_blessing", "infra_blessing", "push_destination", "custom_config"),
}  # fmt: skip


def test_wiring_errors_are_reported_together(component: type[Component], tmp_path: Path) -> None:
    wrong = dict.fromkeys(component.INPUTS, Channel(type=Foreign))
    made = component(**wrong, no_such_argument=1)
    with pytest.raises(WiringError) as caught:
        Pipeline("p", str(tmp_path), components=[made])
    problems = "\n".join(caught.value.problems)
    assert "unknown argument 'no_such_argument'" in problems
    for name, port in component.INPUTS.items():
        assert f"input {name!r}: expected artifacts of type {port.artifact_type.TYPE_NAME}" in problems
    required = [name for name, port in component.INPUTS.items() if not port.optional]
    missing = "\n".join(component().problems)
    assert all(f"input {name!r}" in missing for name in required)
    assert os.listdir(tmp_path) == [], "nothing runs, nothing is written"


def test_outputs_are_typed_published_and_digested(component: type[Component], world: World) -> None:
    node = world.node(component)
    outputs = world.outputs[node.id]
    assert set(outputs) == set(node.outputs)
    for key, (artifact,) in outputs.items():
        assert isinstance(artifact, component.OUTPUTS[key].artifact_type)
        assert artifact.id > 0
        maker = "CsvExampleGen/examples" if component is components.DataViewBinder else f"{node.id}/{key}"
        assert artifact.uri.startswith(str(world.folder / "root" / maker))
        assert os.path.exists(artifact.uri)
        assert len(str(artifact.custom_properties["content_digest"])) == 64


def test_bound_component_pickles(component: type[Component], world: World) -> None:
    copy = pickle.loads(pickle.dumps(world.node(component)))
    assert type(copy) is component
    assert set(copy.outputs) == set(world.node(component).outputs)


def test_second_run_is_cached(world: World) -> None:
    again = Pipeline("conformance", world.folder / "root", components=nodes(world.folder))
    result = LocalRunner(observer=Observer()).run(again)
    states = {report.node_id: report.state.value for report in result.reports}
    assert {states[world.node(component).id] for component in EXPORTED} == {"cached"}
    for component in EXPORTED:
        node_id = world.node(component).id
        for key, (artifact,) in result.outputs[node_id].items():
            assert artifact.id == world.outputs[node_id][key][0].id


def _broken(component: type[Component], world: World, empty: str) -> tuple[Component, list[Importer]]:
    """The component of the pipeline, with every input replaced by an artifact that has nothing in it."""
    importers: list[Importer] = []
    original = world.node(component)
    arguments: dict[str, Any] = dict(original.exec_properties)
    for key in original.inputs:
        given = _input_artifact(world, original, key)
        if given is None:
            continue  # an optional input that no earlier run could fill
        kept = {"properties": given.properties, "custom_properties": _without_digest(given.custom_properties)}
        importer = Importer(empty, type(given), **kept).with_id(f"import_{key}")
        importers.append(importer)
        arguments[key] = importer.outputs["result"]
    return component(**arguments), importers


def _without_digest(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key != "content_digest"}


def _input_artifact(world: World, node: Component, key: str) -> Artifact | None:
    with world.store() as store:
        records = store.executions(pipeline_name="conformance", node_id=node.id)
    return next((record.inputs[key][0] for record in records if record.inputs.get(key)), None)


def test_missing_payload_fails_clearly_and_leaves_nothing(
    component: type[Component], world: World, tmp_path: Path
) -> None:
    if not component.INPUTS:
        pytest.skip(f"{component.__name__} has no inputs; its own tests break its files")
    (tmp_path / "empty").mkdir()
    made, importers = _broken(component, world, str(tmp_path / "empty"))
    root = tmp_path / "root"
    with pytest.raises(PipelineFailedError) as caught:
        LocalRunner(observer=Observer()).run(Pipeline("broken", root, components=[*importers, made]))
    (failure,) = caught.value.failures
    assert failure.node_id == made.id
    assert isinstance(failure.__cause__, MlopsTfxError), f"an error of ours, not {failure.__cause__!r}"
    assert [key for key in made.outputs if (root / made.id / key).exists() and os.listdir(root / made.id / key)] == []
    with MetadataStore(Pipeline("broken", root, components=[]).metadata_connection_config) as store:
        failed = store.executions(pipeline_name="broken", node_id=made.id)
        assert [record.state for record in failed] == [ExecutionState.FAILED]
        assert str(failure.__cause__) in failed[0].error
