"""Artifact types: TFX's names and properties, typed property access, value files."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import artifacts
from mlops_tfx.artifacts import (
    STANDARD_TYPES,
    Artifact,
    Boolean,
    Bytes,
    Examples,
    Float,
    Integer,
    JsonValue,
    Property,
    PropertyType,
    String,
)
from mlops_tfx.errors import ArtifactError

# tfx.types.standard_artifacts of TFX 1.16: name -> (base type, declared properties)
TFX_TYPES = {
    "Boolean": (None, set()),
    "Bytes": (None, set()),
    "ExampleAnomalies": (None, {"span", "split_names"}),
    "ExampleStatistics": ("Statistics", {"span", "split_names"}),
    "Examples": ("Dataset", {"span", "version", "split_names"}),
    "Float": (None, set()),
    "HyperParameters": (None, set()),
    "InferenceResult": (None, set()),
    "InfraBlessing": (None, set()),
    "Integer": (None, set()),
    "JsonValue": (None, set()),
    "Model": ("Model", set()),
    "ModelBlessing": (None, set()),
    "ModelEvaluation": (None, set()),
    "ModelRun": (None, set()),
    "PushedModel": ("Model", set()),
    "Schema": (None, set()),
    "String": (None, set()),
    "TransformCache": (None, set()),
    "TransformGraph": (None, set()),
    "TunerResults": (None, set()),
}


def test_standard_types_are_those_of_tfx():
    found = {t.TYPE_NAME: (t.BASE_TYPE, set(t.PROPERTIES)) for t in STANDARD_TYPES}
    assert found == TFX_TYPES


def test_declared_properties_read_and_write_as_attributes():
    examples = Examples("/data")
    assert (examples.span, examples.version, examples.splits) == (0, 0, [])
    examples.span = 3
    examples.splits = ["train", "eval"]
    assert examples.properties == {"span": 3, "split_names": '["train", "eval"]'}
    assert examples.path("eval") == "/data/Split-eval"


def test_unknown_split_names_the_near_one():
    examples = Examples("/data")
    examples.splits = ["train", "eval"]
    with pytest.raises(ArtifactError, match="has no split 'tran'; did you mean 'train'"):
        examples.path("tran")


@pytest.mark.parametrize("value", ["3", 3.0, True, None])
def test_property_of_another_type(value):
    with pytest.raises(ArtifactError, match="property 'span' of Examples: expected INT"):
        Examples("/data").span = value


def test_undeclared_property():
    with pytest.raises(ArtifactError, match="no declared property 'spam'; did you mean 'span'"):
        Examples("/data", properties={"spam": 1})
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = Examples("/data").nothing


def test_own_type_gets_its_class_name():
    class Report(Artifact):
        PROPERTIES = {"score": Property(PropertyType.FLOAT)}  # declared once, as in TFX

    report = Report("/r", properties={"score": 0.5})
    assert Report.TYPE_NAME == "Report"
    assert report.score == 0.5


def test_artifact_pickles():
    examples = Examples("/data", id=4, properties={"span": 2}, custom_properties={"a": 1})
    copy = pickle.loads(pickle.dumps(examples))
    assert (copy.uri, copy.id, copy.span, copy.custom_properties) == ("/data", 4, 2, {"a": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
# Lone surrogates are no Unicode text: UTF-8 cannot express them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("artifact_type", "values"),
    [
        (Integer, st.integers()),
        (Float, st.floats(allow_nan=False)),
        (String, TEXT),
        (Boolean, st.booleans()),
        (Bytes, st.binary()),
        (JsonValue, JSON),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_value_survives_the_file(artifact_type, values, tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("value") / "value")

    @given(values)
    def check(value):
        artifact_type(uri).value = value
        read = artifact_type(uri, custom_properties={"__is_null__": int(value is None)}).value
        assert read == value
        assert type(read) is type(value)

    check()


def test_float_file_is_tfx_text(tmp_path):
    for value, text in ((math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"), (0.1, "0.1")):
        artifact = Float(str(tmp_path / "value"))
        artifact.value = value
        assert (tmp_path / "value").read_text() == text
        read = Float(artifact.uri).value
        assert read == value or (math.isnan(read) and math.isnan(value))


def test_none_is_an_empty_file_and_a_mark(tmp_path):
    artifact = Integer(str(tmp_path / "value"))
    artifact.value = None
    assert (tmp_path / "value").read_bytes() == b""
    assert artifact.custom_properties["__is_null__"] == 1
    assert Integer(artifact.uri, custom_properties={"__is_null__": 1}).value is None


@pytest.mark.parametrize(
    ("artifact_type", "value"),
    [(Integer, "1"), (Integer, True), (Float, "x"), (String, b"x"), (Boolean, 1), (Bytes, "x"), (JsonValue, {1, 2})],
)
def test_value_of_another_type_is_refused(artifact_type, value, tmp_path):
    with pytest.raises(ArtifactError, match=f"{artifact_type.TYPE_NAME}: expected"):
        artifact_type(str(tmp_path / "value")).value = value
    assert not (tmp_path / "value").exists(), "nothing is written"


@pytest.mark.parametrize(("artifact_type", "data"), [(Integer, b"x"), (Boolean, b"yes"), (JsonValue, b"{")])
def test_file_that_cannot_be_decoded(artifact_type, data, tmp_path):
    (tmp_path / "value").write_bytes(data)
    with pytest.raises(ArtifactError, match="cannot be decoded"):
        _ = artifact_type(str(tmp_path / "value")).value


def test_every_type_is_documented():
    assert all(getattr(artifacts, t.__name__).__doc__ for t in STANDARD_TYPES)
