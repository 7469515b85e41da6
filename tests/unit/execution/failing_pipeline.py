"""A pipeline with one fault, named by the environment; test_failures.py runs it as a script and by the command line."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence

from mlops_tfx import Channel, LocalRunner, NodeExecutionOptions, Pipeline
from mlops_tfx.artifacts import Artifact, Model
from mlops_tfx.component import Component, Input, OptionalInput, Output, Parameter
from mlops_tfx.execution import Observer
from mlops_tfx.exit_handler import FinalStatusStr, exit_handler

FAULT = os.environ.get("FAULT", "none")
ROOT = os.environ.get("ROOT", "")


class Good(Component):
    """Ends well."""

    model = Output(Model)

    def run(self) -> None:
        """Writes nothing."""


class Bad(Component):
    """Has the fault."""

    before: OptionalInput[Model] = OptionalInput()
    model = Output(Model)
    fault: str = ""

    def cache_ingredients(self) -> Mapping[str, str]:
        """May fail."""
        return {"file": str(1 / 0)} if self.fault == "cache key" else {}

    def still_valid(self, outputs: Mapping[str, Sequence[Artifact]]) -> bool:
        """May fail."""
        raise ConnectionError("no answer from the destination")

    def run(self) -> None:
        """May fail."""
        with open(os.path.join(self.model.uri, "weights"), "w") as file:
            file.write("w")
        if self.fault == "run":
            raise ValueError("loss is NaN")
        if self.fault == "exit":
            sys.exit(0)
        if self.fault == "publish":
            shutil.rmtree(self.model.uri)
        if self.fault == "hang":
            self.context.log("hangs")
            threading.Event().wait()
        if self.fault == "sleep":
            self.context.log("hangs")
            while True:
                threading.Event().wait(0.01)


class Needs(Component):
    """Needs a model that nobody wrote."""

    model: Input[Model]

    def run(self) -> None:
        """Never runs."""


@exit_handler
def Notify(final_status: Parameter[str], path: Parameter[str], fails: Parameter[bool]) -> None:
    """Notes the status."""
    with open(path, "a") as file:
        file.write(final_status + "\n")
    if fails:
        raise RuntimeError("the chat is down")


notify = Notify(final_status=FinalStatusStr(), path=os.path.join(ROOT, "status"), fails=FAULT == "exit handler")


class Failing(Observer):
    """Fails in the middle of the run."""

    def node_started(self, node_id: str) -> None:
        """Fails."""
        raise BrokenPipeError("nobody reads")


def create_pipeline() -> Pipeline:
    """Good, and Bad after it; Free ends what Good began."""
    good = Good()
    if FAULT == "resolution":
        bad: Component = Needs(Channel(type=Model, producer_component_id="Nobody")).with_id("Bad")
    else:
        # Whether a cached result may be reused is asked of the same work as before.
        bad = Bad(fault="none" if FAULT == "cached result" else FAULT)
    bad.add_upstream_node(good)
    free = Good().with_id("Free").with_node_execution_options(NodeExecutionOptions(lifetime_start="Good"))
    return Pipeline("p", ROOT, components=[good, bad, free])


if __name__ == "__main__":
    LocalRunner(exit_handler=notify).run(create_pipeline())
