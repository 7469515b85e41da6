"""Models unlike ours: they count, fill tables, have no inputs or no rows, or outputs that no message can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.serving import models
from tests.conformance.serving.test_predict import floats, make_request
from tests.conformance.serving.test_rest import Rest


def save(folder: Path) -> None:
    module = tf.Module()
    module.count = tf.Variable(0, dtype=tf.int64)
    pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([10, 20], tf.int64))
    module.fixed = tf.lookup.StaticHashTable(pairs, -1)
    module.table = tf.lookup.experimental.DenseHashTable(tf.string, tf.int64, -7, "$", "%")

    def concrete(function: Any, **inputs: Any) -> Any:
        specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    def put(k: Any, v: Any) -> dict[str, Any]:
        module.table.insert(k, v)
        return {"size": module.table.size()}

    def write(path: Any) -> dict[str, Any]:
        with tf.control_dependencies([tf.io.write_file(path, "written")]):
            return {"path": tf.identity(path)}

    def deep(x: Any) -> dict[str, Any]:
        # In a branch of a branch of a loop.
        def step(n: Any) -> Any:
            return tf.cond(n > 1, lambda: n + module.count.assign_add(1) * 0 + 1, lambda: n + 1)

        return {"y": tf.while_loop(lambda n: n < x, lambda n: [step(n)], [tf.constant(0, tf.int64)])[0]}

    def variant(x: Any) -> dict[str, Any]:
        splits = [tf.constant([0, 1], tf.int64)]
        return {"v": tf.raw_ops.RaggedTensorToVariant(rt_nested_splits=splits, rt_dense_values=x, batched_input=False),
                "y": tf.identity(x)}  # fmt: skip

    texts, numbers = ([None], tf.string), ([None], tf.int64)
    tf.saved_model.save(module, str(folder), signatures={
        "count": concrete(lambda: {"n": module.count.assign_add(1)}),
        "read": concrete(lambda: {"n": tf.identity(module.count)}),
        "find": concrete(lambda k: {"v": module.fixed.lookup(k)}, k=texts),
        "put": concrete(put, k=texts, v=numbers),
        "get": concrete(lambda k: {"v": module.table.lookup(k)}, k=texts),
        "write": concrete(write, path=([], tf.string)),
        "deep": concrete(deep, x=([], tf.int64)),
        "hello": concrete(lambda name: {"greeting": tf.strings.join(["hi ", name])}, name=([], tf.string)),
        "total": concrete(lambda x: {"y": tf.reduce_sum(x)}, x=(None, tf.float32)),
        "variant": concrete(variant, x=([None], tf.float32)),
    })  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    base = tmp_path_factory.mktemp("unusual")
    save(base / "1")
    with ModelServer(model_name="m", model_base_path=str(base), port=0, rest_api_port=-1) as server:
        server.wait_until_available()
        yield server


@pytest.fixture(scope="module")
def rest(server: Any) -> Iterator[Rest]:
    rest = Rest(server.rest_port)
    yield rest
    rest.connection.close()


def ask(stub: Any, signature: str, *outputs: str, **inputs: Any) -> dict[str, Any]:
    request = make_request("m", signature, **inputs)
    request.output_filter.extend(outputs)
    answer = stub.Predict(request, timeout=60).outputs
    return {name: tf.make_ndarray(proto).tolist() for name, proto in answer.items()}


def test_nothing_is_changed_that_nobody_asked_for(stub: Any) -> None:
    # New versions are run before they answer, but not what counts or fills a table.
    assert ask(stub, "read") == {"n": 0}
    assert [ask(stub, "count")["n"] for _ in range(2)] == [1, 2]
    assert ask(stub, "put", k=["x"], v=np.int64([5])) == {"size": 1}
    assert ask(stub, "get", k=["x", "y"]) == {"v": [5, -7]}
    assert ask(stub, "deep", x=np.int64(4)) == {"y": 4}
    assert ask(stub, "read") == {"n": 4}


def test_which_signatures_change_something(server: Any) -> None:
    session = server._manager._models["m"]._loaded[1].session
    assert session.changing & set(session.signatures) == {"count", "put", "write", "deep"}


def test_graphs_of_tensorflow_1(tmp_path: Path) -> None:
    from mlops_tfx.serving.server.saved_model import SessionOptions, load

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        total = v1.get_variable("total", initializer=0.0, use_resource=False)
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        with tf.control_dependencies([v1.assign_add(total, tf.reduce_sum(x))]):
            after = tf.identity(x)
        outputs = {
            "reads": x + total,
            "adds": total.assign_add(1.0),
            "before": after,
            "finds": table.lookup(v1.as_string(x)),
        }
        signatures = {name: models.define({"x": x}, {"y": y}, models.PREDICT) for name, y in outputs.items()}
        models.save(session, tmp_path / "1", signatures)
    loaded = load(str(tmp_path / "1"), SessionOptions())
    assert loaded.changing == {"adds", "before"}
    loaded.close()


def test_texts_without_rows(stub: Any, rest: Rest) -> None:
    assert ask(stub, "hello", name=b"a\0b\xff") == {"greeting": b"hi a\0b\xff"}
    assert rest.post("m:predict", {"signature_name": "hello", "inputs": "wörld"}) == {"outputs": "hi wörld"}
    assert rest.post("m:predict", {"signature_name": "hello", "inputs": {"name": {"b64": "aGk="}}}) == {
        "outputs": "hi hi"
    }
    assert ask(stub, "total", x=np.ones([2, 3, 4], np.float32)) == {"y": 24.0}
    assert rest.post("m:predict", {"signature_name": "total", "inputs": [[[1, 2.5]]]}) == {"outputs": 3.5}


def test_outputs_that_no_message_can_have(stub: Any, rest: Rest) -> None:
    text = "output tensor v is of type variant, which cannot be sent; name the others in output_filter"
    with pytest.raises(grpc.RpcError) as caught:
        ask(stub, "variant", x=floats(1))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, text)
    assert rest.refused("POST", "/v1/models/m:predict", {"signature_name": "variant", "instances": [1]}) == (501, text)
    assert ask(stub, "variant", "y", x=floats(1)) == {"y": [1.0]}


def test_init_operations_are_no_signatures(stub: Any, rest: Rest) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ask(stub, "__saved_model_init_op")
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "__saved_model_init_op" in rest.get("/v1/models/m/metadata")["metadata"]["signature_def"]["signature_def"]


def test_tags_that_the_file_does_not_have(tmp_path: Path) -> None:
    from mlops_tfx.serving.server.saved_model import SessionOptions, load
    from mlops_tfx.serving.server.statuses import StatusError

    models.save_half_plus_two(tmp_path / "1")
    with pytest.raises(StatusError) as caught:
        load(str(tmp_path / "1"), SessionOptions(tags=("serve", "gpu")))
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert caught.value.message.startswith(
        "Could not find meta graph def matching supplied tags: { serve gpu }. To inspect"
    )
