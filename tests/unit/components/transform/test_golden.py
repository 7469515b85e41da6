"""Vocabularies and transformed values are those of TFX 1.16 (stored by ``tests/golden/transform/make.py``)."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.io.examples import read_batches
from tests.golden.transform import data
from tests.unit.components.transform.cases import run_transform

GOLDEN = Path(data.__file__).parent


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads(gzip.decompress((GOLDEN / "expected.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("golden")
    examples = data.write_input(str(folder))
    module = str(GOLDEN / "preprocessing.py")
    return run_transform(examples, Schema(str(folder / "schema")), folder, module_file=module)


def test_vocabulary_files_are_tfx_s(outputs: Any, expected: Any) -> None:
    assets = os.path.join(outputs["transform_graph"].uri, "transform_fn", "assets")
    found = {
        name: filesystem.read_bytes(os.path.join(assets, name)).decode().splitlines() for name in os.listdir(assets)
    }
    assert found == expected["vocabularies"]


@pytest.mark.parametrize("split", ["train", "eval"])
def test_transformed_values_are_tfx_s(outputs: Any, expected: Any, split: str) -> None:
    examples = outputs["transformed_examples"]
    assert isinstance(examples, Examples)
    found: dict[str, list[Any]] = {}
    for batch in read_batches(examples, split):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            found.setdefault(name, []).extend(values or [] for values in column.to_pylist())
    rows = expected["rows"][split]
    assert found.keys() == rows[0].keys()
    for name, column in found.items():
        wanted = [row[name] for row in rows]
        if isinstance(wanted[0][0] if wanted[0] else None, float):
            np.testing.assert_allclose(column, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            assert [[v.decode() if isinstance(v, bytes) else v for v in row] for row in column] == wanted, name
