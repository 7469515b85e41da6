"""Files by TFX's names: what every operation gives and raises, compared with TFX 1.16 itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops_tfx.v1.dsl.io import fileio
from tests.golden.tfx_surface.file_operations import STEPS, perform

TABLE = json.loads((Path(__file__).parents[2] / "golden" / "tfx_surface.json").read_text(encoding="utf-8"))["fileio"]

# TFX opens files when they are first read or written, and raises TensorFlow's error then, not fileio.NotFoundError.
DIFFERENT = {
    "12 read what is not there": "not found",
    "13 write below nothing": "not found",
    "18 listdir of bytes": [{"bytes": "b"}, {"bytes": "d"}, {"bytes": "x.txt"}],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return json.loads(json.dumps(perform(fileio, str(tmp_path_factory.mktemp("files")))))


@pytest.mark.parametrize("step", TABLE)
def test_every_operation_gives_what_tfx_gives(outcomes, step):
    if step in DIFFERENT:
        assert outcomes[step] == DIFFERENT[step] != TABLE[step]
    else:
        assert outcomes[step] == TABLE[step]


def test_the_table_is_of_these_operations():
    assert list(TABLE) == [f"{number:02} {name}" for number, (name, _) in enumerate(STEPS)]


def test_stat_has_the_names_of_os_stat_too(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    found, expected = fileio.stat(str(path)), path.stat()
    assert (found.st_size, found.mtime_nsec, found.is_directory) == (3, expected.st_mtime_ns, False)
    assert found.st_mtime == pytest.approx(expected.st_mtime, abs=1e-6)


@pytest.mark.parametrize("kind", ["", "b"])
def test_size_of_an_open_file(tmp_path, kind):
    path, text = str(tmp_path / "x"), "grüße\n"
    data = text.encode() if kind else text
    with fileio.open(path, "w" + kind) as file:
        assert file.size() == 0
        file.write(data)
        assert file.size() == 8
    with fileio.open(path, "a" + kind) as file:
        file.write(data)
        assert file.size() == 16
    with fileio.open(path, "r" + kind) as file:
        assert (file.readline(), file.size(), list(file)) == (data, 16, [data])
    with fileio.open(path, "r+" + kind) as file:
        file.write(data[:1])
        assert (file.size(), file.seek(0), file.read(1)) == (16, 0, data[:1])


def test_paths_as_bytes(tmp_path):
    folder = str(tmp_path).encode()
    fileio.mkdir(folder + b"/a")
    with fileio.open(folder + b"/a/x", "w") as file:
        file.write("text")
    fileio.copy(folder + b"/a/x", folder + b"/y")
    assert fileio.glob(folder + b"/*") == [folder + b"/a", folder + b"/y"]
    assert list(fileio.walk(folder)) == [(folder, [b"a"], [b"y"]), (folder + b"/a", [], [b"x"])]
    fileio.rename(folder + b"/y", folder + b"/z")
    fileio.remove(folder + b"/z")
    fileio.rmtree(folder + b"/a")
    assert fileio.listdir(folder) == []


@pytest.mark.parametrize("call", [fileio.copy, fileio.rename])
def test_what_is_there_is_not_replaced_unawares(tmp_path, call):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(FileExistsError, match="there is a file '.*/b' already; pass overwrite=True"):
        call(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "b"


def test_on_an_object_store(s3, tmp_path):
    folder = f"{s3.uri}/folder"
    with fileio.open(f"{folder}/a/x.txt", "w") as file:
        file.write("one\ntwo\n")
    assert (fileio.exists(f"{folder}/a/x.txt"), fileio.isdir(f"{folder}/a"), fileio.exists(f"{folder}/no")) == (
        True,
        True,
        False,
    )
    fileio.copy(f"{folder}/a/x.txt", str(tmp_path / "here"))
    fileio.copy(str(tmp_path / "here"), f"{folder}/y.txt")
    assert fileio.open(f"{folder}/y.txt").read() == "one\ntwo\n"
    assert fileio.listdir(folder) == ["a", "y.txt"]
    assert fileio.glob(f"{folder}/*.txt") == [f"{folder}/y.txt"]
    from_above = [(folder, ["a"], ["y.txt"]), (f"{folder}/a", [], ["x.txt"])]
    assert list(fileio.walk(folder)) == from_above
    assert list(fileio.walk(folder, topdown=False)) == from_above[::-1]
    assert (fileio.stat(f"{folder}/y.txt").length, fileio.stat(folder).is_directory) == (8, True)
    with pytest.raises(FileExistsError):
        fileio.copy(f"{folder}/a/x.txt", f"{folder}/y.txt")
    fileio.rename(f"{folder}/y.txt", f"{folder}/z.txt")
    fileio.remove(f"{folder}/z.txt")
    for call in (fileio.remove, fileio.rmtree, fileio.stat):
        with pytest.raises(fileio.NotFoundError):
            call(f"{folder}/z.txt")
    fileio.mkdir(f"{folder}/made")
    fileio.rmtree(folder)
    assert not fileio.exists(folder)
