"""A tf.Module without Keras: user functions by dotted path, splits by patterns and spans, proto messages."""

import argparse
import os

import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx.components import CsvExampleGen, Evaluator, Pusher, StatisticsGen, Trainer, Transform
from tfx.components.schema_gen.component import SchemaGen
from tfx.dsl.components.common import importer
from tfx.orchestration import metadata
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.local import local_dag_runner
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2, transform_pb2
from tfx.types import standard_artifacts

PUSH = """{"filesystem": {"base_directory": "%s"}}"""

EVAL_CONFIG = {
    "modelSpecs": [{"labelKey": "late", "signatureName": "serving_default"}],
    "slicingSpecs": [{}, {"featureKeys": ["carrier"]}],
    "metricsSpecs": [
        {
            "metrics": [
                {"className": "BinaryCrossentropy", "threshold": {"valueThreshold": {"upperBound": 2.0}}},
                {"className": "MeanLabel"},
                {"className": "Calibration"},
                {"className": "ExampleCount"},
                {"className": "Precision", "config": '{"thresholds": 0.25, "name": "precision_at_quarter"}'},
            ]
        }
    ],
    "options": {"includeDefaultMetrics": False, "computeConfidenceIntervals": False},
}


def divide(data: str, out: str) -> str:
    """Spans of flights: a file to train with and one to evaluate with, as another system delivers them."""
    with open(os.path.join(data, "flights", "flights.csv")) as file:
        header, *rows = file.read().splitlines()
    parts = {
        "span-1/train": rows[:50],
        "span-1/test": rows[50:70],
        "span-2/train": rows[:600],
        "span-2/test": rows[600:],
    }
    for name, part in parts.items():
        folder = os.path.join(out, "delivered", name)
        os.makedirs(folder)
        with open(os.path.join(folder, "flights.csv"), "w") as file:
            file.write("\n".join([header, *part]) + "\n")
    return os.path.join(out, "delivered")


def create_pipeline(delivered: str, out: str) -> Pipeline:
    pattern = example_gen_pb2.Input.Split
    examples = CsvExampleGen(
        input_base=delivered,
        input_config=example_gen_pb2.Input(
            splits=[
                pattern(name="train", pattern="span-{SPAN}/train/*.csv"),
                pattern(name="test", pattern="span-{SPAN}/test/*.csv"),
            ]
        ),
    )
    statistics = StatisticsGen(examples=examples.outputs["examples"], exclude_splits=["test"])
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="flights_tf.transform_features",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "test"]),
        disable_analyzer_cache=True,
        disable_statistics=True,
        custom_config={"least": 40},
    )
    trainer = Trainer(
        run_fn="flights_tf.train",
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"], num_steps=200),
        eval_args=trainer_pb2.EvalArgs(splits=["test"]),
        custom_config={"training": {"rate": 0.5}},
    )
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        example_splits=["test"],
        schema=schema.outputs["schema"],
        eval_config=json_format.ParseDict(EVAL_CONFIG, tfma.EvalConfig()),
    )
    destination = RuntimeParameter(
        name="push_destination", default=PUSH % os.path.join(out, "serving", "late"), ptype=str
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=destination,
    )
    unused = importer.Importer(
        source_uri=os.path.join(delivered, "span-1"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["train", "test"]'},
        custom_properties={"delivered": "yes"},
        reimport=True,
    ).with_id("earlier_delivery")
    assert isinstance(pusher_pb2.PushDestination(), pusher_pb2.PushDestination)
    return Pipeline(
        pipeline_name="flights.tf-module",
        pipeline_root=os.path.join(out, "root"),
        components=[unused, pusher, evaluator, trainer, transform, schema, statistics, examples],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(out, "metadata.sqlite")),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    delivered = divide(arguments.data, arguments.out)
    for _ in range(arguments.runs):
        local_dag_runner.LocalDagRunner().run(create_pipeline(delivered, arguments.out))


if __name__ == "__main__":
    main()
