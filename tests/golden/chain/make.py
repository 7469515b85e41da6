"""Computes with TFX 1.16 what the whole-chain comparison expects. It needs Python 3.10 with tfx==1.16.0.

python -m tests.golden.chain.data                            # our environment, only if the input shall change
/path/to/tfx-1.16/bin/python tests/golden/chain/make.py      # writes expected.json.gz and *.pb, *.pbtxt beside it
"""

import glob
import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import model  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_model_analysis as tfma  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from tfx import v1 as tfx  # noqa: E402

SPLITS = ("train", "eval")


def main():
    """Runs TFX's chain on both inputs and stores what came out."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("flights", "skewed"):
            os.makedirs(f"{folder}/{name}")
            with gzip.open(f"{HERE}/{name}.csv.gz") as source, open(f"{folder}/{name}/{name}.csv", "wb") as target:
                shutil.copyfileobj(source, target)
        model.save(f"{folder}/model/Format-Serving")
        chain(folder)
        schema = f"{output(folder, 'SchemaGen', 'schema')}/schema.pbtxt"
        shutil.copy(schema, f"{HERE}/schema.pbtxt")
        skewed(folder, schema)
        store(folder)


def run(folder, name, components):
    """Runs components in a pipeline of their own."""
    sqlite = tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{folder}/{name}.db")
    pipeline = tfx.dsl.Pipeline(name, f"{folder}/root", sqlite, components)
    tfx.orchestration.LocalDagRunner().run(pipeline)


def chain(folder):
    """CsvExampleGen to Evaluator."""
    examples = tfx.components.CsvExampleGen(f"{folder}/flights")
    statistics = tfx.components.StatisticsGen(examples.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics.outputs["statistics"], infer_feature_shape=True)
    transform = tfx.components.Transform(
        examples.outputs["examples"], schema.outputs["schema"], module_file=f"{HERE}/preprocessing.py"
    )
    importer = tfx.dsl.Importer(f"{folder}/model", tfx.types.standard_artifacts.Model).with_id("model")
    evaluator = tfx.components.Evaluator(
        examples.outputs["examples"],
        importer.outputs["result"],
        eval_config=json_format.Parse(model.EVAL_CONFIG, tfma.EvalConfig()),
    )
    run(folder, "chain", [examples, statistics, schema, transform, importer, evaluator])


def skewed(folder, schema):
    """The other input against the schema of the first."""
    os.makedirs(f"{folder}/schema")
    shutil.copy(schema, f"{folder}/schema/schema.pbtxt")
    examples = tfx.components.CsvExampleGen(f"{folder}/skewed").with_id("Skewed")
    statistics = tfx.components.StatisticsGen(examples.outputs["examples"]).with_id("SkewedStatistics")
    imported = tfx.components.ImportSchemaGen(f"{folder}/schema/schema.pbtxt")
    validator = tfx.components.ExampleValidator(statistics.outputs["statistics"], imported.outputs["schema"])
    run(folder, "skewed", [examples, statistics, imported, validator])


def store(folder):
    """Writes the expected files."""
    for split in SPLITS:
        copies = {
            "statistics": f"{output(folder, 'StatisticsGen', 'statistics')}/Split-{split}/FeatureStats.pb",
            "anomalies": f"{output(folder, 'ExampleValidator', 'anomalies')}/Split-{split}/SchemaDiff.pb",
        }
        for name, path in copies.items():
            shutil.copy(path, f"{HERE}/{name}_{split}.pb")
    graph = output(folder, "Transform", "transform_graph")
    blessing = output(folder, "Evaluator", "blessing")
    expected = {
        "records": {split: digests(output(folder, "CsvExampleGen", "examples"), split) for split in SPLITS},
        "vocabularies": {os.path.basename(p): read(p) for p in sorted(glob.glob(f"{graph}/transform_fn/assets/*"))},
        "transformed": {split: transformed(folder, split) for split in SPLITS},
        "metrics": metrics(output(folder, "Evaluator", "evaluation")),
        "blessing": sorted(os.listdir(blessing)),
    }
    with gzip.GzipFile(f"{HERE}/expected.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(expected, sort_keys=True).encode())


def output(folder, node, key):
    """The folder of a node's output."""
    (execution,) = os.listdir(f"{folder}/root/{node}/{key}")
    return f"{folder}/root/{node}/{key}/{execution}"


def read(path):
    """A text file's content."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def records(uri, split):
    """Feature name to values, of every record of a split."""
    for data in tf.data.TFRecordDataset(sorted(glob.glob(f"{uri}/Split-{split}/*")), "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(data).features.feature
        yield {name: plain(feature) for name, feature in sorted(features.items())}


def plain(feature):
    """A feature's values as JSON has them."""
    kind = feature.WhichOneof("kind")
    values = [] if kind is None else getattr(feature, kind).value
    return [v.decode() if isinstance(v, bytes) else v for v in values]


def digests(uri, split):
    """How many records, and the digest of all of them, sorted; missing features and empty ones are the same."""
    lines = sorted(json.dumps({n: v for n, v in row.items() if v}, sort_keys=True) for row in records(uri, split))
    return {"count": len(lines), "digest": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def transformed(folder, split):
    """All transformed rows, sorted: TFX does not keep their order."""
    return sorted(records(output(folder, "Transform", "transformed_examples"), split), key=json.dumps)


def metrics(uri):
    """Slice to metric to value."""
    found = {}
    for key, values in tfma.load_eval_result(uri).slicing_metrics:
        name = ",".join(f"{column}={value}" for column, value in key)
        found[name] = {metric: value["doubleValue"] for metric, value in values[""][""].items()}
    return found


if __name__ == "__main__":
    main()
