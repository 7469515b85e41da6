"""Local copies: each part once, whoever asks; never stale; bounded."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST, Examples, String
from mlops_tfx.errors import ConfigError
from mlops_tfx.filesystem import LocalCopy
from tests.object_store.faulty_proxy import answers
from tests.object_store.server import ObjectStore


def write(s3: ObjectStore, name: str = "tree") -> str:
    for split in ("train", "eval"):
        filesystem.write_bytes(f"{s3.uri}/{name}/Split-{split}/x", split.encode())
    return f"{s3.uri}/{name}"


def reads(s3: ObjectStore) -> list[str]:
    return [seen.path for seen in s3.proxy.requests if seen.method == "GET" and "list-type" not in seen.path]


def test_only_the_part_that_is_asked_for_is_copied_and_only_once(s3: ObjectStore) -> None:
    uri = write(s3)
    s3.proxy.requests.clear()
    with LocalCopy(uri, "1") as copy:
        assert copy.readable("Split-eval") == f"{uri}/Split-eval"
        assert reads(s3) == []
        with ThreadPoolExecutor(8) as pool:
            paths = set(pool.map(copy.path, ["Split-train"] * 8))
        (path,) = paths
        assert filesystem.read_bytes(f"{path}/x") == b"train"
        assert reads(s3) == [f"/{s3.bucket}/tree/Split-train/x"]
        assert copy.readable("Split-train") == path
        assert copy.readable("Split-eval") == f"{uri}/Split-eval"
        whole = copy.path()
        assert sorted(os.listdir(whole)) == ["Split-eval", "Split-train"]
        assert f"{whole}/Split-train" == path
    s3.proxy.requests.clear()
    with pickle.loads(pickle.dumps(LocalCopy(uri, "1"))) as again:
        assert again.path() == whole
    assert s3.proxy.requests == []


def test_another_version_is_another_copy(s3: ObjectStore) -> None:
    uri = write(s3)
    with LocalCopy(uri, "1") as before, LocalCopy(uri, "2") as after:
        old = before.path()
        filesystem.write_bytes(f"{uri}/Split-train/x", b"new")
        assert filesystem.read_bytes(f"{after.path()}/Split-train/x") == b"new"
        assert filesystem.read_bytes(f"{old}/Split-train/x") == b"train"


def test_a_copy_that_failed_midway_is_no_copy(s3: ObjectStore) -> None:
    uri = write(s3)
    s3.proxy.fault = answers(403, "AccessDenied", matching="GET /" + s3.bucket + "/tree/Split-train")
    with LocalCopy(uri, "1") as copy:
        with pytest.raises(PermissionError, match=f"{uri}/Split-train/x"):
            copy.path()
        s3.proxy.fault = None
        assert filesystem.size(copy.path()) == len("train" + "eval")
        with pytest.raises(FileNotFoundError, match=f"{uri}/nothing"), LocalCopy(f"{uri}/nothing", "1") as nothing:
            nothing.path()


def test_copies_that_nobody_uses_make_room_the_oldest_first(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for number in range(4):
        filesystem.write_bytes(f"{s3.uri}/{number}", bytes(100))
        with LocalCopy(f"{s3.uri}/{number}", "1") as copy:
            places.append(copy.path())
            os.utime(os.path.dirname(places[-1]), (number, number))
    monkeypatch.setenv("MLOPS_TFX_CACHE_BYTES", "250")
    filesystem.write_bytes(f"{s3.uri}/last", bytes(100))
    with LocalCopy(f"{s3.uri}/0", "1") as used:
        used.path()
        os.utime(os.path.dirname(places[0]), (0, 0))
        with LocalCopy(f"{s3.uri}/last", "1") as last:
            assert os.path.exists(last.path())
    assert [os.path.exists(place) for place in places] == [True, False, False, False]
    monkeypatch.setenv("MLOPS_TFX_CACHE_BYTES", "many")
    with pytest.raises(ConfigError, match="MLOPS_TFX_CACHE_BYTES.*'many'"), LocalCopy(f"{s3.uri}/1", "1") as copy:
        copy.path()


def test_an_artifact_far_away_reads_as_a_local_one_inside_run(s3: ObjectStore) -> None:
    uri = write(s3)
    examples = Examples(uri, custom_properties={CONTENT_DIGEST: "d"})
    examples.splits = ["train", "eval"]
    near = examples.on_this_machine()
    s3.proxy.requests.clear()
    assert near.recorded_uri == uri and repr(uri) in repr(near)
    assert near.readable_path("eval") == f"{uri}/Split-eval"
    assert s3.proxy.requests == []
    assert filesystem.read_bytes(f"{near.path('train')}/x") == b"train"
    assert near.readable_path("train") == near.path("train")
    assert examples.on_this_machine(streamed=True).readable_path("train") == f"{uri}/Split-train"
    assert examples.uri == uri
    near.release()

    filesystem.write_bytes(f"{s3.uri}/value", "é".encode())
    value = String(f"{s3.uri}/value").on_this_machine()
    assert value.read() == "é" and filesystem.is_local(value.uri)
    value.release()


def test_a_local_artifact_stays_what_it_is(tmp_path: Path) -> None:
    artifact = Examples(str(tmp_path))
    assert artifact.on_this_machine() is artifact
    assert artifact.local_uri("x") == artifact.readable_uri("x") == str(tmp_path / "x")
