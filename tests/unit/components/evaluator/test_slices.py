"""Slices of whole columns against TFMA's slicer, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.components.evaluator.batches import EvalBatch
from mlops_tfx.components.evaluator.slices import SliceSpec, slice_rows
from mlops_tfx.errors import DataError
from tests.unit.components.evaluator.cases import random_table, record_batch

SPECS = (
    "",
    "feature_keys: 'c'",
    "feature_keys: 'tags'",
    "feature_keys: ['c', 'n']",
    "feature_keys: ['tags', 'o', 'n']",
    "feature_values { key: 'o' value: 'JFK' }",
    "feature_keys: 'c' feature_values { key: 'n' value: '2' }",
    "feature_keys: 'tags' feature_values { key: 'c' value: 'AA' } feature_values { key: 'n' value: '1' }",
)


def protos(texts: Any) -> list[Any]:
    from tensorflow_model_analysis.proto import config_pb2

    return [text_format.Parse(text, config_pb2.SlicingSpec()) for text in texts]


def by_tfma(table: dict[str, Any], specs: list[Any]) -> dict[Any, list[int]]:
    from tensorflow_model_analysis.slicer import slicer_lib

    single = [slicer_lib.SingleSliceSpec(spec=spec) for spec in specs]
    found: dict[Any, list[int]] = {}
    for row in range(len(table["o"])):
        cells = {name: values[row] for name, values in table.items()}
        features = {n: np.array(v if isinstance(v, list) else [v]) for n, v in cells.items() if v is not None}
        for key in set(slicer_lib.get_slices_for_features_dicts([], features, single)):
            found.setdefault(key, []).append(row)
    return found


@pytest.mark.parametrize("texts", [[text] for text in SPECS] + [list(SPECS)])
def test_slices_are_tfmas(texts: list[str]) -> None:
    table = random_table(120)
    specs = protos(texts)
    batch = EvalBatch(record_batch(table))
    ours = {key: rows.tolist() for key, rows in slice_rows(batch, [SliceSpec.of(spec) for spec in specs]).items()}
    assert ours == by_tfma(table, specs)


values = st.one_of(st.none(), st.lists(st.sampled_from([b"a", b"b", "ü".encode()]), min_size=1, max_size=3))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=12))
def test_any_columns_are_sliced_as_straight_loops_do(rows: list[tuple[Any, Any]]) -> None:
    table = {"p": [row[0] for row in rows], "q": [row[1] for row in rows]}
    expected: dict[Any, list[int]] = {}
    for index, (p, q) in enumerate(rows):
        for key in sorted({(("p", a.decode()), ("q", b.decode())) for a in p or () for b in q or ()}):
            expected.setdefault(key, []).append(index)
    if not any(table["p"]) or not any(table["q"]):
        assert expected == {}
        return
    found = slice_rows(EvalBatch(record_batch(table)), [SliceSpec(keys=("p", "q"))])
    assert {key: members.tolist() for key, members in found.items()} == expected


def test_outputs_of_preprocessing_come_before_raw_columns() -> None:
    batch = EvalBatch(record_batch({"n": [1, 2, 3], "o": [b"x", b"y", b"x"]}))
    batch.transformed = {"": {"n": np.array([[7], [7], [8]])}}
    found = slice_rows(batch, [SliceSpec(keys=("n",)), SliceSpec(keys=("o",))])
    assert {key: rows.tolist() for key, rows in found.items()} == {
        (("n", 7),): [0, 1], (("n", 8),): [2], (("o", "x"),): [0, 2], (("o", "y"),): [1],
    }  # fmt: skip


def test_a_column_that_is_not_there_gives_no_slice() -> None:
    batch = EvalBatch(record_batch({"o": [b"x", b"y"]}))
    assert slice_rows(batch, [SliceSpec(keys=("gone",)), SliceSpec(fixed=(("gone", 1),))]) == {}


def test_text_that_is_not_utf8_is_refused() -> None:
    batch = EvalBatch(record_batch({"o": [b"\xff"]}))
    with pytest.raises(DataError, match="UTF-8 text in slicing feature 'o', received b'\\\\xff'"):
        slice_rows(batch, [SliceSpec(keys=("o",))])
