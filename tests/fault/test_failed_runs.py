"""Input that is damaged, changes or does not fit the disk: the run fails with a reason, the next one goes on."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, ExampleStatistics
from mlops_tfx.components import CsvExampleGen, ImportExampleGen, StatisticsGen
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import DataError, PipelineFailedError
from mlops_tfx.execution import LocalRunner
from mlops_tfx.execution.testing import run_component
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.pipeline import Pipeline
from tests.unit.components.transform.cases import flights_frame

ROWS = 2_000


def pipeline(root: Path, data: Path) -> Pipeline:
    examples = CsvExampleGen(input_base=str(data))
    return Pipeline("faults", str(root), components=[examples, StatisticsGen(examples.outputs["examples"])])


def write_csv(path: Path, rows: int = ROWS) -> bytes:
    path.parent.mkdir(exist_ok=True)
    content: bytes = flights_frame(rows).to_csv(index=False).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path.read_bytes()


def outputs_of(root: Path) -> dict[str, bytes]:
    """The bytes of everything published, by node, output and file."""
    found = {}
    for path in sorted(root.glob("*/*/*/**/*")):
        if path.is_file() and ".system" not in path.parts:
            node, output, _, *rest = path.relative_to(root).parts
            found["/".join((node, output, *rest))] = path.read_bytes()
    return found


def check_failed(root: Path, node: str, reason: str) -> None:
    """The store says why, and neither the store nor the root has anything of the node."""
    with MetadataStore(SqliteConnection(filename_uri=str(root / "metadata.sqlite"))) as store:
        (failed,) = store.executions(pipeline_name="faults", states={ExecutionState.FAILED})
        assert failed.node_id == node
        assert reason in failed.error
        assert store.executions(pipeline_name="faults", states={ExecutionState.RUNNING}) == []
        assert store.latest(Examples, pipeline_name="faults", limit=None) == []
        assert store.latest(ExampleStatistics, pipeline_name="faults", limit=None) == []
    assert outputs_of(root) == {}
    assert not [path for path in root.rglob("*") if path.is_file() and "metadata" not in path.name]


def check_continues(root: Path, data: Path, undisturbed: Path) -> None:
    """The next run gives what a run without a fault gives."""
    LocalRunner().run(pipeline(root, data))
    LocalRunner().run(pipeline(undisturbed, data))
    assert outputs_of(root) == outputs_of(undisturbed) != {}


def test_a_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "data" / "flights.csv.gz"
    whole = write_csv(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PipelineFailedError, match=r"CsvExampleGen.*flights\.csv\.gz"):
        LocalRunner().run(pipeline(tmp_path / "root", path.parent))
    check_failed(tmp_path / "root", "CsvExampleGen", "flights.csv.gz")
    path.write_bytes(whole)
    check_continues(tmp_path / "root", path.parent, tmp_path / "undisturbed")


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes().splitlines(keepends=True)[-1] * 3)


def rewrite(path: Path) -> None:
    content = path.read_bytes()
    before = path.stat()
    path.write_bytes(content.replace(b"AA", b"DL"))
    assert path.stat().st_size == before.st_size and path.read_bytes() != content


@pytest.mark.parametrize("change", [grow, rewrite])
def test_a_file_that_changes_while_it_is_read(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_tfx.io import csv_files

    path = tmp_path / "data" / "flights.csv"
    write_csv(path)
    read = csv_files.read_csv

    def changed(*args: Any, **kwargs: Any) -> Any:
        change(path)  # after the pass that finds the types, before the one that writes
        return read(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(csv_files, "read_csv", changed)
        with pytest.raises(PipelineFailedError, match=r"flights\.csv, which changed meanwhile"):
            LocalRunner().run(pipeline(tmp_path / "root", path.parent))
    check_failed(tmp_path / "root", "CsvExampleGen", "flights.csv")
    check_continues(tmp_path / "root", path.parent, tmp_path / "undisturbed")


PROGRAM = """
import sys
from pathlib import Path
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import LocalRunner
from tests.fault.test_failed_runs import pipeline
try:
    LocalRunner().run(pipeline(Path(sys.argv[1]), Path(sys.argv[2])))
except PipelineFailedError as error:
    sys.exit(str(error))
"""


def start(root: Path, data: Path, project_root: Path, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-c", PROGRAM, str(root), str(data)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **options)


def test_a_full_disk_in_the_middle_of_ingestion(tmp_path: Path, project_root: Path) -> None:
    path = tmp_path / "data" / "flights.csv"
    write_csv(path, 60_000)

    def limit() -> None:
        # As a full disk, but for one process: no file grows above this; the store stays below it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    program = start(tmp_path / "root", path.parent, project_root, preexec_fn=limit)
    _, said = program.communicate(timeout=120)
    assert program.returncode == 1, said[-3000:]
    assert "File too large" in said
    check_failed(tmp_path / "root", "CsvExampleGen", "File too large")
    check_continues(tmp_path / "root", path.parent, tmp_path / "undisturbed")


def test_two_runs_at_once_on_one_root_equal_lone_ones(tmp_path: Path, project_root: Path) -> None:
    path = tmp_path / "data" / "flights.csv"
    write_csv(path)
    programs = [start(tmp_path / "root", path.parent, project_root) for _ in range(2)]
    for program in programs:
        _, said = program.communicate(timeout=240)
        assert program.returncode == 0, said[-3000:]
    LocalRunner().run(pipeline(tmp_path / "lone", path.parent))
    with MetadataStore(SqliteConnection(filename_uri=str(tmp_path / "root" / "metadata.sqlite"))) as store:
        found = store.latest(ExampleStatistics, pipeline_name="faults", limit=None)
        assert store.executions(pipeline_name="faults", states={ExecutionState.RUNNING}) == []
    expected = outputs_of(tmp_path / "lone")
    assert outputs_of(tmp_path / "root") == expected
    for artifact in found:
        files = {path: filesystem.read_bytes(path) for path in filesystem.walk_files(artifact.uri)}
        mine = {f"StatisticsGen/statistics/{os.path.relpath(p, artifact.uri)}": data for p, data in files.items()}
        assert mine == {name: data for name, data in expected.items() if name.startswith("StatisticsGen")}


@pytest.mark.slow
def test_one_corrupt_record_among_a_million(tmp_path: Path) -> None:
    import pyarrow as pa

    from mlops_tfx.io import tfrecord

    rows, corrupt = 1_000_000, 654_321
    record = b"\n\x0c\n\n\n\x01x\x12\x05\x1a\x03\n\x01\x07"  # x = 7, as a tf.Example
    (framed,) = tfrecord.frame(pa.array([record], pa.binary())).to_pylist()
    content = bytearray(framed * rows)
    content[(corrupt + 1) * len(framed) - 1] ^= 1
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.tfrecord").write_bytes(content)
    base = str(tmp_path / "in")
    with pytest.raises(DataError, match=rf"data\.tfrecord: record {corrupt} is damaged"):
        run_component(ImportExampleGen(input_base=base), {}, tmp_path / "strict")
    assert [path for path in (tmp_path / "strict").rglob("*") if path.is_file()] == []
    logged: list[str] = []
    component = ImportExampleGen(input_base=base, max_corrupt_records=1)
    (examples,) = run_component(component, {}, tmp_path / "lenient", log=logged.append)["examples"]
    assert isinstance(examples, Examples)
    assert examples.custom_properties["corrupt_records"] == 1
    assert f"record {corrupt} is damaged" in logged[0]
    from mlops_tfx.io.row_counts import recorded_rows

    written = [recorded_rows([examples], split) or 0 for split in examples.splits]
    assert sum(written) == rows - 1
