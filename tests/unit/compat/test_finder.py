from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dill
import pytest

from mlops_tfx import artifacts, compat
from mlops_tfx.compat import finder
from mlops_tfx.compat.names import MODULES, TFX_VERSION

pytestmark = pytest.mark.usefixtures("as_tfx")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_name_of_the_table_is_there(module: str) -> None:
    served = importlib.import_module(module)
    names = [name for name in finder.names_in(module) if not finder.is_served(f"{module}.{name}")]
    assert [name for name in names if getattr(served, name, None) is None] == []
    assert names or finder.names_in(module)


def test_forms_of_import() -> None:
    import tfx
    import tfx.types.standard_artifacts as by_path
    from tfx import types
    from tfx.types import standard_artifacts
    from tfx.types.standard_artifacts import Examples

    assert Examples is artifacts.Examples is standard_artifacts.Examples is types.standard_artifacts.Examples
    assert by_path is standard_artifacts is tfx.types.standard_artifacts
    assert tfx.__version__ == TFX_VERSION
    assert importlib.import_module("tfx.types").Artifact is artifacts.Artifact
    assert importlib.util.find_spec("tfx.types") is not None
    assert importlib.util.find_spec("tfx_bsl") is not None


def test_star_import_gives_all_names_and_no_others() -> None:
    namespace: dict[str, Any] = {}
    exec("from tfx.types.component_spec import *", namespace)
    assert {name for name in namespace if not name.startswith("__")} == {
        "ChannelParameter",
        "ComponentSpec",
        "ExecutionParameter",
    }


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("from tfx.types.standard_artifacts import Exampels", "no tfx.types.standard_artifacts.Exampels.*'Examples'"),
        ("import tfx.typos", "no tfx.typos.*did you mean 'types'"),
        ("from tfx.components import DataAccessor", "DataAccessor is in tfx.components.trainer.fn_args_utils"),
        ("import tfx.components.trainer.fn_arg_utils", "did you mean 'fn_args_utils'"),
        ("from tfx.components import ImporterNode", "gave it up for tfx.dsl.Importer"),
        ("from tfx.v1.components import Traner", "has no attribute 'Traner'; did you mean 'Trainer'"),
        ("from tfx.v1 import compnents", "did you mean 'components'"),
        ("from tfx.v1.orchestration.experimental import KubeflowV2DagRunner", "not offered.*LocalDagRunner"),
    ],
)
def test_a_name_that_is_not_there_says_what_is_near(statement: str, said: str) -> None:
    with pytest.raises(ImportError, match=said):
        exec(statement)


def test_an_attribute_that_is_not_there_is_an_attribute_error() -> None:
    import tfx

    assert not hasattr(tfx.components, "Traner")
    with pytest.raises(AttributeError, match="did you mean 'Trainer'"):
        _ = tfx.components.Traner


@pytest.mark.parametrize("pickler", [pickle, dill])
def test_modules_and_what_is_in_them_pickle(pickler: ModuleType) -> None:
    from tfx.types import artifact_utils, standard_artifacts

    data = pickler.dumps((artifact_utils, standard_artifacts.Model, artifact_utils.get_single_uri))
    compat.uninstall()
    module, model, function = pickler.loads(data)
    assert module.__name__ == "tfx.types.artifact_utils"
    assert (model, function) == (artifacts.Model, module.get_single_uri)


def test_inspection() -> None:
    from tfx.dsl.components.base import base_executor

    assert "BaseExecutor" in dict(inspect.getmembers(base_executor))
    assert inspect.getmodule(base_executor.BaseExecutor) is not base_executor
    assert "EmptyExecutor" in dir(base_executor)


def test_processes_started_from_here_have_it_too() -> None:
    code = "from tfx.types import artifact_utils; import tfx.types; print(tfx.types.Artifact.__module__)"
    code = f"import absl; {code}; absl.logging.info('there')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.startswith("mlops_tfx.artifacts")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], os.getcwd()])}


