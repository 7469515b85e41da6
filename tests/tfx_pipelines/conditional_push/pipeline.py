"""A model is pushed if it is blessed: Cond around Pusher, with values, properties and logic in the predicates."""

import os
import sys

import tensorflow as tf
import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals import conditional
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.dsl.placeholder import placeholder as ph
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing


class Heavy(tf.Module):
    """Says of a penguin how surely it is a Gentoo, by its weight alone."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = tf.Variable(limit)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        parsed = tf.io.parse_example(examples, {"body_mass_g": tf.io.FixedLenFeature([1], tf.int64)})
        return {"probability": tf.sigmoid((tf.cast(parsed["body_mass_g"], tf.float32) - self.limit) / 100.0)}


@tfx.dsl.components.component
def SaveModel(
    model: tfx.dsl.components.OutputArtifact[Model], limit: tfx.dsl.components.Parameter[float] = 4500.0
) -> tfx.dsl.components.OutputDict(cut=float, version=int):
    heavy = Heavy(limit)
    tf.saved_model.save(heavy, os.path.join(model.uri, "Format-Serving"), signatures={"serving_default": heavy.serve})
    model.set_string_custom_property("kind", "by weight")
    return {"cut": limit, "version": 3}


@tfx.dsl.components.component
def Label(
    examples: tfx.dsl.components.InputArtifact[Examples],
    labelled: tfx.dsl.components.OutputArtifact[Examples],
):
    """Adds the label; span and splits stay as they are."""
    labelled.split_names = examples.split_names
    for split in examples.splits:
        os.makedirs(labelled.path(split=split))
        files = tf.io.gfile.glob(os.path.join(examples.path(split=split), "*"))
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(os.path.join(labelled.path(split=split), "labelled.gz"), options) as writer:
            for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
                example = tf.train.Example.FromString(record)
                is_gentoo = example.features.feature["species"].bytes_list.value[0] == b"Gentoo"
                example.features.feature["gentoo"].int64_list.value.append(int(is_gentoo))
                writer.write(example.SerializeToString())


@tfx.dsl.components.component
def Note(text: tfx.dsl.components.Parameter[str]) -> tfx.dsl.components.OutputDict(noted=str):
    return {"noted": text}


@tfx.dsl.components.component
def NoteVersion(
    version: tfx.dsl.components.Parameter[int], limit: tfx.dsl.components.Parameter[float]
) -> tfx.dsl.components.OutputDict(noted=str):
    return {"noted": "version %d above %.1f" % (version, limit)}


EVAL_CONFIG = """
  model_specs { label_key: "gentoo" prediction_key: "probability" signature_name: "serving_default" }
  slicing_specs {}
  slicing_specs { feature_keys: ["sex"] }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics { class_name: "BinaryAccuracy" threshold { value_threshold { lower_bound { value: 0.8 } } } }
    metrics { class_name: "ConfusionMatrixAtThresholds" config: '"thresholds": [0.5]' }
    metrics { class_name: "MeanPrediction" }
    metrics {
      class_name: "AUC"
      threshold {
        value_threshold { lower_bound { value: 0.6 } }
        change_threshold { direction: HIGHER_IS_BETTER absolute { value: -1e-10 } }
      }
    }
  }
"""


def create_pipeline(data: str, out: str, limit: float) -> tfx.dsl.Pipeline:
    from google.protobuf import text_format

    examples = tfx.components.CsvExampleGen(os.path.join(data, "penguins"))
    labelled = Label(examples=examples.outputs["examples"])
    save = SaveModel(limit=limit)
    baseline = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("baseline")
    evaluator = tfx.components.Evaluator(
        examples=labelled.outputs["labelled"],
        model=save.outputs["model"],
        baseline_model=baseline.outputs["model"],
        example_splits=["train", "eval"],
        eval_config=text_format.Parse(EVAL_CONFIG, tfma.EvalConfig()),
    )
    blessed = evaluator.outputs["blessing"].future()[0].custom_property("blessed") == 1
    destination = tfx.proto.PushDestination()
    destination.filesystem.base_directory = os.path.join(out, "serving", "heavy")
    with tfx.dsl.Cond(blessed):
        pusher = tfx.components.Pusher(model=save.outputs["model"], push_destination=destination)
        with conditional.Cond(save.outputs["cut"].future()[0].value > 4000.0):
            inner = Note(text="blessed, and of a high limit").with_id("NoteHigh")
    with conditional.Cond(ph.logical_not(blessed)):
        refused = Note(text="refused").with_id("NoteRefused")
    kind = save.outputs["model"].future()[0].custom_property("kind")
    with conditional.Cond(ph.logical_and(kind == "by weight", save.outputs["version"].future()[0].value != 2)):
        version = NoteVersion(
            version=save.outputs["version"].future()[0].value, limit=save.outputs["cut"].future()[0].value
        )
    with conditional.Cond(ph.logical_or(kind == "by length", save.outputs["cut"].future()[0].value < 100.0)):
        never = Note(text="never").with_id("NoteNever")
    imported = Importer(
        source_uri=os.path.join(data, "penguins"), artifact_type=Examples, custom_properties={"origin": "file", "n": 3}
    ).with_id("imported")
    nodes = [examples, labelled, save, baseline, evaluator, pusher, inner, refused, version, never, imported]
    return tfx.dsl.Pipeline(
        pipeline_name="conditional_push",
        pipeline_root=os.path.join(out, "root"),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
        components=nodes,
        enable_cache=False,
    )


def run():
    for limit in (4500.0, 5900.0, 3000.0, 4500.0):
        tfx.orchestration.LocalDagRunner().run(create_pipeline(sys.argv[1], sys.argv[2], limit))


if __name__ == "__main__":
    run()
