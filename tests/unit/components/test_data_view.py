"""Views of data: records of FORMAT_PROTO read through a graph, with the figures of TFX 1.16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.artifacts import DataView, Examples, Model
from mlops_tfx.components import (
    BulkInferrer,
    DataViewBinder,
    Evaluator,
    ImportExampleGen,
    SchemaGen,
    StatisticsGen,
    TfGraphDataViewProvider,
    Transform,
)
from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.config import (
    ModelSpec,
    OutputColumnsSpec,
    OutputExampleSpec,
    PredictOutput,
    PredictOutputCol,
    RequestSpec,
    TensorFlowServingRequestSpec,
)
from mlops_tfx.errors import ConfigError, DataError, UserCodeError
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import dataset, examples, protos, views
from mlops_tfx.pipeline import Pipeline
from tests.conformance.serving.models import REGRESS, define, save
from tests.golden.data_view import decoder
from tests.unit.components.bulk_inferrer.cases import logs_of

MODULE = decoder.__file__
GOLDEN = json.loads((Path(MODULE).parent / "golden.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the chain of golden/data_view/make.py leaves here, and the same once more from the cache."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("views")
    (folder / "data").mkdir()
    with tf.io.TFRecordWriter(str(folder / "data" / "lines.tfrecord.gz"), "GZIP") as writer:
        for line in decoder.lines():
            writer.write(line)

    def chain() -> Pipeline:
        lines = ImportExampleGen(input_base=str(folder / "data"), payload_format="FORMAT_PROTO")
        view = TfGraphDataViewProvider("create_decoder", module_file=MODULE)
        bound = DataViewBinder(lines.outputs["examples"], view.outputs["data_view"])
        statistics = StatisticsGen(bound.outputs["output_examples"])
        schema = SchemaGen(statistics.outputs["statistics"])
        transform = Transform(bound.outputs["output_examples"], schema.outputs["schema"], module_file=MODULE)
        return Pipeline("views", folder / "root", components=[lines, view, bound, statistics, schema, transform])

    first = LocalRunner(observer=Observer()).run(chain())
    assert LocalRunner(observer=Observer()).run(chain()).outputs.keys() == first.outputs.keys()
    return first


@pytest.fixture
def bound(run: Any) -> Examples:
    found: Examples = run.outputs["DataViewBinder"]["output_examples"][0]
    return found


def test_bound_examples_are_the_same_files_with_a_view(run: Any, bound: Examples) -> None:
    (source,) = run.outputs["ImportExampleGen"]["examples"]
    (view,) = run.outputs["TfGraphDataViewProvider"]["data_view"]
    assert bound.uri == source.uri
    assert bound.custom_properties["data_view_uri"] == view.uri
    assert GOLDEN["bound"] == {
        "uri_is_that_of": "ImportExampleGen",
        "view_is_of": "TfGraphDataViewProvider",
        "time": "string_value" if isinstance(bound.custom_properties[views.VIEW_TIME], str) else "int_value",
        "payload_format": bound.custom_properties["payload_format"],
        "split_names": bound.properties["split_names"],
    }
    assert bound.custom_properties["content_digest"] != source.custom_properties["content_digest"]
    assert all(Path(source.uri, f"Split-{split}").is_dir() for split in ("train", "eval"))


@pytest.mark.parametrize("split", ["train", "eval"])
def test_statistics_and_transformed_rows_are_tfxs(run: Any, split: str) -> None:
    import tensorflow as tf

    (statistics,) = run.outputs["StatisticsGen"]["statistics"]
    (computed,) = protos.read_statistics(f"{statistics.path(split)}/FeatureStats.pb").datasets
    found: dict[str, list[float]] = {"rows": [computed.num_examples]}
    for feature in computed.features:
        common = getattr(feature, feature.WhichOneof("stats")).common_stats
        found[feature.path.step[0]] = [feature.type, common.tot_num_values, round(feature.num_stats.mean, 6)]
    assert found == GOLDEN[split]["statistics"]
    rows = []
    (transformed,) = run.outputs["Transform"]["transformed_examples"]
    for path in examples.split_files(transformed, split):
        for record in tf.data.TFRecordDataset(path, "GZIP"):
            known = tf.train.Example.FromString(record.numpy()).features.feature
            total, letter = known["total"].float_list.value[0], known["letter"].int64_list.value[0]
            rows.append([known["id"].int64_list.value[0], total, letter])
    np.testing.assert_allclose(sorted(rows), GOLDEN[split]["transformed"], atol=2e-6)


def test_the_schema_has_tfxs_types(run: Any) -> None:
    (schema,) = run.outputs["SchemaGen"]["schema"]
    names = {1: "BYTES", 2: "INT", 3: "FLOAT"}
    inferred = protos.read_schema(f"{schema.uri}/schema.pbtxt")
    assert {feature.name: names[feature.type] for feature in inferred.feature} == GOLDEN["schema"]


def test_training_code_reads_through_the_view(bound: Examples) -> None:
    import tensorflow as tf

    accessor = dataset.data_accessor(bound)
    assert accessor.data_view_decode_fn is not None
    decoded = accessor.data_view_decode_fn(tf.constant(["7,b|0.5 1.5"]))
    assert decoded["numbers"].to_list() == [[0.5, 1.5]]
    files = examples.split_files(bound, "train")
    options = dataset.TensorFlowDatasetOptions(batch_size=7, shuffle=False, num_epochs=1, label_key="id")
    sums = {
        int(row): total
        for features, label in accessor.tf_dataset_factory(files, options)
        for row, total in zip(label.numpy()[:, 0], tf.reduce_sum(features["numbers"], axis=1).numpy(), strict=True)
    }
    kept = [row[0] for row in GOLDEN["train"]["transformed"]]
    assert sums == {row: sum(k / 2 for k in range(row % 4)) for row in kept}
    batches = accessor.record_batch_factory(files, dataset.RecordBatchesOptions(7, shuffle=False, num_epochs=1))
    assert sorted(row[0] for batch in batches for row in batch["id"].to_pylist()) == kept
    with pytest.raises(ConfigError, match="label_key.*'idd'.*did you mean 'id'"):
        accessor.tf_dataset_factory(files, options._replace(label_key="idd"))


def test_several_artifacts_are_read_through_the_latest_view(bound: Examples) -> None:
    older = Examples(
        bound.uri, custom_properties={**bound.custom_properties, "data_view_uri": "/gone", views.VIEW_TIME: 5}
    )
    assert views.view_of([older, bound]) == bound.custom_properties["data_view_uri"]
    bare = Examples("/bare", custom_properties={"payload_format": "FORMAT_PROTO"})
    assert examples.view_of(bare) is None
    with pytest.raises(DataError, match="received some without: /bare"):
        examples.view_of([bound, bare])
    with pytest.raises(DataError, match="DataViewBinder"):
        dataset.data_accessor(bare)
    with pytest.raises(DataError, match="SavedModel that decodes records, at '/gone'"):
        views.load_view("/gone")


def test_records_that_the_view_cannot_decode(bound: Examples, tmp_path: Path) -> None:
    import tensorflow as tf

    path = str(tmp_path / "broken.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        writer.write(b"seven,b|0.5")
    shard = examples.Shard(path, "tfrecords_gzip", payload="FORMAT_PROTO", view=examples.view_of(bound))
    with pytest.raises(DataError, match=r"broken\.gz: view .* cannot decode a record: (?s:.*)seven"):
        list(examples.read_shard(shard))


def test_decoders_that_are_none(tmp_path: Path) -> None:
    for name, said in (
        ("not_a_decoder", "expected a TFGraphRecordDecoder, received 7"),
        ("create_dekoder", "create_decoder"),
    ):
        with pytest.raises(UserCodeError, match=said):
            run_component(TfGraphDataViewProvider(name, module_file=MODULE), {}, tmp_path / name)
    made = run_component(TfGraphDataViewProvider(f"{decoder.__name__}.create_decoder"), {}, tmp_path)["data_view"]
    assert isinstance(made[0], DataView)
    assert views.load_view(made[0].uri).index_name is None


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """``serving_default`` takes whole lines and gives their ids plus one; ``named`` takes the view's tensors."""
    import tensorflow as tf

    holder, uri = tf.Module(), tmp_path_factory.mktemp("model")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="lines")])
    def of_lines(lines: Any) -> dict[str, Any]:
        first = tf.strings.split(lines, ",").to_tensor(shape=[None, 2])[:, 0]
        return {"next": tf.strings.to_number(first) + 1.0}

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.int64, name="id")])
    def named(id: Any) -> dict[str, Any]:  # the tensor's name
        return {"twice": id[:, 0] * 2}

    signatures = {"serving_default": of_lines, "named": named}
    tf.saved_model.save(holder, str(uri / "Format-Serving"), signatures=signatures)
    return Model(str(uri))


