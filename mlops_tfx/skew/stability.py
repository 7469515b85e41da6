"""Whether an answer depends on its row alone: not on chance, on what was asked before, or on the rows beside it.

What is random, keeps state or looks at the whole batch cannot be compared with anything: two answers to the same row
differ. That is told in place of the differences that come of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.skew.checking import ROUNDING
from mlops_tfx.skew.comparison import FEATURE, PREDICTION, Tolerance, compare
from mlops_tfx.skew.paths import joined
from mlops_tfx.skew.rows import shown_value
from mlops_tfx.skew.training import RejectedError, predict

if TYPE_CHECKING:
    from mlops_tfx.skew.comparison import Outcome
    from mlops_tfx.skew.paths import RequestPath
    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.signatures import Signature
    from mlops_tfx.skew.training import Reference

_ALONE = 8
# Operations whose answer is not the same the next time, by how their names begin.
_FICKLE = (
    "Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal", "Timestamp", "StatefulUniform",
    "StatefulStandardNormal", "StatefulTruncatedNormal", "StatefulRandom", "Assign", "ResourceScatter",
)  # fmt: skip
_PYTHON = ("EagerPyFunc", "PyFunc", "PyFuncStateless")

Answers = Mapping[str, Any]


def instability_of_graph(reference: Reference, alone: Reference, places: list[int]) -> str | None:
    """Returns why training's features cannot be compared with anything; None if they can.

    Args:
        reference: training's path for the sampled rows.
        alone: the same for some of them, each computed by itself.
        places: which those are.
    """
    written = reference.written
    kinds = dict.fromkeys(written.features, FEATURE)
    again = written.preprocessing.compute(reference.rows, None, False)
    for name, outcome in _compared(kinds, written.features, again.features):
        return (
            f"the transform graph does not compute the same when it is applied again: "
            f"{_shown(name, outcome, reference.rows)}; preprocessing_fn must draw no random numbers and read no clock"
        )
    together = {name: array[places] for name, array in written.features.items()}
    for name, outcome in _compared(kinds, together, alone.written.features if places else {}):
        return (
            f"the transform graph computes a row otherwise when it is alone than among {len(reference)} rows: "
            f"{_shown(name, outcome, alone.rows, ('among others', 'alone'))}; what preprocessing_fn takes over rows, "
            "such as means and ranks, must be an analyzer of tft, which sees all of the data"
        )
    return None


def instability_of_model(reference: Reference) -> str | None:
    """Returns why what was trained cannot be compared with anything; None if it can.

    Args:
        reference: training's path for the sampled rows. Raises RejectedError if the model refuses them.
    """
    computed = reference.written
    if computed.model is None:
        return None

    def answer(rows: list[int] | None) -> Answers:
        part = computed if rows is None else computed.take(rows)
        return predict(computed.model, part.tensors)

    kinds = dict.fromkeys(computed.predictions, PREDICTION)
    return _instability("what was trained", answer, kinds, reference.rows, computed.model.function)


def instability_of_signature(path: RequestPath, signature: Signature, rows: RowSet) -> str | None:
    """Returns why a signature cannot be compared with anything; None if it can, or does not answer at all.

    Args:
        path: this process.
        signature: the signature.
        rows: rows that can be sent to it.
    """

    def answer(numbers: list[int] | None) -> Answers:
        return path.answer(rows if numbers is None else rows.take(numbers), signature)

    try:
        return _instability(f"signature {signature.name!r}", answer, signature.kinds, rows, signature.function)
    except RejectedError:
        return None  # told where its answers are compared


def _instability(
    what: str, answer: Callable[[list[int] | None], Answers], kinds: Mapping[str, str], rows: RowSet, function: Any
) -> str | None:
    first, second = answer(None), answer(None)
    for name in kinds:
        shape = np.shape(first.get(name, np.zeros(len(rows))))
        if shape[:1] != (len(rows),):
            return f"{what}: expected a row of {_output(name)} for each of {len(rows)} rows, received {shape=!r}"
    for name, outcome in _compared(kinds, first, second):
        return (
            f"{what} does not answer the same when it is asked the same again: {_shown(name, outcome, rows)}"
            f"{_suspects(function)}; what is served must draw no random numbers and keep no state: call layers with "
            "training=False, and take draws out of the signature"
        )
    some = np.unique(np.linspace(0, len(rows) - 1, min(_ALONE, len(rows))).astype(int)).tolist()
    if len(rows) == 1:
        return None
    alone = joined([dict(answer([row])) for row in some])
    together = {name: array[some] for name, array in first.items()}
    for name, outcome in _compared(kinds, together, alone):
        return (
            f"{what} answers a row otherwise when it is alone than among {len(rows)} rows: "
            f"{_shown(name, outcome, rows.take(some), ('among others', 'alone'))}; an answer must depend on its own "
            "row only: call layers such as BatchNormalization with training=False, and take no means, ranks or "
            "lengths over the rows of a request"
        )
    return None


def _compared(kinds: Mapping[str, str], first: Answers, second: Answers) -> Iterator[tuple[str, Outcome]]:
    """The outputs that differ by more than rounding."""
    for name, kind in kinds.items():
        if name in first and name in second:
            outcome = compare(name, kind, first[name], second[name], _rounding(first[name]))
            if not outcome.equal:
                yield name, outcome


def _rounding(array: Any) -> Tolerance:
    """What may come of rounding numbers of this size, where large ones are subtracted."""
    numbers = np.abs(array[np.isfinite(array)]) if array.dtype.kind == "f" else np.zeros(0)
    return Tolerance(ROUNDING.ulps, ROUNDING.absolute * float(numbers.max(initial=1.0)))


def _shown(name: str, outcome: Outcome, rows: RowSet, when: tuple[str, str] = ("first", "then")) -> str:
    worst = outcome.worst
    if worst is None:
        return f"{_output(name)}: {outcome.problem}"
    return (
        f"{_output(name)} of {rows.names[worst.row]} is {shown_value(worst.training)!r} {when[0]}, "
        f"{shown_value(worst.served)!r} {when[1]}"
    )


def _output(name: str) -> str:
    return f"output {name!r}" if name else "its output"


def _suspects(function: Any) -> str:
    found = sorted({operation for operation in operations(function) if operation.startswith(_FICKLE)})
    return f" (its graph has {', '.join(found)})" if found else ""


def operations(function: Any) -> set[str]:
    """Returns the types of the operations of a concrete function, and of those that it calls."""
    graph = function.graph.as_graph_def()
    return {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}


def python_inside(function: Any) -> str | None:
    """Returns what a signature has that no SavedModel can hold: calls of Python. None if there are none."""
    found = sorted(operations(function) & set(_PYTHON))
    if not found:
        return None
    return (
        f"calls Python code ({', '.join(found)}), which is not in the SavedModel: no other process can answer; write "
        "it with TensorFlow's operations (tf.strings, tf.math, ...) in place of tf.py_function or tf.numpy_function"
    )


def reads_the_clock(function: Any) -> str | None:
    """Returns what a signature has whose answer is another one later; None if it has not."""
    if "Timestamp" not in operations(function):
        return None
    return "reads the clock (Timestamp): training saw another time; give the time as a feature"
