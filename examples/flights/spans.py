"""The same flights, arriving month by month: every run reads the new month only.

Each month is a span. Its run ingests and describes that month; the statistics of the window (all months so far) are
merged from those of each month, and the transform graph is computed from what the analyzer cache knows of the earlier
ones. Every month is held against January, feature by feature.
"""

import argparse
import json
import os
import shutil
import sys

import data

from mlops_tfx import Channel, LocalRunner, Pipeline, Resolver, RollingRangeStrategy, StaticRangeStrategy
from mlops_tfx.artifacts import Examples, ExampleStatistics, TransformCache
from mlops_tfx.components import (
    CsvExampleGen,
    ExampleValidator,
    MergeStatistics,
    SchemaGen,
    StatisticsGen,
    Transform,
)
from mlops_tfx.config import Input
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution.observer import Observer

HERE = os.path.dirname(os.path.abspath(__file__))
JANUARY, JULY = 1, 7


def create_pipeline(runs="runs/flights-spans", window=12):
    gen = CsvExampleGen(
        input_base=os.path.join(runs, "data"),
        input_config=Input(splits=[Input.Split(name="all", pattern="span-{SPAN:2}/*")]),
    )
    statistics = StatisticsGen(examples=gen.outputs["examples"])

    all_examples = Channel(Examples, producer_component_id=gen.id, output_key="examples")
    all_statistics = Channel(ExampleStatistics, producer_component_id=statistics.id, output_key="statistics")
    months = Resolver(RollingRangeStrategy, {"num_spans": window}, examples=all_examples).with_id("months")
    described = Resolver(RollingRangeStrategy, {"num_spans": window}, statistics=all_statistics).with_id("described")
    january = Resolver(StaticRangeStrategy, {"start_span_number": JANUARY, "end_span_number": JANUARY},
                       statistics=all_statistics).with_id("january")  # fmt: skip
    cache = Resolver(analyzer_cache=Channel(TransformCache)).with_id("analyzer_cache")
    # Resolvers look at the store when they run: this month must be there by then.
    months.add_upstream_node(gen)
    described.add_upstream_node(statistics)
    january.add_upstream_node(statistics)

    merged = MergeStatistics(span_statistics=described.outputs["statistics"])
    schema = SchemaGen(statistics=merged.outputs["statistics"])
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        previous_statistics=january.outputs["statistics"],
    )
    transform = Transform(
        examples=months.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=os.path.join(HERE, "preprocessing.py"),
        analyzer_cache=cache.outputs["analyzer_cache"],
        # The graph is what training and serving need; transforming old months again would mean reading them again.
        materialize=False,
        disable_statistics=True,
    )
    return Pipeline(
        pipeline_name="flights-spans",
        pipeline_root=os.path.join(runs, "pipeline"),
        components=[gen, statistics, months, described, january, cache, merged, schema, validator, transform],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs/flights-spans", help="folder for data and outputs")
    parser.add_argument("--months", type=int, default=12, help="how many months arrive")
    arguments = parser.parse_args()
    arrivals = data.write_spans(os.path.join(arguments.runs, "arrivals"))
    print("month  flights   rows read by: statistics  analysis   rows in window: statistics  graph")
    drift = {}
    for month in range(1, arguments.months + 1):
        arrive(arrivals, os.path.join(arguments.runs, "data"), month)
        try:
            result = LocalRunner(observer=Observer()).run(create_pipeline(arguments.runs))
        except PipelineFailedError as error:
            sys.exit(f"error: {error}")
        print_month(month, result)
        drift[month] = result.outputs["ExampleValidator"]["anomalies"][0].path("train")
    compared = min(JULY, arguments.months)
    print(f"\nmonth {compared} against January: the features that moved most")
    print_drift(drift[compared])


def arrive(arrivals, folder, month):
    name = f"span-{month:02}"
    shutil.copytree(os.path.join(arrivals, name), os.path.join(folder, name), dirs_exist_ok=True)


def print_month(month, result):
    rows = {report.node_id: report.rows for report in result.reports}
    analyzed = json.loads(result.outputs["Transform"]["transform_graph"][0].custom_properties["rows_read_to_analyze"])
    print(f"{month:>5} {rows['CsvExampleGen']:>8,} {rows['StatisticsGen']:>25,} {sum(analyzed.values()):>9,} "
          f"{rows['MergeStatistics']:>27,} {len(analyzed):>3} months")  # fmt: skip


def print_drift(folder):
    with open(os.path.join(folder, "distances.txt"), encoding="utf-8") as file:
        print("".join(file.readlines()[:8]), end="")


if __name__ == "__main__":
    main()
