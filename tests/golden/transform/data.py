"""The input of the golden test: ``python -m tests.golden.transform.data FOLDER`` writes it for ``make.py``."""

from __future__ import annotations

import os
import sys

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from tests.golden.statistics.real_data import flights_sample, write_examples

ROWS = 1200
SCHEMA = """
feature { name: "month" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "distance" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "carrier" type: BYTES shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "temp" type: FLOAT value_count { min: 0 max: 1 } }
feature { name: "tailnum" type: BYTES value_count { min: 0 max: 1 } }
feature { name: "letters" type: BYTES value_count { min: 0 } }
"""


def write_input(folder: str) -> Examples:
    """Writes ``{folder}/examples`` and ``{folder}/schema``: flights, with the letters of the tail number as a list."""
    frame = flights_sample(ROWS)[["month", "distance", "carrier", "temp", "tailnum"]]
    frame["letters"] = [list(text) if isinstance(text, str) else [] for text in frame["tailnum"]]
    filesystem.write_bytes(os.path.join(folder, "schema", "schema.pbtxt"), SCHEMA.encode())
    return write_examples(os.path.join(folder, "examples"), {"train": frame.iloc[:800], "eval": frame.iloc[800:]})


if __name__ == "__main__":
    write_input(sys.argv[1])
