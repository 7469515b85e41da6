"""A pickled scikit-learn model, evaluated by an extractor of its own, and compared with the last blessed one.

usage: pipeline.py DATA OUT
"""

import os
import sys
from typing import Optional, Text

import absl
import tensorflow_model_analysis as tfma
from tfx import v1 as tfx

_pipeline_name = "penguin_sklearn_local"
_module_root = os.path.dirname(os.path.abspath(__file__))


def _create_pipeline(
    pipeline_name: Text,
    pipeline_root: Text,
    data_root: Text,
    trainer_module_file: Text,
    evaluator_module_file: Text,
    serving_model_dir: Text,
    metadata_path: Text,
    max_iter: int,
    beam_pipeline_args: Optional[list] = None,
) -> tfx.dsl.Pipeline:
    example_gen = tfx.components.CsvExampleGen(input_base=data_root)

    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])

    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)

    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )

    trainer = tfx.components.Trainer(
        module_file=trainer_module_file,
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=max_iter),
        eval_args=tfx.proto.EvalArgs(num_steps=5),
    )

    model_resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")

    eval_config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key="species")],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["sex"])],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        class_name="Accuracy",
                        threshold=tfma.MetricThreshold(
                            value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.6}),
                            change_threshold=tfma.GenericChangeThreshold(
                                direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -1e-10}
                            ),
                        ),
                    ),
                    tfma.MetricConfig(class_name="ExampleCount"),
                ]
            )
        ],
    )
    evaluator = tfx.components.Evaluator(
        module_file=evaluator_module_file,
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=model_resolver.outputs["model"],
        schema=schema_gen.outputs["schema"],
        eval_config=eval_config,
        example_splits=["eval"],
    )

    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=serving_model_dir)
        ),
    )

    return tfx.dsl.Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            trainer,
            model_resolver,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(metadata_path),
        beam_pipeline_args=beam_pipeline_args,
    )


def main(data: str, out: str) -> None:
    for max_iter in (40, 400):
        tfx.orchestration.LocalDagRunner().run(
            _create_pipeline(
                pipeline_name=_pipeline_name,
                pipeline_root=os.path.join(out, "pipelines", _pipeline_name),
                data_root=os.path.join(data, "penguins"),
                trainer_module_file=os.path.join(_module_root, "species_model.py"),
                evaluator_module_file=os.path.join(_module_root, "pickled_models.py"),
                serving_model_dir=os.path.join(out, "serving", _pipeline_name),
                metadata_path=os.path.join(out, "metadata.sqlite"),
                max_iter=max_iter,
                beam_pipeline_args=["--direct_running_mode=in_memory", "--direct_num_workers=1"],
            )
        )


if __name__ == "__main__":
    absl.logging.set_verbosity(absl.logging.INFO)
    main(*sys.argv[1:])
