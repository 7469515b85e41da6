"""The file layer on a real S3 server: the same functions, the same answers as on a local folder."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_tfx import filesystem
from tests.object_store.server import ObjectStore

FILES = {
    "a.csv": b"1", "b/a.csv": b"22", "b/c/a.csv": b"333", "b/c/d.txt": b"4", "b/.hidden": b"5", "e-00000-of-00001": b"",
    "f g/h#i?.csv": b"7", "k%20l": b"8",
}  # fmt: skip


def write_all(folder: str) -> None:
    for name, data in FILES.items():
        filesystem.write_bytes(filesystem.join(folder, name), data)


@pytest.fixture
def tree(s3: ObjectStore) -> str:
    write_all(f"{s3.uri}/tree")
    return f"{s3.uri}/tree"


@pytest.fixture
def local_tree(tmp_path: Path) -> str:
    write_all(str(tmp_path / "tree"))
    return str(tmp_path / "tree")


PATTERNS = [
    "*", "*.csv", "**/*.csv", "**", "b/*", "b/**/a.csv", "b/c", "?.csv", "[ab].csv", "[!b].csv", "e-*-of-*", "*/*.csv",
    "nothing*", "b/.h*", "f g/*", "k%20l", "**/c/*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_they_match_on_a_local_folder(tree: str, local_tree: str, pattern: str) -> None:
    here = filesystem.glob(filesystem.join(local_tree, pattern))
    expected = sorted(os.path.relpath(path, local_tree) for path in here if path.rstrip("/") != local_tree)
    assert [filesystem.relative(uri, tree) for uri in filesystem.glob(filesystem.join(tree, pattern))] == expected


def test_every_function_answers_as_on_a_local_folder(tree: str, local_tree: str) -> None:
    for name in ("", "b", "b/", "b/c", "a.csv", "e-00000-of-00001", "nothing", "b/nothing", "k%20l"):
        there, here = filesystem.join(tree, name), filesystem.join(local_tree, name)
        assert filesystem.exists(there) == filesystem.exists(here), name
        assert filesystem.isdir(there) == filesystem.isdir(here), name
        assert filesystem.size(there) == filesystem.size(here), name
        walked = {filesystem.relative(path, there) for path in filesystem.walk_files(there)}
        assert walked == {filesystem.relative(path, here) for path in filesystem.walk_files(here)}, name
        if filesystem.isdir(here):
            assert filesystem.listdir(there) == filesystem.listdir(here)
    for name, data in FILES.items():
        assert filesystem.read_bytes(f"{tree}/{name}") == data
        assert filesystem.stat(f"{tree}/{name}").size == len(data)


def test_trees_are_copied_between_all_places(s3: ObjectStore, local_tree: str, tmp_path: Path) -> None:
    os.makedirs(os.path.join(local_tree, "empty/inner"))
    filesystem.copy_tree(local_tree, f"{s3.uri}/first")
    filesystem.copy_tree(f"{s3.uri}/first", f"{s3.uri}/second")
    filesystem.copy_tree(f"{s3.uri}/second", tmp_path / "back")
    filesystem.copy_tree(f"{s3.uri}/first", tmp_path / "whole")
    assert filesystem.digest(tmp_path / "back") == filesystem.digest(local_tree)
    assert (tmp_path / "whole/empty/inner").is_dir()
    filesystem.copy_tree(f"{s3.uri}/first/a.csv", tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_bytes() == FILES["a.csv"]


def test_a_digest_of_objects_sees_names_and_content_and_reads_nothing(s3: ObjectStore, tree: str) -> None:
    before = filesystem.digest(tree)
    assert filesystem.digest(tree) == before
    s3.proxy.requests.clear()
    filesystem.digest(tree)
    assert s3.proxy.bytes_read == 0
    filesystem.write_bytes(f"{tree}/a.csv", b"9")  # as long as before
    changed = filesystem.digest(tree)
    assert changed != before
    filesystem.write_bytes(f"{tree}/a.csv", FILES["a.csv"])
    assert filesystem.digest(tree) == before, "the entity tag is of the content"
    filesystem.remove_tree(f"{tree}/b/c/d.txt")
    assert filesystem.digest(tree) not in (before, changed)


def test_removing(s3: ObjectStore, tree: str) -> None:
    filesystem.remove_tree(f"{tree}/b")
    assert not filesystem.exists(f"{tree}/b")
    filesystem.remove_tree(f"{tree}/nothing")
    filesystem.remove_tree(tree)
    assert s3.objects() == {}


def test_a_file_that_is_not_finished_is_no_object(s3: ObjectStore) -> None:
    uri = f"{s3.uri}/x"
    with pytest.raises(RuntimeError, match="midway"), filesystem.open(uri, "wb") as file:
        file.write(b"half")
        raise RuntimeError("midway")
    with pytest.raises(RuntimeError, match="midway"), filesystem.open(uri, "w") as file:
        file.write("half")
        raise RuntimeError("midway")
    left = filesystem.open(uri, "wb")
    left.write(b"half")
    del left
    assert s3.objects() == {}
    file = filesystem.open(uri, "w")
    file.write("é")
    file.close()
    with filesystem.open(uri) as file:
        assert file.read() == "é"


def test_a_large_object_is_sent_in_parts_and_read_by_ranges(s3: ObjectStore) -> None:
    data = os.urandom(23 << 20)
    with filesystem.open(f"{s3.uri}/large", "wb") as file:
        for start in range(0, len(data), 1 << 20):
            file.write(data[start : start + (1 << 20)])
    with filesystem.open(f"{s3.uri}/large", "rb") as file:
        file.seek(-3, io.SEEK_END)
        assert file.read() == data[-3:]
        file.seek(5 << 20)
        assert file.read(7 << 20) == data[5 << 20 : 12 << 20]
        file.seek(0)
        assert file.read() == data
    s3.proxy.requests.clear()
    with filesystem.open(f"{s3.uri}/large", "rb") as file:
        file.read(10)
    assert s3.proxy.bytes_read == 4 << 20


def test_parquet_is_read_from_there(s3: ObjectStore, tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"x": list(range(1000))})
    pq.write_table(table, tmp_path / "t.parquet")
    filesystem.copy_tree(tmp_path / "t.parquet", f"{s3.uri}/t.parquet")
    with filesystem.open(f"{s3.uri}/t.parquet", "rb") as file:
        assert pq.read_table(file).equals(table)
    with filesystem.open_native(f"{s3.uri}/t.parquet") as file:
        assert pq.read_table(file).equals(table)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=200),
    name=st.text(st.characters(blacklist_characters="/\0\r\n", codec="utf-8"), min_size=1, max_size=20),
)
def test_any_bytes_under_any_name_come_back(s3: ObjectStore, data: bytes, name: str) -> None:
    if name in (".", ".."):
        return
    uri = f"{s3.uri}/any/x{name}x"
    filesystem.write_bytes(uri, data)
    assert filesystem.read_bytes(uri) == data
    assert uri in filesystem.walk_files(f"{s3.uri}/any")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst", ".lz4"])
def test_names_of_compressed_files_change_nothing(s3: ObjectStore, suffix: str, tmp_path: Path) -> None:
    data = gzip.compress(os.urandom(3000))
    filesystem.write_bytes(tmp_path / f"x{suffix}", data)
    filesystem.copy_tree(tmp_path / f"x{suffix}", f"{s3.uri}/x{suffix}")
    assert filesystem.read_bytes(f"{s3.uri}/x{suffix}") == data
    with filesystem.open_native(f"{s3.uri}/x{suffix}") as file:
        assert file.read() == data


@pytest.mark.parametrize("mode", ["a", "r+", "rw", "x"])
def test_modes_that_objects_do_not_have_are_refused(s3: ObjectStore, mode: str) -> None:
    with pytest.raises(ValueError, match=f"received mode='{mode[0]}"):
        filesystem.open(f"{s3.uri}/x", mode)


def test_what_objects_cannot_do_is_refused_with_the_uri(s3: ObjectStore) -> None:
    with pytest.raises(io.UnsupportedOperation, match=f"{s3.uri}/x"):
        filesystem.rename(f"{s3.uri}/x", f"{s3.uri}/y")
    with pytest.raises(io.UnsupportedOperation, match="locked"), filesystem.locked(s3.uri):
        raise AssertionError
    filesystem.sync(s3.uri)


@pytest.mark.parametrize("read", [filesystem.read_bytes, filesystem.listdir, filesystem.stat], ids=lambda f: f.__name__)
def test_what_is_not_there_is_an_error_that_tells_object_and_bucket_apart(s3: ObjectStore, read) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no such object or folder: '{s3.uri}/nothing'"):
        read(f"{s3.uri}/nothing")
    with pytest.raises(
        FileNotFoundError, match="there is no bucket 'no-such-bucket' at http://127.*'s3://no-such-bucket/x'"
    ):
        read("s3://no-such-bucket/x")


@pytest.mark.parametrize(
    "act", [filesystem.makedirs, lambda uri: filesystem.write_bytes(uri, b"1"), lambda uri: filesystem.glob(f"{uri}*")]
)
def test_a_bucket_that_is_not_there_cannot_be_used(s3: ObjectStore, act) -> None:
    with pytest.raises(FileNotFoundError, match="there is no bucket 'no-such-bucket'"):
        act("s3://no-such-bucket/x")


def _read_in_child(uri: str) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if filesystem.read_bytes(uri) == b"1" else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_process_makes_connections_of_its_own(s3: ObjectStore, tree: str) -> None:
    assert filesystem.read_bytes(f"{tree}/a.csv") == b"1"
    assert [_read_in_child(f"{tree}/a.csv") for _ in range(3)] == [0, 0, 0]
