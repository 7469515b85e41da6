"""Standard components, each with an executor of its own: EXECUTOR_SPEC of subclasses, and custom_executor_spec."""

import os
import sys

import executors
from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec

_here = os.path.dirname(os.path.abspath(__file__))


class KnownSexExampleGen(tfx.components.CsvExampleGen):
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executors.KnownSexExecutor)


class NotingSchemaGen(tfx.components.SchemaGen):
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executors.NotingSchemaExecutor)


class DoublingTransform(tfx.components.Transform):
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executors.DoublingTransformExecutor)


class AnnouncingPusher(tfx.components.Pusher):
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executors.AnnouncingPusherExecutor)


def create_pipeline(data: str, out: str) -> tfx.dsl.Pipeline:
    known = KnownSexExampleGen(input_base=os.path.join(data, "penguins"))
    by_year = FileBasedExampleGen(
        input_base=os.path.join(data, "penguins"),
        custom_executor_spec=executor_spec.BeamExecutorSpec(executors.ByYearExecutor),
    ).with_id("ByYear")
    statistics = tfx.components.StatisticsGen(examples=known.outputs["examples"])
    schema = NotingSchemaGen(statistics=statistics.outputs["statistics"], exclude_splits=["eval"])
    transform = DoublingTransform(
        examples=known.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=os.path.join(_here, "functions.py"),
    )
    trainer = tfx.components.Trainer(
        examples=by_year.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=os.path.join(_here, "functions.py"),
        train_args=tfx.proto.TrainArgs(num_steps=3),
        eval_args=tfx.proto.EvalArgs(),
        custom_config={"of": "mine"},
        custom_executor_spec=executor_spec.ExecutorClassSpec(executors.ToldTrainerExecutor),
    )
    pusher = AnnouncingPusher(
        model=trainer.outputs["model"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=os.path.join(out, "serving"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="own_executors",
        pipeline_root=os.path.join(out, "root"),
        components=[known, by_year, statistics, schema, transform, trainer, pusher],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
    )


if __name__ == "__main__":
    tfx.orchestration.LocalDagRunner().run(create_pipeline(*sys.argv[1:]))
