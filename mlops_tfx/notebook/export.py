"""A notebook as a pipeline file: its code without magics and without what only a notebook does."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node

_MAGIC = "skip_for_export"
SKIP = f"%%{_MAGIC}"
_CONTEXT = "InteractiveContext"


def pipeline_code(notebook: str, nodes: Sequence[Node], pipeline_name: str, pipeline_root: str) -> str:
    """Returns the text of a pipeline file.

    Args:
        notebook: path of the notebook.
        nodes: what the pipeline has.
        pipeline_name: its name.
        pipeline_root: its root.

    Raises:
        ConfigError: there is no such notebook, a cell is not Python, or a node has no name.
    """
    if not nodes:
        raise ConfigError("export_to_pipeline: nothing has run yet; run the nodes of the pipeline first")
    cells = [code for cell in _code_cells(notebook) if (code := _pipeline_part(cell, notebook))]
    assigned = _assigned("\n".join(cells))
    names = [_name_of(node, assigned) for node in nodes]
    lines = [
        f'"""The pipeline {pipeline_name}, exported from {os.path.basename(notebook)}."""',
        "",
        "from mlops_tfx import LocalRunner as _LocalRunner",
        "from mlops_tfx import Pipeline as _Pipeline",
        "",
        "\n\n".join(cells),
        "",
        "",
        "def create_pipeline():",
        '    """Returns the pipeline."""',
        f"    return _Pipeline({pipeline_name!r}, {pipeline_root!r}, components=[{', '.join(names)}])",
        "",
        "",
        'if __name__ == "__main__":',
        "    _LocalRunner().run(create_pipeline())",
        "",
    ]
    return "\n".join(lines)


def offer_magic() -> None:
    """Makes the notebook's kernel run cells that begin with ``%%skip_for_export`` like any other."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.register_magic_function(lambda line, cell: shell.run_cell(cell).raise_error(), "cell", _MAGIC)


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext`` of TFX's ``notebook_extensions.skip``: the magic is there."""
    offer_magic()


def _code_cells(notebook: str) -> Iterator[str]:
    try:
        with open(notebook, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"notebook_filepath: expected a saved notebook, received {notebook!r}: not there") from None
    except ValueError as error:
        raise ConfigError(f"notebook_filepath: {notebook!r} is no notebook: {error}") from error
    for cell in content.get("cells", ()):
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(source)
        if cell.get("cell_type") == "code" and not text.lstrip().startswith(SKIP):
            yield text


def _pipeline_part(cell: str, notebook: str) -> str:
    """A cell without magics, shell commands, and statements that make or use an InteractiveContext."""
    if cell.lstrip().startswith("%%"):
        return ""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in cell.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError as error:
        raise ConfigError(
            f"{notebook}: a cell cannot be exported ({error.msg}: {error.text!r}); begin it with {SKIP}"
        ) from error
    contexts = {"context"} | {name for statement in tree.body for name in _made_contexts(statement)}
    for statement in tree.body:
        if _is_interactive(statement, contexts):
            first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
            lines[first - 1 : statement.end_lineno] = [""] * ((statement.end_lineno or first) - first + 1)
    return "\n".join(line for line in lines if line.strip()).strip()


def _made_contexts(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign) and _calls(statement.value, {_CONTEXT}):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def _is_interactive(statement: ast.stmt, contexts: set[str]) -> bool:
    if isinstance(statement, ast.Expr):
        # A value on a line of its own is something to look at.
        return not isinstance(statement.value, ast.Call) or _is_of(statement.value, contexts) or _shows(statement.value)
    if isinstance(statement, ast.Assign):
        return _calls(statement.value, {_CONTEXT}) or _is_of(statement.value, contexts)
    if isinstance(statement, ast.For | ast.If):
        # "for node in (...): context.run(node)", and nothing else.
        return all(_is_interactive(inner, contexts) for inner in [*statement.body, *statement.orelse])
    return isinstance(statement, ast.ImportFrom) and [alias.name for alias in statement.names] == [_CONTEXT]


def _is_of(value: ast.expr, contexts: set[str]) -> bool:
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return False
    owner = value.func.value
    return isinstance(owner, ast.Name) and owner.id in contexts


def _shows(value: ast.Call) -> bool:
    return _calls(value, {"display", "print"})


def _calls(value: ast.expr, names: set[str]) -> bool:
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name in names


def _assigned(code: str) -> set[str]:
    """The names that code assigns at its top level."""
    targets = [target for each in ast.parse(code).body if isinstance(each, ast.Assign) for target in each.targets]
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def _name_of(node: Node, assigned: set[str]) -> str:
    for name, value in _namespace().items():
        if value is node and name in assigned:
            return name
    raise ConfigError(
        f"export_to_pipeline: {node!r} has no name in the notebook's code; assign it to a variable, in a cell that is "
        "exported"
    )


def _namespace() -> Mapping[str, Any]:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    found: Mapping[str, Any] = shell.user_ns if shell is not None else vars(sys.modules["__main__"])
    return found
