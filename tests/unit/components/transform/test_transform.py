"""Transform: its numbers against numpy and pandas, and its files, on flights of two artifacts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Artifact, Examples, Schema
from mlops_tfx.io.protos import read_anomalies, read_schema, read_statistics
from tests.unit.components.transform.cases import (
    examples_of,
    files_below,
    flights_frame,
    read_frame,
    run_transform,
    transformed_artifacts,
    write_schema,
)

ROWS = 3000
MODULE = str(Path(__file__).with_name("flights_preprocessing.py"))


class Run:
    """One run over two artifacts of several shards."""

    def __init__(self, folder: Path) -> None:
        frame = flights_frame(ROWS)
        parts = np.split(np.arange(ROWS), [1200, 1900, 2500])
        a, b, c, d = (frame.iloc[part].reset_index(drop=True) for part in parts)
        first = examples_of(folder / "first", train=a, eval=b)
        second = examples_of(folder / "second", train=c, eval=d)
        self.train, self.eval = pd.concat([a, c], ignore_index=True), pd.concat([b, d], ignore_index=True)
        self.inputs: tuple[list[Examples], Schema] = ([first, second], write_schema(folder / "schema"))
        self.outputs = run_transform(*self.inputs, folder / "out", module_file=MODULE)

    def uri(self, key: str) -> str:
        return self.outputs[key].uri

    def transformed(self, split: str) -> pd.DataFrame:
        return pd.concat([read_frame(artifact, split) for artifact in self.artifacts], ignore_index=True)

    @property
    def artifacts(self) -> list[Examples]:
        return transformed_artifacts(self.outputs["transformed_examples"], 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("transform"))


def test_z_scores_are_those_of_the_analyzed_split(run: Run) -> None:
    learned = run.train["distance"].to_numpy(np.float64)
    for split, raw in (("train", run.train), ("eval", run.eval)):
        expected = (raw["distance"] - learned.mean()) / learned.std()
        np.testing.assert_allclose(run.transformed(split)["distance_z"], expected, rtol=1e-5, atol=1e-6)


def test_missing_values_get_the_mean_of_those_that_are_there(run: Run) -> None:
    temp = run.train["temp"].astype(np.float32)
    assert temp.isna().any()
    filled = temp.fillna(temp.mean())
    expected = (filled - filled.min()) / (filled.max() - filled.min())
    np.testing.assert_allclose(run.transformed("train")["temp_01"], expected, rtol=1e-5, atol=1e-6)


def test_buckets_have_the_boundaries_of_the_quantiles(run: Run) -> None:
    temp = run.train["temp"].astype(np.float32)
    filled = np.sort(temp.fillna(temp.mean()).to_numpy())
    ids = run.transformed("train")["temp_bucket"]
    assert sorted(ids.unique()) == [0, 1, 2, 3, 4]
    boundaries = [filled[np.searchsorted(np.sort(ids), bucket)] for bucket in range(1, 5)]
    for index, boundary in enumerate(boundaries):
        low, high = (filled < boundary).mean(), (filled <= boundary).mean()
        assert low - 0.02 <= (index + 1) / 5 <= high + 0.02
    # Every row is in the bucket that the boundaries say, in both splits.
    for split, raw in (("train", run.train), ("eval", run.eval)):
        values = raw["temp"].astype(np.float32).fillna(temp.mean())
        assert run.transformed(split)["temp_bucket"].tolist() == np.searchsorted(boundaries, values, "right").tolist()


def test_vocabularies_are_ordered_by_count_then_by_value(run: Run) -> None:
    counts = Counter(run.train["carrier"])
    expected = [name for _, name in sorted(((n, name) for name, n in counts.items()), reverse=True)]
    assert vocabulary(run, "carriers") == expected
    ids = {name: index for index, name in enumerate(expected)}
    for split, raw in (("train", run.train), ("eval", run.eval)):
        got = run.transformed(split)["carrier_id"]
        assert got.tolist() == [ids.get(name, len(ids)) for name in raw["carrier"]]


def test_top_k_of_a_sparse_feature_keeps_missing_values_missing(run: Run) -> None:
    counts = Counter(run.train["tailnum"].dropna())
    expected = [name for _, name in sorted(((n, name) for name, n in counts.items()), reverse=True)][:50]
    assert vocabulary(run, "tails") == expected
    ids = {name: index for index, name in enumerate(expected)}
    raw, got = run.train["tailnum"], run.transformed("train")["tailnum_id"]
    assert raw.isna().any() and (got.isna() == raw.isna()).all()
    assert got.dropna().tolist() == [ids.get(name, -1) for name in raw.dropna()]


def vocabulary(run: Run, name: str) -> list[str]:
    path = os.path.join(run.uri("transform_graph"), "transform_fn", "assets", name)
    return Path(path).read_text().split()


def test_rows_stay_complete_and_in_order(run: Run) -> None:
    for split, raw in (("train", run.train), ("eval", run.eval)):
        got = run.transformed(split)
        assert got["month"].tolist() == raw["month"].tolist()
        assert [value.decode() for value in got["carrier_text"]] == raw["carrier"].tolist()


def test_the_saved_graph_gives_exactly_the_materialised_examples(run: Run) -> None:
    import tensorflow as tf
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(run.uri("transform_graph"))
    serialized = raw_examples(run, "eval")
    parsed = tf.io.parse_example(serialized, output.raw_feature_spec())
    served = output.transform_features_layer()(parsed)
    expected = tf.io.parse_example(transformed_records(run, "eval"), output.transformed_feature_spec())
    assert served.keys() == expected.keys()
    for name, value in served.items():
        values = [value.indices, value.values] if isinstance(value, tf.SparseTensor) else [value]
        other = expected[name]
        others = [other.indices, other.values] if isinstance(other, tf.SparseTensor) else [other]
        for left, right in zip(values, others, strict=True):
            np.testing.assert_array_equal(left.numpy(), right.numpy())


def raw_examples(run: Run, split: str) -> list[bytes]:
    return [record for artifact in run.inputs[0] for record in records(artifact.path(split))]


def transformed_records(run: Run, split: str) -> list[bytes]:
    return [record for artifact in run.artifacts for record in records(artifact.path(split))]


def records(folder: str) -> list[bytes]:
    import tensorflow as tf

    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
    return [record.numpy() for record in tf.data.TFRecordDataset(paths, compression_type="GZIP")]


def test_files_are_tfx_s(run: Run) -> None:
    assert {os.path.dirname(path) for path in files_below(run.uri("transform_graph"))} == {
        "metadata", "transform_fn", "transform_fn/assets", "transform_fn/variables", "transformed_metadata",
    }  # fmt: skip
    for source, result in zip(run.inputs[0], run.artifacts, strict=True):
        shards = {split: len(os.listdir(source.path(split))) for split in ("eval", "train")}
        assert min(shards.values()) >= 2
        assert files_below(result.uri) == [
            f"Split-{split}/transformed_examples-{index:05d}-of-{count:05d}.gz"
            for split, count in shards.items()
            for index in range(count)
        ]
    for key, name in (
        ("pre_transform_schema", "schema.pbtxt"),
        ("pre_transform_stats", "FeatureStats.pb"),
        ("post_transform_schema", "schema.pbtxt"),
        ("post_transform_stats", "FeatureStats.pb"),
        ("post_transform_anomalies", "SchemaDiff.pb"),
    ):
        assert files_below(run.uri(key)) == [name]
    cache = files_below(run.uri("updated_analyzer_cache"))
    assert len({os.path.dirname(path) for path in cache}) == 2  # one folder per artifact of the analyzed split
    assert any(path.endswith("MANIFEST") for path in cache)


def test_the_examples_artifact_describes_itself(run: Run) -> None:
    examples = run.outputs["transformed_examples"]
    assert isinstance(examples, Examples)
    assert sorted(examples.splits) == ["eval", "train"]
    assert examples.custom_properties["payload_format"] == "FORMAT_TF_EXAMPLE"
    assert examples.custom_properties["file_format"] == "tfrecords_gzip"


def statistics_of(artifact: Artifact) -> tuple[int, dict[str, Any]]:
    (dataset,) = read_statistics(os.path.join(artifact.uri, "FeatureStats.pb")).datasets
    return dataset.num_examples, {feature.path.step[0]: feature for feature in dataset.features}


def test_statistics_before_are_of_the_analyzed_split_and_the_used_features(run: Run) -> None:
    rows, features = statistics_of(run.outputs["pre_transform_stats"])
    assert rows == len(run.train)
    assert sorted(features) == ["carrier", "distance", "month", "tailnum", "temp"]  # wind_gust is not used
    temp = features["temp"].num_stats
    assert temp.common_stats.num_missing == run.train["temp"].isna().sum()
    assert temp.mean == pytest.approx(run.train["temp"].mean(), rel=1e-6)
    assert features["carrier"].string_stats.unique == run.train["carrier"].nunique()


def test_statistics_after_are_of_all_transformed_splits(run: Run) -> None:
    rows, features = statistics_of(run.outputs["post_transform_stats"])
    both = pd.concat([run.transformed("train"), run.transformed("eval")])
    assert rows == len(both) == ROWS
    assert sorted(features) == sorted(both.columns)
    assert features["distance_z"].num_stats.mean == pytest.approx(both["distance_z"].mean(), abs=1e-6)
    assert features["distance_z"].num_stats.std_dev == pytest.approx(both["distance_z"].std(ddof=0), rel=1e-5)


def test_the_schema_after_is_tfx_s_and_has_no_anomalies(run: Run) -> None:
    places = {"transform_graph": "transformed_metadata/schema.pbtxt", "post_transform_schema": "schema.pbtxt"}
    schemas = {key: read_schema(os.path.join(run.uri(key), path)) for key, path in places.items()}
    domains = {key: {f.name: f.int_domain for f in schema.feature}["carrier_id"] for key, schema in schemas.items()}
    known = domains["transform_graph"]
    assert (known.min, known.max, known.is_categorical) == (0, run.train["carrier"].nunique(), True)
    after = domains["post_transform_schema"]  # as in TFX (tests/tfx_pipelines): no range
    assert (after.HasField("min"), after.HasField("max"), after.is_categorical) == (False, False, True)
    before = read_schema(os.path.join(run.uri("pre_transform_schema"), "schema.pbtxt"))
    assert [feature.name for feature in before.feature][:3] == ["month", "distance", "carrier"]
    anomalies = read_anomalies(os.path.join(run.uri("post_transform_anomalies"), "SchemaDiff.pb"))
    assert not anomalies.anomaly_info
