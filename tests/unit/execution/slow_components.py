"""Components that hang, fail, die or leave things behind; test_timeouts.py runs them in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.component import Component, OptionalInput, Output, Outputs


class Odd(Exception):
    """Cannot be pickled back: its constructor takes two arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


class Slow(Component):
    """Does what ``how`` says; notes its process and that of a child in a file."""

    before: OptionalInput[Examples] = OptionalInput()
    model = Output(Model)
    parts = Outputs(Examples)
    how: str = "well"
    note: str = ""
    load: Any = None

    def run(self) -> None:
        """Writes, and then does what it was told."""
        _write(os.path.join(self.model.uri, "weights"), "w")
        for number, part in enumerate(self.parts.make(2)):
            part.splits = [f"split{number}"]
        self.model.custom_properties["span"] = 7
        self.context.report_rows(3)
        self.context.report_rows(4)
        self.context.log(f"in {os.getpid()}")
        state = os.path.join(self.context.stateful_working_dir, "checkpoint")
        self.context.log(f"checkpoint: {os.path.exists(state)}")
        _write(state, "c")
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        _write(self.note, f"{os.getpid()} {child.pid}")
        getattr(self, f"_{self.how}")()
        child.kill()
        child.wait()

    def _well(self) -> None:
        """Ends well, with a thread that would not end."""
        threading.Thread(target=time.sleep, args=(600,)).start()

    def _hangs(self) -> None:
        threading.Event().wait()

    def _fails(self) -> None:
        raise ValueError("loss is NaN")

    def _is_odd(self) -> None:
        raise Odd("a", "b")

    def _exits(self) -> None:
        sys.exit(0)

    def _dies(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _write(path: str, text: str) -> None:
    if path:
        with open(path, "w") as file:
            file.write(text)
