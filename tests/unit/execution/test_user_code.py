"""User functions: found by file, dotted path or object; digested without being imported."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path

import pytest

from mlops_tfx.errors import DataError, UserCodeError
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.execution.imports import project_modules
from mlops_tfx.execution.loading import load_pipeline
from mlops_tfx.execution.user_code import code_ingredients, load_function, user_code


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _clean_imports():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_module_file_with_neighbours(tmp_path):
    write(tmp_path, uc_main="import uc_near\ndef run_fn(x):\n    return uc_near.double(x)\n")
    write(tmp_path, uc_near="def double(x):\n    return 2 * x\n")
    assert load_function(str(tmp_path / "uc_main.py"), name="run_fn")(21) == 42


def test_module_file_in_a_package_with_relative_imports(tmp_path):
    write(tmp_path, uc_pkg__near="VALUE = 7\n")
    (tmp_path / "uc_pkg" / "__init__.py").write_text("")
    write(tmp_path, uc_pkg__main="from .near import VALUE\ndef run_fn():\n    return VALUE\n")
    assert load_function(str(tmp_path / "uc_pkg" / "main.py"), name="run_fn")() == 7


def test_edited_neighbour_is_loaded_anew(tmp_path):
    write(tmp_path, uc_a="import uc_b\ndef run_fn():\n    return uc_b.VALUE\n", uc_b="VALUE = 1\n")
    assert load_function(str(tmp_path / "uc_a.py"))() == 1
    write(tmp_path, uc_b="VALUE = 22\n")
    assert load_function(str(tmp_path / "uc_a.py"))() == 22


def test_same_names_in_two_folders_do_not_mix(tmp_path):
    for value in (1, 2):
        folder = tmp_path / str(value)
        write(folder, uc_model="import uc_shared\ndef run_fn():\n    return uc_shared.VALUE\n")
        write(folder, uc_shared=f"VALUE = {value}\n")
    assert load_function(str(tmp_path / "1" / "uc_model.py"))() == 1
    assert load_function(str(tmp_path / "2" / "uc_model.py"))() == 2
    assert load_function(str(tmp_path / "1" / "uc_model.py"))() == 1


def test_dotted_path_and_function_object():
    assert load_function(function="os.path.join") is os.path.join
    assert load_function(function=len) is len


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": "os.path.jion"}, "module 'os.path' defines no function 'jion'; did you mean 'join'"),
        ({"function": "no_such_pkg.mod.fn"}, "no module named 'no_such_pkg' on sys.path"),
        ({"function": "run_fn"}, "expected a dotted path"),
        ({"module_file": "/nowhere/x.py"}, "module file '/nowhere/x.py' does not exist"),
        ({}, "received neither"),
    ],
)
def test_what_is_not_there(arguments, message):
    with pytest.raises(UserCodeError, match="(?s).*" + message.replace("(", r"\(")):
        load_function(**arguments)


def test_misspelt_function_in_a_file_names_the_near_one(tmp_path):
    write(tmp_path, uc_typo="def preprocesing_fn(inputs):\n    return inputs\n")
    with pytest.raises(UserCodeError, match="defines no function 'preprocessing_fn'; did you mean 'preprocesing_fn'"):
        load_function(str(tmp_path / "uc_typo.py"), name="preprocessing_fn")


def test_value_that_is_no_function(tmp_path):
    write(tmp_path, uc_value="run_fn = 3\n")
    with pytest.raises(UserCodeError, match="expected 'run_fn' to be a function, received int"):
        load_function(str(tmp_path / "uc_value.py"))


def test_file_that_raises_on_import_names_the_line(tmp_path):
    write(tmp_path, uc_raises="x = 1\ny = x / 0\n")
    with pytest.raises(UserCodeError, match=r"ZeroDivisionError.*uc_raises\.py:2"):
        load_function(str(tmp_path / "uc_raises.py"))


def test_boundary_keeps_the_cause_and_names_the_place():
    def broken():
        raise KeyError("hour")

    with pytest.raises(
        UserCodeError, match=rf"preprocessing_fn raised KeyError: 'hour' \({__file__}:\d+, in broken\)"
    ) as caught:
        with user_code("preprocessing_fn"):
            broken()
    assert isinstance(caught.value.__cause__, KeyError)


def test_boundary_lets_our_own_errors_pass():
    with pytest.raises(DataError, match="as it is"), user_code("run_fn"):
        raise DataError("as it is")


def test_digest_covers_every_project_module_and_nothing_is_imported(tmp_path, monkeypatch):
    write(tmp_path, uc_d1="import os, numpy\nfrom uc_d2 import f\ndef run_fn():\n    import uc_lazy\n")
    write(tmp_path, uc_d2="from uc_dpkg import inner\n", uc_lazy="", uc_unrelated="")
    write(tmp_path, **{"uc_dpkg__inner": "from . import sibling\n", "uc_dpkg__sibling": ""})
    (tmp_path / "uc_dpkg" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    found = code_ingredients(str(tmp_path / "uc_d1.py"))
    names = ["uc_d1.py", "uc_d2.py", "uc_lazy.py", "uc_dpkg/__init__.py", "uc_dpkg/inner.py", "uc_dpkg/sibling.py"]
    assert found == {f"file {name}": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}
    assert not {name for name in set(sys.modules) - before if name.startswith("uc_")}


def test_digest_of_a_dotted_path_and_of_a_function_object(tmp_path, monkeypatch):
    write(tmp_path, uc_dot="def fn():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    by_path = code_ingredients(function="uc_dot.fn")
    assert list(by_path) == ["file uc_dot.py"]
    assert code_ingredients(function=load_function(function="uc_dot.fn")) == by_path


def test_arguments_of_a_partial_are_part_of_the_digest():
    one, two = (code_ingredients(function=functools.partial(test_dotted_path_and_function_object, n)) for n in (1, 2))
    assert one["bound arguments"] != two["bound arguments"]


def test_library_functions_have_no_file_digest():
    assert code_ingredients(function=os.path.join) == {}


def test_file_with_a_syntax_error_is_still_digested(tmp_path):
    path = write(tmp_path, uc_syntax="def (:\n") / "uc_syntax.py"
    assert project_modules(str(path)) == [str(path)]
    with pytest.raises(UserCodeError, match="SyntaxError"):
        load_function(str(path))


def test_digest_of_a_missing_file():
    with pytest.raises(UserCodeError, match="does not exist"):
        code_ingredients("/nowhere/x.py")


def test_edits_that_bytecode_does_not_notice(tmp_path):
    """Two texts of one size and one time: Python's bytecode of the first would run for the second."""
    folder = tmp_path / "project"
    (folder / "package").mkdir(parents=True)
    files = [folder / "beside.py", folder / "package" / "__init__.py"]
    found = []
    for number in (1, 2):
        for file in files:
            file.write_text(f"NUMBER = {number}\n")
            os.utime(file, (1_700_000_000, 1_700_000_000))
        (folder / "main.py").write_text(
            "import beside, package\n\ndef run_fn():\n    return beside.NUMBER, package.NUMBER\n"
        )
        found.append(load_function(str(folder / "main.py"), None, "run_fn")())
    assert found == [(1, 1), (2, 2)]
    assert list(folder.rglob("*.pyc")) == []


