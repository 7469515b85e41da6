"""Runs a component in a process of its own, which is killed when its time is over. It has a main thread there.

A thread of Python cannot be stopped from outside, and a forked child of a process that has used TensorFlow may hang. So
the process is started afresh. It leads a process group: what it starts (Beam's workers, a container's client) goes with
it. It ends by itself when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ConfigError, NodeTimeoutError, RunInterrupted
from mlops_tfx.execution.fresh_source import roots

if TYPE_CHECKING:
    from mlops_tfx.component import Component
    from mlops_tfx.execution.work import Outputs, Work

_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


class WorkerTraceback(Exception):
    """The traceback of an error in the other process; shown as its cause."""


def do_in_process(
    work: Work,
    timeout_sec: float,
    stopping: threading.Event,
    report_rows: Callable[[int], None],
    log: Callable[[str], None],
) -> Outputs:
    """Does the work in a process of its own and returns the outputs; ``timeout_sec`` may be infinite.

    Raises:
        NodeTimeoutError: it was not done in time; the process is gone.
        RunInterrupted: ``stopping`` was set; the process is gone.
        ConfigError: the component or its inputs cannot be pickled.
        RuntimeError: the process ended without an answer.
        Exception: whatever the component raised.
    """
    deadline = time.monotonic() + timeout_sec
    with process_of_its_own(_pickled(work), f"{__name__}:serve") as (process, connection):
        while True:
            kind, content = _next_message(process, connection, deadline, timeout_sec, stopping)
            if kind == "rows":
                report_rows(content)
            elif kind == "log":
                log(content)
            elif kind == "failed":
                error, text = content
                raise error from WorkerTraceback(text)
            else:
                outputs: Outputs = pickle.loads(content)
                return outputs


def _pickled(work: Work) -> bytes:
    import cloudpickle  # classes of a notebook or of the program itself go by value

    try:
        data: bytes = pickle.dumps((*_module_of(work.component), cloudpickle.dumps(work)))
    except Exception as error:
        raise ConfigError(
            f"{work.component.id}: with execution_timeout_sec, or with an executor that imports signal, a component "
            f"runs in a process of its own, and it cannot be sent there: {type(error).__name__}: {error}; keep what "
            "cannot be pickled out of its parameters"
        ) from error
    return data


def _module_of(component: Component) -> tuple[str, str]:
    name = type(component).__module__
    return name, getattr(sys.modules.get(name), "__file__", None) or ""


@contextlib.contextmanager
def process_of_its_own(payload: bytes, entry: str) -> Iterator[tuple[subprocess.Popen[bytes], Connection]]:
    """Starts a fresh interpreter; gives the process, and a connection to it. It is killed when the block ends.

    Args:
        payload: what it is given first.
        entry: ``module:function``, called there with the connection and the payload.
    """
    ours, theirs = Pipe()
    code = (
        f"import sys; sys.path[:] = {[str(place) for place in sys.path]!r}; "
        f"from mlops_tfx.execution.fresh_source import import_from_source as of; [of(root) for root in {roots()!r}]; "
        f"from mlops_tfx.execution.worker import begin; begin({theirs.fileno()}, {entry!r})"
    )
    with ours:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            with contextlib.suppress(BrokenPipeError):  # it is gone already; reading will tell
                ours.send_bytes(payload)
            yield process, ours
        finally:
            _kill(process)
            process.wait()


def _next_message(
    process: subprocess.Popen[bytes],
    connection: Connection,
    deadline: float,
    timeout_sec: float,
    stopping: threading.Event,
) -> tuple[str, Any]:
    while not connection.poll(max(0.0, min(_POLL_SECONDS, deadline - time.monotonic()))):
        if stopping.is_set():
            raise RunInterrupted("the run was interrupted; the node's process was killed")
        if time.monotonic() >= deadline:
            raise NodeTimeoutError(
                f"expected it to end within execution_timeout_sec={timeout_sec:g}; its process was killed. Give it "
                "more time, or look where it hangs"
            )
    try:
        message: tuple[str, Any] = connection.recv()
    except (EOFError, ConnectionError):
        code = process.wait()
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
        raise RuntimeError(f"the node's process {how} before it was done") from None
    return message


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


# In the process of its own --------------------------------------------------------------------------------------


def begin(file_descriptor: int, entry: str) -> None:
    """Takes the payload from the connection and calls the entry."""
    _die_with_starter()
    os.set_inheritable(file_descriptor, False)
    connection = Connection(file_descriptor)
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)(connection, connection.recv_bytes())


def serve(connection: Connection, payload: bytes) -> None:
    """Does the work that the payload has, and sends what comes of it."""
    threading.Thread(target=_watch, args=(connection,), daemon=True).start()
    lock = threading.Lock()

    def send(kind: str, content: Any) -> None:
        with lock:
            connection.send((kind, content))

    try:
        from mlops_tfx.execution.quiet import quiet_libraries

        quiet_libraries()
        module_name, module_file, data = pickle.loads(payload)
        _import(module_name, module_file)
        work: Work = pickle.loads(data)
        outputs = work.do(lambda rows: send("rows", rows), lambda text: send("log", text))
        answer: tuple[str, Any] = ("done", pickle.dumps(outputs))
    except BaseException as error:
        answer = ("failed", (_sendable(error), traceback.format_exc()))
    sys.stdout.flush()
    sys.stderr.flush()
    send(*answer)
    # Threads that the component left behind are not waited for.
    os._exit(0)


def _import(name: str, file: str) -> None:
    """Imports the component's module from where it was imported there, even if the path leads to another by now."""
    if not file or name == "__main__":
        return
    with contextlib.suppress(ImportError):
        if getattr(importlib.import_module(name), "__file__", None) == file:
            return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is not None and spec.loader is not None:
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])


def _sendable(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        with contextlib.suppress(Exception):
            copy = pickle.loads(pickle.dumps(error))
            return copy if isinstance(copy, Exception) else RuntimeError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def _watch(connection: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        connection.recv_bytes()
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _die_with_starter() -> None:
    # Where the component holds the interpreter's lock, no thread of ours could notice; the kernel does, on Linux.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
