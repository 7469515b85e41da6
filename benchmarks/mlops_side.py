"""Runs the chain of benchmarks/chain.py under mlops_tfx. Only ever started by chain.py.

Arguments as in tfx_side.py, but the last is the payload: ``tfrecord`` or ``parquet``.
"""

import json
import os
import sys
import time

START = time.perf_counter()

from mlops_tfx import LocalRunner, Pipeline  # noqa: E402
from mlops_tfx.components.csv_example_gen import CsvExampleGen  # noqa: E402
from mlops_tfx.components.evaluator import Evaluator  # noqa: E402
from mlops_tfx.components.example_validator import ExampleValidator  # noqa: E402
from mlops_tfx.components.pusher import Pusher  # noqa: E402
from mlops_tfx.components.schema_gen import SchemaGen  # noqa: E402
from mlops_tfx.components.statistics_gen import StatisticsGen  # noqa: E402
from mlops_tfx.components.trainer import Trainer  # noqa: E402
from mlops_tfx.components.transform import Transform  # noqa: E402
from mlops_tfx.config import EvalArgs, FileFormat, PushDestination, TrainArgs  # noqa: E402

FORMATS = {"tfrecord": FileFormat.FORMAT_TFRECORDS_GZIP, "parquet": FileFormat.FILE_FORMAT_PARQUET}
IMPORT_SECONDS = time.perf_counter() - START


def create_pipeline(data, module_file, work, steps, keras, payload):
    example_gen = CsvExampleGen(input_base=data, output_file_format=FORMATS[payload])
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    validator = ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"])
    transform = Transform(
        examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"], module_file=module_file
    )
    trainer = Trainer(
        module_file=module_file,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=TrainArgs(num_steps=steps),
        eval_args=EvalArgs(num_steps=50),
        custom_config={"keras": keras},
    )
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"], model=trainer.outputs["model"], eval_config=eval_config()
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=PushDestination(filesystem=PushDestination.Filesystem(base_directory=f"{work}/serving")),
    )
    components = [example_gen, statistics_gen, schema_gen, validator, transform, trainer, evaluator, pusher]
    return Pipeline(pipeline_name="chain", pipeline_root=f"{work}/root", components=components)


def eval_config():
    with open(os.path.join(os.path.dirname(__file__), "chain_eval_config.json"), encoding="utf-8") as file:
        return json.load(file)


def main():
    data, module_file, work, steps, keras, payload = sys.argv[1:]
    result = LocalRunner().run(create_pipeline(data, module_file, work, int(steps), int(keras), payload))
    nodes = {report.node_id: report.seconds for report in result.reports}
    with open(f"{work}/result.json", "w", encoding="utf-8") as file:
        json.dump({"imports": IMPORT_SECONDS, "nodes": nodes}, file)


if __name__ == "__main__":
    main()
