"""Runs the pipeline from Evaluator on, under TFX, on top of the latest run in the folder, whoever made that.

Usage:  python partial.py FOLDER
"""

import os
import sys

from pipeline import create_pipeline
from tfx import v1 as tfx
from tfx.orchestration.pipeline import RunOptions


def main(folder: str) -> None:
    """Evaluator and Pusher run; what they need of the nodes before comes from the latest run."""
    options = RunOptions(from_nodes=["Evaluator", "latest_blessed_model_resolver"])
    tfx.orchestration.LocalDagRunner().run(create_pipeline(folder), run_options=options)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
