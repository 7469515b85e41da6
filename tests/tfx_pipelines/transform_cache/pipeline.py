"""Transform reuses what it computed about earlier spans: its cache goes in again, found by a resolver.

usage: pipeline.py DATA OUT
"""

import os

from absl import app
from tfx import v1 as tfx
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration import metadata
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.types import standard_artifacts


def create_pipeline(root: str, database: str, incoming: str, num_spans: int, with_cache: bool) -> tfx.dsl.Pipeline:
    module_file = os.path.join(os.path.dirname(__file__), "flights_preprocessing.py")
    example_gen = tfx.components.CsvExampleGen(
        input_base=incoming,
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="flights", pattern="day{SPAN}/*.csv")]),
    )
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    span_resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.SpanRangeStrategy,
        config={"range_config": tfx.proto.RangeConfig(rolling_range=tfx.proto.RollingRange(num_spans=num_spans))},
        examples=tfx.dsl.Channel(type=standard_artifacts.Examples, producer_component_id=example_gen.id),
    ).with_id("span_resolver")
    span_resolver.add_upstream_node(example_gen)
    components = [example_gen, statistics_gen, schema_gen, span_resolver]

    cache = None
    if with_cache:
        cache_resolver = tfx.dsl.Resolver(
            strategy_class=LatestArtifactStrategy,
            config={"desired_num_of_artifacts": 1},
            cache=tfx.dsl.Channel(type=standard_artifacts.TransformCache),
        ).with_id("transform_cache_resolver")
        cache = cache_resolver.outputs["cache"]
        components.append(cache_resolver)

    transform = tfx.components.Transform(
        examples=span_resolver.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        module_file=module_file,
        analyzer_cache=cache,
        custom_config={"vocab_size": 4, "scaled": ["distance", "temp"]},
    )
    return tfx.dsl.Pipeline(
        pipeline_name="flights_transform_cache",
        pipeline_root=root,
        components=[*components, transform],
        enable_cache=False,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(database),
    )


def main(argv):
    data, out = argv[1:]
    incoming = os.path.join(out, "incoming")
    with tfx.dsl.io.fileio.open(os.path.join(data, "flights", "flights.csv")) as file:
        header, *lines = file.read().splitlines()

    runner = BeamDagRunner()
    for span in (1, 2, 3):
        folder = os.path.join(incoming, "day%d" % span)
        tfx.dsl.io.fileio.makedirs(folder)
        with tfx.dsl.io.fileio.open(os.path.join(folder, "flights.csv"), "w") as file:
            file.write("\n".join([header, *lines[(span - 1) * 200 : span * 200]]) + "\n")
        runner.run(
            create_pipeline(
                os.path.join(out, "root"),
                os.path.join(out, "metadata.sqlite"),
                incoming,
                num_spans=span,
                with_cache=span > 1,
            )
        )


if __name__ == "__main__":
    app.run(main)
