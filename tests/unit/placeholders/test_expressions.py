"""Every form of placeholder, resolved with what a node would know."""

from __future__ import annotations

import base64
import copy
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import placeholders as ph
from mlops_tfx.artifacts import Examples, Float, Integer, JsonValue, Model, String
from mlops_tfx.channel import Channel, union
from mlops_tfx.config import EvalArgs, TrainArgs
from mlops_tfx.errors import ConfigError, PlaceholderError, ResolutionError
from mlops_tfx.parameters import to_json

JSON, TEXT = ph.ProtoSerializationFormat.JSON, ph.ProtoSerializationFormat.TEXT_FORMAT
BINARY, INLINE = ph.ProtoSerializationFormat.BINARY, ph.ProtoSerializationFormat.INLINE_FILE_TEXT_FORMAT


@pytest.fixture
def examples() -> Examples:
    artifact = Examples("/data/examples", custom_properties={"owner": "ann"})
    artifact.splits, artifact.span = ["train", "eval"], 7
    return artifact


def written(kind: Any, value: Any, tmp_path: Any) -> Any:
    artifact = kind(str(tmp_path / kind.__name__))
    artifact.write(value)
    return kind(artifact.uri)


def test_artifacts_of_inputs_and_outputs(examples: Examples, tmp_path: Any) -> None:
    two = [Model("/m/0"), Model("/m/1")]
    number = written(Integer, 5, tmp_path)
    known = ph.Known(inputs={"examples": [examples], "models": two, "n": [number], "none": []}, outputs={"out": two})
    expected = {
        ph.input("examples"): examples,
        ph.input("examples").uri: "/data/examples",
        ph.input("models")[1].uri: "/m/1",
        ph.input("models")[-1].uri: "/m/1",
        ph.input("examples")[0].split_uri("eval"): "/data/examples/Split-eval",
        ph.input("examples").property("span"): 7,
        ph.input("examples").property("version"): 0,
        ph.input("examples").custom_property("owner"): "ann",
        ph.input("n").value: 5,
        ph.output("out")[1].uri: "/m/1",
    }
    for placeholder, value in expected.items():
        assert placeholder.resolve(known) == value


@pytest.mark.parametrize(
    ("placeholder", "problem"),
    [
        (ph.input("models")[2].uri, r"input\('models'\)\[2\]: input\('models'\) has 2 artifacts"),
        (ph.input("none").uri, r"input\('none'\): input\('none'\) has no artifact"),
        (ph.input("model").uri, r"input\('model'\) has no value; did you mean 'models'"),
        (ph.input("examples").split_uri("evil"), "has no split 'evil'; did you mean 'eval'"),
        (ph.input("models").split_uri("eval"), "has no splits"),
        (ph.input("examples").property("spam"), "has no property 'spam'; did you mean 'span'"),
        (ph.input("examples").custom_property("onwer"), "has no custom property 'onwer'; did you mean 'owner'"),
        (ph.input("models").value, r"expected a value artifact \(Integer, Float, \.\.\.\), received Model"),
        (ph.output("out").uri, r"output\('out'\): outputs are not known here"),
    ],
)
def test_what_is_wrong_with_an_artifact(examples: Examples, placeholder: ph.Placeholder, problem: str) -> None:
    known = ph.Known(inputs={"examples": [examples], "models": [Model("/m/0"), Model("/m/1")], "none": []})
    with pytest.raises(ResolutionError, match=problem):
        placeholder.resolve(known)


def test_an_output_has_no_value_and_one_index_is_enough() -> None:
    with pytest.raises(PlaceholderError, match="an output has no value before the node has run"):
        _ = ph.output("n").value
    with pytest.raises(PlaceholderError, match=r"expected one \[index\] after input\('n'\), received a further \[1\]"):
        ph.input("n")[0][1]
    with pytest.raises(PlaceholderError, match="expected one"):
        ph.input("n")["x"]


def test_future_of_every_kind_of_channel(tmp_path: Any) -> None:
    number = written(Float, 0.5, tmp_path)
    text = written(JsonValue, {"a": [1, {"b": "x"}]}, tmp_path)
    one, other = Channel(Float), Channel(JsonValue)
    both = union([one, Channel(Float)])
    known = ph.Known(channels={one: [number], other: [text], both: [number, number]}.__getitem__)
    assert one.future().value.resolve(known) == 0.5
    assert both.future()[1].value.resolve(known) == 0.5
    assert other.future()[0].value["a"][1]["b"].resolve(known) == "x"
    assert list((one.future()[0].value + other.future()[0].uri).channels()) == [one, other]
    with pytest.raises(ResolutionError, match=r"\['c'\]: expected a value that has 'c', received \{'a'"):
        other.future()[0].value["c"].resolve(known)
    with pytest.raises(ResolutionError, match="cannot be asked here: no pipeline runs"):
        one.future().value.resolve(ph.Known())


