"""Inputs chosen from what there is: imported artifacts, history of this pipeline, spans, functions of the user.

usage: pipeline.py DATA OUT
"""

import csv
import os
import sys
from typing import List

from tensorflow_metadata.proto.v0 import path_pb2
from tfx import types
from tfx import v1 as tfx
from tfx.components import DistributionValidator
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver, ResolverStrategy
from tfx.dsl.input_resolution import canned_resolver_functions as functions
from tfx.dsl.input_resolution import resolver_function
from tfx.dsl.input_resolution.ops import ops
from tfx.proto import distribution_validator_pb2
from tfx.types import channel, channel_utils, standard_artifacts

ROOT = os.path.dirname(os.path.abspath(__file__))


class MostRows(ResolverStrategy):
    """A strategy of the user's own: the artifact with the greatest value."""

    def __init__(self, at_least: int = 0):
        self._at_least = at_least

    def resolve_artifacts(self, store, input_dict):
        chosen = {}
        for key, artifacts in input_dict.items():
            found = [artifact for artifact in artifacts if artifact.read() >= self._at_least]
            if not found:
                return None
            chosen[key] = [max(found, key=lambda artifact: (artifact.value, artifact.id))]
        return chosen


@resolver_function.resolver_function
def newest_two(artifacts):
    """The two newest."""
    return ops.LatestCreateTime(artifacts, n=2)


@resolver_function.resolver_function
def of_year(artifacts, year):
    """Those whose custom property says so; the newest of them."""
    return ops.LatestCreateTime(
        ops.EqualPropertyValues(artifacts, property_key="year", property_value=year, is_custom_property=True), n=1
    )


@component
def MakeTable(
    source: Parameter[str], year: Parameter[int], table: OutputArtifact[standard_artifacts.Examples]
) -> OutputDict(rows=int):
    """Writes the penguins of a year as examples with a span."""
    import tensorflow as tf

    with open(source) as file:
        rows = [row for row in csv.DictReader(file) if row["year"] == str(year)]
    folder = os.path.join(table.uri, "Split-train")
    os.makedirs(folder)
    with tf.io.TFRecordWriter(os.path.join(folder, "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for row in rows:
            example = tf.train.Example()
            example.features.feature["island"].bytes_list.value.append(row["island"].encode())
            example.features.feature["body_mass_g"].float_list.value.append(float(row["body_mass_g"]))
            writer.write(example.SerializeToString())
    table.span = year
    table.split_names = '["train"]'
    table.set_int_custom_property("year", year)
    return {"rows": len(rows)}


@component
def Compare(
    tables: InputArtifact[List[standard_artifacts.Examples]],
    two: InputArtifact[List[standard_artifacts.Examples]],
    first: InputArtifact[List[standard_artifacts.Examples]],
    summary: OutputArtifact[standard_artifacts.JsonValue],
    most: int = 0,
):
    """Says what was chosen."""
    summary.value = {
        "tables": [table.span for table in tables],
        "two": [table.span for table in two],
        "first": [table.get_int_custom_property("year") for table in first],
        "most": most,
    }


@component
def ReadNote(note: InputArtifact[standard_artifacts.String]) -> OutputDict(text=str, source=str):
    """Reads an imported text."""
    return {"text": note.value, "source": note.get_string_custom_property("source")}


def create_pipeline(data: str, out: str, year: int) -> tfx.dsl.Pipeline:
    source = os.path.join(data, "penguins", "penguins.csv")
    make_table = MakeTable(source=source, year=year)
    all_tables = types.Channel(type=standard_artifacts.Examples, producer_component_id="MakeTable", output_key="table")
    most = Resolver(
        strategy_class=MostRows,
        config={"at_least": 1},
        most=types.Channel(type=standard_artifacts.Integer, producer_component_id="MakeTable", output_key="rows"),
    ).with_id("most_rows")
    most.add_upstream_node(make_table)

    statistics_gen = tfx.components.StatisticsGen(
        examples=make_table.outputs["table"],
        stats_options=_stats_options(),
    )
    earlier = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        statistics=tfx.dsl.Channel(type=standard_artifacts.ExampleStatistics, producer_component_id=statistics_gen.id),
    ).with_id("earlier_statistics")
    schema = tfx.components.ImportSchemaGen(schema_file=os.path.join(ROOT, "schema.pbtxt"))
    imported_schema = Importer(
        source_uri=os.path.join(ROOT, "schema_folder"),
        artifact_type=standard_artifacts.Schema,
        custom_properties={"owner": "curator", "revision": 3},
    ).with_id("schema_importer")
    note = Importer(
        source_uri=os.path.join(ROOT, "note.txt"),
        artifact_type=standard_artifacts.String,
        custom_properties={"source": "field book"},
        output_key="note",
    ).with_id("note_importer")
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema.outputs["schema"]
    )
    strict_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=imported_schema.outputs["result"]
    ).with_id("StrictValidator")
    components = [make_table, most, statistics_gen, schema, imported_schema, note, validator, strict_validator]
    components.append(ReadNote(note=note.outputs["note"]))
    if year > 2007:
        # Before the statistics of this run are there.
        statistics_gen.add_upstream_node(earlier)
        config = distribution_validator_pb2.DistributionValidatorConfig()
        comparator = config.default_slice_config.feature.add()
        comparator.path.CopyFrom(path_pb2.Path(step=["body_mass_g"]))
        comparator.distribution_comparator.jensen_shannon_divergence.threshold = 0.01
        comparator = config.default_slice_config.feature.add()
        comparator.path.CopyFrom(path_pb2.Path(step=["island"]))
        comparator.distribution_comparator.infinity_norm.threshold = 0.9
        drift = DistributionValidator(
            statistics=statistics_gen.outputs["statistics"],
            baseline_statistics=earlier.outputs["statistics"],
            config=config,
            include_split_pairs=[("train", "train")],
        )
        compare = Compare(
            tables=functions.rolling_range(all_tables, num_spans=2),
            two=newest_two(
                channel_utils.artifact_query(
                    artifact_type=standard_artifacts.Examples, producer_component_id="MakeTable", output_key="table"
                )
            ),
            first=of_year(channel.Channel(type=standard_artifacts.Examples), year=2007),
            most=most.outputs["most"],
        )
        compare.add_upstream_node(make_table)
        components += [earlier, drift, compare]

    return tfx.dsl.Pipeline(
        pipeline_name="penguin_resolvers",
        pipeline_root=os.path.join(out, "root"),
        components=components,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
    )


def _stats_options():
    import tensorflow_data_validation as tfdv

    return tfdv.StatsOptions(num_top_values=2, num_values_histogram_buckets=5)


def main():
    data, out = sys.argv[1:3]
    runner = tfx.orchestration.LocalDagRunner()
    for year in (2007, 2008, 2009):
        runner.run(create_pipeline(data, out, year))


if __name__ == "__main__":
    main()
