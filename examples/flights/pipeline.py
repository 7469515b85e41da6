"""Will this flight arrive more than 30 minutes late? From a CSV file to a pushed model."""

import os

from mlops_tfx.pipelines.tabular import tabular_pipeline

HERE = os.path.dirname(os.path.abspath(__file__))


def create_pipeline(runs="runs/flights"):
    return tabular_pipeline(
        name="flights",
        data=os.path.join(runs, "data"),
        label="late",
        task="binary",
        pipeline_root=os.path.join(runs, "pipeline"),
        push_to=os.path.join(runs, "serving"),
        preprocessing_fn=os.path.join(HERE, "preprocessing.py"),
        run_fn=os.path.join(HERE, "model.py"),
        slices=["carrier", "origin"],
        threshold=0.7,
        validate_skew=True,
    )
