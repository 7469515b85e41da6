"""SchemaGen: the same schemas as TFX 1.16 from the same statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.artifacts import ExampleStatistics, Schema
from mlops_tfx.components.schema_gen import SchemaGen
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.execution.testing import run_component

GOLDEN = Path(__file__).parents[2] / "golden" / "statistics"


def golden_statistics(name: str) -> ExampleStatistics:
    statistics = ExampleStatistics(str(GOLDEN / name / "statistics"))
    statistics.splits = ["train", "eval"]
    return statistics


def run(statistics: ExampleStatistics, root: Path, **parameters: Any) -> str:
    (schema,) = run_component(SchemaGen(**parameters), {"statistics": statistics}, root)["schema"]
    assert isinstance(schema, Schema)
    return Path(schema.uri, "schema.pbtxt").read_text()


@pytest.mark.parametrize("name", ["penguins", "flights"])
@pytest.mark.parametrize(
    ("expected", "parameters"),
    [
        ("schema.pbtxt", {}),
        ("schema_without_shapes.pbtxt", {"infer_feature_shape": False}),
        ("schema_of_train.pbtxt", {"exclude_splits": ["eval"]}),
    ],
)
def test_the_schema_is_tfxs(tmp_path: Path, name: str, expected: str, parameters: dict[str, Any]) -> None:
    assert run(golden_statistics(name), tmp_path, **parameters) == (GOLDEN / name / expected).read_text()


def test_a_feature_with_values_in_one_split_only(tmp_path: Path) -> None:
    import pyarrow as pa
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

    statistics = ExampleStatistics(str(tmp_path / "statistics"))
    statistics.splits = ["train", "eval"]
    columns = {"train": [pa.nulls(3), pa.array([[1.5]] * 3)], "eval": [pa.array([None, [7], None]), pa.nulls(3)]}
    computed = {}
    for split, arrays in columns.items():
        computed[split] = generate_statistics_in_memory(pa.record_batch(arrays, ["rare", "x"]), tfdv.StatsOptions())
        folder = Path(statistics.path(split))
        folder.mkdir(parents=True)
        (folder / "FeatureStats.pb").write_bytes(computed[split].SerializeToString())
    schema = tfdv.load_schema_text(_path_of(run(statistics, tmp_path), tmp_path))
    assert {feature.name: feature.type for feature in schema.feature} == {"rare": 2, "x": 3}  # INT, FLOAT
    assert not any(feature.lifecycle_stage for feature in schema.feature)
    assert [dict(tfdv.validate_statistics(one, schema).anomaly_info) for one in computed.values()] == [{}, {}]


def _path_of(text: str, folder: Path) -> str:
    path = folder / "inferred.pbtxt"
    path.write_text(text)
    return str(path)


def test_every_split_counts(tmp_path: Path) -> None:
    # Written by hand, without TFDV's inference: a value and a feature that only the second split has.
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    statistics = ExampleStatistics(str(tmp_path / "statistics"))
    statistics.splits = ["train", "eval"]
    for split, values, name in (("train", "ab", "x"), ("eval", "bc", "y")):
        top = "".join(f'buckets {{ label: "{value}" sample_count: 5 }}' for value in values)
        common = "common_stats { num_non_missing: 10 min_num_values: 1 max_num_values: 1 tot_num_values: 10 }"
        text = f"""datasets {{ num_examples: 10
            features {{ path {{ step: "letter" }} type: STRING
                string_stats {{ {common} unique: 2 rank_histogram {{ {top} }} }} }}
            features {{ path {{ step: "{name}" }} type: FLOAT num_stats {{ {common} }} }} }}"""
        message = text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())
        folder = Path(statistics.path(split))
        folder.mkdir(parents=True)
        (folder / "FeatureStats.pb").write_bytes(message.SerializeToString())
    schema = text_format.Parse(run(statistics, tmp_path), schema_pb2.Schema())
    assert sorted(feature.name for feature in schema.feature) == ["letter", "x", "y"]
    (domain,) = schema.string_domain
    assert sorted(domain.value) == ["a", "b", "c"]


def test_an_excluded_split_that_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ExampleStatistics at .* has no split 'evall'; did you mean 'eval'"):
        run(golden_statistics("penguins"), tmp_path, exclude_splits=["evall"])


def test_all_splits_excluded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one split"):
        run(golden_statistics("penguins"), tmp_path, exclude_splits=["train", "eval"])


def test_statistics_that_are_missing_or_damaged(tmp_path: Path) -> None:
    statistics = ExampleStatistics(str(tmp_path))
    statistics.splits = ["train"]
    with pytest.raises(DataError, match=r"Split-train/FeatureStats.pb"):
        run(statistics, tmp_path)
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train/FeatureStats.pb").write_bytes(b"\x00\x01 damaged")
    with pytest.raises(DataError, match=r"Split-train/FeatureStats.pb: expected"):
        run(statistics, tmp_path)


def test_a_parameter_of_another_type() -> None:
    (problem,) = [p for p in SchemaGen(infer_feature_shape="yes").problems if "missing" not in p]  # type: ignore[arg-type, call-arg]
    assert problem.startswith("parameter 'infer_feature_shape': expected bool, received 'yes'")
