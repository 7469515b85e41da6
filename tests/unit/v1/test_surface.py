"""Every name of ``tfx.v1`` is here, with TFX's parameters in TFX's order, and TFX's defaults.

The table is what TFX 1.16 itself offers (``tests/golden/tfx_surface/make.py``). What differs is listed here with its
reason, and a listed difference that is none any more fails.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, json_format

from mlops_tfx import artifacts, channel
from mlops_tfx.components import SchemaGen, Trainer
from mlops_tfx.v1.dsl import Pipeline
from tests.golden.tfx_surface.describe import describe, methods

TABLE = json.loads((Path(__file__).parents[2] / "golden" / "tfx_surface.json").read_text(encoding="utf-8"))

REQUIRED = "TFX starts without it and fails when the node runs; here it is asked for when the pipeline is made"
NO_NONE = "TFX's default is None, which it refuses when the component is made"
OPTIONAL = "may be left out here"
BY_PLACE = "an artifact is made by its place; TFX's argument is for TFX itself, which refuses it for every subclass"

# What is different on purpose, or not there yet: name -> {what: why}.
DIFFERENT: dict[str, dict[str, str]] = {
    "tfx.v1.components.BulkInferrer": {"default of model": REQUIRED},
    "tfx.v1.components.CsvExampleGen": {"default of input_base": NO_NONE},
    "tfx.v1.components.ImportExampleGen": {"default of input_base": NO_NONE},
    "tfx.v1.components.ExampleDiff": {"default of config": OPTIONAL},
    "tfx.v1.components.InfraValidator": {"default of serving_spec": OPTIONAL},
    "tfx.v1.components.DataAccessor": {"default of data_view_decode_fn": OPTIONAL},
    "tfx.v1.dsl.components.AsyncOutputArtifact": {"kind": "subscripted, as TFX's is"},
    "tfx.v1.extensions.google_cloud_ai_platform.BulkInferrer": {"default of model": REQUIRED},
    "tfx.v1.types.BaseFunctionalComponent": {"parameters": "each has those of its function; the base is not called"},
    "tfx.v1.types.BaseNode": {"parameters": "a base class that is not called; a node of one's own is a component here"},
}
for name in (*TABLE["artifacts"], "Artifact"):
    place = "tfx.v1.dsl" if name == "Artifact" else "tfx.v1.types.standard_artifacts"
    DIFFERENT[f"{place}.{name}"] = {"parameters": BY_PLACE}

# Names that TFX lists in __all__ and does not have (without kfp, the Kubeflow ones).
LISTED_ONLY = {
    "tfx.v1.orchestration.experimental.KubeflowV2DagRunner": "is not offered: pipelines are not compiled",
    "tfx.v1.orchestration.experimental.KubeflowV2DagRunnerConfig": "is not offered: pipelines are not compiled",
    "tfx.v1.orchestration.experimental.get_default_kubeflow_metadata_config": "is not offered: TFX lists it",
    "tfx.v1.proto.Filesystem": None,  # it is here
}

ENTRIES = {
    f"{module}.{name}": entry
    for module, names in TABLE["modules"].items()
    for name, entry in names.items()
    if entry["kind"] != "listed only"
}


def ours(module: str) -> Any:
    return importlib.import_module(module.replace("tfx.v1", "mlops_tfx.v1", 1))


def found_differences(full_name: str, theirs: dict[str, Any]) -> dict[str, str]:
    module, _, name = full_name.rpartition(".")
    if not hasattr(ours(module), name):
        return {"missing": full_name}
    here = describe(getattr(ours(module), name))
    if here["kind"] != theirs["kind"]:
        return {"kind": f"{here['kind']} instead of {theirs['kind']}"}
    if "parameters" in theirs:
        return parameter_differences(theirs["parameters"], here["parameters"])
    return {} if here == theirs else {"value": f"{here} instead of {theirs}"}


def parameter_differences(theirs: list[dict[str, Any]], here: list[dict[str, Any]]) -> dict[str, str]:
    names = [parameter["name"] for parameter in theirs]
    if [parameter["name"] for parameter in here][: len(theirs)] != names:
        return {"parameters": f"{[parameter['name'] for parameter in here]} instead of {names}"}
    differing = {}
    for their, our in zip(theirs, here, strict=False):
        if their.get("default", "none") != our.get("default", "none"):
            differing[f"default of {their['name']}"] = f"{our} instead of {their}"
        if their["kind"] != our["kind"] and (their["kind"], our["kind"]) != ("keyword only", "any"):
            differing[f"kind of {their['name']}"] = f"{our} instead of {their}"
    for extra in here[len(theirs) :]:
        if "default" not in extra and extra["kind"] not in ("*", "**"):
            differing[f"required {extra['name']}"] = "TFX does not have it"
    return differing


@pytest.mark.parametrize("full_name", ENTRIES)
def test_every_name_is_called_as_in_tfx(full_name):
    found = found_differences(full_name, ENTRIES[full_name])
    assert found.keys() == DIFFERENT.get(full_name, {}).keys(), found


def test_every_listed_difference_is_about_a_name_of_tfx():
    assert set(DIFFERENT) <= set(ENTRIES)
    assert all(reason for differences in DIFFERENT.values() for reason in differences.values())


@pytest.mark.parametrize("full_name", LISTED_ONLY)
def test_names_that_tfx_lists_and_does_not_have(full_name):
    module, _, name = full_name.rpartition(".")
    assert TABLE["modules"][module][name] == {"kind": "listed only"}
    if LISTED_ONLY[full_name] is None:
        assert hasattr(ours(module), name)
    else:
        with pytest.raises(AttributeError, match=LISTED_ONLY[full_name]):
            getattr(ours(module), name)


def test_no_listed_name_is_passed_over():
    everything = {f"{module}.{name}" for module, names in TABLE["modules"].items() for name in names}
    assert everything - set(ENTRIES) == set(LISTED_ONLY)


def test_trainer_takes_statistics_by_keyword_as_later_releases_do():
    trainer = Trainer(statistics=channel.Channel(artifacts.ExampleStatistics), run_fn="m.f")
    assert trainer.inputs["statistics"].type is artifacts.ExampleStatistics


@pytest.mark.parametrize("module", TABLE["modules"])
def test_star_imports_give_what_is_listed(module):
    # Several of TFX's own fail: they list names that are not there.
    here = ours(module)
    namespace: dict[str, Any] = {}
    exec(f"from {here.__name__} import *", namespace)
    assert set(here.__all__) <= set(namespace)
    assert here.__all__ == sorted(here.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert set(here.__all__) <= set(dir(here))
    missing = {name for name in TABLE["modules"][module] if f"{module}.{name}" in ENTRIES} - set(here.__all__)
    assert missing == {name for name in missing if "missing" in DIFFERENT.get(f"{module}.{name}", {})}


@pytest.mark.parametrize("file", TABLE["files"])
def test_messages_are_equal_to_those_of_tfx(file):
    module = importlib.import_module(f"mlops_tfx.protos.{file.rpartition('.')[2]}_pb2")
    found = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(found)
    assert json_format.MessageToDict(found, preserving_proto_field_name=True) == TABLE["files"][file]


@pytest.mark.parametrize("name", TABLE["artifacts"])
def test_artifact_types_are_stored_as_those_of_tfx(name):
    cls = getattr(ours("tfx.v1.types.standard_artifacts"), name)
    found = {property_name: declared.type.name for property_name, declared in cls.PROPERTIES.items()}
    assert {"type_name": cls.TYPE_NAME, "base_type": cls.BASE_TYPE, "properties": found} == TABLE["artifacts"][name]


def samples() -> dict[str, Any]:
    """Objects, for attributes that are set when one is made."""
    statistics = channel.Channel(artifacts.ExampleStatistics)
    node = SchemaGen(statistics=statistics)
    pipeline = Pipeline("p", "/nowhere", components=[SchemaGen(statistics=statistics)])
    return {
        "tfx.v1.dsl.Artifact": artifacts.Examples(),
        "tfx.v1.types.BaseChannel": node.outputs["schema"],
        "tfx.v1.types.BaseNode": node,
        "tfx.v1.types.BaseComponent": node,
        "tfx.v1.dsl.Pipeline": pipeline,
    }


METHODS_DIFFERENT: dict[str, dict[str, str]] = {
    "tfx.v1.types.BaseNode": {
        "downstream_nodes": "a pipeline knows them: pipeline.downstream_of(node_id)",
        "upstream_nodes": "is called: upstream_nodes()",
    },
}


@pytest.mark.parametrize("full_name", TABLE["methods"])
def test_methods_are_called_as_in_tfx(full_name):
    module, _, name = full_name.rpartition(".")
    cls, sample = getattr(ours(module), name), samples().get(full_name)
    differing: dict[str, str] = {}
    for method, theirs in TABLE["methods"][full_name].items():
        here = methods(cls, [method])[method]
        if here is None and hasattr(sample, method):
            here = "property"
        if here is None:
            differing[method] = "missing"
        elif isinstance(here, list) and isinstance(theirs, list):
            found = parameter_differences(theirs, here)
            differing.update({method: str(found)} if found else {})
        elif theirs is not None and here != theirs:
            differing[method] = f"{here} instead of {theirs}"
    assert differing.keys() == METHODS_DIFFERENT.get(full_name, {}).keys(), differing
