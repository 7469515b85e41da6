"""What an Artifact has because TFX's has it; defaults and kinds are those of ``tfx.types.artifact`` (TFX 1.16)."""

from __future__ import annotations

import sqlite3

import pytest
from google.protobuf import wrappers_pb2

from mlops_tfx.artifacts import Artifact, Examples, Model, Property, PropertyType, String
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ArtifactError
from mlops_tfx.metadata import MetadataStore, NodeIdentity
from mlops_tfx.system_types import Dataset
from mlops_tfx.system_types import Model as ModelType

KINDS = {
    "string": "text", "int": 3, "float": 0.5, "bool": True, "json_value": {"a": [1.0, None]},
    "proto": wrappers_pb2.Int64Value(value=7),
}  # fmt: skip


class Measured(Artifact):
    TYPE_NAME = "Measured"
    TYPE_ANNOTATION = Dataset
    PROPERTIES = {
        "good": Property(type=PropertyType.BOOLEAN),
        "table": Property(type=PropertyType.JSON_VALUE),
        "message": Property(type=PropertyType.PROTO),
        "span": Property(type=PropertyType.INT),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_custom_properties_of_every_kind(kind):
    artifact = Examples()
    getattr(artifact, f"set_{kind}_custom_property")("key", KINDS[kind])
    assert getattr(artifact, f"get_{kind}_custom_property")("key") == KINDS[kind]
    assert artifact.get_custom_property("key") == KINDS[kind]
    assert artifact.has_custom_property("key")


def test_a_custom_property_that_is_not_there_has_the_empty_value_of_its_kind():
    artifact = Examples()
    found = {kind: getattr(artifact, f"get_{kind}_custom_property")("key") for kind in KINDS}
    assert found == {"string": "", "int": 0, "float": 0.0, "bool": False, "json_value": None, "proto": None}
    assert artifact.get_custom_property("key") is None
    assert not artifact.has_custom_property("key")
    with pytest.raises(TypeError, match="not JSON serializable"):
        artifact.set_json_value_custom_property("key", object())


def test_declared_properties_of_every_kind():
    artifact = Measured()
    assert (artifact.good, artifact.table, artifact.message, artifact.span) == (False, None, None, 0)
    artifact.good, artifact.table, artifact.message = True, [1, "a"], KINDS["proto"]
    assert (artifact.good, artifact.table, artifact.message.value) == (True, [1, "a"], 7)
    assert artifact.has_property("good")
    assert not artifact.has_property("span")
    for name, value in (("span", True), ("good", 1), ("table", object())):
        with pytest.raises(ArtifactError, match=f"property '{name}' of Measured: expected"):
            setattr(artifact, name, value)
    with pytest.raises(ArtifactError, match="no declared property 'spam'"):
        artifact.set_property("spam", 1)


def test_all_of_them_come_back_from_the_store(tmp_path):
    artifact = Measured(str(tmp_path / "payload"))
    artifact.good, artifact.table, artifact.message, artifact.span = True, [1.0, "a"], KINDS["proto"], 4
    for kind, value in KINDS.items():
        getattr(artifact, f"set_{kind}_custom_property")(kind, value)
    path = str(tmp_path / "store.sqlite")
    with MetadataStore(SqliteConnection(filename_uri=path)) as store:
        node = NodeIdentity("p", "r", "n", "N", None)
        execution = store.begin(node, inputs={}, properties={}, cache_key=None)
        store.finish(execution, node, {"out": [artifact]}, {})
        (found,) = store.latest(Measured, pipeline_name="p")
    assert found.good is True
    assert (found.table, found.message, found.span) == ([1.0, "a"], KINDS["proto"], 4)
    assert {kind: found.get_custom_property(kind) for kind in KINDS} == KINDS
    with sqlite3.connect(path) as rows:
        query = (
            "select base.name from ParentType p join Type t on t.id = p.type_id "
            "join Type base on base.id = p.parent_type_id where t.name = 'Measured'"
        )
        assert rows.execute(query).fetchall() == [("mlmd.Dataset",)]


def test_system_properties():
    artifact = Model("/somewhere", id=5)
    assert (artifact.name, artifact.pipeline_name, artifact.producer_component) == ("", "", "")
    assert (artifact.is_external, artifact.external_id, artifact.type_id) == (False, "", 0)
    artifact.name, artifact.pipeline_name, artifact.producer_component, artifact.is_external = "a", "b", "c", True
    assert artifact.custom_properties == {
        "name": "a",
        "pipeline_name": "b",
        "producer_component": "c",
        "is_external": 1,
    }
    assert artifact.is_external
    assert (artifact.type, artifact.type_name, artifact.artifact_type.name) == (Model, "Model", "Model")


def test_the_message_of_ml_metadata_is_a_view():
    artifact = Examples("/somewhere", id=5)
    message = artifact.mlmd_artifact
    message.custom_properties["span"].int_value = 3
    message.custom_properties["note"].string_value = "a"
    message.properties["split_names"].string_value = '["a"]'
    message.uri = "/elsewhere"
    assert (artifact.custom_properties, artifact.splits, artifact.uri) == (
        {"span": 3, "note": "a"},
        ["a"],
        "/elsewhere",
    )
    assert (message.id, message.uri, message.name, message.type) == (5, "/elsewhere", "", "Examples")
    value = message.custom_properties["span"]
    assert (value.HasField("int_value"), value.HasField("string_value"), value.string_value) == (True, False, "")
    assert value.WhichOneof("value") == "int_value"
    assert "gone" not in message.custom_properties
    assert message.custom_properties["gone"].int_value == 0
    assert dict(message.custom_properties).keys() == {"span", "note"}
    message.custom_properties["copy"] = value
    del message.custom_properties["note"]
    assert artifact.custom_properties == {"span": 3, "copy": 3}
    with pytest.raises(AttributeError, match="no field 'integer_value'"):
        _ = value.integer_value
    with pytest.raises(AttributeError, match="no field 'integer_value'"):
        value.integer_value = 3


def test_copies():
    source = Examples("/somewhere", custom_properties={"span": 3})
    source.splits = ["a"]
    made = Examples("/elsewhere", custom_properties={"other": 1})
    made.copy_from(source)
    assert (made.uri, made.splits, made.custom_properties) == ("/somewhere", ["a"], {"span": 3})
    made.custom_properties["span"] = 4
    assert source.custom_properties == {"span": 3}
    with pytest.raises(ArtifactError, match="expected an artifact of type Examples"):
        made.copy_from(Model())


def test_value_artifacts_with_a_system_type(tmp_path):
    made = String.annotate_as(ModelType)
    assert (made.TYPE_NAME, made.BASE_TYPE, String.annotate_as()) == ("String_Model", "Model", String)
    artifact = made(str(tmp_path / "value"))
    artifact.value = "a"
    assert artifact.read() == "a"
    with pytest.raises(TypeError, match="expected a class of standard_annotations"):
        String.annotate_as(int)
