"""Keras 3 models that tf.saved_model.save wrote, in a session as TensorFlow Serving has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlops_tfx.serving.export.restoring import link_variables, unlinked_variables

ROWS = np.array([[1.0, 2.0], [-3.0, 0.5]], np.float32)


def in_session(folder: str, signature: str = "serving_default") -> Any:
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        definition = tf.compat.v1.saved_model.loader.load(session, ["serve"], folder).signature_def[signature]
        (given,), (wanted,) = definition.inputs.values(), definition.outputs.values()
        return session.run(wanted.name, {given.name: ROWS})


def signature(model: Any) -> Any:
    return tf.function(lambda x: {"y": model(x)}, input_signature=[tf.TensorSpec([None, 2], tf.float32)])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3, name="a")], name="sequential")
    folder = str(tmp_path_factory.mktemp("model") / "saved")
    tf.saved_model.save(model, folder, signatures={"serving_default": signature(model), "other": signature(model)})
    (Path(folder) / "assets.extra").mkdir()
    (Path(folder) / "assets.extra" / "warmup").write_text("requests")
    return folder, model(ROWS).numpy()


@pytest.mark.filterwarnings("ignore:.*loader_impl.*")
def test_a_keras_3_model_is_linked(saved: tuple[str, Any]) -> None:
    folder, expected = saved
    assert unlinked_variables(folder) == ["sequential/a/bias", "sequential/a/kernel"]
    with pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"):
        in_session(folder)
    assert link_variables(folder) == ["sequential/a/bias", "sequential/a/kernel"]
    assert unlinked_variables(folder) == []
    np.testing.assert_allclose(in_session(folder), expected, rtol=1e-6)
    np.testing.assert_allclose(in_session(folder, "other"), expected, rtol=1e-6)
    loaded = tf.saved_model.load(folder)
    np.testing.assert_allclose(loaded.signatures["other"](tf.constant(ROWS))["y"], expected, rtol=1e-6)
    assert (Path(folder) / "assets.extra" / "warmup").read_text() == "requests"
    assert sorted(path.name for path in Path(folder).parent.iterdir()) == ["saved"]
    before = (Path(folder) / "saved_model.pb").read_bytes()
    assert link_variables(folder) == []
    assert (Path(folder) / "saved_model.pb").read_bytes() == before


def test_defaults_of_inputs_are_kept(saved: tuple[str, Any], tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    tf.saved_model.save(model, str(tmp_path / "m"), signatures={"serving_default": signature(model)})
    path = tmp_path / "m" / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    message.meta_graphs[0].signature_def["serving_default"].defaults["x"].CopyFrom(tf.make_tensor_proto([[7.0, 8.0]]))
    path.write_bytes(message.SerializeToString())
    assert link_variables(str(tmp_path / "m"))
    found = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0].signature_def["serving_default"]
    assert tf.make_ndarray(found.defaults["x"]).tolist() == [[7.0, 8.0]]
    tf.saved_model.load(str(tmp_path / "m"))


@pytest.mark.filterwarnings("ignore")  # TensorFlow calls all of its first version deprecated
def test_other_models_are_left_alone(tmp_path: Path) -> None:
    module = tf.Module()
    module.scale = tf.Variable([2.0, 3.0])
    tf.saved_model.save(module, str(tmp_path / "tf2"), signatures=signature(lambda x: x * module.scale))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        weight = tf.compat.v1.get_variable("w", [2], use_resource=True)
        session.run(tf.compat.v1.global_variables_initializer())
        local = tf.compat.v1.get_local_variable("at_start", [2], use_resource=True)
        start = tf.compat.v1.local_variables_initializer()
        session.run(start)
        outputs = {"y": x * weight + local}
        definition = tf.compat.v1.saved_model.predict_signature_def({"x": x}, outputs)
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "tf1"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": definition}, main_op=start)
        builder.save()
    exported = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    exported.export(str(tmp_path / "exported"), verbose=False)
    for name in ("tf1", "tf2", "exported"):
        assert (name, unlinked_variables(str(tmp_path / name))) == (name, [])
    assert link_variables(str(tmp_path)) == []
    assert unlinked_variables(str(tmp_path / "nothing")) == []
