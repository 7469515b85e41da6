"""What the artifacts of a pipeline contain, as JSON: one reader per artifact type, the same for TFX's files and ours.

It is read with TensorFlow, TensorFlow Metadata and TFMA alone. Values whose order or last digit may differ from run to
run are given as counts, as digests of sorted values, or as numbers (which `compare` compares with tolerance).
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

TEXT_LIMIT = 4_000  # characters of a text file that are kept as they are


def read(type_name: str, uri: str) -> Any:
    """What is in the folder or file of an artifact; for types without a reader: the names of its files."""
    if not os.path.exists(uri):
        return "nothing there"
    return READERS.get(type_name, files)(uri)


def split_folders(uri: str) -> dict[str, str]:
    """Split name to folder."""
    return {os.path.basename(path)[len("Split-") :]: path for path in sorted(glob.glob(f"{uri}/Split-*"))}


def shards(folder: str) -> list[str]:
    """All files below a folder, sorted."""
    found = (os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if os.path.getsize(path))


def records(folder: str) -> Iterator[bytes]:
    """The records of a folder's TFRecord files."""
    import tensorflow as tf

    for path in shards(folder):
        kind = "GZIP" if path.endswith(".gz") else ""
        yield from tf.data.TFRecordDataset(path, kind).as_numpy_iterator()


# examples


def examples(uri: str) -> Any:
    """Split to number of records, statistics of every feature, and a digest of all that is not a float."""
    return {split: split_of_examples(folder) for split, folder in split_folders(uri).items()}


def split_of_examples(folder: str) -> Any:
    """See `examples`. Parquet files: the number of rows."""
    if any(path.endswith(".parquet") for path in shards(folder)):
        import pyarrow.parquet as pq

        return {"records": sum(pq.read_metadata(path).num_rows for path in shards(folder))}
    columns: dict[str, list[Any]] = {}
    kinds: dict[str, str] = {}
    lines = []
    count = 0
    for record in records(folder):
        count += 1
        row = {}
        for name, (kind, values) in features(record).items():
            kinds[name] = kind
            columns.setdefault(name, []).extend(values)
            if kind != "float_list":
                row[name] = values
        lines.append(json.dumps(row, sort_keys=True))
    found = {name: {"kind": kinds[name], **values_of(values)} for name, values in sorted(columns.items())}
    return {"records": count, "features": found, "digest of rows without floats": digest(lines)}


def features(record: bytes) -> dict[str, tuple[str, list[Any]]]:
    """Kind and values of the features that have values, of a tf.Example or the context of a tf.SequenceExample."""
    import tensorflow as tf

    example = tf.train.Example.FromString(record)
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        if values:
            found[name] = (kind, [v.hex() if isinstance(v, bytes) else v for v in values])
    return found


def values_of(values: list[Any]) -> dict[str, Any]:
    """Count and, of numbers, mean, deviation and extremes; of bytes the digest of the sorted values."""
    import numpy as np

    if isinstance(values[0], str):
        return {"values": len(values), "digest": digest(values)}
    numbers = np.array(values, np.float64)
    summary = {"mean": numbers.mean(), "deviation": numbers.std(), "least": numbers.min(), "greatest": numbers.max()}
    return {"values": len(values)} | {name: float(number) for name, number in summary.items()}


def digest(lines: list[str]) -> str:
    """Of lines in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


# schemas, statistics, anomalies


def schema(uri: str) -> Any:
    """The schema as text; features and domains sorted by name."""
    return canonical_schema(os.path.join(uri, "schema.pbtxt"))


def canonical_schema(path: str) -> str:
    """See `schema`."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    with open(path, encoding="utf-8") as file:
        parsed = text_format.Parse(file.read(), schema_pb2.Schema())
    parsed.feature.sort(key=lambda feature: feature.name)
    parsed.string_domain.sort(key=lambda domain: domain.name)
    return text_format.MessageToString(parsed)


def statistics(uri: str) -> Any:
    """Split to the count of examples, and per feature: counts, and numbers or top values."""
    return {split: statistics_of(f"{folder}/FeatureStats.pb") for split, folder in split_folders(uri).items()}


def statistics_of(path: str) -> Any:
    """See `statistics`: of every dataset (slice) in a file."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    with open(path, "rb") as file:
        parsed = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read())
    return {dataset.name or "all": dataset_of(dataset) for dataset in parsed.datasets}


def dataset_of(dataset: Any) -> Any:
    """One DatasetFeatureStatistics."""
    found = {}
    for feature in dataset.features:
        kind = feature.WhichOneof("stats")
        shared = getattr(feature, kind).common_stats
        row = {"type": feature.Type.Name(feature.type), "missing": shared.num_missing, "values": shared.tot_num_values}
        if kind == "num_stats":
            row |= {name: getattr(feature.num_stats, name) for name in ("mean", "std_dev", "min", "max", "num_zeros")}
        if kind == "string_stats":
            row["unique"] = feature.string_stats.unique
            row["average length"] = round(feature.string_stats.avg_length, 3)
        found[feature.name or "/".join(feature.path.step)] = row
    return {"examples": dataset.num_examples, "features": found}


def anomalies(uri: str) -> Any:
    """Split (or pair of splits) to feature to the reasons, as (type, short description)."""
    folders = sorted(glob.glob(f"{uri}/Split*"))
    return {os.path.basename(folder): anomalies_of(f"{folder}/SchemaDiff.pb") for folder in folders}


def anomalies_of(path: str) -> Any:
    """See `anomalies`."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    with open(path, "rb") as file:
        parsed = anomalies_pb2.Anomalies.FromString(file.read())
    return {
        name: sorted([info.Type.Name(reason.type), reason.short_description] for reason in info.reason)
        for name, info in sorted(parsed.anomaly_info.items())
    }


