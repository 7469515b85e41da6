"""Statistics of tf.SequenceExamples, and schemas of nested features: as TFDV gives them for the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.components.schema_gen import SchemaGen
from mlops_tfx.components.statistics_gen import StatsOptions
from mlops_tfx.components.statistics_gen.options import make_settings
from mlops_tfx.components.statistics_gen.results import write
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_schema, read_statistics, write_statistics
from mlops_tfx.statistics.compute import Computation
from tests.unit.components.statistics_gen.cases import (
    FN_API,
    check_equal,
    compute,
    datasets_of,
    features_in,
    features_of,
    merge,
)


def records(start: int, stop: int) -> Iterator[bytes]:
    import tensorflow as tf

    for row in range(start, stop):
        steps = [[float(step + row)] * (1 + step % 2) for step in range(row % 4)]
        scores = [tf.train.Feature(float_list=tf.train.FloatList(value=values)) for values in steps]
        words = [tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"w%d" % (row % 3)]))] * 2
        context = {"id": tf.train.Feature(int64_list=tf.train.Int64List(value=[row]))}
        lists = {"score": tf.train.FeatureList(feature=scores), "word": tf.train.FeatureList(feature=words)}
        example = tf.train.SequenceExample(
            context=tf.train.Features(feature=context), feature_lists=tf.train.FeatureLists(feature_list=lists)
        )
        yield example.SerializeToString()


def batches(start: int, stop: int) -> list[pa.RecordBatch]:
    from tfx_bsl.coders.sequence_example_coder import SequenceExamplesToRecordBatchDecoder

    decode = SequenceExamplesToRecordBatchDecoder("##SEQUENCE##").DecodeBatch
    middle = (start + stop) // 2
    return [decode(list(records(start, middle))), decode(list(records(middle, stop)))]


def sequence_examples(folder: Path, rows: int, payload: str = "FORMAT_TF_SEQUENCE_EXAMPLE") -> Examples:
    """Two shards, as ImportExampleGen writes them."""
    import tensorflow as tf

    examples = Examples(str(folder), custom_properties={"payload_format": payload, "file_format": "tfrecords_gzip"})
    examples.splits = ["all"]
    (folder / "Split-all").mkdir(parents=True)
    for shard, (start, stop) in enumerate([(0, rows // 3), (rows // 3, rows)]):
        name = f"{folder}/Split-all/data_tfrecord-{shard:05d}-of-00002.gz"
        with tf.io.TFRecordWriter(name, "GZIP") as writer:
            for record in records(start, stop):
                writer.write(record)
    return examples


def computed(root: Path, start: int, stop: int, **options: Any) -> ExampleStatistics:
    computation = Computation(make_settings(StatsOptions(**options)))
    statistics = ExampleStatistics(str(root))
    statistics.splits = ["all"]
    rows = write(computation, computation.partial(batches(start, stop)), statistics.path("all"), "here")
    assert rows == stop - start
    return statistics


def by_tfdv(folder: Path, start: int, stop: int) -> dict[str, Any]:
    import apache_beam as beam
    import tensorflow_data_validation as tfdv

    from mlops_tfx.execution.beam import beam_pipeline

    path = str(folder / "tfdv.pb")
    with beam_pipeline() as pipeline:
        found = pipeline | beam.Create(batches(start, stop)) | tfdv.GenerateStatistics(tfdv.StatsOptions())
        _ = found | beam.Map(lambda statistics: write_statistics(path, statistics))
    (dataset,) = read_statistics(path).datasets
    return features_in(dataset)


def test_sequence_examples_have_tfdvs_statistics(tmp_path: Path) -> None:
    ours, theirs = features_of(computed(tmp_path, 0, 400)), by_tfdv(tmp_path, 0, 400)
    assert sorted(ours) == sorted(theirs) == ["##SEQUENCE##", "##SEQUENCE##.score", "##SEQUENCE##.word", "id"]
    for name, feature in ours.items():
        if name != "##SEQUENCE##":
            check_equal(feature, theirs[name])
    values = np.concatenate([[step + row] * (1 + step % 2) for row in range(400) for step in range(row % 4)])
    score = ours["##SEQUENCE##.score"].num_stats
    assert (score.min, score.max, score.common_stats.tot_num_values) == (values.min(), values.max(), len(values))
    assert score.mean == pytest.approx(values.mean())
    word = ours["##SEQUENCE##.word"].string_stats
    assert {entry.value: entry.frequency for entry in word.top_values} == {"w0": 268, "w1": 266, "w2": 266}


def test_sequence_examples_from_files_in_every_mode(tmp_path: Path) -> None:
    made = sequence_examples(tmp_path / "examples", 300)
    expected = features_of(computed(tmp_path / "expected", 0, 300))
    written = []
    for name, args in (("here", ()), ("processes", ("--direct_num_workers=2",)), ("beam", (FN_API,))):
        statistics = compute(made, tmp_path / name, beam_args=args)
        written.append(Path(statistics.path("all"), "FeatureStats.pb").read_bytes())
    assert written[0] == written[1] == written[2]
    assert datasets_of(statistics)[""].num_examples == 300
    for path, feature in features_of(statistics).items():
        if path != "##SEQUENCE##":
            check_equal(feature, expected[path])


def test_records_without_columns_are_refused(tmp_path: Path) -> None:
    made = sequence_examples(tmp_path / "examples", 30, payload="FORMAT_PROTO")
    with pytest.raises(DataError, match="payload_format='FORMAT_PROTO', whose records are bytes without columns"):
        compute(made, tmp_path)


def test_nested_statistics_merge(tmp_path: Path) -> None:
    parts = [computed(tmp_path / "a", 0, 150), computed(tmp_path / "b", 150, 400)]
    merged, whole = merge(parts, tmp_path), features_of(computed(tmp_path / "c", 0, 400))
    assert datasets_of(merged)[""].num_examples == 400
    for name, feature in features_of(merged).items():
        if name != "##SEQUENCE##":
            check_equal(feature, whole[name])


def test_nested_rows_are_sampled(tmp_path: Path) -> None:
    count = datasets_of(computed(tmp_path, 0, 1_000, sample_rate=0.5))[""].num_examples
    assert abs(count - 500) < 5 * np.sqrt(250)


@pytest.mark.parametrize("shapes", [True, False])
def test_the_schema_of_nested_features_is_tfdvs(tmp_path: Path, shapes: bool) -> None:
    import tensorflow_data_validation as tfdv

    parts = [computed(tmp_path / "a", 0, 150), computed(tmp_path / "b", 150, 400)]
    (schema,) = run_component(SchemaGen(infer_feature_shape=shapes), {"statistics": parts}, tmp_path)["schema"]
    assert isinstance(schema, Schema)
    ours = read_schema(f"{schema.uri}/schema.pbtxt")
    first, second = (read_statistics(f"{part.path('all')}/FeatureStats.pb") for part in parts)
    assert ours == tfdv.update_schema(tfdv.infer_schema(first, shapes), second)
    sequence = next(feature for feature in ours.feature if feature.name == "##SEQUENCE##")
    assert sorted(feature.name for feature in sequence.struct_domain.feature) == ["score", "word"]


def test_a_schema_of_sliced_statistics_is_that_of_all_rows(tmp_path: Path) -> None:
    plain = computed(tmp_path / "a", 0, 150)
    sliced = computed(tmp_path / "b", 0, 150, slicing_features=[{"feature": "id", "values": [1, 2]}])
    schemas = []
    for index, statistics in enumerate((plain, sliced)):
        (schema,) = run_component(SchemaGen(), {"statistics": statistics}, tmp_path / str(index))["schema"]
        schemas.append(read_schema(f"{schema.uri}/schema.pbtxt"))
    assert schemas[0] == schemas[1]
