"""Which species is this penguin? From a CSV file to a pushed model."""

import os

from mlops_tfx.pipelines.tabular import tabular_pipeline

HERE = os.path.dirname(os.path.abspath(__file__))


def create_pipeline(runs="runs/penguins"):
    return tabular_pipeline(
        name="penguins",
        data=os.path.join(runs, "data"),
        label="species",
        task="multiclass",
        pipeline_root=os.path.join(runs, "pipeline"),
        push_to=os.path.join(runs, "serving"),
        preprocessing_fn=os.path.join(HERE, "preprocessing.py"),
        run_fn=os.path.join(HERE, "model.py"),
        slices=["island"],
        threshold=0.9,
        validate_skew=True,
    )
