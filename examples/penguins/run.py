"""Runs the pipeline, shows how good the model is, and asks the pushed model about one penguin over gRPC."""

import argparse
import os
import sys

import data
from pipeline import create_pipeline

from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import LocalRunner
from mlops_tfx.execution.progress import print_reports
from mlops_tfx.serving.local import serve

PENGUIN = {
    "island": "Biscoe", "sex": "female",
    "bill_length_mm": 46.1, "bill_depth_mm": 13.2, "flipper_length_mm": 211, "body_mass_g": 4500,
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs/penguins", help="folder for data, outputs and pushed models")
    parser.add_argument("--no-serving", action="store_true", help="stop after the pipeline")
    arguments = parser.parse_args()

    data.write(os.path.join(arguments.runs, "data"))
    try:
        result = LocalRunner().run(create_pipeline(arguments.runs))
    except PipelineFailedError as error:
        sys.exit(f"error: {error}")
    print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")
    print("\naccuracy on the eval split")
    for row in read_metrics(result.outputs["Evaluator"]["evaluation"][0].uri):
        if row["metric"] == "sparse_categorical_accuracy" and row.get("model") != "baseline" and not row.get("is_diff"):
            print(f"  {row['slice']:<18} {row['value']:.4f}")
    models = os.path.join(arguments.runs, "serving")
    if not arguments.no_serving:
        ask(models)
    print(f"\noutputs are in {result.outputs['Trainer']['model'][0].uri} and its neighbours, pushed models in {models}")


def ask(models):
    with serve("penguins", models) as client:
        answer = client.predict("penguins", [PENGUIN])
    species = zip(answer["all_classes"][0], answer["probabilities"][0], strict=True)
    print(f"\nwhich species is {PENGUIN}?\n  asked over gRPC: {answer['classes'][0].decode()}")
    print("  " + ", ".join(f"{name.decode()} {probability:.1%}" for name, probability in species))


if __name__ == "__main__":
    main()