def test_uninstalling_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.uninstall()
    before = dict(os.environ)
    compat.install()
    compat.install()  # twice is once
    import tfx.types

    assert tfx.types.Artifact is artifacts.Artifact
    compat.uninstall()
    assert dict(os.environ) == before
    assert [name for name in sys.modules if name.partition(".")[0] == "tfx"] == []
    assert not any(isinstance(one, finder.TfxFinder) for one in sys.meta_path)


def test_a_tfx_that_is_imported_already_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.uninstall()
    real = ModuleType("tfx")
    real.__file__ = "/site-packages/tfx/__init__.py"
    monkeypatch.setitem(sys.modules, "tfx", real)
    with pytest.raises(ImportError, match="imported already, from /site-packages/tfx/__init__.py"):
        compat.install()


def test_an_installed_tfx_is_said_to_be_replaced(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compat.uninstall()
    (tmp_path / "tfx").mkdir()
    (tmp_path / "tfx" / "__init__.py").write_text("__version__ = 'real'")
    monkeypatch.syspath_prepend(tmp_path)
    compat.install()
    import tfx

    assert tfx.__version__ == TFX_VERSION
    assert "takes its place" in caplog.text
    compat.uninstall()
    assert importlib.import_module("tfx").__version__ == "real"
    del sys.modules["tfx"]


# Names that TFX's examples and templates use and that are not here, by what their names begin with, and why.
LEFT_OUT = {
    "tfx.components:ModelValidator": "deprecated in TFX",
    "tfx.extensions.google_cloud_ai_platform": "Google Cloud",
    "tfx.extensions.google_cloud_big_query.pusher": "Google Cloud",
    "tfx.orchestration.beam.beam_runner": "TFX 1.16 has it no more",
    "tfx.orchestration.kubeflow": "another orchestrator",
    "tfx.utils.dsl_utils": "TFX 1.16 has it no more",
    "tfx.v1.extensions.google_cloud_ai_platform": "Google Cloud",
    "tfx.v1.orchestration.experimental": "another orchestrator",
}
USED = json.loads((Path(__file__).parents[2] / "golden" / "tfx_imports" / "imports.json").read_text())


@pytest.mark.parametrize("used", [name for name in USED if not name.startswith(tuple(LEFT_OUT))])
def test_what_the_examples_of_tfx_use_is_there(used: str) -> None:
    module, _, name = used.partition(":")
    found: Any = importlib.import_module("tfx")
    for part in [*module.split(".")[1:], *filter(None, [name])]:
        found = getattr(found, part)
    assert found is not None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner", "not compiled for Kubeflow.*DagRunner"),
        ("from tfx.components import ModelValidator", "deprecated in TFX; Evaluator takes its place"),
    ],
)
def test_a_name_that_is_left_out_says_why(statement: str, said: str) -> None:
    with pytest.raises(ImportError, match=said):
        exec(statement)


def _checkout(root: Path) -> Path:
    """A checkout of TFX has examples that import one another."""
    folder = root / "tfx" / "examples" / "counting"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").write_text("")
    (folder / "words.py").write_text("from tfx.types import standard_artifacts\nKIND = standard_artifacts.Model\n")
    (folder / "script.py").write_text("from tfx.examples.counting import words\nprint(words.KIND.TYPE_NAME)\n")
    return folder


def test_examples_in_a_checkout_of_tfx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"no tfx\.examples: no folder of sys\.path has tfx/examples"):
        importlib.import_module("tfx.examples.counting.words")
    folder = _checkout(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mlops_tfx.compat", str(folder / "script.py")],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert (done.stdout, done.stderr) == ("Model\n", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    from tfx import examples  # type: ignore[attr-defined]  # it lies in the checkout
    from tfx.examples.counting import words  # type: ignore[import-not-found]

    assert words.KIND is artifacts.Model
    assert examples.counting.words is words
    with pytest.raises(ModuleNotFoundError, match=r"tfx\.examples\.counting\.letters"):
        importlib.import_module("tfx.examples.counting.letters")
    with pytest.raises(ImportError, match=r"no tfx\.experimental"):
        importlib.import_module("tfx.experimental.templates")
