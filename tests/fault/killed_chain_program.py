"""Runs the chain on the penguins and kills its own process right after a given step of a given node.

Arguments: folder of the CSV file, pipeline root, node, step; or only the first two.
"""

from __future__ import annotations

import sys

from mlops_tfx.execution import LocalRunner
from mlops_tfx.pipelines.tabular import tabular_pipeline
from tests.unit.execution.crash_program import Killer


def main() -> None:
    data, root, *killing = sys.argv[1:]
    pipeline = tabular_pipeline(
        name="killed", data=data, label="species", task="multiclass", pipeline_root=root, push_to=f"{root}/pushed",
        slices=["island"], custom_config={"epochs": 2},
    )  # fmt: skip
    node, step = killing if killing else ("nothing", "0")
    LocalRunner(observer=Killer(node, int(step))).run(pipeline)


if __name__ == "__main__":
    main()
