"""Many ways of writing pipelines for TFX in one: parameters, values, artifacts, channels, placeholders, options.

usage: pipeline.py --data=DATA --out=OUT, or pipeline.py DATA OUT
"""

import os
from typing import Any, Dict, List, Optional, TypedDict

import apache_beam as beam
import tensorflow_data_validation as tfdv
from absl import app, flags
from google.protobuf import json_format, text_format
from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.csv_example_gen import executor as csv_executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.placeholder import placeholder as ph
from tfx.orchestration import data_types, pipeline
from tfx.proto import example_gen_pb2
from tfx.types import artifact, standard_artifacts, system_artifacts
from tfx.types.channel import union
from tfx.types.value_artifact import ValueArtifact
from tfx.v1.dsl import standard_annotations

FLAGS = flags.FLAGS
flags.DEFINE_string("pipeline_name", "penguin_idioms", "Name of the pipeline.")
flags.DEFINE_bool("quiet", False, "Say less.")


class Interval(ValueArtifact):
    """A value artifact of the user's own: two numbers as text."""

    TYPE_NAME = "Interval"
    TYPE_ANNOTATION = system_artifacts.Metrics

    def encode(self, value: Any) -> bytes:
        low, high = value
        return f"{low}..{high}".encode()

    def decode(self, serialized_value: bytes) -> Any:
        return tuple(float(text) for text in serialized_value.decode().split(".."))


class Census(artifact.Artifact):
    """Properties of every kind."""

    TYPE_NAME = "Census"
    TYPE_ANNOTATION = system_artifacts.Dataset
    PROPERTIES = {
        "count": artifact.Property(type=artifact.PropertyType.INT),
        "mean": artifact.Property(type=artifact.PropertyType.FLOAT),
        "title": artifact.Property(type=artifact.PropertyType.STRING),
        "complete": artifact.Property(type=artifact.PropertyType.BOOLEAN),
        "islands": artifact.Property(type=artifact.PropertyType.JSON_VALUE),
    }


class Totals(TypedDict):
    rows: int
    share: float
    names: List[str]
    by_name: Dict[str, int]
    note: Optional[str]
    blob: bytes
    ready: bool


def _records(uri: str) -> List[Any]:
    import tensorflow as tf

    files = [os.path.join(uri, name) for name in sorted(tfx.dsl.io.fileio.listdir(uri))]
    return [
        tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    ]


@tfx.dsl.components.component(component_annotation=standard_annotations.Process)
def CountIslands(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    census: tfx.dsl.components.OutputArtifact[Census],
    interval: tfx.dsl.components.OutputArtifact[Interval],
    limits: tfx.dsl.components.Parameter[Dict[str, List[int]]],
    split: tfx.dsl.components.Parameter[str] = "train",
    dry_run: tfx.dsl.components.Parameter[bool] = False,
    scale: tfx.dsl.components.Parameter[float] = 2.0,
) -> Totals:
    masses, islands = [], {}
    for example in _records(examples.path(split=split)):
        feature = example.features.feature
        mass = feature["body_mass_g"].int64_list.value[0]
        low, high = limits["body_mass_g"]
        if not low <= mass <= high:
            continue
        masses.append(mass)
        island = feature["island"].bytes_list.value[0].decode()
        islands[island] = islands.get(island, 0) + 1
    census.count = len(masses)
    census.mean = sum(masses) / len(masses)
    census.title = f"{split} of {examples.type_name}"
    census.complete = True
    census.islands = sorted(islands)
    census.set_float_custom_property("scale", scale)
    census.set_bool_custom_property("dry", dry_run)
    census.set_json_value_custom_property("limits", limits)
    interval.value = (min(masses), max(masses))
    tfx.dsl.io.fileio.makedirs(os.path.join(census.uri, "pages"))
    for name, count in islands.items():
        with tfx.dsl.io.fileio.open(os.path.join(census.uri, "pages", f"{name}.txt"), "w") as page:
            page.write(f"{count}\n")
    return {
        "rows": len(masses),
        "share": len(masses) / scale,
        "names": sorted(islands),
        "by_name": islands,
        "note": None,
        "blob": b"\x00\xff",
        "ready": True,
    }


