"""Only what the base path holds is read: not what links, names of assets, URLs or clients lead to."""

from __future__ import annotations

import http.client
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.protobuf import saved_model_pb2

from tests.conformance.serving import failure_table
from tests.conformance.serving.messages import Peer

SECRET = "the secret of another folder"
TIMEOUT = 60.0


@pytest.fixture
def base(tmp_path: Path, half_plus_two: Path) -> Path:
    """A base path with version 1 beside a file that is nobody's business."""
    shutil.copytree(half_plus_two / "00000123", tmp_path / "models" / "1")
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path / "models"


@pytest.fixture
def server(base: Path) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    settings = {"file_system_poll_wait_seconds": 0.02, "max_num_load_retries": 0, "rest_api_port": -1}
    with ModelServer(model_name="m", model_base_path=str(base), port=0, **settings) as server:
        server.wait_until_available(TIMEOUT)
        yield server


def push(base: Path, change: Any) -> None:
    """Puts version 2 into the base path in one step, changed."""
    staged = base.parent / "staged"
    shutil.copytree(base / "1", staged)
    change(staged)
    staged.rename(base / "2")


def error_of(server: Any) -> str:
    states = server._board.wait_for("m", lambda s: any(v.version == 2 and v.error for v in s), TIMEOUT)
    assert [state.state.name for state in states] == ["END", "AVAILABLE"]
    return str(states[0].error)


def link_variables(staged: Path) -> None:
    shutil.rmtree(staged / "variables")
    (staged / "variables").symlink_to(staged.parent)


def link_asset(staged: Path) -> None:
    (staged / "assets" / "words").symlink_to(staged.parent / "secret")


def link_warmup(staged: Path) -> None:
    (staged / "assets.extra").mkdir(exist_ok=True)
    (staged / "assets.extra" / "tf_serving_warmup_requests").symlink_to("../../../secret")


@pytest.mark.parametrize("change", [link_variables, link_asset, link_warmup])
def test_links_that_lead_out(server: Any, base: Path, change: Any) -> None:
    push(base, change)
    error = error_of(server)
    assert error.startswith("FAILED_PRECONDITION: ")
    assert error.endswith("which is outside of the model's folder")
    assert SECRET not in error


def test_assets_that_lead_out(server: Any, base: Path) -> None:
    for name in ("../../secret", "/etc/passwd", "../saved_model.pb", ".."):

        def change(staged: Path, name: str = name) -> None:
            file = staged / "saved_model.pb"
            saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
            saved.meta_graphs[0].asset_file_def.add(filename=name).tensor_info.name = "serving_default_x:0"
            file.write_bytes(saved.SerializeToString())

        push(base, change)
        expected = f"FAILED_PRECONDITION: the asset {name!r} of"
        states = server._board.wait_for("m", lambda s, text=expected: any(text in str(v.error) for v in s), TIMEOUT)
        assert expected in str(states[0].error)
        shutil.rmtree(base / "2")


def test_links_within_the_base_path(server: Any, base: Path) -> None:
    def change(staged: Path) -> None:
        os.rename(staged / "variables", base / "kept")
        (staged / "variables").symlink_to("../kept")

    push(base, change)
    assert server.wait_until_available(TIMEOUT, version=2) == 2
    # The folder of a version may be a link: whoever puts it there could have put the files there.
    (base.parent / "elsewhere").mkdir()
    shutil.copytree(base / "1", base.parent / "elsewhere" / "model")
    (base / "3").symlink_to(base.parent / "elsewhere" / "model")
    assert server.wait_until_available(TIMEOUT, version=3) == 3


PATHS = [
    "/v1/models/..%2Fmodels", "/v1/models/m/../../secret", "/v1/models/%2Fetc%2Fpasswd", "/v1/models/m%00",
    "/v1/models/m/labels/..%2F..%2Fsecret", "/v1/models/m/versions/..%2F1", "/../secret", "//secret",
    "/v1/models/..%2Fmodels/metadata", "/v1/models/m/versions/-1",
]  # fmt: skip


def test_paths_in_urls(server: Any) -> None:
    for path in PATHS:
        connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        assert response.status in (400, 404), path
        assert SECRET not in body
        assert "root:" not in body


def reload(server: Any, *bases: tuple[str, str]) -> tuple[str, str]:
    peer = Peer("own", server.address)
    with peer.channel:
        entries = [{"name": name, "base_path": path, "model_platform": "tensorflow"} for name, path in bases]
        case = failure_table._reload("", "", "", *entries)
        return peer.refused(case.method, case.build(peer))


def test_base_paths_of_clients(server: Any, base: Path) -> None:
    for path in ("/", "/proc", "/dev", "/etc/passwd", "/nowhere", "file:///etc"):
        code, text = reload(server, ("m", str(base)), (f"at {path}", path))
        assert code == "UNKNOWN"
        assert text.startswith("1 model(s) did not become available: ")
        assert server.models() == [f"at {path}", "m"]
    assert server.wait_until_available(TIMEOUT, model="m") == 1


def test_base_paths_within_roots(base: Path, tmp_path: Path) -> None:
    from mlops_tfx.serving.server import ModelServer

    settings = {"reload_base_paths": (str(tmp_path),)}
    with ModelServer(model_name="m", model_base_path=str(base), port=0, **settings) as server:
        server.wait_until_available(TIMEOUT)
        outside = tmp_path / "out"
        outside.symlink_to("/")
        for path in ("/etc", f"{tmp_path}/../{tmp_path.name}x", str(outside), f"{base}/../../.."):
            code, text = reload(server, ("m", path))
            assert (code, text) == (
                "PERMISSION_DENIED",
                f"Model m: base_path()={path} is outside of the folders that may be named",
            )
        assert server.models() == ["m"]
        assert reload(server, ("m", str(base)), ("n", str(base / "none")))[0] == "UNKNOWN"


def test_a_model_that_cannot_be_started(server: Any, base: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        builder = v1.saved_model.Builder(str(base.parent / "asserting"))
        failing = v1.Assert(False, ["it does not start"])
        builder.add_meta_graph_and_variables(session, ["serve"], main_op=failing)
        builder.save()
    os.rename(base.parent / "asserting", base / "2")
    assert "it does not start" in error_of(server)
    assert server.wait_until_available(TIMEOUT, version=1) == 1
