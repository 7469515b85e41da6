"""A model fitted to last years' penguins judges this year's, of which the species is not known yet.

usage: bulk_inference.py DATA OUT
"""

import csv
import os
import sys
from typing import List

import tensorflow_model_analysis as tfma
from absl import logging
from tfx import v1 as tfx
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts

_HERE = os.path.dirname(os.path.abspath(__file__))
_MODULE_FILE = os.path.join(_HERE, "bulk_inference_module.py")
_BEAM_PIPELINE_ARGS = ["--direct_running_mode=in_memory", "--direct_num_workers=1"]


def prepare(data: str, folder: str) -> None:
    """Writes labelled/penguins.csv and unlabelled/penguins.csv, which has neither species nor sex."""
    with fileio.open(os.path.join(data, "penguins", "penguins.csv")) as source:
        rows = list(csv.DictReader(source))
    labelled = [row for row in rows if row["year"] != "2009"]
    unlabelled = [
        {key: value for key, value in row.items() if key not in ("species", "sex")}
        for row in rows
        if row["year"] == "2009"
    ]
    for name, table in (("labelled", labelled), ("unlabelled", unlabelled)):
        fileio.makedirs(os.path.join(folder, name))
        with fileio.open(os.path.join(folder, name, "penguins.csv"), "w") as target:
            writer = csv.DictWriter(target, fieldnames=list(table[0]))
            writer.writeheader()
            writer.writerows(table)


