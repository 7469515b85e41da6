"""Makes the expected files next to this script with TFX 1.16's own executors. It needs TFX's environment, not ours.

    python tests/golden/validation/make_golden.py      # Python 3.10, tfx==1.16.0

DistributionValidator compares the statistics in ``tests/golden/statistics``: the splits train and eval with each other,
for penguins and flights, under configurations written in ``configs.json``, which the test reads as well.
"""

import json
import os
import shutil
import tempfile

from google.protobuf import json_format
from tfx.components.distribution_validator import executor
from tfx.proto import distribution_validator_pb2
from tfx.types import artifact_utils, standard_artifacts

HERE = os.path.dirname(os.path.abspath(__file__))
PAIRS = [["train", "eval"], ["train", "train"]]


def statistics(name):
    """The statistics of a data set, as an artifact."""
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = os.path.join(HERE, "..", "statistics", name, "statistics")
    artifact.split_names = artifact_utils.encode_split_names(["train", "eval"])
    return artifact


def make(case, name, config):
    """Runs TFX's executor and keeps what it writes."""
    anomalies = standard_artifacts.ExampleAnomalies()
    with tempfile.TemporaryDirectory() as folder:
        anomalies.uri = folder
        executor.Executor().Do(
            {"statistics": [statistics(name)], "baseline_statistics": [statistics(name)]},
            {"anomalies": [anomalies]},
            {
                "distribution_validator_config": json_format.ParseDict(
                    config, distribution_validator_pb2.DistributionValidatorConfig()
                ),
                "include_split_pairs": json.dumps(PAIRS),
            },
        )
        destination = os.path.join(HERE, case)
        shutil.rmtree(destination, ignore_errors=True)
        shutil.copytree(folder, destination)
    with open(os.path.join(destination, "blessed.json"), "w") as file:
        json.dump(anomalies.get_json_value_custom_property("blessed"), file)


if __name__ == "__main__":
    with open(os.path.join(HERE, "configs.json")) as file:
        for case, entry in json.load(file).items():
            make(case, entry["data"], entry["config"])
