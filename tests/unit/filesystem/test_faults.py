"""A store that fails: what passes is survived, what stays is an error that names the uri; nothing is half-visible."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.deployment.versions import push
from mlops_tfx.errors import ConfigError, PushError
from mlops_tfx.metadata import MetadataStore
from tests.object_store.faulty_proxy import Fault, answers, hangs_up, stalls
from tests.object_store.server import ObjectStore

PROGRAM = Path(__file__).parents[1] / "execution" / "crash_program.py"
TRANSIENT: dict[str, Callable[[], Fault]] = {
    "500": lambda: answers(500, "InternalError", 1),
    "503": lambda: answers(503, "SlowDown", 1),
    "reset": lambda: hangs_up(1),
}


def _write(uri: str) -> None:
    filesystem.write_bytes(f"{uri}/new", b"12")


def _upload(uri: str) -> None:
    for name in ("a", "b"):
        Path(f"{os.environ['MLOPS_TFX_CACHE']}/source").mkdir(parents=True, exist_ok=True)
        Path(f"{os.environ['MLOPS_TFX_CACHE']}/source/{name}").write_text(name)
    filesystem.copy_tree(f"{os.environ['MLOPS_TFX_CACHE']}/source", f"{uri}/new")


OPERATIONS: dict[str, Callable[[str], object]] = {
    "read": lambda uri: filesystem.read_bytes(f"{uri}/old"),
    "list": filesystem.listdir,
    "stat": lambda uri: filesystem.stat(f"{uri}/old"),
    "glob": lambda uri: filesystem.glob(f"{uri}/*"),
    "digest": filesystem.digest,
    "write": _write,
    "upload": _upload,
    "copy": lambda uri: filesystem.copy_tree(f"{uri}/old", f"{uri}/new"),
    "remove": lambda uri: filesystem.remove_tree(f"{uri}/old"),
}


@pytest.fixture
def folder(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    filesystem.write_bytes(f"{s3.uri}/folder/old", b"1")
    return f"{s3.uri}/folder"


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_that_passes_is_survived(s3: ObjectStore, folder: str, operation: str, fault: str) -> None:
    s3.proxy.fault = TRANSIENT[fault]()
    OPERATIONS[operation](folder)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_that_stays_is_an_error_that_names_the_uri(s3: ObjectStore, folder: str, operation: str) -> None:
    s3.proxy.fault = answers(500, "InternalError")
    with pytest.raises(
        filesystem.StorageError, match=r"failed, also when asked again.*'s3://bucket-\w+/folder"
    ) as caught:
        OPERATIONS[operation](folder)
    assert caught.value.errno == errno.EIO
    s3.proxy.fault = None
    assert s3.objects() == {"folder/old": 1}


def test_a_part_that_is_refused_leaves_no_object(s3: ObjectStore, folder: str) -> None:
    s3.proxy.fault = answers(500, "InternalError", matching="partNumber")
    with pytest.raises(filesystem.StorageError, match=f"{folder}/new"):
        _write(folder)
    s3.proxy.fault = None
    assert s3.objects() == {"folder/old": 1}


def test_a_server_that_does_not_answer_is_an_error_and_no_endless_wait(
    s3: ObjectStore, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_TFX_REQUEST_TIMEOUT", "1")
    end = threading.Event()
    s3.proxy.fault = stalls(end)
    with pytest.raises(TimeoutError, match=f"MLOPS_TFX_REQUEST_TIMEOUT.*{folder}/old"):
        filesystem.read_bytes(f"{folder}/old")
    end.set()
    s3.proxy.fault = stalls(end := threading.Event(), 1)
    assert filesystem.read_bytes(f"{folder}/old") == b"1"
    end.set()


def test_a_server_that_is_not_there(s3: ObjectStore, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match=f"http://127.0.0.1:1 cannot be reached.*{folder}/old"):
        filesystem.read_bytes(f"{folder}/old")


def test_refused_credentials_and_none_at_all(s3: ObjectStore, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.proxy.fault = answers(403, "InvalidAccessKeyId")
    with pytest.raises(PermissionError, match=f"AWS_ACCESS_KEY_ID.*{folder}/old"):
        filesystem.read_bytes(f"{folder}/old")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", os.environ["MLOPS_TFX_CACHE"])
    # What is private asks for a signature; what is public takes none.
    s3.proxy.fault = lambda handler: "Authorization" not in handler.headers and answers(403, "AccessDenied")(handler)
    with pytest.raises(PermissionError, match="set credentials"):
        filesystem.read_bytes(f"{folder}/old")
    s3.proxy.fault = None
    assert filesystem.read_bytes(f"{folder}/old") == b"1"


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_ENDPOINT_URL", "localhost:9000"), ("AWS_MAX_ATTEMPTS", "often"), ("MLOPS_TFX_REQUEST_TIMEOUT", "0")],
)
def test_settings_of_the_wrong_form(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}.*'{value}'"):
        filesystem.exists(f"{s3.uri}/x")


# Pipelines -----------------------------------------------------------------------------------------------------------


def start(root: str, store: Path, node: str = "nothing", step: int = 0) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "AWS_MAX_ATTEMPTS": "2"}
    command = [sys.executable, str(PROGRAM), root, node, str(step), str(store)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def models(store: Path) -> list[str]:
    with MetadataStore(SqliteConnection(filename_uri=str(store))) as opened:
        return [model.uri for model in opened.latest(Model, pipeline_name="p", limit=None)]


def test_three_runs_at_once_on_one_root_and_one_store(s3: ObjectStore, tmp_path: Path) -> None:
    store = tmp_path / "metadata.sqlite"
    said = [ended(process) for process in [start(f"{s3.uri}/root", store) for _ in range(3)]]
    assert [code for code, _ in said] == [0, 0, 0], said
    found = models(store)
    assert found
    for uri in found:
        assert filesystem.listdir(uri) == ["saved_model.pb", "variables"]
        assert filesystem.read_bytes(f"{uri}/variables") == b"variables"
    named = {name for uri in found for name in (f"{uri}/saved_model.pb", f"{uri}/variables")}
    assert set(filesystem.walk_files(f"{s3.uri}/root/Train")) == named, "nothing lies there that has no name"


@pytest.mark.parametrize("matching", ["PUT", "POST"])
def test_killed_while_it_sends_and_continued(s3: ObjectStore, tmp_path: Path, matching: str) -> None:
    store, root = tmp_path / "metadata.sqlite", f"{s3.uri}/root"
    end, sending = threading.Event(), threading.Event()
    wait = stalls(end, matching=f"{matching} /{s3.bucket}/root/Train/model/2/variables")

    def fault(handler):
        if "/root/Train/model/2/variables" in handler.path:
            sending.set()
        return wait(handler)

    s3.proxy.fault = fault
    process = start(root, store)
    assert sending.wait(120)
    process.send_signal(signal.SIGKILL)
    assert ended(process)[0] == -signal.SIGKILL
    end.set()
    s3.proxy.fault = None
    assert models(store) == []
    code, said = ended(start(root, store))
    assert code == 0, said
    (model,) = models(store)
    assert model != f"{root}/Train/model/2"
    assert filesystem.listdir(f"{root}/Train/model") == [filesystem.basename(model)]
    assert filesystem.listdir(model) == ["saved_model.pb", "variables"]


def test_a_store_that_refuses_outputs_fails_the_node_and_leaves_nothing(s3: ObjectStore, tmp_path: Path) -> None:
    store, root = tmp_path / "metadata.sqlite", f"{s3.uri}/root"
    s3.proxy.fault = answers(500, "InternalError", matching="root/Train/model/2/saved_model.pb")
    code, said = ended(start(root, store))
    assert code == 1 and f"{root}/Train/model/2/saved_model.pb" in said
    s3.proxy.fault = None
    assert not filesystem.exists(f"{root}/Train/model/2")
    assert ended(start(root, store))[0] == 0
    assert len(models(store)) == 1


def test_a_root_that_another_store_uses_is_refused_and_left_alone(s3: ObjectStore, tmp_path: Path) -> None:
    root = f"{s3.uri}/root"
    assert ended(start(root, tmp_path / "first.sqlite"))[0] == 0
    before = s3.objects()
    code, said = ended(start(root, tmp_path / "second.sqlite"))
    assert code == 1 and "another metadata store uses this pipeline_root" in said
    assert s3.objects() == before


def test_a_root_without_a_bucket_is_refused_at_once(s3: ObjectStore, tmp_path: Path) -> None:
    code, said = ended(start("s3://no-such-bucket/root", tmp_path / "metadata.sqlite"))
    assert code == 1 and "pipeline_root='s3://no-such-bucket/root'" in said and "there is no bucket" in said


# Pushing -------------------------------------------------------------------------------------------------------------


def model(folder: Path, content: bytes = b"graph") -> str:
    for name, data in {"saved_model.pb": content, "variables/variables.index": b"index"}.items():
        filesystem.write_bytes(folder / name, data)
    return str(folder)


def test_pushed_to_s3_with_the_model_file_last(s3: ObjectStore, tmp_path: Path) -> None:
    base, said = f"{s3.uri}/serving", []
    version = push(model(tmp_path / "m"), base, said.append)
    copies = [seen.path for seen in s3.proxy.requests if f"/serving/{version}/" in seen.path and seen.method == "PUT"]
    assert copies[-1].endswith("saved_model.pb") and len(copies) == 2
    assert filesystem.listdir(base) == [version]
    assert filesystem.read_bytes(f"{base}/{version}/variables/variables.index") == b"index"
    assert push(model(tmp_path / "m"), base, said.append) == version and "not pushed again" in said[0]
    assert push(model(tmp_path / "n", b"other"), base, said.append) > version


def test_pushes_of_several_processes_at_once_take_versions_of_their_own(s3: ObjectStore, tmp_path: Path) -> None:
    code = "import sys; from mlops_tfx.deployment.versions import push; push(*sys.argv[1:3], lambda text: None)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    sources = [model(tmp_path / str(number), str(number).encode()) for number in range(4)]
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen([*command, source, f"{s3.uri}/serving"], env=environment) for source in sources]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0, 0]
    versions = filesystem.listdir(f"{s3.uri}/serving")
    assert all(version.isdecimal() for version in versions)
    pushed = {filesystem.read_bytes(f"{s3.uri}/serving/{version}/saved_model.pb") for version in versions}
    assert pushed == {b"0", b"1", b"2", b"3"}


def test_a_push_that_fails_shows_no_version(s3: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3.proxy.fault = answers(403, "AccessDenied", matching="saved_model.pb")
    with pytest.raises(PushError, match=f"base_directory='{s3.uri}/serving'.*the store refused access"):
        push(model(tmp_path / "m"), f"{s3.uri}/serving", lambda text: None)
    s3.proxy.fault = None
    assert s3.objects() == {}
