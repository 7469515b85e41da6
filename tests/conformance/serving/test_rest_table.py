"""Every shape of TF Serving's REST API and every refusal of it, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.conformance.serving import models, rest_table, test_rest
from tests.conformance.serving.rest_table import FAILURES, SHAPES, Case
from tests.conformance.serving.test_reload import entry, listed
from tests.conformance.serving.test_rest import ALL, Rest


def failing(call: Any, proceed: Any) -> Any:
    """Fails with the code that a request for ``text`` names."""
    from mlops_tfx.serving.server.statuses import StatusError

    word = call.values[0].ravel()[0] if call.signature_name == "text" else b""
    if isinstance(word, bytes) and word.decode() in rest_table.CODES:
        raise StatusError(grpc.StatusCode[word.decode()], f"as you say: {word.decode()}")
    return proceed(call)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory, kinds: Path, save_half_plus: Any) -> Iterator[Rest]:
    from mlops_tfx.serving.server import ModelServer

    root = tmp_path_factory.mktemp("rest")
    models.save_half_plus_two(root / "half" / "123")
    models.save_misfits(root / "misfits" / "1")
    for version in (1, 2):
        save_half_plus(root / "plus" / str(version), float(version))
    (root / "models.config").write_text(listed(
        entry("half", root / "half"), entry("kinds", kinds), entry("misfits", root / "misfits"),
        entry("plus", root / "plus", ALL + "version_labels { key: 'stable' value: 1 }"),
    ))  # fmt: skip
    settings = {"model_config_file": str(root / "models.config"), "rest_api_port": -1, "port": 0}
    with ModelServer(interceptors=[failing], **settings) as server:
        assert server._board.wait_until(lambda: server._manager._labels_ready, 120)
        rest = Rest(server.rest_port)
        yield rest
        rest.connection.close()


def test_no_row_is_left_out() -> None:
    assert {case.row for case in (*SHAPES, *FAILURES)} | set(rest_table.TESTS) == set(rest_table.ROWS)
    assert all(hasattr(test_rest, name) for name in rest_table.TESTS.values())


def send(rest: Rest, case: Case) -> tuple[int, bytes]:
    verb = case.verb or ("GET" if case.body is None else "POST")
    path = case.path if case.path.startswith("/") else f"/v1/models/{case.path}"
    status, data, _ = rest.send(verb, path, case.body, **case.headers)
    return status, data


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case.name)
def test_answers(rest: Rest, case: Case) -> None:
    status, data = send(rest, case)
    assert status == 200, data
    assert (data if isinstance(case.answer, bytes) else json.loads(data)) == case.answer


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.name)
def test_refusals(rest: Rest, case: Case) -> None:
    status, data = send(rest, case)
    text = json.dumps(case.answer, ensure_ascii=False)
    assert (status, data.decode()) == (case.status, f'{{\n    "error": {text}\n}}')


@pytest.mark.parametrize("code", rest_table.CODES)
def test_codes(rest: Rest, code: str) -> None:
    case = Case("", "kinds:predict", {"signature_name": "text", "instances": [code]}, f"as you say: {code}")
    status, data = send(rest, case)
    assert (status, json.loads(data)) == (rest_table.CODES[code], {"error": case.answer})


def test_all_codes_are_in_the_table() -> None:
    assert set(rest_table.CODES) == {code.name for code in grpc.StatusCode} - {"OK"}
