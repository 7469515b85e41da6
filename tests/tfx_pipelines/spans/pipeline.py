"""Data arrive year by year; every run reads the latest year and prepares a window of the last two.

usage: pipeline.py DATA OUT
"""

import csv
import datetime
import os
import shutil
import sys
from typing import List, Optional

import absl.logging
from tfx.components import CsvExampleGen, StatisticsGen, Transform
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2, range_config_pb2, transform_pb2
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, JsonValue, String
from tfx.utils import proto_utils

PIPELINE_NAME = "penguin_spans"
HERE = os.path.dirname(os.path.abspath(__file__))


@component
def RangeOfDay(day: Parameter[str], range_config: OutputArtifact[String]):
    """Writes the range config of the span that a day, as YYYY-MM-DD, stands for."""
    date = datetime.date(*map(int, day.split("-")))
    span = (date - datetime.date(1970, 1, 1)).days
    range_config.value = proto_utils.proto_to_json(
        range_config_pb2.RangeConfig(
            static_range=range_config_pb2.StaticRange(start_span_number=span, end_span_number=span)
        )
    )


@component
def DescribeSpan(examples: InputArtifact[Examples], description: OutputArtifact[JsonValue]):
    """Writes what ExampleGen noted about its input."""
    description.value = {
        "span": int(examples.get_custom_property("span")),
        "version": int(examples.get_custom_property("version") or -1),
        "splits": sorted(examples.splits),
    }


def _input_config(pattern: str) -> example_gen_pb2.Input:
    return example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=pattern)])


def create_pipeline(root: str, database: str, incoming: str, daily: str, day: str, static_span: Optional[int]):
    split_config = example_gen_pb2.SplitConfig(
        splits=[
            example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=2),
            example_gen_pb2.SplitConfig.Split(name="eval", hash_buckets=1),
        ]
    )
    range_config = None
    if static_span is not None:
        range_config = range_config_pb2.RangeConfig(
            static_range=range_config_pb2.StaticRange(start_span_number=static_span, end_span_number=static_span)
        )
    else:
        range_config = range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=1))
    example_gen = CsvExampleGen(
        input_base=incoming,
        input_config=_input_config("year-{SPAN}/v{VERSION:2}/*.csv"),
        output_config=example_gen_pb2.Output(split_config=split_config),
        range_config=range_config,
    )
    describe = DescribeSpan(examples=example_gen.outputs["examples"])
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = ImportSchemaGen(schema_file=os.path.join(HERE, "schema.pbtxt"))

    window = resolver.Resolver(
        strategy_class=SpanRangeStrategy,
        config={"range_config": range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=2))},
        examples=Channel(type=Examples, producer_component_id=example_gen.id),
    ).with_id("span_resolver")
    window.add_upstream_node(example_gen)

    transform = Transform(
        examples=window.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        module_file=os.path.join(HERE, "preprocessing.py"),
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_statistics=True,
        disable_analyzer_cache=True,
    )

    # A folder per day, with a split per file; the day is a parameter that a component makes.
    range_of_day = RangeOfDay(day=day)
    daily_example_gen = CsvExampleGen(
        input_base=daily,
        input_config=example_gen_pb2.Input(
            splits=[
                example_gen_pb2.Input.Split(name="train", pattern="{YYYY}/{MM}-{DD}/train*"),
                example_gen_pb2.Input.Split(name="eval", pattern="{YYYY}/{MM}-{DD}/eval*"),
            ]
        ),
        range_config=range_of_day.outputs["range_config"].future()[0].value,
    ).with_id("DailyExampleGen")
    describe_day = DescribeSpan(examples=daily_example_gen.outputs["examples"]).with_id("DescribeDay")

    return pipeline.Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=root,
        components=[
            transform,
            window,
            example_gen,
            describe,
            statistics_gen,
            schema_gen,
            range_of_day,
            daily_example_gen,
            describe_day,
        ],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(database),
        beam_pipeline_args=["--direct_num_workers=1", "--direct_running_mode=in_memory"],
    )


def _read(data: str) -> List[dict]:
    with open(os.path.join(data, "penguins", "penguins.csv")) as file:
        return list(csv.DictReader(file))


def _write(rows: List[dict], path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main(data: str, out: str) -> None:
    incoming, daily = os.path.join(out, "incoming"), os.path.join(out, "daily")
    rows = _read(data)

    def arrive(year: int, version: int) -> None:
        of_year = [row for row in rows if row["year"] == str(year)]
        _write(of_year[version:], os.path.join(incoming, f"year-{year}", f"v{version:02}", "penguins.csv"))

    for day, part in (("12-30", rows[:90]), ("12-31", rows[90:150])):
        _write(part[::2], os.path.join(daily, "2007", day, "train-1.csv"))
        _write(part[1::2], os.path.join(daily, "2007", day, "eval.csv"))

    def run(day: str, static_span: Optional[int] = None) -> None:
        LocalDagRunner().run(
            create_pipeline(
                os.path.join(out, "root"), os.path.join(out, "metadata.sqlite"), incoming, daily, day, static_span
            )
        )

    arrive(2007, 1)
    arrive(2008, 1)
    run("2007-12-30", static_span=2007)
    run("2007-12-31")  # 2008, the latest
    run("2007-12-31")  # nothing new
    arrive(2009, 1)
    arrive(2009, 2)
    run("2007-12-30")
    shutil.rmtree(os.path.join(incoming, "year-2007"))


if __name__ == "__main__":
    absl.logging.set_verbosity(absl.logging.WARNING)
    main(sys.argv[1], sys.argv[2])
