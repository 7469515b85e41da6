"""Schemas and validation: a curated schema is imported, and data that do not fit it are found."""

import os

import tensorflow as tf
import tensorflow_data_validation as tfdv
from absl import app, flags
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx
from tfx.components.example_gen import utils as example_gen_utils
from tfx.proto import example_gen_pb2

FLAGS = flags.FLAGS
flags.DEFINE_enum("verbosity_of_report", "short", ["short", "long"], "How much is said.")
flags.DEFINE_bool("cache", True, "Whether unchanged steps are reused.")

NAMES = ["species", "island", "bill_length_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]


def write_records(source: str, folder: str) -> None:
    """TFRecord files: penguins to train with, and penguins as they are served, some of them wrong."""
    with open(source) as file:
        header, *lines = [line.rstrip("\n").split(",") for line in file]
    os.makedirs(os.path.join(folder, "known"))
    os.makedirs(os.path.join(folder, "served"))
    known = tf.io.TFRecordWriter(os.path.join(folder, "known", "data-0.gz"), "GZIP")
    served = tf.io.TFRecordWriter(os.path.join(folder, "served", "data-0.gz"), "GZIP")
    for number, cells in enumerate(lines):
        row = {name: cell for name, cell in zip(header, cells) if name in NAMES}  # noqa: B905
        for name in ("flipper_length_mm", "body_mass_g", "year"):
            row[name] = int(row[name])
        row["bill_length_mm"] = float(row["bill_length_mm"])
        if number % 3 == 0:
            row["species"] = "King" if number % 30 == 0 else row["species"]
            row["flipper_length_mm"] = str(row["flipper_length_mm"])
            del row["sex"]
            served.write(example_gen_utils.dict_to_example(row).SerializeToString())
        else:
            known.write(example_gen_utils.dict_to_example(row).SerializeToString())
    known.close()
    served.close()


def curated_schema(folder: str) -> str:
    """A schema that was looked over by people."""
    schema = text_format.Parse(
        """
        feature { name: "species" type: BYTES presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } }
                  string_domain { value: "Adelie" value: "Chinstrap" value: "Gentoo" }
                  distribution_constraints { min_domain_mass: 0.99 } }
        feature { name: "island" type: BYTES domain: "island" presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
        feature { name: "bill_length_mm" type: FLOAT float_domain { min: 35 max: 100 } presence { min_fraction: 1.0 } }
        feature { name: "flipper_length_mm" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
        feature { name: "body_mass_g" type: INT int_domain { min: 1000 max: 9000 } presence { min_fraction: 1.0 } }
        feature { name: "sex" type: BYTES presence { min_fraction: 0.9 } shape { dim { size: 1 } } }
        feature { name: "ring" type: BYTES presence { min_fraction: 0.5 } }
        string_domain { name: "island" value: "Biscoe" value: "Dream" value: "Torgersen" }
        """,
        schema_pb2.Schema(),
    )
    path = os.path.join(folder, "curated", "schema.pbtxt")
    os.makedirs(os.path.dirname(path))
    tfdv.write_schema_text(schema, path)
    return path


def create_pipeline(records: str, schema_file: str, out: str) -> tfx.dsl.Pipeline:
    inputs = tfx.proto.Input()
    inputs.splits.extend(
        [
            example_gen_pb2.Input.Split(name="known", pattern="known/*"),
            example_gen_pb2.Input.Split(name="served", pattern="served/data*"),
        ]
    )
    example_gen = tfx.components.ImportExampleGen(input_base=records, input_config=inputs)

    options = tfdv.StatsOptions(
        num_top_values=5, feature_allowlist=NAMES[:-1], num_histogram_buckets=4, sample_rate=1.0
    )
    statistics = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"], stats_options=options)
    of_known = tfx.components.StatisticsGen(
        examples=example_gen.outputs["examples"], exclude_splits=["served"]
    ).with_id("StatisticsOfKnown")

    inferred = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=False, exclude_splits=["served"]
    )
    curated = tfx.components.ImportSchemaGen(schema_file=schema_file)
    against_curated = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=curated.outputs["schema"]
    ).with_id("AgainstCurated")
    against_inferred = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=inferred.outputs["schema"], exclude_splits=["known"]
    )

    # the same records once more, divided anew by a feature
    division = tfx.proto.Output()
    division.split_config.splits.add(name="train", hash_buckets=4)
    division.split_config.splits.add(name="eval", hash_buckets=1)
    division.split_config.partition_feature_name = "year"
    divided = tfx.components.ImportExampleGen(
        input_base=records,
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="all", pattern="kn*/*.gz")]),
        output_config=division,
    ).with_id("Divided")
    with_schema = tfx.components.StatisticsGen(
        examples=divided.outputs["examples"],
        stats_options=tfdv.StatsOptions(schema=tfdv.load_schema_text(schema_file), infer_type_from_schema=False),
    ).with_id("StatisticsWithSchema")

    return tfx.dsl.Pipeline(
        pipeline_name="validation",
        pipeline_root=os.path.join(out, "root"),
        components=[
            example_gen,
            statistics,
            of_known,
            inferred,
            curated,
            against_curated,
            against_inferred,
            divided,
            with_schema,
        ],
        enable_cache=FLAGS.cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
        beam_pipeline_args=["--direct_num_workers=1"],
    )


def main(argv):
    data, out = argv[1:]
    records = os.path.join(out, "records")
    write_records(os.path.join(data, "penguins", "penguins.csv"), records)
    schema_file = curated_schema(out)
    tfx.orchestration.LocalDagRunner().run(create_pipeline(records, schema_file, out))
    tfx.orchestration.LocalDagRunner().run(create_pipeline(records, schema_file, out))


if __name__ == "__main__":
    app.run(main)
