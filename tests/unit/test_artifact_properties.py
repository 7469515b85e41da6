"""Declared properties of every type, what the store keeps of them, and attributes that there are not."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.artifacts import Artifact, Examples, Model, Property, PropertyType, String
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ArtifactError
from mlops_tfx.metadata import MetadataStore, NodeIdentity
from mlops_tfx.protos.trainer_pb2 import TrainArgs
from mlops_tfx.system_types import Dataset, Metrics, SystemArtifact, Train


class Report(Artifact):
    TYPE_NAME = "tests.Report"
    TYPE_ANNOTATION = Metrics
    PROPERTIES: ClassVar = {
        "rows": Property(PropertyType.INT),
        "share": Property(PropertyType.FLOAT),
        "title": Property(PropertyType.STRING),
        "final": Property(PropertyType.BOOLEAN),
        "columns": Property(PropertyType.JSON_VALUE),
        "args": Property(PropertyType.PROTO),
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("store") / "metadata.sqlite"
    with MetadataStore(SqliteConnection(str(place))) as opened:
        yield opened


def stored(store: MetadataStore, artifact: Artifact) -> Artifact:
    node = NodeIdentity("p", f"run-{id(artifact)}", "Node", "tests.Node")
    store.publish(node, inputs={}, outputs={"x": [artifact]}, properties={})
    return store.artifacts_of_type(type(artifact))[0]


def test_unset_declared_properties_read_as_in_tfx():
    report = Report()
    values = (report.rows, report.share, report.title, report.final, report.columns, report.args)
    assert values == (0, 0.0, "", False, None, None)
    assert not report.has_property("rows")
    report.rows = 3
    assert report.has_property("rows")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rows", 1.5, "property 'rows' of tests.Report: expected INT, received rows=1.5"),
        ("rows", True, "expected INT, received rows=True"),
        ("share", "1", "expected FLOAT"),
        ("title", 1, "expected STRING"),
        ("final", 1, "expected BOOLEAN"),
        ("columns", {1, 2}, "expected JSON_VALUE"),
        ("args", {}, "expected PROTO"),
    ],
)
def test_values_of_other_types(name, value, expected):
    with pytest.raises(ArtifactError, match=expected):
        setattr(Report(), name, value)


def test_an_attribute_that_is_not_declared_cannot_be_set():
    with pytest.raises(AttributeError, match="Examples has no attribute 'spam'.*did you mean 'span'"):
        Examples().spam = 3
    with pytest.raises(AttributeError, match="has no attribute 'spam'"):
        _ = Examples().spam


def test_copy_from_takes_place_and_properties_and_shares_nothing():
    source = Report("/there", properties={"rows": 3}, custom_properties={"j": {"a": [1]}})
    copied = Report("/here", properties={"title": "old"}, custom_properties={"old": 1})
    copied.copy_from(source)
    assert (copied.uri, copied.properties, copied.custom_properties) == ("/there", {"rows": 3}, {"j": {"a": [1]}})
    source.custom_properties["j"]["a"].append(2)
    assert copied.custom_properties == {"j": {"a": [1]}}


@given(
    rows=st.integers(-(2**63), 2**63 - 1),
    final=st.booleans(),
    columns=st.dictionaries(
        st.text("abc", max_size=3), st.lists(st.none() | st.booleans() | st.text("xyz")), max_size=3
    ),
    steps=st.integers(0, 2**31 - 1),
)
def test_the_store_gives_back_what_it_was_given(store, rows, final, columns, steps):
    report = Report("/r", properties={"rows": rows, "final": final, "args": TrainArgs(num_steps=steps)})
    report.columns = columns
    report.set_json_value_custom_property("list", [columns])
    report.set_proto_custom_property("args", TrainArgs(num_steps=steps))
    report.set_bool_custom_property("final", final)
    found = stored(store, report)
    assert (found.rows, found.final, found.args, found.columns) == (rows, final, TrainArgs(num_steps=steps), columns)
    custom = {name: found.custom_properties[name] for name in ("list", "args", "final")}
    assert custom == {"list": [columns], "args": TrainArgs(num_steps=steps), "final": final}


def test_value_artifacts_with_a_base_type():
    assert String.annotate_as() is String
    annotated = String.annotate_as(Dataset)
    assert (annotated.__name__, annotated.TYPE_NAME, annotated.BASE_TYPE) == (
        "String_Dataset",
        "String_Dataset",
        "Dataset",
    )
    assert issubclass(annotated, String)
    for wrong in (Train, "Dataset", Model):
        with pytest.raises(TypeError, match="expected a class of standard_annotations"):
            String.annotate_as(wrong)


def test_annotations_of_users():
    class Own(SystemArtifact):
        MLMD_SYSTEM_BASE_TYPE = 1

    assert type("A", (Artifact,), {"TYPE_ANNOTATION": Own}).BASE_TYPE == "Dataset"
    assert type("B", (Artifact,), {"TYPE_ANNOTATION": SystemArtifact}).BASE_TYPE is None
    with pytest.raises(TypeError, match="expected a class of standard_annotations, such as Dataset or Train"):
        type("C", (Artifact,), {"TYPE_ANNOTATION": int})
