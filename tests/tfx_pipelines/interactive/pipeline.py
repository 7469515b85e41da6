"""Exploring step by step with InteractiveContext, as in a notebook; then the whole as a pipeline.

usage: pipeline.py DATA OUT
"""

import builtins
import os
import sys

import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from absl import logging
from ml_metadata.metadata_store import metadata_store
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import v1 as tfx
from tfx.orchestration.experimental.interactive.interactive_context import InteractiveContext
from tfx.types import standard_artifacts

# TFX's context does nothing outside of IPython.
builtins.__dict__["__IPYTHON__"] = True
logging.set_verbosity(logging.ERROR)

_HERE = os.path.dirname(os.path.abspath(__file__))
_data, _out = sys.argv[1:3]
_seen = {}

# %% A context keeps everything below one folder.
context = InteractiveContext(
    pipeline_name="penguin_notebook",
    pipeline_root=os.path.join(_out, "notebook"),
    beam_pipeline_args=["--direct_num_workers=1", "--direct_running_mode=in_memory"],
)

# %% ExampleGen
example_gen = tfx.components.CsvExampleGen(input_base=os.path.join(_data, "penguins"))
result = context.run(example_gen)
assert result.execution_id > 0
artifact = example_gen.outputs["examples"].get()[0]
_seen["splits"] = artifact.split_names
_seen["type"] = artifact.type_name
_seen["producer"] = artifact.producer_component
_seen["name"] = artifact.name
_seen["under root"] = artifact.uri.startswith(context.pipeline_root)

# Get the URI of the output artifact representing the training examples, which is a directory
train_uri = os.path.join(example_gen.outputs["examples"].get()[0].uri, "Split-train")
tfrecord_filenames = [os.path.join(train_uri, name) for name in os.listdir(train_uri)]
dataset = tf.data.TFRecordDataset(tfrecord_filenames, compression_type="GZIP")
example = tf.train.Example()
for tfrecord in dataset.take(1):
    example.ParseFromString(tfrecord.numpy())
_seen["features"] = sorted(example.features.feature)
_seen["train"] = sum(1 for _ in dataset)

# %% Statistics, schema, anomalies
statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
context.run(statistics_gen)
statistics_uri = statistics_gen.outputs["statistics"].get()[0].uri
statistics = tfdv.load_stats_binary(os.path.join(statistics_uri, "Split-eval", "FeatureStats.pb"))
_seen["eval"] = int(statistics.datasets[0].num_examples)

schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=False)
context.run(schema_gen)
schema = tfdv.load_schema_text(os.path.join(schema_gen.outputs["schema"].get()[0].uri, "schema.pbtxt"))
tfdv.set_domain(schema, "bill_length_mm", schema_pb2.FloatDomain(min=30, max=50))
curated = os.path.join(_out, "curated", "schema.pbtxt")
os.makedirs(os.path.dirname(curated))
tfdv.write_schema_text(schema, curated)
schema_gen = tfx.components.ImportSchemaGen(schema_file=curated)
context.run(schema_gen)

example_validator = tfx.components.ExampleValidator(
    statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"], exclude_splits=["train"]
)
context.run(example_validator)
anomalies_uri = example_validator.outputs["anomalies"].get()[0].uri
anomalies = anomalies_pb2.Anomalies()
with tfx.dsl.io.fileio.open(os.path.join(anomalies_uri, "Split-eval", "SchemaDiff.pb"), "rb") as file:
    anomalies.ParseFromString(file.read())
_seen["anomalies"] = sorted(anomalies.anomaly_info)
_seen["splits validated"] = os.listdir(anomalies_uri)

# %% Transform
transform = tfx.components.Transform(
    examples=example_gen.outputs["examples"],
    schema=schema_gen.outputs["schema"],
    module_file=os.path.join(_HERE, "notebook_transform.py"),
)
context.run(transform)
train_graph_uri = transform.outputs["transform_graph"].get()[0].uri
_seen["transform graph"] = sorted(name for name in os.listdir(train_graph_uri) if not name.startswith("."))
_seen["outputs of Transform"] = sorted(transform.outputs)
transformed = os.path.join(transform.outputs["transformed_examples"].get()[0].uri, "Split-train")
_seen["transformed"] = sum(1 for _ in tf.data.TFRecordDataset(tf.io.gfile.glob(transformed + "/*"), "GZIP"))

# %% Trainer, Evaluator, Pusher
trainer = tfx.components.Trainer(
    module_file=os.path.join(_HERE, "notebook_trainer.py"),
    examples=transform.outputs["transformed_examples"],
    transform_graph=transform.outputs["transform_graph"],
    schema=schema_gen.outputs["schema"],
    train_args=tfx.proto.TrainArgs(num_steps=1),
    eval_args=tfx.proto.EvalArgs(num_steps=1),
)
context.run(trainer)
_seen["model"] = sorted(os.listdir(trainer.outputs["model"].get()[0].uri))