@tfx.dsl.components.component(use_beam=True)
def SumWithBeam(
    examples: tfx.dsl.components.InputArtifact[List[standard_artifacts.Examples]],
    out: tfx.dsl.components.OutputArtifact[standard_artifacts.String],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
):
    import tensorflow as tf

    def mass(record: bytes) -> int:
        return tf.train.Example.FromString(record).features.feature["body_mass_g"].int64_list.value[0]

    patterns = [os.path.join(one.uri, "Split-*", "*") for one in examples]
    with beam_pipeline as root:
        parts = [
            root | f"Read[{number}]" >> beam.io.ReadFromTFRecord(pattern) for number, pattern in enumerate(patterns)
        ]
        _ = (
            parts
            | beam.Flatten()
            | beam.Map(mass)
            | beam.CombineGlobally(sum)
            | beam.Map(str)
            | beam.io.WriteToText(os.path.join(os.path.dirname(out.uri), "sum"), shard_name_template="")
        )
    with tfx.dsl.io.fileio.open(os.path.join(os.path.dirname(out.uri), "sum")) as file:
        out.value = file.read().strip()


@tfx.dsl.components.component
def TakeAll(
    rows: int,
    share: float,
    names: List[str],
    by_name: Dict[str, int],
    blob: bytes,
    ready: bool,
    interval: tfx.dsl.components.InputArtifact[Interval],
    summary: tfx.dsl.components.OutputArtifact[standard_artifacts.JsonValue],
    note: Optional[str] = "unset",
    missing: tfx.dsl.components.InputArtifact[Census] = None,
    weight: float = 0.5,
    run_name: tfx.dsl.components.Parameter[str] = "",
    config: tfx.dsl.components.Parameter[example_gen_pb2.Input] = None,
):
    summary.value = {
        "rows": rows,
        "share": share,
        "names": names,
        "by_name": by_name,
        "note": note,
        "blob": list(blob),
        "ready": ready,
        "interval": list(interval.value),
        "missing": missing is None,
        "weight": weight,
        "run": run_name,
        "config": None if config is None else [split.pattern for split in config.splits],
    }


@tfx.dsl.components.component
def Show(
    text: tfx.dsl.components.Parameter[str], count: tfx.dsl.components.Parameter[int]
) -> tfx.dsl.components.OutputDict(shown=str, after=int):
    return {"shown": text, "after": count + 1}