@tfx.dsl.components.component
def SummarizeInferences(  # pylint: disable=invalid-name
    inference_result: tfx.dsl.components.InputArtifact[standard_artifacts.InferenceResult],
    summary: tfx.dsl.components.OutputArtifact[standard_artifacts.JsonValue],
) -> tfx.dsl.components.OutputDict(count=int, mean_of_best=float):
    """Counts the predicted species."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    files = fileio.glob(os.path.join(inference_result.uri, "prediction_logs*"))
    counts = {}
    best = []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog()
        log.ParseFromString(record)
        outputs = log.predict_log.response.outputs
        requests = tf.make_ndarray(log.predict_log.request.inputs["examples"])
        assert requests.shape == (1,), requests.shape
        for name in tf.make_ndarray(outputs["species"]).ravel():
            counts[name.decode()] = counts.get(name.decode(), 0) + 1
        best.extend(float(value) for value in tf.make_ndarray(outputs["scores"]).max(axis=-1))
    summary.value = {
        "species": dict(sorted(counts.items())),
        "signature": log.predict_log.request.model_spec.signature_name,
    }
    return {"count": len(best), "mean_of_best": round(sum(best) / len(best), 4)}


@tfx.dsl.components.component
def ReadInferredExamples(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
) -> tfx.dsl.components.OutputDict(columns=str, split_names=str, payload_format=str):
    """Says which features the examples with predictions have."""
    import tensorflow as tf

    columns = set()
    for split in artifact_utils.decode_split_names(examples.split_names):
        uri = artifact_utils.get_split_uri([examples], split)
        for record in tf.data.TFRecordDataset(tf.io.gfile.glob(os.path.join(uri, "*")), "GZIP"):
            columns.update(tf.train.Example.FromString(record.numpy()).features.feature)
    return {
        "columns": ",".join(sorted(columns)),
        "split_names": examples.split_names,
        "payload_format": examples.get_string_custom_property("payload_format"),
    }


def create_pipeline(
    pipeline_name: str,
    pipeline_root: str,
    data_root: str,
    module_file: str,
    metadata_path: str,
    beam_pipeline_args: List[str],
) -> tfx.dsl.Pipeline:
    output = tfx.proto.Output(
        split_config=tfx.proto.SplitConfig(
            splits=[
                tfx.proto.SplitConfig.Split(name="train", hash_buckets=3),
                tfx.proto.SplitConfig.Split(name="eval", hash_buckets=1),
            ]
        )
    )
    example_gen = tfx.components.CsvExampleGen(input_base=os.path.join(data_root, "labelled"), output_config=output)
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    trainer = tfx.components.Trainer(
        module_file=module_file,
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=1),
        eval_args=tfx.proto.EvalArgs(splits=["eval"], num_steps=1),
        custom_config={
            "ridge": 0.001,
            "features": ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"],
        },
    )
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=tfma.EvalConfig(
            model_specs=[
                tfma.ModelSpec(
                    signature_name="evaluation",
                    label_key="label",
                    prediction_key="scores",
                    preprocessing_function_names=["label_of"],
                )
            ],
            slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["island"])],
            metrics_specs=[
                tfma.MetricsSpec(
                    metrics=[
                        tfma.MetricConfig(
                            class_name="SparseCategoricalAccuracy",
                            threshold=tfma.MetricThreshold(
                                value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.8})
                            ),
                        ),
                        tfma.MetricConfig(class_name="ExampleCount"),
                    ]
                )
            ],
        ),
    )

    unlabelled = tfx.components.CsvExampleGen(
        input_base=os.path.join(data_root, "unlabelled"),
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="unlabelled", pattern="*.csv")]),
        output_config=tfx.proto.Output(
            split_config=tfx.proto.SplitConfig(
                splits=[
                    tfx.proto.SplitConfig.Split(name="first", hash_buckets=1),
                    tfx.proto.SplitConfig.Split(name="second", hash_buckets=1),
                ]
            )
        ),
    ).with_id("UnlabelledExampleGen")

    # All splits, as logs of requests and responses.
    bulk_inferrer = tfx.components.BulkInferrer(
        examples=unlabelled.outputs["examples"],
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        data_spec=tfx.proto.DataSpec(),
        model_spec=tfx.proto.ModelSpec(),
    )
    # One split, another signature, as examples with further columns.
    example_inferrer = tfx.components.BulkInferrer(
        examples=unlabelled.outputs["examples"],
        model=trainer.outputs["model"],
        data_spec=tfx.proto.DataSpec(example_splits=["second"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_default"], tag=["serve"]),
        output_example_spec=tfx.proto.OutputExampleSpec(
            output_columns_spec=[
                tfx.proto.OutputColumnsSpec(
                    predict_output=tfx.proto.PredictOutput(
                        output_columns=[
                            tfx.proto.PredictOutputCol(output_key="species", output_column="predicted_species"),
                            tfx.proto.PredictOutputCol(output_key="scores", output_column="scores"),
                        ]
                    )
                )
            ]
        ),
    ).with_id("BulkInferrerExamples")
    inferred_statistics = tfx.components.StatisticsGen(examples=example_inferrer.outputs["output_examples"]).with_id(
        "InferredStatisticsGen"
    )
    summarize = SummarizeInferences(inference_result=bulk_inferrer.outputs["inference_result"])
    read = ReadInferredExamples(examples=example_inferrer.outputs["output_examples"])

    return tfx.dsl.Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            trainer,
            evaluator,
            unlabelled,
            bulk_inferrer,
            example_inferrer,
            inferred_statistics,
            summarize,
            read,
        ],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(metadata_path),
        beam_pipeline_args=beam_pipeline_args,
    )


def main(data: str, out: str) -> None:
    folder = os.path.join(out, "data")
    prepare(data, folder)
    tfx.orchestration.LocalDagRunner().run(
        create_pipeline(
            pipeline_name="penguin_bulk_inference",
            pipeline_root=os.path.join(out, "root"),
            data_root=folder,
            module_file=_MODULE_FILE,
            metadata_path=os.path.join(out, "metadata.sqlite"),
            beam_pipeline_args=_BEAM_PIPELINE_ARGS,
        )
    )


if __name__ == "__main__":
    logging.set_verbosity(logging.INFO)
    main(*sys.argv[1:3])
