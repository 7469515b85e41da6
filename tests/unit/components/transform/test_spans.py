"""Several Examples artifacts at once: one transformed artifact each, and the analyzer cache from span to span."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from mlops_tfx.artifacts import Artifact, Examples, Schema, TransformCache
from mlops_tfx.channel import Channel
from mlops_tfx.components.transform import Transform
from mlops_tfx.components.transform.datasets import cached_datasets_limit, code_digest
from mlops_tfx.execution.runner import LocalRunner
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_schema, read_statistics
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import Importer, LatestArtifactStrategy, Resolver
from mlops_tfx.transformation import tensors
from tests.unit.components.transform.cases import examples_of, flights_frame, read_frame, write_schema

FLIGHTS = flights_frame(1500)
SPANS = [FLIGHTS.iloc[start : start + 500] for start in (0, 500, 1000)]
LEAN: dict[str, Any] = {"disable_statistics": True, "materialize": False}


def preprocessing_fn(inputs: Any) -> Any:
    distance = tf.cast(inputs["distance"], tf.float32)
    return {
        "z": tft.scale_to_z_score(distance),
        "bucket": tft.bucketize(distance, 5),
        "carrier": tft.compute_and_apply_vocabulary(inputs["carrier"], vocab_filename="carrier"),
    }


def other_fn(inputs: Any) -> Any:
    return {"z": tft.scale_to_0_1(tf.cast(inputs["distance"], tf.float32))}


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> list[Examples]:
    folder = tmp_path_factory.mktemp("spans")
    made = []
    for number, rows in enumerate(SPANS, 1):
        artifact = examples_of(folder / str(number), train=rows.iloc[:400], eval=rows.iloc[400:])
        artifact.span, artifact.version = number, 7
        made.append(artifact)
    return made


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    return write_schema(tmp_path_factory.mktemp("schema"))


def run(
    spans: list[Examples], schema: Schema, root: Path, cache: Artifact | None = None, **options: Any
) -> dict[str, list[Artifact]]:
    inputs: dict[str, Any] = {"examples": spans, "schema": schema}
    if cache is not None:
        inputs["analyzer_cache"] = cache
    return run_component(Transform(**{"preprocessing_fn": preprocessing_fn, **options}), inputs, root)


def rows_read(outputs: dict[str, list[Artifact]]) -> list[int]:
    (graph,) = outputs["transform_graph"]
    return list(json.loads(str(graph.custom_properties["rows_read_to_analyze"])).values())


def vocabulary(outputs: dict[str, list[Artifact]]) -> list[bytes]:
    return tft.TFTransformOutput(outputs["transform_graph"][0].uri).vocabulary_by_name("carrier")


def transformed(outputs: dict[str, list[Artifact]], split: str = "train") -> pd.DataFrame:
    return pd.concat([read_frame(artifact, split) for artifact in outputs["transformed_examples"]], ignore_index=True)


def test_every_input_artifact_has_its_own_output(spans: list[Examples], schema: Schema, tmp_path: Path) -> None:
    results = run(spans, schema, tmp_path, disable_statistics=True)["transformed_examples"]
    assert [os.path.basename(artifact.uri) for artifact in results] == ["0", "1", "2"]
    every = pd.concat([rows.iloc[:400] for rows in SPANS])["distance"].astype(float)
    for number, (artifact, rows) in enumerate(zip(results, SPANS, strict=True), 1):
        assert isinstance(artifact, Examples)
        assert (artifact.span, artifact.version, list(artifact.splits)) == (number, 7, ["train", "eval"])
        found = read_frame(artifact, "eval")["z"]
        expected = (rows["distance"].iloc[400:] - every.mean()) / every.std(ddof=0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_new_span_costs_only_its_own_analysis(spans: list[Examples], schema: Schema, tmp_path: Path) -> None:
    first = run(spans[:2], schema, tmp_path / "1")
    assert rows_read(first) == [400, 400]
    second = run(spans, schema, tmp_path / "2", first["updated_analyzer_cache"][0])
    assert rows_read(second) == [0, 0, 400]
    fresh = run(spans, schema, tmp_path / "3", disable_analyzer_cache=True)
    assert rows_read(fresh) == [400, 400, 400]
    assert vocabulary(second) == vocabulary(fresh)
    pd.testing.assert_frame_equal(transformed(second), transformed(fresh), rtol=1e-6)
    statistics = [
        read_statistics(os.path.join(outputs["pre_transform_stats"][0].uri, "FeatureStats.pb")).datasets[0]
        for outputs in (second, fresh)
    ]
    assert statistics[0].num_examples == 1200
    assert statistics[0].SerializeToString(deterministic=True) == statistics[1].SerializeToString(deterministic=True)
    third = run(spans, schema, tmp_path / "4", second["updated_analyzer_cache"][0])
    assert rows_read(third) == [0, 0, 0]
    pd.testing.assert_frame_equal(transformed(third), transformed(second))


def test_the_cache_is_not_used_for_other_analyzers(spans: list[Examples], schema: Schema, tmp_path: Path) -> None:
    (cache,) = run(spans[:1], schema, tmp_path / "1", **LEAN)["updated_analyzer_cache"]
    assert rows_read(run(spans[:1], schema, tmp_path / "2", cache, **LEAN, preprocessing_fn=other_fn)) == [400]


def test_the_cache_is_not_used_after_another_version(
    spans: list[Examples], schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache,) = run(spans[:1], schema, tmp_path / "1", **LEAN)["updated_analyzer_cache"]
    monkeypatch.setattr(tft, "__version__", "0.0.0")
    assert rows_read(run(spans[:1], schema, tmp_path / "2", cache, **LEAN)) == [400]


def test_features_that_no_analyzer_reads_do_not_matter(spans: list[Examples], tmp_path: Path) -> None:
    schemas = [
        write_schema(tmp_path / name, extra) for name, extra in (("a", ""), ("b", 'feature { name: "x" type: INT }'))
    ]
    (cache,) = run(spans[:1], schemas[0], tmp_path / "1", **LEAN)["updated_analyzer_cache"]
    assert rows_read(run(spans[:1], schemas[1], tmp_path / "2", cache, **LEAN)) == [0]


def test_code_that_the_graph_only_calls_is_part_of_the_key(schema: Schema) -> None:
    read = read_schema(os.path.join(schema.uri, "schema.pbtxt"))

    def python_fn(inputs: Any) -> Any:
        distance = tf.cast(inputs["distance"], tf.float32)
        plus = tf.numpy_function(lambda value: value + np.float32(1), [distance], tf.float32)
        return {"z": tft.scale_to_z_score(tf.ensure_shape(plus, [None, 1]))}

    specs = tensors.type_specs(read)
    assert tensors.inspect_function(python_fn, specs, compat_v1=False).opaque
    assert not tensors.inspect_function(preprocessing_fn, specs, compat_v1=False).opaque
    codes = [code_digest(read, ["distance"], {"/a/module.py": digest}) for digest in ("1", "2", "1")]
    assert codes[0] == codes[2] != codes[1]


def test_the_number_of_cached_datasets_follows_tfx() -> None:
    analyzers = [1, 10, 11, 50, 51, 100, 101, 150, 151, 200, 201, 300, 301]
    expected = [100, 100, 50, 50, 10, 10, 6, 6, 4, 4, 2, 2, 1]
    assert [cached_datasets_limit(count, statistics=True) for count in analyzers] == expected
    assert [cached_datasets_limit(count, statistics=False) for count in analyzers] == [2 * n for n in expected]


def test_the_newest_datasets_are_cached(
    spans: list[Examples], schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_tfx.components.transform.analysis.cached_datasets_limit", lambda *_: 1)
    first = run(spans, schema, tmp_path / "1", **LEAN)
    again = run(spans, schema, tmp_path / "2", first["updated_analyzer_cache"][0], **LEAN)
    assert rows_read(again) == [400, 400, 0]
    assert vocabulary(again) == vocabulary(run(spans, schema, tmp_path / "3", disable_analyzer_cache=True, **LEAN))


def test_a_missing_cache_is_no_obstacle(spans: list[Examples], schema: Schema, tmp_path: Path) -> None:
    def pipeline() -> Pipeline:
        cache = Resolver(LatestArtifactStrategy, cache=Channel(type=TransformCache)).with_id("cache")
        properties = {"split_names": json.dumps(["train", "eval"])}
        data = Importer(spans[0].uri, Examples, properties=properties).with_id("data")
        given = Importer(schema.uri, Schema).with_id("schema")
        transform = Transform(
            examples=data.outputs["result"],
            schema=given.outputs["result"],
            analyzer_cache=cache.outputs["cache"],
            preprocessing_fn=preprocessing_fn,
            **LEAN,
        )
        return Pipeline("p", str(tmp_path / "root"), components=[cache, data, given, transform])

    read = []
    for _ in range(2):
        result = LocalRunner().run(pipeline())
        (graph,) = result.outputs["Transform"]["transform_graph"]
        read.append(list(json.loads(str(graph.custom_properties["rows_read_to_analyze"])).values()))
    assert read == [[400], [0]]