def create_pipeline(name: str, data: str, out: str) -> tfx.dsl.Pipeline:
    root = os.path.join(out, "root")
    input_config = text_format.Parse('splits { name: "train" pattern: "*.csv" }', example_gen_pb2.Input())
    output_config = json_format.ParseDict(
        {
            "splitConfig": {
                "splits": [{"name": "train", "hashBuckets": 3}, {"name": "test", "hashBuckets": 1}],
                "partitionFeatureName": "island",
            }
        },
        tfx.proto.Output(),
    )
    by_island = tfx.components.CsvExampleGen(
        input_base=os.path.join(data, "penguins"), input_config=input_config, output_config=output_config
    ).with_id("ByIsland")
    by_file = FileBasedExampleGen(
        input_base=os.path.join(data, "penguins"),
        custom_executor_spec=executor_spec.BeamExecutorSpec(csv_executor.Executor),
        output_config=tfx.proto.Output(
            split_config=tfx.proto.SplitConfig(
                splits=[
                    tfx.proto.SplitConfig.Split(name="a", hash_buckets=1),
                    tfx.proto.SplitConfig.Split(name="b", hash_buckets=1),
                    tfx.proto.SplitConfig.Split(name="c", hash_buckets=2),
                ]
            )
        ),
    )
    by_file = by_file.with_id("ByFile")

    options = tfdv.StatsOptions(feature_allowlist=["island", "body_mass_g", "year"], num_top_values=2)
    statistics = tfx.components.StatisticsGen(
        examples=by_island.outputs["examples"], stats_options=options, exclude_splits=["test"]
    )
    schema = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=False, exclude_splits=[]
    )
    transform = tfx.components.Transform(
        examples=by_island.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="preprocessing_functions.by_island",
        splits_config=tfx.proto.SplitsConfig(analyze=["train", "test"], transform=["test"]),
        custom_config={"numbers": []},
        materialize=True,
        disable_statistics=True,
        disable_analyzer_cache=True,
    )

    count = CountIslands(
        examples=by_island.outputs["examples"],
        limits={"body_mass_g": [3000, 6000]},
        scale=data_types.RuntimeParameter(name="scale", ptype=float, default=4.0),
    )
    summed = SumWithBeam(examples=union([by_island.outputs["examples"], by_file.outputs["examples"]])).with_id("Sum")
    summed = summed.with_beam_pipeline_args(["--direct_num_workers=1"])

    take = TakeAll(
        rows=count.outputs["rows"],
        share=count.outputs["share"],
        names=count.outputs["names"],
        by_name=count.outputs["by_name"],
        blob=count.outputs["blob"],
        ready=count.outputs["ready"],
        note=count.outputs["note"],
        interval=count.outputs["interval"],
        run_name=tfx.dsl.placeholders.execution_invocation().pipeline_info.id,
        config=tfx.proto.Input(
            splits=[tfx.proto.Input.Split(name="x", pattern="x/*"), {"name": "y", "pattern": "y/*"}]
        ),
    )
    show = Show(
        text=ph.join(["islands: ", count.outputs["names"].future()[0].value[1], "/", FLAGS.pipeline_name]),
        count=count.outputs["rows"].future()[0].value,
    )
    again = Show(text=show.outputs["shown"].future()[0].value + "!", count=1).with_id("ShowAgain")
    with tfx.dsl.Cond(count.outputs["ready"].future()[0].value == True):  # noqa: E712
        on_split = Show(text=by_island.outputs["examples"].future()[0].property("split_names"), count=2).with_id(
            "OnSplit"
        )
    after = Show(text="last", count=3).with_id("After")
    after.add_upstream_nodes([again, on_split])
    summed.add_downstream_node(after)

    examples = Importer(
        source_uri=os.path.join(os.path.dirname(os.path.abspath(__file__)), "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["only"]', "span": 4},
        reimport=True,
    ).with_id("ImportedExamples")
    imported = tfx.components.StatisticsGen(examples=examples.outputs["result"]).with_id("ImportedStatistics")

    components = [by_island, by_file, statistics, schema, transform, count, summed, take, show, again, on_split, after]
    created = tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=root,
        components=[*components, examples, imported],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
        beam_pipeline_args=["--direct_running_mode=in_memory"],
    )
    assert created.id == name
    assert {node.id for node in created.components} >= {"Sum", "OnSplit"}
    assert sorted(count.outputs) == sorted(["census", "interval", *Totals.__annotations__])
    assert by_island.outputs["examples"].type is standard_artifacts.Examples
    assert by_island.exec_properties["input_base"].endswith("penguins")
    return created


def main(argv: List[str]) -> None:
    _, data, out = argv
    runner = tfx.orchestration.LocalDagRunner()
    runner.run(create_pipeline(FLAGS.pipeline_name, data, out))
    # A part of it again.
    runner.run(
        create_pipeline(FLAGS.pipeline_name, data, out),
        run_options=pipeline.RunOptions(from_nodes=["TakeAll"], to_nodes=["TakeAll"]),
    )


if __name__ == "__main__":
    app.run(main)
