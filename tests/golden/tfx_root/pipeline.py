"""A pipeline as people write them for TFX: from CSV files with spans to a pushed model, against the last blessed one.

Usage:  python pipeline.py FOLDER [HOW]
FOLDER has data/span-<n>/*.csv; root, metadata.sqlite and serving come to lie beside it. HOW: `guess` turns the model
into the opposite of what it learned, so that it is not blessed; `fail` lets Trainer fail.
The file runs unchanged under TFX and under `mlops-tfx run --as-tfx`.
"""

import os
import sys

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx

MODULE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "user", "flights.py")


def create_pipeline(folder: str, how: str = "") -> tfx.dsl.Pipeline:
    """The pipeline over what lies in a folder."""
    example_gen = tfx.components.CsvExampleGen(
        input_base=os.path.join(folder, "data"),
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="all", pattern="span-{SPAN}/*.csv")]),
    )
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"], module_file=MODULE
    )
    trainer = tfx.components.Trainer(
        module_file=MODULE,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=60),
        eval_args=tfx.proto.EvalArgs(num_steps=1),
        custom_config={"how": how},
    )
    baseline = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=eval_config(),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=os.path.join(folder, "serving"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="flights",
        pipeline_root=os.path.join(folder, "root"),
        components=[example_gen, statistics_gen, schema_gen, transform, trainer, baseline, evaluator, pusher],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(folder, "metadata.sqlite")
        ),
    )


def eval_config() -> tfma.EvalConfig:
    """Right more often than a coin, and not much worse than the model before."""
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.6}),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -0.2}
        ),
    )
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key="late", signature_name="serving_default")],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["origin"])],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(class_name="ExampleCount"),
                    tfma.MetricConfig(class_name="BinaryAccuracy", threshold=threshold),
                ]
            )
        ],
    )


if __name__ == "__main__":
    tfx.orchestration.LocalDagRunner().run(create_pipeline(os.path.abspath(sys.argv[1]), *sys.argv[2:]))
