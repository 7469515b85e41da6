"""tf.SequenceExamples, ragged and sparse features: the results of TFX 1.16, and wrong forms."""

from __future__ import annotations

import gzip
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.io.examples import read_batches
from tests.golden.transform import sequences
from tests.unit.components.transform.cases import run_transform

GOLDEN = Path(sequences.__file__).parent


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads(gzip.decompress((GOLDEN / "sequences.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sequences")
    examples = sequences.write_input(str(folder))
    module = str(GOLDEN / "sequences_preprocessing.py")
    return run_transform(examples, Schema(str(folder / "schema")), folder / "out", module_file=module)


def columns_of(examples: Any, split: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for batch in read_batches(examples, split):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            found.setdefault(name, []).extend(values or [] for values in column.to_pylist())
    return found


def test_vocabulary_and_schema_are_tfx_s(outputs: Any, expected: Any) -> None:
    graph = outputs["transform_graph"].uri
    words = filesystem.read_bytes(os.path.join(graph, "transform_fn", "assets", "words")).decode().splitlines()
    assert words == expected["vocabularies"]["words"]
    assert filesystem.read_bytes(f"{graph}/transformed_metadata/schema.pbtxt").decode() == expected["schema"]


@pytest.mark.parametrize("split", ["train", "eval"])
def test_transformed_values_are_tfx_s(outputs: Any, expected: Any, split: str) -> None:
    examples = outputs["transformed_examples"]
    assert examples.custom_properties["payload_format"] == "FORMAT_TF_EXAMPLE"
    found, rows = columns_of(examples, split), expected["rows"][split]
    assert found.keys() == rows[0].keys()
    for name, column in found.items():
        wanted = [row[name] for row in rows]
        assert [len(row) for row in column] == [len(row) for row in wanted], name
        flat, wanted_flat = list(itertools.chain(*column)), list(itertools.chain(*wanted))
        if isinstance(wanted_flat[0], float):
            np.testing.assert_allclose(flat, wanted_flat, rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            assert [v.decode() if isinstance(v, bytes) else v for v in flat] == wanted_flat, name


def assert_alike(found: Any, wanted: Any, where: str) -> None:
    """Equal, numbers within the error of other batch sizes."""
    if isinstance(wanted, Mapping):
        assert found.keys() == wanted.keys(), where
        for key in wanted:
            assert_alike(found[key], wanted[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_alike(one, other, f"{where}[{index}]")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5), where
    else:
        assert found == wanted, where


@pytest.mark.parametrize("key", ["pre_transform_stats", "post_transform_stats"])
def test_statistics_are_tfx_s(outputs: Any, expected: Any, key: str) -> None:
    from google.protobuf import json_format
    from tensorflow_metadata.proto.v0 import statistics_pb2

    data = filesystem.read_bytes(os.path.join(outputs[key].uri, "FeatureStats.pb"))
    (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(data).datasets
    found = {f.name or "/".join(f.path.step): json_format.MessageToDict(f) for f in dataset.features}
    assert_alike(found, expected["statistics"][key], key)


@pytest.mark.parametrize("file_format", ["tfrecords_gzip", "parquet"])
def test_training_reads_back_what_the_graph_gives(outputs: Any, tmp_path: Path, file_format: str) -> None:
    import tensorflow_transform as tft

    from mlops_tfx.io.dataset import TensorFlowDatasetOptions, data_accessor
    from mlops_tfx.io.examples import ExamplesWriter

    output = tft.TFTransformOutput(outputs["transform_graph"].uri)
    transformed = outputs["transformed_examples"]
    if file_format == "parquet":
        properties = {"payload_format": "FORMAT_PARQUET", "file_format": "parquet"}
        stored = Examples(str(tmp_path / "examples"), custom_properties=properties)
        stored.splits = ["eval"]
        with ExamplesWriter(stored.path("eval"), file_format="parquet") as writer:
            for batch in read_batches(transformed, "eval"):
                writer.write(batch)
        transformed = stored
    raw = sequences.write_input(str(tmp_path / "raw"))
    options = TensorFlowDatasetOptions(64, num_epochs=1, shuffle=False)
    raw_schema = output.raw_metadata.schema
    batches = data_accessor(raw).tf_dataset_factory([raw.path("eval") + "/*"], options, raw_schema)
    schema = output.transformed_metadata.schema
    found = list(data_accessor(transformed).tf_dataset_factory([transformed.path("eval") + "/*"], options, schema))
    layer = output.transform_features_layer()
    wanted = [layer({k: v for k, v in batch.items() if k != "##SEQUENCE##.unused"}) for batch in batches]
    assert [len(batch["steps"]) for batch in found] == [64, 64, 64, 8]
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert_alike(as_lists(one[name]), as_lists(other[name]), name)


def as_lists(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.SparseTensor):
        return [value.indices.numpy().tolist(), value.values.numpy().tolist()]
    return value.to_list() if isinstance(value, tf.RaggedTensor) else value.numpy().tolist()
