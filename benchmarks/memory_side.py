"""Runs ingestion, statistics and Transform for benchmarks/memory.py, which starts it.

Arguments: folder of the CSV file, user's module, work folder. The result goes to ``result.json`` in the work folder.
"""

import json
import resource
import sys

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.components.csv_example_gen import CsvExampleGen
from mlops_tfx.components.schema_gen import SchemaGen
from mlops_tfx.components.statistics_gen import StatisticsGen
from mlops_tfx.components.transform import Transform
from mlops_tfx.execution.observer import Observer


def create_pipeline(data, module_file, work):
    example_gen = CsvExampleGen(input_base=data)
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    transform = Transform(
        examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"], module_file=module_file
    )
    components = [example_gen, statistics_gen, schema_gen, transform]
    return Pipeline(pipeline_name="memory", pipeline_root=f"{work}/root", components=components)


class Peaks(Observer):
    """Notes the process's peak of memory so far, in GB, as each node ends."""

    def __init__(self):
        self.seen = {}

    def node_ended(self, report):
        self.seen[report.node_id] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main():
    data, module_file, work = sys.argv[1:]
    peaks = Peaks()
    result = LocalRunner(observer=peaks).run(create_pipeline(data, module_file, work))
    nodes = {report.node_id: report.seconds for report in result.reports}
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    with open(f"{work}/result.json", "w", encoding="utf-8") as file:
        json.dump({"nodes": nodes, "peaks": peaks.seen, "children_gb": children}, file)


if __name__ == "__main__":
    main()
