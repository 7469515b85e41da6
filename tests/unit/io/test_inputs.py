from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlops_tfx import config
from mlops_tfx.errors import DataError
from mlops_tfx.io import inputs


def splits(*pairs: tuple[str, str]) -> config.Input:
    return config.Input(splits=[config.Input.Split(name=name, pattern=pattern) for name, pattern in pairs])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (100 + len(name), 100 + len(name)))
    return tmp_path


def test_default_is_one_split_of_all_files(folder: Path) -> None:
    (found,) = inputs.find_input(str(folder), None)
    assert found == inputs.InputSplit("single_split", (str(folder / "a.csv"), str(folder / "b.csv")))


def test_patterns(folder: Path) -> None:
    found = inputs.find_input(str(folder), splits(("x", "sub/*"), ("y", "[ab].csv")))
    assert [(split.name, [Path(f).name for f in split.files]) for split in found] == [
        ("x", ["c.csv"]),
        ("y", ["a.csv", "b.csv"]),
    ]


def test_what_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match=r"received input_base='.*nowhere', which does not exist"):
        inputs.find_input(str(folder / "nowhere"), None)
    with pytest.raises(DataError, match=r"which is a file; pass .* pattern='a.csv'"):
        inputs.find_input(str(folder / "a.csv"), None)
    with pytest.raises(
        DataError, match=r"input split 'x': expected files, received pattern='\*.tsv'.*a.csv, b.csv, sub"
    ):
        inputs.find_input(str(folder), splits(("x", "*.tsv")))
    with pytest.raises(DataError, match=r"expected at least one span for pattern='span-\{SPAN\}/\*', received none"):
        inputs.find_input(str(folder), splits(("x", "span-{SPAN}/*")))


def test_fingerprint_is_tfxs(folder: Path) -> None:
    expected = "split:single_split,num_files:2,total_bytes:10,xor_checksum:0,sum_checksum:210"
    assert inputs.fingerprint(inputs.find_input(str(folder), None)) == expected


def test_digests_are_of_the_content(folder: Path) -> None:
    paths = [str(folder / "a.csv"), str(folder / "sub/c.csv")]
    expected = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    assert inputs.content_digests(paths) == expected
    assert inputs.content_digests([]) == {}