def test_bulk_inferrer_reads_through_the_view(bound: Examples, model: Model, tmp_path: Path) -> None:
    columns = [
        OutputColumnsSpec(
            signature_name=name,
            predict_output=PredictOutput(output_columns=[PredictOutputCol(output_key=key, output_column=key)]),
        )
        for name, key in (("serving_default", "next"), ("named", "twice"))
    ]
    component = BulkInferrer(
        output_example_spec=OutputExampleSpec(output_columns_spec=columns),
        model_spec=ModelSpec(model_signature_name=["serving_default", "named"]),
        keep_features=["id", "numbers"],
    )
    (result,) = run_component(component, {"examples": bound, "model": model}, tmp_path)["output_examples"]
    assert isinstance(result, Examples)
    rows = [row for batch in examples.read_batches(result, "eval") for row in batch.to_pylist()]
    numbers = [k / 2 for k in range(4)]
    assert sorted(row["id"][0] for row in rows) == sorted(row[0] for row in GOLDEN["eval"]["transformed"])
    for row in rows:
        (number,) = row["id"]
        assert (row["next"], row["twice"]) == ([number + 1], [number * 2])
        assert (row["numbers"] or []) == numbers[: number % 4]
    assert examples.payload_of(result) == "FORMAT_TF_EXAMPLE"


