"""What requests have wrong, in every form of a request: serialized examples, tensors, rows and columns of REST.

A model that export_model wrote, with the schema that it puts beside it; a server that annotates and one that rejects.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mlops_tfx.serving.server import ModelServer
from mlops_tfx.serving.server.schema_guard.parsing import ExampleParser
from tests.conformance.serving.messages import Peer, fill_example

SCHEMA = """
feature { name: "hour" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } int_domain { min: 0 max: 23 } }
feature { name: "temp" type: FLOAT presence { min_fraction: 1 } value_count { min: 1 max: 1 } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } domain: "carriers" }
string_domain { name: "carriers" value: "UA" value: "AA" }
"""
GOOD = {"hour": 7, "temp": 61.5, "carrier": b"UA"}
DTYPES = {"hour": np.int64, "temp": np.float32, "carrier": object}


@dataclass(frozen=True)
class Fault:
    """A change to a row, what is said of it, and the forms of requests that the model itself refuses it in."""

    change: dict[str, Any]
    text: str
    refused: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()


EXAMPLES, MANY_EXAMPLES, TENSORS, ROWS, COLUMNS, REST_EXAMPLES = FORMS = (
    "examples", "many examples", "tensors", "REST rows", "REST columns", "REST examples",
)  # fmt: skip
FAULTS = {
    "hour 77": Fault({"hour": 77}, "hour: expected an integer from 0 to 23, received 77 in row 0"),
    "unknown category": Fault({"carrier": b"ZZ"}, "carrier: expected one of 'AA', 'UA', received b'ZZ' in row 0"),
    "missing": Fault({"temp": None}, "temp: expected a value in every row, received none in row 0"),
    # JSON has one kind of numbers: 61 is a float where one belongs.
    "int for a float": Fault(
        {"temp": 61},
        "temp: expected floats, received integers such as 61 in row 0",
        refused=frozenset({EXAMPLES, MANY_EXAMPLES, TENSORS, REST_EXAMPLES}),
        unseen=frozenset({ROWS, COLUMNS}),
    ),
    # The REST API itself names an input that its JSON lacks, before there is anything to check.
    "missing, and the model needs it": Fault(
        {"hour": None},
        "hour: expected a value in every row, received none in row 0",
        refused=frozenset(FORMS),
        unseen=frozenset({ROWS, COLUMNS}),
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.serving.export import export_model

    def model(features: dict[str, Any]) -> Any:
        numbers = tf.cast(features["hour"], tf.float32) + tf.sparse.to_dense(features["temp"])[:, :1]
        return numbers + tf.cast(tf.strings.length(features["carrier"]), tf.float32)

    folder = tmp_path_factory.mktemp("guarded")
    export_model(model, None, folder / "1", schema=text_format.Parse(SCHEMA, schema_pb2.Schema()))
    return folder


@pytest.fixture(scope="module", params=["annotate", "reject"])
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[ModelServer]:
    settings = {"model_name": "m", "model_base_path": str(base), "port": 0, "rest_api_port": -1}
    with ModelServer(schema_guard=request.param, **settings) as server:
        server.wait_until_available()
        # From the first request of many rows on, the guard prepares to look at what the model parses.
        ask(server, MANY_EXAMPLES, GOOD)
        for thread in threading.enumerate():
            if thread.name == "schema-guard":
                thread.join(60)
        yield server


def serialized(row: dict[str, Any]) -> bytes:
    from tensorflow.core.example import example_pb2

    example = example_pb2.Example()
    fill_example(example, row)
    return example.SerializeToString()


def ask(server: ModelServer, form: str, row: dict[str, Any]) -> tuple[str, str, str | None]:
    """Code, error text and the guard's note of a request for one row."""
    row = {name: value for name, value in row.items() if value is not None}
    if form in (EXAMPLES, MANY_EXAMPLES, TENSORS):
        return ask_grpc(server, form, row)
    plain = {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
    body: dict[str, Any] = {"instances": [{"examples": {"b64": base64.b64encode(serialized(row)).decode()}}]}
    if form == ROWS:
        body = {"signature_name": "serving_raw", "instances": [plain]}
    if form == COLUMNS:
        body = {"signature_name": "serving_raw", "inputs": {name: [value] for name, value in plain.items()}}
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
    connection.request("POST", "/v1/models/m:predict", json.dumps(body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    code = {200: "OK", 400: "INVALID_ARGUMENT"}[response.status]
    return code, answer.get("error", ""), response.getheader("schema-guard")


def ask_grpc(server: ModelServer, form: str, row: dict[str, Any]) -> tuple[str, str, str | None]:
    peer = Peer("own", server.address)
    if form in (EXAMPLES, MANY_EXAMPLES):
        others = [GOOD] * 4 if form == MANY_EXAMPLES else []
        rows = np.array([serialized(row), *map(serialized, others)], object)
        request = peer.predict("m", "serving_default", examples=rows)
    else:
        tensors = {name: np.array([value], np.int64 if type(value) is int else DTYPES[name])
                   for name, value in row.items()}  # fmt: skip
        request = peer.predict("m", "serving_raw", **tensors)
    try:
        _, trailers = peer.with_trailers("Predict", request)
    except grpc.RpcError as error:
        return error.code().name, error.details(), dict(error.trailing_metadata()).get("schema-guard")
    return "OK", "", trailers.get("schema-guard")


@pytest.mark.parametrize("form", FORMS)
def test_a_good_row_has_no_note(server: ModelServer, form: str) -> None:
    assert ask(server, form, GOOD) == ("OK", "", None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_told_in_every_form(server: ModelServer, name: str, form: str) -> None:
    fault = FAULTS[name]
    code, error, note = ask(server, form, GOOD | fault.change)
    feature = next(iter(fault.change))
    if form in fault.unseen:
        assert note is None
        assert (code, feature in error) == (("INVALID_ARGUMENT", True) if form in fault.refused else ("OK", False))
        return
    assert note == fault.text
    rejects = server.options.schema_guard == "reject"
    assert code == ("INVALID_ARGUMENT" if rejects or form in fault.refused else "OK")
    assert (f"The request does not fit the schema of the model: {fault.text}" == error) == rejects


def test_a_request_that_the_signature_refuses_is_not_counted_as_one_that_fits(server: ModelServer) -> None:
    counts = server._metrics.schema_requests
    peer = Peer("own", server.address)
    good = {"hour": np.array([7]), "temp": np.array([1.5], np.float32), "carrier": np.array([b"UA"], object)}
    before = counts.value("m", "fits")
    peer.refused("Predict", peer.predict("m", "serving_raw", **good, strange=[1.0]))
    assert counts.value("m", "fits") == before
    peer.call("Predict", peer.predict("m", "serving_raw", **good))
    assert counts.value("m", "fits") != before


def test_many_rows_are_parsed_once(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that fits is answered; what is to be refused has to be looked at before."""
    parses = []
    check = ExampleParser.check
    monkeypatch.setattr(ExampleParser, "check", lambda self, *of: parses.append(len(of[0])) or check(self, *of))
    counts = server._metrics.schema_requests
    before = counts.value("m", "fits")
    assert ask(server, MANY_EXAMPLES, GOOD) == ("OK", "", None)
    assert counts.value("m", "fits") == before + 1
    assert parses == ([5] if server.options.schema_guard == "reject" else [])


def test_requests_that_share_a_batch_are_told_of_their_own_rows(base: Path) -> None:
    bad = {**GOOD, "hour": 77}
    with (
        ModelServer(model_name="m", model_base_path=str(base), port=0, enable_batching=True) as server,
        ThreadPoolExecutor(6) as pool,
    ):
        server.wait_until_available()
        for _ in range(3):
            answers = pool.map(lambda row: ask(server, MANY_EXAMPLES, row), [GOOD, bad, GOOD, bad, GOOD, bad])
            notes = [note for _, _, note in answers]
            assert notes == [None, FAULTS["hour 77"].text] * 3


def test_tensors_that_are_none_get_the_answer_that_they_have_without_a_schema(server: ModelServer) -> None:
    peer = Peer("own", server.address)
    request = peer.predict("m", "serving_raw", hour=np.array([7]), carrier=np.array([b"UA"], object), strange=[1.0])
    broken = peer.predict("m", "serving_raw", hour=np.array([7]), carrier=np.array([b"UA"], object), temp=[1.5])
    broken.inputs["temp"].tensor_shape.dim[0].size = -5
    assert peer.refused("Predict", broken) == ("INVALID_ARGUMENT", "tensor parsing error: temp")
    code, details = peer.refused("Predict", request)
    assert code == "INVALID_ARGUMENT"
    assert "strange" in details or server.options.schema_guard == "reject"
