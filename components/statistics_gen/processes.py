"""Worker processes for shards. They are forked from a fresh interpreter that has imported TFDV and started no thread.

Neither forking this process is safe (TensorFlow, gRPC and other nodes of the pipeline run threads here), nor would it
be right to start interpreters that import the user's main file, as `multiprocessing` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io.examples import Shard
from mlops_tfx.statistics import partial_state
from mlops_tfx.statistics.compute import Partial
from mlops_tfx.statistics.settings import Settings

WORKER = "mlops_tfx.components.statistics_gen.worker"
ReadPartials = Callable[[str], Iterator[Partial]]


@contextmanager
def shard_states(
    settings: Mapping[str, Settings], shards: Mapping[str, Sequence[Shard]], count: int, temp_dir: str
) -> Iterator[ReadPartials]:
    """Computes the partials of all shards in ``count`` processes.

    Args:
        settings: by split.
        shards: by split.
        count: how many processes.
        temp_dir: for the partials, until they are read.

    Yields:
        A function that gives the partials of a split, in the order of its shards.

    Raises:
        DataError: a worker could not compute a shard, or ended before its time; has its message.
    """
    folder = os.path.join(filesystem.local_path(temp_dir), "partials")
    os.makedirs(folder)
    tasks = [(split, shard) for split, group in shards.items() for shard in group]
    job = {
        "count": count,
        "folder": folder,
        "settings": {split: value.to_dict() for split, value in settings.items()},
        "tasks": [[split, asdict(shard)] for split, shard in tasks],
    }
    path = os.path.join(folder, "job.json")
    with filesystem.open(path, "w") as file:
        json.dump(job, file)
    _run(path, folder)
    numbers: dict[str, list[int]] = {split: [] for split in shards}
    for number, (split, _) in enumerate(tasks):
        numbers[split].append(number)
    yield lambda split: (_read(folder, number) for number in numbers[split])


def _run(job: str, folder: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", WORKER, job], env=environment, capture_output=True, text=True, check=False
    )
    failures = sorted(name for name in os.listdir(folder) if name.endswith(".error"))
    if failures:
        with filesystem.open(os.path.join(folder, failures[0])) as file:
            raise DataError(file.read())
    if done.returncode:
        raise DataError(
            f"a worker process of StatisticsGen ended with code {done.returncode} before its shards were done; it may "
            f"have run out of memory: use --direct_num_workers=1. Its last words: {done.stderr[-2000:]}"
        )


def _read(folder: str, number: int) -> Partial:
    path = os.path.join(folder, f"{number}.state")
    with filesystem.open(path, "rb") as file:
        _, partial = partial_state.loads(file.read(), path)
    assert partial is not None, "a worker writes no state without a partial"
    return partial
