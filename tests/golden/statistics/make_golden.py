"""Makes the expected files next to this script with TFX 1.16 itself. It needs TFX's environment, not ours.

    python -m tests.golden.statistics.real_data golden_csv       # our environment
    python tests/golden/statistics/make_golden.py golden_csv     # Python 3.10, tfx==1.16.0, dill

Per data set: ``examples/`` (CsvExampleGen), ``statistics/`` (StatisticsGen), ``schema*.pbtxt`` (SchemaGen with
different parameters) and ``anomalies/`` (ExampleValidator against ``narrow.pbtxt``, a schema with some limits drawn too
tight).
"""

import os
import shutil
import sys
import tempfile

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx

HERE = os.path.dirname(os.path.abspath(__file__))


def run(components, folder):
    """Runs components in a pipeline of their own."""
    sqlite = tfx.orchestration.metadata.sqlite_metadata_connection_config(os.path.join(folder, "metadata.db"))
    pipeline = tfx.dsl.Pipeline("golden", os.path.join(folder, "root"), sqlite, components)
    tfx.orchestration.LocalDagRunner().run(pipeline)


def output(folder, node, key):
    """The folder of a node's output."""
    parent = os.path.join(folder, "root", node, key)
    (execution,) = os.listdir(parent)
    return os.path.join(parent, execution)


def narrow(schema_file):
    """Writes a copy of a schema in which the data has anomalies of several kinds."""
    with open(schema_file) as file:
        schema = text_format.Parse(file.read(), schema_pb2.Schema())
    for domain in schema.string_domain:
        del domain.value[0]
    integers = [feature for feature in schema.feature if feature.type == schema_pb2.INT]
    integers[0].int_domain.max = 2008 if integers[0].name == "year" else 7
    floats = [feature for feature in schema.feature if feature.type == schema_pb2.FLOAT]
    floats[0].type = schema_pb2.INT
    schema.feature.remove(floats[-1])
    schema.feature.add(name="absent", type=schema_pb2.BYTES).presence.min_count = 1
    path = os.path.join(os.path.dirname(schema_file), "narrow.pbtxt")
    with open(path, "w") as file:
        file.write(text_format.MessageToString(schema))
    return path


def examples_and_statistics(csv_folder):
    """The two nodes that every pipeline here begins with."""
    examples = tfx.components.CsvExampleGen(csv_folder)
    return examples, tfx.components.StatisticsGen(examples.outputs["examples"]).with_id("Statistics")


def make(csv_folder, destination):
    """Makes the expected files of one data set."""
    shutil.rmtree(destination, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        examples, statistics = examples_and_statistics(csv_folder)
        schemas = {
            "schema": tfx.components.SchemaGen(statistics.outputs["statistics"]),
            "schema_without_shapes": tfx.components.SchemaGen(statistics.outputs["statistics"], False),
            "schema_of_train": tfx.components.SchemaGen(statistics.outputs["statistics"], exclude_splits=["eval"]),
        }
        run([examples, statistics, *(node.with_id(name) for name, node in schemas.items())], folder)
        shutil.copytree(output(folder, "CsvExampleGen", "examples"), os.path.join(destination, "examples"))
        shutil.copytree(output(folder, "Statistics", "statistics"), os.path.join(destination, "statistics"))
        for name in schemas:
            shutil.copy(os.path.join(output(folder, name, "schema"), "schema.pbtxt"), f"{destination}/{name}.pbtxt")
        narrowed = tfx.components.ImportSchemaGen(narrow(f"{destination}/schema.pbtxt"))
        examples, statistics = examples_and_statistics(csv_folder)
        validator = tfx.components.ExampleValidator(statistics.outputs["statistics"], narrowed.outputs["schema"])
        run([examples, statistics, narrowed, validator], os.path.join(folder, "second"))
        shutil.copytree(
            output(os.path.join(folder, "second"), "ExampleValidator", "anomalies"),
            os.path.join(destination, "anomalies"),
        )


if __name__ == "__main__":
    for name in ("penguins", "flights"):
        make(os.path.join(sys.argv[1], name), os.path.join(HERE, name))
