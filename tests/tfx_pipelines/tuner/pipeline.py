"""Tuner looks for hyperparameters with KerasTuner; Trainer takes the best, or those of an earlier search.

usage: pipeline.py DATA OUT
"""

import argparse
import json
import os

from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.types.standard_artifacts import HyperParameters

_MODULE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tuner_module.py")


@tfx.dsl.components.component
def TrySavedModel(
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    hyperparameters: tfx.dsl.components.InputArtifact[standard_artifacts.HyperParameters],
    split: tfx.dsl.components.Parameter[str] = "eval",
) -> tfx.dsl.components.OutputDict(accuracy=float, learning_rate=float, layers=int):
    """Accuracy of the exported model, and what it was trained with."""
    import tensorflow as tf

    # What an Importer gives is the file itself.
    path = hyperparameters.uri
    if tfx.dsl.io.fileio.isdir(path):
        path = os.path.join(path, "best_hyperparameters.txt")
    with tfx.dsl.io.fileio.open(path) as file:
        values = json.loads(file.read())["values"]
    files = tf.io.gfile.glob(os.path.join(examples.uri, "Split-" + split, "*"))
    names = [name + "_xf" for name in ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")]
    spec = {name: tf.io.FixedLenFeature([1], tf.float32) for name in names}
    spec["species_xf"] = tf.io.FixedLenFeature([1], tf.int64)
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    features = tf.io.parse_example(records, spec)
    labels = features.pop("species_xf")[:, 0]
    serve = tf.saved_model.load(os.path.join(model.uri, "Format-Serving")).signatures["serving_default"]
    (scores,) = serve(**features).values()
    right = tf.reduce_mean(tf.cast(tf.argmax(scores, axis=1) == labels, tf.float32))
    return {
        "accuracy": float(right),
        "learning_rate": values["learning_rate"],
        "layers": int(values["num_layers"] > 0),
    }


def _create_pipeline(
    pipeline_name: str, out: str, data_root: str, enable_tuning: bool, num_steps: int, best_hyperparameters: str = ""
) -> tfx.dsl.Pipeline:
    example_gen = tfx.components.CsvExampleGen(input_base=data_root)
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        module_file=_MODULE,
        disable_statistics=True,
    )
    components = [example_gen, statistics_gen, schema_gen, transform]
    if enable_tuning:
        tuner = tfx.components.Tuner(
            module_file=_MODULE,
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            train_args=tfx.proto.TrainArgs(num_steps=12),
            eval_args=tfx.proto.EvalArgs(num_steps=5),
        )
        components.append(tuner)
        hyperparameters = tuner.outputs["best_hyperparameters"]
    else:
        hparams_importer = tfx.dsl.Importer(
            source_uri=best_hyperparameters,
            artifact_type=HyperParameters,
            custom_properties={"search": "earlier"},
        ).with_id("import_hparams")
        components.append(hparams_importer)
        hyperparameters = hparams_importer.outputs["result"]
    trainer = tfx.components.Trainer(
        module_file=_MODULE,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        hyperparameters=hyperparameters,
        train_args=tfx.proto.TrainArgs(num_steps=num_steps),
        eval_args=tfx.proto.EvalArgs(num_steps=5),
    )
    try_saved_model = TrySavedModel(
        model=trainer.outputs["model"],
        examples=transform.outputs["transformed_examples"],
        hyperparameters=hyperparameters,
    )
    return tfx.dsl.Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=os.path.join(out, "root", pipeline_name),
        components=[*components, trainer, try_saved_model],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    args = parser.parse_args()
    data_root = os.path.join(args.data, "penguins")
    tfx.orchestration.LocalDagRunner().run(_create_pipeline("penguin_tuned", args.out, data_root, True, 60))
    (found,) = tfx.dsl.io.fileio.glob(
        os.path.join(args.out, "root", "penguin_tuned", "Tuner", "best_hyperparameters", "*")
    )
    tfx.orchestration.LocalDagRunner().run(_create_pipeline("penguin_tuned", args.out, data_root, False, 40, found))