def test_fields_of_parameters_messages_and_dicts() -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name="x")])
    known = ph.Known(
        exec_properties={"schema": schema, "args": TrainArgs(splits=["a", "b"]), "config": {"a": [1, 2]}, "none": None},
        runtime_info={"platform_config": SimpleNamespace(image="i")},
        invocation={"pipeline_run_id": "r", "pipeline_info": {"id": "p"}},
    )
    expected = {
        ph.exec_property("schema").feature[0].name: "x",
        ph.exec_property("args").splits[1]: "b",
        ph.exec_property("args")["splits"]: ["a", "b"],
        ph.exec_property("config")["a"][1]: 2,
        ph.exec_property("config").a: [1, 2],
        ph.runtime_info("platform_config").image: "i",
        ph.execution_invocation().pipeline_info.id: "p",
        ph.exec_property("schema").serialize(JSON): '{\n  "feature": [\n    {\n      "name": "x"\n    }\n  ]\n}',
        ph.exec_property("schema").serialize(TEXT): 'feature {\n  name: "x"\n}\n',
        ph.exec_property("schema").serialize(INLINE): 'feature {\n  name: "x"\n}\n',
        ph.exec_property("schema").serialize(BINARY): schema.SerializeToString(),
        ph.exec_property("schema").serialize(BINARY).b64encode(): base64.urlsafe_b64encode(
            schema.SerializeToString()
        ).decode(),
        ph.exec_property("args").serialize(JSON): '{"splits":["a","b"],"num_steps":0}',
        ph.exec_property("args").splits.serialize_list(ph.ListSerializationFormat.JSON): '["a", "b"]',
    }
    for placeholder, value in expected.items():
        assert placeholder.resolve(known) == value, placeholder
    with pytest.raises(ResolutionError, match="has no attribute|no attribute 'steps'"):
        ph.exec_property("args").steps.resolve(known)
    with pytest.raises(ResolutionError, match="there is no value"):
        ph.exec_property("none").field.resolve(known)
    with pytest.raises(ResolutionError, match="runtime_info are not known here"):
        ph.runtime_info("executor_spec").resolve(ph.Known())
    with pytest.raises(ConfigError, match="unknown key 'platform_confg'; did you mean 'platform_config'"):
        ph.runtime_info("platform_confg")
    with pytest.raises(ResolutionError, match="expected a message, received"):
        ph.exec_property("config").serialize(JSON).resolve(known)


@given(st.lists(st.one_of(st.integers(), st.booleans(), st.text(), st.floats(allow_nan=False))))
def test_lists_as_text(elements: list[Any]) -> None:
    made = ph.make_list(elements)
    assert json.loads(made.serialize_list(ph.ListSerializationFormat.JSON).resolve(ph.Known())) == elements
    expected = ",".join(f'"{e}"' if isinstance(e, str) else str(e) for e in elements)
    assert made.serialize_list(ph.ListSerializationFormat.COMMA_SEPARATED_STR).resolve(ph.Known()) == expected


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, [[1]], [None]])
def test_only_lists_of_plain_values_become_text(value: Any) -> None:
    placeholder = ph.exec_property("x").serialize_list(ph.ListSerializationFormat.JSON)
    with pytest.raises(ResolutionError, match="expected a list of bool, int, float or str"):
        placeholder.resolve(ph.Known(exec_properties={"x": value}))


@given(st.lists(st.text(), min_size=1), st.text())
def test_joined_texts(texts: list[str], separator: str) -> None:
    known = ph.Known(exec_properties={str(i): text for i, text in enumerate(texts)})
    parts: list[Any] = [ph.exec_property(str(i)) if i % 2 == 0 else text for i, text in enumerate(texts)]
    assert ph.join(parts, separator).resolve(known) == separator.join(texts)
    assert ph.join(texts, separator) == separator.join(texts)
    assert ph.join([]) == ""


def test_concatenation_paths_and_base64() -> None:
    known = ph.Known(exec_properties={"a": "x/y?", "n": 3, "bytes": b"\xfb\xff", "none": None})
    a, n = ph.exec_property("a"), ph.exec_property("n")
    assert ("p-" + a + "-" + n + "-q").resolve(known) == "p-x/y?-3-q"
    assert repr("p-" + a) == "'p-' + exec_property('a')"
    assert ph.join_path("/root", a, "z").resolve(known) == "/root/x/y?/z"
    assert ph.dirname(ph.join_path("/root", a)).resolve(known) == "/root/x"
    assert a.b64encode().resolve(known) == base64.urlsafe_b64encode(b"x/y?").decode()
    assert ph.exec_property("bytes").b64encode(url_safe=False).resolve(known) == "+/8="
    assert ph.exec_property("bytes").b64encode().resolve(known) == "-_8="
    for wrong in (n.b64encode(), ph.join_path("/root", n), "x" + ph.exec_property("none")):
        with pytest.raises(ResolutionError, match="expected text|has no value"):
            wrong.resolve(known)
    with pytest.raises(PlaceholderError, match="expected text or a placeholder to add, received 3"):
        a + 3


