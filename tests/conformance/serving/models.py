"""SavedModels for the tests: TF Serving's own half_plus_two, and one whose signatures do not fit their methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def save_half_plus_two(folder: Path) -> None:
    """The model of TF Serving's testdata: a graph of TensorFlow 1 that reads tf.Examples, with all its signatures."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        serialized = v1.placeholder(tf.string, name="tf_example")
        spec = {
            "x": tf.io.FixedLenFeature([1], tf.float32),
            "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
        }
        parsed = tf.io.parse_example(serialized, spec)
        x, x2 = tf.identity(parsed["x"], name="x"), tf.identity(parsed["x2"], name="x2")
        a, b, c = (v1.get_variable(name, initializer=value) for name, value in (("a", 0.5), ("b", 2.0), ("c", 3.0)))
        y = tf.add(tf.multiply(a, x), b, name="y")
        y2 = tf.add(tf.multiply(a, x), c, name="y2")
        y3 = tf.add(tf.multiply(a, x2), c, name="y3")
        session.run(v1.global_variables_initializer())
        signatures = {
            "serving_default": define({"x": x}, {"y": y}, PREDICT),
            "regress_x_to_y": define({"inputs": serialized}, {"outputs": y}, REGRESS),
            "regress_x_to_y2": define({"inputs": serialized}, {"outputs": y2}, REGRESS),
            "regress_x2_to_y3": define({"inputs": x2}, {"outputs": y3}, REGRESS),
            "classify_x_to_y": define({"inputs": serialized}, {"scores": y}, CLASSIFY),
        }
        save(session, folder, signatures)


def save_misfits(folder: Path) -> None:
    """Signatures for every way in which Classify and Regress refuse one, and some that are right but unusual."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        text = v1.placeholder(tf.string, [None], name="text")
        rows = tf.shape(text)[0]
        flat = tf.ones([rows])
        table = tf.tile([[0.25, 0.75]], [rows, 1])
        names = tf.tile([["cat", "dog"]], [rows, 1])
        one_more = tf.ones([rows + 1, 2])
        feed = {"inputs": text}
        signatures = {
            "named": define(feed, {"classes": names, "scores": table}, CLASSIFY),
            "names_only": define(feed, {"classes": names}, CLASSIFY),
            "bytes": define(feed, {"classes": tf.tile([[b"\xff"]], [rows, 1])}, CLASSIFY),
            "two_inputs": define({**feed, "more": tf.identity(text)}, {"scores": table}, CLASSIFY),
            "three_outputs": define(feed, {"classes": names, "scores": table, "z": flat}, CLASSIFY),
            "no_inputs": define({"x": text}, {"scores": table}, CLASSIFY),
            "no_scores": define(feed, {"y": table}, CLASSIFY),
            "flat_scores": define(feed, {"scores": flat}, CLASSIFY),
            "double_scores": define(feed, {"scores": tf.cast(table, tf.float64)}, CLASSIFY),
            "long_scores": define(feed, {"scores": one_more}, CLASSIFY),
            "uneven": define(feed, {"classes": names[:, :1], "scores": table}, CLASSIFY),
            "unfed": define(feed, {"y": tf.identity(v1.placeholder(tf.float32, [None, 3], name="input_1"))}, PREDICT),
            "fed_twice": define({**feed, "more": text}, {"y": flat}, PREDICT),
            "flat": define(feed, {"outputs": flat}, REGRESS),
            "other_method": define(feed, {"outputs": flat}, "zz"),
            "no_outputs": define(feed, {"y": flat}, REGRESS),
            "two_outputs": define(feed, {"outputs": flat, "y": flat}, REGRESS),
            "wide": define(feed, {"outputs": table}, REGRESS),
            "long": define(feed, {"outputs": one_more[:, 0]}, REGRESS),
            "double": define(feed, {"outputs": tf.cast(flat, tf.float64)}, REGRESS),
            "other_input": define({"inputs": tf.identity(text)}, {"outputs": flat}, REGRESS),
        }
        save(session, folder, signatures)


def define(inputs: dict[str, Any], outputs: dict[str, Any], method: str) -> Any:
    import tensorflow as tf

    build = tf.compat.v1.saved_model.build_tensor_info
    return tf.compat.v1.saved_model.build_signature_def(
        {name: build(tensor) for name, tensor in inputs.items()},
        {name: build(tensor) for name, tensor in outputs.items()},
        method,
    )


def save(session: Any, folder: Path, signatures: dict[str, Any]) -> None:
    import tensorflow as tf

    builder = tf.compat.v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
    builder.save()


def save_kinds(folder: Path) -> None:
    """A model of many signatures: several inputs, defaults, every dtype, a matrix product."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    module = tf.Module()
    module.weights = tf.Variable(tf.ones([4, 2]))

    def concrete(function: Any, **inputs: Any) -> Any:
        specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    numbers = {"a": ([None], tf.float32), "b": ([None], tf.float32)}
    types = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
             "string", "half", "bfloat16", "complex64", "complex128", "qint8", "quint8", "qint16", "quint16",
             "qint32"]  # fmt: skip
    signatures = {
        "add": concrete(lambda a, b: {"sum": a + b, "product": a * b}, **numbers),
        "add_default": concrete(lambda a, b: {"sum": a + b, "product": a * b}, **numbers),
        "matrix": concrete(lambda m: {"out": tf.matmul(m, module.weights)}, m=(None, tf.float32)),
        "text": concrete(lambda s: {"length": tf.strings.length(s), "same": s}, s=([None], tf.string)),
        "count": concrete(_count, n=([], tf.int32)),
        "nothing": concrete(lambda: {"n": tf.constant([1.0])}),
        "b64": concrete(lambda b64: {"y": tf.identity(b64)}, b64=([None], tf.float32)),
        "bytes": concrete(lambda s: {"raw_bytes": s, "text": s}, s=([None], tf.string)),
        "uneven": concrete(lambda v: {"x": v, "y": tf.concat([v, v[:1]], 0)}, v=([None], tf.float32)),
        "total": concrete(lambda v: {"x": v, "y": tf.reduce_sum(v)}, v=([None], tf.float32)),
        **{f"as_{name}": concrete(_cast(name), v=([None], tf.float32)) for name in ("half", "bfloat16", "complex64")},
        **{f"same_{name}": concrete(lambda v: {"v": tf.identity(v)}, v=(None, tf.as_dtype(name))) for name in types},
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    default = saved.meta_graphs[0].signature_def["add_default"].defaults["b"]
    default.CopyFrom(tf.make_tensor_proto(10.0))
    file.write_bytes(saved.SerializeToString())


def _cast(dtype: str) -> Any:
    import tensorflow as tf

    return lambda v: {"v": tf.cast(v, dtype)}


def _count(n: Any) -> dict[str, Any]:
    # Takes time in proportion to n, for requests that are in flight while something else happens.
    import tensorflow as tf

    return {"n": tf.while_loop(lambda i: i < n, lambda i: [i + 1], [tf.constant(0)])[0]}


def configuration(bases: dict[str, Path]) -> str:
    """A ModelServerConfig of models by name and base path."""
    entries = (f"config {{ name: '{n}' base_path: '{b}' model_platform: 'tensorflow' }}" for n, b in bases.items())
    return f"model_config_list {{ {' '.join(entries)} }}"
