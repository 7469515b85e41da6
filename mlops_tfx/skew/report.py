"""The findings as data for programs, and as a page for people."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlops_tfx.skew.comparison import ELEMENTS, Outcome
from mlops_tfx.skew.rows import shown_value

if TYPE_CHECKING:
    from mlops_tfx.skew.checking import Result
    from mlops_tfx.skew.findings import Findings
    from mlops_tfx.skew.rows import RowSet

_SHOWN_ROWS = 20
_COLUMNS = ("path", "signature", "rows", "sent", "output", "elements", "differing", "worst", "verdict")
_STYLE = (
    "body{font-family:sans-serif;max-width:90em;margin:1em auto}td,th{padding:2px 10px;text-align:left;"
    "vertical-align:top}tr.no td{background:#fdd}code{white-space:pre-wrap}h1.no{color:#a00}h1.yes{color:#070}"
)


def as_json(findings: Findings) -> dict[str, Any]:
    """Everything as plain data; NaN and infinities are texts, bytes are escaped."""
    return {
        "blessed": findings.blessed,
        "reasons": findings.reasons,
        "advice": findings.advice,
        "skewed_features": {
            name: [_outcome(outcome, rows) | {"where": where} for where, outcome, rows in places]
            for name, places in findings.skewed_features.items()
        },
        "suspects": [asdict(suspect) for suspect in findings.suspects],
        "tolerances": asdict(findings.tolerances),
        "trained_model": findings.model_source,
        "rows": {
            "of_each_split": findings.counts,
            "sampled": len(findings.sampled),
            "synthesised": findings.synthesised,
            "refused_by_training": [asdict(refused) for refused in findings.refused],
        },
        "what_training_read": None
        if findings.training_read is None
        else [_outcome(outcome, findings.sampled) for outcome in findings.training_read],
        "results": [_result(result) for result in findings.results],
        "not_compared": findings.problems,
        "not_compared_by_design": findings.by_design,
        "notes": findings.notes,
        "digests": findings.digests,
    }


def _result(result: Result) -> dict[str, Any]:
    sent = result.sent
    return {
        "path": result.path,
        "signature": result.signature,
        "rows": result.rows,
        "sent": result.form,
        "count": 0 if sent is None else len(sent),
        "equal": result.equal,
        "error": result.error,
        "rejected": result.rejected,
        "outputs": [] if sent is None else [_outcome(outcome, sent) for outcome in result.outcomes],
        "inside_the_graph": [] if sent is None else [_outcome(outcome, sent) for outcome in result.observed],
        "not_expressible": result.inexpressible,
    }


def _outcome(outcome: Outcome, rows: RowSet) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": outcome.name,
        "kind": outcome.kind,
        "counted": outcome.counted,
        "elements": outcome.elements,
        "differing": outcome.differing,
        "rows_differing": outcome.rows,
        "problem": outcome.problem,
        "pattern": outcome.pattern,
        "rows": [rows.names[row] for row in outcome.wrong_rows[:_SHOWN_ROWS]],
        "worst": None,
    }
    worst = outcome.worst
    if worst is not None:
        found["worst"] = {
            "row": rows.names[worst.row],
            "element": list(worst.element),
            "training": shown_value(worst.training),
            "served": shown_value(worst.served),
            "ulps": worst.ulps,
            "absolute": worst.absolute,
            # The row is told where something is wrong; a last place within the tolerance needs none.
            "features": None if outcome.equal else rows.show(worst.row),
        }
    return found


def as_html(findings: Findings) -> str:
    """A page: the verdict, the features to blame, the table of all comparisons, what was not compared, digests."""
    verdict = "no skew: blessed" if findings.blessed else "skew: not blessed"
    parts = [f'<h1 class="{"yes" if findings.blessed else "no"}">{verdict}</h1>', _summary(findings)]
    parts += _listing("Reasons", findings.reasons)
    parts += _listing("What to do", findings.advice)
    parts += _worst_rows(findings)
    parts += ["<h2>Comparisons</h2>", _table(_COLUMNS, list(_table_rows(findings)))]
    parts += _listing("Not expressible, by design", [*findings.by_design, *_inexpressible(findings)])
    parts += _listing("Rows that training's path refuses, and so must all others", _refused(findings))
    parts += _listing("Notes", findings.notes)
    parts += ["<h2>Digests</h2>", _digests(findings.digests)]
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{verdict}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _summary(findings: Findings) -> str:
    tolerances = findings.tolerances
    text = (
        f"{len(findings.sampled)} rows sampled, {findings.synthesised} synthesised that training answers, "
        f"{len(findings.refused)} that it refuses. What was trained: "
        f"{findings.model_source or 'not found in the SavedModel'}. Equal is what differs by at most: as written "
        f"(in this process, graph optimizer off) {tolerances.written.ulps} ULPs or {tolerances.written.absolute:g}; "
        f"features elsewhere {tolerances.features.ulps} ULPs or {tolerances.features.absolute:g}; "
        f"predictions elsewhere {tolerances.predictions.ulps} ULPs or {tolerances.predictions.absolute:g}."
    )
    return f"<p>{html.escape(text)}</p>"


def _listing(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    items = "\n".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return [f"<h2>{html.escape(title)}</h2>", f"<ul>{items}</ul>"]


def _table(head: Sequence[str], rows: Sequence[tuple[bool, Sequence[str]]]) -> str:
    titles = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    lines = [
        f'<tr class="{"yes" if good else "no"}">' + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        for good, cells in rows
    ]
    body = "\n".join(lines)
    return f"<table><tr>{titles}</tr>\n{body}\n</table>"


def _table_rows(findings: Findings) -> Iterator[tuple[bool, Sequence[str]]]:
    for outcome in findings.training_read or ():
        place = ("what training read", "", "sampled", "")
        yield outcome.equal, (*place, f"feature {outcome.name}", *_cells(outcome, findings.sampled))
    for result in findings.results:
        place = (result.path, result.signature, result.rows, result.form)
        for row, reason in result.rejected.items():
            yield False, (*place, "", "", "", f"{row}: {reason}", "no answer")
        if result.error is not None:
            yield False, (*place, "", "", "", result.error, "no answer")
        if result.sent is None:
            yield True, (*place, "", "0", "0", "", "not expressible")
            continue
        for outcome in result.outcomes:
            yield outcome.equal, (*place, f"{outcome.kind} {outcome.name}", *_cells(outcome, result.sent))
        for outcome in result.observed:
            yield outcome.equal, (*place, f"feature {outcome.name}, inside", *_cells(outcome, result.sent))


def _cells(outcome: Outcome, rows: RowSet) -> tuple[str, str, str, str]:
    worst = outcome.worst
    text = outcome.problem or ""
    if worst is not None:
        apart = "" if worst.ulps is None else f", {worst.ulps:,} ULPs"
        values = f"{shown_value(worst.training)!r} -> {shown_value(worst.served)!r}"
        text = f"{values}{apart}, in {rows.names[worst.row]}"
    counted = "" if outcome.counted == ELEMENTS else f" {outcome.counted}"
    return f"{outcome.elements:,}{counted}", f"{outcome.differing:,}", text, "equal" if outcome.equal else "differs"


def _worst_rows(findings: Findings) -> Iterator[str]:
    """The row of the worst element of every skewed feature."""
    for name, places in findings.skewed_features.items():
        where, outcome, rows = places[0]
        if outcome.worst is None:
            continue
        yield f"<h2>The worst row for {html.escape(name)}</h2>"
        told = f"{where}: {rows.names[outcome.worst.row]}\n{rows.show(outcome.worst.row)}"
        yield f"<p><code>{html.escape(told)}</code></p>"


def _inexpressible(findings: Findings) -> list[str]:
    found: dict[tuple[str, str, str], int] = {}
    for result in findings.results:
        for reason, count in result.inexpressible.items():
            key = (result.path, result.signature, reason)
            # The same rows are counted once, not again where they are sent one by one.
            found[key] = max(found.get(key, 0), count)
    return [f"{path}, signature {signature!r}: {reason} ({count} rows)"
            for (path, signature, reason), count in found.items()]  # fmt: skip


def _refused(findings: Findings) -> list[str]:
    return [
        f"{refused.row}: {refused.because} Refused by {refused.refused_by} others"
        + (f", but answered by {' and '.join(refused.accepted_by)}" if refused.accepted_by else "")
        for refused in findings.refused
    ]


def _digests(digests: dict[str, Any]) -> str:
    lines = []
    for name, value in digests.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        lines += [(True, (name, str(key), str(digest))) for key, digest in pairs]
    return _table(("of", "name", "SHA-256"), lines)
