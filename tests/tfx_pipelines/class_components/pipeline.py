"""Own component classes, one of them with a Beam executor, between standard components."""

import os
import sys

from filter_component import FilterExamples
from report_component import WriteReport
from tfx.components import CsvExampleGen, ExampleValidator, SchemaGen, StatisticsGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2


def create_pipeline(data: str, out: str) -> pipeline.Pipeline:
    splits = example_gen_pb2.SplitConfig(
        splits=[
            example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=6),
            example_gen_pb2.SplitConfig.Split(name="eval", hash_buckets=3),
            example_gen_pb2.SplitConfig.Split(name="test", hash_buckets=1),
        ]
    )
    example_gen = CsvExampleGen(
        input_base=os.path.join(data, "penguins"), output_config=example_gen_pb2.Output(split_config=splits)
    )
    large = FilterExamples(
        examples=example_gen.outputs["examples"],
        feature="species",
        kept=["Gentoo", "Chinstrap"],
        splits=["train", "eval"],
    ).with_id("FilterLarge")
    large.with_beam_pipeline_args(["--runner=DirectRunner"])
    females = FilterExamples(
        examples=large.outputs["filtered"], feature="sex", kept=["female"], splits=["eval"]
    ).with_id("FilterFemales")
    statistics_gen = StatisticsGen(examples=large.outputs["filtered"])
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    validator = ExampleValidator(statistics=StatisticsOf(females), schema=schema_gen.outputs["schema"])
    config = example_gen_pb2.SplitConfig()
    for name in ("train", "eval"):
        config.splits.add(name=name, hash_buckets=1)
    first = WriteReport(statistics=statistics_gen.outputs["statistics"], split_config=config, title="first")
    second = WriteReport(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        split_config=config,
        most=4,
        weight=1.5,
    ).with_id("second_report")
    second.add_upstream_nodes([first, validator])
    return pipeline.Pipeline(
        pipeline_name="class_components",
        pipeline_root=os.path.join(out, "root"),
        components=[example_gen, large, females, _statistics[0], statistics_gen, schema_gen, validator, first, second],
        enable_cache=False,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(out, "metadata.sqlite")),
    )


_statistics = []


def StatisticsOf(node):
    _statistics.append(StatisticsGen(examples=node.outputs["filtered"]).with_id(f"StatisticsOf{node.id}"))
    return _statistics[0].outputs["statistics"]


if __name__ == "__main__":
    LocalDagRunner().run(create_pipeline(*sys.argv[1:]))