# Transform, models, evaluations


def transform_graph(uri: str) -> Any:
    """Vocabularies (file name to lines) and the schema of what comes out."""
    assets = sorted(glob.glob(f"{uri}/transform_fn/assets/*"))
    return {
        "vocabularies": {os.path.basename(path): text_of(path).splitlines() for path in assets},
        "schema": canonical_schema(f"{uri}/transformed_metadata/schema.pbtxt"),
    }


def model(uri: str) -> Any:
    """Which formats it is saved in, with the signatures of each SavedModel: names, types and ranks."""
    return {os.path.basename(path): signatures(path) for path in sorted(glob.glob(f"{uri}/Format-*"))}


def signatures(folder: str) -> Any:
    """Signature to inputs and outputs of a SavedModel; the file names of any other model."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = os.path.join(folder, "saved_model.pb")
    if not os.path.exists(path):
        return files(folder)
    with open(path, "rb") as file:
        parsed = saved_model_pb2.SavedModel.FromString(file.read())
    return {
        name: {"inputs": tensors(signature.inputs), "outputs": tensors(signature.outputs)}
        for name, signature in sorted(parsed.meta_graphs[0].signature_def.items())
        if not name.startswith("__")
    }


def tensors(infos: Any) -> dict[str, list[Any]]:
    """Name to type and shape."""
    import tensorflow as tf

    return {
        name: [tf.dtypes.as_dtype(info.dtype).name, [size.size for size in info.tensor_shape.dim]]
        for name, info in sorted(infos.items())
    }


def evaluation(uri: str) -> Any:
    """Metrics by slice, output, sub key and name; whether thresholds were met, and what was not."""
    import tensorflow_model_analysis as tfma

    metrics: dict[str, Any] = {}
    for key, outputs in tfma.load_eval_result(uri).slicing_metrics:
        found = {}
        for output, sub_keys in outputs.items():
            for sub_key, values in sub_keys.items():
                numbers = {name: value["doubleValue"] for name, value in values.items() if "doubleValue" in value}
                found["/".join(filter(None, (output, sub_key)))] = numbers
        metrics[",".join(f"{column}={value}" for column, value in key)] = found
    if not glob.glob(f"{uri}/validations*"):
        return {"metrics": metrics}
    result = tfma.load_validation_result(uri)
    slices = result.metric_validations_per_slice
    failures = sorted({failure.metric_key.name for validation in slices for failure in validation.failures})
    return {"metrics": metrics, "validated": result.validation_ok, "failures": failures}


# small files


def files(uri: str) -> Any:
    """Relative path to text of every file; of binary and long files the size class alone."""
    if os.path.isfile(uri):
        return text_of(uri)
    return {os.path.relpath(path, uri): text_of(path) for path in shards(uri)}


def text_of(path: str) -> str:
    """A text file's content."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "binary"
    return text if len(text) <= TEXT_LIMIT else f"{len(text)} characters, {digest(text.splitlines())}"


def value(uri: str) -> Any:
    """A value artifact: the number, or the text."""
    text = text_of(uri)
    try:
        return json.loads(text)
    except ValueError:
        return text


def nothing(uri: str) -> Any:
    """Of artifacts whose files differ between any two runs: whether there are any."""
    return bool(shards(uri))


def blessing(uri: str) -> Any:
    """The names of the files."""
    return sorted(name for name in os.listdir(uri) if not name.startswith("."))


def trials(uri: str) -> Any:
    """How many trials a tuner completed, and over which hyperparameters."""
    found = json.loads(text_of(f"{uri}/tuner_results.json"))
    return {"trials": len(found), "fields": sorted({name for trial in found for name in trial})}


def hyperparameters(uri: str) -> Any:
    """The names of the chosen values."""
    return sorted(json.loads(text_of(f"{uri}/best_hyperparameters.txt"))["values"])


def inferences(uri: str) -> Any:
    """How many logs of predictions."""
    return {"logs": sum(1 for _ in records(uri))}


READERS: dict[str, Callable[[str], Any]] = {
    "Boolean": value,
    "Examples": examples,
    "ExampleAnomalies": anomalies,
    "ExampleStatistics": statistics,
    "Float": value,
    "HyperParameters": hyperparameters,
    "InferenceResult": inferences,
    "InfraBlessing": blessing,
    "Integer": value,
    "JsonValue": value,
    "Model": model,
    "ModelBlessing": blessing,
    "ModelEvaluation": evaluation,
    "ModelRun": lambda uri: "not compared",
    "PushedModel": signatures,
    "Schema": schema,
    "String": text_of,
    "TransformCache": nothing,
    "TransformGraph": transform_graph,
    "TunerResults": trials,
}
