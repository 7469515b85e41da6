"""ImportSchemaGen: copies a schema that parses, refuses one that does not, and is cached by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_tfx.components.import_schema_gen import ImportSchemaGen
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component

SCHEMA = '# Hours are 0 to 23.\nfeature {\n  name: "hour"\n  type: INT\n  int_domain { min: 0 max: 23 }\n}\n'


@pytest.fixture
def schema_file(tmp_path: Path) -> Path:
    path = tmp_path / "curated.pbtxt"
    path.write_text(SCHEMA)
    return path


def test_the_file_is_copied_comments_and_all(schema_file: Path, tmp_path: Path) -> None:
    (schema,) = run_component(ImportSchemaGen(str(schema_file)), {}, tmp_path)["schema"]
    assert Path(schema.uri, "schema.pbtxt").read_text() == SCHEMA


def test_the_cache_goes_by_content(schema_file: Path) -> None:
    component = ImportSchemaGen(schema_file=str(schema_file))
    before = component.cache_ingredients()
    assert list(before) == [f"file {schema_file}"]
    assert component.cache_ingredients() == before
    schema_file.write_text(SCHEMA.replace("23", "24"))
    assert component.cache_ingredients() != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'feature {\n  name: "hour"\n  typ: INT\n}\n',
            r"curated.pbtxt, line 3.*no field named .typ.*did you mean 'type'",
        ),
        ('feature {\n  name: "hour"\n', r"curated.pbtxt, line \d"),
        ('feature {\n  name: "hour"\n  type: INTEGER\n}\n', r"curated.pbtxt, line 3"),
        ("hour,carrier\n9,UA\n", r"curated.pbtxt, line 1"),
    ],
)
def test_a_file_that_does_not_parse(schema_file: Path, tmp_path: Path, text: str, message: str) -> None:
    schema_file.write_text(text)
    with pytest.raises(DataError, match=message):
        run_component(ImportSchemaGen(str(schema_file)), {}, tmp_path)
    assert not list((tmp_path / "ImportSchemaGen" / "schema").iterdir())


def test_a_byte_that_is_not_utf_8(schema_file: Path, tmp_path: Path) -> None:
    schema_file.write_bytes(b'feature {\n  name: "caf\xe9"\n}\n')
    with pytest.raises(DataError, match=r"line 2: .*0xe9, which is not UTF-8"):
        run_component(ImportSchemaGen(str(schema_file)), {}, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    component = ImportSchemaGen(str(tmp_path / "nowhere.pbtxt"))
    assert component.cache_ingredients() == {f"file {tmp_path / 'nowhere.pbtxt'}": "missing"}
    with pytest.raises(DataError, match=r"nowhere\.pbtxt"):
        run_component(component, {}, tmp_path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        run_component(ImportSchemaGen(str(tmp_path)), {}, tmp_path / "out")


def test_no_path() -> None:
    assert ImportSchemaGen("").problems == ["parameter 'schema_file': expected a path, received schema_file=''"]
    assert ImportSchemaGen().problems == ["parameter 'schema_file' is required"]  # type: ignore[call-arg]