model_resolver = tfx.dsl.Resolver(
    strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
    model=tfx.dsl.Channel(type=standard_artifacts.Model),
    model_blessing=tfx.dsl.Channel(type=standard_artifacts.ModelBlessing),
).with_id("latest_blessed_model_resolver")
context.run(model_resolver)
_seen["resolved"] = len(model_resolver.outputs["model"].get())

eval_config = tfma.EvalConfig(
    model_specs=[tfma.ModelSpec(label_key="big", signature_name="serving_default", prediction_key="probability")],
    metrics_specs=[
        tfma.MetricsSpec(
            metrics=[
                tfma.MetricConfig(class_name="ExampleCount"),
                tfma.MetricConfig(
                    class_name="BinaryAccuracy",
                    threshold=tfma.MetricThreshold(
                        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.5})
                    ),
                ),
            ]
        )
    ],
    slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["island_xf"])],
)
evaluator = tfx.components.Evaluator(
    examples=transform.outputs["transformed_examples"], model=trainer.outputs["model"], eval_config=eval_config
)
context.run(evaluator)
PATH_TO_RESULT = evaluator.outputs["evaluation"].get()[0].uri
_seen["validation"] = tfma.load_validation_result(PATH_TO_RESULT).validation_ok
metrics = tfma.load_eval_result(PATH_TO_RESULT).get_metrics_for_slice(())
_seen["accuracy"] = round(metrics["binary_accuracy"]["doubleValue"], 4)
blessing_uri = evaluator.outputs["blessing"].get()[0].uri
_seen["blessing"] = os.listdir(blessing_uri)

pusher = tfx.components.Pusher(
    model=trainer.outputs["model"],
    model_blessing=evaluator.outputs["blessing"],
    push_destination=tfx.proto.PushDestination(
        filesystem=tfx.proto.PushDestination.Filesystem(base_directory=os.path.join(_out, "serving", "notebook"))
    ),
)
context.run(pusher)
pushed = pusher.outputs["pushed_model"].get()[0]
_seen["pushed"] = pushed.get_int_custom_property("pushed")
loaded = tf.saved_model.load(
    os.path.join(_out, "serving", "notebook", pushed.get_string_custom_property("pushed_version"))
)
_seen["signatures"] = list(loaded.signatures)


# %% A component of one's own
@tfx.dsl.components.component
def CountSplits(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    table: tfx.dsl.components.OutputArtifact[standard_artifacts.String],
    unit: tfx.dsl.components.Parameter[str] = "records",
) -> tfx.dsl.components.OutputDict(total=int):
    """Counts the records of every split."""
    import tensorflow as tf

    counts = {}
    for split in sorted(examples.splits):
        files = tf.io.gfile.glob(os.path.join(examples.path(split=split), "*"))
        counts[split] = sum(1 for _ in tf.data.TFRecordDataset(files, "GZIP"))
    table.value = ", ".join(f"{count} {unit} in {split}" for split, count in counts.items())
    return {"total": sum(counts.values())}


count_splits = CountSplits(examples=example_gen.outputs["examples"])
context.run(count_splits, enable_cache=False)
table = count_splits.outputs["table"].get()[0]
table.read()
_seen["counts"] = table.value
(total,) = count_splits.outputs["total"].get()
_seen["total"] = total.read()

# %% The store
store = metadata_store.MetadataStore(context.metadata_connection_config)
found = pd.Series([store.get_artifact_types_by_id([a.type_id])[0].name for a in store.get_artifacts_by_type("Schema")])
_seen["schemas"] = int((found == "Schema").sum())

# %% Again: from the cache
again = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
context.run(again, enable_cache=True)
_seen["same statistics"] = again.outputs["statistics"].get()[0].uri == statistics_uri


# %% The same as a pipeline
@tfx.dsl.components.component
def Report(
    seen: tfx.dsl.components.Parameter[str], report: tfx.dsl.components.OutputArtifact[standard_artifacts.JsonValue]
):
    """Keeps what was seen while exploring."""
    import json

    report.value = json.loads(seen)


def _pipeline() -> tfx.dsl.Pipeline:
    import json

    example_gen = tfx.components.CsvExampleGen(input_base=os.path.join(_data, "penguins"))
    return tfx.dsl.Pipeline(
        pipeline_name="penguin_after_the_notebook",
        pipeline_root=os.path.join(_out, "root"),
        components=[
            example_gen,
            tfx.components.StatisticsGen(examples=example_gen.outputs["examples"]),
            CountSplits(examples=example_gen.outputs["examples"], unit="rows"),
            Report(seen=json.dumps(_seen, sort_keys=True)),
        ],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(_out, "metadata.sqlite")
        ),
    )


tfx.orchestration.LocalDagRunner().run(_pipeline())
