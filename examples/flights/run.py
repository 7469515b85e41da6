"""Runs the pipeline, shows how good the model is, and asks the pushed model about one flight over gRPC."""

import argparse
import os
import sys

import data
from features import LABEL
from pipeline import create_pipeline

from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import LocalRunner
from mlops_tfx.execution.progress import print_reports
from mlops_tfx.serving.local import serve

FLIGHT = {"carrier": "EV", "flight": "4119", "month": "12", "day": "8"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs/flights", help="folder for data, outputs and pushed models")
    parser.add_argument("--rows", type=int, help="a sample of so many flights, instead of all")
    parser.add_argument("--no-serving", action="store_true", help="stop after the pipeline")
    arguments = parser.parse_args()

    folder = data.write_year(os.path.join(arguments.runs, "data"), arguments.rows)
    try:
        result = LocalRunner().run(create_pipeline(arguments.runs))
    except PipelineFailedError as error:
        sys.exit(f"error: {error}")
    print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")
    print_evaluation(result.outputs["Evaluator"]["evaluation"][0].uri)
    if not arguments.no_serving:
        ask(os.path.join(arguments.runs, "serving"), data.read_flight(folder, FLIGHT))
    print_places(result, os.path.join(arguments.runs, "serving"))


def print_evaluation(uri):
    rows = [row for row in read_metrics(uri) if row.get("model") != "baseline" and not row.get("is_diff")]
    flights = {row["slice"]: row["value"] for row in rows if row["metric"] == "example_count"}
    print("\nAUC on the eval split")
    for row in rows:
        if row["metric"] == "auc":
            print(f"  {row['slice']:<12} {row['value']:.4f}  ({flights[row['slice']]:,.0f} flights)")


def print_places(result, models):
    print("\nwhere the outputs lie")
    for node, outputs in result.outputs.items():
        for key, artifacts in outputs.items():
            for artifact in artifacts:
                print(f"  {node + '.' + key:<36} {artifact.uri}")
    print(f"  {'pushed versions':<36} {models}")


def ask(models, flight):
    late = flight.pop(LABEL)
    with serve("flights", models) as client:
        answer = client.predict("flights", [flight])
        version = client.wait_until_available("flights")
    print(
        f"\nwill {flight['carrier']} {flight['flight']} from {flight['origin']} to {flight['dest']} on "
        f"2013-{flight['month']:02}-{flight['day']:02} at {flight['hour']:02}:{flight['minute']:02} arrive more than "
        f"{data.LATE_MINUTES} minutes late?\n  model version {version}, asked over gRPC: "
        f"{answer['probability'][0, 0]:.1%} likely; it {'did' if late else 'did not'}"
    )


if __name__ == "__main__":
    main()
