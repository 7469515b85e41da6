"""What the schema guard costs: its share of a request, in process and over gRPC, 17 features, each with a domain.

    python benchmarks/schema_guard.py [--requests 2000]

The model is that of benchmarks/serving.py. Servers with and without the guard run in processes of their own and
are asked in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.getcwd())

ROWS = (1, 16, 32, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = export(folder)
        print(f"{'':46}{'model':>10}{'guard':>10}{'share':>8}")
        in_process(base, arguments.requests)
        print(f"{'':46}{'off':>10}{'annotate':>10}{'more':>8}")
        over_grpc(base, arguments.requests)


def export(folder: str) -> str:
    """Writes the model with a schema that has a domain for every feature; returns its base path."""
    from benchmarks import serving_model
    from mlops_tfx.serving.export import export_model
    from mlops_tfx.serving.export.transform import read_schema

    graph = os.path.join(folder, "transform_graph")
    serving_model.transform_apart(graph)
    schema = read_schema(os.path.join(graph, "metadata"))
    for feature in schema.feature:
        feature.presence.min_fraction = 1.0
        if feature.type == 1:
            feature.string_domain.value.extend("abc")
        elif feature.type == 2:
            feature.int_domain.min, feature.int_domain.max = 0, 100
        else:
            feature.float_domain.min, feature.float_domain.max, feature.float_domain.disallow_nan = -1e6, 1e6, True
    base = os.path.join(folder, "models")
    export_model(serving_model.build_model(), graph, os.path.join(base, "1"), label_key="label", schema=schema)
    return base


def inputs_of(rows: int) -> dict[str, dict[str, Any]]:
    """The same rows for both signatures."""
    import numpy as np

    from benchmarks.serving_model import ROW
    from mlops_tfx.serving import tensor_messages

    kinds = {float: np.float32, int: np.int64, str: object}
    raw = {n: np.array([v.encode() if isinstance(v, str) else v] * rows, kinds[type(v)]) for n, v in ROW.items()}
    return {"serving_default": {"examples": np.array([tensor_messages.encode_row(ROW)] * rows, object)},
            "serving_raw": raw}  # fmt: skip


def in_process(base: str, times: int) -> None:
    """The model's own time beside that of the guard: parsing once more, and following what the model parses."""
    from mlops_tfx.serving.server import saved_model
    from mlops_tfx.serving.server.calls import Call
    from mlops_tfx.serving.server.metrics import Metrics
    from mlops_tfx.serving.server.schema_guard.guard import SchemaGuard

    folder = os.path.join(base, "1")
    session = saved_model.load(folder, saved_model.SessionOptions())
    SchemaGuard("annotate", Metrics(), follows=True).prepare("m", folder, 1, session)
    checks = session.checks
    if checks is None:
        raise RuntimeError("the model has no schema")
    for rows in ROWS:
        for name, inputs in inputs_of(rows).items():
            signature = session.signatures[name]
            plan, ordered = signature.plan(signature.select(())), signature.order(inputs)

            def make(name: str = name, plan: Any = plan, values: Any = ordered) -> Any:
                return Call("Predict", "GRPC", "m", 1, name, plan, values, frozenset(plan.inputs))

            call = make()
            if len(checks.check(call)):
                raise RuntimeError(f"the rows do not fit the schema: {list(map(str, checks.check(call)))}")
            asks = [lambda call=call: call.plan.run(call.values), lambda call=call: checks.check(call)]
            if followed(checks, make()):
                asks.append(lambda make=make: run_followed(checks, make()))
            run, check, *both = medians(asks, max(times // rows, 200))
            cost = both[0] - run if both else check
            print(f"{f'in process, {name}, {rows} rows':46}{1e3 * run:7.3f} ms{1e3 * cost:7.3f} ms{cost / run:8.2f}"
                  + (f"   parsing once more {1e3 * check:.3f} ms" if both else ""))  # fmt: skip
    session.close()


def followed(checks: Any, call: Any) -> bool:
    """Whether a call can be followed; what that needs is made first."""
    if checks.parsed_by(call) is None:
        for thread in threading.enumerate():
            if thread.name == "schema-guard":
                thread.join()
    return checks.parsed_by(call) is not None


def run_followed(checks: Any, call: Any) -> None:
    parsed = checks.parsed_by(call)
    call.plan.run(call.values)
    if len(checks.check_parsed(call, parsed)):
        raise RuntimeError("the rows do not fit the schema")


@contextlib.contextmanager
def servers(base: str) -> Iterator[list[Any]]:
    """Clients of one server without and one with the guard."""
    from mlops_tfx.serving.local import serve

    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(serve("m", base, flags=[f"--schema_guard={mode}"])) for mode in ("off", "annotate")]


def over_grpc(base: str, times: int) -> None:
    """Whole requests."""
    with servers(base) as clients:
        for rows in ROWS:
            for name, inputs in inputs_of(rows).items():
                asks = [lambda c=c, i=inputs, n=name: c.predict("m", i, signature_name=n) for c in clients]
                off, on = medians(asks, max(times // rows, 300))
                print(f"{f'gRPC, {name}, {rows} rows':46}{1e3 * off:7.3f} ms{1e3 * on:7.3f} ms{on / off - 1:8.1%}")


def medians(functions: Sequence[Callable[[], Any]], times: int) -> list[float]:
    """Seconds, the functions taking turns, so that what else the machine does falls on all."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(times):
        for function, taken in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [sorted(taken)[len(taken) // 2] for taken in seconds]


if __name__ == "__main__":
    if not Path("benchmarks/serving.py").exists():
        sys.exit("run it from the folder of the project")
    main()
