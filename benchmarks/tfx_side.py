"""Runs the chain of benchmarks/chain.py under TFX 1.16. Only ever started by chain.py, with the Python that TFX is in.

Arguments: folder of the CSV file, user's module, work folder, training steps, version of Keras, worker processes. The
result goes to ``result.json`` in the work folder.
"""

import json
import os
import sys
import time

START = time.perf_counter()

import tensorflow_model_analysis as tfma  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from tfx import v1 as tfx  # noqa: E402
from tfx.orchestration.portable import launcher  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - START


def create_pipeline(data, module_file, work, steps, keras, workers):
    example_gen = tfx.components.CsvExampleGen(input_base=data)
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"], module_file=module_file
    )
    trainer = tfx.components.Trainer(
        module_file=module_file,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=steps),
        eval_args=tfx.proto.EvalArgs(num_steps=50),
        custom_config={"keras": keras},
    )
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"], model=trainer.outputs["model"], eval_config=eval_config()
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{work}/serving")
        ),
    )
    mode = "in_memory" if workers == 1 else "multi_processing"
    return tfx.dsl.Pipeline(
        pipeline_name="chain",
        pipeline_root=f"{work}/root",
        components=[example_gen, statistics_gen, schema_gen, validator, transform, trainer, evaluator, pusher],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{work}/metadata.db"),
        beam_pipeline_args=[f"--direct_running_mode={mode}", f"--direct_num_workers={workers}"],
    )


def eval_config():
    path = os.path.join(os.path.dirname(__file__), "chain_eval_config.json")
    with open(path, encoding="utf-8") as file:
        return json_format.Parse(file.read(), tfma.EvalConfig())


def timed_launches():
    seconds = {}
    launch = launcher.Launcher.launch

    def timed(self):
        start = time.perf_counter()
        try:
            return launch(self)
        finally:
            seconds[self._pipeline_node.node_info.id] = time.perf_counter() - start

    launcher.Launcher.launch = timed
    return seconds


def main():
    data, module_file, work, steps, keras, workers = sys.argv[1:]
    seconds = timed_launches()
    pipeline = create_pipeline(data, module_file, work, int(steps), int(keras), int(workers))
    tfx.orchestration.LocalDagRunner().run(pipeline)
    result = {"imports": IMPORT_SECONDS, "nodes": seconds}
    with open(f"{work}/result.json", "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