def test_bulk_inferrer_logs_the_records_themselves(bound: Examples, model: Model, tmp_path: Path) -> None:
    component = BulkInferrer()
    (result,) = run_component(component, {"examples": bound, "model": model}, tmp_path)["inference_result"]
    lines = [log.predict_log.request.inputs["lines"].string_val[0] for log in logs_of(result)]
    assert sorted(lines) == sorted(decoder.lines())
    nameless = BulkInferrer(model_spec=ModelSpec(model_signature_name=["named"]))
    without = Examples(bound.uri, custom_properties={"payload_format": "FORMAT_PROTO"})
    without.splits = list(bound.splits)
    with pytest.raises(DataError, match="input 'id' of signature 'named': expected a feature of this name"):
        run_component(nameless, {"examples": without, "model": model}, tmp_path / "without")


def test_evaluator_gives_the_model_the_records_and_reads_labels_through_the_view(
    bound: Examples, model: Model, tmp_path: Path
) -> None:
    metrics = [{"class_name": "MeanSquaredError"}, {"class_name": "ExampleCount"}]
    config = {"model_specs": [{"label_key": "id"}], "slicing_specs": [{}], "metrics_specs": [{"metrics": metrics}]}
    component = Evaluator(eval_config=config)
    (found,) = run_component(component, {"examples": bound, "model": model}, tmp_path)["evaluation"]
    values = {row["metric"]: row["value"] for row in read_metrics(found.uri)}
    assert values["mean_squared_error"] == 1.0, "each prediction is one more than the label"
    assert values["example_count"] == len(GOLDEN["eval"]["transformed"])
    without = Examples(bound.uri, custom_properties={"payload_format": "FORMAT_PROTO"})
    without.splits = list(bound.splits)
    with pytest.raises(DataError, match="received payload_format='FORMAT_PROTO' without; bind one"):
        run_component(component, {"examples": without, "model": model}, tmp_path / "without")
    intervals = {**config, "options": {"compute_confidence_intervals": True}}
    with pytest.raises(DataError, match="computed by TFMA's own pipeline, which is fed with tf.Examples"):
        run_component(Evaluator(eval_config=intervals), {"examples": bound, "model": model}, tmp_path / "intervals")


def test_infra_validator_asks_with_the_records(bound: Examples, model: Model) -> None:
    import tensorflow as tf

    from mlops_tfx.components.infra_validator import requests

    serving = TensorFlowServingRequestSpec(signature_names=["serving_default", "named"])
    spec = RequestSpec(tensorflow_serving=serving, num_examples=2, split_name="eval")
    rows = requests.read_rows(bound, spec)
    signatures = requests.asked_signatures(f"{model.uri}/Format-Serving", spec)
    found = requests.make_queries("m", signatures, rows)
    assert found[0].message.inputs["lines"].string_val[0] in decoder.lines()
    number = int(found[0].message.inputs["lines"].string_val[0].split(b",")[0])
    (named,) = [query.message for query in found if query.task.signature == "named" and query.stop == 1]
    assert tf.make_ndarray(named.inputs["id"]).tolist() == [[number]]


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A signature that regresses, and takes whole lines where its requests would hold tf.Examples."""
    import tensorflow as tf

    v1, folder = tf.compat.v1, tmp_path_factory.mktemp("regression")
    with tf.Graph().as_default(), v1.Session() as session:
        lines = v1.placeholder(tf.string, [None])
        lengths = tf.cast(tf.strings.length(lines), tf.float32)
        save(session, folder / "Format-Serving", {"regress": define({"inputs": lines}, {"outputs": lengths}, REGRESS)})
    return Model(str(folder))


def test_requests_of_tf_examples_are_not_made_of_other_records(
    bound: Examples, regression: Model, tmp_path: Path
) -> None:
    from mlops_tfx.components.infra_validator import failures, requests

    component = BulkInferrer(model_spec=ModelSpec(model_signature_name=["regress"]))
    with pytest.raises(DataError, match="requests to classify or regress hold tf.Examples, received payload_format="):
        run_component(component, {"examples": bound, "model": regression}, tmp_path)
    spec = RequestSpec(tensorflow_serving=TensorFlowServingRequestSpec(signature_names=["regress"]))
    signatures = requests.asked_signatures(f"{regression.uri}/Format-Serving", spec)
    with pytest.raises(failures.ModelRefusedError, match="rows must be tf.Examples, and these are none"):
        requests.make_queries("m", signatures, requests.read_rows(bound, spec))
