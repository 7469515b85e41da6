"""The file layer: digests that see every byte and name, moves in one step, and clear refusals."""

from __future__ import annotations

import hashlib

import pytest

from mlops_tfx import filesystem
from mlops_tfx.errors import ConfigError


def test_digest_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    lines = [f"a/x\0{hashlib.sha256(b'1').hexdigest()}\n", f"b\0{hashlib.sha256(b'2').hexdigest()}\n"]
    expected = hashlib.sha256("".join(sorted(lines, key=lambda line: line[0] != "b")).encode()).hexdigest()
    assert filesystem.digest(tmp_path) == expected
    (tmp_path / "b").rename(tmp_path / "c")
    assert filesystem.digest(tmp_path) != expected


def test_walk_is_sorted_and_a_file_is_its_own_tree(tmp_path):
    for name in ("z/1", "a/2", "m"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path[len(str(tmp_path)) + 1 :] for path in filesystem.walk_files(tmp_path)]
    assert found == ["m", "a/2", "z/1"]
    assert list(filesystem.walk_files(tmp_path / "m")) == [str(tmp_path / "m")]


def test_rename_makes_parents_and_moves_all(tmp_path):
    filesystem.write_bytes(tmp_path / "from" / "x", b"1")
    filesystem.rename(tmp_path / "from", tmp_path / "deep" / "to")
    assert filesystem.read_bytes(tmp_path / "deep" / "to" / "x") == b"1"
    assert not filesystem.exists(tmp_path / "from")


def test_remove_tree_takes_files_folders_links_and_nothing(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    filesystem.remove_tree(tmp_path / "link")
    assert (tmp_path / "folder").exists(), "the link goes, its target stays"
    for name in ("folder", "file", "absent"):
        filesystem.remove_tree(tmp_path / name)
    assert filesystem.listdir(tmp_path) == []


def test_file_scheme_is_local_and_unknown_ones_are_refused(tmp_path):
    filesystem.write_bytes(f"file://{tmp_path}/x", b"1")
    assert filesystem.size(tmp_path) == 1
    with pytest.raises(ConfigError, match=r"file://, gs://, s3://; received uri='hdfs://host/key'"):
        filesystem.exists("hdfs://host/key")
    with pytest.raises(ConfigError, match="received uri='s4://b/key'"):
        filesystem.open("s4://b/key")
    with pytest.raises(ConfigError, match=r"path on this machine, received uri='s3://b/key'"):
        filesystem.local_path("s3://b/key")
    with pytest.raises(ConfigError, match="no bucket"):
        filesystem.exists("s3:///key")


@pytest.mark.parametrize(
    ("uri", "parent", "name"),
    [
        ("s3://b/x/y", "s3://b/x", "y"),
        ("s3://b/x/", "s3://b", "x"),
        ("gs://b", "gs://b", "b"),
        ("/x/y", "/x", "y"),
        ("y", "", "y"),
    ],
)
def test_parts_of_paths_and_uris(uri, parent, name):
    assert (filesystem.dirname(uri), filesystem.basename(uri)) == (parent, name)


def test_relative_and_absolute_of_uris_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert filesystem.relative("s3://b/x/y/z", "s3://b/x/") == "y/z"
    assert filesystem.relative("/x", "/x/") == "."
    with pytest.raises(ValueError, match="below 's3://b/x', received uri='s3://b/xy'"):
        filesystem.relative("s3://b/xy", "s3://b/x")
    assert filesystem.absolute("s3://b/x/") == "s3://b/x"
    assert filesystem.absolute("x/../y") == str(tmp_path / "y")


def test_open_modes(tmp_path):
    with filesystem.open(tmp_path / "t", "w") as file:
        file.write("é")
    with filesystem.open(tmp_path / "t", "a") as file:
        file.write("ü")
    assert filesystem.read_bytes(tmp_path / "t") == "éü".encode()
    with pytest.raises(ValueError, match="mode='r\\+'"):
        filesystem.open(tmp_path / "t", "r+")
