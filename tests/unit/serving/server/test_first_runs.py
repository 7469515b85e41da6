"""What a new version is run with before it answers."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.calls import Call, Plan
from mlops_tfx.serving.server.first_runs import FirstRuns
from mlops_tfx.serving.server.signatures import Signature
from mlops_tfx.serving.server.waiting import run


class Session:
    """A loaded version whose signature records what it is run with, and fails."""

    def __init__(self) -> None:
        definition = meta_graph_pb2.SignatureDef()
        definition.outputs["y"].name = "y:0"
        for alias, dtype in (("a", types_pb2.DT_FLOAT), ("t", types_pb2.DT_STRING)):
            definition.inputs[alias].name, definition.inputs[alias].dtype = f"{alias}:0", dtype
            definition.inputs[alias].tensor_shape.dim.add().size = -1
        self.runs: list[list[Any]] = []
        self.changing: frozenset[str] = frozenset()
        self.signatures = {"s": Signature(definition, lambda feeds, fetches: self._run)}

    def _run(self, values: Any) -> Any:
        self.runs.append([value.tolist() for value in values])
        raise statuses.StatusError(grpc.StatusCode.INVALID_ARGUMENT, "nothing here fits")


def call(*values: Any, api: str = "Predict") -> Call:
    plan = Plan(("a", "t"), ("y",), lambda values: [])
    return Call(api, "GRPC", "m", 1, "s", plan, values, frozenset(("a", "t")))


async def answer(_: Call) -> Any:
    return ["answer"]


def text(*items: bytes) -> Any:
    return np.array(items, object)


def test_rows_of_nothing_and_then_what_was_asked() -> None:
    runs, session = FirstRuns(), Session()
    runs.prepare("m", "/m/1", 1, session)  # type: ignore[arg-type]
    assert session.runs == [[[0.0], [b""]]]
    first, second = call(np.float32([1, 2]), text(b"a", b"b")), call(np.float32([3]), text(b"c"))
    assert [run(runs.intercept(request, answer)) for request in (first, second)] == [["answer"]] * 2
    runs.prepare("m", "/m/2", 2, session)  # type: ignore[arg-type]
    # The first; and the next version gets what this one is asked.
    assert session.runs[1] == [[1.0, 2.0], [b"a", b"b"]]
    runs.prepare("m", "/m/3", 3, session)  # type: ignore[arg-type]
    assert session.runs[2] == [[0.0], [b""]]


def test_signatures_that_change_something_are_not_run() -> None:
    runs, session = FirstRuns(), Session()
    session.changing = frozenset(["s"])
    run(runs.intercept(call(np.float32([1]), text(b"a")), answer))
    runs.prepare("m", "/m/1", 1, session)  # type: ignore[arg-type]
    assert session.runs == []


@pytest.mark.parametrize(
    "request_",
    [call(np.zeros(1 << 17, np.float32), text(b"")), call(np.zeros(1, np.float32), text(b"x" * (1 << 17))),
     call(np.float32([1]), text(b"a"), api="MultiInference")],
    ids=["many numbers", "long texts", "of several signatures"],
)  # fmt: skip
def test_requests_that_are_not_kept(request_: Call) -> None:
    runs, session = FirstRuns(), Session()
    run(runs.intercept(request_, answer))
    runs.prepare("m", "/m/1", 1, session)  # type: ignore[arg-type]
    assert session.runs == [[[0.0], [b""]]]


def test_requests_that_fail_are_not_kept() -> None:
    runs, session = FirstRuns(), Session()

    async def fail(_: Call) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(runs.intercept(call(np.float32([7]), text(b"a")), fail))
    runs.prepare("m", "/m/1", 1, session)  # type: ignore[arg-type]
    assert session.runs == [[[0.0], [b""]]]
