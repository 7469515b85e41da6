"""HandleReloadConfigRequest with configurations that nobody should send: the server stays, and takes a good one."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2

from tests.conformance.serving import models
from tests.fault.serving_fuzz import mutations
from tests.fault.serving_fuzz.grpc_inputs import MODEL, GrpcFuzz
from tests.fault.serving_fuzz.server_process import ServerProcess, wait_for

# UNKNOWN is what TF Serving says of models that do not become available.
PROPER = {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNKNOWN"}
NAMES = ["half", "half", "other", "", "x" * 3000, "../half", "a/b", "ä\u200b", "%41"]
LABELS = ["stable", "", "../..", "x" * 3000]
NUMBERS = [0, 1, 123, -1, 2**31, 2**63 - 1, -(2**63)]
GOOD = [3.0, 3.5, 4.0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reloaded")
    models.save_half_plus_two(root / "half" / "123")
    (root / "empty").mkdir()
    (root / "broken" / "1").mkdir(parents=True)
    (root / "broken" / "1" / "saved_model.pb").write_bytes(b"\xff\xff")
    (root / "file").write_text("no folder")
    (root / "models.config").write_text(models.configuration({"half": root / "half"}))
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ServerProcess]:
    flags = [f"--model_config_file={root / 'models.config'}", f"--reload_base_paths={root}", "--max_num_load_retries=0"]
    server = ServerProcess(*flags)
    assert wait_for(lambda: "is available" in server.log(), 120), server.log()
    try:
        yield server
    finally:
        assert server.stop() == 0


def good(root: Path) -> bytes:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(models.configuration({"half": root / "half"}), request.config)
    return bytes(request.SerializeToString())


def wrong(source: random.Random, root: Path) -> bytes:
    """A configuration that can be read, and need not make sense."""
    request = model_management_pb2.ReloadConfigRequest()
    if source.random() < 0.1:
        request.config.custom_model_config.type_url = source.choice(["", "x", "type.googleapis.com/no.Such"])
        return bytes(request.SerializeToString())
    bases = [str(root / name) for name in ("half", "half", "empty", "broken", "file", "none", "half/../half")]
    for _ in range(source.choice([0, 1, 1, 2, 3])):
        model: Any = request.config.model_config_list.config.add()
        model.name = source.choice(NAMES)
        model.base_path = source.choice([*bases, "", "/", ".", "/etc", "\0", "y" * 5000, f"{root}/../.."])
        model.model_platform = source.choice(["tensorflow", "tensorflow", "tensorflow", "", "torch"])
        policy = model.model_version_policy
        kind = source.choice(["none", "all", "latest", "specific"])
        if kind == "all":
            policy.all.SetInParent()
        elif kind == "latest":
            policy.latest.num_versions = source.choice([0, 1, 5, 2**32 - 1])
        elif kind == "specific":
            policy.specific.versions.extend(source.choices(NUMBERS, k=source.choice([0, 1, 3])))
        for _ in range(source.choice([0, 0, 1, 2])):
            model.version_labels[source.choice(LABELS)] = source.choice(NUMBERS)
    return bytes(request.SerializeToString())


def answers(fuzz: GrpcFuzz) -> bool:
    """Whether the model answers. One that was there is changed behind the answer to a reload, as in TF Serving."""
    try:
        return fuzz.ask_properly() == GOOD
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False


def run(server: ServerProcess, root: Path, inputs: int) -> None:
    fuzz, proper = GrpcFuzz(server.address, 1), good(root)
    with grpc.insecure_channel(server.address) as channel:
        reload = channel.unary_unary(MODEL + "HandleReloadConfigRequest")
        for number in range(inputs):
            source = random.Random(number)
            data = wrong(source, root) if source.random() < 0.5 else mutations.mutate(source, [proper])
            try:
                reload(data, timeout=60)
            except grpc.RpcError as error:
                answer = error.code().name, error.details()
                assert answer[0] in PROPER, (answer, data)
                assert answer[0] != "UNKNOWN" or "did not become available" in str(answer[1]), (answer, data)
            if number % 10 == 9:
                reload(proper, timeout=60)
                assert wait_for(lambda: answers(fuzz), 60)
    fuzz.close()
    assert server.is_running(), server.log()[-5000:]
    assert "Traceback" not in server.log(), server.log()[-5000:]


def test_some_configurations(server: ServerProcess, root: Path) -> None:
    run(server, root, 100)


@pytest.mark.slow
def test_as_many_configurations_as_asked_for(server: ServerProcess, root: Path) -> None:
    run(server, root, int(os.environ.get("FUZZ_CONFIGURATIONS", "2000")))
    before = server.use()
    run(server, root, 300)
    after = server.use()
    assert (after.threads, after.files) <= (before.threads + 2, before.files + 2)
