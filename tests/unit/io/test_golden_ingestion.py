"""Splits and spans equal TFX 1.16's, whose answers tests/golden/ingestion/make.py has stored."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_tfx import config
from mlops_tfx.errors import MlopsTfxError
from mlops_tfx.io import inputs, records
from mlops_tfx.io.partition import Partition

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "ingestion"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = _maker()


@pytest.mark.parametrize("case", EXPECTED["partition"], ids=lambda case: f"{case['payload']}-{case['feature']}")
def test_every_record_lands_in_tfx_s_split(case: Any) -> None:
    data = pa.array([base64.b64decode(record) for record in case["records"]], pa.binary())
    partition = Partition(MAKE.BUCKETS, case["feature"])
    # The split of a row must not depend on the batch it comes in.
    for cut in (len(data), 50, 7):
        assigned = [
            split
            for start in range(0, len(data), cut)
            for split in partition.assign(records.rows_of_array(data.slice(start, cut), case["payload"], "memory"))
        ]
        assert "".join(map(str, assigned)) == case["splits"]


@pytest.mark.parametrize("case", EXPECTED["spans"], ids=lambda case: f"{case['tree']}-{case['static']}")
def test_spans_are_tfx_s(case: Any, tmp_path: Path) -> None:
    MAKE.write_tree(tmp_path, MAKE.TREES[case["tree"]])
    splits = [config.Input.Split(name=name, pattern=pattern) for name, pattern in case["patterns"].items()]
    static = config.StaticRange(start_span_number=case["static"] or 0, end_span_number=case["static"] or 0)
    chosen = None if case["static"] is None else config.RangeConfig(static_range=static)
    if "error" in case:
        with pytest.raises(MlopsTfxError):
            inputs.find_spans(str(tmp_path), config.Input(splits=splits), chosen)
        return
    (found,) = inputs.find_spans(str(tmp_path), config.Input(splits=splits), chosen)
    assert (found.span, found.version) == (case["span"], case["version"])
    assert {split.name: split.pattern for split in found.splits} == case["chosen"]