def test_libraries_below_a_project_keep_their_bytecode(tmp_path, monkeypatch):
    from mlops_tfx.execution import fresh_source

    library = tmp_path / "library" / "kept_library.py"
    library.parent.mkdir()
    library.write_text("NUMBER = 1\n")
    (tmp_path / "main.py").write_text("import kept_library\n\ndef run_fn():\n    return kept_library.NUMBER\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(fresh_source, "source_of_module", lambda path: None if "kept_library" in path else path)
    monkeypatch.syspath_prepend(str(library.parent))
    assert load_function(str(tmp_path / "main.py"), None, "run_fn")() == 1
    assert [file.name.partition(".")[0] for file in tmp_path.rglob("*.pyc")] == ["kept_library"]


_TIMED = """
from mlops_tfx import NodeExecutionOptions, Pipeline
from mlops_tfx.artifacts import Integer
from mlops_tfx.component import Component, Output


class Write(Component):
    number = Output(Integer)

    def run(self):
        import beside

        self.number.value = beside.NUMBER


pipeline = Pipeline("timed", {root!r}, components=[
    Write().with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=100))
])
"""


def test_edits_that_bytecode_does_not_notice_in_a_process_of_a_node(tmp_path):
    (tmp_path / "timed.py").write_text(_TIMED.format(root=str(tmp_path / "root")))
    found = []
    for number in (1, 2):
        (tmp_path / "beside.py").write_text(f"NUMBER = {number}\n")
        os.utime(tmp_path / "beside.py", (1_700_000_000, 1_700_000_000))
        result = LocalRunner(observer=Observer()).run(load_pipeline(str(tmp_path / "timed.py")))
        found.append((result.reports[0].state.value, result.outputs["Write"]["number"][0].value))
    assert found == [("complete", 1), ("complete", 2)]
