"""The program of the worker processes: ``python -m mlops_tfx.components.statistics_gen.worker job.json``."""

from __future__ import annotations

import functools
import json
import os
import sys
from typing import Any

from mlops_tfx import filesystem

_NUMBER_BYTES = 4


def main(path: str) -> int:
    """Computes the partials of all tasks of a job, in forked processes. Returns the exit code."""
    with filesystem.open(path) as file:
        job = json.load(file)
    import tensorflow_data_validation  # noqa: F401  # so that it is imported once, before forking

    from mlops_tfx.statistics import top_values  # noqa: F401  # likewise

    # Processes take the numbers of tasks from a pipe, whoever is ready first.
    reader, writer = os.pipe()
    children = [_fork(job, reader, writer) for _ in range(job["count"])]
    os.close(reader)
    with os.fdopen(writer, "wb") as tasks:
        for number in _largest_first(job["tasks"]):
            tasks.write(number.to_bytes(_NUMBER_BYTES, "little"))
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return next((code for code in codes if code), 0) and 1


def _largest_first(tasks: list[Any]) -> list[int]:
    def size(number: int) -> int:
        path = tasks[number][1]["uri"]
        return os.path.getsize(path) if os.path.exists(path) else 0

    return sorted(range(len(tasks)), key=size, reverse=True)


def _fork(job: dict[str, Any], reader: int, writer: int) -> int:
    child = os.fork()
    if child:
        return child
    # A child never returns to the interpreter's end: what runs there belongs to its parent.
    code = 1
    try:
        os.close(writer)
        code = _work(job, reader)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _work(job: dict[str, Any], reader: int) -> int:
    while number_bytes := os.read(reader, _NUMBER_BYTES):
        number = int.from_bytes(number_bytes, "little")
        try:
            _task(job, number)
        except Exception as error:
            with filesystem.open(os.path.join(job["folder"], f"{number}.error"), "w") as file:
                file.write(str(error))
            return 1
    return 0


def _task(job: dict[str, Any], number: int) -> None:
    from mlops_tfx.io.examples import Shard, read_shard
    from mlops_tfx.statistics import partial_state

    split, fields = job["tasks"][number]
    computation = _computation(json.dumps(job["settings"][split]))
    shard = Shard(**fields)
    partial = computation.partial(read_shard(shard), where=shard.uri)
    with filesystem.open(os.path.join(job["folder"], f"{number}.state"), "wb") as file:
        file.write(partial_state.dumps({}, partial))


@functools.cache
def _computation(settings: str) -> Any:
    from mlops_tfx.statistics.compute import Computation
    from mlops_tfx.statistics.settings import Settings

    return Computation(Settings.from_dict(json.loads(settings)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
