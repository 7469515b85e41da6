"""What a pipeline file pays before its first line of work: the facade, beside Python alone and beside TFX.

    python benchmarks/imports.py
    python benchmarks/imports.py --tfx .venv-tfx/bin/python     # an interpreter that has tfx==1.16.0
    python benchmarks/imports.py --check                        # fails when a limit is exceeded; what a test runs

Every line is a fresh process, the fastest of some: its CPU seconds and elapsed seconds, and how many modules it loaded.
Limits are ratios of CPU seconds to those of importing pydantic and making a model with it, as every pipeline file must:
they hold on a slow machine and on a busy one, too.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = """
from mlops_tfx import v1 as tfx
tfx.components.CsvExampleGen, tfx.components.StatisticsGen, tfx.components.SchemaGen, tfx.components.ExampleValidator
tfx.components.Transform, tfx.components.Trainer, tfx.components.Evaluator, tfx.components.Pusher
tfx.dsl.Pipeline, tfx.dsl.Resolver, tfx.dsl.Channel, tfx.dsl.Cond, tfx.dsl.components.component
tfx.proto.TrainArgs, tfx.proto.EvalArgs, tfx.proto.PushDestination, tfx.proto.Input
tfx.types.standard_artifacts.Model, tfx.dsl.experimental.LatestBlessedModelStrategy, tfx.orchestration.LocalDagRunner
"""
EMPTY = str(ROOT / "mlops_tfx" / "py.typed")  # an empty file, and so an empty script
UNIT = "pydantic, with one model"
DEEP_NAMES = """
import mlops_tfx.compat as c; c.install()
from tfx import types
from tfx.components import CsvExampleGen, ExampleValidator, SchemaGen, StatisticsGen, Transform
from tfx.components import Evaluator, Pusher, Trainer
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.components.common import resolver
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import io_utils, proto_utils
example_gen_pb2.Input, pusher_pb2.PushDestination, trainer_pb2.TrainArgs, pipeline.Pipeline, resolver.Resolver
base_component.BaseComponent, base_executor.BaseExecutor, executor_spec.ExecutorClassSpec
metadata.sqlite_metadata_connection_config, io_utils.copy_dir, proto_utils.proto_to_json, types.ComponentSpec
"""
PROGRAMS = {
    "python alone": "pass",
    UNIT: "import pydantic; type('M', (pydantic.BaseModel,), {})",
    "the facade": "from mlops_tfx import v1 as tfx",
    "the facade, all names of a whole chain": NAMES,
    "the facade under TFX's name": "import mlops_tfx.compat as c; c.install(); from tfx import v1 as tfx",
    "an empty script, as TFX": f"from mlops_tfx.compat.script import run_script; run_script({EMPTY!r})",
    "deep names of TFX's, of a whole chain": DEEP_NAMES,
}
TFX = "from tfx import v1 as tfx"
# At most so many times as long.
LIMITS = {
    "the facade": 1.0,
    "the facade, all names of a whole chain": 4.0,
    "the facade under TFX's name": 1.5,
    "an empty script, as TFX": 1.5,
    "deep names of TFX's, of a whole chain": 4.5,
}
COUNT = "\nimport sys; print(len(sys.modules), file=sys.stderr)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tfx", help="an interpreter that has TFX")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="fail when a limit is exceeded")
    options = parser.parse_args()
    measured = measure_all(PROGRAMS, options.repeat)
    if options.tfx:
        measured["TFX"] = min(measure(TFX, options.tfx) for _ in range(2))
    for name, (cpu, elapsed, modules) in measured.items():
        print(f"{name:<42}{cpu:8.3f} CPU s{elapsed:8.3f} s{modules:8} modules")
    if options.check:
        sys.exit("\n".join(exceeded(measured)) or 0)


def exceeded(measured):
    """Names the limits that are exceeded."""
    for name, limit in LIMITS.items():
        ratio = measured[name][0] / measured[UNIT][0]
        if ratio > limit:
            yield f"{name}: {ratio:.1f} times as long as {UNIT!r}, expected at most {limit}"


def measure_all(programs, repeat):
    """Measures the programs in turn, so that whatever else the machine does hits all of them."""
    found = {name: measure(code) for name, code in programs.items()}
    for _ in range(repeat):
        found = {name: min(before, measure(programs[name])) for name, before in found.items()}
    return found


def measure(code, python=sys.executable):
    """Returns CPU seconds, elapsed seconds and the number of loaded modules of a process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([python, "-c", code + COUNT], check=True, capture_output=True, text=True, env=environment)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, elapsed, int(done.stderr.split()[-1])


if __name__ == "__main__":
    main()
