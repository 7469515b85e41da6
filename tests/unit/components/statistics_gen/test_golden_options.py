"""Weights, slices and mixed features: the statistics that TFX 1.16's own TFDV computed (make_options_golden.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.components.statistics_gen import StatsOptions
from mlops_tfx.io.protos import read_statistics, write_schema
from tests.unit.components.statistics_gen.cases import common_of, compute, datasets_of, features_in

GOLDEN = Path(__file__).parents[3] / "golden" / "statistics"
# NumPy warns about means of infinite values; TFDV means them to be infinite or NaN.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
SCHEMA = """
feature { name: "zip" type: INT int_domain { is_categorical: true } }
feature { name: "raw" type: BYTES image_domain {} }
"""
SLICES: Any = ["origin", ["origin", "carrier"], {"feature": "month", "values": [1, 2]}]
FEW = ["origin", "carrier", "month", "dep_delay"]
CASES = {
    "mixed": ("mixed", "all", StatsOptions(), None),
    "mixed_with_schema": ("mixed", "all", StatsOptions(num_top_values=2), SCHEMA),
    "mixed_with_weights": ("mixed", "all", StatsOptions(weight_feature="weight"), None),
    "flights_with_weights": ("flights", "train", StatsOptions(weight_feature="distance"), None),
    "flights_by_slices": ("flights", "train", StatsOptions(slicing_features=SLICES, feature_allowlist=FEW), None),
}


def normal(feature: Any) -> Any:
    """Without what differs for a reason: TFX's CsvExampleGen writes an empty cell as an empty list, which counts."""
    for common in (common_of(feature),):
        for name in ("num_missing", "num_non_missing", "min_num_values", "avg_num_values", "num_values_histogram"):
            common.ClearField(name)
        common.ClearField("presence_and_valency_stats")
        common.ClearField("weighted_presence_and_valency_stats")
        common.ClearField("weighted_common_stats")
    return feature


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_those_of_tfx(tmp_path: Path, name: str) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    data, split, options, text = CASES[name]
    folder = GOLDEN / "flights" / "examples" if data == "flights" else GOLDEN / "options" / "mixed"
    examples = Examples(str(folder))
    examples.splits = [split]
    schema = None
    if text is not None:
        schema = Schema(str(tmp_path / "schema"))
        write_schema(f"{schema.uri}/schema.pbtxt", text_format.Parse(text, schema_pb2.Schema()))
    ours = datasets_of(compute(examples, tmp_path, schema, stats_options=options), split)
    theirs = {dataset.name: dataset for dataset in read_statistics(str(GOLDEN / "options" / f"{name}.pb")).datasets}
    assert sorted(ours) == sorted(theirs)
    for key, dataset in ours.items():
        assert dataset.num_examples == theirs[key].num_examples > 0
        assert dataset.weighted_num_examples == pytest.approx(theirs[key].weighted_num_examples)
        check_features(features_in(dataset), features_in(theirs[key]), exact_presence=data == "mixed")


def check_features(ours: dict[str, Any], theirs: dict[str, Any], *, exact_presence: bool) -> None:
    assert sorted(ours) == sorted(theirs)
    for column, feature in ours.items():
        expected = theirs[column]
        if not exact_presence:
            feature, expected = normal(feature), normal(expected)
        check_messages(feature, expected, column)


def check_messages(ours: Any, theirs: Any, where: str) -> None:
    """Equal in every field; floats to the last digits but a few, because sums are added up in another order."""
    mine, other = (dict(text_fields(message)) for message in (ours, theirs))
    assert mine.keys() == other.keys(), where
    for name, value in mine.items():
        if isinstance(value, float):
            assert value == pytest.approx(other[name], rel=1e-9, abs=1e-9, nan_ok=True), (where, name)
        else:
            assert value == other[name], (where, name)


def text_fields(message: Any, prefix: str = "") -> Any:
    """All scalar fields of a message with their paths."""
    for field, value in message.ListFields():
        path = f"{prefix}.{field.name}"
        values = list(enumerate(value)) if field.label == field.LABEL_REPEATED else [(0, value)]
        for index, item in values:
            if field.message_type is not None:
                yield from text_fields(item, f"{path}[{index}]")
            else:
                yield f"{path}[{index}]", item