def test_lists_and_dicts_leave_out_what_is_not_there() -> None:
    known = ph.Known(exec_properties={"a": 1, "k": "key"}, inputs={"none": []})
    a, none = ph.exec_property("a"), ph.input("none").uri
    assert ph.make_list([a, none, "x"]).resolve(known) == [1, None, "x"]
    assert (ph.make_list([a]) + ph.make_list([2]) + [3]).resolve(known) == [1, 2, 3]
    before = [0]
    assert (before + ph.make_list([a])).resolve(known) == [0, 1]
    assert ph.make_dict({"a": a, "none": none, "x": None, "list": [a]}).resolve(known) == {"a": 1, "list": [1]}
    assert ph.make_dict([(ph.exec_property("k"), ph.make_dict({"b": a}))]).resolve(known) == {"key": {"b": 1}}
    with pytest.raises(ResolutionError, match="expected text as keys"):
        ph.make_dict([(a, 1)]).resolve(known)
    for wrong in (lambda: ph.make_list([a]) + "x", lambda: ph.make_dict({}) + ph.make_dict({})):
        with pytest.raises(PlaceholderError):
            wrong()


def test_messages() -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    known = ph.Known(exec_properties={"name": "x", "n": 4}, inputs={"none": []})
    base = schema_pb2.Schema(tensor_representation_group={"g": schema_pb2.TensorRepresentationGroup()})
    feature = ph.make_proto(schema_pb2.Feature(type="INT"), name=ph.exec_property("name"), domain=ph.input("none").uri)
    made = ph.make_proto(base, feature=[feature], default_environment=["E"]).resolve(known)
    assert made == schema_pb2.Schema(
        feature=[schema_pb2.Feature(name="x", type="INT")],
        default_environment=["E"],
        tensor_representation_group={"g": schema_pb2.TensorRepresentationGroup()},
    )
    assert not base.feature
    args = ph.make_proto(TrainArgs(splits=["a"]), num_steps=ph.exec_property("n"))
    assert args.resolve(known) == TrainArgs(splits=["a"], num_steps=4)
    with pytest.raises(ResolutionError, match="make_proto"):
        ph.make_proto(base, nmae="x").resolve(known)
    with pytest.raises(ConfigError, match="has no field 'steps'"):
        ph.make_proto(TrainArgs(), steps=3).resolve(known)


def test_values_inside_containers_and_models() -> None:
    n = ph.exec_property("n")
    known = ph.Known(exec_properties={"n": 4})
    nested = {"a": [n, (1, n)], "args": EvalArgs(num_steps=n), n: "key"}
    assert ph.resolve(nested, known) == {"a": [4, (1, 4)], "args": EvalArgs(num_steps=4), 4: "key"}
    assert len(list(ph.placeholders_in(nested))) == 4
    plain = {"a": [1, (2,)], "args": EvalArgs(num_steps=1)}
    assert ph.resolve(plain, known) is plain
    assert not ph.contains_placeholder(plain)
    with pytest.raises(ConfigError, match="EvalArgs"):
        ph.resolve(EvalArgs(num_steps=n), ph.Known(exec_properties={"n": -1}))


def test_same_as_knows_channels_by_identity() -> None:
    one, other = Channel(String), Channel(String)
    assert one.future()[0].value.same_as(one.future()[0].value)
    assert not one.future()[0].value.same_as(other.future()[0].value)
    assert not one.future()[0].value.same_as(one.future()[1].value)
    assert not one.future()[0].value.same_as(one.future()[0].uri)
    assert not (one.future()[0].value == 1).same_as(one.future()[0].value == 1.0)


def test_a_placeholder_is_immutable_hashable_and_exported_as_text() -> None:
    placeholder = ph.join_path(ph.input("x").uri, "y")
    assert copy.deepcopy({"a": placeholder})["a"] is placeholder
    assert {placeholder: 1}[placeholder] == 1
    assert to_json({"a": [placeholder]}) == {"a": [{"__placeholder__": "join_path(input('x').uri, 'y')"}]}
    assert to_json(ph.exec_property("a").b) == {"__placeholder__": "exec_property('a').b"}
