"""Plain HTML for what a notebook shows."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact, Examples, ModelEvaluation
from mlops_tfx.channel import BaseChannel
from mlops_tfx.errors import ArtifactError, ConfigError
from mlops_tfx.history.contents import contents

if TYPE_CHECKING:
    from mlops_tfx.notebook.context import ExecutionResult

_ROWS = 5


class View:
    """HTML that a notebook shows, and the same as text."""

    def __init__(self, html_text: str) -> None:
        self._html = html_text

    @property
    def text(self) -> str:
        """Without tags: a line for each row."""
        with_lines = re.sub(r"</(tr|caption|p|h4|pre)>", "\n", self._html)
        return re.sub(r"<[^>]+>", " ", with_lines)

    def _repr_html_(self) -> str:
        return self._html


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


def of(item: Any) -> str:
    """HTML of an artifact, of the artifacts of a channel, of a list of them, or of how a node ended.

    Raises:
        ConfigError: it is nothing of that kind, or a channel that has no artifacts yet.
    """
    if isinstance(item, Artifact):
        return _artifact(item)
    if isinstance(item, BaseChannel):
        found = item.get()
        if not found:
            raise ConfigError(f"show: {item!r} has no artifacts yet; run the node first")
        return _all(found)
    if isinstance(item, Mapping):
        return _all([artifact for group in item.values() for artifact in group])
    if isinstance(item, Sequence) and not isinstance(item, str) and all(isinstance(each, Artifact) for each in item):
        return _all(item)
    if hasattr(item, "component_id") and hasattr(item, "_repr_html_"):
        return str(item._repr_html_())  # the protocol of notebooks
    raise ConfigError(
        f"show: expected an artifact, a channel such as node.outputs['...'], or what run() returned, received {item!r}"
    )


def execution(result: ExecutionResult) -> str:
    """How a node ended."""
    rows: list[tuple[str, Any]] = [("state", f"{result.state} {result.message}".strip())]
    rows += [("seconds", f"{result.seconds:.1f}"), ("execution", result.execution_id), ("run", result.run_id)]
    for kind, groups in (("input", result.inputs), ("output", result.outputs)):
        for key, artifacts in groups.items():
            rows += [(f"{kind} {key}", f"{each.TYPE_NAME} {each.id}: {each.recorded_uri}") for each in artifacts]
    return _table(result.component_id, [], rows)


def _all(artifacts: Iterable[Artifact]) -> str:
    return "\n".join(_artifact(artifact) for artifact in artifacts)


def _artifact(artifact: Artifact) -> str:
    found = contents(artifact)
    properties = {**found.artifact["properties"], **found.artifact["custom_properties"]}
    rows = [("uri", found.artifact["uri"]), ("state", found.artifact["state"]), *properties.items()]
    rows.append(("files", f"{len(found.files)}, {sum(found.files.values()):,} bytes"))
    parts = [_table(f"{artifact.TYPE_NAME} {artifact.id}", [], rows)]
    if isinstance(artifact, ModelEvaluation):
        parts.append(_metrics(artifact))
    elif isinstance(artifact, Examples):
        parts.extend(_first_rows(artifact, split) for split in artifact.splits)
    else:
        parts.extend(_summary(name, content) for name, content in found.summary.items())
    return "\n".join(parts)


def _summary(name: str, content: Any) -> str:
    if isinstance(content, Mapping):
        return _table(name, [], list(content.items()))
    text = content if isinstance(content, str) else "\n".join(map(str, content))
    return f"<h4>{html.escape(name)}</h4><pre>{html.escape(text)}</pre>"


def _metrics(artifact: ModelEvaluation) -> str:
    from mlops_tfx.components.evaluator.report import read_metrics

    try:
        rows = read_metrics(artifact.uri)
    except ArtifactError as error:
        return f"<p>{html.escape(str(error))}</p>"
    return _table(
        "metrics", ["slice", "metric", "value"], [(row["slice"], row["metric"], row["value"]) for row in rows]
    )


def _first_rows(artifact: Examples, split: str) -> str:
    from mlops_tfx.io.examples import read_batches

    batch = next(iter(read_batches(artifact, split)), None)
    if batch is None or not batch.num_rows:
        return f"<p>{html.escape(split)}: no rows</p>"
    columns = batch.slice(0, _ROWS).to_pydict()
    rows = list(zip(*columns.values(), strict=True))
    return _table(f"{split}, the first {len(rows)} rows", list(columns), rows)


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(_cell(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
