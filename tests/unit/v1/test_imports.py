"""The facade costs next to nothing to import, and its names are there for type checkers, too."""

from __future__ import annotations

import ast
import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx import v1
from mlops_tfx.v1 import write_stub

MODULES = ["mlops_tfx.v1", *(module.name for module in pkgutil.walk_packages(v1.__path__, "mlops_tfx.v1."))]


def test_using_the_names_of_a_pipeline_file_loads_nothing_heavy():
    code = """
import sys
from mlops_tfx import v1 as tfx
tfx.components.CsvExampleGen, tfx.components.Trainer, tfx.components.Evaluator, tfx.components.Pusher
tfx.proto.Input, tfx.proto.PushDestination, tfx.proto.TrainArgs, tfx.types.standard_artifacts.Model
tfx.dsl.Pipeline, tfx.dsl.Resolver, tfx.dsl.Cond, tfx.dsl.components.component, tfx.dsl.io.fileio.open
tfx.dsl.experimental.LatestBlessedModelStrategy, tfx.orchestration.LocalDagRunner, tfx.types.BaseComponent
heavy = {"tensorflow", "apache_beam", "pyarrow", "pandas", "numpy", "ml_metadata", "tensorflow_data_validation"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_no_component_loads_anything_heavy_before_it_runs():
    code = """
import sys
from mlops_tfx import components
for name in components.__all__:
    getattr(components, name)
heavy = {"tensorflow", "apache_beam", "pyarrow", "pandas", "numpy", "ml_metadata", "tensorflow_data_validation"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_importing_stays_cheap():
    script = Path(__file__).parents[3] / "benchmarks" / "imports.py"
    done = subprocess.run([sys.executable, str(script), "--check", "--repeat", "2"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_facade_loads_none_of_its_modules():
    code = "import sys; from mlops_tfx import v1; sys.exit(any(m.startswith('mlops_tfx.v1.dsl') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_written_where_type_checkers_see_it(name):
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    written: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            written.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            written.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            written.update(target.id for target in targets if isinstance(target, ast.Name))
    assert set(getattr(module, "__all__", ())) <= written


def test_the_stub_says_what_the_components_take():
    assert write_stub.STUB.read_text(encoding="utf-8") == write_stub.stub(), "run python -m mlops_tfx.v1.write_stub"
    taken = "_config.TrainArgs | _proto.TrainArgs | Mapping[str, Any] | str | None | Placeholder = ..."
    assert f"        train_args: {taken},\n" in write_stub.stub()


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        ("mlops_tfx.v1", "component", "did you mean 'components'"),
        ("mlops_tfx.v1.components", "CSVExampleGen", "did you mean 'CsvExampleGen'"),
        ("mlops_tfx.v1.proto", "PushDestinations", "did you mean 'PushDestination'"),
        ("mlops_tfx.v1.dsl", "Condition", "did you mean 'Cond'"),
    ],
)
def test_a_wrong_name_comes_with_the_nearest(module, name, hint):
    with pytest.raises(AttributeError, match=hint):
        getattr(importlib.import_module(module), name)


def test_what_the_facade_gives_is_pickled_by_its_home():
    pusher = v1.proto.PushDestination(filesystem=v1.proto.PushDestination.Filesystem(base_directory="/srv"))
    assert pickle.loads(pickle.dumps(pusher)) == pusher
    assert pickle.loads(pickle.dumps(v1.components.Trainer)) is v1.components.Trainer
